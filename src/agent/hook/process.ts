// One run of the hook as a process of its own, and what it prints.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { formatAddress } from '../../model/address.js';
import { HookOutput, type OutputLine } from './output.js';
import type { HookRun } from './queue.js';

/** How a run ended. */
export type HookEnd =
  | { readonly end: 'exit'; readonly code: number }
  | { readonly end: 'signal'; readonly signal: string }
  /** It never began: `code` such as ENOENT. */
  | { readonly end: 'not started'; readonly code: string };

export interface HookProcess {
  /** Tells the process and all that it has started, unless they have made groups of their own. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): void;
}

export interface HookEvents {
  readonly onLine: (line: OutputLine) => void;
  /** Called once and last. */
  readonly onEnd: (end: HookEnd) => void;
}

/** Starts a run. Events come later, never before it returns. */
export type SpawnHook = (run: HookRun, events: HookEvents) => HookProcess;

/**
 * A SpawnHook of real processes: no shell, the command is one path, and there is one argument.
 *
 * @param command absolute
 * @param environment of the agent; what a command gets of it is in `hookEnvironment`
 */
export function hookSpawner(command: string, environment: NodeJS.ProcessEnv): SpawnHook {
  return (run, events) => {
    let child: ChildProcess;
    try {
      child = spawn(command, [run.what], {
        env: hookEnvironment(run, environment),
        stdio: ['ignore', 'pipe', 'pipe'],
        // A group of its own, which can be ended as a whole, and no terminal whose Ctrl-C would reach it.
        detached: true,
      });
    } catch (error) {
      // Of most errors Node tells later.
      setImmediate(() => {
        events.onEnd(notStarted(error));
      });
      return { signal: () => undefined };
    }
    watch(child, events);
    return {
      signal: (signal) => {
        if (child.pid !== undefined) signalGroup(child.pid, signal);
      },
    };
  };
}

/**
 * What the command finds in its environment: nothing that speaks for the agent, such as NOTIFY_SOCKET. `source` and
 * `group` are always ours.
 */
export function hookEnvironment(run: HookRun, environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PATH = DEFAULT_PATH, LANG, TZ } = environment;
  return {
    PATH,
    ...(LANG === undefined ? {} : { LANG }),
    ...(TZ === undefined ? {} : { TZ }),
    ...(run.what === 'install' ? { source: formatAddress(run.source), group: formatAddress(run.group) } : {}),
  };
}

/** As systemd has it. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin';

/**
 * Time for what is still in its pipes when it has ended, in ms. Longer only if it has left something behind that holds
 * them, and that is not waited for.
 */
const LAST_OUTPUT_LIMIT_MS = 200;

/** Pause between two reads of what is dropped anyway, in ms: a command that never stops to print costs nothing then. */
const DROPPED_READ_INTERVAL_MS = 10;

function watch(child: ChildProcess, events: HookEvents): void {
  const output = new HookOutput();
  const streams = [['stdout', child.stdout] as const, ['stderr', child.stderr] as const];
  for (const [name, stream] of streams) if (stream !== null) read(stream, (chunk) => output.take(name, chunk), events);
  let isOver = false;
  const finish = (end: HookEnd) => {
    if (isOver) return;
    isOver = true;
    for (const [, stream] of streams) stream?.destroy();
    for (const line of output.end()) events.onLine(line);
    events.onEnd(end);
  };
  child.once('error', (error) => {
    if (child.pid === undefined) finish(notStarted(error));
  });
  child.once('exit', (code, signal) => {
    const end: HookEnd = signal === null ? { end: 'exit', code: code ?? 0 } : { end: 'signal', signal };
    const timer = setTimeout(finish, LAST_OUTPUT_LIMIT_MS, end);
    child.once('close', () => {
      clearTimeout(timer);
      finish(end);
    });
  });
}

function read(stream: Readable, take: (chunk: string) => OutputLine[] | undefined, events: HookEvents): void {
  stream.setEncoding('utf8');
  stream.on('error', () => undefined);
  stream.on('data', (chunk: string) => {
    const lines = take(chunk);
    for (const line of lines ?? []) events.onLine(line);
    if (lines !== undefined) return;
    stream.pause();
    setTimeout(() => stream.resume(), DROPPED_READ_INTERVAL_MS);
  });
}

/** It, and so its group, may be gone: its number is not given to another while anything of the group is left. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

function notStarted(error: unknown): HookEnd {
  return { end: 'not started', code: codeOf(error) ?? String(error) };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
