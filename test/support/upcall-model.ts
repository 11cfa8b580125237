// The limit of the kernel that rules cannot see, said apart from how rules are compiled: it has one (S,G) entry for a
// source and group, and that has one iif. Where the rules let a source in on several iifs, and upcalls answer on one of
// them, its packets are forwarded from one of these iifs at a time.
import { type InterfaceConditions, explain } from '../../src/agent/fib/explain.js';
import { standsFor } from '../../src/agent/fib/wildcard.js';
import {
  type Address,
  type Prefix,
  anyPrefix,
  covers,
  formatAddress,
  holds,
  isAny,
  isHost,
  sameAddress,
} from '../../src/model/address.js';
import type { Link } from '../../src/model/interface.js';
import type { Mroute } from '../../src/model/mroute.js';

/** Rules, and what their names mean. */
export interface RuleSet {
  readonly rules: readonly Mroute[];
  readonly links: readonly Link[];
  readonly conditions: InterfaceConditions;
  /** `learn`: no (*,G) entries are made. */
  readonly starG: 'kernel' | 'learn';
}

/** A packet as rules see it. */
export interface Arrival {
  readonly iif: string;
  readonly source: Address;
  readonly group: Address;
}

/** The oifs with their TTL thresholds; empty if the packet is dropped. */
export function oifsOf(set: RuleSet, { iif, source, group }: Arrival): ReadonlyMap<string, number> {
  const found = explain(set.rules, set.links, iif, source, group, set.conditions);
  return found.outcome === 'forwarded' ? found.oifs : new Map<string, number>();
}

/** The iifs from which the rules forward the source. */
export function usableIifs(set: RuleSet, source: Address, group: Address): string[] {
  return namesOf(set).filter((iif) => oifsOf(set, { iif, source, group }).size > 0);
}

/** The iifs of the group on which upcalls answer, because its rules have no (*,G) entries of the same meaning. */
export function upcallIifs(set: RuleSet, group: Address): ReadonlySet<string> {
  const names = namesOf(set);
  const covering = set.rules.filter(({ key }) => holds(key.group, group));
  if (set.starG === 'learn' || !covering.some(({ key }) => isHost(key.group))) return new Set(names);
  const rulesOf = (iif: string) =>
    covering.filter(({ key }) => names.includes(iif) && standsForName(set, key.iif, iif));
  const anySource = new Map(names.map((iif) => [iif, oifsOfPrefix(set, iif, anyPrefix(group.family), group)]));
  const oifsOfAny = (iif: string) => anySource.get(iif) ?? new Map<string, number>();
  const upcalls = new Set<string>();
  for (const iif of names) {
    const splits = rulesOf(iif).flatMap(({ key, except }) => [key.source, ...except]);
    const differs = (prefix: Prefix) =>
      !isAny(prefix) && !isHost(prefix) && !areEqual(oifsOfPrefix(set, iif, prefix, group), oifsOfAny(iif));
    if (oifsOfAny(iif).has(iif) || splits.some(differs)) upcalls.add(iif);
  }
  for (const source of namedSources(covering)) {
    if (usableIifs(set, source, group).length < 2) continue;
    for (const iif of names) if (!areEqual(oifsOf(set, { iif, source, group }), oifsOfAny(iif))) upcalls.add(iif);
  }
  // Each round adds one at least, or is the last.
  for (let size = -1; size !== upcalls.size;) {
    size = upcalls.size;
    const compiled = names.filter((iif) => !upcalls.has(iif) && oifsOfAny(iif).size > 0);
    for (const iif of compiled) {
      const feedsUpcalls = [...oifsOfAny(iif).keys()].some((oif) => upcalls.has(oif));
      if (feedsUpcalls || reaches(iif, iif, compiled, (name) => oifsOfAny(name))) upcalls.add(iif);
    }
  }
  return upcalls;
}

/** A source and group of which a packet has come, or a rule has made an entry. */
interface Flow {
  readonly source: Address;
  readonly group: Address;
  /** Of the (S,G) entry, if there is one; undefined: it may be any. */
  iif: string | undefined;
  /** There is one for certain. */
  hasEntry: boolean;
}

