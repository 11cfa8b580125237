// All that the kernel should hold for one table, and what must be done so that it does. Pure: it has the mirror of the
// kernel's state, and no I/O, no clock and no log.
import { type Address, FAMILIES, type Family, addressKey } from '../../model/address.js';
import type { Link } from '../../model/interface.js';
import type { Mrule } from '../../model/mrule.js';
import type { KernelFailure, Resource, Status, Warning } from '../../model/resource.js';
import type { FlowKey, HeldState, LearnedFlow, Operation, UpcallEvent, UpcallGroup, VifName } from '../kernel/port.js';
import { FamilyFib } from './family-fib.js';
import type { ForeignMfc } from './family-mirror.js';
import { Links } from './links.js';
import { MembershipBook } from './memberships.js';
import { type InterfaceNames, MruleKeeper, type MruleView } from './mrules.js';
import { InterfaceWishes, type SignallingProtocols } from './interface-wishes.js';
import { type RuleFlows, ruleFlows } from './rule-flows.js';
import type { StarG } from './star-g.js';
import { pendingStatus } from './status.js';
import { StatusBook } from './status-book.js';
import { type InterfaceView, type MfcView, viewInterfaces, viewMfc } from './views.js';
import { TouchedWishes, type WishId } from './wish.js';
import { Wishes } from './wishes.js';

export interface FibOptions {
  readonly table: number;
  /** Families whose MRT socket is there. */
  readonly families: readonly Family[];
  readonly mrulePriority: number;
  /** False where the table is led to by other means, such as a VRF or the kernel's default rule. */
  readonly makesMrules: boolean;
  readonly starG: StarG;
  /** Whether interfaces of which nobody says so take part in forwarding; by default they do. */
  readonly enablesInterfaces?: boolean;
  /** Vifs of each family, at most and by default VIF_LIMIT. */
  readonly vifLimit?: number;
}

/**
 * One turn is: `takeUpcallGroups` to the kernel, `onUpcalls` with what it learned until then, `plan`, `apply`,
 * `commit`; nothing else between `plan` and `commit`. Turns are due until `hasWork` is false.
 */
export class Fib {
  readonly #options: FibOptions;
  readonly #links = new Links();
  readonly #families = new Map<Family, FamilyFib>();
  readonly #touched = new TouchedWishes();
  readonly #memberships = new MembershipBook(this.#links, this.#touched);
  readonly #interfaces: InterfaceWishes;
  readonly #mrules: MruleKeeper;
  readonly #wishes: Wishes;
  readonly #statuses: StatusBook;
  #hasChanged = false;

