// The compilation of one group: which of its rules the kernel answers by itself, by (*,G) and (S,G) entries, and for
// which iifs it must ask. The condition was proven by exhaustive search and fuzzing against the real kernel; each step
// is needed. The kernel asks the (*,G) entries of a group newest first; the first one that has the arrival vif among
// its oifs decides, and drops if its own iif is another (ipmr_cache_find_any).
import { type Address, type Prefix, addressKey, covers, isHost } from '../../model/address.js';
import { type Entries, SmallMap } from '../../model/small-map.js';
import type { VifOif, VifRule } from '../kernel/port.js';
import { ALL_VIFS, NO_OIFS, hasVif, meetsVifs, sameOifs, uniteVifs, vifBit, vifSet, vifsIn } from './oifs.js';
import { SourceIndex, type SourceKey } from './source-index.js';
import { matchesSource, unite } from './upcall.js';

/** Whether (*,G) rules become (*,G) entries, or every source is learned by an upcall. */
export type StarG = 'kernel' | 'learn';

/** Why packets of an iif are answered by upcalls; the codes are told in docs/operating.md. */
export type UpcallReason =
  | 'hairpin'
  | 'source-prefix'
  | 'except-prefix'
  | 'several-iifs-for-source'
  | 'feeds-upcall-iif'
  | 'bidirectional'
  | 'group-prefix'
  | 'learn-requested';

/** An (S,G) entry that is made before the first packet. */
export interface SourceEntry {
  readonly source: Address;
  readonly iif: number;
  readonly oifs: readonly VifOif[];
}

/** A (*,G) entry; the oifs are without the iif. */
export interface ProxyEntry {
  readonly iif: number;
  readonly oifs: readonly VifOif[];
}

/** What the kernel should hold for one group. */
export interface GroupProgram {
  readonly sources: Entries<SourceKey, SourceEntry>;
  /** In the order in which they must be added. */
  readonly proxies: readonly ProxyEntry[];
  /** Bit set of the vifs whose flows are answered by upcalls. */
  readonly upcallIifs: number;
  readonly upcallReasons: ReadonlyMap<number, UpcallReason>;
  /** Sources that rules name and that may use several iifs: the kernel takes one at a time. Bit sets of these iifs. */
  readonly contested: ReadonlyMap<SourceKey, number>;
}

/** The program of a group that only rules of group prefixes cover. */
export const ALL_BY_UPCALL: GroupProgram = {
  sources: new Map(),
  proxies: [],
  upcallIifs: ALL_VIFS,
  upcallReasons: new Map(),
  contested: new Map(),
};

/** The program of a group of which nothing goes anywhere. */
const NOTHING: GroupProgram = { ...ALL_BY_UPCALL, upcallIifs: 0 };

/** Compiles groups, and makes short work of those that most are like: with one rule, of one source or any. */
export class GroupCompiler {
  readonly #starG: StarG;
  /** Of groups with one rule of any source: by oifs, then by iif. */
  readonly #simple = new WeakMap<readonly VifOif[], Map<number, GroupProgram>>();

  constructor(starG: StarG) {
    this.#starG = starG;
  }