/** Remembers which flows may have an (S,G) entry, and of which iif, as far as that is certain. */
export class FlowModel {
  readonly #flows = new Map<string, Flow>();

  /** The rules are others now. Entries that rules ask for stand before any packet has come. */
  onRules(set: RuleSet, groups: readonly Address[]): void {
    for (const [key, flow] of this.#flows) {
      const usable = usableIifs(set, flow.source, flow.group);
      const upcalls = upcallIifs(set, flow.group);
      const before = flow.iif;
      // An entry would shadow the (*,G) entries.
      if (usable.length > 1 && !usable.some((iif) => upcalls.has(iif))) this.#flows.delete(key);
      else if (usable.length === 1) flow.iif = usable[0];
      else if (before !== undefined && !usable.includes(before)) flow.iif = undefined;
      if (flow.iif === undefined || flow.iif !== before || !upcalls.has(flow.iif)) flow.hasEntry = false;
    }
    for (const group of groups) {
      for (const source of namedSources(set.rules.filter(({ key }) => holds(key.group, group)))) {
        const usable = usableIifs(set, source, group);
        const key = flowKey(source, group);
        if (usable.length > 1 || this.#flows.has(key)) continue;
        this.#flows.set(key, { source, group, iif: usable[0], hasEntry: false });
      }
    }
  }

  /** Whether the limit may keep the packet from where the rules send it; it is taken as sent. */
  onPacket(set: RuleSet, { iif, source, group }: Arrival): boolean {
    const key = flowKey(source, group);
    const usable = usableIifs(set, source, group);
    const upcalls = upcallIifs(set, group);
    const isUsable = usable.includes(iif);
    const isContested = usable.length > 1 && usable.some((name) => upcalls.has(name));
    const isNew = !this.#flows.has(key);
    const flow = this.#flows.get(key) ?? { source, group, iif: isUsable ? iif : undefined, hasEntry: false };
    this.#flows.set(key, flow);
    const isElsewhere = !isNew && flow.iif !== iif;
    if (!isElsewhere && isUsable && upcalls.has(iif)) flow.hasEntry = true;
    // An entry stays while packets come that no rule lets in; without one, these make it, of any iif.
    if (isElsewhere && (isUsable || !flow.hasEntry)) Object.assign(flow, { iif: undefined, hasEntry: false });
    return isElsewhere && isUsable && isContested;
  }

  /** All learned entries are gone; `onRules` is due. */
  clear(): void {
    this.#flows.clear();
  }
}

/** What a source of the prefix gets that no narrower prefix has. */
function oifsOfPrefix(set: RuleSet, iif: string, prefix: Prefix, group: Address): ReadonlyMap<string, number> {
  const rules = set.rules
    .filter(({ key, except }) => covers(key.source, prefix) && !except.some((each) => covers(each, prefix)))
    .map((rule) => ({ ...rule, except: [] }));
  return oifsOf({ ...set, rules }, { iif, source: prefix.address, group });
}

function namedSources(rules: readonly Mroute[]): Address[] {
  const hosts = rules.flatMap(({ key, except }) => [key.source, ...except]).filter(isHost);
  const addresses = hosts.map(({ address }) => address);
  return addresses.filter((address, index) => addresses.findIndex((each) => sameAddress(each, address)) === index);
}

function reaches(
  from: string,
  to: string,
  through: readonly string[],
  oifsOfIif: (iif: string) => ReadonlyMap<string, number>,
): boolean {
  const seen = new Set<string>();
  const todo = [from];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    for (const next of oifsOfIif(name).keys()) {
      if (next === to) return true;
      if (seen.has(next) || !through.includes(next)) continue;
      seen.add(next);
      todo.push(next);
    }
  }
  return false;
}

function areEqual(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([name, ttlThreshold]) => b.get(name) === ttlThreshold);
}

function standsForName({ links }: RuleSet, pattern: string, name: string): boolean {
  return links.some((link) => link.name === name && standsFor(pattern, link));
}

function namesOf({ links }: RuleSet): string[] {
  return links.map(({ name }) => name);
}

function flowKey(source: Address, group: Address): string {
  return `${formatAddress(source)} ${formatAddress(group)}`;
}
