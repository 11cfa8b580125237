// The kernel port on Linux: MRT sockets and joins through the addon, everything else through rtnetlink.
import { readFileSync } from 'node:fs';
import { endianness } from 'node:os';
import type { Family } from '../../model/address.js';
import type { Link } from '../../model/interface.js';
import type { Mrule } from '../../model/mrule.js';
import type { KernelFailure } from '../../model/resource.js';
import { kernelTable } from '../../model/table.js';
import {
  type NetlinkEvent,
  type NetlinkNotifications,
  type NetlinkRequests,
  openNetlinkNotifications,
  openNetlinkRequests,
} from '../netlink/connection.js';
import { addressDumpRequest, parseInterfaceAddress } from '../netlink/address.js';
import { linkDumpRequest, parseLink } from '../netlink/link.js';
import type { NewsKind } from '../netlink/news.js';
import { mfcDumpRequest, parseMfcEntry } from '../netlink/mroute.js';
import { addMruleRequest, deleteMruleRequest, mruleDumpRequest, parseMrule, plainMrule } from '../netlink/rule.js';
import { errorName, kernelFailure, toKernelFailure } from './errors.js';
import { readVifs } from './held-vifs.js';
import { HOST_GROUPS_FILE, parseHostGroups } from './host-groups.js';
import { MembershipPool } from './membership-pool.js';
import { type MfcOperation, nativeFamily, packFlowKeys, packMfcRecords } from './mfc-records.js';
import { type MrouteSocket, type NativeAddon, type UpcallStats, loadNative } from './native.js';
import { SETSOCKOPT, isDone, isLearned, mfcBatch } from './operations.js';
import type {
  Counters,
  FlowKey,
  HeldState,
  KernelEvent,
  KernelPort,
  LearnedFlow,
  LinkAddress,
  MfcDumpEntry,
  Operation,
  UpcallEvent,
  UpcallGroup,
  VifName,
} from './port.js';
import { MRT_SOCKET_NAME, type MrtSockets, type NamedFd, VIF_NAMES_NAME } from './sockets.js';
import { Upcalls } from './upcalls.js';
import { VifNameNote } from './vif-names.js';

export interface LinuxKernelOptions {
  readonly table: number;
  /** One per family that the kernel has. */
  readonly sockets: MrtSockets;
  /** Asks for real-time priority for the thread that answers upcalls. */
  readonly wantsRealtime: boolean;
  /** Other descriptors that an earlier agent of the table left, by the names under which they were kept. */
  readonly handedOver: readonly NamedFd[];
  /** Has descriptors kept beyond the life of this process, under a name; what is kept already stays once. */
  readonly keep: (name: string, fds: readonly number[]) => void;
}

/** MRT_FLUSH bits: mfc, mfc static, vifs, vifs static. */
const FLUSH_ALL = 1 | 2 | 4 | 8;

/** Opens the kernel of one table on sockets that own it. Throws system errors; nothing stays open then. */
export function openLinuxKernel(options: LinuxKernelOptions): LinuxKernel {
  return new LinuxKernel(loadNative(), options);
}

export class LinuxKernel implements KernelPort {
  readonly families: readonly Family[];
  readonly #addon: NativeAddon;
  readonly #table: number;
  readonly #sockets: ReadonlyMap<Family, MrouteSocket>;
  readonly #upcalls: Upcalls;
  readonly #memberships: MembershipPool;
  readonly #requests: NetlinkRequests;
  readonly #vifNames: VifNameNote;
  readonly #keptNames = new Set<string>();
  readonly #wrongVif = new Map<Family, boolean>();
  #notifications: readonly NetlinkNotifications[] = [];
  #onEvent: (event: KernelEvent) => void = () => undefined;

