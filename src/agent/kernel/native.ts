// The native addon, typed: structs and descriptors only. What the words mean is told once, here.
import { type RuntimeAddon, loadAddon } from '../../runtime/native.js';

/** An address family as the addon has it. */
export type NativeFamily = 4 | 6;

/** Records of one native call; a call blocks the event loop. */
export const RECORDS_PER_CALL = 1_000;

/** Words of one record of `MrouteSocket.applyMfc`: operation, parent, source 4, group 4, ttls 8. */
export const MFC_RECORD_WORDS = 18;

/** First word of an mfc record. */
export const MFC_OPERATION = { put: 1, delete: 2, putProxy: 3, deleteProxy: 4 } as const;

/** Words of one key of `MrouteSocket.counters`, `UpcallThread.touch`: source 4, group 4. */
export const FLOW_KEY_WORDS = 8;

/** Words of one event of `UpcallThread.drain` and one row of `UpcallThread.learned`. */
export const UPCALL_EVENT_WORDS = 20;

/** Word 0 of an upcall event. */
export const UPCALL_EVENT = { learned: 1, moved: 2, evicted: 3, failed: 4, unresolved: 5 } as const;

/**
 * An MRT socket that owns one table of one family. Each method throws a system error (`code`, `errno`, `syscall` such
 * as `setsockopt(MRT_ADD_VIF)`) when the kernel refuses.
 */
export interface MrouteSocket {
  readonly family: NativeFamily;
  readonly fd: number;
  /** MRT_ADD_VIF with VIFF_USE_IFINDEX and threshold 1, MRT6_ADD_MIF. */
  addVif(vif: number, ifindex: number): void;
  /** MRT_DEL_VIF, MRT6_DEL_MIF. */
  deleteVif(vif: number): void;
  /**
   * Applies records in order, one setsockopt each, and goes on after an error. A record is MFC_RECORD_WORDS words:
   * operation, parent vif, source (4 words in host order; IPv4 uses the first), group (4 words), ttls (8 words: 32
   * bytes, ttls[n] is byte n & 3 of word n >> 2, least significant first; 0 is no oif; IPv6 takes any other value as
   * an oif). Proxy records ignore the source.
   *
   * @returns an errno for each record, 0 if it was taken.
   */
  applyMfc(records: Uint32Array): Int32Array;
  /**
   * SIOCGETSGCNT, SIOCGETSGCNT_IN6 for each key of FLOW_KEY_WORDS words; a zero source is the (*,G) entry.
   *
   * @returns packets, bytes, wrong_if for each key; three times 2^64-1 where there is no such entry.
   */
  counters(keys: Uint32Array): BigUint64Array;
  /** SIOCGETVIFCNT, SIOCGETMIFCNT_IN6: in packets, in bytes, out packets, out bytes; undefined if there is no such vif. */
  vifCounters(vif: number): BigUint64Array | undefined;
  /** MRT_FLUSH, MRT6_FLUSH with the kernel's bits: 1 mfc, 2 mfc static, 4 vifs, 8 vifs static. */
  flush(what: number): void;
  /** MRT_PIM, MRT6_PIM: WRONGVIF upcalls for arrivals on every vif, at most one per 3 s and entry. */
  setWrongVifUpcalls(isOn: boolean): void;
  /** Packets dropped because the receive buffer was full (SK_MEMINFO_DROPS). */
  drops(): number;
  close(): void;
}

/** What a socket of joins can do. Joins end with the socket. */
export interface MembershipSocket {
  readonly family: NativeFamily;
  readonly fd: number;
  /** MCAST_JOIN_GROUP or, with a source, MCAST_JOIN_SOURCE_GROUP; addresses as 4 words. Throws ENOBUFS or ENOMEM when the socket is full. */
  join(ifindex: number, group: Uint32Array, source?: Uint32Array): void;
  /** MCAST_LEAVE_GROUP or MCAST_LEAVE_SOURCE_GROUP. */
  leave(ifindex: number, group: Uint32Array, source?: Uint32Array): void;
  /**
   * MCAST_MSFILTER: what the socket has joined of the group on the interface. Its sources, 4 words each; none for a join
   * of any source; undefined if it has not joined.
   */
  sources(ifindex: number, group: Uint32Array): Uint32Array | undefined;
  close(): void;
}