  constructor(options: FibOptions) {
    this.#options = options;
    const { table, families, mrulePriority: priority } = options;
    this.#mrules = new MruleKeeper({ table, families, priority });
    this.#interfaces = new InterfaceWishes(options.enablesInterfaces ?? true);
    const ttlThresholdOf = (name: string) => this.#interfaces.ttlThresholdOf(name);
    const takesPart = (name: string) => this.#interfaces.takesPart(name);
    for (const family of FAMILIES.filter((each) => families.includes(each))) {
      const { makesMrules, starG, vifLimit } = options;
      const familyOptions = { table, makesMrules, starG, vifLimit, ttlThresholdOf, takesPart };
      this.#families.set(family, new FamilyFib(family, familyOptions, this.#links, this.#touched));
    }
    const keepers = { families: this.#families, memberships: this.#memberships, interfaces: this.#interfaces };
    this.#wishes = new Wishes(keepers, this.#touched);
    this.#statuses = new StatusBook({ ...keepers, links: this.#links, mrules: this.#mrules }, this.#touched);
  }

  /** Whether another turn can do something. */
  get hasWork(): boolean {
    return this.#hasChanged || this.#memberships.isDirty || [...this.#families.values()].some((each) => each.hasWork);
  }

  /**
   * Sets or removes what is wanted under an id. Several ids may have the same key: their rules are united.
   *
   * @param id opaque and unique
   */
  setWish(id: WishId, resource: Resource | undefined): void {
    if (this.#wishes.set(id, resource)) this.#hasChanged = true;
  }

  /**
   * Takes over the vif numbers of an earlier agent, so that interfaces keep theirs; to be called before `setLinks`.
   *
   * @param links those of now, by ifindex
   */
  adoptVifs(held: readonly HeldState[], links: ReadonlyMap<number, Link>): void {
    for (const { family, vifs, vifNames } of held) {
      this.#families.get(family)?.vifs.adopt(vifs, vifNames ?? new Map(), (ifindex) => links.get(ifindex));
    }
  }

  /**
   * Takes over entries and joins of an earlier agent: the next plan has what differs from the wishes. To be called when
   * all wishes and links are set.
   *
   * @returns entries for the upcall thread's list.
   */
  adopt(held: readonly HeldState[]): readonly LearnedFlow[] {
    for (const join of held.flatMap(({ joins }) => joins)) this.#memberships.adopt(join);
    this.#hasChanged = true;
    return held.flatMap((state) => this.#families.get(state.family)?.adopt(state) ?? []);
  }

  /** Names of the vif numbers, for a later agent; undefined if they are as when last taken. */
  takeVifNames(family: Family): ReadonlyMap<number, VifName> | undefined {
    return this.#families.get(family)?.vifs.takeNames();
  }

  /** The whole current set of links; only what differs from the last one is touched. */
  setLinks(links: readonly Link[]): void {
    const changes = this.#links.replace(links);
    if (changes.names.size === 0) return;
    for (const family of this.#families.values()) family.onLinksChanged(changes);
    this.#memberships.onLinksChanged(changes.names);
    for (const name of changes.names) for (const wish of this.#interfaces.of(name)) this.#touched.add(wish);
    this.#hasChanged = true;
  }

  /**
   * All tables' mrules as the kernel has them.
   *
   * @returns those of ours that another program has removed.
   */
  setActualMrules(rules: readonly Mrule[]): readonly Mrule[] {
    const removed = this.#mrules.removedByOthers(rules);
    for (const name of this.#mrules.replace(rules)) this.#statuses.touchInterface(name);
    this.#hasChanged = true;
    return removed;
  }

  /** What the engine has found out about an interface, such as RP_FILTER and IPV6_DISABLED. */
  setInterfaceWarnings(name: string, warnings: readonly Warning[]): void {
    this.#statuses.setInterfaceWarnings(name, warnings);
  }

  /** What the upcall thread did. */
  onUpcalls(events: readonly UpcallEvent[]): void {
    for (const event of events) {
      if (event.event === 'resync') {
        for (const [family, fib] of this.#families) {
          fib.replaceLearned(event.flows.filter(({ group }) => group.family === family));
        }
      } else {
        const group = 'flow' in event ? event.flow.group : event.group;
        this.#families.get(group.family)?.onUpcall(event);
      }
    }
  }

  /** Someone else deleted an entry; without a source, one of the group's (*,G) entries. */
  onMfcGone(source: Address | undefined, group: Address): void {
    const family = this.#families.get(group.family);
    const found = family?.rules.findGroup(group);
    if (found !== undefined) family?.onMfcGone(source && addressKey(source), found);
  }

  /** Someone else wrote over an entry: it is there, and not what it should be; without a source, one of the (*,G) entries. */
  onMfcChanged(source: Address | undefined, group: Address): void {
    const family = this.#families.get(group.family);
    const found = family?.rules.findGroup(group);
    if (found !== undefined) family?.onMfcChanged(source && addressKey(source), found);
  }

  /** Whether the kernel should have such an entry; without a source, a (*,G) entry. */
  hasMfc(source: Address | undefined, group: Address): boolean {
    const actual = this.#families.get(group.family)?.rules.findGroup(group)?.actual;
    if (source === undefined) return (actual?.proxies.length ?? 0) > 0;
    return actual?.sources.has(addressKey(source)) ?? false;
  }

  /** Whether the kernel should have such an entry, with oifs, only because it asked for one. */
  isLearned(source: Address, group: Address): boolean {
    const found = this.#families.get(group.family)?.rules.findGroup(group);
    const key = addressKey(source);
    const entry = found?.actual.sources.get(key);
    return entry?.isLearned === true && entry.oifs.length > 0 && found?.program.sources.has(key) === false;
  }

  /** Entries that the kernel has and the mirror does not: they are written over or deleted. */
  onForeignMfc(entries: Iterable<ForeignMfc>): void {
    for (const entry of entries) this.#families.get(entry.group.family)?.onForeignMfc(entry);
  }

  /** What has changed since last taken; to be given to the kernel before `plan`. */
  takeUpcallGroups(): { family: Family; groups: UpcallGroup[] }[] {
    return Array.from(this.#families, ([family, fib]) => ({ family, groups: fib.takeUpcallGroups() })).filter(
      ({ groups }) => groups.length > 0,
    );
  }

  /** The difference for all that has changed, in the order in which no flow is without an entry. */
  plan(): readonly Operation[] {
    const plans = Array.from(this.#families.values(), (family) => family.plan());
    const operations = [
      ...plans.map(({ vifs }) => vifs),
      ...plans.map(({ entries }) => entries),
      this.#planMrules(),
      ...plans.map(({ lateVifs }) => lateVifs),
      this.#memberships.plan(),
    ].flat();
    if (operations.length === 0) this.commit([], []);
    return operations;
  }

  /** Takes what the kernel made of the operations of the last plan: a result each, undefined if it was taken. */
  commit(operations: readonly Operation[], results: readonly (KernelFailure | undefined)[]): void {
    for (const family of this.#families.values()) family.beginCommit();
    this.#memberships.beginCommit();
    let index = 0;
    for (const operation of operations) this.#commit(operation, results[index++]);
    for (const family of this.#families.values()) family.endCommit();
    this.#hasChanged = operations.length > 0;
  }

  /** What the kernel refused is planned again. */
  retryFailed(): void {
    for (const family of this.#families.values()) family.retryFailed();
    this.#memberships.retryFailed();
    for (const name of this.#mrules.retryFailed()) this.#statuses.touchInterface(name);
    this.#hasChanged = true;
  }

  /** Marks learned flows for deletion in the next plan. */
  expire(flows: Iterable<FlowKey>): void {
    for (const { source, group } of flows) {
      const family = this.#families.get(group.family);
      const found = family?.rules.findGroup(group);
      if (found !== undefined && source !== undefined) family?.expire(found, addressKey(source));
    }
  }

  /** Compiles what has changed, on which warnings depend. Returns whether interfaces may have come into use. */
  compile(): boolean {
    return Array.from(this.#families.values(), (family) => family.compile()).includes(true);
  }

  /** Whether some flow is answered by upcalls, so that its source may move between iifs. */
  needsWrongVifUpcalls(family: Family): boolean {
    return this.#families.get(family)?.needsUpcalls ?? false;
  }

  /** Where the wish is on its way into the kernel; pending if there is no such wish. */
  status(id: WishId): Status {
    const wish = this.#wishes.find(id);
    return wish === undefined ? pendingStatus(undefined) : this.#statuses.status(wish);
  }

  /** Ids of which the status is another than when last taken, and those of which it never was. */
  takeChangedStatuses(): WishId[] {
    this.#wishes.forgetGone();
    return this.#statuses.takeNews().map(({ id }) => id);
  }

  /** All interfaces that are there, and those that something waits for. */
  interfaces(): InterfaceView[] {
    const warningsOf = (name: string) => this.#statuses.interfaceWarnings(name);
    return viewInterfaces(this.#links, this.#families, this.#memberships.patterns(), warningsOf);
  }

  /** The interfaces that are there and on which somebody wants a querier or router discovery. */
  signallingWishes(): (SignallingProtocols & { readonly link: Link })[] {
    return Array.from(this.#interfaces.signalling()).flatMap(({ name, ...protocols }) => {
      const link = this.#links.named(name);
      return link === undefined ? [] : [{ link, ...protocols }];
    });
  }

  /** The mrules of all tables, and those of ours that are missing. */
  mrules(): MruleView[] {
    return this.#mrules.view(this.#options.makesMrules ? this.#namesWithMrules() : new Map());
  }

  /** Removes all mrules of the table, for its end. The rest goes with the flush of the kernel. */
  removal(): readonly Operation[] {
    return this.#options.makesMrules ? this.#mrules.removal() : [];
  }

  /** The entries of the mirror, with the rules that made them. */
  mfc(family: Family): Iterable<MfcView> {
    const fib = this.#families.get(family);
    return fib === undefined ? [] : viewMfc(fib);
  }

  /** How many entries the mirror has. */
  entryCount(family: Family): number {
    return this.#families.get(family)?.entryCount ?? 0;
  }

  /** What the entries of the mirror are found by. Whoever reads on after a change gets what is there then. */
  *flowKeys(family: Family): Iterable<FlowKey> {
    for (const { address: group, actual } of this.#families.get(family)?.rules.groups() ?? []) {
      for (const { source } of actual.sources.values()) yield { source, group };
      if (actual.proxies.length > 0) yield { source: undefined, group };
    }
  }

  /** Which entries of the mirror rules have a part in, as they are now. */
  ruleFlows(): RuleFlows {
    return ruleFlows(this.#families, (id) => this.#wishes.find(id)?.rule);
  }

  /** Undefined if the number belongs to no interface. */
  vifName(family: Family, vif: number): string | undefined {
    return this.#families.get(family)?.vifs.table.at(vif)?.name;
  }

  *learnedFlows(family: Family): Iterable<LearnedFlow> {
    for (const group of this.#families.get(family)?.rules.groups() ?? []) {
      for (const { source, iif, oifs, isLearned } of group.actual.sources.values()) {
        if (isLearned) yield { source, group: group.address, iif, oifs };
      }
    }
  }

  #planMrules(): Operation[] {
    return this.#options.makesMrules ? this.#mrules.plan(this.#namesWithMrules()) : [];
  }

  #namesWithMrules(): InterfaceNames {
    return new Map(Array.from(this.#families, ([family, fib]) => [family, fib.namesWithMrules()]));
  }

  #commit(operation: Operation, failure: KernelFailure | undefined): void {
    switch (operation.op) {
      case 'add-vif':
      case 'delete-vif':
        this.#families.get(operation.family)?.vifs.commit(operation, failure);
        return;
      case 'put-mfc':
      case 'delete-mfc':
      case 'put-proxy':
      case 'delete-proxy':
        this.#families.get(operation.group.family)?.commitEntry(operation, failure);
        return;
      case 'add-mrule':
      case 'delete-mrule':
        this.#mrules.commit(operation.op, operation.rule, failure);
        if (failure !== undefined) this.#statuses.touchInterface(operation.rule.interface);
        return;
      case 'join':
      case 'leave':
        this.#memberships.commit(operation.op, operation, failure);
    }
  }
}
