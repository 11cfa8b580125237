// A step of the rib as lines of a journal, and back.
import type { Resource, ResourceKey } from '../../model/resource.js';
import type { Step } from '../rib/rib.js';
import { type Encoded, WishTextError, decodeResource, decodeResourceKey } from '../rib/wish-text.js';
import { CHECKSUM_LENGTH, type CheckedLine, lineValue, readCheckedLine, writeChecksum } from './checked-line.js';
import { parseRevision } from './header.js';
import { JsonBytes } from './json-bytes.js';
import { writeResource, writeResourceKey } from './wish-bytes.js';
import type { WishReader } from './wish-reader.js';
import type { WishMap } from './wishes.js';

/**
 * Bytes after which a step goes on in another line: a step may have a million resources, more than fit in one string. A
 * reader takes a step when it has its last line.
 */
const LINE_LENGTH = 1 << 18;

const ROOM_FOR_CHECKSUM = Buffer.alloc(CHECKSUM_LENGTH);
const COMMA = Buffer.from(',');

/** Makes the lines of steps. */
export class StepWriter {
  readonly #line = new JsonBytes();
  readonly #deletes = new JsonBytes();

  /**
   * Makes the lines of a step that come after a line with the checksum `crc`.
   *
   * @param onLine gets each line when it is made; its bytes are good until it returns.
   * @param side `before`: the lines of the step that takes it back.
   * @returns the checksum of the last line.
   */
  write(
    { owner, differences }: Step,
    revision: bigint,
    crc: number,
    onLine: (line: Buffer) => void,
    side: 'before' | 'after' = 'after',
  ): number {
    const beginning = `{"revision":"${revision.toString()}","owner":${JSON.stringify(owner)},"put":[`;
    this.#beginLine(beginning);
    let hasPuts = false;
    for (const difference of differences) {
      const { key } = difference;
      const after = difference[side];
      if (this.#line.length + this.#deletes.length >= LINE_LENGTH) {
        crc = this.#endLine(',"more":true', crc, onLine);
        this.#beginLine(beginning);
        hasPuts = false;
      }
      if (after === undefined) {
        if (this.#deletes.length > 0) this.#deletes.add(COMMA);
        writeResourceKey(this.#deletes, key);
      } else {
        if (hasPuts) this.#line.add(COMMA);
        writeResource(this.#line, after);
        hasPuts = true;
      }
    }
    return this.#endLine('', crc, onLine);
  }

  #beginLine(beginning: string): void {
    this.#line.clear();
    this.#deletes.clear();
    this.#line.add(ROOM_FOR_CHECKSUM);
    this.#line.add(Buffer.from(beginning));
  }

  #endLine(rest: string, crc: number, onLine: (line: Buffer) => void): number {
    this.#line.ascii('],"delete":[');
    this.#line.add(this.#deletes.bytes);
    this.#line.ascii(`]${rest}}\n`);
    const line = this.#line.bytes;
    const next = writeChecksum(line, crc);
    onLine(line);
    return next;
  }
}

/** A step as it stands in a journal. */
export interface ReadStep {
  readonly owner: string;
  readonly revision: bigint;
  readonly puts: readonly Resource[];
  readonly deletes: readonly ResourceKey[];
  /** Where the next one begins. */
  readonly end: number;
  readonly crc: number;
}

/** The step that begins at `start`; undefined if it is not whole or not as it was written. */
export function readStep(reader: WishReader, bytes: Buffer, start: number, crc: number): ReadStep | undefined {
  const puts: Resource[] = [];
  const deletes: ResourceKey[] = [];
  for (let end = start; ;) {
    const line = readCheckedLine(bytes, end, crc);
    if (line === undefined) return undefined;
    ({ end, crc } = line);
    const part = readLine(reader, bytes, line, puts, deletes);
    if (part === undefined) return undefined;
    if (!part.goesOn) return { owner: part.owner, revision: part.revision, puts, deletes, end, crc };
  }
}

/** Gives a step to the wishes. */
export function takeStep(wishes: WishMap, { owner, puts, deletes }: ReadStep): void {
  const own = wishes.of(owner);
  for (const key of deletes) own.delete(key);
  for (const resource of puts) own.set(resource.key, resource);
}

/** What a line says beside its resources and keys. */
interface LineFrame {
  readonly owner: string;
  readonly revision: bigint;
  /** The step has another line. */
  readonly goesOn: boolean;
}

const REVISION = Buffer.from('{"revision":');
const OWNER = Buffer.from(',"owner":');
const PUTS = Buffer.from(',"put":[');
const DELETES = Buffer.from(',"delete":[');
const END_OF_LIST = Buffer.from(']');
const END = Buffer.from('}');
const MORE = Buffer.from(',"more":true}');

/** Adds what a line puts and deletes; undefined if it is not what a line may be. */
function readLine(
  reader: WishReader,
  bytes: Buffer,
  line: CheckedLine,
  puts: Resource[],
  deletes: ResourceKey[],
): LineFrame | undefined {
  const [putCount, deleteCount] = [puts.length, deletes.length];
  reader.open(bytes, line.from, line.to);
  const frame = unlessInvalid(() => readPlainLine(reader, puts, deletes));
  if (frame !== undefined) return frame;
  puts.length = putCount;
  deletes.length = deleteCount;
  return unlessInvalid(() => decodeLine(lineValue(bytes, line), puts, deletes));
}

/** A line just as `StepWriter` makes it; undefined if it may be another. */
function readPlainLine(reader: WishReader, puts: Resource[], deletes: ResourceKey[]): LineFrame | undefined {
  if (!reader.skip(REVISION)) return undefined;
  const revision = parseRevision(reader.text());
  if (revision === undefined || !reader.skip(OWNER)) return undefined;
  const owner = reader.text();
  if (owner === undefined) return undefined;
  const hasLists =
    reader.skip(PUTS) &&
    readList(reader, puts, () => reader.resource()) &&
    reader.skip(DELETES) &&
    readList(reader, deletes, () => reader.key());
  if (!hasLists) return undefined;
  const goesOn = reader.skip(MORE);
  return (goesOn || reader.skip(END)) && reader.isAtEnd ? { owner, revision, goesOn } : undefined;
}

/** Whether there was a list, up to its end. */
function readList<T>(reader: WishReader, into: T[], read: () => T | undefined): boolean {
  if (reader.skip(END_OF_LIST)) return true;
  do {
    const item = read();
    if (item === undefined) return false;
    into.push(item);
  } while (reader.skip(COMMA));
  return reader.skip(END_OF_LIST);
}

function decodeLine(value: unknown, puts: Resource[], deletes: ResourceKey[]): LineFrame | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { owner, revision: digits, put, delete: deleted, more } = value as Encoded;
  const revision = parseRevision(digits);
  if (typeof owner !== 'string' || revision === undefined) return undefined;
  if (!Array.isArray(put) || !Array.isArray(deleted)) return undefined;
  for (const item of put) puts.push(decodeResource(item));
  for (const item of deleted) deletes.push(decodeResourceKey(item));
  return { owner, revision, goesOn: more === true };
}

function unlessInvalid<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof WishTextError) return undefined;
    throw error;
  }
}
