// One family of one table: its rules, its vifs and the mirror of its entries, and what of them must change.
import { type Address, type Family, addressKey } from '../../model/address.js';
import type { KernelFailure } from '../../model/resource.js';
import { kernelTable } from '../../model/table.js';
import type { HeldState, LearnedFlow, Operation, UpcallEvent, UpcallGroup } from '../kernel/port.js';
import { RuleBook } from './compile.js';
import { type Comparison, diffFlows, diffGroup, makeGroup } from './diff.js';
import { type EntryOperation, FamilyMirror, type ForeignMfc } from './family-mirror.js';
import { lostVifs, resolveHeld } from './held-entries.js';
import type { LinkChanges, Links } from './links.js';
import type { Group } from './rule.js';
import { matchingOf } from './source-index.js';
import type { StarG } from './star-g.js';
import { answer } from './upcall.js';
import { isForgotten, orderUpcallGroups, sameUpcallGroup, upcallGroupOf } from './upcall-group.js';
import { Usability } from './usability.js';
import { VifKeeper, type VifPlan } from './vif-keeper.js';
import type { TouchedWishes } from './wish.js';

export interface FamilyOptions {
  readonly table: number;
  /** Whether our mrules are what leads packets to the table. */
  readonly makesMrules: boolean;
  readonly starG: StarG;
  /** Vifs that may be used; undefined: all that the kernel has. */
  readonly vifLimit: number | undefined;
  /** Threshold of oifs on the interface that have none of their own. */
  readonly ttlThresholdOf: (interfaceName: string) => number;
  /** Whether the interface, present or not, takes part in forwarding. */
  readonly takesPart: (interfaceName: string) => boolean;
}

/** Operations of one family, in the places they take among those of the table. */
export interface FamilyPlan extends VifPlan {
  readonly entries: readonly Operation[];
}

type FlowEvent = Exclude<UpcallEvent, { event: 'resync' }>;

export class FamilyFib {
  readonly family: Family;
  readonly rules: RuleBook;
  readonly vifs: VifKeeper;
  /** Groups of which the kernel refused an entry. */
  readonly failedGroups = new Set<Group>();

  /** What interfaces are to the rules. */
  readonly usability: Usability;

  readonly #mirror: FamilyMirror;

  /** @param touched takes the wishes whose status may have changed */
  constructor(family: Family, options: FamilyOptions, links: Links, touched: TouchedWishes) {
    this.family = family;
    const { table, makesMrules, starG, vifLimit, ttlThresholdOf, takesPart } = options;
    this.usability = new Usability(links, takesPart, makesMrules ? kernelTable(table, family) : undefined);
    const vifOf = (name: string) => this.vifs.numberOf(name);
    this.rules = new RuleBook({ vifOf, ttlThresholdOf }, this.usability.links, starG, touched);
    this.vifs = new VifKeeper({ family, vifLimit, takesPart }, links, this.rules);
    this.#mirror = new FamilyMirror(this.rules, this.vifs);
  }

  /** Entries that the kernel should have. */
  get entryCount(): number {
    return this.#mirror.entryCount;
  }

  /** Whether something waits for the upcall thread to be told, or for a plan. */
  get hasWork(): boolean {
    return this.rules.dirtyGroups.size > 0 || this.rules.changedHolders.size > 0 || this.vifs.canAssign;
  }

  /** Whether upcalls answer some flow, by the rules as they are now. */
  get needsUpcalls(): boolean {
    this.compile();
    return this.rules.hasUpcallRules;
  }

  /** Compiles what has changed, on which warnings depend. Returns whether interfaces may have come into use. */
  compile(): boolean {
    const mayUseMore = this.vifs.canAssign;
    this.#settle();
    for (const group of this.rules.dirtyGroups) this.rules.compile(group);
    return mayUseMore;
  }

  onLinksChanged({ names, statuses }: LinkChanges): void {
    this.#refresh(names);
    this.vifs.onLinksChanged(names);
    for (const name of statuses) this.rules.touchStatuses(name);
    // Rules do not see that it is there, but their statuses say why.
    for (const name of names) if (!this.usability.takesPart(name)) this.rules.touchStatuses(name);
  }

  /** The interface takes part in forwarding, or does not, other than before. */
  onParticipationChanged(name: string): void {
    this.#refresh([name]);
    this.rules.touchStatuses(name);
  }

