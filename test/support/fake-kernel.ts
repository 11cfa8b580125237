// A kernel in memory that looks up, forwards and refuses as Linux does (docs/kernel.md), for tests of the core.
import { endianness } from 'node:os';
import {
  type Address,
  type Family,
  addressKey,
  formatPrefix,
  holds,
  isHost,
  isLinkLocalGroup,
  hostPrefix,
  samePrefix,
} from '../../src/model/address.js';
import type { Link } from '../../src/model/interface.js';
import { VIF_LIMIT } from '../../src/model/limits.js';
import type { Mrule } from '../../src/model/mrule.js';
import type { KernelFailure } from '../../src/model/resource.js';
import { barRules } from '../../src/agent/fib/boundaries.js';
import { answers, decideMove, decideUpcall } from '../../src/agent/fib/upcall.js';
import type {
  Counters,
  FlowKey,
  HeldState,
  Join,
  KernelEvent,
  KernelPort,
  LearnedFlow,
  LinkAddress,
  MfcDumpEntry,
  Operation,
  UpcallEvent,
  UpcallGroup,
  VifName,
  VifOif,
  VifRule,
} from '../../src/agent/kernel/port.js';

/** Bytes that every packet of `send` has. */
export const PACKET_BYTES = 100;

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

export interface FakeKernelOptions {
  readonly table?: number;
  readonly families?: readonly Family[];
  readonly links?: readonly Link[];
  /**
   * Tells of our own deletions and mrules too, in a later turn of the event loop, as the kernel does. Without it a test
   * can do without turns.
   */
  readonly tellsOwn?: boolean;
}

/** A link that is up and can do multicast. */
export function fakeLink(ifindex: number, name: string, differing: Partial<Link> = {}): Link {
  return {
    ifindex,
    name,
    isUp: true,
    isLoopback: false,
    hasMulticast: true,
    hasCarrier: true,
    masterIfindex: undefined,
    kind: 'veth',
    vrfTable: undefined,
    mtu: 1500,
    ...differing,
  };
}

interface Entry {
  readonly iif: number;
  /** TTL thresholds by vif; of a (*,G) entry the iif's too. */
  readonly ttls: ReadonlyMap<number, number>;
  packets: bigint;
  wrongIf: bigint;
}

interface SourceEntry extends Entry {
  readonly source: Address;
  readonly group: Address;
}

/** The (*,G) entries of one group, newest first. */
interface ProxyList {
  readonly group: Address;
  entries: Entry[];
}

interface Unresolved {
  readonly source: Address;
  readonly group: Address;
  readonly arrival: number;
  /** The upcall thread knows of it; one of another life does not. */
  isRemembered: boolean;
}

/** One family's table. */
interface Table {
  readonly vifs: Map<number, number>;
  readonly sources: Map<string, SourceEntry>;
  readonly proxies: Map<string, ProxyList>;
  readonly upcallRules: Map<string, UpcallGroup>;
  /** Keys of entries on the upcall thread's list. */
  readonly learned: Set<string>;
  /** Flows that the kernel has asked about and has no answer for. Their 10 s never end here. */
  readonly unresolved: Map<string, Unresolved>;
  /** MRT_PIM: a packet on a vif that is not its entry's iif makes an upcall. */
  hasWrongVifUpcalls: boolean;
}

export class FakeKernel implements KernelPort {
  readonly families: readonly Family[];
  /** All operations so far that were taken. */
  readonly applied: Operation[] = [];

  readonly #table: number;
  readonly #tellsOwn: boolean;
  readonly #links = new Map<number, Link>();
  readonly #tables = new Map<Family, Table>();
  readonly #joins = new Map<string, Join>();
  readonly #vifNames = new Map<Family, ReadonlyMap<number, VifName>>();
  readonly #settings = new Map<string, number>();
  readonly #failures: { readonly op: Operation['op']; readonly code: string }[] = [];
  #mrules: Mrule[] = [];
  #addresses: readonly LinkAddress[] = [];
  #upcalls: UpcallEvent[] = [];
  /** The upcall thread runs; it ends with its agent. */
  #isAnswering = true;
  /** Upcalls that nobody has read. */
  #unread: { readonly source: Address; readonly group: Address; readonly arrival: number }[] = [];
  #handler: (event: KernelEvent) => void = () => undefined;