/** A message of IGMP or ICMPv6 that came in. */
export interface ReceivedMessage {
  readonly ifindex: number;
  /** 4 words. */
  readonly source: Uint32Array;
  /** TTL or hop limit. */
  readonly hopLimit: number;
  /** Behind the IP header. The checksum of ICMPv6 is right, that of IGMP was not looked at. */
  readonly payload: Uint8Array;
}

/**
 * A raw socket of IGMP or ICMPv6 that is no MRT socket. What it sends has TTL 1, a router alert, and comes to this host
 * too.
 */
export interface SignallingSocket {
  readonly family: NativeFamily;
  readonly fd: number;
  /** Lets messages of these types in, by a filter in the kernel, and no others; at most 64. */
  acceptTypes(types: readonly number[]): void;
  /** Sends a message to a group from an address of the interface; addresses as 4 words. The kernel adds ICMPv6 checksums. */
  send(ifindex: number, source: Uint32Array, destination: Uint32Array, payload: Uint8Array): void;
  /** One message, without waiting; undefined if there is none. Damaged ones are thrown away. */
  receive(): ReceivedMessage | undefined;
  /** Calls back when messages can be read; one call at a time, until `close`. */
  onReadable(callback: () => void): void;
  close(): void;
}

/** A packet socket (packet(7)) that only sends: packets with a header of IP, and one of the link that the kernel makes. */
export interface PacketSocket {
  readonly fd: number;
  /** `linkAddress` is what the interface takes for a destination: 1 to 8 bytes. */
  send(ifindex: number, ethertype: number, linkAddress: Uint8Array, packet: Uint8Array): void;
  close(): void;
}

/** A NETLINK_ROUTE socket: bytes in, bytes out. NETLINK_GET_STRICT_CHK, NETLINK_EXT_ACK and NETLINK_CAP_ACK are on. */
export interface NetlinkSocket {
  readonly fd: number;
  /** The address the kernel gave it; replies carry it. */
  readonly portId: number;
  /**
   * Keeps messages of these types (nlmsg_type) only, by a filter in the kernel: others cost nothing and fill no buffer.
   * At most 64.
   *
   * @param tables of messages about multicast routes only those of these tables, 8 at most; undefined: of all
   */
  acceptTypes(types: readonly number[], tables?: readonly number[]): void;
  /** NETLINK_ADD_MEMBERSHIP. */
  joinGroup(group: number): void;
  send(message: Uint8Array): void;
  /**
   * One datagram, without waiting; undefined if there is none. The sender is checked to be the kernel. Throws ENOBUFS
   * when datagrams were lost and EMSGSIZE when one was cut off.
   */
  receive(): Uint8Array | undefined;
  /** Calls back when datagrams can be read; one call at a time, until `close`. Read till `receive` gives undefined. */
  onReadable(callback: () => void): void;
  close(): void;
}

/**
 * Answers upcalls from its own copy of the rules on a thread of its own (docs/decisions: the upcall thread). It is the
 * only reader of the MRT sockets and the only one that knows all learned entries.
 */
export interface UpcallThread {
  /** Kernel thread id. */
  readonly tid: number;
  /** SCHED_RR was granted. */
  readonly isRealtime: boolean;
  /**
   * Replaces the rules of group prefixes. A record: prefix length, group (4 words), upcall iifs (bit set of the vifs
   * whose flows are answered by (S,G) entries), barred vifs (bit set of those where packets of these groups neither enter
   * nor leave, whatever rules of any prefix say), number of rules, then the rules. A rule: iif vif, flags (bit 0 deny),
   * source prefix length, source (4 words), ttls (8 words, as in applyMfc), number of excepts, then for each its
   * prefix length and 4 words. No rules and no barred vifs: the prefix is forgotten. When this returns every later answer is by the new
   * rules, and what was answered by the old ones is in the ring. So are the new answers to flows of these prefixes that
   * were left alone before, the last 1,024 of a family: the kernel keeps them unresolved for 10 s and asks no more. Where
   * the new rules forward such a source from several iifs, no entry stays, and the kernel asks at its next packet.
   */
  setRules(family: NativeFamily, records: Uint32Array): void;
  /**
   * Applies mfc records (put and delete only) to the kernel and to the list of learned entries in one step with
   * respect to the thread.
   *
   * @returns an errno for each record, 0 if it was taken.
   */
  applyLearned(family: NativeFamily, records: Uint32Array): Int32Array;
  /**
   * Puts entries that the kernel has, such as those of an agent before this one, on the list of learned entries; the
   * kernel is not told. Records as in `applyMfc`, put only.
   */
  adopt(family: NativeFamily, records: Uint32Array): void;
  /**
   * Remembers flows as left alone that the kernel has asked another agent about, which may have read the upcall and not
   * answered it. The rules that `setRules` gives next answer them, as far as they can without knowing the vif.
   */
  adoptUnresolved(family: NativeFamily, keys: Uint32Array): void;
  /** Begins to read upcalls. Those that came before wait in the sockets, and are answered by the rules of then. */
  start(): void;
  /** Moves entries to the young end of the list from which the oldest are evicted. */
  touch(family: NativeFamily, keys: Uint32Array): void;
  /**
   * All learned entries, UPCALL_EVENT_WORDS words each, as in `drain` with word 0 `learned`. For a resync.
   */
  learned(family: NativeFamily): Uint32Array;
  /**
   * Takes the events that wait. UPCALL_EVENT_WORDS words each: kind, family (4, 6), source (4), group (4), parent vif,
   * arrival vif, ttls (8). `failed` has the errno in place of the parent. `evicted` means the entry is gone.
   */
  drain(): Uint32Array;
  /** Totals since the start. */
  stats(): UpcallStats;
  /** Ends and joins the thread; the sockets stay open. */
  stop(): void;
}

