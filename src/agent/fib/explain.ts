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
      /** A deny rule matches; no rule matches; those that match have no oif that is there. */
      readonly reason: 'deny' | 'no-rule' | 'no-oif';
    };

/**
 * Explains what happens to packets of the source and the group that arrive on the interface.
 *
 * @param ttlThresholds thresholds of interfaces, for oifs that have none of their own; 1 where there is none
 */
export function explain(
  mroutes: Iterable<Mroute>,
  links: readonly Link[],
  iif: string,
  source: Address,
  group: Address,
  ttlThresholds: ReadonlyMap<string, number> = new Map(),
): Explanation {
  const arrival = links.find((link) => link.name === iif);
  const matching =
    arrival === undefined ? [] : [...mroutes].filter((mroute) => matches(mroute, arrival, source, group));
  const denying = matching.filter((mroute) => mroute.deny);
  if (denying.length > 0) return { outcome: 'dropped', rules: denying, reason: 'deny' };
  if (matching.length === 0) return { outcome: 'dropped', rules: [], reason: 'no-rule' };
  const oifs = new Map<string, number>();
  for (const mroute of matching) {
    for (const { name, ttlThreshold } of oifsOf(mroute, links, iif)) {
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
