// The only mutable state of an agent, and the only place where it changes: one turn per input.
//
//   owners' wishes (rib) + links + learned flows -> fib.plan() -> kernel.apply() -> fib.commit()
//
// Everything here is synchronous: nothing can come between reading and writing.
import type { Family } from '../model/address.js';
import type { Change } from '../model/change.js';
import type { Resource, ResourceKey } from '../model/resource.js';
import { type InstalledListener } from './engine/installed-flows.js';
import { KernelSync } from './engine/kernel-sync.js';
import { TableNews } from './engine/news.js';
import { ownWishes } from './engine/own-joins.js';
import { OwnedWishes } from './engine/owned-wishes.js';
import { Requests } from './engine/requests.js';
import { signallingWish } from './engine/signalling.js';
import type {
  ApplyEachResult,
  ApplyOptions,
  ApplyResult,
  EngineNote,
  EngineOptions,
  EntryView,
  OwnJoin,
  ReplaceResult,
  SignallingWish,
} from './engine/types.js';
import { Fib } from './fib/fib.js';
import type { WishId } from './fib/wish.js';
import type { KernelPort } from './kernel/port.js';
import type { ChangedKeys } from './rib/history.js';
import type { Undo } from './rib/restore.js';
import { type OwnedResource, type Step, reverseStep } from './rib/rib.js';
import { Held, type Slot } from './rib/slot.js';

export { EngineError } from './engine/types.js';
export type { WishId } from './fib/wish.js';
export type {
  ApplyEachResult,
  ApplyOptions,
  ApplyResult,
  ChangeOrigin,
  ChangeOutcome,
  EngineNote,
  EngineOptions,
  EntryView,
  OwnJoin,
  ReplaceResult,
  RequestError,
  SignallingWish,
  StepNote,
  WishJournal,
} from './engine/types.js';

export class Engine {
  readonly #kernel: KernelPort;
  readonly #options: EngineOptions;
  readonly #fib: Fib;
  readonly #wishes: OwnedWishes;
  readonly #requests: Requests;
  readonly #sync: KernelSync;
  readonly #news: TableNews;
  /** Ids in the fib of what the agent itself joins. */
  #ownJoins: ReadonlySet<string> = new Set();
  #isTurnDue = false;
  #isStopped = false;
  #onNote: (note: EngineNote) => void = () => undefined;
  #onNames: () => void = () => undefined;
  #onInterfaces: () => void = () => undefined;

