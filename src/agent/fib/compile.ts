// The rules of one family by group, and which groups a change touches: one change costs the same whatever else is
// installed.
import { type Address, type Prefix, addressKey, formatPrefix, hostPrefix, isHost } from '../../model/address.js';
import { type Mroute, mrouteFamily } from '../../model/mroute.js';
import { Boundaries } from './boundaries.js';
import { type InterfaceUse, InterfaceUses } from './interface-uses.js';
import { type Ports, type Resolver, type Way, PortsBook, resolvePorts } from './ports.js';
import { type Entries, SmallSet } from '../../model/small-map.js';
import type { TouchedWishes, Wish } from './wish.js';
import type { LinkView } from './links.js';
import { emptyGroup } from './mirror.js';
import { uniteVifs } from './oifs.js';
import { PrefixTrie } from './prefix-trie.js';
import {
  type CompiledRule,
  type Group,
  type PrefixGroup,
  type Rule,
  type Holder,
  OifLists,
  resolveRule,
} from './rule.js';
import { SourceIndex, type SourceKey } from './source-index.js';
import { ALL_BY_UPCALL, type GroupProgram, type StarG, GroupCompiler } from './star-g.js';
import type { InterfaceRole } from './usability.js';

export class RuleBook {
  readonly uses: InterfaceUses<Ports, InterfaceRole>;
  /** Groups with something to do: stale programs, sources to check. */
  readonly dirtyGroups = new Set<Group>();
  /** Whose rules the upcall thread may have to be given again. */
  readonly changedHolders = new Set<Holder>();

  readonly #ports: PortsBook;
  readonly #touched: TouchedWishes;
  readonly #resolver: Resolver;
  readonly #compiler: GroupCompiler;
  readonly #oifLists = new OifLists();
  readonly #boundaries = new Boundaries();
  readonly #groups = new Map<SourceKey, Group>();
  /** Of all groups; undefined until there are prefixes, which are what asks for it. */
  #groupTrie: PrefixTrie<Group> | undefined;
  readonly #prefixes = new Map<string, PrefixGroup>();
  readonly #prefixTrie = new PrefixTrie<PrefixGroup>();
  readonly #touchedPrefixes = new Set<PrefixGroup>();
  /** Groups with rules of their own that upcalls answer. */
  readonly #askingGroups = new Set<Group>();

  /**
   * @param links those that rules may have for each role
   * @param touched takes the wishes whose status may have changed
   */
  constructor(
    resolver: Resolver,
    links: Readonly<Record<InterfaceRole, LinkView>>,
    starG: StarG,
    touched: TouchedWishes,
  ) {
    this.#resolver = resolver;
    this.uses = new InterfaceUses(links);
    this.#ports = new PortsBook(this.uses);
    this.#compiler = new GroupCompiler(starG);
    this.#touched = touched;
  }

  /** Makes the wish's rule what it asks for now. */
  set(wish: Wish, mroute: Mroute): void {
    this.remove(wish);
    this.#add(wish, mroute);
  }

  /** The wish asks for no rule any more. */
  remove(wish: Wish): void {
    const { rule } = wish;
    if (rule === undefined) return;
    wish.rule = undefined;
    rule.holder.rules.delete(rule);
    this.#ports.release(rule);
    this.#touchHolder(rule.holder);
  }

