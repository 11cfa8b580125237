// Reads the messages of a client as fast as they are taken. A message is given when it is whole: nobody behind the gateway
// waits for the rest of one.
import type { ServerHttp2Stream } from 'node:http2';
import { MESSAGE_MAX } from '../model/limits.js';
import type { BufferBudget } from './buffer-budget.js';
import { type MessageFault, MessageSplitter } from './messages.js';

/** Bytes of a message that needs no part of the budget. */
const FREE_BYTES = 64 * 1024;

/** Time in which a message must come, in ms, and what is added for each KiB. */
const MESSAGE_TIME_MS = 30_000;
const TIME_PER_KIB_MS = 16;

/** Why no more is read. */
export type RequestFault = MessageFault | 'too slow' | 'cut off';

export interface RequestEvents {
  /** So many bytes have come. */
  readonly onBytes: (count: number) => void;
  /** A whole message, with its header. `release` is called when its memory is free again, or the reader is disposed of. */
  readonly onMessage: (message: Buffer, release: () => void) => void;
  /** The client has said all. */
  readonly onEnd: () => void;
  /** Nothing follows. */
  readonly onFault: (fault: RequestFault) => void;
}

interface ReadyMessage {
  readonly bytes: Buffer;
  /** Part of the budget that it has. */
  readonly reserved: number;
}

export class RequestReader implements Disposable {
  readonly #stream: ServerHttp2Stream;
  readonly #budget: BufferBudget;
  readonly #identity: string;
  readonly #events: RequestEvents;
  readonly #splitter = new MessageSplitter(MESSAGE_MAX);
  /** Those of one piece that came, at most. */
  #ready: ReadyMessage[] = [];
  /** Those that were given and not released. */
  readonly #given = new Set<ReadyMessage>();
  /** Of the message that has not come whole. */
  #reserved = 0;
  #stopWaiting: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isHeld = false;
  #isEnded = false;
  #fault: RequestFault | undefined;
  #isStopped = false;

  constructor(stream: ServerHttp2Stream, budget: BufferBudget, identity: string, events: RequestEvents) {
    this.#stream = stream;
    this.#budget = budget;
    this.#identity = identity;
    this.#events = events;
    this.#startTimer(0);
    stream.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    stream.once('end', () => {
      this.#isEnded = true;
      if (this.#splitter.begunBytes > 0) this.#fault ??= 'cut off';
      this.#pump();
    });
  }

  /** Gives no messages until `resume`. */
  hold(): void {
    this.#isHeld = true;
    this.#stream.pause();
  }

  resume(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#pump();
  }

  /** Gives nothing more, and takes back what was given. */
  [Symbol.dispose](): void {
    this.#stop();
    for (const message of this.#given) this.#release(message);
  }

  #stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#stopWaiting?.();
    this.#give(this.#reserved);
    for (const { reserved } of this.#ready) this.#give(reserved);
    this.#ready = [];
  }

  #onData(chunk: Buffer): void {
    this.#events.onBytes(chunk.length);
    if (this.#isStopped || this.#fault !== undefined) return;
    const { messages, fault } = this.#splitter.add(chunk);
    for (const bytes of messages) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#ready.push({ bytes, reserved: this.#reserved });
      this.#reserved = 0;
    }
    this.#fault = fault;
    const { begunBytes } = this.#splitter;
    if (begunBytes > 0 && this.#timer === undefined) this.#startTimer(begunBytes);
    if (begunBytes > FREE_BYTES && this.#reserved === 0 && fault === undefined) this.#reserve(begunBytes);
    this.#pump();
  }

  /** Nothing is read until there is room for the message. */
  #reserve(bytes: number): void {
    const stopWaiting = this.#budget.take(this.#identity, bytes, () => {
      this.#reserved = bytes;
      if (this.#stopWaiting === undefined) return;
      this.#stopWaiting = undefined;
      this.#startTimer(bytes);
      this.#pump();
    });
    if (this.#hasRoom) return;
    this.#stopWaiting = stopWaiting;
    clearTimeout(this.#timer);
    this.#stream.pause();
  }

  get #hasRoom(): boolean {
    return this.#reserved > 0;
  }

  #pump(): void {
    while (!this.#isHeld && !this.#isStopped) {
      const message = this.#ready.shift();
      if (message === undefined) break;
      this.#given.add(message);
      this.#events.onMessage(message.bytes, () => {
        this.#release(message);
      });
    }
    if (this.#isHeld || this.#isStopped) return;
    if (this.#fault !== undefined) {
      this.#end(this.#fault);
    } else if (this.#isEnded) {
      this.#end(undefined);
    } else if (this.#stopWaiting === undefined) {
      this.#stream.resume();
    }
  }

  #end(fault: RequestFault | undefined): void {
    this.#stop();
    if (fault === undefined) this.#events.onEnd();
    else this.#events.onFault(fault);
  }

  #startTimer(bytes: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        if (!this.#isStopped) this.#end('too slow');
      },
      MESSAGE_TIME_MS + (bytes / 1024) * TIME_PER_KIB_MS,
    );
  }

  #release(message: ReadyMessage): void {
    if (this.#given.delete(message)) this.#give(message.reserved);
  }

  #give(bytes: number): void {
    if (bytes > 0) this.#budget.give(this.#identity, bytes);
  }
}
