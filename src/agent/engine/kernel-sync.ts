// Keeps the kernel as the fib wants it, and the fib informed of what the kernel does by itself.
import type { Address, Family } from '../../model/address.js';
import type { Link } from '../../model/interface.js';
import type { KernelFailure } from '../../model/resource.js';
import { auditMfc, formatEntry } from '../fib/audit.js';
import type { Fib } from '../fib/fib.js';
import { IdleFlows } from '../fib/idle.js';
import { interfaceWarnings } from '../fib/interface-warnings.js';
import { OwnDeletions } from '../fib/own-deletions.js';
import type { FlowKey, KernelEvent, KernelPort, LearnedFlow, Operation } from '../kernel/port.js';
import { InstalledFlows } from './installed-flows.js';
import type { EngineNote } from './types.js';

export interface KernelSyncListener {
  /** Something worth a line in the log. */
  note(note: EngineNote): void;
  /** The kernel has news: a turn is due soon. */
  onNews(): void;
}

/** What of the interfaces has changed. */
export interface LinkNews {
  /** Some have come, gone or changed their names. */
  readonly names: boolean;
  /** That, their states or their addresses. */
  readonly any: boolean;
}

/**
 * Entries that an audit looks at. The time in which the kernel tells of all its entries grows with their square: 0.15 s for so
 * many, 27 s for ten times as many (`mr_table_dump` looks for its place anew in each message).
 */
const ENTRIES_PER_AUDIT_MAX = 50_000;

/** Keys of one native call. */
const KEYS_PER_LOOK = 1_000;

/** Plans of one turn at most; more would mean that the fib never comes to rest. */
const PLANS_PER_TURN_MAX = 8;

export class KernelSync {
  readonly #kernel: KernelPort;
  readonly #fib: Fib;
  readonly #listener: KernelSyncListener;
  readonly #entriesPerAudit: number;
  readonly #idle = new IdleFlows();
  readonly #ownDeletions = new OwnDeletions();
  readonly #links = new Map<number, Link>();
  /** Where the audits of large tables have got to. */
  readonly #auditing = new Map<Family, Iterator<FlowKey>>();
  readonly installed: InstalledFlows;
  /** Of interfaces, since last taken. */
  #changes: LinkNews = { names: false, any: false };
  #isResyncDue = false;
  #areMrulesDue = false;
  #areSettingsDue = false;

  /** @param entriesPerAudit a table with more of one family is looked at in parts */
  constructor(
    kernel: KernelPort,
    fib: Fib,
    listener: KernelSyncListener,
    entriesPerAudit: number = ENTRIES_PER_AUDIT_MAX,
  ) {
    this.#entriesPerAudit = entriesPerAudit;
    this.#kernel = kernel;
    this.#fib = fib;
    this.#listener = listener;
    this.installed = new InstalledFlows(fib);
  }

