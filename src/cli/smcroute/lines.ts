// The lines of stdin, in blocks as they come.
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { CommandError } from './errors.js';

/** A pause after which lines are not held back any longer, in ms: a person or a program waits for what they do. */
const PAUSE_MS = 20;

/** Characters of a line; what is longer is no command. */
const LINE_MAX = 64 * 1024;

/** Lines that came together. */
export interface LineBlock {
  readonly lines: readonly string[];
  /** Whether nothing comes for a while, or at all: what is known of the lines until here is waited for. */
  readonly isBeforePause: boolean;
}

/** Reads lines until the input ends; a last one needs no newline. @throws CommandError if one is far too long. */
export async function* lineBlocks(input: Readable): AsyncGenerator<LineBlock> {
  const chunks = input.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
  let rest = '';
  let hasPaused = true;
  try {
    for (let next = chunks.next(); ;) {
      const chunk = hasPaused ? await next : await beforePause(next);
      if (chunk === undefined) {
        hasPaused = true;
        yield { lines: [], isBeforePause: true };
      } else if (chunk.done === true) {
        yield { lines: rest === '' ? [] : [rest], isBeforePause: true };
        return;
      } else {
        const parts = (rest + chunk.value).split('\n');
        rest = parts.pop() ?? '';
        if (rest.length > LINE_MAX) throw new CommandError(`a line has more than ${LINE_MAX} characters`);
        hasPaused = false;
        // Before the lines are dealt with, so that more come meanwhile.
        next = chunks.next();
        // It is waited for later, and a failure told then.
        next.catch(() => undefined);
        yield { lines: parts, isBeforePause: false };
      }
    }
  } finally {
    // Whoever stops reading before the end would wait for it otherwise.
    input.destroy();
  }
}

/** What the promise gives, or undefined if it takes longer than a pause. */
async function beforePause<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  const pause = new AbortController();
  try {
    return await Promise.race([promise, setTimeout(PAUSE_MS, undefined, { signal: pause.signal })]);
  } finally {
    pause.abort();
  }
}
