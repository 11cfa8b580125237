// The rules of one family by group, and which groups a change touches: one change costs the same whatever else is
// installed.
import { type Address, type Prefix, addressKey, formatPrefix, hostPrefix, isHost } from '../../model/address.js';
import type { Mroute } from '../../model/mroute.js';
import { Boundaries } from './boundaries.js';
import { type InterfaceUse, InterfaceUses } from './interface-uses.js';
import type { LinkView } from './links.js';
import { emptyGroup } from './mirror.js';
import { uniteVifs } from './oifs.js';
import { PrefixTrie } from './prefix-trie.js';
import {
  type CompiledRule,
  type Group,
  type PrefixGroup,
  type Resolver,
  type Rule,
  type Holder,
  OifLists,
  resolveRule,
} from './rule.js';
import { SourceIndex, type SourceKey } from './source-index.js';
import { ALL_BY_UPCALL, type GroupProgram, type StarG, GroupCompiler } from './star-g.js';
import type { InterfaceRole } from './usability.js';

export class RuleBook {
  readonly uses: InterfaceUses<Rule, InterfaceRole>;
  /** Groups with something to do: stale programs, sources to check. */
  readonly dirtyGroups = new Set<Group>();
  /** Whose rules the upcall thread may have to be given again. */
  readonly changedHolders = new Set<Holder>();
  /** Ids of rules whose status may have changed. */
  readonly changedIds = new Set<string>();

  readonly #resolver: Resolver;
  readonly #compiler: GroupCompiler;
  readonly #oifLists = new OifLists();
  readonly #boundaries = new Boundaries();
  readonly #rules = new Map<string, Rule>();
  readonly #groups = new Map<SourceKey, Group>();
  readonly #groupTrie = new PrefixTrie<Group>();
  readonly #prefixes = new Map<string, PrefixGroup>();
  readonly #prefixTrie = new PrefixTrie<PrefixGroup>();
  readonly #touchedPrefixes = new Set<PrefixGroup>();
  /** Groups with rules of their own that upcalls answer. */
  readonly #askingGroups = new Set<Group>();

  /** @param links those that rules may have for each role */
  constructor(resolver: Resolver, links: Readonly<Record<InterfaceRole, LinkView>>, starG: StarG) {
    this.#resolver = resolver;
    this.uses = new InterfaceUses(links);
    this.#compiler = new GroupCompiler(starG);
  }

  rule(id: string): Rule | undefined {
    return this.#rules.get(id);
  }

  rules(): Iterable<Rule> {
    return this.#rules.values();
  }

  /** Replaces the rule of this id; undefined removes it. */
  set(id: string, mroute: Mroute | undefined): void {
    const old = this.#rules.get(id);
    if (old !== undefined) this.#remove(old);
    if (mroute !== undefined) this.#add(id, mroute);
    this.changedIds.add(id);
  }

  /** The names that the use stands for, or what their vifs are, have changed. */
  touchUse(use: InterfaceUse<Rule>): void {
    for (const rule of use.users) this.#touch(rule);
  }

  /** The vif or the threshold of the interface has changed. */
  touchInterface(name: string): void {
    this.touchBoundaries();
    for (const use of this.uses.matching(name)) this.touchUse(use);
  }

