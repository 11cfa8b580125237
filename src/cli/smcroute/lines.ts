// The lines of stdin, in blocks: what comes without a pause comes together.
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { CommandError } from './errors.js';

/** A pause after which lines are not held back any longer, in ms: a person or a program waits for what they do. */
const PAUSE_MS = 20;

/** Characters of a line; what is longer is no command. */
const LINE_MAX = 64 * 1024;

/** Reads lines until the input ends; a last one needs no newline. @throws CommandError if one is far too long. */
export async function* lineBlocks(input: Readable): AsyncGenerator<string[]> {
  const chunks = input.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string>;
  let lines: string[] = [];
  let rest = '';
  try {
    for (let next = chunks.next(); ;) {
      const chunk = lines.length === 0 ? await next : await beforePause(next);
      if (chunk === undefined) {
        yield lines;
        lines = [];
      } else if (chunk.done === true) {
        if (rest !== '') lines.push(rest);
        if (lines.length > 0) yield lines;
        return;
      } else {
        const parts = (rest + chunk.value).split('\n');
        rest = parts.pop() ?? '';
        if (rest.length > LINE_MAX) throw new CommandError(`a line has more than ${LINE_MAX} characters`);
        for (const line of parts) lines.push(line);
        next = chunks.next();
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
