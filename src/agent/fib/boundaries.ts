// Administrative boundaries (RFC 2365): groups whose packets neither enter nor leave at an interface, whatever rules say.
// The upcall thread has a C++ twin of `barRules`.
import type { VifOif, VifRule } from '../kernel/port.js';
import { hasVif, meetsVifs, uniteVifs, vifBit, vifSet } from './oifs.js';
import type { Holder } from './rule.js';

/**
 * What boundaries leave of rules that cover the group: those of a barred iif go, as a deny rule there would have it, and
 * a barred oif goes from all others.
 *
 * @param barredVifs bit set of the vifs at which the group has a boundary
 * @param share gives one list for equal ones
 */
export function barRules<Rule extends VifRule>(
  rules: readonly Rule[],
  barredVifs: number,
  share: (oifs: readonly VifOif[]) => readonly VifOif[] = (oifs) => oifs,
): Rule[] {
  return rules
    .filter(({ iif }) => !hasVif(barredVifs, iif))
    .map((rule) => {
      if (!meetsVifs(vifSet(rule.oifs), barredVifs)) return rule;
      return { ...rule, oifs: share(rule.oifs.filter(({ vif }) => !hasVif(barredVifs, vif))) };
    });
}

/** Which interfaces have which boundaries. Those of one group prefix are noted at its holder, as a set of vifs. */
export class Boundaries {
  /** What names mean may have changed since `refresh`. */
  areStale = false;
  /** Names of the interfaces that have the boundary; none: it is to be forgotten. */
  readonly #names = new Map<Holder, Set<string>>();
  /** By the name of the interface. */
  readonly #holders = new Map<string, ReadonlySet<Holder>>();

  /** Whether some interface, present or not, has a boundary of the holder's group prefix. */
  has(holder: Holder): boolean {
    return (this.#names.get(holder)?.size ?? 0) > 0;
  }

  /** Replaces the boundaries of the interface. Returns those that it did not have before, or has no more. */
  set(name: string, holders: readonly Holder[]): Holder[] {
    const before = this.#holders.get(name) ?? new Set();
    const after = new Set(holders);
    const gone = [...before].filter((holder) => !after.has(holder));
    const come = [...after].filter((holder) => !before.has(holder));
    for (const holder of gone) this.#names.get(holder)?.delete(name);
    for (const holder of come) this.#names.set(holder, (this.#names.get(holder) ?? new Set()).add(name));
    if (after.size === 0) this.#holders.delete(name);
    else this.#holders.set(name, after);
    this.areStale = true;
    return [...gone, ...come];
  }

  /** Notes the vifs of now at the holders. Returns the holders that had others. */
  refresh(vifOf: (interfaceName: string) => number | undefined): Holder[] {
    if (!this.areStale) return [];
    this.areStale = false;
    const changed: Holder[] = [];
    for (const [holder, names] of this.#names) {
      const barredVifs = vifsOf(names, vifOf);
      if (barredVifs !== holder.barredVifs) changed.push(holder);
      holder.barredVifs = barredVifs;
      if (names.size === 0) this.#names.delete(holder);
    }
    return changed;
  }
}

function vifsOf(names: Iterable<string>, vifOf: (interfaceName: string) => number | undefined): number {
  let vifs = 0;
  for (const name of names) {
    const vif = vifOf(name);
    if (vif !== undefined) vifs = uniteVifs(vifs, vifBit(vif));
  }
  return vifs;
}
