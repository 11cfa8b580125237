// Messages of gRPC as they are on the wire (gRPC over HTTP/2, Length-Prefixed-Message): whether one is compressed, its
// length, itself. Pure.

/** Bytes before each message. */
export const HEADER_BYTES = 5;

/** Why bytes are no messages that are taken. */
export type MessageFault = 'too large' | 'compressed';

/** What was cut off, and what begins. */
export interface Split {
  /** Whole messages, each with its header. They may share memory with the bytes that were given. */
  readonly messages: readonly Buffer[];
  /** Nothing can be made of what follows. */
  readonly fault: MessageFault | undefined;
}

/** Cuts a stream of bytes into messages. A part of one is kept in a buffer of its own, however small the pieces come in. */
export class MessageSplitter {
  readonly #max: number;
  /** A header that has not come whole. */
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** A message that has not come whole, with its header, and how much of it has. */
  #message: Buffer | undefined;
  #messageBytes = 0;

  /** @param max bytes of a message, without its header. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Bytes that the message takes of which a part has come, with its header; 0 if there is none. */
  get begunBytes(): number {
    return this.#message?.length ?? this.#headerBytes;
  }

  /** Takes what comes next. After a fault nothing more may be given. */
  add(chunk: Buffer): Split {
    const messages: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#message !== undefined) {
        at += this.#fill(this.#message, chunk, at, messages);
        continue;
      }
      if (this.#headerBytes === 0 && chunk.length - at >= HEADER_BYTES) {
        const length = chunk.readUInt32BE(at + 1);
        const fault = this.#faultOf(chunk[at] ?? 0, length);
        if (fault !== undefined) return { messages, fault };
        const end = at + HEADER_BYTES + length;
        if (end <= chunk.length) {
          messages.push(chunk.subarray(at, end));
          at = end;
        } else {
          this.#begin(length);
        }
        continue;
      }
      at += this.#fillHeader(chunk, at);
      if (this.#headerBytes < HEADER_BYTES) continue;
      const length = this.#header.readUInt32BE(1);
      const fault = this.#faultOf(this.#header[0] ?? 0, length);
      if (fault !== undefined) return { messages, fault };
      this.#fill(this.#begin(length), this.#header, 0, messages);
      this.#headerBytes = 0;
    }
    return { messages, fault: undefined };
  }

  #faultOf(flags: number, length: number): MessageFault | undefined {
    if (flags !== 0) return 'compressed';
    return length > this.#max ? 'too large' : undefined;
  }

  #fillHeader(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#header, this.#headerBytes, at);
    this.#headerBytes += copied;
    return copied;
  }

  #begin(length: number): Buffer {
    // Not of Node's pool: the kernel gives its pages only as they are written.
    this.#message = Buffer.allocUnsafeSlow(HEADER_BYTES + length);
    this.#messageBytes = 0;
    return this.#message;
  }

  #fill(message: Buffer, chunk: Buffer, at: number, messages: Buffer[]): number {
    const copied = chunk.copy(message, this.#messageBytes, at);
    this.#messageBytes += copied;
    if (this.#messageBytes === message.length) {
      messages.push(message);
      this.#message = undefined;
    }
    return copied;
  }
}

/** A message as it is sent. */
export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, HEADER_BYTES);
  return bytes;
}
