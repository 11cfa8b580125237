// What rules mean, said as plainly as possible and apart from how they are compiled: the answer that the kernel must
// give, whatever entries bring it about.
import { type Address, type Prefix, holds } from '../../model/address.js';
import type { Link } from '../../model/interface.js';
import type { Mroute } from '../../model/mroute.js';
import { standsFor } from './wildcard.js';

/** Where a packet goes, and by which rules. */
export type Explanation =
  | {
      readonly outcome: 'forwarded';
      readonly rules: readonly Mroute[];
      /** TTL thresholds by the names of the oifs. */
      readonly oifs: ReadonlyMap<string, number>;
    }
  | {
      readonly outcome: 'dropped';
      readonly rules: readonly Mroute[];
      /**
       * A deny rule matches; no rule matches; the group has a boundary at the iif; those that match have no oif that is
       * there and without a boundary of the group.
       */
      readonly reason: 'deny' | 'no-rule' | 'boundary' | 'no-oif';
    };

/** What is said of interfaces, by their names. */
export interface InterfaceConditions {
  /** For oifs that have none of their own; 1 where there is none. */
  readonly ttlThresholds: ReadonlyMap<string, number>;
  /** Groups that neither enter nor leave there. */
  readonly boundaries: ReadonlyMap<string, readonly Prefix[]>;
  /** Names of those that take no part: to rules they are not there. */
  readonly disabled: ReadonlySet<string>;
  /** Names of those on which nothing arrives, since their master has their packets: as iifs they are not there. */
  readonly noIifs: ReadonlySet<string>;
}

/** What holds if nobody says anything of interfaces. */
export const NO_CONDITIONS: InterfaceConditions = {
  ttlThresholds: new Map(),
  boundaries: new Map(),
  disabled: new Set(),
  noIifs: new Set(),
};

/** Explains what happens to packets of the source and the group that arrive on the interface. */
export function explain(
  mroutes: Iterable<Mroute>,
  links: readonly Link[],
  iif: string,
  source: Address,
  group: Address,
  { ttlThresholds, boundaries, disabled, noIifs }: InterfaceConditions = NO_CONDITIONS,
): Explanation {
  const present = links.filter(({ name }) => !disabled.has(name));
  const isBarred = (name: string) => boundaries.get(name)?.some((boundary) => holds(boundary, group)) === true;
  const arrival = present.find(({ name }) => name === iif && !noIifs.has(name));
  const matching =
    arrival === undefined ? [] : [...mroutes].filter((mroute) => matches(mroute, arrival, source, group));
  const denying = matching.filter((mroute) => mroute.deny);
  if (denying.length > 0) return { outcome: 'dropped', rules: denying, reason: 'deny' };
  if (matching.length === 0) return { outcome: 'dropped', rules: [], reason: 'no-rule' };
  if (isBarred(iif)) return { outcome: 'dropped', rules: matching, reason: 'boundary' };
  const oifs = new Map<string, number>();
  for (const mroute of matching) {
    for (const { name, ttlThreshold } of oifsOf(mroute, present, iif)) {
      if (isBarred(name)) continue;
      const own = group.family === 'ipv6' ? 1 : (ttlThreshold ?? ttlThresholds.get(name) ?? 1);
      oifs.set(name, Math.min(own, oifs.get(name) ?? own));
    }
  }
  if (oifs.size === 0) return { outcome: 'dropped', rules: matching, reason: 'no-oif' };
  return { outcome: 'forwarded', rules: matching, oifs };
}

function matches({ key, except }: Mroute, arrival: Link, source: Address, group: Address): boolean {
  const has = (prefix: Prefix) => holds(prefix, source);
  return standsFor(key.iif, arrival) && holds(key.group, group) && has(key.source) && !except.some(has);
}

function* oifsOf(mroute: Mroute, links: readonly Link[], iif: string) {
  for (const { interface: pattern, ttlThreshold } of mroute.oifs) {
    for (const link of links) {
      const isOwnIif = link.name === iif && pattern !== iif;
      if (standsFor(pattern, link) && !isOwnIif) yield { name: link.name, ttlThreshold };
    }
  }
}
