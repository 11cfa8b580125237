// A place in bytes of the wire format of Protocol Buffers. It reads what encoders write, and gives up on all else.

/** What methods give that cannot go on; no length, place or value is negative. */
export const UNUSUAL = -1;

/** Reads one message after the other; every read says where the message ends that it is in. */
export class WireCursor {
  bytes: Buffer = NO_BYTES;
  at = 0;

  /** Begins with other bytes. */
  begin(bytes: Buffer): void {
    this.bytes = bytes;
    this.at = 0;
  }

  /** Reads a length and gives where what has it ends; UNUSUAL if that is beyond `end`. */
  endOfBytes(end: number): number {
    const length = this.varint(end);
    return length === UNUSUAL || length > end - this.at ? UNUSUAL : this.at + length;
  }

  /** Reads a varint of up to 28 bits; UNUSUAL if it has more bytes or goes beyond `end`. */
  varint(end: number): number {
    const { bytes } = this;
    if (this.at >= end) return UNUSUAL;
    let byte = bytes[this.at++] ?? 0;
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      if (this.at >= end) return UNUSUAL;
      byte = bytes[this.at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return UNUSUAL;
  }

  /** Reads a uint64; UNUSUAL if it is none. Those that a number cannot hold are bigints. */
  varint64(end: number): number | bigint {
    let value = 0;
    let scale = 1;
    // 49 bits, which a number holds.
    for (let count = 0; count < 7; count++) {
      if (this.at >= end) return UNUSUAL;
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    return this.#longVarint64(end, BigInt(value));
  }

  #longVarint64(end: number, low: bigint): number | bigint {
    let value = low;
    for (let shift = 49n; shift <= 63n; shift += 7n) {
      if (this.at >= end) return UNUSUAL;
      const byte = this.bytes[this.at++] ?? 0;
      // Of the tenth byte there is room for one bit.
      if (shift === 63n && byte > 1) return UNUSUAL;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
    }
    return UNUSUAL;
  }

  /**
   * Skips the field of a tag that was read; false if the message has a field of this number, which then is in an odd wire
   * type, or if the field cannot be skipped.
   *
   * @param known the highest number of the message's fields, which has all numbers up to that.
   */
  skip(tag: number, known: number, end: number): boolean {
    let whole = tag;
    if (tag >= 0x80) {
      const rest = this.varint(end);
      // Numbers up to 2^21 or so; there are none beyond 2^29.
      if (rest === UNUSUAL || rest > 0xff_ffff) return false;
      whole = (tag & 0x7f) | (rest << 7);
    }
    if (whole >>> 3 <= known) return false;
    switch (whole & 7) {
      case 0:
        return this.varint64(end) !== UNUSUAL;
      case 1:
        return this.#skipBytes(8, end);
      case 2: {
        const next = this.endOfBytes(end);
        return next !== UNUSUAL && this.#skipBytes(next - this.at, end);
      }
      case 5:
        return this.#skipBytes(4, end);
      default:
        return false;
    }
  }

  #skipBytes(count: number, end: number): boolean {
    this.at += count;
    return this.at <= end;
  }
}

/** Whether the bytes have the same at two places. */
export function sameBytes(bytes: Buffer, a: number, b: number, length: number): boolean {
  // From the end, where names and addresses that are alike differ.
  for (let i = length - 1; i >= 0; i--) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

const NO_BYTES = Buffer.alloc(0);
