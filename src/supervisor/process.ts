// Starts a process of which the supervisor wants to know how it ends. Every program of its line execs the next one, so that
// the pid which Node knows is the one that the last of them has, says LISTEN_PID with, and dies under.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** How a process ended. */
export interface ProcessExit {
  /** Undefined if a signal ended it, or it never was. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** Why it could not be started. */
  readonly startError: string | undefined;
  /** The last of what it wrote to stderr. */
  readonly lastWords: string;
}

export interface StartedProcess {
  /** Undefined if it could not be started; the exit follows. */
  readonly pid: number | undefined;
  /** Undefined with the pid. */
  readonly stderr: Readable | undefined;
  signal(signal: NodeJS.Signals): void;
}

/**
 * Starts a program with duplicates of the descriptors, from 3 on.
 *
 * @param onExit called once, later.
 */
export function startProcess(
  command: readonly string[],
  environment: NodeJS.ProcessEnv,
  fds: readonly number[],
  onExit: (exit: ProcessExit) => void,
): StartedProcess {
  let child: ChildProcess;
  try {
    child = start(command, environment, fds);
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

/** Only the process itself can tell its pid before it runs. */
const SET_PIDS = ['/bin/sh', '-c', 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$0" "$@"'] as const;

/** Time for reading the last words of a process that ended with an error, in ms; one of its own may hold its stderr. */
const LAST_WORDS_LIMIT_MS = 200;

/** Characters of the last words. */
const LAST_WORDS_MAX = 4_096;

function start(command: readonly string[], environment: NodeJS.ProcessEnv, fds: readonly number[]): ChildProcess {
  const [program, ...args] = [...SET_PIDS, ...command];
  return spawn(program, args, {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe', ...fds],
    // Ctrl-C on our terminal is for us alone: we tell those whom we started.
    detached: true,
  });
}

function startError(error: unknown): ProcessExit {
  const message = error instanceof Error ? error.message : String(error);
  return { code: undefined, signal: undefined, startError: message, lastWords: '' };
}

function collectLastWords(stream: Readable): () => string {
  let words = '';
  stream.on('data', (chunk: Buffer | string) => {
    words = (words + chunk.toString()).slice(-LAST_WORDS_MAX);
  });
  return () => words;
}

/** Why a process failed is in its last words, which may still be in the pipe. Others are not waited for. */
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