  constructor(addon: NativeAddon, options: LinuxKernelOptions) {
    this.#addon = addon;
    this.#table = options.table;
    this.families = options.sockets.map(({ family }) => family);
    this.#sockets = new Map(
      options.sockets.map(({ family, fd }) => [family, addon.adoptMrouteSocket(nativeFamily(family), fd)]),
    );
    const keep = (name: string, fd: number) => {
      this.#keptNames.add(name);
      options.keep(name, [fd]);
    };
    for (const { family, fd } of options.sockets) keep(MRT_SOCKET_NAME[family], fd);
    this.#memberships = new MembershipPool(addon, keep);
    this.#vifNames = this.#adopt(options.handedOver, keep);
    this.#requests = openNetlinkRequests(addon);
    this.#upcalls = new Upcalls(addon, this.#sockets, {
      wantsRealtime: options.wantsRealtime,
      onEvents: () => {
        this.#onEvent({ event: 'upcalls' });
      },
    });
  }

  /** Names under which descriptors are kept. */
  get keptNames(): Iterable<string> {
    return this.#keptNames;
  }

  /** Upcalls are answered at real-time priority. */
  get isRealtime(): boolean {
    return this.#upcalls.isRealtime;
  }

  /** Totals of the upcall thread. */
  upcallStats(): UpcallStats {
    return this.#upcalls.stats();
  }

  apply(operations: readonly Operation[]): readonly (KernelFailure | undefined)[] {
    const results: (KernelFailure | undefined)[] = [];
    for (let start = 0; start < operations.length;) {
      const batch = mfcBatch(operations, start);
      if (batch.length > 0) {
        results.push(...this.#applyMfc(batch));
        start += batch.length;
      } else {
        const operation = operations[start++];
        if (operation !== undefined) results.push(this.#attempt(operation));
      }
    }
    return results;
  }

  setUpcallRules(family: Family, groups: readonly UpcallGroup[]): void {
    this.#upcalls.setRules(family, groups);
  }

  setWrongVifUpcalls(family: Family, isOn: boolean): void {
    // At first it is as an earlier agent left it.
    if (this.#wrongVif.get(family) === isOn) return;
    this.#socket(family).setWrongVifUpcalls(isOn);
    this.#wrongVif.set(family, isOn);
  }

  readHeldState(): readonly HeldState[] {
    const names = this.#vifNames.read();
    return this.families.flatMap((family): HeldState[] => {
      const vifs = readVifs(family, kernelTable(this.#table, family), this.#socket(family), this.#requests);
      const groups = parseHostGroups(family, readHostGroups(family));
      return [
        {
          family,
          vifs,
          vifNames: names?.get(family),
          entries: this.listMfc(family),
          joins: this.#memberships.find(family, groups),
        },
      ];
    });
  }

  noteVifNames(family: Family, names: ReadonlyMap<number, VifName>): void {
    this.#vifNames.write(family, names);
  }

  adoptLearned(flows: readonly LearnedFlow[]): void {
    this.#upcalls.adoptLearned(flows);
  }

  adoptUnresolved(flows: readonly FlowKey[]): void {
    this.#upcalls.adoptUnresolved(flows);
  }

  answerUpcalls(): void {
    this.#upcalls.answer();
  }

  drainUpcalls(): readonly UpcallEvent[] {
    return this.#upcalls.drain();
  }

  touchLearned(flows: readonly FlowKey[]): void {
    this.#upcalls.touch(flows);
  }

  countFlows(family: Family, keys: Uint32Array): Uint32Array {
    const counters = this.#socket(family).counters(keys);
    const words = new Uint32Array(counters.buffer, counters.byteOffset, 2 * counters.length);
    return IS_LITTLE_ENDIAN ? words : words.map((_, index) => words[index ^ 1] ?? 0);
  }

  readCounters(family: Family, keys: readonly FlowKey[]): readonly (Counters | undefined)[] {
    const words = this.#socket(family).counters(packFlowKeys(keys));
    return keys.map((_, index) => {
      const [packets = ABSENT, bytes = 0n, wrongIf = 0n] = words.subarray(index * 3, index * 3 + 3);
      return packets === ABSENT ? undefined : { packets, bytes, wrongIf };
    });
  }

  listLinks(): readonly Link[] {
    const news = this.#requests.dump(linkDumpRequest(), parseLink);
    return news.flatMap((item) => (item.event === 'link' ? [item.link] : []));
  }

  listAddresses(): readonly LinkAddress[] {
    const news = this.families.flatMap((family) =>
      this.#requests.dump(addressDumpRequest(family), parseInterfaceAddress),
    );
    return news.flatMap(({ address }) => (address.isUsable ? [address] : []));
  }

  listMrules(): readonly Mrule[] {
    return this.families.flatMap((family) =>
      this.#requests.dump(mruleDumpRequest(family), parseMrule).flatMap(({ rule }) => plainMrule(rule) ?? []),
    );
  }

  listMfc(family: Family): readonly MfcDumpEntry[] {
    return this.#requests
      .dump(mfcDumpRequest(family, kernelTable(this.#table, family)), parseMfcEntry)
      .map(({ entry }) => entry);
  }

  readSetting(family: Family, interfaceName: string, setting: 'rp_filter' | 'disable_ipv6'): number | undefined {
    try {
      const value = readFileSync(`/proc/sys/net/${family}/conf/${interfaceName}/${setting}`, 'latin1');
      return Number(value);
    } catch {
      // Gone with its interface, or not there in this kernel.
      return undefined;
    }
  }

  flush(): void {
    for (const socket of this.#sockets.values()) socket.flush(FLUSH_ALL);
    this.#memberships.close();
  }

  onEvent(handler: (event: KernelEvent) => void): void {
    this.#onEvent = handler;
    const open = (kinds: readonly NewsKind[], of: 'mfc' | 'all', tables?: readonly number[]) =>
      openNetlinkNotifications(
        this.#addon,
        kinds,
        (events) => {
          for (const event of events) this.#report(event, of);
        },
        tables,
      );
    // Deleting many entries overflows the buffer of their news, and must not make that of interfaces be lost. Of other tables
    // nothing comes: they may delete very many.
    const tables = new Set(this.families.map((family) => kernelTable(this.#table, family)));
    this.#notifications = [open(KINDS_OF_CONFIGURATION, 'all'), open(KINDS_OF_MFC, 'mfc', [...tables])];
  }

  close(): void {
    this.#onEvent = () => undefined;
    for (const notifications of this.#notifications) notifications.close();
    this.#upcalls.stop();
    this.#memberships.close();
    this.#requests.close();
    for (const socket of this.#sockets.values()) socket.close();
    this.#addon.closeDescriptor(this.#vifNames.fd);
  }

  /** Takes over joins and the note of vif names, or begins a note. */
  #adopt(handedOver: readonly NamedFd[], keep: (name: string, fd: number) => void): VifNameNote {
    let note: number | undefined;
    for (const { name, fd } of handedOver) {
      this.#addon.setCloseOnExec(fd);
      if (name === VIF_NAMES_NAME) note = fd;
      else if (this.#memberships.adopt(name, fd)) keep(name, fd);
      else this.#addon.closeDescriptor(fd);
    }
    note ??= this.#addon.createMemoryFile('mcroute vif names');
    keep(VIF_NAMES_NAME, note);
    return new VifNameNote(note);
  }

  #socket(family: Family): MrouteSocket {
    const socket = this.#sockets.get(family);
    if (socket === undefined) throw new Error(`bug: there is no ${family} socket`);
    return socket;
  }

  #attempt(operation: Operation): KernelFailure | undefined {
    try {
      this.#run(operation);
      return undefined;
    } catch (error) {
      return isDone(operation, error) ? undefined : toKernelFailure(error);
    }
  }

  #run(operation: Operation): void {
    switch (operation.op) {
      case 'add-vif':
        this.#socket(operation.family).addVif(operation.vif, operation.ifindex);
        return;
      case 'delete-vif':
        this.#socket(operation.family).deleteVif(operation.vif);
        return;
      case 'add-mrule':
        this.#requests.execute(addMruleRequest(operation.rule));
        return;
      case 'delete-mrule':
        this.#requests.execute(deleteMruleRequest(operation.rule));
        return;
      case 'join':
        this.#memberships.join(operation.ifindex, operation.group, operation.source);
        return;
      case 'leave':
        this.#memberships.leave(operation.ifindex, operation.group, operation.source);
        return;
      case 'put-mfc':
      case 'delete-mfc':
      case 'put-proxy':
      case 'delete-proxy':
        throw new Error('bug: mfc operations go in batches');
    }
  }

  #applyMfc(batch: readonly MfcOperation[]): (KernelFailure | undefined)[] {
    const [first] = batch;
    if (first === undefined) return [];
    const records = packMfcRecords(batch);
    const { family } = first.group;
    const errnos = isLearned(first)
      ? this.#upcalls.applyLearned(family, records)
      : this.#socket(family).applyMfc(records);
    return batch.map((operation, index) => {
      const errno = errnos[index] ?? 0;
      if (errno === 0) return undefined;
      return kernelFailure(errorName(errno), `setsockopt(${SETSOCKOPT[operation.op]})`);
    });
  }

  #report(event: NetlinkEvent, of: 'all' | 'mfc'): void {
    switch (event.event) {
      case 'link':
      case 'link-gone':
        this.#onEvent(event);
        return;
      case 'mrule':
      case 'mrule-gone': {
        const rule = plainMrule(event.rule);
        if (rule !== undefined) this.#onEvent({ event: event.event, rule });
        return;
      }
      case 'mfc-gone': {
        const { table, source, group, isUnresolved } = event.entry;
        if (table === kernelTable(this.#table, group.family) && !isUnresolved)
          this.#onEvent({ event: 'mfc-gone', source, group });
        return;
      }
      case 'resync':
        this.#onEvent({ event: 'resync', of });
        return;
      case 'netconf':
        this.#onEvent({ event: 'settings' });
        return;
      case 'address':
      case 'address-gone':
        this.#onEvent({ event: 'addresses' });
        return;
      case 'mfc':
        return;
    }
  }
}

const KINDS_OF_CONFIGURATION: readonly NewsKind[] = [
  'link',
  'link-gone',
  'address',
  'address-gone',
  'mrule',
  'mrule-gone',
  'netconf',
];
const KINDS_OF_MFC: readonly NewsKind[] = ['mfc-gone'];

/** Where of a 64-bit number the lower word stands first. */
const IS_LITTLE_ENDIAN = endianness() === 'LE';

/** Counters of what is not there. */
const ABSENT = 0xffff_ffff_ffff_ffffn;

/** Without the family there are no joins of it either. */
function readHostGroups(family: Family): string {
  try {
    return readFileSync(HOST_GROUPS_FILE[family], 'latin1');
  } catch {
    return '';
  }
}
