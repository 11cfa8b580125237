// Starts of mcroute-agent that are not expected to succeed, with any words and environment.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Result } from './agent.js';
import { installTree } from './install-tree.js';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { waitForLine } from './wait.js';

/** The program as a person calls it. */
export const AGENT = join(installTree(), 'bin/mcroute-agent');

/** The words that start a program as on a kernel without IPv6. */
export const WITHOUT_IPV6: readonly string[] = ['python3', join(installTree(), 'test/support/without-ipv6.py')];

/** The folder of the sockets, if the environment names none. */
export function runtimeDirectory(namespace: Namespace): string {
  return `/run/mcroute-${namespace.netns}`;
}

/** Runs a command in a namespace to its end. */
export function start(
  namespace: Namespace,
  command: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Result {
  const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${namespace.path}`, '--', ...command], {
    encoding: 'utf8',
    env: {
      ...plainEnvironment(),
      MCROUTE_RUNTIME_DIRECTORY: runtimeDirectory(namespace),
      MCROUTE_STATE_DIRECTORY: `${runtimeDirectory(namespace)}.state/start`,
      ...environment,
    },
    timeout: START_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  return { status, stdout, stderr };
}

/** Another program that owns a table, until it is disposed of. */
export async function ownTable(namespace: Namespace, table: number, family: 'ipv4' | 'ipv6'): Promise<Disposable> {
  const owner = namespace.spawn('python3', ['-c', OWN_TABLE, String(table), family], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  if (owner.stdout === null) throw new Error('bug: its output is not read');
  await waitForLine(owner.stdout, /owned/);
  return { [Symbol.dispose]: () => void owner.kill('SIGKILL') };
}

/** Whether the default table of each family is free: owns both for a moment. */
export function areDefaultTablesFree(namespace: Namespace): boolean {
  return namespace.run('python3', ['-c', OWN_DEFAULT_TABLES]) === 'owned\n';
}

/** MRT_TABLE is 209, MRT_INIT 200, the same for IPv6. */
const OWN_TABLE = `
import socket, struct, sys
family, protocol, level = (socket.AF_INET, 2, 0) if sys.argv[2] == "ipv4" else (socket.AF_INET6, 58, 41)
owner = socket.socket(family, socket.SOCK_RAW, protocol)
owner.setsockopt(level, 209, struct.pack("I", int(sys.argv[1])))
owner.setsockopt(level, 200, 1)
print("owned", flush=True)
sys.stdin.read()`;

const OWN_DEFAULT_TABLES = `
import socket
for family, protocol, level in ((socket.AF_INET, 2, 0), (socket.AF_INET6, 58, 41)):
    socket.socket(family, socket.SOCK_RAW, protocol).setsockopt(level, 200, 1)
print("owned")`;

/** A start that is refused takes a second at most. */
const START_LIMIT_MS = 20_000;
