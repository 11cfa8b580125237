// Keeps descriptors for agents that are gone or will be: MRT and membership sockets, and files in memory. While one of an
// MRT socket is open, the kernel keeps the table, whoever has died.
import { fstatSync } from 'node:fs';
import { TABLE_ID_MAX, TABLE_ID_MIN } from '../model/limits.js';
import type { ListenFd } from '../runtime/listen-fds.js';
import type { RuntimeAddon } from '../runtime/native.js';
import type { Notifier } from '../runtime/notify.js';
import { isDescriptorName } from './notification.js';

/** Descriptors kept for one table: two MRT sockets, a note, and membership sockets of 20 groups or more each. */
export const DESCRIPTORS_PER_TABLE_MAX = 4_096;

/** How they are handed over; names that are not here follow in the order of the alphabet. */
const ORDER: readonly string[] = ['mrt4', 'mrt6', 'vifs', 'asm4', 'ssm4', 'asm6', 'ssm6'];

interface Kept {
  readonly fd: number;
  /** Device and inode: equal for all descriptors of one open socket or file. */
  readonly identity: string;
}

/** What a keeper of ours is told, so that a successor of this process gets what it had. */
type Keeper = Pick<Notifier, 'keep' | 'release'>;

type Descriptors = Pick<RuntimeAddon, 'closeDescriptor' | 'setCloseOnExec'>;

/** Owns every descriptor that it was given until it lets go of it. */
export class DescriptorStore {
  readonly #descriptors: Descriptors;
  readonly #keeper: Keeper;
  /** By table, then by name. */
  readonly #tables = new Map<number, Map<string, Kept[]>>();

  constructor(descriptors: Descriptors, keeper: Keeper) {
    this.#descriptors = descriptors;
    this.#keeper = keeper;
  }

  /** Tables of which something is kept. */
  get tables(): readonly number[] {
    return [...this.#tables.keys()];
  }

  /** How many descriptors of the table are kept. */
  count(table: number): number {
    let count = 0;
    for (const kept of this.#tables.get(table)?.values() ?? []) count += kept.length;
    return count;
  }

  /**
   * Takes descriptors. One of a socket or file that is kept under the name already is closed, and so are those beyond the
   * limit.
   *
   * @returns how many were beyond the limit.
   */
  put(table: number, name: string, fds: readonly number[]): number {
    const { taken, refused } = this.#take(table, name, fds);
    if (taken.length > 0) this.#keeper.keep(keeperName(table, name), taken);
    return refused;
  }

  /** What is kept of the table, in a stable order; it stays here, so only for duplicates, as a child gets them. */
  handOver(table: number): readonly ListenFd[] {
    const names = this.#tables.get(table) ?? new Map<string, Kept[]>();
    return [...names.entries()]
      .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1))
      .flatMap(([name, kept]) => kept.map(({ fd }) => ({ fd, name })));
  }

  /** Lets go of what has the name; the kernel flushes a table with the last descriptor of its MRT socket. */
  release(table: number, name: string): void {
    const names = this.#tables.get(table);
    const kept = names?.get(name);
    if (names === undefined || kept === undefined) return;
    names.delete(name);
    if (names.size === 0) this.#tables.delete(table);
    // First the keeper's, so that none is left of a table that a reader of the log believes gone.
    this.#keeper.release(keeperName(table, name));
    for (const { fd } of kept) this.#descriptors.closeDescriptor(fd);
  }

  releaseAll(table: number): void {
    for (const name of this.#tables.get(table)?.keys() ?? []) this.release(table, name);
  }

  /**
   * Takes what a predecessor of this process kept and its keeper handed over. What no supervisor can have given away is
   * closed, and the keeper is told to forget it.
   *
   * @returns the names of what was closed.
   */
  restore(listenFds: readonly ListenFd[]): readonly string[] {
    const strangers = new Set<string>();
    for (const { fd, name } of listenFds) {
      const owner = parseKeeperName(name);
      if (owner === undefined) {
        strangers.add(name);
        this.#descriptors.closeDescriptor(fd);
        continue;
      }
      this.#descriptors.setCloseOnExec(fd);
      // The keeper has it: it is not told again.
      this.#take(owner.table, owner.name, [fd]);
    }
    for (const name of strangers) this.#keeper.release(name);
    return [...strangers];
  }

  #take(table: number, name: string, fds: readonly number[]): { taken: number[]; refused: number } {
    const names = this.#tables.get(table) ?? new Map<string, Kept[]>();
    const kept = names.get(name) ?? [];
    const known = new Set(kept.map(({ identity }) => identity));
    const taken: number[] = [];
    let room = DESCRIPTORS_PER_TABLE_MAX - this.count(table);
    let refused = 0;
    for (const fd of fds) {
      const identity = identityOf(fd);
      if (known.has(identity) || room === 0) {
        if (!known.has(identity)) refused++;
        this.#descriptors.closeDescriptor(fd);
        continue;
      }
      known.add(identity);
      kept.push({ fd, identity });
      taken.push(fd);
      room--;
    }
    if (taken.length > 0) this.#tables.set(table, names.set(name, kept));
    return { taken, refused };
  }
}

/** `123.mrt4`, as systemd and our successor know it. */
function keeperName(table: number, name: string): string {
  return `${table}.${name}`;
}

function parseKeeperName(text: string): { readonly table: number; readonly name: string } | undefined {
  const [, digits, name] = /^([1-9]\d{0,7})\.(.+)$/.exec(text) ?? [];
  const table = Number(digits);
  if (name === undefined || !isDescriptorName(name)) return undefined;
  return table >= TABLE_ID_MIN && table <= TABLE_ID_MAX ? { table, name } : undefined;
}

function identityOf(fd: number): string {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

function rank(name: string): number {
  const index = ORDER.indexOf(name);
  return index === -1 ? ORDER.length : index;
}
