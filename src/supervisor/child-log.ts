// What agents and the gateway say on stderr, into the supervisor's own log.
import type { Readable, Writable } from 'node:stream';
import { LOG_LINE_MAX } from '../model/limits.js';
import type { Logger } from '../runtime/log.js';

/** Who it is: the agent of a table, or the gateway. */
export type Speaker =
  { readonly table: number; readonly pid: number } | { readonly program: 'gateway'; readonly pid: number };

/**
 * Passes on what a program says, line by line, until it says no more. Lines of its log go out as they are; others, such as
 * those of mcroute-launch or the trace of a crash, become lines of a log that tell who it is. It reads no faster
 * than the output takes, and holds one line at most.
 */
export async function passLog(
  stream: Readable,
  speaker: Speaker,
  log: Pick<Logger, 'isLevelEnabled'>,
  output: Writable = process.stderr,
): Promise<void> {
  const lines = new LineSplitter();
  const write = async (found: readonly Line[]) => {
    const text = found.map((line) => logLine(line, speaker, log)).join('');
    if (text === '') return;
    // Whether or not it could be written: if nobody reads our log, the program is read on, or it would stand still with
    // its pipe full.
    await new Promise<void>((resolve) => {
      output.write(text, () => {
        resolve();
      });
    });
  };
  try {
    for await (const chunk of stream) await write(lines.take(chunk as Buffer));
  } catch {
    // The pipe broke, as it does when the program is killed; what came before counts.
  }
  await write(lines.end());
}

interface Line {
  readonly text: string;
  /** Only its beginning is there. */
  readonly isCut: boolean;
}

const NEWLINE = 10;

/** Cuts bytes into lines, and lines that are too long. */
class LineSplitter {
  /** The beginning of a line, at most of LOG_LINE_MAX bytes. */
  #begun: Buffer[] = [];
  #length = 0;
  #isCut = false;

  take(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end));
      lines.push(...this.end());
      start = end + 1;
    }
    this.#add(chunk.subarray(start));
    return lines;
  }

  /** The line that has begun, if any; empty ones say nothing. */
  end(): Line[] {
    const text = Buffer.concat(this.#begun).toString('utf8').trimEnd();
    const isCut = this.#isCut;
    this.#begun = [];
    this.#length = 0;
    this.#isCut = false;
    return text === '' ? [] : [{ text, isCut }];
  }

  #add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const kept = bytes.subarray(0, LOG_LINE_MAX - this.#length);
    if (kept.length < bytes.length) this.#isCut = true;
    // A copy: the chunk may be large, and the line go on for long.
    if (kept.length > 0) this.#begun.push(Buffer.from(kept));
    this.#length += kept.length;
  }
}

/** Level of what is not of a log, as pino has it: `warn`, which is our `notice`. */
const LEVEL = 40;

function logLine(line: Line, speaker: Speaker, log: Pick<Logger, 'isLevelEnabled'>): string {
  const record = line.isCut ? undefined : parseRecord(line.text);
  if (record === undefined) {
    if (!log.isLevelEnabled('warn')) return '';
    const cut = line.isCut ? { cut: true } : {};
    const msg = 'table' in speaker ? 'agent output' : 'gateway output';
    return `${JSON.stringify({ level: LEVEL, time: Date.now(), ...speaker, ...cut, text: line.text, msg })}\n`;
  }
  // A line goes under the name of whom it comes from, whatever it says.
  if (Object.entries(speaker).every(([key, value]) => record[key] === value)) return `${line.text}\n`;
  return `${JSON.stringify({ ...record, ...speaker })}\n`;
}

/** A line of pino; undefined if it is none. */
function parseRecord(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const record = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return typeof record['level'] === 'number' ? record : undefined;
  } catch {
    return undefined;
  }
}
