// A disk in memory that can fail and lose power. What was not synced when the power goes is kept, lost or torn, each
// write and each name by itself, as POSIX allows.
import { basename, dirname } from 'node:path';
import type { Disk, DiskFile } from '../../src/agent/store/disk.js';

export type DiskOperation =
  'list' | 'read' | 'create' | 'continue' | 'write' | 'truncate' | 'datasync' | 'rename' | 'remove' | 'sync-directory';

/** What becomes of an operation: it is done, it fails with an errno, or the power goes in the middle of it. */
export type Fate = 'done' | 'power cut' | 'ENOSPC' | 'EDQUOT' | 'EIO' | 'EACCES' | 'EROFS';

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly size: number };

interface Inode {
  /** What a reader sees. */
  bytes: Buffer;
  durable: Buffer;
  /** From `durable` on. */
  pending: Change[];
}

/** A name that points to a file, or to none, from now on. */
interface Naming {
  readonly name: string;
  readonly inode: Inode | undefined;
}

export class ModelledDisk implements Disk {
  /** Decides the fate of each operation. */
  decide: (operation: DiskOperation, path: string) => Fate = () => 'done';
  readonly #random: () => number;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  /** Each is done whole or not at all. */
  #pendingNames: Naming[][] = [];
  #isOff = false;

  /** `random` gives numbers from 0 to below 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Nothing works any more until `restart`. */
  get isOff(): boolean {
    return this.#isOff;
  }

  /** The power returns: the disk has what was synced, and of the rest what chance left. */
  restart(): void {
    // Often all or nothing of what was not synced is there.
    const chance = [0, 1, 0.5, 0.8][Math.floor(this.#random() * 4)] ?? 0;
    const names = new Map(this.#durableNames);
    for (const namings of this.#pendingNames) {
      if (this.#random() < chance) rename(names, namings);
    }
    for (const inode of new Set(names.values())) {
      for (const change of inode.pending) {
        if (this.#random() < chance) inode.durable = apply(inode.durable, change);
        else if (this.#random() < 0.5) inode.durable = apply(inode.durable, this.#torn(change));
      }
      inode.pending = [];
      inode.bytes = inode.durable;
    }
    this.#names = names;
    this.#durableNames = new Map(names);
    this.#pendingNames = [];
    this.#isOff = false;
    this.decide = () => 'done';
  }

  /** The bytes of a file, to look at or to damage. */
  file(name: string): Buffer {
    return this.#inode(name).bytes;
  }

  setFile(name: string, bytes: Buffer): void {
    const inode = { bytes, durable: bytes, pending: [] };
    this.#names.set(name, inode);
    this.#durableNames.set(name, inode);
  }

  names(): string[] {
    return [...this.#names.keys()];
  }

  listSync(directory: string): readonly string[] {
    this.#do('list', directory);
    return this.names();
  }

  readSync(path: string, limit?: number): Buffer {
    this.#do('read', path);
    return Buffer.from(this.#inode(path).bytes.subarray(0, limit));
  }

  openSync(path: string, how: 'create' | 'continue'): DiskFile {
    this.#do(how, path);
    if (how === 'create') {
      const before = this.#names.get(basename(path));
      if (before !== undefined) change(before, { size: 0 });
      else this.#name([{ name: basename(path), inode: { bytes: EMPTY, durable: EMPTY, pending: [] } }]);
    }
    return this.#open(this.#inode(path), path);
  }

  renameSync(from: string, to: string): void {
    this.#do('rename', from);
    this.#name([
      { name: basename(to), inode: this.#inode(from) },
      { name: basename(from), inode: undefined },
    ]);
  }

  async rename(from: string, to: string): Promise<void> {
    await turn();
    this.renameSync(from, to);
  }

  removeSync(path: string): void {
    this.#do('remove', path);
    this.#inode(path);
    this.#name([{ name: basename(path), inode: undefined }]);
  }

  async remove(path: string): Promise<void> {
    await turn();
    this.removeSync(path);
  }

  syncDirectorySync(directory: string): void {
    this.#do('sync-directory', directory);
    this.#durableNames = new Map(this.#names);
    this.#pendingNames = [];
  }

  async syncDirectory(directory: string): Promise<void> {
    // What comes while it is under way may not be in it.
    const pending = [...this.#pendingNames];
    await turn();
    this.#do('sync-directory', directory);
    for (const namings of pending) rename(this.#durableNames, namings);
    this.#pendingNames = this.#pendingNames.filter((namings) => !pending.includes(namings));
  }

  #open(inode: Inode, path: string): DiskFile {
    const writeSync = (bytes: Uint8Array, at: number): void => {
      const written = Buffer.from(bytes);
      this.#do('write', path, () => {
        change(inode, { at, bytes: written.subarray(0, Math.floor(this.#random() * written.length)) });
      });
      change(inode, { at, bytes: written });
    };
    const datasync = (pending: readonly Change[]): void => {
      const sync = (which: () => boolean): void => {
        for (const item of pending) if (which()) inode.durable = apply(inode.durable, item);
        // Also after a failure: the kernel takes what it could not write for written.
        inode.pending = inode.pending.filter((item) => !pending.includes(item));
      };
      this.#do('datasync', path, () => {
        if (!this.#isOff) sync(() => this.#random() < 0.5);
      });
      sync(() => true);
    };
    return {
      writeSync,
      write: async (bytes, at) => {
        await turn();
        writeSync(bytes, at);
      },
      truncateSync: (size) => {
        this.#do('truncate', path);
        change(inode, { size });
      },
      datasyncSync: () => {
        datasync([...inode.pending]);
      },
      datasync: async () => {
        const pending = [...inode.pending];
        await turn();
        datasync(pending);
      },
      closeSync: () => undefined,
    };
  }

  /** Throws what its fate asks for, after what it did before that. */
  #do(operation: DiskOperation, path: string, half: () => void = () => undefined): void {
    if (this.#isOff) throw systemError('EIO', operation);
    const fate = this.decide(operation, path);
    if (fate === 'done') return;
    this.#isOff = fate === 'power cut';
    half();
    throw systemError(fate === 'power cut' ? 'EIO' : fate, operation);
  }

  #name(namings: Naming[]): void {
    rename(this.#names, namings);
    this.#pendingNames.push(namings);
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(basename(path));
    if (inode === undefined) throw systemError('ENOENT', `no ${basename(path)} in ${dirname(path)}`);
    return inode;
  }

  /** Its beginning, or as many zeros as there would be bytes. */
  #torn(item: Change): Change {
    if ('size' in item) return item;
    const { at, bytes } = item;
    if (this.#random() < 0.3) return { at, bytes: Buffer.alloc(bytes.length) };
    return { at, bytes: bytes.subarray(0, Math.floor(this.#random() * bytes.length)) };
  }
}

const EMPTY = Buffer.alloc(0);

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function rename(names: Map<string, Inode>, namings: readonly Naming[]): void {
  for (const { name, inode } of namings) {
    if (inode === undefined) names.delete(name);
    else names.set(name, inode);
  }
}

function change(inode: Inode, item: Change): void {
  inode.bytes = apply(inode.bytes, item);
  inode.pending.push(item);
}

function apply(bytes: Buffer, item: Change): Buffer {
  const size = 'size' in item ? item.size : Math.max(bytes.length, item.at + item.bytes.length);
  const result = Buffer.alloc(size);
  bytes.copy(result);
  if ('at' in item) item.bytes.copy(result, item.at);
  return result;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