  /** Names of the interfaces whose packets mrules lead to the table. */
  namesWithMrules(): string[] {
    return this.vifs.participants().filter((name) => this.usability.needsMrules(name));
  }

  /** What the upcall thread must be told before the next plan. */
  takeUpcallGroups(): UpcallGroup[] {
    this.#settle();
    const live = this.vifs.liveVifs();
    const groups: UpcallGroup[] = [];
    for (const holder of this.rules.changedHolders) {
      const program = holder.kind === 'group' ? this.rules.compile(holder) : undefined;
      const group = upcallGroupOf(holder, this.rules.compiledRules(holder), program, live);
      if (!sameUpcallGroup(holder.given, group)) {
        groups.push(group);
        holder.given = isForgotten(group) ? undefined : group;
      }
      if (holder.kind === 'prefix') {
        this.rules.settle(holder);
        this.rules.prunePrefix(holder);
      }
    }
    this.rules.changedHolders.clear();
    return orderUpcallGroups(groups);
  }

  onUpcall(event: FlowEvent): void {
    switch (event.event) {
      case 'learned':
      case 'moved':
        this.#mirror.learn(event.flow);
        return;
      case 'evicted': {
        const group = this.rules.findGroup(event.group);
        if (group !== undefined) this.#mirror.forget(group, addressKey(event.source));
        return;
      }
      case 'failed':
        this.#fail(this.rules.group(event.group), { source: event.source, iif: undefined, failure: event.failure });
    }
  }

  /** The learned entries are these and no others. */
  replaceLearned(flows: readonly LearnedFlow[]): void {
    const learned = new Map<Group, Set<number | string>>();
    for (const flow of flows) {
      const group = this.#mirror.learn(flow);
      const keys = learned.get(group) ?? new Set();
      learned.set(group, keys.add(addressKey(flow.source)));
    }
    for (const group of this.rules.groups()) {
      for (const [key, entry] of group.actual.sources) {
        if (entry.isLearned && learned.get(group)?.has(key) !== true) this.#mirror.forget(group, key);
      }
    }
  }

  /** Someone else deleted the (S,G) entry, or one of the (*,G) entries if there is no source. */
  onMfcGone(source: number | string | undefined, group: Group): void {
    if (source === undefined) this.#mirror.forgetProxyOrder(group);
    else this.#mirror.forget(group, source);
  }

  /** The (S,G) entry, or one of the (*,G) entries if there is no source, is there and not as the mirror has it. */
  onMfcChanged(source: number | string | undefined, group: Group): void {
    if (source === undefined) {
      this.#mirror.forgetProxyOrder(group);
      return;
    }
    this.#mirror.doubt(group, source);
    this.rules.markSource(group, source);
  }

  /** Someone else made the entry: it is written over or deleted. */
  onForeignMfc(entry: ForeignMfc): void {
    this.#mirror.putForeign(entry);
  }

  /**
   * Takes over the entries of an earlier agent. To be called after `vifs.adopt`, with all wishes and links set.
   *
   * @returns those that were learned: the upcall thread is to have them on its list.
   */
  adopt(held: HeldState): LearnedFlow[] {
    this.compile();
    const numberOf = new Map(Array.from(held.vifs, ([number, ifindex]) => [ifindex, number]));
    const lost = lostVifs(held);
    const isUncertain = held.vifNames !== undefined && lost.length > 0;
    const learned: LearnedFlow[] = [];
    const indexes = new Map<Group, ReturnType<RuleBook['indexesOf']>>();
    const isAllowed = (group: Group, source: Address, iif: number) => {
      const ofGroup = indexes.get(group) ?? this.rules.indexesOf(group);
      indexes.set(group, ofGroup);
      return answer(matchingOf(ofGroup, source), iif, source).length > 0;
    };
    for (const entry of held.entries) {
      if (entry.isUnresolved) continue;
      const resolved = resolveHeld(entry, numberOf);
      if (resolved === undefined) {
        this.#mirror.putForeign(entry, lost);
        continue;
      }
      const { source, iif, oifs } = resolved;
      const group = this.rules.group(entry.group);
      this.rules.markDirty(group);
      if (source === undefined) {
        this.#mirror.adoptProxy(group, resolved, isUncertain);
        continue;
      }
      const key = addressKey(source);
      const isAskedFor = this.rules.compile(group).sources.has(key);
      const isLearned = !isAskedFor && (oifs.length === 0 || isAllowed(group, source, iif));
      this.#mirror.adoptSource(group, { source, iif, oifs, isLearned, isUncertain });
      if (isLearned) learned.push({ source, group: entry.group, iif, oifs });
    }
    return learned;
  }

