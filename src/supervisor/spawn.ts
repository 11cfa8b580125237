// Starts the process of an agent. Every program of the line execs the next one, so that the pid which Node knows is the
// one that the agent has, says LISTEN_PID with, and dies under.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { ListenFd } from '../runtime/listen-fds.js';
import type { LogLevel } from '../runtime/log.js';
import type { TableDefinition } from './table.js';

/** What all agents of this supervisor have in common. */
export interface SpawnContext {
  /** The folder with dist/ and native/. */
  readonly tree: string;
  readonly runtimeDirectory: string;
  readonly stateDirectory: string;
  readonly notifySocketPath: string;
  /** The group that may make sockets in the runtime directory; undefined: its owner knows. */
  readonly agentGroup: number | undefined;
  /** For agents without one of their own. */
  readonly logLevel: LogLevel;
  /** Its MCROUTE_AGENT is a program that is started in place of the launcher and Node. */
  readonly environment: NodeJS.ProcessEnv;
}

/** How a process ended. */
export interface AgentExit {
  /** Undefined if a signal ended it, or it never was. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Why it could not be started. */
  readonly startError: string | undefined;
  /** The last of what it wrote to stderr. */
  readonly lastWords: string;
}

export interface AgentProcess {
  /** Undefined if it could not be started; the exit follows. */
  readonly pid: number | undefined;
  /** Undefined with the pid. */
  readonly stderr: Readable | undefined;
  signal(signal: NodeJS.Signals): void;
}

/**
 * Starts an agent with duplicates of the descriptors, from 3 on.
 *
 * @param onExit called once, later.
 */
export function spawnAgent(
  definition: TableDefinition,
  kept: readonly ListenFd[],
  context: SpawnContext,
  onExit: (exit: AgentExit) => void,
): AgentProcess {
  let child: ChildProcess;
  try {
    child = start(definition, kept, context);
  } catch (error) {
    // Of most errors Node tells later.
    setImmediate(() => {
      onExit(startError(error));
    });
    return { pid: undefined, stderr: undefined, signal: () => undefined };
  }
  const stderr = child.stderr ?? undefined;
  const lastWords = stderr === undefined ? () => '' : collectLastWords(stderr);
  child.once('error', (error) => {
    // Other errors, such as one of kill(2), are none of a start.
    if (child.pid === undefined) onExit(startError(error));
  });
  child.once('exit', (code, signal) => {
    whenRead(child, code ?? 0, () => {
      onExit({
        code: code ?? undefined,
        signal: signal ?? undefined,
        startError: undefined,
        lastWords: lastWords(),
      });
    });
  });
  return {
    pid: child.pid,
    stderr,
    // Not after its end has been seen: the pid may be another's by then, and Node sends nothing.
    signal: (signal) => void child.kill(signal),
  };
}

/** The line that runs the agent of a table. */
export function agentCommand({ table, settings }: TableDefinition, context: SpawnContext): readonly string[] {
  const { user, netns, configFile, families, logLevel } = settings;
  const enter = netns === undefined ? [] : ['nsenter', `--net=/run/netns/${netns}`, '--'];
  const program = context.environment['MCROUTE_AGENT'];
  return [
    ...enter,
    ...(program === undefined || program === '' ? launchCommand(context.tree) : [program]),
    ...['--table', String(table)],
    ...['--socket', agentSocket(context, table)],
    ...['--state-directory', context.stateDirectory],
    ...(configFile === undefined ? [] : ['--file', configFile]),
    ...(user === undefined ? [] : ['--user', withGroup(user, context.agentGroup)]),
    ...(families.length === 0 ? [] : ['--families', families.join(',')]),
    ...['--cache-timeout', String(settings.cacheTimeoutS)],
    ...['--star-g', settings.starG],
    ...(settings.makesMrules ? [] : ['--no-mrules']),
    ...['--mrule-priority', String(settings.mrulePriority)],
    ...(settings.wantsRealtime ? [] : ['--no-realtime']),
    ...['--log-level', logLevel ?? context.logLevel],
  ];
}