  /** Begins to hear what the kernel says. Before anything is read: what changes in between is told twice and never missed. */
  listen(): void {
    this.#kernel.onEvent((event) => {
      this.#onEvent(event);
    });
  }

  /** Gives the fib, which has its wishes, what an earlier agent left in the kernel. */
  takeOver(): void {
    const held = this.#kernel.readHeldState();
    this.#fib.adoptVifs(held, new Map(this.#kernel.listLinks().map((link) => [link.ifindex, link])));
    this.#read();
    this.#kernel.adoptLearned(this.#fib.adopt(held));
    this.#kernel.adoptUnresolved(held.flatMap(({ entries }) => entries.filter(({ isUnresolved }) => isUnresolved)));
  }

  /** Brings the kernel to what the fib wants. */
  run(): void {
    if (this.#areMrulesDue) this.#readMrules();
    for (const family of this.#kernel.families) {
      this.#kernel.setWrongVifUpcalls(family, this.#fib.needsWrongVifUpcalls(family));
    }
    this.drainUpcalls();
    for (let plans = 0; plans < PLANS_PER_TURN_MAX; plans++) {
      for (const { family, groups } of this.#fib.takeUpcallGroups()) this.#kernel.setUpcallRules(family, groups);
      this.drainUpcalls();
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
    if (this.#areSettingsDue) this.readSettings();
  }

  /** Reads again whatever the news did not tell. */
  resync(): void {
    if (!this.#isResyncDue) return;
    this.#isResyncDue = false;
    this.#changes = { names: true, any: true };
    this.#read();
    this.#compare(Infinity);
    this.#fib.retryFailed();
  }

  /** What of the interfaces has changed since last taken. */
  takeLinkNews(): LinkNews {
    const changes = this.#changes;
    this.#changes = { names: false, any: false };
    return changes;
  }

  /**
   * Tries again what failed and compares the kernel with what it should hold; what differs is planned anew. Of a table of many entries a part
   * is looked at each time.
   */
  audit(): void {
    this.#read();
    this.#fib.retryFailed();
    // An interface that has gone took its vif with it, and the entries know.
    this.run();
    this.#compare(this.#entriesPerAudit);
  }

  /** Marks all learned entries for deletion. Returns how many there are. */
  expireAll(): number {
    this.drainUpcalls();
    const flows = this.#learnedFlows();
    this.#fib.expire(flows);
    return flows.length;
  }

  /** Marks learned entries that have been idle for the time for deletion. */
  expireIdle(nowMs: number, timeoutMs: number): void {
    this.drainUpcalls();
    const flows = this.#learnedFlows();
    const counters = this.#kernel.families.flatMap((family) => {
      const ofFamily = flows.filter((flow) => flow.group.family === family);
      return [...this.#kernel.readCounters(family, ofFamily)];
    });
    const { idle, active } = this.#idle.inspect(flows, counters, nowMs, timeoutMs);
    if (active.length > 0) this.#kernel.touchLearned(active);
    if (idle.length > 0) this.#fib.expire(idle);
  }

  /** Gives the fib what the upcall thread has done. */
  drainUpcalls(): void {
    const events = this.#kernel.drainUpcalls();
    if (events.length === 0) return;
    if (events.some((event) => event.event === 'resync')) {
      this.#listener.note({ note: 'events were lost', from: 'upcalls' });
    }
    this.installed.note(events);
    this.#fib.onUpcalls(events);
  }

  /** Reads the settings of the interfaces in use; only warnings depend on them. */
  readSettings(): void {
    this.#areSettingsDue = false;
    const ofAll = this.#kernel.readSetting('ipv4', 'all', 'rp_filter') ?? 0;
    for (const { name, vifs } of this.#fib.interfaces()) {
      const families = this.#kernel.families.filter((family) => vifs[family] !== undefined);
      if (families.length === 0) continue;
      const rpFilter = Math.max(ofAll, this.#kernel.readSetting('ipv4', name, 'rp_filter') ?? 0);
      const isIpv6Disabled = this.#kernel.readSetting('ipv6', name, 'disable_ipv6') === 1;
      this.#fib.setInterfaceWarnings(name, interfaceWarnings({ name, rpFilter, isIpv6Disabled, families }));
    }
  }

  /** Everything goes from the kernel. */
  clear(): void {
    this.#kernel.apply(this.#fib.removal());
    this.#kernel.flush();
  }

  /** @param limit of the entries that are looked up in a table that is too large to be read */
  #compare(limit: number): void {
    for (const family of this.#kernel.families) {
      if (this.#fib.entryCount(family) <= this.#entriesPerAudit) this.#auditMfc(family);
      else this.#lookUpMfc(family, limit);
    }
  }

  #onEvent(event: KernelEvent): void {
    switch (event.event) {
      case 'link':
        this.#noteLink(this.#links.get(event.link.ifindex)?.name !== event.link.name);
        this.#links.set(event.link.ifindex, event.link);
        this.#fib.setLinks([...this.#links.values()]);
        break;
      case 'link-gone':
        this.#noteLink(true);
        this.#links.delete(event.ifindex);
        this.#fib.setLinks([...this.#links.values()]);
        break;
      case 'addresses':
        this.#noteLink(false);
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
        if (event.of === 'all') this.#listener.note({ note: 'events were lost', from: 'netlink' });
        this.#ownDeletions.clear();
        this.#isResyncDue = true;
        break;
    }
    this.#listener.onNews();
  }

  #noteLink(isOtherName: boolean): void {
    this.#changes = { names: this.#changes.names || isOtherName, any: true };
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
    this.drainUpcalls();
    this.#onLost(source, group);
  }

  /**
   * Looks up entries of a table that is too large to be read: whether they are there, not whether they are as they should
   * be.
   *
   * @param limit of entries; it is gone on with next time
   */
  #lookUpMfc(family: Family, limit: number): void {
    const iterator = this.#auditing.get(family) ?? this.#fib.flowKeys(family)[Symbol.iterator]();
    this.#auditing.set(family, iterator);
    const lost: FlowKey[] = [];
    for (let looked = 0; looked < limit;) {
      const keys: FlowKey[] = [];
      let isAtEnd = false;
      while (keys.length < Math.min(KEYS_PER_LOOK, limit - looked)) {
        const next = iterator.next();
        isAtEnd = next.done === true;
        if (next.done === true) break;
        keys.push(next.value);
      }
      const counters = this.#kernel.readCounters(family, keys);
      for (const [index, key] of keys.entries()) if (counters[index] === undefined) lost.push(key);
      looked += keys.length;
      if (isAtEnd) {
        this.#auditing.delete(family);
        break;
      }
    }
    this.drainUpcalls();
    for (const { source, group } of lost) this.#onLost(source, group);
  }

  /** An entry is not there, or not as it should be. */
  #onLost(source: Address | undefined, group: Address): void {
    if (!this.#fib.hasMfc(source, group)) return;
    this.#listener.note({ note: 'entry was changed by another program', flow: formatEntry(source, group) });
    this.#fib.onMfcGone(source, group);
  }

  /** The upcall thread goes on meanwhile: what it learned until the dump is drained after it. */
  #auditMfc(family: Family): void {
    const dump = this.#kernel.listMfc(family);
    this.drainUpcalls();
    const { lost, foreign } = auditMfc(this.#fib.mfc(family), dump, this.#links);
    for (const { source, group, isChanged } of lost) {
      // Learned since the dump, and so not in it.
      if (!isChanged && this.#kernel.readCounters(family, [{ source, group }])[0] !== undefined) continue;
      this.#listener.note({ note: 'entry was changed by another program', flow: formatEntry(source, group) });
      // One that is there must not be forgotten: where nobody asks for it any more it would stay.
      if (isChanged) this.#fib.onMfcChanged(source, group);
      else this.#fib.onMfcGone(source, group);
    }
    for (const { source, group } of foreign) {
      this.#listener.note({ note: 'entry was changed by another program', flow: formatEntry(source, group) });
    }
    this.#fib.onForeignMfc(foreign);
  }

  #noteVifNames(): void {
    for (const family of this.#kernel.families) {
      const names = this.#fib.takeVifNames(family);
      if (names !== undefined) this.#kernel.noteVifNames(family, names);
    }
  }

  #noteFailures(operations: readonly Operation[], results: readonly (KernelFailure | undefined)[]): void {
    for (let index = 0; index < results.length; index++) {
      const failure = results[index];
      const operation = operations[index];
      if (failure === undefined || operation === undefined || isAsWanted(operation, failure)) continue;
      this.#listener.note({ note: 'operation failed', operation, failure });
    }
  }

  #learnedFlows(): LearnedFlow[] {
    return this.#kernel.families.flatMap((family) => [...this.#fib.learnedFlows(family)]);
  }

  /** Reads links and mrules, whole. */
  #read(): void {
    this.#links.clear();
    for (const link of this.#kernel.listLinks()) this.#links.set(link.ifindex, link);
    this.#fib.setLinks([...this.#links.values()]);
    this.#readMrules();
    this.#areSettingsDue = true;
  }

  #readMrules(): void {
    this.#areMrulesDue = false;
    for (const rule of this.#fib.setActualMrules(this.#kernel.listMrules())) {
      this.#listener.note({ note: 'mrule was removed by another program', rule });
    }
  }
}

/** Whether what was to go had gone by itself, or the interface with which it would. */
function isAsWanted({ op }: Operation, { code }: KernelFailure): boolean {
  // An interface that has gone since: its news is on its way.
  if (op === 'join' && code === 'ENODEV') return true;
  return op === 'leave' || (code === 'ENOENT' && (op === 'delete-mfc' || op === 'delete-proxy'));
}
