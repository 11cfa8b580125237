// What people are shown of a table: interfaces and entries by name.
import type { Address, Family } from '../../model/address.js';
import { type Link, isWildcard } from '../../model/interface.js';
import type { Warning } from '../../model/resource.js';
import type { VifOif } from '../kernel/port.js';
import type { FamilyFib } from './family-fib.js';
import type { Links } from './links.js';
import type { CompiledRule, Group } from './rule.js';
import { type SourceIndex, matchingOf } from './source-index.js';
import type { WishId } from './wish.js';

/** An interface that is there, or that something waits for. */
export interface InterfaceView {
  readonly name: string;
  /** Undefined: it is away. */
  readonly link: Link | undefined;
  /** Numbers that belong to it, also while it is away; none while rules have no use for it. */
  readonly vifs: Readonly<Partial<Record<Family, number>>>;
  readonly warnings: readonly Warning[];
}

/** An entry of the mirror. */
export interface MfcView {
  /** Undefined for a (*,G) entry. */
  readonly source: Address | undefined;
  readonly group: Address;
  /** Empty where the number belongs to no interface any more. */
  readonly iif: string;
  readonly oifs: readonly { readonly interface: string; readonly ttlThreshold: number }[];
  readonly isLearned: boolean;
  /** The rules that it came from. */
  readonly ids: readonly WishId[];
}

/** Interfaces in the order of the links, then the names that are waited for. */
export function viewInterfaces(
  links: Links,
  families: ReadonlyMap<Family, FamilyFib>,
  membershipPatterns: Iterable<string>,
  warningsOf: (interfaceName: string) => readonly Warning[],
): InterfaceView[] {
  const names = new Set<string>();
  for (const link of links) names.add(link.name);
  for (const { vifs, rules } of families.values()) {
    for (const vif of vifs.table) names.add(vif.name);
    for (const pattern of rules.uses.patterns()) if (!isWildcard(pattern)) names.add(pattern);
  }
  for (const pattern of membershipPatterns) if (!isWildcard(pattern)) names.add(pattern);
  const participants = new Map(Array.from(families, ([family, { vifs }]) => [family, new Set(vifs.participants())]));
  return Array.from(names, (name) => {
    const vifs: Partial<Record<Family, number>> = {};
    for (const [family, fib] of families) {
      const vif = participants.get(family)?.has(name) === true ? fib.vifs.table.get(name) : undefined;
      if (vif !== undefined) vifs[family] = vif.number;
    }
    return { name, link: links.named(name), vifs, warnings: warningsOf(name) };
  });
}

/** All entries of one family, group by group. */
export function* viewMfc(fib: FamilyFib): Iterable<MfcView> {
  for (const group of fib.rules.groups()) {
    const { sources, proxies } = group.actual;
    if (sources.size === 0 && proxies.length === 0) continue;
    const indexes = fib.rules.indexesOf(group);
    for (const { source, iif, oifs, isLearned } of sources.values()) {
      const rules = matchingOf(indexes, source).filter((rule) => rule.iif === iif);
      yield { ...namesOf(fib, group, iif, oifs), source, isLearned, ids: idsOf(rules) };
    }
    for (const { iif, oifs } of proxies) {
      yield {
        ...namesOf(fib, group, iif, oifs),
        source: undefined,
        isLearned: false,
        ids: idsOf(anySource(indexes, iif)),
      };
    }
  }
}

function namesOf({ vifs }: FamilyFib, { address }: Group, iif: number, oifs: readonly VifOif[]) {
  return {
    group: address,
    iif: vifs.table.at(iif)?.name ?? '',
    oifs: oifs.flatMap(({ vif, ttlThreshold }) => {
      const name = vifs.table.at(vif)?.name;
      return name === undefined ? [] : [{ interface: name, ttlThreshold }];
    }),
  };
}

function anySource(indexes: readonly SourceIndex<CompiledRule>[], iif: number): CompiledRule[] {
  return indexes.flatMap((index) => index.broad.filter((rule) => rule.iif === iif && rule.source.length === 0));
}

function idsOf(rules: readonly CompiledRule[]): WishId[] {
  return [...new Set(rules.map(({ id }) => id))];
}
