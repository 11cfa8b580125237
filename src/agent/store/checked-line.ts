// Lines with a checksum: eight hex digits, a space, JSON. The checksum goes on from that of the line before, so a line
// is right only where it was written, after just those lines.
import { crc32 } from 'node:zlib';

/** Hex digits and the space. */
export const CHECKSUM_LENGTH = 9;

const NEWLINE = 10;
const SPACE = 32;
const HEX_DIGITS = Buffer.from('0123456789abcdef', 'latin1');

/** A line that is as it was written: where it is in its file. */
export interface CheckedLine {
  /** Where its JSON begins. */
  readonly from: number;
  /** Where its JSON ends. */
  readonly to: number;
  /** Where the next line begins. */
  readonly end: number;
  readonly crc: number;
}

/** The line of a JSON text after one whose checksum is `crc` (0 for the first). */
export function checkedLine(json: string, crc: number): { readonly line: string; readonly crc: number } {
  const next = crc32(json, crc);
  return { line: `${next.toString(16).padStart(8, '0')} ${json}\n`, crc: next };
}

/** Puts the checksum before the JSON of a line, for which its bytes have room. Returns it. */
export function writeChecksum(line: Uint8Array, crc: number): number {
  const next = crc32(line.subarray(CHECKSUM_LENGTH, line.length - 1), crc);
  for (let digit = 0; digit < 8; digit++) line[digit] = hexDigit(next, digit);
  line[8] = SPACE;
  return next;
}

/** The line that begins at `start`; undefined if it is not whole or not as it was written. */
export function readCheckedLine(bytes: Buffer, start: number, crc: number): CheckedLine | undefined {
  const newline = bytes.indexOf(NEWLINE, start);
  const from = start + CHECKSUM_LENGTH;
  if (newline < from) return undefined;
  const next = crc32(bytes.subarray(from, newline), crc);
  for (let digit = 0; digit < 8; digit++) {
    if (bytes[start + digit] !== hexDigit(next, digit)) return undefined;
  }
  return bytes[from - 1] === SPACE ? { from, to: newline, end: newline + 1, crc: next } : undefined;
}

/** The value of a line; undefined if it is not JSON. */
export function lineValue(bytes: Buffer, { from, to }: Pick<CheckedLine, 'from' | 'to'>): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', from, to));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A digit of a checksum, the first being the highest. */
function hexDigit(crc: number, digit: number): number {
  return HEX_DIGITS[(crc >>> (28 - 4 * digit)) & 0xf] ?? 0;
}
