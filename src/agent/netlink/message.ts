// Netlink messages: the header, what ends an answer, and the bytes they are made of (linux/netlink.h).
import { type Attribute, type Attributes, encodeAttributes, parseAttributes, readText, readU32 } from './attribute.js';
import { LITTLE_ENDIAN, NetlinkFormatError, align, fixedPart } from './bytes.js';

/** Bytes of struct nlmsghdr. */
const HEADER = 16;

/** Types below are of netlink itself, NLMSG_MIN_TYPE. */
export const NLMSG = { error: 2, done: 3 } as const;

/** nlmsg_flags. */
export const NLM_F = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  dump: 0x300,
  exclusive: 0x200,
  create: 0x400,
  capped: 0x100,
  ackAttributes: 0x200,
} as const;

/** One message of a datagram. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  /** That of the request it answers; of news, that of the request that caused them. */
  readonly sequence: number;
  /** Address of the socket whose request it answers or was caused by; 0 is the kernel. */
  readonly portId: number;
  /** Shares memory with the datagram. */
  readonly payload: Uint8Array;
}

/** Something to ask the kernel. The connection adds sequence and address, NLM_F_REQUEST and, but for dumps, NLM_F_ACK. */
export interface NetlinkRequest {
  /** The kernel's name of the type, such as `RTM_NEWRULE`, for errors. */
  readonly name: string;
  readonly type: number;
  /** NLM_F_DUMP, or what modifies a request to make something. */
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** How the kernel ended its answer: NLMSG_ERROR or NLMSG_DONE, with what the extended ack adds. */
export interface Acknowledgement {
  /** Positive; 0 is success. */
  readonly errno: number;
  /** NLMSGERR_ATTR_MSG: a sentence for people. A success may have one too, as a warning. */
  readonly text: string | undefined;
  /** NLMSGERR_ATTR_OFFS: where the offending attribute stands in the request, in bytes from its header. */
  readonly offset: number | undefined;
}

/** The bytes of one message. */
export function encodeMessage(message: NetlinkMessage): Uint8Array {
  const bytes = new Uint8Array(align(HEADER + message.payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, HEADER + message.payload.length, LITTLE_ENDIAN);
  view.setUint16(4, message.type, LITTLE_ENDIAN);
  view.setUint16(6, message.flags, LITTLE_ENDIAN);
  view.setUint32(8, message.sequence, LITTLE_ENDIAN);
  view.setUint32(12, message.portId, LITTLE_ENDIAN);
  bytes.set(message.payload, HEADER);
  return bytes;
}

/** A payload: the fixed part of its kind (`struct rtmsg` and the like), then attributes. */
export function encodePayload(fixed: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  const encoded = encodeAttributes(attributes);
  const bytes = new Uint8Array(align(fixed.length) + encoded.length);
  bytes.set(fixed);
  bytes.set(encoded, align(fixed.length));
  return bytes;
}

/**
 * The messages of a datagram.
 *
 * @throws NetlinkFormatError if a length does not fit.
 */
export function parseDatagram(datagram: Uint8Array): readonly NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  let start = 0;
  while (start < datagram.length) {
    const left = datagram.length - start;
    const length = left < HEADER ? 0 : view.getUint32(start, LITTLE_ENDIAN);
    if (length < HEADER || length > left) {
      throw new NetlinkFormatError(`a message of ${length} bytes where ${left} are left`);
    }
    messages.push({
      type: view.getUint16(start + 4, LITTLE_ENDIAN),
      flags: view.getUint16(start + 6, LITTLE_ENDIAN),
      sequence: view.getUint32(start + 8, LITTLE_ENDIAN),
      portId: view.getUint32(start + 12, LITTLE_ENDIAN),
      payload: datagram.subarray(start + HEADER, start + length),
    });
    start += align(length);
  }
  return messages;
}

/**
 * What an NLMSG_ERROR or NLMSG_DONE says; undefined for any other message, which is part of the answer.
 *
 * @throws NetlinkFormatError if it is cut short.
 */
export function parseAcknowledgement(message: NetlinkMessage): Acknowledgement | undefined {
  switch (message.type) {
    case NLMSG.error:
      return acknowledgement(message, errorLength(message));
    case NLMSG.done:
      // `netlink_dump_done` gives it the errno of the dump; a dump's end without it is a success.
      return message.payload.length === 0 ? SUCCESS : acknowledgement(message, 4);
    default:
      return undefined;
  }
}

const SUCCESS: Acknowledgement = { errno: 0, text: undefined, offset: undefined };
const NLMSGERR_ATTR = { text: 1, offset: 2 } as const;

/** Where the attributes of an NLMSG_ERROR begin: after struct nlmsgerr and, unless capped, the rest of the request. */
function errorLength(message: NetlinkMessage): number {
  const error = fixedPart(message.payload, 4 + HEADER, 'struct nlmsgerr');
  const isCapped = (message.flags & NLM_F.capped) !== 0 || error.getInt32(0, LITTLE_ENDIAN) === 0;
  return 4 + (isCapped ? HEADER : align(error.getUint32(4, LITTLE_ENDIAN)));
}

function acknowledgement(message: NetlinkMessage, length: number): Acknowledgement {
  const errno = -fixedPart(message.payload, 4, 'an errno').getInt32(0, LITTLE_ENDIAN);
  // 0 - 0 and not -0, which deepEqual and Map keys tell apart.
  if ((message.flags & NLM_F.ackAttributes) === 0) return { ...SUCCESS, errno: errno === 0 ? 0 : errno };
  const attributes: Attributes = parseAttributes(message.payload, length);
  const text = attributes.get(NLMSGERR_ATTR.text);
  const offset = attributes.get(NLMSGERR_ATTR.offset);
  return {
    errno: errno === 0 ? 0 : errno,
    text: text === undefined ? undefined : readText(text),
    offset: offset === undefined ? undefined : readU32(offset),
  };
}
