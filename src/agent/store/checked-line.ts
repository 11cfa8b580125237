// Lines with a checksum: eight hex digits, a space, JSON. The checksum goes on from that of the line before, so a line
// is right only where it was written, after just those lines.
import { crc32 } from 'node:zlib';

/** Hex digits and the space. */
const CHECKSUM_LENGTH = 9;

const NEWLINE = 10;

/** A line that is as it was written. */
export interface CheckedLine {
  readonly value: unknown;
  /** Where the next line begins. */
  readonly end: number;
  readonly crc: number;
}

/** The line of a JSON text after one whose checksum is `crc` (0 for the first). */
export function checkedLine(json: string, crc: number): { readonly line: string; readonly crc: number } {
  const next = crc32(json, crc);
  return { line: `${next.toString(16).padStart(8, '0')} ${json}\n`, crc: next };
}

/** The line that begins at `start`; undefined if it is not whole or not as it was written. */
export function readCheckedLine(bytes: Buffer, start: number, crc: number): CheckedLine | undefined {
  const newline = bytes.indexOf(NEWLINE, start);
  if (newline < start + CHECKSUM_LENGTH) return undefined;
  const next = crc32(bytes.subarray(start + CHECKSUM_LENGTH, newline), crc);
  const checksum = bytes.toString('latin1', start, start + CHECKSUM_LENGTH);
  if (checksum !== `${next.toString(16).padStart(8, '0')} `) return undefined;
  const value = parseJson(bytes.toString('utf8', start + CHECKSUM_LENGTH, newline));
  return value === undefined ? undefined : { value, end: newline + 1, crc: next };
}

/** Undefined if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
