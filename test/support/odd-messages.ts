// Requests with a table and little else that no encoder would write (protobuf.dev, Encoding): fields of other types, groups,
// numbers and lengths that are none.
import { TABLE } from './hostile-site.js';

const MIB = 1024 * 1024;

export interface OddMessage {
  readonly bytes: Buffer;
  /** A List of it is served. */
  readonly isTaken: boolean;
}

/** A tag of protobuf, for numbers under 16. */
function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

/** The table, and this. */
function withTable(isTaken: boolean, ...rest: readonly (number | Buffer)[]): OddMessage {
  const bytes = rest.map((part) => (typeof part === 'number' ? Buffer.of(part) : part));
  return { bytes: Buffer.concat([Buffer.of(tag(1, 0), TABLE), ...bytes]), isTaken };
}

/** By what is odd about them. */
export const ODD_MESSAGES: Readonly<Record<string, OddMessage>> = {
  'the table is a text': { bytes: Buffer.of(tag(1, 2), 3, 0x31, 0x32, 0x33), isTaken: false },
  'the table is a fixed number': { bytes: Buffer.of(tag(1, 5), TABLE, 0, 0, 0), isTaken: false },
  'there is no table': { bytes: Buffer.of(tag(15, 0), 1), isTaken: false },
  'a field nobody knows': withTable(true, tag(15, 0), 1),
  'a megabyte that nobody knows': withTable(true, tag(15, 2), Buffer.of(0x80, 0x80, 0x40), Buffer.alloc(MIB)),
  'a million tables': { bytes: Buffer.alloc(2 * MIB, Buffer.of(tag(1, 0), TABLE)), isTaken: true },
  'groups in groups, deeper than a stack': withTable(false, Buffer.alloc(MIB, tag(15, 3))),
  'a group that ends and did not begin': withTable(false, tag(15, 4)),
  'a field without a number, which the library skips': withTable(true, 0, 0),
  'a type that does not exist': withTable(false, tag(15, 7)),
  'a length that is more than there is': withTable(false, tag(15, 2), 100),
  'a length of 2^63, of which the library reads the lower half': withTable(true, tag(15, 2), Buffer.alloc(9, 0x80), 1),
  'a number without an end': withTable(false, tag(15, 0), Buffer.alloc(100, 0xff)),
};
