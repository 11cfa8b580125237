// The only mutable state of an agent, and the only place where it changes: one turn per input.
//
//   owners' wishes (rib) + links + learned flows -> fib.plan() -> kernel.apply() -> fib.commit()
//
// Everything here is synchronous: nothing can come between reading and writing.
import type { Address, Family } from '../model/address.js';
import type { Change, Effect } from '../model/change.js';
import type { Link } from '../model/interface.js';
import type { Mrule } from '../model/mrule.js';
import {
  type KernelFailure,
  type Resource,
  type ResourceKey,
  type Status,
  type Warning,
  formatResourceKey,
} from '../model/resource.js';
import { auditMfc, formatEntry } from './fib/audit.js';
import { Fib } from './fib/fib.js';
import { IdleFlows } from './fib/idle.js';
import { OwnDeletions } from './fib/own-deletions.js';
import { StatusNews, WarningNews } from './fib/status-news.js';
import { interfaceWarnings } from './fib/interface-warnings.js';
import type { KernelEvent, KernelPort, LearnedFlow, Operation, UpcallEvent } from './kernel/port.js';
import { type ChangeError, planChanges } from './rib/apply.js';
import { type ChangedKeys, History } from './rib/history.js';
import {
  type OwnedResource,
  Rib,
  type RibFullError,
  type Step,
  type Wish,
  effectOf,
  planReplace,
  reverseStep,
} from './rib/rib.js';
import { keyOfWishId, wishId } from './rib/wish-id.js';

/** Where wishes are made to last; without one they end with the agent. */
export interface WishJournal {
  /**
   * Called with each step before it is taken.
   *
   * @throws whatever says why it cannot; the step is not taken then.
   */
  append(step: Step, revision: bigint): void;
}

export interface EngineOptions {
  readonly table: number;
  readonly mrulePriority: number;
  /** Makes `iif` and `oif` rules for the table's interfaces. */
  readonly makesMrules: boolean;
  /** `learn`: (*,G) rules are answered by upcalls, with counters per source. */
  readonly starG: 'kernel' | 'learn';
  /** Idle time after which a learned entry goes, in ms; 0 is never. */
  readonly cacheTimeoutMs: number;
  /**
   * Where revisions begin: higher than any of an earlier life of the table's agent, so that a watch which resumes after
   * one of those is told that it cannot.
   */
  readonly firstRevision?: bigint;
  readonly journal?: WishJournal;
}

/** Something worth a line in the log. */
export type EngineNote =
  | { readonly note: 'operation failed'; readonly operation: Operation; readonly failure: KernelFailure }
  | { readonly note: 'entry was changed by another program'; readonly flow: string }
  | { readonly note: 'mrule was removed by another program'; readonly rule: Mrule }
  | { readonly note: 'events were lost'; readonly from: 'netlink' | 'upcalls' }
  | { readonly note: 'warning'; readonly key: string; readonly warning: Warning };

/** What a request may ask for beside its changes. */
export interface ApplyOptions {
  readonly validateOnly: boolean;
  readonly expectedRevision: bigint | undefined;
  /** Warnings refuse the request. */
  readonly strict: boolean;
}

/** What became of one change. */
export interface ChangeOutcome {
  readonly key: string;
  readonly effect: Effect;
  readonly warnings: readonly Warning[];
  /** The owner's entry after it; undefined if there is none, or nothing was done. */
  readonly entry: EntryView | undefined;
}

/** A resource as the table holds it. */
export interface EntryView extends Wish {
  readonly status: Status;
  /** Ids of the wishes in the fib. */
  readonly ids: readonly string[];
}

/** A request that the table's state does not allow. Rib and change errors come as they are. */
export class EngineError extends Error {
  readonly code: 'REVISION_MISMATCH' | 'WARNINGS';

  constructor(code: 'REVISION_MISMATCH' | 'WARNINGS', message: string) {
    super(message);
    this.code = code;
  }
}

/** All that apply and replace throw. */
export type RequestError = EngineError | ChangeError | RibFullError;

/** Plans of one turn at most; more would mean that the fib never comes to rest. */
const PLANS_PER_TURN_MAX = 8;

