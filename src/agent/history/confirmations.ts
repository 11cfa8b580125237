// The changes of a table that wait for confirmation, one an owner, in a small file that is replaced as a whole.
import { join } from 'node:path';
import type { Encoded } from '../rib/wish-text.js';
import { checkedLine, lineValue, readCheckedLine } from '../store/checked-line.js';
import type { Disk } from '../store/disk.js';
import { parseRevision } from '../store/header.js';
import { StorageError, asStorageError, errnoOf } from '../store/storage-error.js';

/** A change, or several, that is taken back unless it is confirmed. */
export interface Unconfirmed {
  readonly owner: string;
  /** What the owner goes back to. */
  readonly base: bigint;
  /** Of the last change. */
  readonly revision: bigint;
  /** When, in ms after 1970. */
  readonly deadlineMs: number;
  /** The time that was given, in ms. */
  readonly withinMs: number;
}

/** Where they are saved. */
export interface SavedConfirmations {
  readonly disk: Disk;
  readonly directory: string;
  readonly table: number;
}

const NAME = 'confirmations';
const FORMAT = 'mcroute confirmations';
const VERSION = 1;

export class Confirmations {
  readonly #saved: SavedConfirmations | undefined;
  #unconfirmed: ReadonlyMap<string, Unconfirmed> = new Map();

  /** @param saved undefined: they end with the agent */
  constructor(saved: SavedConfirmations | undefined) {
    this.#saved = saved;
  }

  /**
   * Reads what an earlier agent left.
   *
   * @throws StorageError if that cannot be read; there are none then.
   */
  read(): void {
    if (this.#saved === undefined) return;
    const { disk, directory, table } = this.#saved;
    const path = join(directory, NAME);
    let bytes: Buffer;
    try {
      bytes = disk.readSync(path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw asStorageError(error, path, 'read');
    }
    const found = decode(bytes, table);
    if (found === undefined) {
      const text = `'${path}' is damaged: what was not confirmed stays; look at it with 'mcctl history'`;
      throw new StorageError('EIO', path, text);
    }
    this.#unconfirmed = new Map(found.map((each) => [each.owner, each]));
  }

  get count(): number {
    return this.#unconfirmed.size;
  }

  of(owner: string): Unconfirmed | undefined {
    return this.#unconfirmed.get(owner);
  }

  all(): Iterable<Unconfirmed> {
    return this.#unconfirmed.values();
  }

  /** Replaces that of its owner; it lasts when this returns. @throws StorageError; nothing has changed then. */
  set(unconfirmed: Unconfirmed): void {
    this.#replace(new Map([...this.#unconfirmed, [unconfirmed.owner, unconfirmed]]));
  }

  /** Nothing of the owner waits any more; that lasts when this returns. @throws StorageError; nothing has changed then. */
  remove(owner: string): void {
    if (!this.#unconfirmed.has(owner)) return;
    this.#replace(new Map([...this.#unconfirmed].filter(([name]) => name !== owner)));
  }

  #replace(unconfirmed: ReadonlyMap<string, Unconfirmed>): void {
    if (this.#saved !== undefined) write(this.#saved, [...unconfirmed.values()]);
    this.#unconfirmed = unconfirmed;
  }
}

function write({ disk, directory, table }: SavedConfirmations, unconfirmed: readonly Unconfirmed[]): void {
  const path = join(directory, NAME);
  const { line } = checkedLine(JSON.stringify(encode(table, unconfirmed)), 0);
  try {
    const file = disk.openSync(`${path}.tmp`, 'create');
    try {
      file.writeSync(Buffer.from(line), 0);
      file.datasyncSync();
    } finally {
      file.closeSync();
    }
    disk.renameSync(`${path}.tmp`, path);
    disk.syncDirectorySync(directory);
  } catch (error) {
    throw asStorageError(error, path, 'saved');
  }
}

function encode(table: number, unconfirmed: readonly Unconfirmed[]): Encoded {
  return {
    format: FORMAT,
    version: VERSION,
    table,
    unconfirmed: unconfirmed.map((each) => ({
      ...each,
      base: each.base.toString(),
      revision: each.revision.toString(),
    })),
  };
}

function decode(bytes: Buffer, table: number): readonly Unconfirmed[] | undefined {
  const line = readCheckedLine(bytes, 0, 0);
  const value = line && lineValue(bytes, line);
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, version, table: own, unconfirmed } = value as Encoded;
  if (format !== FORMAT || version !== VERSION || own !== table || !Array.isArray(unconfirmed)) return undefined;
  return unconfirmed.flatMap((each: unknown) => decodeOne(each) ?? []);
}

function decodeOne(value: unknown): Unconfirmed | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { owner, base, revision, deadlineMs, withinMs } = value as Encoded;
  const [from, last] = [parseRevision(base), parseRevision(revision)];
  const isWhole =
    typeof owner === 'string' && from !== undefined && last !== undefined && typeof deadlineMs === 'number';
  return isWhole && typeof withinMs === 'number'
    ? { owner, base: from, revision: last, deadlineMs, withinMs }
    : undefined;
}
