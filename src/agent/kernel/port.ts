// What the core asks of a kernel and hears from it, in the core's words. Types only: the Linux adapter and the fake
// of the tests implement them, and one contract suite runs against both.
import type { Address, Family, Prefix } from '../../model/address.js';
import type { Link } from '../../model/interface.js';
import type { Mrule } from '../../model/mrule.js';
import type { KernelFailure } from '../../model/resource.js';

/** An oif of an mfc entry. */
export interface VifOif {
  /** 0..31. */
  readonly vif: number;
  /** Packets with a TTL above it leave, 1..254. IPv6 has none: always 1. */
  readonly ttlThreshold: number;
}

/** One step of the kernel. All are idempotent in effect except where said. */
export type Operation =
  | { readonly op: 'add-vif'; readonly family: Family; readonly vif: number; readonly ifindex: number }
  | { readonly op: 'delete-vif'; readonly family: Family; readonly vif: number }
  /** Makes or changes in place the (S,G) entry. `isLearned`: it is on the upcall thread's list of learned entries. */
  | {
      readonly op: 'put-mfc';
      readonly source: Address;
      readonly group: Address;
      readonly iif: number;
      /** Ordered by vif. */
      readonly oifs: readonly VifOif[];
      readonly isLearned: boolean;
    }
  | { readonly op: 'delete-mfc'; readonly source: Address; readonly group: Address; readonly isLearned: boolean }
  /** Makes the (*,G) entry of this iif the newest one of the group, or changes it in place. `oifs` are without the iif. */
  | { readonly op: 'put-proxy'; readonly group: Address; readonly iif: number; readonly oifs: readonly VifOif[] }
  | { readonly op: 'delete-proxy'; readonly group: Address; readonly iif: number }
  | { readonly op: 'add-mrule'; readonly rule: Mrule }
  | { readonly op: 'delete-mrule'; readonly rule: Mrule }
  | { readonly op: 'join'; readonly ifindex: number; readonly group: Address; readonly source: Address | undefined }
  | { readonly op: 'leave'; readonly ifindex: number; readonly group: Address; readonly source: Address | undefined };

/** A rule with its names resolved to vifs: what the upcall thread answers from. */
export interface VifRule {
  readonly iif: number;
  /** Length 0 is any. */
  readonly source: Prefix;
  readonly except: readonly Prefix[];
  readonly group: Prefix;
  readonly deny: boolean;
  /** Ordered by vif. */
  readonly oifs: readonly VifOif[];
}

/** What holds for exactly this group prefix; the upcall thread unites that of all prefixes that hold a group. */
export interface UpcallGroup {
  readonly group: Prefix;
  /** Bit set of the vifs whose flows are answered by (S,G) entries; for a prefix, all. */
  readonly upcallIifs: number;
  /** Bit set of the vifs where packets of these groups neither enter nor leave, whatever rules of any prefix say. */
  readonly barredVifs: number;
  /** Empty, and no barred vifs: forget the prefix. */
  readonly rules: readonly VifRule[];
}

/** An mfc entry that the upcall thread made. */
export interface LearnedFlow {
  readonly source: Address;
  readonly group: Address;
  readonly iif: number;
  readonly oifs: readonly VifOif[];
}

/** What the upcall thread did. */
export type UpcallEvent =
  | { readonly event: 'learned' | 'moved'; readonly flow: LearnedFlow; readonly arrival: number }
  | { readonly event: 'evicted'; readonly source: Address; readonly group: Address }
  | { readonly event: 'failed'; readonly source: Address; readonly group: Address; readonly failure: KernelFailure }
  /** Events were lost: `flows` are all learned entries of both families as they are now. */
  | { readonly event: 'resync'; readonly flows: readonly LearnedFlow[] };

/** An entry as the kernel has it. */
export interface MfcDumpEntry {
  /** Undefined for a (*,G) entry. */
  readonly source: Address | undefined;
  readonly group: Address;
  /** Interfaces by ifindex: the dump knows no vifs. Undefined: unresolved, or its interface is gone. */
  readonly iif: number | undefined;
  readonly oifs: readonly { readonly ifindex: number; readonly ttlThreshold: number }[];
  readonly isUnresolved: boolean;
}

/** What the kernel counted. */
export interface Counters {
  /** Matched, also those on a wrong interface. */
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly wrongIf: bigint;
}

/** A key of `readCounters`; source undefined is the (*,G) entry. */
export interface FlowKey {
  readonly source: Address | undefined;
  readonly group: Address;
}

/** A membership on one interface; without a source ASM, else SSM. */
export interface Join {
  readonly ifindex: number;
  readonly group: Address;
  readonly source: Address | undefined;
}

/** A name that a vif number belongs to. */
export interface VifName {
  readonly name: string;
  /** No entry in the kernel has the number: its interface is away, and they have been written without it. */
  readonly isUnused: boolean;
}