export class Engine {
  readonly #kernel: KernelPort;
  readonly #options: EngineOptions;
  readonly #rib = new Rib();
  readonly #fib: Fib;
  readonly #idle = new IdleFlows();
  readonly #news = new StatusNews();
  readonly #warnings = new WarningNews();
  readonly #ownDeletions = new OwnDeletions();
  readonly #history: History;
  readonly #links = new Map<number, Link>();
  #revision: bigint;
  #isTurnDue = false;
  #haveNamesChanged = false;
  #isResyncDue = false;
  #areMrulesDue = false;
  #areSettingsDue = false;
  #isStopped = false;
  #onChange: (revision: bigint, keys: ChangedKeys) => void = () => undefined;
  #onNote: (note: EngineNote) => void = () => undefined;
  #onNames: () => void = () => undefined;
  #onInstalled: ((flows: readonly LearnedFlow[]) => void) | undefined;
  /** Flows that were learned since `#onInstalled` was called. */
  #installed: LearnedFlow[] = [];

  constructor(kernel: KernelPort, options: EngineOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.#revision = options.firstRevision ?? 1n;
    this.#history = new History(this.#revision);
    this.#fib = new Fib({
      table: options.table,
      families: kernel.families,
      mrulePriority: options.mrulePriority,
      makesMrules: options.makesMrules,
      starG: options.starG,
    });
  }

  /** Counts the changes of the table: of wishes, and of what became of them. */
  get revision(): bigint {
    return this.#revision;
  }

  get table(): number {
    return this.#options.table;
  }

  get families(): readonly Family[] {
    return this.#kernel.families;
  }

  /**
   * Takes over what an earlier agent left in the kernel, brings it to what is wanted, and begins to listen and to answer.
   *
   * @param wishes those that were saved.
   */
  start(wishes: Iterable<OwnedResource> = []): void {
    // Heard before anything is read: what changes in between is then told twice and never missed.
    this.#kernel.onEvent((event) => {
      this.#onKernelEvent(event);
    });
    for (const { owner, resource } of wishes) this.#restore(owner, resource);
    const held = this.#kernel.readHeldState();
    const links = new Map(this.#kernel.listLinks().map((link) => [link.ifindex, link]));
    this.#fib.adoptVifs(held, links);
    this.#readKernel();
    this.#kernel.adoptLearned(this.#fib.adopt(held));
    this.#kernel.adoptUnresolved(held.flatMap(({ entries }) => entries.filter(({ isUnresolved }) => isUnresolved)));
    this.#turn(new Map());
    this.#kernel.answerUpcalls();
  }

  /**
   * Ends. Everything goes from the kernel, mrules too, or stays for the agent that comes next; that is up to whoever
   * keeps the sockets then.
   */
  stop({ keepsForwarding = false }: { readonly keepsForwarding?: boolean } = {}): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    if (!keepsForwarding) {
      this.#kernel.apply(this.#fib.removal());
      this.#kernel.flush();
    }
    this.#kernel.close();
  }

  /** Takes steps back that could not be made to last, the last one first. */
  takeBack(steps: readonly Step[]): void {
    const changed = new Map<string, ResourceKey>();
    for (const step of steps.toReversed()) {
      this.#rib.commit(reverseStep(step));
      for (const [key, { key: resourceKey, before }] of step.differences) {
        this.#fib.setWish(wishId(step.owner, key), before);
        changed.set(key, resourceKey);
      }
    }
    this.#revision++;
    this.#turn(changed);
  }

  /** All resources of all owners. */
  *resources(): Iterable<OwnedResource> {
    for (const owner of this.#rib.owners()) {
      for (const resource of this.#rib.ofOwner(owner).values()) yield { owner, resource };
    }
  }

  /** Called after each change with the keys that changed, of wishes or of their states. */
  onChange(listener: (revision: bigint, keys: ChangedKeys) => void): void {
    this.#onChange = listener;
  }

  onNote(listener: (note: EngineNote) => void): void {
    this.#onNote = listener;
  }

  /** Called after a turn in which interfaces have come, gone or changed their names. */
  onNames(listener: () => void): void {
    this.#onNames = listener;
  }

  /**
   * Called after turns with the flows for which (S,G) entries with oifs were learned, in order; not with those that an
   * earlier agent left. The listener may take its time: it is called from the event loop.
   */
  onInstalled(listener: (flows: readonly LearnedFlow[]) => void): void {
    this.#onInstalled = listener;
  }

  /** The keys that changed after a revision; undefined if that is no longer known. */
  changedAfter(revision: bigint): ChangedKeys | undefined {
    return revision > this.#revision ? undefined : this.#history.after(revision);
  }

  /**
   * Applies changes of an owner, all or none; returns when the kernel has them.
   *
   * @throws EngineError, ChangeError, RibFullError; nothing has changed then.
   */
  apply(
    owner: string,
    changes: readonly Change[],
    options: ApplyOptions,
  ): { readonly revision: bigint; readonly results: readonly ChangeOutcome[] } {
    this.#checkRevision(options.expectedRevision);
    const { step, results } = planChanges(this.#rib, owner, changes);
    const warnings = this.#take(step, options);
    return {
      revision: this.#revision,
      results: results.map(({ key, effect }) => ({
        key,
        effect,
        warnings: warnings.get(key) ?? [],
        entry: options.validateOnly ? undefined : this.entries(key).find((entry) => entry.owners.includes(owner)),
      })),
    };
  }

  /**
   * Makes an owner's resources exactly these; returns when the kernel has them.
   *
   * @throws EngineError, RibFullError; nothing has changed then.
   */
  replace(
    owner: string,
    resources: readonly Resource[],
    options: ApplyOptions,
  ): {
    readonly revision: bigint;
    readonly step: Step;
    readonly effects: Readonly<Record<Effect, number>>;
    readonly warnings: readonly Warning[];
  } {
    this.#checkRevision(options.expectedRevision);
    const step = planReplace(this.#rib, owner, resources);
    const warnings = this.#take(step, options);
    const effects = { unchanged: 0, added: 0, changed: 0, removed: 0 };
    for (const { before, after } of step.differences.values()) effects[effectOf(before, after)]++;
    const wanted = new Set(resources.map((resource) => formatResourceKey(resource.key)));
    effects.unchanged = wanted.size - effects.added - effects.changed;
    return { revision: this.#revision, step, effects, warnings: [...warnings.values()].flat() };
  }

  /** Drops all learned entries. Returns how many there were. */
  flush(): number {
    this.#drainUpcalls();
    const flows = this.#learnedFlows();
    this.#fib.expire(flows);
    this.#turn(new Map());
    return flows.length;
  }

  /** Drops the learned entries that have been idle too long; to be called a few times per timeout. */
  expireIdle(nowMs: number): void {
    this.#drainUpcalls();
    const flows = this.#learnedFlows();
    const counters = this.#kernel.families.flatMap((family) => {
      const ofFamily = flows.filter((flow) => flow.group.family === family);
      return [...this.#kernel.readCounters(family, ofFamily)];
    });
    const { idle, active } = this.#idle.inspect(flows, counters, nowMs, this.#options.cacheTimeoutMs);
    if (active.length > 0) this.#kernel.touchLearned(active);
    if (idle.length > 0) this.#fib.expire(idle);
    this.#turn(new Map());
  }

  /** Compares the kernel with what it should hold and repairs it; tries again what failed. */
  audit(): void {
    this.#readKernel();
    for (const family of this.#kernel.families) this.#auditMfc(family);
    this.#fib.retryFailed();
    this.#turn(new Map());
  }

  /** The upcall thread goes on meanwhile: what it learned until the dump is drained after it. */
  #auditMfc(family: Family): void {
    const dump = this.#kernel.listMfc(family);
    this.#drainUpcalls();
    const { lost, foreign } = auditMfc(this.#fib.mfc(family), dump, this.#links);
    for (const { source, group, isChanged } of lost) {
      // Learned since the dump, and so not in it.
      if (!isChanged && this.#kernel.readCounters(family, [{ source, group }])[0] !== undefined) continue;
      this.#onNote({ note: 'entry was changed by another program', flow: formatEntry(source, group) });
      this.#fib.onMfcGone(source, group);
    }
    for (const { source, group } of foreign) {
      this.#onNote({ note: 'entry was changed by another program', flow: formatEntry(source, group) });
    }
    this.#fib.onForeignMfc(foreign);
  }

  /** The entries of one key: several if owners differ on its content. */
  entries(key: string): readonly EntryView[] {
    return this.#rib.wishes(key).map((wish) => {
      const ids = wish.owners.map((owner) => wishId(owner, key));
      return { ...wish, ids, status: this.#fib.status(ids[0] ?? '') };
    });
  }

  /** The wishes of one key: several if owners differ on its content. */
  wishes(key: string): readonly Wish[] {
    return this.#rib.wishes(key);
  }

  /** The key of a wish in the fib, such as `mfc` names. */
  keyOf(id: string): ResourceKey | undefined {
    return this.#rib.wishes(keyOfWishId(id))[0]?.resource.key;
  }

  /** All keys that somebody wants. */
  keys(): Iterable<string> {
    return this.#rib.keys();
  }

  /** How the interfaces are used, and those that are waited for. */
  interfaces(): ReturnType<Fib['interfaces']> {
    return this.#fib.interfaces();
  }

  /** The mrules of all tables and how they stand to this one. */
  mrules(): ReturnType<Fib['mrules']> {
    return this.#fib.mrules();
  }

  /** The entries that the kernel should hold. */
  mfc(family: Family): ReturnType<Fib['mfc']> {
    this.#drainUpcalls();
    return this.#fib.mfc(family);
  }

  /** Reads the kernel's counters; undefined where there is no such entry. */
  readCounters: KernelPort['readCounters'] = (family, keys) => this.#kernel.readCounters(family, keys);

  #checkRevision(expected: bigint | undefined): void {
    if (expected === undefined || expected === this.#revision) return;
    throw new EngineError(
      'REVISION_MISMATCH',
      `the table is at revision ${this.#revision.toString()}, not ${expected.toString()}: read it again and decide anew`,
    );
  }

  /**
   * Gives a step to the rib and the fib and, unless it was only to be looked at, to the kernel.
   *
   * @returns the warnings of what it adds or changes, by formatted key.
   */
  #take(step: Step, options: ApplyOptions): ReadonlyMap<string, readonly Warning[]> {
    const { owner, differences } = step;
    if (differences.size === 0) return new Map();
    if (!options.validateOnly) this.#rib.commit(step);
    for (const [key, { after }] of differences) this.#fib.setWish(wishId(owner, key), after);
    // Warnings depend on what other rules ask for, and on the settings of interfaces that come into use.
    if (this.#fib.compile()) this.#readSettings();
    const warnings = new Map<string, readonly Warning[]>();
    for (const [key, { after }] of differences) {
      if (after !== undefined) warnings.set(key, this.#fib.status(wishId(owner, key)).warnings);
    }
    const undo = () => {
      for (const [key, { before }] of differences) this.#fib.setWish(wishId(owner, key), before);
      if (!options.validateOnly) this.#rib.commit(reverseStep(step));
      // What was looked at is planned anew; it is as it was, so the kernel is not touched.
      this.#turn(new Map());
    };
    if (options.strict && [...warnings.values()].some((some) => some.length > 0)) {
      undo();
      throw new EngineError('WARNINGS', describeWarnings(warnings));
    }
    if (options.validateOnly) {
      undo();
      return warnings;
    }
    try {
      this.#options.journal?.append(step, this.#revision + 1n);
    } catch (error) {
      undo();
      throw error;
    }
    this.#revision++;
    this.#turn(new Map([...differences].map(([text, { key }]) => [text, key])));
    return warnings;
  }

  /** Takes a resource that is saved already. */
  #restore(owner: string, resource: Resource): void {
    const key = formatResourceKey(resource.key);
    const before = this.#rib.get(owner, key);
    const differences = new Map([[key, { key: resource.key, before, after: resource }]]);
    this.#rib.commit({ owner, differences });
    this.#fib.setWish(wishId(owner, key), resource);
  }

  #onKernelEvent(event: KernelEvent): void {
    switch (event.event) {
      case 'link':
        this.#haveNamesChanged ||= this.#links.get(event.link.ifindex)?.name !== event.link.name;
        this.#links.set(event.link.ifindex, event.link);
        this.#fib.setLinks([...this.#links.values()]);
        break;
      case 'link-gone':
        this.#haveNamesChanged = true;
        this.#links.delete(event.ifindex);
        this.#fib.setLinks([...this.#links.values()]);
        break;
      case 'mrule':
      case 'mrule-gone':
        this.#areMrulesDue = true;
        break;
      case 'mfc-gone':
        this.#onMfcGone(event);
        break;
      case 'settings':
        this.#areSettingsDue = true;
        break;
      case 'upcalls':
        break;
      case 'resync':
        // The news of entries overflow when many are deleted at once, which is nothing to worry about.
        if (event.of === 'all') this.#onNote({ note: 'events were lost', from: 'netlink' });
        this.#ownDeletions.clear();
        this.#isResyncDue = true;
        break;
    }
    this.#requestTurn();
  }

  /**
   * The news may be of our own deletion, or older than what was done since. Of an (S,G) entry the kernel can say whether
   * it is there.
   */
  #onMfcGone({ source, group }: { readonly source: Address | undefined; readonly group: Address }): void {
    if (source === undefined && this.#ownDeletions.take(group)) return;
    if (!this.#fib.hasMfc(source, group)) return;
    if (source !== undefined) {
      const [counters] = this.#kernel.readCounters(group.family, [{ source, group }]);
      if (counters !== undefined) return;
    }
    this.#drainUpcalls();
    if (!this.#fib.hasMfc(source, group)) return;
    this.#onNote({
      note: 'entry was changed by another program',
      flow: formatEntry(source, group),
    });
    this.#fib.onMfcGone(source, group);
  }

  /** Turns batch what has come: events set state, and one turn follows for all of them. */
  #requestTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      if (this.#isStopped) return;
      if (this.#isResyncDue) {
        this.#isResyncDue = false;
        this.#haveNamesChanged = true;
        this.audit();
      } else {
        this.#turn(new Map());
      }
      if (!this.#haveNamesChanged) return;
      this.#haveNamesChanged = false;
      this.#onNames();
    });
  }

  /** Brings the kernel to what is wanted and tells who listens. `changed`: keys whose wishes have changed. */
  #turn(changed: Map<string, ResourceKey>): void {
    if (this.#areMrulesDue) this.#readMrules();
    for (const family of this.#kernel.families) {
      this.#kernel.setWrongVifUpcalls(family, this.#fib.needsWrongVifUpcalls(family));
    }
    this.#drainUpcalls();
    for (let plans = 0; plans < PLANS_PER_TURN_MAX; plans++) {
      for (const { family, groups } of this.#fib.takeUpcallGroups()) this.#kernel.setUpcallRules(family, groups);
      this.#drainUpcalls();
      const operations = this.#fib.plan();
      // Before the operations, so that whoever finds their entries can tell whose the numbers are.
      this.#noteVifNames();
      if (operations.length === 0 && !this.#fib.hasWork) break;
      const results = this.#kernel.apply(operations);
      this.#ownDeletions.add(operations, results);
      this.#fib.commit(operations, results);
      this.#noteFailures(operations, results);
      this.#areSettingsDue ||= operations.some(({ op }) => op === 'add-vif');
    }
    this.#noteVifNames();
    if (this.#areSettingsDue) this.#readSettings();
    this.#publish(changed);
  }

  #noteVifNames(): void {
    for (const family of this.families) {
      const names = this.#fib.takeVifNames(family);
      if (names !== undefined) this.#kernel.noteVifNames(family, names);
    }
  }

  #publish(changed: Map<string, ResourceKey>): void {
    const isNewRevision = changed.size === 0;
    for (const id of this.#fib.takeChangedStatuses()) {
      const text = keyOfWishId(id);
      const [wish] = this.#rib.wishes(text);
      if (wish === undefined) {
        this.#news.forget(id);
        continue;
      }
      const status = this.#fib.status(id);
      if (!this.#news.isNews(id, status)) continue;
      changed.set(text, wish.resource.key);
      for (const warning of this.#warnings.take(text, status.warnings)) {
        this.#onNote({ note: 'warning', key: text, warning });
      }
    }
    if (changed.size === 0) return;
    if (isNewRevision) this.#revision++;
    this.#history.add(this.#revision, changed);
    this.#onChange(this.#revision, changed);
  }

  #noteFailures(operations: readonly Operation[], results: readonly (KernelFailure | undefined)[]): void {
    for (const [index, failure] of results.entries()) {
      const operation = operations[index];
      if (failure === undefined || operation === undefined || isAsWanted(operation, failure)) continue;
      this.#onNote({ note: 'operation failed', operation, failure });
    }
  }

  #drainUpcalls(): void {
    const events = this.#kernel.drainUpcalls();
    if (events.length === 0) return;
    if (events.some((event) => event.event === 'resync')) this.#onNote({ note: 'events were lost', from: 'upcalls' });
    if (this.#onInstalled !== undefined) this.#noteInstalled(events);
    this.#fib.onUpcalls(events);
  }

  /** To be called before the fib has the events, so that after a resync it can tell which flows are new. */
  #noteInstalled(events: readonly UpcallEvent[]): void {
    const flows = events.flatMap((event) => {
      if (event.event === 'learned') return event.flow;
      if (event.event === 'resync')
        return event.flows.filter(({ source, group }) => !this.#fib.isLearned(source, group));
      return [];
    });
    if (flows.length === 0) return;
    if (this.#installed.length === 0)
      setImmediate(() => {
        this.#tellInstalled();
      });
    for (const flow of flows) this.#installed.push(flow);
  }

  /** Some may have gone or have other entries by now. */
  #tellInstalled(): void {
    const flows = this.#installed.filter(({ source, group }) => this.#fib.isLearned(source, group));
    this.#installed = [];
    if (!this.#isStopped && flows.length > 0) this.#onInstalled?.(flows);
  }

  #learnedFlows(): LearnedFlow[] {
    return this.#kernel.families.flatMap((family) => [...this.#fib.learnedFlows(family)]);
  }

  /** Reads links and mrules again, whole. */
  #readKernel(): void {
    this.#links.clear();
    for (const link of this.#kernel.listLinks()) this.#links.set(link.ifindex, link);
    this.#fib.setLinks([...this.#links.values()]);
    this.#readMrules();
    this.#areSettingsDue = true;
  }

  #readMrules(): void {
    this.#areMrulesDue = false;
    for (const rule of this.#fib.setActualMrules(this.#kernel.listMrules())) {
      this.#onNote({ note: 'mrule was removed by another program', rule });
    }
  }

  /** Reads the settings of the interfaces in use; only warnings depend on them. */
  #readSettings(): void {
    this.#areSettingsDue = false;
    const ofAll = this.#kernel.readSetting('ipv4', 'all', 'rp_filter') ?? 0;
    for (const { name, vifs } of this.#fib.interfaces()) {
      const families = this.families.filter((family) => vifs[family] !== undefined);
      if (families.length === 0) continue;
      const rpFilter = Math.max(ofAll, this.#kernel.readSetting('ipv4', name, 'rp_filter') ?? 0);
      const isIpv6Disabled = this.#kernel.readSetting('ipv6', name, 'disable_ipv6') === 1;
      this.#fib.setInterfaceWarnings(name, interfaceWarnings({ name, rpFilter, isIpv6Disabled, families }));
    }
  }
}

/** Whether what was to go had gone by itself, as with its interface. */
function isAsWanted({ op }: Operation, { code }: KernelFailure): boolean {
  return op === 'leave' || (code === 'ENOENT' && (op === 'delete-mfc' || op === 'delete-proxy'));
}

function describeWarnings(warnings: ReadonlyMap<string, readonly Warning[]>): string {
  const all = [...warnings].flatMap(([key, some]) => some.map((warning) => `${key}: ${warning.code}: ${warning.text}`));
  const rest = all.length > 3 ? ` (and ${all.length - 3} more)` : '';
  return `refused because of warnings and 'strict': ${all.slice(0, 3).join('; ')}${rest}`;
}