  plan(): FamilyPlan {
    this.#settle();
    const entries: Operation[] = [];
    for (const group of this.rules.dirtyGroups) {
      if (isUnmade(group)) {
        makeGroup(group.address, this.rules.compile(group), entries);
        continue;
      }
      const comparison = this.#comparisonOf(group);
      const operations = group.needsDiff ? diffGroup(comparison) : diffFlows(comparison, group.toCheck ?? []);
      for (const operation of operations) entries.push(operation);
    }
    return { entries, ...this.vifs.plan() };
  }

  /** What was planned was applied; the results follow one by one. */
  beginCommit(): void {
    for (const group of this.rules.dirtyGroups) {
      if (group.needsDiff) {
        if (this.failedGroups.delete(group)) {
          group.failures = [];
          this.rules.touchCovering(group);
        }
        group.actual.isProxyOrderKnown = true;
      }
      group.needsDiff = false;
      group.toCheck = undefined;
      group.expired = undefined;
      this.rules.settle(group);
      this.rules.prune(group);
    }
    this.rules.dirtyGroups.clear();
    this.vifs.beginCommit();
  }

  commitEntry(operation: EntryOperation, failure: KernelFailure | undefined): void {
    const group = this.rules.group(operation.group);
    const isDelete = operation.op === 'delete-mfc' || operation.op === 'delete-proxy';
    if (failure === undefined || (isDelete && failure.code === 'ENOENT')) this.#mirror.write(group, operation);
    else {
      if (operation.op === 'put-mfc') this.#mirror.doubt(group, addressKey(operation.source));
      // Of several steps that put an order right one is missing.
      else if (operation.op !== 'delete-mfc') group.actual.isProxyOrderKnown = false;
      const source = 'source' in operation ? operation.source : undefined;
      this.#fail(group, { source, iif: 'iif' in operation ? operation.iif : undefined, failure });
    }
    this.rules.prune(group);
  }

  /** Lets go of the vif numbers that nothing names any more. */
  endCommit(): void {
    // Entries that the upcall thread made by rules it had before may still be on their way.
    if (this.rules.changedHolders.size > 0) return;
    this.vifs.release((number) => this.#mirror.names(number));
  }

  retryFailed(): void {
    this.vifs.retryFailed();
    for (const group of this.failedGroups) this.rules.markDirty(group);
  }

  expire(group: Group, source: number | string): void {
    group.expired = (group.expired ?? new Set()).add(source);
    this.rules.markSource(group, source);
  }

  /** Looks again what the rules' patterns stand for. */
  #refresh(names: Iterable<string>): void {
    for (const use of this.rules.uses.refresh(names)) this.rules.touchUse(use);
  }

  /** Gives numbers to the names that have come into use, and spreads what changed to the groups it touches. */
  #settle(): void {
    this.vifs.assign();
    this.rules.spreadPrefixes();
  }

  #comparisonOf(group: Group): Comparison {
    const wanted = this.rules.compile(group);
    let indexes: ReturnType<RuleBook['indexesOf']> | undefined;
    return {
      group: group.address,
      actual: group.actual,
      wanted,
      rulesOf: (source) => matchingOf((indexes ??= this.rules.indexesOf(group)), source),
      expired: group.expired,
      lostVifs: this.vifs.lostVifs,
    };
  }

  #fail(group: Group, failure: Group['failures'][number]): void {
    const others = group.failures.filter(({ source, iif }) => source !== failure.source || iif !== failure.iif);
    group.failures = [...others, failure];
    this.failedGroups.add(group);
    this.rules.touchCovering(group);
  }
}

/** Whether the kernel has no entry of the group. */
function isUnmade({ actual, needsDiff }: Group): boolean {
  return needsDiff && actual.sources.size === 0 && actual.proxies.length === 0;
}
