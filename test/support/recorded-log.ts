// A log that remembers its lines.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Logger } from '../../src/runtime/log.js';

/** A line of a log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** Opens a log that takes everything; its lines come after what pino adds to each. */
export function recordLog(level = 'trace'): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      lines.push(JSON.parse(chunk.toString()) as LogLine);
      callback();
    },
  });
  return { log: pino({ level }, stream), lines };
}