/** What an agent finds in its environment, beside LISTEN_PID and WATCHDOG_PID. */
export function agentEnvironment(
  { settings }: TableDefinition,
  kept: readonly ListenFd[],
  context: SpawnContext,
): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = {
    ...context.environment,
    MCROUTE_RUNTIME_DIRECTORY: context.runtimeDirectory,
    NOTIFY_SOCKET: context.notifySocketPath,
    LISTEN_FDS: String(kept.length),
  };
  for (const name of OWN_VARIABLES) Reflect.deleteProperty(environment, name);
  if (kept.length > 0) environment['LISTEN_FDNAMES'] = kept.map(({ name }) => name).join(':');
  if (settings.watchdogS > 0) environment['WATCHDOG_USEC'] = String(settings.watchdogS * 1_000_000);
  return environment;
}

/** The socket on which the agent of the table serves. */
export function agentSocket(context: Pick<SpawnContext, 'runtimeDirectory'>, table: number): string {
  return join(context.runtimeDirectory, `${table}.sock`);
}

/** Files without which no agent can be started; none are missing in a tree that was built. */
export function missingPieces(tree: string): readonly string[] {
  return [launcher(tree), startFile(tree)].filter((piece) => !existsSync(piece));
}

/** Only the process itself can tell its pid before it runs. */
const SET_PIDS = ['/bin/sh', '-c', 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$0" "$@"'] as const;

/** The name by which start.cjs and bin/ know the program. */
const AGENT = 'mcroute-agent';

/** Meant for this process, or slow: Node would read the certificates at every start (50 ms), and an agent has no TLS. */
const OWN_VARIABLES = [
  'MCROUTE_AGENT',
  'NODE_EXTRA_CA_CERTS',
  'LISTEN_PID',
  'LISTEN_PIDFDID',
  'LISTEN_FDNAMES',
  'WATCHDOG_PID',
  'WATCHDOG_USEC',
] as const;

/** Time for reading the last words of an agent that ended with an error, in ms; a process of its own may hold its stderr. */
const LAST_WORDS_LIMIT_MS = 200;

/** Characters of the last words. */
const LAST_WORDS_MAX = 4_096;

function start(definition: TableDefinition, kept: readonly ListenFd[], context: SpawnContext): ChildProcess {
  const [program, ...args] = [...SET_PIDS, ...agentCommand(definition, context)];
  return spawn(program, args, {
    env: agentEnvironment(definition, kept, context),
    stdio: ['ignore', 'ignore', 'pipe', ...kept.map(({ fd }) => fd)],
    // Ctrl-C on our terminal is for us alone: we tell the agents.
    detached: true,
  });
}

/** A user without a group gets the one in which agents can make their sockets, and people can use them. */
function withGroup(user: string, group: number | undefined): string {
  return user.includes(':') || group === undefined ? user : `${user}:${group}`;
}

function startError(error: unknown): AgentExit {
  const message = error instanceof Error ? error.message : String(error);
  return { code: undefined, signal: undefined, startError: message, lastWords: '' };
}

function launchCommand(tree: string): readonly string[] {
  // The shell and nsenter come before the launcher: our death in that time must not be missed.
  const launch = [launcher(tree), `--die-with-parent=${process.pid}`, '--from-arguments', '--signalling', '--'];
  // No flags of V8: decision 10 has what they cost.
  return [...launch, 'node', startFile(tree), AGENT];
}

function launcher(tree: string): string {
  return join(tree, 'native/build/Release/mcroute-launch');
}

function startFile(tree: string): string {
  return join(tree, 'dist/src/start/start.cjs');
}

function collectLastWords(stream: Readable): () => string {
  let words = '';
  stream.on('data', (chunk: Buffer | string) => {
    words = (words + chunk.toString()).slice(-LAST_WORDS_MAX);
  });
  return () => words;
}

/** Why an agent failed is in its last words, which may still be in the pipe. Others are not waited for. */
function whenRead(child: ChildProcess, code: number, done: () => void): void {
  if (code === 0) {
    done();
    return;
  }
  const finish = () => {
    clearTimeout(timer);
    child.off('close', finish);
    done();
  };
  const timer = setTimeout(finish, LAST_WORDS_LIMIT_MS);
  child.once('close', finish);
}
