// What a test and its traffic worker say to each other, and what is in the packets.

/** UDP port of test traffic where none is named. */
export const TRAFFIC_PORT = 5_001;

export interface SendOptions {
  /** In the worker's namespace, by name. */
  readonly interface: string;
  /** Of either family, also mixed; the packets go to them in turn. */
  readonly groups: readonly string[];
  /** Packets per second, all groups together; after a delay it catches up. */
  readonly rate: number;
  /** Packets to each group; until `stop` if left out. */
  readonly count?: number;
  /** TTL or hop limit, 1..255; 16 if left out. */
  readonly ttl?: number;
  readonly port?: number;
  readonly sourcePort?: number;
  /** An address of the interface; its first global one of the family if left out. */
  readonly source?: string;
}

export interface ReceiveOptions {
  /** In the worker's namespace, by name. */
  readonly interface: string;
  /** Of either family, also mixed; joined on the interface, at most about 2000 of a family (optmem_max). */
  readonly groups: readonly string[];
  /** Joins for this source only (SSM). */
  readonly source?: string;
  readonly port?: number;
}

/** What was sent to a group. */
export interface SentStream {
  readonly source: string;
  readonly group: string;
  readonly sent: number;
}

export interface SendReport {
  readonly streams: readonly SentStream[];
  /** Packets that the kernel refused, such as by ENETUNREACH; they count as sent. */
  readonly refused: number;
}

/** What arrived of one source for one group. */
export interface ReceivedStream {
  readonly source: string;
  readonly group: string;
  /** Different packets. */
  readonly received: number;
  /** Numbers that are missing between the first and the last one. */
  readonly lost: number;
  /** Packets that arrived once more. */
  readonly duplicated: number;
  /** Packets that arrived after one with a higher number. */
  readonly reordered: number;
  /** Lowest and highest number; the first that is sent is 0. */
  readonly first: number;
  readonly last: number;
  /** Longest time between two packets, in milliseconds. */
  readonly longestGapMs: number;
}

export interface ReceiveReport {
  /** Ordered by group, then by source. */
  readonly streams: readonly ReceivedStream[];
  /** Packets that the receiver's own full socket dropped: loss that is the test's, not the network's. */
  readonly socketDrops: number;
}

/** How far a receiver's stream has got. */
export interface Progress {
  readonly source: string;
  readonly group: string;
  /** The highest number seen is at least this. */
  readonly last: number;
}

export type Command =
  | { readonly do: 'send'; readonly options: SendOptions }
  | { readonly do: 'receive'; readonly options: ReceiveOptions }
  /** Answered when the sender has sent its count, or has been stopped. */
  | { readonly do: 'finish-sending'; readonly handle: number }
  | { readonly do: 'stop-sending'; readonly handle: number }
  | { readonly do: 'report-sending'; readonly handle: number }
  /** Answered when that many packets have arrived, of all streams together. */
  | { readonly do: 'await-packets'; readonly handle: number; readonly packets: number }
  | { readonly do: 'await-progress'; readonly handle: number; readonly progress: readonly Progress[] }
  | { readonly do: 'report'; readonly handle: number }
  | { readonly do: 'close'; readonly handle: number };

export interface Request {
  readonly id: number;
  readonly command: Command;
}

/** The answer to a request; `result` is what the command gives. */
export type Reply =
  | { readonly id: number; readonly result: number | SendReport | ReceiveReport | undefined }
  | { readonly id: number; readonly error: string };

/** Payload of a packet: magic, number and the group it was sent to (a socket is not told that by Node). */
export function encodePayload(number: number, group: string): Buffer {
  const payload = Buffer.alloc(HEADER_BYTES + group.length);
  payload.writeUInt32BE(MAGIC, 0);
  payload.writeUInt32BE(number, 4);
  payload.write(group, HEADER_BYTES, 'latin1');
  return payload;
}

/** Undefined if it is not test traffic. */
export function decodePayload(payload: Buffer): { readonly number: number; readonly group: string } | undefined {
  if (payload.length <= HEADER_BYTES || payload.readUInt32BE(0) !== MAGIC) return undefined;
  return { number: payload.readUInt32BE(4), group: payload.toString('latin1', HEADER_BYTES) };
}

const MAGIC = 0x6d637274;
const HEADER_BYTES = 8;