/** What the kernel still holds of an earlier agent of the table, of one family. */
export interface HeldState {
  readonly family: Family;
  /** Ifindex of each vif that is there, by number. */
  readonly vifs: ReadonlyMap<number, number>;
  /**
   * Names that vif numbers belonged to, as that agent noted them; those that are not among `vifs` are of interfaces that
   * went. Undefined: it left no note.
   */
  readonly vifNames: ReadonlyMap<number, VifName> | undefined;
  /** (*,G) entries of one group from the oldest to the newest. */
  readonly entries: readonly MfcDumpEntry[];
  readonly joins: readonly Join[];
}

/** An address that an interface has. */
export interface LinkAddress {
  readonly ifindex: number;
  readonly address: Address;
}

/** What the kernel says on its own. Handlers set state and ask for a turn; they never act inside the event. */
export type KernelEvent =
  | { readonly event: 'link'; readonly link: Link }
  | { readonly event: 'link-gone'; readonly ifindex: number }
  | { readonly event: 'mrule'; readonly rule: Mrule }
  | { readonly event: 'mrule-gone'; readonly rule: Mrule }
  /** An entry of our table went without us. */
  | { readonly event: 'mfc-gone'; readonly source: Address | undefined; readonly group: Address }
  /** Some interface has other addresses. */
  | { readonly event: 'addresses' }
  /** A setting of some interface changed, such as rp_filter. */
  | { readonly event: 'settings' }
  /** Learned flows wait: `drainUpcalls`. */
  | { readonly event: 'upcalls' }
  /** Notifications were lost: read everything again. `mfc`: only such of entries. */
  | { readonly event: 'resync'; readonly of: 'all' | 'mfc' };

/** The kernel, as one table sees it. */
export interface KernelPort {
  /** Families whose MRT socket is there. */
  readonly families: readonly Family[];
  /**
   * Runs operations in order, all of them whatever becomes of one; the result of each, undefined if it was taken.
   * Deleting an entry that is not there is answered with ENOENT.
   */
  apply(operations: readonly Operation[]): readonly (KernelFailure | undefined)[];
  /**
   * Replaces the upcall thread's rules of these group prefixes. Returns when every later answer is by them, and so are
   * those to flows that were left alone before, about which the kernel asks no more.
   */
  setUpcallRules(family: Family, groups: readonly UpcallGroup[]): void;
  /** WRONGVIF upcalls, so that a source that moves to another iif is followed. Nothing happens if it is so already. */
  setWrongVifUpcalls(family: Family, isOn: boolean): void;
  /**
   * What an earlier agent of the table left, where its sockets were handed over; nothing of families whose socket is new.
   * To be asked before anything is changed.
   */
  readHeldState(): readonly HeldState[];
  /** Notes which name has which vif number, for the agent that comes after this one. */
  noteVifNames(family: Family, names: ReadonlyMap<number, VifName>): void;
  /** Puts entries that the kernel has already on the upcall thread's list. */
  adoptLearned(flows: readonly LearnedFlow[]): void;
  /**
   * Flows that wait for an answer since before this agent: whoever read the upcall may have ended before it could answer,
   * and the kernel asks no more. They are answered by the rules that are given next.
   */
  adoptUnresolved(flows: readonly FlowKey[]): void;
  /** Begins to answer upcalls. Those that came before have waited, and are answered by the rules given until now. */
  answerUpcalls(): void;
  /** What the upcall thread has done since the last call. */
  drainUpcalls(): readonly UpcallEvent[];
  /** Tells the upcall thread which learned flows are in use, so that idle ones are evicted first. */
  touchLearned(flows: readonly FlowKey[]): void;
  /**
   * Counters of many entries at once.
   *
   * @param keys eight words each: source and group, most significant first, IPv4 in the first of four; the (*,G) entry has
   * a source of zeros
   * @returns six words each: packets, bytes, wrongIf, of each the lower word first; all ones where there is no such entry
   */
  countFlows(family: Family, keys: Uint32Array): Uint32Array;
  /** The same for few. Undefined where there is no such entry. */
  readCounters(family: Family, keys: readonly FlowKey[]): readonly (Counters | undefined)[];
  listLinks(): readonly Link[];
  /** Addresses that can be sent from, those of one interface in the kernel's order: primary ones first. */
  listAddresses(): readonly LinkAddress[];
  /** All mrules of the families that are there, of every table. */
  listMrules(): readonly Mrule[];
  /** The kernel's forwarding cache of our table. */
  listMfc(family: Family): readonly MfcDumpEntry[];
  /** A sysctl of an interface, such as rp_filter; undefined if it cannot be read. `all` is an interface here. */
  readSetting(family: Family, interfaceName: string, setting: 'rp_filter' | 'disable_ipv6'): number | undefined;
  /** Removes everything the table holds: entries, vifs, joins. The mrules go by `apply`. */
  flush(): void;
  /** At most one handler; set once. */
  onEvent(handler: (event: KernelEvent) => void): void;
  close(): void;
}
