// Where text goes: results to stdout, all else to stderr.
import type { Writable } from 'node:stream';
import { printable } from './output/text.js';

/** Both outputs of the program. */
export interface Terminal {
  /** Whether stdout may have colours. */
  readonly hasColour: boolean;
  /** Writes to stdout; resolves when more may be written. */
  write(text: string): Promise<void>;
  /** Writes texts to stdout as they come, joined so that a hundred thousand lines are not as many writes. */
  writeAll(texts: AsyncIterable<string>): Promise<void>;
  /** Writes a line to stderr. */
  note(line: string): void;
  /** Shows a line that the next one replaces, on a terminal alone; undefined takes it away. */
  showProgress(line: string | undefined): void;
}

/** The terminal for one of several hosts: `note` tells whose a line is, and no line of progress is shown over another. */
export function terminalOfHost(terminal: Terminal, host: string, note: (line: string) => void): Terminal {
  return {
    ...terminal,
    note: (line) => {
      note(`${host}: ${line}`);
    },
    showProgress: () => undefined,
  };
}

/** Back to the first column, and erase to the end of the line (EL). */
const CLEAR_LINE = '\r\u001b[K';

/** Characters of stdout that are written at once. */
const BLOCK_LENGTH = 64 * 1024;

/** Opens the terminal. `wantsColour` is what the person said; only a terminal has colours anyway. */
export function openTerminal(
  stdout: Writable & { readonly isTTY?: boolean },
  stderr: Writable & { readonly isTTY?: boolean },
  wantsColour: boolean,
): Terminal {
  const write = async (text: string) => {
    if (!stdout.write(text)) await drained(stdout);
  };
  let isProgressShown = false;
  return {
    hasColour: wantsColour && stdout.isTTY === true,
    write,
    writeAll: async (texts) => {
      let block = '';
      for await (const text of texts) {
        block += text;
        if (block.length >= BLOCK_LENGTH) {
          await write(block);
          block = '';
        }
      }
      if (block !== '') await write(block);
    },
    note: (line) => {
      stderr.write(`${printable(line)}\n`);
    },
    showProgress: (line) => {
      if (stderr.isTTY !== true || (line === undefined && !isProgressShown)) return;
      isProgressShown = line !== undefined;
      stderr.write(`${CLEAR_LINE}${printable(line ?? '')}`);
    },
  };
}

/**
 * Ends the program quietly when nobody reads its output any more, as after `| head`: what was asked for was printed
 * as far as it was wanted.
 */
export function endWhenUnread(stream: Writable, end: () => never): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') end();
    throw error;
  });
}

/**
 * Ends the process with the status. Outputs are written at once on Linux; then nothing is left but to take connections and
 * Node apart, which the kernel does faster.
 */
export function endProcess(status: number): void {
  process.exitCode = status;
  if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit();
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve);
  });
}
