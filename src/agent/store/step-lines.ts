// A step of the rib as lines of a journal, and back.
import type { Resource, ResourceKey } from '../../model/resource.js';
import type { Step } from '../rib/rib.js';
import {
  type Encoded,
  WishTextError,
  decodeResource,
  decodeResourceKey,
  encodeResource,
  encodeResourceKey,
} from '../rib/wish-text.js';
import { readCheckedLine, checkedLine } from './checked-line.js';
import { parseRevision } from './header.js';
import type { WishMap } from './wishes.js';

/**
 * Characters after which a step goes on in another line: a step may have a million resources, more than fit in one
 * string. A reader takes a step when it has its last line.
 */
const LINE_LENGTH = 1 << 18;

/** Lines of a step, the bytes of each, and the checksum of the last. */
export interface EncodedStep {
  readonly lines: readonly Buffer[];
  readonly crc: number;
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

/** The lines of a step that come after a line with the checksum `crc`. */
export function encodeStep({ owner, differences }: Step, revision: bigint, crc: number): EncodedStep {
  const lines: Buffer[] = [];
  const beginning = `{"revision":"${revision.toString()}","owner":${JSON.stringify(owner)}`;
  let puts: string[] = [];
  let deletes: string[] = [];
  let length = 0;
  const endLine = (rest: string): void => {
    const next = checkedLine(`${beginning},"put":[${puts.join()}],"delete":[${deletes.join()}]${rest}}`, crc);
    crc = next.crc;
    lines.push(Buffer.from(next.line));
    [puts, deletes, length] = [[], [], 0];
  };
  for (const { key, after } of differences.values()) {
    if (length >= LINE_LENGTH) endLine(',"more":true');
    const text = JSON.stringify(after === undefined ? encodeResourceKey(key) : encodeResource(after));
    (after === undefined ? deletes : puts).push(text);
    length += text.length;
  }
  endLine('');
  return { lines, crc };
}

/** The step that begins at `start`; undefined if it is not whole or not as it was written. */
export function readStep(bytes: Buffer, start: number, crc: number): ReadStep | undefined {
  const puts: Resource[] = [];
  const deletes: ResourceKey[] = [];
  for (let end = start; ;) {
    const line = readCheckedLine(bytes, end, crc);
    if (typeof line?.value !== 'object' || line.value === null) return undefined;
    ({ end, crc } = line);
    const { owner, revision: digits, put, delete: deleted, more } = line.value as Encoded;
    const revision = parseRevision(digits);
    if (typeof owner !== 'string' || revision === undefined) return undefined;
    if (!Array.isArray(put) || !Array.isArray(deleted)) return undefined;
    try {
      for (const item of put) puts.push(decodeResource(item));
      for (const item of deleted) deletes.push(decodeResourceKey(item));
    } catch (error) {
      if (error instanceof WishTextError) return undefined;
      throw error;
    }
    if (more !== true) return { owner, revision, puts, deletes, end, crc };
  }
}

/** Gives a step to the wishes. */
export function takeStep(wishes: WishMap, { owner, puts, deletes }: ReadStep): void {
  for (const key of deletes) wishes.delete(owner, key);
  for (const resource of puts) wishes.put(owner, resource);
}