  /** The names that the use stands for, or what their vifs are, have changed. */
  touchUse(use: InterfaceUse<Ports>): void {
    for (const ports of use.users) {
      ports.ways = undefined;
      ports.facts = undefined;
      for (const rule of ports.rules) this.#touch(rule);
    }
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

  /** Statuses of rules with the interface as iif or oif may be others; the empty name is every interface. */
  touchStatuses(name: string): void {
    const all = name === '' ? this.#ports.all() : this.#portsWith(name);
    for (const ports of all) {
      ports.facts = undefined;
      for (const { wish } of ports.rules) this.#touched.add(wish);
    }
  }

  /** The vif of the interface is another in the kernel: the upcall thread may have to be told. */
  touchUpcalls(name: string): void {
    this.touchStatuses(name);
    for (const ports of this.#portsWith(name)) for (const { holder } of ports.rules) this.changedHolders.add(holder);
  }

  /** The kernel has answered all that was asked for the holder's rules. */
  settle(holder: Holder): void {
    for (const rule of holder.unsettled) {
      rule.isSettled = true;
      this.#touched.add(rule.wish);
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
      for (const group of this.#groupsOf(prefix)) {
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
      const program = this.#makeProgram(group);
      if (isServedOtherwise(group.program, program)) for (const { wish } of group.rules) this.#touched.add(wish);
      group.program = program;
      group.isStale = false;
      if (group.rules.size > 0 && program.upcallIifs !== 0) this.#askingGroups.add(group);
      else this.#askingGroups.delete(group);
    }
    return group.program;
  }

  #makeProgram(group: Group): GroupProgram {
    if (group.rules.size === 0) return ALL_BY_UPCALL;
    const { only } = group.rules;
    if (only !== undefined && this.#prefixes.size === 0 && group.barredVifs === 0) {
      const [rule, ...others] = this.#compiled(only);
      if (rule !== undefined && others.length === 0) return this.#compiler.compileOnly(rule);
    }
    return this.#compiler.compile(this.indexesOf(group));
  }

  /** The statuses of the rules that cover the group, its own and those of prefixes, may have changed. */
  touchCovering(group: Group): void {
    for (const { rules } of [group, ...this.#prefixTrie.covering(group.group)]) {
      for (const { wish } of rules) this.#touched.add(wish);
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
    const { only } = holder.rules;
    if (only !== undefined) return this.#compiled(only);
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
    this.#groupTrie?.delete(group.group);
  }

  /** Ports that have the interface as iif or oif. */
  *#portsWith(name: string): Iterable<Ports> {
    for (const use of this.uses.matching(name)) yield* use.users;
  }

  #groupsOf(prefix: PrefixGroup): Group[] {
    if (this.#groupTrie === undefined) {
      this.#groupTrie = new PrefixTrie();
      for (const group of this.#groups.values()) this.#groupTrie.set(group.group, group);
    }
    return this.#groupTrie.covered(prefix.group);
  }

  #compiled(rule: Rule): readonly CompiledRule[] {
    return (rule.compiled ??= resolveRule(rule, this.#waysOf(rule)));
  }

  #waysOf({ ports, mroute }: Rule): readonly Way[] {
    return (ports.ways ??= resolvePorts(ports, mrouteFamily(mroute.key) === 'ipv4', this.#resolver));
  }

  #add(wish: Wish, mroute: Mroute): void {
    const ports = this.#ports.open(mroute);
    const holder = this.#holderOf(mroute.key.group);
    const rule: Rule = { wish, mroute, ports, holder, compiled: undefined, isSettled: true };
    wish.rule = rule;
    ports.rules.add(rule);
    holder.rules.add(rule);
    this.#touch(rule);
  }

  #makeGroup(prefix: Prefix): Group {
    const group: Group = {
      kind: 'group',
      group: prefix,
      address: prefix.address,
      rules: new SmallSet(),
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
    this.#groupTrie?.set(prefix, group);
    return group;
  }

  #touch(rule: Rule): void {
    rule.compiled = undefined;
    this.#touched.add(rule.wish);
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
        rules: new SmallSet(),
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
    (before.upcallReasons.size > 0 &&
      [...before.upcallReasons].some(([iif, reason]) => after.upcallReasons.get(iif) !== reason))
  );
}

function hasSameKeys<Key extends number | string>(a: Entries<Key, unknown>, b: Entries<Key, unknown>): boolean {
  if (a.size !== b.size) return false;
  if (a.size === 0) return true;
  for (const key of a.keys()) if (!b.has(key)) return false;
  return true;
}
