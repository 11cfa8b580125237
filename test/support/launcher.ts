// Runs mcroute-launch and reads what the probe that it starts says.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { installTree } from './install-tree.js';
import { WAIT_LIMIT_MS, waitForExit, waitForLine } from './wait.js';

const tree = installTree();

/** The launcher; MCROUTE_LAUNCH names another build. */
export const LAUNCH = process.env['MCROUTE_LAUNCH'] ?? join(tree, 'native/build/Release/mcroute-launch');

/** The user and group that the tests drop to: `nobody` nearly everywhere, and without a need for an entry. */
export const TARGET_ID = 65534;

/** The bit set of CAP_NET_ADMIN as /proc/PID/status prints it. */
export const NET_ADMIN_ONLY = '0000000000001000';

/** The words that start the probe. */
export const PROBE: readonly string[] = ['python3', join(tree, 'test/support/launch-probe.py')];

/** Inside a user namespace that has one id, so that nobody else can be become. */
export const isRootless = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/)[2] === '1';

/** Options that ask for the user and group TARGET_ID. */
export const TARGET: readonly string[] = ['--user', `${TARGET_ID}:${TARGET_ID}`];

/** Who the program runs as with TARGET. */
export const expectedId = isRootless ? 0 : TARGET_ID;

/**
 * A test of what only root can do, such as becoming another user. It is for the run as root, and no test of the
 * rootless run.
 */
export function itAsRoot(name: string, body: () => void | Promise<void>): void {
  if (!isRootless) it(name, body);
}

/** The path of a file of the project. */
export function projectFile(path: string): string {
  return join(tree, path);
}

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What launch-probe.py prints. */
export interface ProbeAnswer {
  readonly pid: number;
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  readonly status: Readonly<Record<string, readonly string[]>>;
  readonly procOwner: number;
  readonly umask: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly fds: Readonly<Record<string, string>>;
  readonly sockets: Readonly<Record<string, SocketAnswer>>;
  readonly rawSocket: string;
  readonly realtimeLimit: readonly number[];
  readonly schedulingPolicy: number;
}

export interface SocketAnswer {
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  readonly receiveBuffer: number;
  readonly isBlocking: boolean;
  readonly pktinfo?: number;
  readonly passed?: readonly number[];
  readonly hopByHop?: string;
}

/** Runs a command to its end, with a small environment in which no LISTEN_FDS of the test runner is. */
export function run(command: readonly string[], environment: Readonly<Record<string, string>> = {}): Finished {
  const [program = '', ...args] = command;
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...BASE_ENVIRONMENT, ...environment },
    timeout: WAIT_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** Launches the probe. */
export function launchProbe(options: readonly string[], environment: Readonly<Record<string, string>> = {}): Finished {
  return run([LAUNCH, ...options, '--', ...PROBE], environment);
}

/** The probe's answer; what the launcher said is in the error when there is none. */
export function parseProbe(finished: Finished): ProbeAnswer {
  if (finished.status !== 0) throw new Error(`status ${String(finished.status)}: ${finished.stderr}`);
  return JSON.parse(finished.stdout) as ProbeAnswer;
}

/** Calls `body` while a launched program owns the table of the options, and ends the program. */
export async function whileOwned(options: readonly string[], body: () => void): Promise<void> {
  const child = spawn(LAUNCH, [...options, '--', ...PROBE, 'wait'], {
    env: BASE_ENVIRONMENT,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  try {
    await waitForLine(child.stdout, /^\{/);
    body();
  } finally {
    child.kill('SIGKILL');
    await waitForExit(child);
  }
}

/** Folders that an unprivileged user may look into; /run is the test's own. */
export const BASE_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin',
  MCROUTE_RUNTIME_DIRECTORY: '/tmp',
  MCROUTE_STATE_DIRECTORY: '/run/launch-state',
};
