// Damage to bytes: what a client sends that is broken, or wants to find out what breaks.
import type { Random } from './random.js';

/** Bytes that a message is grown to at most. */
const BYTES_MAX = 4_096;

/** Numbers that are at an edge of something, as varints. */
const EDGES: readonly Buffer[] = [
  Buffer.of(0),
  Buffer.of(0x7f),
  Buffer.of(0xff, 0xff, 0xff, 0xff, 0x07),
  Buffer.of(0x80, 0x80, 0x80, 0x80, 0x08),
  Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
  Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
];

/** A copy of the bytes with one to four things that are wrong with it. */
export function mutate(bytes: Buffer, others: readonly Buffer[], random: Random): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  const count = 1 + random.below(4);
  for (let n = 0; n < count; n++) mutated = random.pick(MUTATIONS)(mutated, others, random);
  return mutated.subarray(0, BYTES_MAX);
}

/** A copy of a valid message with one or two things that are otherwise: many are still as they should be. */
export function vary(bytes: Buffer, random: Random): Buffer {
  let varied: Buffer = Buffer.from(bytes);
  const count = 1 + random.below(2);
  for (let n = 0; n < count; n++) varied = random.pick(VARIATIONS)(varied, random);
  return varied.subarray(0, BYTES_MAX);
}

type Mutation = (bytes: Buffer, others: readonly Buffer[], random: Random) => Buffer;

/** Fields that nobody knows, of each wire type, with the numbers from 1,000 on. */
const UNKNOWN_FIELDS: readonly Buffer[] = [
  Buffer.of(0xc0, 0x3e, 0xff, 0x01),
  Buffer.of(0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8),
  Buffer.of(0xc2, 0x3e, 3, 0x61, 0x62, 0x63),
  Buffer.of(0xc3, 0x3e, 0x08, 1, 0xc4, 0x3e),
  Buffer.of(0xc5, 0x3e, 1, 2, 3, 4),
];

const VARIATIONS: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  // A digit is another: of an address, a prefix length or a name.
  (bytes, random) => {
    const digits = [...bytes.keys()].filter((at) => isDigit(bytes.readUInt8(at)));
    const at = random.pickOrNone(digits);
    if (at !== undefined) bytes.writeUInt8(DIGIT_ZERO + random.below(10), at);
    return bytes;
  },
  // The last byte is another: often a number or a letter.
  (bytes, random) => {
    if (bytes.length > 2) bytes.writeUInt8(random.below(128), bytes.length - 1);
    return bytes;
  },
  // A field that nobody knows follows.
  (bytes, random) => Buffer.concat([bytes, random.pick(UNKNOWN_FIELDS)]),
  // All of it is there twice: of a field the last counts, or there are more.
  (bytes) => Buffer.concat([bytes, bytes]),
];

const DIGIT_ZERO = 0x30;

function isDigit(byte: number): boolean {
  return byte >= DIGIT_ZERO && byte < DIGIT_ZERO + 10;
}

const MUTATIONS: readonly Mutation[] = [
  // A bit is another.
  (bytes, _others, random) => {
    if (bytes.length === 0) return bytes;
    const at = random.below(bytes.length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
    return bytes;
  },
  // A byte is another: a tag, a length or a letter.
  (bytes, _others, random) => {
    if (bytes.length > 0) bytes.writeUInt8(random.below(256), random.below(bytes.length));
    return bytes;
  },
  // The end is missing.
  (bytes, _others, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  // A piece is missing.
  (bytes, _others, random) => {
    const [begin, end] = rangeOf(bytes, random);
    return Buffer.concat([bytes.subarray(0, begin), bytes.subarray(end)]);
  },
  // A piece is there twice.
  (bytes, _others, random) => {
    const [begin, end] = rangeOf(bytes, random);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(begin)]);
  },
  // The end of another message follows.
  (bytes, others, random) => {
    const other = random.pick(others);
    return Buffer.concat([
      bytes.subarray(0, random.below(bytes.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ]);
  },
  // A number at an edge is in it.
  (bytes, _others, random) => {
    const at = random.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), random.pick(EDGES), bytes.subarray(at)]);
  },
  // A field that nobody knows, or which has another wire type, comes first or last.
  (bytes, _others, random) => {
    const tag = Buffer.of(random.below(128), random.below(16));
    return random.below(2) === 0 ? Buffer.concat([tag, bytes]) : Buffer.concat([bytes, tag]);
  },
];

function rangeOf(bytes: Buffer, random: Random): readonly [number, number] {
  const [a, b] = [random.below(bytes.length + 1), random.below(bytes.length + 1)];
  return [Math.min(a, b), Math.max(a, b)];
}
