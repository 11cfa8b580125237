// The mirror of the kernel's forwarding cache: what was acknowledged or learned, and how often each vif is named.
import type { Address } from '../../model/address.js';
import { VIF_LIMIT } from '../../model/limits.js';
import { uniteVifs, vifBit, vifSet } from './oifs.js';
import { type Entries, SmallMap } from '../../model/small-map.js';
import type { SourceKey } from './source-index.js';
import type { ProxyEntry } from './star-g.js';
import type { FlowEntry } from './upcall.js';

/** An (S,G) entry in the kernel. */
export interface ActualSource extends FlowEntry {
  readonly source: Address;
  /** It is on the upcall thread's list. */
  readonly isLearned: boolean;
  /** It named a vif that was not there: the kernel may have left the oif out (`ipmr_update_thresholds`). */
  readonly isUncertain: boolean;
}

/** A (*,G) entry in the kernel. */
export interface ActualProxy extends ProxyEntry {
  readonly isUncertain: boolean;
}

/** The entries of one group in the kernel. */
export interface ActualEntries {
  readonly sources: Entries<SourceKey, ActualSource>;
  /** Oldest first; the kernel asks the newest first. */
  readonly proxies: readonly ActualProxy[];
  /** False after someone else deleted one of them: which one, the kernel does not say. */
  readonly isProxyOrderKnown: boolean;
}

/** The same, to be written. */
export interface ActualGroup extends ActualEntries {
  sources: SmallMap<SourceKey, ActualSource>;
  proxies: readonly ActualProxy[];
  isProxyOrderKnown: boolean;
}

/** A group without entries. */
export function emptyGroup(): ActualGroup {
  return { sources: NO_SOURCES, proxies: NO_PROXIES, isProxyOrderKnown: true };
}

// Of many groups most have only one kind of entries: what is empty is shared, and never written.
const NO_SOURCES = new SmallMap<SourceKey, ActualSource>();
const NO_PROXIES: readonly ActualProxy[] = [];

/** The vifs whose packets the (S,G) entry can move; none if it drops whatever comes. */
export function vifsOfSource(entry: FlowEntry): number {
  return entry.oifs.length === 0 ? 0 : uniteVifs(vifBit(entry.iif), vifSet(entry.oifs));
}

/** The vifs that the (*,G) entry has among its ttls, the iif included. */
export function vifsOfProxy(entry: ProxyEntry): number {
  return uniteVifs(vifBit(entry.iif), vifSet(entry.oifs));
}

/** Writes groups and counts how many entries name each vif. */
export class VifReferences {
  readonly #counts = new Array<number>(VIF_LIMIT).fill(0);
  #entryCount = 0;

  /** Entries of all groups. */
  get entryCount(): number {
    return this.#entryCount;
  }

  /** Whether some entry names the vif. */
  has(vif: number): boolean {
    return (this.#counts[vif] ?? 0) > 0;
  }

  setSource(group: ActualGroup, key: SourceKey, entry: ActualSource | undefined): void {
    const old = group.sources.get(key);
    if (old !== undefined) {
      this.#count(vifsOfSource(old), -1);
      this.#entryCount--;
    }
    if (entry === undefined) group.sources.delete(key);
    else {
      this.#entryCount++;
      this.#count(vifsOfSource(entry), 1);
      if (group.sources === NO_SOURCES) group.sources = new SmallMap();
      group.sources.set(key, entry);
    }
  }

  /** Changes the (*,G) entry of the iif in place, or adds it as the newest. */
  putProxy(group: ActualGroup, entry: ActualProxy): void {
    const old = group.proxies.find(({ iif }) => iif === entry.iif);
    if (old !== undefined) this.#count(vifsOfProxy(old), -1);
    else this.#entryCount++;
    this.#count(vifsOfProxy(entry), 1);
    group.proxies =
      old === undefined ? [...group.proxies, entry] : group.proxies.map((each) => (each === old ? entry : each));
  }

  deleteProxy(group: ActualGroup, iif: number): void {
    const old = group.proxies.find((entry) => entry.iif === iif);
    if (old === undefined) return;
    this.#count(vifsOfProxy(old), -1);
    this.#entryCount--;
    group.proxies = group.proxies.filter((entry) => entry !== old);
  }

  #count(vifs: number, change: 1 | -1): void {
    for (let rest = vifs; rest !== 0; rest &= rest - 1) {
      const vif = 31 - Math.clz32(rest & -rest);
      this.#counts[vif] = (this.#counts[vif] ?? 0) + change;
    }
  }
}
