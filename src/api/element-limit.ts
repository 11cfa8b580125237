// Bounds what decoding a request may cost. A message of a few bytes decodes to an object of hundreds, so a limit of bytes
// alone lets 16 MiB of empty elements become gigabytes; they are counted on the bytes, before anything is made of them.

/** The fields of a message that are messages, by number, with their own such fields. */
export interface MessageShape {
  readonly [field: number]: MessageShape;
}

/** Requests smaller than this are not worth counting: so many elements do no harm. */
const COUNTED_FROM_BYTES = 64 * 1024;

const NO_MESSAGES: MessageShape = {};
/** Key, oifs, and the excepts, which are texts and counted all the same. */
const MROUTE: MessageShape = { 1: NO_MESSAGES, 2: NO_MESSAGES, 3: NO_MESSAGES };
/** Key, and the boundaries. */
const INTERFACE: MessageShape = { 1: NO_MESSAGES, 6: NO_MESSAGES };
const RESOURCE: MessageShape = { 1: MROUTE, 2: { 1: NO_MESSAGES }, 3: INTERFACE };
const RESOURCE_KEY: MessageShape = { 1: NO_MESSAGES, 2: NO_MESSAGES, 3: NO_MESSAGES };
const CHANGE: MessageShape = { 2: RESOURCE, 3: RESOURCE_KEY, 4: MROUTE, 5: MROUTE, 6: RESOURCE_KEY };

/** Shapes of the requests that may be large (proto/mcroute/v1/routing_service.proto). */
export const APPLY_REQUEST: MessageShape = { 3: CHANGE };
export const REPLACE_REQUEST: MessageShape = { 3: RESOURCE };
export const MODIFY_REQUEST: MessageShape = { 3: { 1: CHANGE } };
/** The same, as far as it tells how many changes there are. */
export const MODIFY_CHANGES: MessageShape = { 3: { 1: NO_MESSAGES } };

/** Elements of a message, those within elements included. */
export function countElements(bytes: Uint8Array, shape: MessageShape): number {
  return bytes.length < COUNTED_FROM_BYTES ? 0 : new Counter(bytes).count(0, bytes.length, shape);
}

/** Walks a message in the wire format. What is malformed ends the walk: the decoder refuses it anyway. */
class Counter {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  count(start: number, end: number, shape: MessageShape): number {
    let elements = 0;
    this.#at = start;
    while (this.#at < end) {
      const tag = this.#varint();
      switch (tag & 7) {
        case WIRE_TYPE.varint:
          this.#varint();
          break;
        case WIRE_TYPE.fixed64:
          this.#at += 8;
          break;
        case WIRE_TYPE.bytes: {
          const length = this.#varint();
          const next = this.#at + length;
          const inner = shape[tag >>> 3];
          if (inner !== undefined) elements += 1 + this.count(this.#at, Math.min(next, end), inner);
          this.#at = next;
          break;
        }
        case WIRE_TYPE.fixed32:
          this.#at += 4;
          break;
        default:
          this.#at = end;
      }
    }
    return elements;
  }

  /** The low 32 bits: tags and lengths have no more. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#at++] ?? 0;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value >>> 0;
  }
}

/** Wire types of the encoding of Protocol Buffers. */
const WIRE_TYPE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
