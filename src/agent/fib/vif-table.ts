// Which interface name has which vif number. Numbers are stable: entries in the kernel name vifs by number, so a
// number goes to another name only after every entry that names it was rewritten.
import { VIF_LIMIT } from '../../model/limits.js';
import type { KernelFailure } from '../../model/resource.js';

/** A vif number that belongs to a name, whether or not the kernel has the vif. */
export interface Vif {
  readonly number: number;
  readonly name: string;
  /** Ifindex with which the kernel has the vif; undefined: it has none of this number. */
  ifindex: number | undefined;
  /** Why the kernel refused to make or delete the vif; not asked again until this is cleared. */
  failure: KernelFailure | undefined;
  /** When the number became free for another name, as a rising count; undefined: it is not. */
  releasedAt: number | undefined;
}

export class VifTable {
  readonly #limit: number;
  readonly #byName = new Map<string, Vif>();
  readonly #byNumber = new Map<number, Vif>();
  #releases = 0;

  constructor(limit: number = VIF_LIMIT) {
    this.#limit = limit;
  }

  get(name: string): Vif | undefined {
    return this.#byName.get(name);
  }

  at(number: number): Vif | undefined {
    return this.#byNumber.get(number);
  }

  [Symbol.iterator](): IterableIterator<Vif> {
    return this.#byName.values();
  }

  /** Takes over a number from an earlier life. Nothing happens if it or the name is taken. */
  adopt(number: number, name: string, ifindex: number | undefined): void {
    if (number >= this.#limit || this.#byNumber.has(number) || this.#byName.has(name)) return;
    this.#add({ number, name, ifindex, failure: undefined, releasedAt: undefined });
  }

  /**
   * The vif of the name, with the lowest free number if it has none, else with the number that was released first.
   *
   * @returns undefined if all numbers are taken
   */
  assign(name: string): Vif | undefined {
    const own = this.#byName.get(name);
    if (own !== undefined) {
      own.releasedAt = undefined;
      return own;
    }
    const number = this.#freeNumber() ?? this.#takeReleased();
    if (number === undefined) return undefined;
    const vif: Vif = { number, name, ifindex: undefined, failure: undefined, releasedAt: undefined };
    this.#add(vif);
    return vif;
  }

  /** Nothing in the kernel names the number any more: the name keeps it only as long as no other needs one. */
  release(vif: Vif): void {
    vif.releasedAt ??= ++this.#releases;
  }

  remove(vif: Vif): void {
    this.#byName.delete(vif.name);
    this.#byNumber.delete(vif.number);
  }

  #add(vif: Vif): void {
    this.#byName.set(vif.name, vif);
    this.#byNumber.set(vif.number, vif);
  }

  #freeNumber(): number | undefined {
    for (let number = 0; number < this.#limit; number++) if (!this.#byNumber.has(number)) return number;
    return undefined;
  }

  #takeReleased(): number | undefined {
    let oldest: Vif | undefined;
    for (const vif of this.#byName.values()) {
      if (vif.releasedAt === undefined) continue;
      if (oldest?.releasedAt === undefined || vif.releasedAt < oldest.releasedAt) oldest = vif;
    }
    if (oldest !== undefined) this.remove(oldest);
    return oldest?.number;
  }
}
