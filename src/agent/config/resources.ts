// Statements into what the rules of a table are made of. Pure.
import { type Prefix, addressKey, canonicalPrefixes } from '../../model/address.js';
import { type InterfaceSettings, PLAIN_INTERFACE, isWildcard, matchesInterface } from '../../model/interface.js';
import { RESOURCES_PER_TABLE_MAX } from '../../model/limits.js';
import type { Membership } from '../../model/membership.js';
import type { Mroute, MrouteKey, Oif } from '../../model/mroute.js';
import type { Resource } from '../../model/resource.js';
import type { MrouteStatement, PhyintStatement, Statement } from './statement.js';

/**
 * The resources that the statements ask for, each key once: settings of interfaces in the order of the `phyint` lines,
 * which is that in which vifs are given; rules, those of one key united and their oifs in order of the names; memberships.
 *
 * Settings and memberships have no wildcards. A `phyint` with one stands for the interfaces in `present` and for those
 * that statements name, an `mgroup` for those in `present`; so the resources are to be made again when interfaces come.
 */
export function toResources(statements: readonly Statement[], present: Iterable<string> = []): readonly Resource[] {
  const links = new Set(present);
  return [
    ...toInterfaceSettings(statements, namesOf(statements, links)),
    ...toMroutes(statements),
    ...toMemberships(statements, links),
  ];
}

/** Finds what holds for an interface: the last `phyint` whose name or wildcard matches its name; undefined if none does. */
export function phyintFinder(statements: readonly Statement[]): (name: string) => PhyintStatement | undefined {
  const last = new Map<string, { readonly phyint: PhyintStatement; readonly index: number }>();
  for (const [index, phyint] of statements.entries()) {
    if (phyint.kind === 'phyint') last.set(phyint.interface, { phyint, index });
  }
  return (name) => {
    let found = last.get(name);
    // Each wildcard that can match: a beginning of the name, then `+`.
    for (let length = 0; length <= name.length; length++) {
      const other = last.get(`${name.slice(0, length)}+`);
      if (other !== undefined && other.index > (found?.index ?? -1)) found = other;
    }
    return found?.phyint;
  };
}

/** Equal for what has the same iif, source and group. */
export function mrouteIdentity({ iif, source, group }: Omit<MrouteKey, 'kind'>): string {
  return `${iif} ${prefixIdentity(source)} ${prefixIdentity(group)}`;
}

/** The lower of two thresholds of an oif; undefined is the interface's own, and yields. */
function lowerThreshold(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

function toMroutes(statements: readonly Statement[]): Mroute[] {
  const rules = new Map<string, { first: MrouteStatement; oifs: Map<string, Oif> }>();
  for (const statement of statements) {
    if (statement.kind !== 'mroute') continue;
    const identity = mrouteIdentity(statement);
    let rule = rules.get(identity);
    if (rule === undefined) rules.set(identity, (rule = { first: statement, oifs: new Map() }));
    for (const { interface: name, ttlThreshold } of statement.oifs) {
      const lower = lowerThreshold(rule.oifs.get(name)?.ttlThreshold, ttlThreshold);
      rule.oifs.set(name, { interface: name, ttlThreshold: lower });
    }
  }
  return [...rules.values()].map(({ first: { iif, source, group, except }, oifs }) => ({
    key: { kind: 'mroute', iif, source, group },
    oifs: [...oifs.values()].sort((a, b) => (a.interface < b.interface ? -1 : 1)),
    except: except.length === 0 ? [] : canonicalPrefixes(except),
    deny: false,
    label: '',
  }));
}

function toMemberships(statements: readonly Statement[], present: ReadonlySet<string>): Membership[] {
  const memberships = new Map<string, Membership>();
  const matching = new Map<string, readonly string[]>();
  for (const statement of statements) {
    if (statement.kind !== 'mgroup') continue;
    const { iif, source, group } = statement;
    const interfaces = isWildcard(iif)
      ? (matching.get(iif) ?? [...present].filter((name) => matchesInterface(iif, name)))
      : [iif];
    matching.set(iif, interfaces);
    for (const name of interfaces) {
      // No table takes more; one too many says so.
      if (memberships.size > RESOURCES_PER_TABLE_MAX) return [...memberships.values()];
      const identity = mrouteIdentity({ iif: name, source, group });
      memberships.set(identity, { key: { kind: 'membership', interface: name, group, source }, label: '' });
    }
  }
  return [...memberships.values()];
}

function toInterfaceSettings(statements: readonly Statement[], names: ReadonlySet<string>): InterfaceSettings[] {
  const phyintOf = phyintFinder(statements);
  const settings: InterfaceSettings[] = [];
  for (const name of names) {
    const phyint = phyintOf(name);
    if (phyint === undefined) continue;
    const { ttlThreshold = PLAIN_INTERFACE.ttlThreshold, isEnabled, querier, mrdisc, boundaries } = phyint;
    settings.push({
      key: { kind: 'interface', name },
      ttlThreshold,
      isEnabled,
      isQuerier: querier,
      isAdvertised: mrdisc,
      boundaries: canonicalPrefixes(boundaries),
    });
  }
  return settings;
}

/** Every interface that a statement names, those of `phyint` first, then those that are there. */
function namesOf(statements: readonly Statement[], present: ReadonlySet<string>): Set<string> {
  const names = new Set<string>();
  const add = (name: string) => {
    if (!isWildcard(name)) names.add(name);
  };
  for (const statement of statements) if (statement.kind === 'phyint') add(statement.interface);
  for (const statement of statements) {
    if (statement.kind === 'mroute') for (const oif of statement.oifs) add(oif.interface);
    if (statement.kind === 'mroute' || statement.kind === 'mgroup') add(statement.iif);
  }
  for (const name of present) names.add(name);
  return names;
}

function prefixIdentity({ address, length }: Prefix): string {
  return `${addressKey(address)}/${length}/${address.family}`;
}
