// Keeps the vifs of one family: numbers for the interfaces that rules use, and what of them the kernel has.
import type { Family } from '../../model/address.js';
import type { Link } from '../../model/interface.js';
import type { KernelFailure } from '../../model/resource.js';
import type { Operation, VifName } from '../kernel/port.js';
import type { RuleBook } from './compile.js';
import type { Links } from './links.js';
import { hasVif, uniteVifs, vifBit } from './oifs.js';
import { type Vif, VifTable } from './vif-table.js';

export type VifOperation = Extract<Operation, { op: 'add-vif' | 'delete-vif' }>;

/** Operations on vifs, in the places they take among those of the table. */
export interface VifPlan {
  readonly vifs: readonly Operation[];
  /** Vifs that no entry names any more once the entries are written. */
  readonly lateVifs: readonly Operation[];
}

export interface VifOptions {
  readonly family: Family;
  /** Vifs that may be used; undefined: all that the kernel has. */
  readonly vifLimit: number | undefined;
  /** Whether the interface, present or not, takes part in forwarding. */
  readonly takesPart: (interfaceName: string) => boolean;
}

export class VifKeeper {
  readonly table: VifTable;
  readonly #options: VifOptions;
  readonly #links: Links;
  readonly #rules: RuleBook;
  /** Names of present interfaces that rules use. */
  #usedNames: ReadonlySet<string> = new Set();
  /** Those of them for which no vif number was left. */
  readonly #waitingNames = new Set<string>();
  /** Vif numbers may have become free for those that wait. */
  #hasReleased = false;
  #lostVifs = 0;
  /** Those that the kernel has; undefined: to be looked at again. */
  #kernelVifs: number | undefined;
  /** `takeNames` may have something new. */
  #haveNamesChanged = false;

  /**
   * @param links all that are there: those that take no part may have a vif still
   * @param rules these see only links that take part
   */
  constructor(options: VifOptions, links: Links, rules: RuleBook) {
    this.table = new VifTable(options.vifLimit);
    this.#options = options;
    this.#links = links;
    this.#rules = rules;
  }

  /** Whether names wait for numbers and some have become free, or other names are in use than before. */
  get canAssign(): boolean {
    return this.#rules.uses.haveChanged || (this.#hasReleased && this.#waitingNames.size > 0);
  }

  /** Vifs that were away since the last commit; the kernel may have left them out of entries written meanwhile. */
  get lostVifs(): number {
    return this.#lostVifs;
  }

