// How a program of this tree is started: by mcroute-launch, in an environment that has nothing that was meant for the
// supervisor.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ListenFd } from '../runtime/listen-fds.js';
import type { LogLevel } from '../runtime/log.js';

/** What all programs of this supervisor have in common. */
export interface LaunchContext {
  /** The folder with dist/ and native/. */
  readonly tree: string;
  readonly runtimeDirectory: string;
  readonly stateDirectory: string;
  readonly notifySocketPath: string;
  /** The group that may make sockets in the runtime directory; undefined: its owner knows. */
  readonly agentGroup: number | undefined;
  /** For programs without one of their own. */
  readonly logLevel: LogLevel;
  /** Its MCROUTE_AGENT and MCROUTE_GATEWAY are programs that are started in place of the launcher and Node. */
  readonly environment: NodeJS.ProcessEnv;
}

/** The words before the arguments of a program; `options` are those of the launcher. */
export function launchCommand(tree: string, options: readonly string[], program: string): readonly string[] {
  // The shell and nsenter come before the launcher: our death in that time must not be missed.
  const launch = [launcher(tree), `--die-with-parent=${process.pid}`, ...options, '--'];
  // No flags of V8: decision 10 has what they cost.
  return [...launch, 'node', startFile(tree), program];
}

/** What a program finds in its environment, beside LISTEN_PID and WATCHDOG_PID. A watchdog time of 0 is none. */
export function launchEnvironment(
  context: LaunchContext,
  watchdogS: number,
  kept: readonly ListenFd[],
): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    ...context.environment,
    MCROUTE_RUNTIME_DIRECTORY: context.runtimeDirectory,
    NOTIFY_SOCKET: context.notifySocketPath,
    LISTEN_FDS: String(kept.length),
  };
  for (const name of OWN_VARIABLES) Reflect.deleteProperty(environment, name);
  if (kept.length > 0) environment['LISTEN_FDNAMES'] = kept.map(({ name }) => name).join(':');
  if (watchdogS > 0) environment['WATCHDOG_USEC'] = String(watchdogS * 1_000_000);
  return environment;
}

/** `--user`; one without a group gets that in which programs can make their sockets, and people can use them. */
export function userOption(user: string, group: number | undefined): readonly string[] {
  return ['--user', user.includes(':') || group === undefined ? user : `${user}:${group}`];
}

/** Files without which no program can be started; none are missing in a tree that was built. */
export function missingPieces(tree: string): readonly string[] {
  return [launcher(tree), startFile(tree)].filter((piece) => !existsSync(piece));
}

/**
 * Meant for this process, or slow: Node would read the certificates at every start (50 ms); an agent has no TLS, and the
 * gateway trusts what its own file names.
 */
const OWN_VARIABLES = [
  'MCROUTE_AGENT',
  'MCROUTE_GATEWAY',
  'NODE_EXTRA_CA_CERTS',
  'LISTEN_PID',
  'LISTEN_PIDFDID',
  'LISTEN_FDNAMES',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
] as const;

function launcher(tree: string): string {
  return join(tree, 'native/build/Release/mcroute-launch');
}

function startFile(tree: string): string {
  return join(tree, 'dist/src/start/start.cjs');
}