  constructor(options: FakeKernelOptions = {}) {
    this.#table = options.table ?? 123;
    this.#tellsOwn = options.tellsOwn ?? false;
    this.families = options.families ?? ['ipv4', 'ipv6'];
    for (const link of options.links ?? []) this.#links.set(link.ifindex, link);
    for (const family of this.families) {
      this.#tables.set(family, {
        vifs: new Map(),
        sources: new Map(),
        proxies: new Map(),
        upcallRules: new Map(),
        learned: new Set(),
        unresolved: new Map(),
        hasWrongVifUpcalls: false,
      });
    }
  }

  apply(operations: readonly Operation[]): readonly (KernelFailure | undefined)[] {
    return operations.map((operation) => {
      const injected = this.#failures.findIndex(({ op }) => op === operation.op);
      const code = injected === -1 ? this.#apply(operation) : this.#failures.splice(injected, 1)[0]?.code;
      if (code === undefined) {
        this.applied.push(operation);
        if (this.#tellsOwn) this.#tellOf(operation);
      }
      return code === undefined ? undefined : { code, syscall: operation.op, text: `${operation.op}: ${code}` };
    });
  }

  setUpcallRules(family: Family, groups: readonly UpcallGroup[]): void {
    const { upcallRules, unresolved } = this.#tableOf(family);
    for (const group of groups) {
      if (group.rules.length === 0 && group.barredVifs === 0) upcallRules.delete(formatPrefix(group.group));
      else upcallRules.set(formatPrefix(group.group), group);
    }
    for (const [key, { source, group, arrival, isRemembered }] of unresolved) {
      if (!isRemembered || !groups.some((each) => holds(each.group, group))) continue;
      // Of several iifs only the next packet tells which it is: the kernel is to ask again.
      if (answers(this.#upcallRulesOf(group).rules, source).size > 1) unresolved.delete(key);
      else this.#onNoCache(source, group, arrival);
    }
  }

  setWrongVifUpcalls(family: Family, isOn: boolean): void {
    this.#tableOf(family).hasWrongVifUpcalls = isOn;
  }

  readHeldState(): readonly HeldState[] {
    return this.families.map((family) => ({
      family,
      vifs: new Map(this.#tableOf(family).vifs),
      vifNames: this.#vifNames.get(family),
      entries: this.listMfc(family),
      joins: [...this.#joins.values()].filter(({ group }) => group.family === family),
    }));
  }

  noteVifNames(family: Family, names: ReadonlyMap<number, VifName>): void {
    this.#vifNames.set(family, names);
  }

  adoptLearned(flows: readonly LearnedFlow[]): void {
    for (const { source, group } of flows) this.#tableOf(group.family).learned.add(flowKey(source, group));
  }

  adoptUnresolved(flows: readonly FlowKey[]): void {
    for (const { source, group } of flows) {
      const found = source && this.#tableOf(group.family).unresolved.get(flowKey(source, group));
      if (found !== undefined) found.isRemembered = true;
    }
  }

  answerUpcalls(): void {
    this.#isAnswering = true;
    for (const { source, group, arrival } of this.#unread.splice(0)) {
      // One that other rules have answered meanwhile is there already.
      if (!this.#tableOf(group.family).sources.has(flowKey(source, group))) this.#onNoCache(source, group, arrival);
    }
  }

  drainUpcalls(): readonly UpcallEvent[] {
    const events = this.#upcalls;
    this.#upcalls = [];
    return events;
  }

  touchLearned(): void {
    // Nothing is evicted here but by `evict`.
  }

  countFlows(family: Family, keys: Uint32Array): Uint32Array {
    const addressAt = (at: number): Address => {
      return { family, words: [...keys.subarray(at, at + (family === 'ipv4' ? 1 : 4))] };
    };
    const counters = new BigUint64Array(3 * (keys.length / 8));
    for (let at = 0; at < keys.length; at += 8) {
      const source = addressAt(at);
      const isAny = source.words.every((word) => word === 0);
      const [found] = this.readCounters(family, [{ source: isAny ? undefined : source, group: addressAt(at + 4) }]);
      const { packets, bytes, wrongIf } = found ?? { packets: ALL_ONES, bytes: ALL_ONES, wrongIf: ALL_ONES };
      counters.set([packets, bytes, wrongIf], (3 * at) / 8);
    }
    const words = new Uint32Array(counters.buffer);
    return endianness() === 'LE' ? words : words.map((_, index) => words[index ^ 1] ?? 0);
  }

  readCounters(family: Family, keys: readonly FlowKey[]): readonly (Counters | undefined)[] {
    const { sources, proxies } = this.#tableOf(family);
    return keys.map(({ source, group }) => {
      const entry =
        source === undefined ? proxies.get(groupKey(group))?.entries[0] : sources.get(flowKey(source, group));
      if (entry === undefined) return undefined;
      const { packets, wrongIf } = entry;
      return { packets, bytes: packets * BigInt(PACKET_BYTES), wrongIf };
    });
  }

  listAddresses(): readonly LinkAddress[] {
    return this.#addresses;
  }

  /** The interfaces have these addresses from now on. */
  setAddresses(addresses: readonly LinkAddress[]): void {
    this.#addresses = addresses;
    this.#handler({ event: 'addresses' });
  }

  listLinks(): readonly Link[] {
    return [...this.#links.values()];
  }

  listMrules(): readonly Mrule[] {
    return [...this.#mrules];
  }

  listMfc(family: Family): readonly MfcDumpEntry[] {
    const { sources, proxies, vifs, unresolved } = this.#tableOf(family);
    const dump = (source: Address | undefined, group: Address, { iif, ttls }: Entry): MfcDumpEntry => ({
      source,
      group,
      iif: vifs.get(iif),
      oifs: [...ttls].flatMap(([vif, ttlThreshold]) => {
        const ifindex = vifs.get(vif);
        return ifindex === undefined || (source === undefined && vif === iif) ? [] : [{ ifindex, ttlThreshold }];
      }),
      isUnresolved: false,
    });
    return [
      ...Array.from(sources.values(), (entry) => dump(entry.source, entry.group, entry)),
      ...Array.from(unresolved.values(), ({ source, group }) => {
        return { source, group, iif: undefined, oifs: [], isUnresolved: true };
      }),
      // In the order in which they were made (`mr_table_dump`).
      ...[...proxies.values()].flatMap(({ group, entries }) =>
        entries.toReversed().map((entry) => dump(undefined, group, entry)),
      ),
    ];
  }

  readSetting(family: Family, interfaceName: string, setting: 'rp_filter' | 'disable_ipv6'): number | undefined {
    return this.#settings.get(`${family} ${interfaceName} ${setting}`);
  }

  setSetting(family: Family, interfaceName: string, setting: 'rp_filter' | 'disable_ipv6', value: number): void {
    this.#settings.set(`${family} ${interfaceName} ${setting}`, value);
    this.#handler({ event: 'settings' });
  }

  flush(): void {
    for (const { vifs, sources, proxies, learned, unresolved } of this.#tables.values()) {
      for (const map of [vifs, sources, proxies, learned, unresolved]) map.clear();
    }
    this.#joins.clear();
  }

  onEvent(handler: (event: KernelEvent) => void): void {
    this.#handler = handler;
  }

  close(): void {
    this.#handler = () => undefined;
    this.#isAnswering = false;
    this.#upcalls = [];
    for (const { upcallRules, learned, unresolved } of this.#tables.values()) {
      upcallRules.clear();
      learned.clear();
      for (const flow of unresolved.values()) flow.isRemembered = false;
    }
  }

  // What tests do to it.

  /** The next operation of this kind is refused with the code. */
  failNext(op: Operation['op'], code: string): void {
    this.#failures.push({ op, code });
  }

  /** Nothing is refused any more that the kernel would take. */
  failNone(): void {
    this.#failures.length = 0;
  }

  /** Adds a link, or changes the one with its ifindex. */
  setLink(link: Link): void {
    this.#links.set(link.ifindex, link);
    this.#handler({ event: 'link', link });
  }

  renameLink(ifindex: number, name: string): void {
    const link = this.#links.get(ifindex);
    if (link !== undefined) this.setLink({ ...link, name });
  }

  /** The kernel deletes the vifs of the link and forgets its joins, without a word of either. */
  removeLink(ifindex: number): void {
    this.#links.delete(ifindex);
    for (const { vifs } of this.#tables.values()) {
      for (const [vif, its] of vifs) if (its === ifindex) vifs.delete(vif);
    }
    for (const [key, join] of this.#joins) if (join.ifindex === ifindex) this.#joins.delete(key);
    this.#handler({ event: 'link-gone', ifindex });
  }

  /** Someone else adds an mrule. */
  addMrule(rule: Mrule): void {
    this.#mrules.push(rule);
    this.#handler({ event: 'mrule', rule });
  }

  /** Someone else deletes an mrule. */
  deleteMrule(rule: Mrule): void {
    this.#mrules = this.#mrules.filter((each) => !isSameMrule(each, rule));
    this.#handler({ event: 'mrule-gone', rule });
  }

  /** Someone else deletes an entry; without a source the newest (*,G) entry of the group. */
  deleteMfc(source: Address | undefined, group: Address): void {
    const { sources, proxies } = this.#tableOf(group.family);
    if (source === undefined) proxies.get(groupKey(group))?.entries.shift();
    else sources.delete(flowKey(source, group));
    this.#handler({ event: 'mfc-gone', source, group });
  }

  /** News is lost: what happens meanwhile is not told, only that something was missed. */
  loseNews(happenings: () => void): void {
    const handler = this.#handler;
    this.#handler = () => undefined;
    happenings();
    this.#handler = handler;
    handler({ event: 'resync', of: 'all' });
  }

  /** Upcalls that wait were read by an agent that ended before it could answer. */
  loseUnread(): void {
    this.#unread = [];
  }

  /** The upcall thread's list is full and the entry goes. */
  evict(source: Address, group: Address): void {
    const table = this.#tableOf(group.family);
    table.learned.delete(flowKey(source, group));
    table.sources.delete(flowKey(source, group));
    this.#tell({ event: 'evicted', source, group });
  }

  /** Events of the upcall thread were lost: what waits is replaced by all that it has learned. */
  loseUpcalls(): void {
    const flows = [...this.#tables.values()].flatMap(({ learned, sources }) =>
      [...learned].flatMap((key) => {
        const entry = sources.get(key);
        return entry === undefined ? [] : [flowOf(entry)];
      }),
    );
    this.#upcalls = [];
    this.#tell({ event: 'resync', flows });
  }

  /** The joins that stand, as `ifindex group source`. */
  joins(): string[] {
    return [...this.#joins.keys()].sort();
  }

  /** Ifindex by vif number. */
  vifs(family: Family): ReadonlyMap<number, number> {
    return this.#tableOf(family).vifs;
  }

  /** The iifs of the (*,G) entries of the group, oldest first. */
  proxyOrder(group: Address): number[] {
    const entries = this.#tableOf(group.family).proxies.get(groupKey(group))?.entries ?? [];
    return entries.map(({ iif }) => iif).reverse();
  }

  /**
   * A packet arrives.
   *
   * @returns names of the interfaces on which it leaves, sorted
   */
  send(iifName: string, source: Address, group: Address, ttl = 64): string[] {
    const arrival = this.#arrivalVif(iifName, group);
    if (arrival === undefined || isLinkLocalGroup(hostPrefix(group))) return [];
    const { sources, unresolved } = this.#tableOf(group.family);
    const found = sources.get(flowKey(source, group)) ?? this.#findProxy(group, arrival);
    if (found === undefined) {
      // It waits, and the kernel asks no more (`ipmr_cache_unresolved`).
      if (unresolved.has(flowKey(source, group))) return [];
      this.#onNoCache(source, group, arrival);
      const made = sources.get(flowKey(source, group));
      // The queued packet goes the way of the new entry (`ipmr_cache_resolve`).
      return made === undefined ? [] : this.#forward(made, arrival, group.family, ttl, undefined);
    }
    const isProxy = !('source' in found);
    if (found.iif !== arrival) this.#onWrongVif(source, group, arrival);
    return this.#forward(found, arrival, group.family, ttl, isProxy ? arrival : undefined);
  }

  #forward(entry: Entry, arrival: number, family: Family, ttl: number, exceptVif: number | undefined): string[] {
    entry.packets += 1n;
    if (entry.iif !== arrival) {
      entry.wrongIf += 1n;
      return [];
    }
    const { vifs } = this.#tableOf(family);
    const names: string[] = [];
    for (const [vif, threshold] of entry.ttls) {
      const link = this.#links.get(vifs.get(vif) ?? 0);
      if (vif !== exceptVif && link?.isUp === true && ttl > threshold) names.push(link.name);
    }
    return names.sort();
  }

  /** The vif on which the table sees the packet; undefined if the interface or the mrules do not bring it there. */
  #arrivalVif(iifName: string, { family }: Address): number | undefined {
    const link = [...this.#links.values()].find(({ name, isUp }) => name === iifName && isUp);
    const [rule] = this.#mrules
      .filter((each) => each.family === family && each.direction === 'iif' && ['', iifName].includes(each.interface))
      .sort((a, b) => a.priority - b.priority);
    if (link === undefined || rule?.table !== this.#table) return undefined;
    const vifs = [...this.#tableOf(family).vifs].filter(([, ifindex]) => ifindex === link.ifindex);
    // `ipmr_find_vif` begins with the highest.
    return vifs.length === 0 ? undefined : Math.max(...vifs.map(([vif]) => vif));
  }

  /** The first, that is the newest, that has the vif among its ttls (`ipmr_cache_find_any`). */
  #findProxy(group: Address, arrival: number): Entry | undefined {
    return this.#tableOf(group.family)
      .proxies.get(groupKey(group))
      ?.entries.find(({ ttls }) => ttls.has(arrival));
  }

  #onNoCache(source: Address, group: Address, arrival: number): void {
    if (!this.#isAnswering) {
      this.#unread.push({ source, group, arrival });
      this.#tableOf(group.family).unresolved.set(flowKey(source, group), {
        source,
        group,
        arrival,
        isRemembered: false,
      });
      return;
    }
    const { rules, upcallIifs } = this.#upcallRulesOf(group);
    const entry = decideUpcall(rules, upcallIifs, source, arrival);
    if (entry !== undefined) this.#learn('learned', { source, group, ...entry }, arrival);
    else {
      const flow = { source, group, arrival, isRemembered: true };
      this.#tableOf(group.family).unresolved.set(flowKey(source, group), flow);
    }
  }

  #onWrongVif(source: Address, group: Address, arrival: number): void {
    if (!this.#tableOf(group.family).hasWrongVifUpcalls) return;
    const entry = decideMove(this.#upcallRulesOf(group).rules, source, arrival);
    if (entry !== undefined) this.#learn('moved', { source, group, ...entry }, arrival);
  }

  #learn(event: 'learned' | 'moved', flow: LearnedFlow, arrival: number): void {
    this.#putSource(flow);
    this.#tableOf(flow.group.family).learned.add(flowKey(flow.source, flow.group));
    this.#tell({ event, flow, arrival });
  }

  #tell(event: UpcallEvent): void {
    this.#upcalls.push(event);
    this.#handler({ event: 'upcalls' });
  }

  #tellOf(operation: Operation): void {
    const event = newsOf(operation);
    if (event === undefined) return;
    setImmediate(() => {
      this.#handler(event);
    });
  }

  #upcallRulesOf(group: Address): { rules: VifRule[]; upcallIifs: number } {
    const covering = [...this.#tableOf(group.family).upcallRules.values()].filter((each) => holds(each.group, group));
    const exact = covering.find((each) => isHost(each.group) && samePrefix(each.group, hostPrefix(group)));
    const barredVifs = covering.reduce((vifs, each) => vifs | each.barredVifs, 0) >>> 0;
    const rules = covering.flatMap((each) => each.rules);
    return { rules: barRules(rules, barredVifs), upcallIifs: exact?.upcallIifs ?? 0xffffffff };
  }

  /** @returns a code if it is refused */
  #apply(operation: Operation): string | undefined {
    switch (operation.op) {
      case 'add-vif':
        return this.#addVif(operation.family, operation.vif, operation.ifindex);
      case 'delete-vif':
        this.#tableOf(operation.family).vifs.delete(operation.vif);
        return undefined;
      case 'put-mfc': {
        if (operation.iif >= VIF_LIMIT) return 'ENFILE';
        this.#putSource(operation);
        if (operation.isLearned) {
          this.#tableOf(operation.group.family).learned.add(flowKey(operation.source, operation.group));
        }
        return undefined;
      }
      case 'delete-mfc': {
        const { sources, learned } = this.#tableOf(operation.group.family);
        if (operation.isLearned) learned.delete(flowKey(operation.source, operation.group));
        return sources.delete(flowKey(operation.source, operation.group)) ? undefined : 'ENOENT';
      }
      case 'put-proxy':
        return this.#putProxy(operation.group, operation.iif, operation.oifs);
      case 'delete-proxy': {
        const list = this.#tableOf(operation.group.family).proxies.get(groupKey(operation.group));
        const index = list?.entries.findIndex(({ iif }) => iif === operation.iif) ?? -1;
        if (index === -1) return 'ENOENT';
        list?.entries.splice(index, 1);
        return undefined;
      }
      case 'add-mrule':
        if (!this.#mrules.some((rule) => isSameMrule(rule, operation.rule))) this.#mrules.push(operation.rule);
        return undefined;
      case 'delete-mrule':
        this.#mrules = this.#mrules.filter((rule) => !isSameMrule(rule, operation.rule));
        return undefined;
      case 'join':
        if (!this.#links.has(operation.ifindex)) return 'ENODEV';
        this.#joins.set(joinKey(operation.ifindex, operation.group, operation.source), joinOf(operation));
        return undefined;
      case 'leave':
        this.#joins.delete(joinKey(operation.ifindex, operation.group, operation.source));
        return undefined;
    }
  }

  #addVif(family: Family, vif: number, ifindex: number): string | undefined {
    const { vifs } = this.#tableOf(family);
    if (vif >= VIF_LIMIT) return 'ENFILE';
    if (vifs.has(vif)) return 'EADDRINUSE';
    if (!this.#links.has(ifindex)) return 'EADDRNOTAVAIL';
    vifs.set(vif, ifindex);
    return undefined;
  }

  #putSource({ source, group, iif, oifs }: LearnedFlow): void {
    const { sources, unresolved } = this.#tableOf(group.family);
    const key = flowKey(source, group);
    unresolved.delete(key);
    const { packets = 0n, wrongIf = 0n } = sources.get(key) ?? {};
    sources.set(key, { source, group, iif, ttls: this.#ttls(group.family, oifs), packets, wrongIf });
  }

  /** In place if the iif has one; else the newest. */
  #putProxy(group: Address, iif: number, oifs: readonly VifOif[]): string | undefined {
    if (iif >= VIF_LIMIT) return 'ENFILE';
    const { proxies } = this.#tableOf(group.family);
    const list = proxies.get(groupKey(group)) ?? { group, entries: [] };
    proxies.set(groupKey(group), list);
    const index = list.entries.findIndex((entry) => entry.iif === iif);
    const ttls = this.#ttls(group.family, [...oifs, { vif: iif, ttlThreshold: 1 }]);
    const { packets = 0n, wrongIf = 0n } = list.entries[index] ?? {};
    const entry = { iif, ttls, packets, wrongIf };
    if (index === -1) list.entries.unshift(entry);
    else list.entries[index] = entry;
    return undefined;
  }

  /** Oifs of vifs that are not there are left out (`ipmr_update_thresholds`). */
  #ttls(family: Family, oifs: readonly VifOif[]): ReadonlyMap<number, number> {
    const { vifs } = this.#tableOf(family);
    return new Map(oifs.filter(({ vif }) => vifs.has(vif)).map(({ vif, ttlThreshold }) => [vif, ttlThreshold]));
  }

  #tableOf(family: Family): Table {
    const table = this.#tables.get(family);
    if (table === undefined) throw new Error(`${family} is not there`);
    return table;
  }
}

function flowOf({ source, group, iif, ttls }: SourceEntry): LearnedFlow {
  const oifs = Array.from(ttls, ([vif, ttlThreshold]) => ({ vif, ttlThreshold }));
  return { source, group, iif, oifs: oifs.sort((a, b) => a.vif - b.vif) };
}

/** What the kernel tells of an operation, as it tells everyone. */
function newsOf(operation: Operation): KernelEvent | undefined {
  switch (operation.op) {
    case 'add-mrule':
      return { event: 'mrule', rule: operation.rule };
    case 'delete-mrule':
      return { event: 'mrule-gone', rule: operation.rule };
    case 'delete-mfc':
      return { event: 'mfc-gone', source: operation.source, group: operation.group };
    case 'delete-proxy':
      return { event: 'mfc-gone', source: undefined, group: operation.group };
    case 'add-vif':
    case 'delete-vif':
    case 'put-mfc':
    case 'put-proxy':
    case 'join':
    case 'leave':
      return undefined;
  }
}

function groupKey(group: Address): string {
  return String(addressKey(group));
}

function flowKey(source: Address, group: Address): string {
  return `${addressKey(source)} ${addressKey(group)}`;
}

function joinOf({ ifindex, group, source }: Join): Join {
  return { ifindex, group, source };
}

function joinKey(ifindex: number, group: Address, source: Address | undefined): string {
  const sourceText = source === undefined ? '*' : formatPrefix(hostPrefix(source));
  return `${ifindex} ${formatPrefix(hostPrefix(group))} ${sourceText}`;
}

function isSameMrule(a: Mrule, b: Mrule): boolean {
  return (
    a.family === b.family &&
    a.direction === b.direction &&
    a.interface === b.interface &&
    a.table === b.table &&
    a.priority === b.priority
  );
}