  /** Packets of these groups neither enter nor leave at the interface, and of no others (RFC 2365). */
  setBoundaries(name: string, boundaries: readonly Prefix[]): void {
    const holders = boundaries.map((boundary) => this.#holderOf(boundary));
    for (const holder of this.#boundaries.set(name, holders)) this.#touchHolder(holder);
    this.touchStatuses(name);
  }

  /** Other interfaces have vifs than before. */
  touchBoundaries(): void {
    this.#boundaries.areStale = true;
  }

  /** Statuses of rules with the interface as iif or oif may be others. */
  touchStatuses(name: string): void {
    for (const use of this.uses.matching(name)) for (const { id } of use.users) this.changedIds.add(id);
  }

  /** The vif of the interface is another in the kernel: the upcall thread may have to be told. */
  touchUpcalls(name: string): void {
    for (const use of this.uses.matching(name)) {
      for (const rule of use.users) {
        this.changedHolders.add(rule.holder);
        this.changedIds.add(rule.id);
      }
    }
  }

  /** The kernel has answered all that was asked for the holder's rules. */
  settle(holder: Holder): void {
    for (const rule of holder.unsettled) {
      rule.isSettled = true;
      this.changedIds.add(rule.id);
    }
    holder.unsettled = SETTLED;
  }

  groups(): Iterable<Group> {
    return this.#groups.values();
  }

  prefixGroups(): Iterable<PrefixGroup> {
    return this.#prefixes.values();
  }

  findGroup(address: Address): Group | undefined {
    return this.#groups.get(addressKey(address));
  }

  /** The group of the address, made if there is none. */
  group(address: Address): Group {
    return this.findGroup(address) ?? this.#makeGroup(hostPrefix(address));
  }

  /** Brings the programs of all groups that rules or boundaries of changed prefixes cover out of date. */
  spreadPrefixes(): void {
    for (const holder of this.#boundaries.refresh((name) => this.#resolver.vifOf(name))) this.#touchHolder(holder);
    for (const prefix of this.#touchedPrefixes) {
      for (const group of this.#groupTrie.covered(prefix.group)) {
        this.markStale(group);
        this.changedHolders.add(group);
      }
    }
    this.#touchedPrefixes.clear();
  }

  /** The rules that cover the group have changed. */
  markStale(group: Group): void {
    group.isStale = true;
    this.markDirty(group);
  }

  /** All entries of the group must be compared. */
  markDirty(group: Group): void {
    group.needsDiff = true;
    this.dirtyGroups.add(group);
  }

  /** The entry of one source must be compared. */
  markSource(group: Group, key: SourceKey): void {
    group.toCheck = (group.toCheck ?? new Set()).add(key);
    this.dirtyGroups.add(group);
  }

  /** Whether some flow is answered by upcalls. */
  get hasUpcallRules(): boolean {
    if (this.#askingGroups.size > 0) return true;
    for (const { rules } of this.#prefixes.values()) if (rules.size > 0) return true;
    return false;
  }

  /** The program of the group by the rules as they are now. */
  compile(group: Group): GroupProgram {
    if (group.isStale) {
      const program = group.rules.size === 0 ? ALL_BY_UPCALL : this.#compiler.compile(this.indexesOf(group));
      if (isServedOtherwise(group.program, program)) for (const { id } of group.rules) this.changedIds.add(id);
      group.program = program;
      group.isStale = false;
      if (group.rules.size > 0 && program.upcallIifs !== 0) this.#askingGroups.add(group);
      else this.#askingGroups.delete(group);
    }
    return group.program;
  }

  /** The statuses of the rules that cover the group, its own and those of prefixes, may have changed. */
  touchCovering(group: Group): void {
    for (const { rules } of [group, ...this.#prefixTrie.covering(group.group)]) {
      for (const { id } of rules) this.changedIds.add(id);
    }
  }

  /** The rules that cover the group, its own and those of prefixes, as far as boundaries let them. */
  indexesOf(group: Group): SourceIndex<CompiledRule>[] {
    const indexes: SourceIndex<CompiledRule>[] = [];
    let { barredVifs } = group;
    for (const prefix of this.#prefixTrie.covering(group.group)) {
      barredVifs = uniteVifs(barredVifs, prefix.barredVifs);
      if (prefix.rules.size > 0) indexes.push((prefix.index ??= new SourceIndex(this.compiledRules(prefix))));
    }
    if (group.rules.size > 0) indexes.push(new SourceIndex(this.compiledRules(group)));
    if (barredVifs === 0) return indexes;
    return indexes.map((index) => index.barring(barredVifs, (oifs) => this.#oifLists.share(oifs)));
  }

  /** The rules of exactly this group or prefix, resolved. */
  compiledRules(holder: Holder): readonly CompiledRule[] {
    if (holder.rules.size === 1) for (const rule of holder.rules) return this.#compiled(rule);
    const rules: CompiledRule[] = [];
    for (const rule of holder.rules) for (const compiled of this.#compiled(rule)) rules.push(compiled);
    return rules;
  }

  /** Forgets the prefix if nothing is left of it and the upcall thread has been told. */
  prunePrefix(prefix: PrefixGroup): void {
    if (prefix.rules.size > 0 || prefix.given !== undefined || this.#boundaries.has(prefix)) return;
    this.#prefixes.delete(formatPrefix(prefix.group));
    this.#prefixTrie.delete(prefix.group);
  }

  /** Forgets the group if nothing is left of it. */
  prune(group: Group): void {
    const { sources, proxies } = group.actual;
    if (group.rules.size > 0 || sources.size > 0 || proxies.length > 0 || group.given !== undefined) return;
    if (this.#boundaries.has(group)) return;
    if (this.#groups.get(addressKey(group.address)) !== group) return;
    this.#groups.delete(addressKey(group.address));
    this.#groupTrie.delete(group.group);
  }

  #compiled(rule: Rule): readonly CompiledRule[] {
    return (rule.compiled ??= resolveRule(rule, this.#resolver, this.#oifLists));
  }

  #add(id: string, mroute: Mroute): void {
    const { group, iif } = mroute.key;
    const rule: Rule = {
      id,
      mroute,
      iif: this.uses.open('iif', iif),
      oifs: mroute.oifs.map((oif) => ({ use: this.uses.open('oif', oif.interface), ttlThreshold: oif.ttlThreshold })),
      holder: this.#holderOf(group),
      compiled: undefined,
      isSettled: true,
    };
    rule.iif.users.add(rule);
    for (const { use } of rule.oifs) use.users.add(rule);
    rule.holder.rules.add(rule);
    this.#rules.set(id, rule);
    this.#touch(rule);
  }

  #makeGroup(prefix: Prefix): Group {
    const group: Group = {
      kind: 'group',
      group: prefix,
      address: prefix.address,
      rules: new Set(),
      barredVifs: 0,
      given: undefined,
      unsettled: SETTLED,
      actual: emptyGroup(),
      program: ALL_BY_UPCALL,
      isStale: false,
      needsDiff: false,
      toCheck: undefined,
      expired: undefined,
      failures: NO_FAILURES,
    };
    this.#groups.set(addressKey(prefix.address), group);
    this.#groupTrie.set(prefix, group);
    return group;
  }

  #remove(rule: Rule): void {
    this.#rules.delete(rule.id);
    rule.holder.rules.delete(rule);
    this.uses.release(rule.iif, rule);
    for (const { use } of rule.oifs) this.uses.release(use, rule);
    this.#touchHolder(rule.holder);
  }

  #touch(rule: Rule): void {
    rule.compiled = undefined;
    this.changedIds.add(rule.id);
    const { holder } = rule;
    if (rule.isSettled && holder.unsettled === SETTLED) holder.unsettled = [rule];
    else if (rule.isSettled) holder.unsettled.push(rule);
    rule.isSettled = false;
    this.#touchHolder(rule.holder);
  }

  #touchHolder(holder: Holder): void {
    this.changedHolders.add(holder);
    if (holder.kind === 'group') this.markStale(holder);
    else {
      holder.index = undefined;
      this.#touchedPrefixes.add(holder);
    }
  }

  #holderOf(group: Prefix): Holder {
    return isHost(group) ? (this.findGroup(group.address) ?? this.#makeGroup(group)) : this.#prefixGroup(group);
  }

  #prefixGroup(group: Prefix): PrefixGroup {
    const key = formatPrefix(group);
    let prefix = this.#prefixes.get(key);
    if (prefix === undefined) {
      prefix = {
        kind: 'prefix',
        group,
        rules: new Set(),
        barredVifs: 0,
        given: undefined,
        unsettled: SETTLED,
        index: undefined,
      };
      this.#prefixes.set(key, prefix);
      this.#prefixTrie.set(group, prefix);
    }
    return prefix;
  }
}

// Of many groups most have nothing of these: what is empty is shared, and never written.
const NO_FAILURES: Group['failures'] = [];
const SETTLED: Rule[] = [];

/** Whether rules of the group may be served in another way than before. */
function isServedOtherwise(before: GroupProgram, after: GroupProgram): boolean {
  return (
    before.upcallIifs !== after.upcallIifs ||
    before.contested.size > 0 ||
    after.contested.size > 0 ||
    before.proxies.length !== after.proxies.length ||
    before.proxies.some(({ iif }, index) => iif !== after.proxies[index]?.iif) ||
    !hasSameKeys(before.sources, after.sources) ||
    !hasSameKeys(before.upcallReasons, after.upcallReasons) ||
    [...before.upcallReasons].some(([iif, reason]) => after.upcallReasons.get(iif) !== reason)
  );
}

function hasSameKeys<Key>(a: ReadonlyMap<Key, unknown>, b: ReadonlyMap<Key, unknown>): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) if (!b.has(key)) return false;
  return true;
}