  /** Compiles the group that the rules of all indexes cover. */
  compile(indexes: readonly SourceIndex[]): GroupProgram {
    return compileGroup(indexes, this.#starG);
  }

  /** Compiles a group that just this rule covers. */
  compileOnly(rule: VifRule): GroupProgram {
    const { source, except, deny, oifs, iif } = rule;
    if (deny || except.length > 0) return compileGroup([new SourceIndex([rule])], this.#starG);
    if (isHost(source)) return this.#compileSource(source.address, iif, oifs);
    if (source.length > 0) return compileGroup([new SourceIndex([rule])], this.#starG);
    let programs = this.#simple.get(oifs);
    if (programs === undefined) {
      programs = new Map();
      this.#simple.set(oifs, programs);
    }
    let program = programs.get(iif);
    if (program === undefined) {
      program = compileGroup([new SourceIndex([rule])], this.#starG);
      programs.set(iif, program);
    }
    return program;
  }

  #compileSource(source: Address, iif: number, oifs: readonly VifOif[]): GroupProgram {
    // No packet of the group goes anywhere but those of the source.
    const empty = this.#starG === 'learn' ? ALL_BY_UPCALL : NOTHING;
    if (oifs.length === 0) return empty;
    const sources = new SmallMap<SourceKey, SourceEntry>().set(addressKey(source), { source, iif, oifs });
    const { proxies, upcallIifs, upcallReasons, contested } = empty;
    return { sources, proxies, upcallIifs, upcallReasons, contested };
  }
}

/** Compiles the group that the rules of all indexes cover. */
export function compileGroup(indexes: readonly SourceIndex[], starG: StarG): GroupProgram {
  const iifs = broadRules(indexes);
  const upcalls = new UpcallIifs();
  for (const [vif, iif] of iifs) {
    if (hasVif(vifSet(iif.oifs), vif)) upcalls.add(vif, 'hairpin');
    const reason = reasonToSeeSources(iif);
    if (reason !== undefined) upcalls.add(vif, reason);
  }
  const hasNamed = indexes.some((index) => index.named.size > 0);
  const { sources, contested } = hasNamed ? compileSources(indexes, iifs, upcalls) : ALL_BY_UPCALL;
  if (starG === 'learn') {
    return { sources, proxies: [], upcallIifs: ALL_VIFS, upcallReasons: ALL_BY_UPCALL.upcallReasons, contested };
  }
  const proxies = compileProxies(iifs, upcalls);
  const upcallReasons = upcalls.set === 0 ? ALL_BY_UPCALL.upcallReasons : upcalls.reasons;
  return { sources, proxies, upcallIifs: upcalls.set, upcallReasons, contested };
}

/** The rules of any source or a source prefix of one iif. */
interface BroadRules {
  readonly rules: VifRule[];
  /** Source prefixes and excepts that are neither any nor a host. */
  readonly splits: { readonly prefix: Prefix; readonly isExcept: boolean }[];
  /** Whether two sources that no rule names can get different answers. */
  isUniform: boolean;
  /** What a source gets that no rule names, in a prefix or by itself. */
  oifs: readonly VifOif[];
}

/** The iifs that stay with upcalls, and the first reason found for each. */
class UpcallIifs {
  set = 0;
  readonly reasons = new Map<number, UpcallReason>();

  add(vif: number, reason: UpcallReason): void {
    if (hasVif(this.set, vif)) return;
    this.set = uniteVifs(this.set, vifBit(vif));
    this.reasons.set(vif, reason);
  }
}

function broadRules(indexes: readonly SourceIndex[]): ReadonlyMap<number, BroadRules> {
  const iifs = new Map<number, BroadRules>();
  for (const index of indexes) {
    for (const rule of index.broad) {
      let iif = iifs.get(rule.iif);
      if (iif === undefined) {
        iif = { rules: [], splits: [], isUniform: true, oifs: NO_OIFS };
        iifs.set(rule.iif, iif);
      }
      iif.rules.push(rule);
      if (rule.except.length > 0 || rule.source.length > 0) iif.isUniform = false;
      if (rule.source.length > 0) iif.splits.push({ prefix: rule.source, isExcept: false });
      for (const prefix of rule.except) {
        if (prefix.length > 0 && !isHost(prefix)) iif.splits.push({ prefix, isExcept: true });
      }
    }
  }
  for (const iif of iifs.values()) {
    // The prefix of length 0 stands for a source outside every prefix that is named.
    iif.oifs = unite(iif.rules.filter((rule) => rule.source.length === 0 && rule.except.every((e) => e.length > 0)));
  }
  return iifs;
}

/** Why sources of the iif must be told apart by prefix; undefined if all get the same answer. */
function reasonToSeeSources(iif: BroadRules): UpcallReason | undefined {
  for (const { prefix, isExcept } of iif.splits) {
    const generic = iif.rules.filter(
      (rule) => covers(rule.source, prefix) && !rule.except.some((except) => covers(except, prefix)),
    );
    if (!sameOifs(unite(generic), iif.oifs)) return isExcept ? 'except-prefix' : 'source-prefix';
  }
  return undefined;
}

/** Entries for sources that rules name, where one entry can do; the others' iifs join the upcalls. */
function compileSources(
  indexes: readonly SourceIndex[],
  iifs: ReadonlyMap<number, BroadRules>,
  upcalls: UpcallIifs,
): Pick<GroupProgram, 'sources' | 'contested'> {
  const sources = new SmallMap<SourceKey, SourceEntry>();
  const contested = new Map<SourceKey, number>();
  for (const [position, index] of indexes.entries()) {
    for (const [key, named] of index.named) {
      if (indexes.slice(0, position).some((earlier) => earlier.named.has(key))) continue;
      const rules = indexes.flatMap((each) => each.named.get(key)?.rules ?? []);
      const { special, usable } = answersOfSource(named.source, rules, iifs);
      const [only] = usable;
      const [first] = special;
      if (first === undefined) continue;
      if (usable.size > 1) {
        for (const vif of special) upcalls.add(vif, 'several-iifs-for-source');
        contested.set(
          key,
          [...usable.keys()].reduce((set, vif) => uniteVifs(set, vifBit(vif)), 0),
        );
      } else {
        const [iif, oifs] = only ?? [first, NO_OIFS];
        sources.set(key, { source: named.source, iif, oifs });
      }
    }
  }
  return { sources, contested: contested.size === 0 ? ALL_BY_UPCALL.contested : contested };
}

/** The iifs on which the source's answer is not that of other sources, and those with an answer at all. */
function answersOfSource(source: Address, rules: readonly VifRule[], iifs: ReadonlyMap<number, BroadRules>) {
  const special: number[] = [];
  const usable = new Map<number, readonly VifOif[]>();
  const judge = (vif: number, oifs: readonly VifOif[], others: readonly VifOif[]) => {
    if (!sameOifs(oifs, others)) special.push(vif);
    if (oifs.length > 0) usable.set(vif, oifs);
  };
  for (const [vif, iif] of iifs) {
    const own = rules.filter((rule) => rule.iif === vif && matchesSource(rule, source));
    if (own.length === 0 && iif.isUniform) judge(vif, iif.oifs, iif.oifs);
    else judge(vif, unite([...iif.rules.filter((rule) => matchesSource(rule, source)), ...own]), iif.oifs);
  }
  for (const { iif: vif } of rules) {
    if (iifs.has(vif) || usable.has(vif)) continue;
    judge(vif, unite(rules.filter((rule) => rule.iif === vif && matchesSource(rule, source))), NO_OIFS);
  }
  return { special: special.sort((a, b) => a - b), usable };
}

/** Moves iifs to the upcalls until the rest can stand beside each other, and orders what remains. */
function compileProxies(iifs: ReadonlyMap<number, BroadRules>, upcalls: UpcallIifs): ProxyEntry[] {
  const oifs = new Map<number, readonly VifOif[]>();
  const edges = new Map<number, number>();
  for (const [vif, iif] of iifs) {
    if (hasVif(upcalls.set, vif) || iif.oifs.length === 0) continue;
    oifs.set(vif, iif.oifs);
    edges.set(vif, vifSet(iif.oifs));
  }
  for (let before = -1; before !== upcalls.set;) {
    before = upcalls.set;
    for (const [vif, targets] of edges) {
      // Its entry would swallow what arrives on an oif that waits for an upcall.
      if (meetsVifs(targets, upcalls.set)) upcalls.add(vif, 'feeds-upcall-iif');
    }
    for (const vif of vifsOnCycles(edges)) upcalls.add(vif, 'bidirectional');
    for (const vif of edges.keys()) if (hasVif(upcalls.set, vif)) edges.delete(vif);
  }
  return orderOf(edges).map((vif) => ({ iif: vif, oifs: oifs.get(vif) ?? NO_OIFS }));
}

/** The vifs from which the edges lead back to themselves. */
function vifsOnCycles(edges: ReadonlyMap<number, number>): number[] {
  if (edges.size < 2) return [];
  const reach = new Map(edges);
  for (const through of edges.keys()) {
    for (const [vif, targets] of reach) {
      if (hasVif(targets, through)) reach.set(vif, uniteVifs(targets, reach.get(through) ?? 0));
    }
  }
  return [...edges.keys()].filter((vif) => hasVif(reach.get(vif) ?? 0, vif));
}

/** Each vif before all that its edges lead to; the lowest first where the edges leave a choice. */
function orderOf(edges: ReadonlyMap<number, number>): number[] {
  let rest = [...edges.keys()].reduce((set, vif) => uniteVifs(set, vifBit(vif)), 0);
  const order: number[] = [];
  while (rest !== 0) {
    const targeted = vifsIn(rest).reduce((set, vif) => uniteVifs(set, edges.get(vif) ?? 0), 0);
    const next = vifsIn(rest).find((vif) => !hasVif(targeted, vif));
    if (next === undefined) throw new Error('edges between (*,G) entries have a cycle');
    order.push(next);
    rest = (rest & ~vifBit(next)) >>> 0;
  }
  return order;
}
