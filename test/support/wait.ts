// Waiting for what a program does, always with a limit: the message of the error says what did not happen.
import type { ChildProcess } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';

/** Long enough for a loaded machine with two cores; a test that waits this long has failed. */
export const WAIT_LIMIT_MS = 10_000;

/** Something did not happen in time. */
export class TimeLimitError extends Error {
  readonly code = 'TIME_LIMIT';

  constructor(what: string, limitMs: number) {
    super(`${what}: not within ${limitMs} ms`);
  }
}

/** Settles as the promise does; rejects with a TimeLimitError when that takes longer than the limit. */
export async function within<T>(promise: Promise<T>, what: string, limitMs: number = WAIT_LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TimeLimitError(what, limitMs));
    }, limitMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first event whose argument the predicate accepts. */
export async function waitForEvent<T>(
  emitter: EventEmitter,
  name: string,
  accepts: (argument: T) => boolean = () => true,
  limitMs: number = WAIT_LIMIT_MS,
): Promise<T> {
  let listener: ((argument: T) => void) | undefined;
  const event = new Promise<T>((resolve) => {
    listener = (argument) => {
      if (accepts(argument)) resolve(argument);
    };
    emitter.on(name, listener);
  });
  try {
    return await within(event, `event '${name}'`, limitMs);
  } finally {
    if (listener !== undefined) emitter.off(name, listener);
  }
}

/** The first line of the stream from now on that matches. Lines before it are read and dropped, those after it stay. */
export async function waitForLine(
  stream: Readable,
  pattern: RegExp,
  limitMs: number = WAIT_LIMIT_MS,
): Promise<RegExpMatchArray> {
  let seen = '';
  let onData: ((chunk: Buffer | string) => void) | undefined;
  let onEnd: (() => void) | undefined;
  const line = new Promise<RegExpMatchArray>((resolve, reject) => {
    onData = (chunk) => {
      seen += chunk.toString();
      const complete = seen.slice(0, seen.lastIndexOf('\n') + 1);
      for (const text of complete.split('\n')) {
        const match = pattern.exec(text);
        if (match !== null) resolve(match);
      }
    };
    onEnd = () => {
      reject(new Error(`the output ended without a line like ${String(pattern)}:\n${seen}`));
    };
    stream.on('data', onData);
    stream.on('end', onEnd);
  });
  try {
    return await within(line, `a line like ${String(pattern)}`, limitMs);
  } catch (error) {
    throw new Error(`waiting for output, which so far is:\n${seen}`, { cause: error });
  } finally {
    if (onData !== undefined) stream.off('data', onData);
    if (onEnd !== undefined) stream.off('end', onEnd);
  }
}

/** How the program ended: its exit code, or the signal that killed it. */
export async function waitForExit(child: ChildProcess, limitMs: number = WAIT_LIMIT_MS): Promise<number | string> {
  if (child.exitCode === null && child.signalCode === null) {
    await waitForEvent(child, 'exit', () => true, limitMs);
  }
  return child.exitCode ?? child.signalCode ?? 'unknown';
}

/**
 * Asks again and again until the probe gives something other than undefined. Only for what nothing announces, such as
 * a state of the kernel without a notification.
 */
export async function eventually<T>(
  probe: () => T | undefined | Promise<T | undefined>,
  what: string,
  limitMs: number = WAIT_LIMIT_MS,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() >= end) throw new TimeLimitError(what, limitMs);
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
  }
}

const PROBE_INTERVAL_MS = 10;