/** Totals of an upcall thread since its start. */
export interface UpcallStats {
  /** NOCACHE upcalls read. */
  readonly noCache: bigint;
  /** WRONGVIF upcalls read. */
  readonly wrongVif: bigint;
  /** Entries made with oifs. */
  readonly learned: bigint;
  /** Entries made without oifs. */
  readonly unmatched: bigint;
  /** Entries evicted at a limit. */
  readonly evicted: bigint;
  /** Entries that the kernel refused. */
  readonly failed: bigint;
  /** Upcalls that were left alone. A NOCACHE that `setRules` has answered after all is also among the entries made. */
  readonly unresolved: bigint;
  /** Events that found the ring full; a resync with `learned` is due. */
  readonly droppedEvents: bigint;
  /** Upcalls that found the receive buffer full (SO_RXQ_OVFL), both families. */
  readonly droppedUpcalls: bigint;
}

export interface UpcallOptions {
  /** Most learned entries without oifs, per family. */
  readonly unmatchedLimit: number;
  /** Most learned entries with oifs, per family. */
  readonly learnedLimit: number;
  /** Events that wait at most. */
  readonly ringLimit: number;
  /** Asks for SCHED_RR priority 1. */
  readonly realtime: boolean;
}

/** What the addon exports. */
export interface NativeAddon extends RuntimeAddon {
  /** Opens a raw socket, MRT_TABLE, then MRT_INIT. Any error is thrown and nothing stays open. Needs CAP_NET_RAW and CAP_NET_ADMIN. */
  openMrouteSocket(family: NativeFamily, table: number): MrouteSocket;
  /** Takes over a descriptor that has owned a table since MRT_INIT; it is checked and then closed with the object. */
  adoptMrouteSocket(family: NativeFamily, fd: number): MrouteSocket;
  openMembershipSocket(family: NativeFamily): MembershipSocket;
  adoptMembershipSocket(family: NativeFamily, fd: number): MembershipSocket;
  openNetlinkSocket(): NetlinkSocket;
  /** Takes over a raw socket of IGMP or ICMPv6; it is checked and then closed with the object. */
  adoptSignallingSocket(family: NativeFamily, fd: number): SignallingSocket;
  /** Takes over a packet socket of the type SOCK_DGRAM, likewise. */
  adoptPacketSocket(fd: number): PacketSocket;
  /**
   * Starts the thread, which reads nothing until its `start`. `onEvents` is called on the JavaScript thread, once however
   * many events wait, until they are drained: at once for the first, and 10 ms after the last call for those that follow.
   */
  startUpcallThread(sockets: readonly MrouteSocket[], options: UpcallOptions, onEvents: () => void): UpcallThread;
  /** Gives SCHED_OTHER back to every thread of the process but these; needs no privilege. */
  dropRealtime(exceptTids: readonly number[]): void;
  /** if_nametoindex(3), through SIOCGIFINDEX; 0 if there is none. */
  interfaceIndex(name: string): number;
}

/** The same addon, with all that it has. */
export function loadNative(): NativeAddon {
  return loadAddon() as NativeAddon;
}