  constructor(kernel: KernelPort, options: EngineOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.#news = new TableNews(options.firstRevision ?? 1n);
    const { table, mrulePriority, makesMrules, starG, enablesInterfaces = true } = options;
    const { families } = kernel;
    this.#fib = new Fib({ table, families, mrulePriority, makesMrules, starG, enablesInterfaces });
    this.#wishes = new OwnedWishes(this.#fib);
    const listener = {
      note: (note: EngineNote) => {
        this.#onNote(note);
      },
      onNews: () => {
        this.#requestTurn();
      },
    };
    this.#sync = new KernelSync(kernel, this.#fib, listener, options.entriesPerAudit);
    this.#requests = new Requests({
      wishes: this.#wishes,
      journal: options.journal,
      revision: () => this.#news.revision,
      readSettings: () => {
        this.#sync.readSettings();
      },
      turn: (changed) => {
        this.#turn(changed);
      },
    });
  }

  /** Counts the changes of the table: of wishes, and of what became of them. */
  get revision(): bigint {
    return this.#news.revision;
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
    this.#sync.listen();
    this.#wishes.restore(wishes);
    this.#sync.takeOver();
    // The agent's own joins are there before those of an earlier agent would be left.
    this.#onInterfaces();
    this.#turn();
    this.#kernel.answerUpcalls();
  }

  /**
   * Ends. Everything goes from the kernel, mrules too, or stays for the agent that comes next; that is up to whoever
   * keeps the sockets then.
   */
  stop({ keepsForwarding = false }: { readonly keepsForwarding?: boolean } = {}): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#sync.installed.close();
    if (!keepsForwarding) this.#sync.clear();
    this.#kernel.close();
  }

  /** Takes steps back that could not be made to last, the last one first. */
  takeBack(steps: readonly Step[]): void {
    const changed = new Set<Slot>();
    for (const step of steps.toReversed()) this.#wishes.commit(reverseStep(step), changed);
    this.#turn(changed);
  }

  /** All resources of all owners. */
  resources(): Iterable<OwnedResource> {
    return this.#wishes.resources();
  }

  /** Called after each change with the keys that changed, of wishes or of their states. */
  onChange(listener: (revision: bigint, keys: ChangedKeys) => void): void {
    this.#news.onChange(listener);
  }

  onNote(listener: (note: EngineNote) => void): void {
    this.#onNote = listener;
  }

  /** Called when interfaces have come, gone or changed their names, before the kernel is brought to that. */
  onNames(listener: () => void): void {
    this.#onNames = listener;
  }

  /** Called after a turn in which interfaces, their addresses or what is wanted of them have changed. */
  onInterfaces(listener: () => void): void {
    this.#onInterfaces = listener;
  }

  /**
   * Called after turns with the flows for which (S,G) entries with oifs were learned, in order; not with those that an
   * earlier agent left. The listener may take its time: it is called from the event loop.
   */
  onInstalled(listener: InstalledListener): void {
    this.#sync.installed.listen(listener);
  }

  /** The keys that changed after a revision; undefined if that is no longer known. */
  changedAfter(revision: bigint): ChangedKeys | undefined {
    return this.#news.changedAfter(revision);
  }

  /**
   * Applies changes of an owner, all or none; returns when the kernel has them.
   *
   * @throws EngineError, ChangeError, RibFullError; nothing has changed then.
   */
  apply(owner: string, changes: readonly Change[], options: ApplyOptions): ApplyResult {
    return this.#requests.apply(owner, changes, options);
  }

  /**
   * Applies changes of an owner, each for itself; returns when the kernel has those that are not refused.
   *
   * @param changes with gaps where one was refused before
   * @throws EngineError and what the journal throws: all of them are refused then, and nothing has changed.
   */
  applyEach(
    owner: string,
    changes: readonly (Change | undefined)[],
    options: Pick<ApplyOptions, 'scope' | 'origin'>,
  ): ApplyEachResult {
    return this.#requests.applyEach(owner, changes, options);
  }

  /** What an owner wants under a key, with what others want just so. */
  entryOf(slot: Slot, owner: string): EntryView | undefined {
    return this.#wishes.entryOf(slot, owner);
  }

  /**
   * Makes an owner's resources exactly these; returns when the kernel has them.
   *
   * @throws EngineError, RibFullError; nothing has changed then.
   */
  replace(owner: string, resources: readonly Resource[], options: ApplyOptions): ReplaceResult {
    return this.#requests.replace(owner, resources, options);
  }

  /**
   * Takes changes of an owner back, as a change of its own; returns when the kernel has it.
   *
   * @param undos of the changes, the newest first, none left out
   * @throws EngineError, RibFullError; nothing has changed then.
   */
  restore(owner: string, undos: Iterable<Undo>, options: ApplyOptions): ReplaceResult {
    return this.#requests.restore(owner, undos, options);
  }

  /** Drops all learned entries. Returns how many there were. */
  flush(): number {
    const count = this.#sync.expireAll();
    this.#turn();
    return count;
  }

  /** Drops the learned entries that have been idle too long; to be called a few times per timeout. */
  expireIdle(nowMs: number): void {
    this.#sync.expireIdle(nowMs, this.#options.cacheTimeoutMs);
    this.#turn();
  }

  /** Compares the kernel with what it should hold and repairs it; tries again what failed. */
  audit(): void {
    this.#sync.audit();
    this.#turn();
  }

  /** The keys that somebody wants, in the order in which they came. */
  slots(): Iterable<Slot> {
    return this.#wishes.rib.slots();
  }

  /** The slot of a key that somebody wants. */
  find(key: ResourceKey): Slot | undefined {
    return this.#wishes.rib.find(key);
  }

  /** The entries under a key: several if owners differ on its content. */
  entries(slot: Slot): readonly EntryView[] {
    return this.#wishes.entries(slot);
  }

  /** The key of what is known to the fib by the id, as `mfc` has it; undefined if it is nobody's wish. */
  keyOf(id: WishId): ResourceKey | undefined {
    return id instanceof Held ? id.slot.key : undefined;
  }

  /** How the interfaces are used, and those that are waited for. */
  interfaces(): ReturnType<Fib['interfaces']> {
    return this.#fib.interfaces();
  }

  /**
   * The interfaces on which somebody wants a querier or router discovery and that are there, with the addresses from
   * which they can speak.
   */
  signallingLinks(): SignallingWish[] {
    const wanted = this.#fib.signallingWishes();
    // Nobody needs the addresses of a thousand interfaces for nothing.
    const addresses = wanted.length === 0 ? [] : this.#kernel.listAddresses();
    return wanted.map((wish) => signallingWish(wish, addresses));
  }

  /** Groups that the agent itself must join, beside those of the owners; they replace those of the last call. */
  setOwnJoins(joins: readonly OwnJoin[]): void {
    const wanted = ownWishes(joins);
    for (const id of this.#ownJoins) if (!wanted.has(id)) this.#fib.setWish(id, undefined);
    for (const [id, membership] of wanted) this.#fib.setWish(id, membership);
    this.#ownJoins = new Set(wanted.keys());
    this.#requestTurn();
  }

  /** The mrules of all tables and how they stand to this one. */
  mrules(): ReturnType<Fib['mrules']> {
    return this.#fib.mrules();
  }

  /** The entries that the kernel should hold. */
  mfc(family: Family): ReturnType<Fib['mfc']> {
    this.#sync.drainUpcalls();
    return this.#fib.mfc(family);
  }

  /** Which entries of the kernel rules have a part in, as they are now. */
  ruleFlows(): ReturnType<Fib['ruleFlows']> {
    this.#sync.drainUpcalls();
    return this.#fib.ruleFlows();
  }

  /** Reads the counters of many entries; see the port. */
  countFlows: KernelPort['countFlows'] = (family, keys) => this.#kernel.countFlows(family, keys);

  /** Reads the kernel's counters; undefined where there is no such entry. */
  readCounters: KernelPort['readCounters'] = (family, keys) => this.#kernel.readCounters(family, keys);

  /** Turns batch what has come: events set state, and one turn follows for all of them. */
  #requestTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      if (this.#isStopped) return;
      this.#sync.resync();
      const changes = this.#sync.takeLinkNews();
      // Before the turn: what is wanted of new interfaces holds from the first packet on.
      if (changes.names) this.#onNames();
      this.#turn();
      if (changes.any) this.#onInterfaces();
    });
  }

  /** Brings the kernel to what is wanted and tells who listens. `changed`: keys whose wishes have changed. */
  #turn(changed = new Set<Slot>()): void {
    let areSettingsOther = false;
    for (const { key } of changed) areSettingsOther ||= key.kind === 'interface';
    this.#sync.run();
    this.#news.publish(changed, this.#fib, this.#onNote);
    if (areSettingsOther) this.#onInterfaces();
  }
}