  /** Names of interfaces that take part: those that rules use, and those that are away and will be used again. */
  participants(): string[] {
    const { takesPart } = this.#options;
    const isAwaited = (name: string) =>
      takesPart(name) && this.#links.named(name) === undefined && this.#rules.uses.isUsed(name);
    return Array.from(this.table, ({ name }) => name).filter((name) => this.#usedNames.has(name) || isAwaited(name));
  }

  /** Number of the interface; undefined if it has none or the kernel refused the vif. */
  numberOf(name: string): number | undefined {
    const vif = this.table.get(name);
    return vif?.failure === undefined && this.#usedNames.has(name) ? vif?.number : undefined;
  }

  /** Whether the kernel has the vif for the interface that has its name now. */
  isLive(vif: Vif): boolean {
    return vif.ifindex !== undefined && this.#links.named(vif.name)?.ifindex === vif.ifindex;
  }

  /** The vifs that are live. */
  liveVifs(): number {
    return this.#setOf((vif) => this.isLive(vif));
  }

  /** The vifs that the kernel has, for whatever interface. */
  kernelVifs(): number {
    return (this.#kernelVifs ??= this.#setOf(({ ifindex }) => ifindex !== undefined));
  }

  /** The number of the vif that the kernel has for the ifindex. */
  numberOfIfindex(ifindex: number): number | undefined {
    for (const vif of this.table) if (vif.ifindex === ifindex) return vif.number;
    return undefined;
  }

  /**
   * Takes over the vifs of an earlier agent; to be called before the first links are told.
   *
   * @param vifs ifindex by number
   * @param names as that agent noted them; where it did not, the name of the interface now
   * @param linkOf by ifindex
   */
  adopt(
    vifs: ReadonlyMap<number, number>,
    names: ReadonlyMap<number, VifName>,
    linkOf: (ifindex: number) => Link | undefined,
  ): void {
    this.#kernelVifs = undefined;
    for (const [number, ifindex] of vifs) {
      const name = names.get(number)?.name ?? linkOf(ifindex)?.name;
      if (name !== undefined) this.table.adopt(number, name, ifindex);
    }
    for (const [number, { name, isUnused }] of names) {
      if (vifs.has(number)) continue;
      this.table.adopt(number, name, undefined);
      if (!isUnused) this.#lostVifs = uniteVifs(this.#lostVifs, vifBit(number));
    }
    this.#haveNamesChanged = true;
  }

  /** The names of the numbers, for the agent that comes after this one; undefined if they are as when last taken. */
  takeNames(): ReadonlyMap<number, VifName> | undefined {
    if (!this.#haveNamesChanged) return undefined;
    this.#haveNamesChanged = false;
    const names = new Map<number, VifName>();
    for (const { number, name, ifindex } of this.table) {
      const isUsed = ifindex !== undefined || hasVif(this.#lostVifs, number) || this.#usedNames.has(name);
      names.set(number, { name, isUnused: !isUsed });
    }
    return names;
  }

  onLinksChanged(names: ReadonlySet<string>): void {
    this.#kernelVifs = undefined;
    for (const vif of this.table) {
      const link = vif.ifindex === undefined ? undefined : this.#links.indexed(vif.ifindex);
      const isGone = vif.ifindex !== undefined && link === undefined;
      const isRenamed = link !== undefined && link.name !== vif.name;
      const isFailureOld = vif.failure !== undefined && names.has(vif.name);
      // The kernel deletes the vif with its interface, without a word (`ipmr_device_event`).
      if (isGone) vif.ifindex = undefined;
      if (isFailureOld) vif.failure = undefined;
      if (isGone || isRenamed) {
        this.#lostVifs = uniteVifs(this.#lostVifs, vifBit(vif.number));
        this.#haveNamesChanged = true;
      }
      if (isGone || isRenamed || isFailureOld) this.#rules.touchInterface(vif.name);
    }
  }

  /** Gives numbers to the names that have come into use. */
  assign(): void {
    if (this.canAssign) {
      const { uses } = this.#rules;
      uses.haveChanged = false;
      this.#usedNames = uses.presentNames();
      this.#rules.touchBoundaries();
      this.#haveNamesChanged = true;
      this.#waitingNames.clear();
      for (const name of this.#usedNames) {
        const isNew = this.table.get(name) === undefined;
        if (this.table.assign(name) === undefined) this.#waitingNames.add(name);
        else if (isNew) this.#rules.touchInterface(name);
      }
    }
    this.#hasReleased = false;
  }

  plan(): VifPlan {
    const deletes: Operation[] = [];
    const adds: Operation[] = [];
    const lateVifs: Operation[] = [];
    const { family } = this.#options;
    for (const vif of this.table) {
      const ifindex = this.#usedNames.has(vif.name) ? this.#links.named(vif.name)?.ifindex : undefined;
      if (vif.failure !== undefined || vif.ifindex === ifindex) continue;
      if (vif.ifindex !== undefined) {
        // One that belongs to another interface now must make room for it, and for its new number.
        const isElsewhere = this.#links.indexed(vif.ifindex)?.name !== vif.name;
        const operation: Operation = { op: 'delete-vif', family, vif: vif.number };
        (isElsewhere ? deletes : lateVifs).push(operation);
      }
      if (ifindex !== undefined) adds.push({ op: 'add-vif', family, vif: vif.number, ifindex });
    }
    return { vifs: [...deletes, ...adds], lateVifs };
  }

  /** What was planned was applied; the results follow one by one. */
  beginCommit(): void {
    if (this.#lostVifs !== 0) this.#haveNamesChanged = true;
    this.#lostVifs = 0;
  }

  commit(operation: VifOperation, failure: KernelFailure | undefined): void {
    this.#kernelVifs = undefined;
    const vif = this.table.at(operation.vif);
    if (vif === undefined) return;
    this.#haveNamesChanged = true;
    if (operation.op === 'add-vif') {
      vif.failure = failure;
      if (failure === undefined) vif.ifindex = operation.ifindex;
    } else {
      // EADDRNOTAVAIL: the interface went, and the vif with it, before the operation came.
      const isGone = failure === undefined || failure.code === 'EADDRNOTAVAIL';
      vif.failure = isGone ? undefined : failure;
      if (isGone) vif.ifindex = undefined;
    }
    if (vif.failure !== undefined) this.#rules.touchInterface(vif.name);
    else if (operation.op === 'add-vif') this.#rules.touchUpcalls(vif.name);
  }

  /**
   * Lets go of the numbers that nothing needs.
   *
   * @param isNamed whether some entry in the kernel names the number
   */
  release(isNamed: (number: number) => boolean): void {
    for (const vif of this.table) {
      if (this.#usedNames.has(vif.name) || vif.ifindex !== undefined || vif.releasedAt !== undefined) continue;
      if (isNamed(vif.number)) continue;
      this.#haveNamesChanged = true;
      if (this.#rules.uses.isUsed(vif.name)) this.table.release(vif);
      else this.table.remove(vif);
      this.#hasReleased = true;
    }
  }

  retryFailed(): void {
    for (const vif of this.table) {
      if (vif.failure === undefined) continue;
      vif.failure = undefined;
      this.#rules.touchInterface(vif.name);
    }
  }

  #setOf(isMember: (vif: Vif) => boolean): number {
    let set = 0;
    for (const vif of this.table) if (isMember(vif)) set = uniteVifs(set, vifBit(vif.number));
    return set;
  }
}
