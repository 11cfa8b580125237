// A clock that is turned by hand, and a wire that remembers: what protocols of a link are tested with.
import type { IncomingMessage, OutgoingMessage } from '../../src/agent/signalling/machine.js';
import type { SignallingSockets } from '../../src/agent/signalling/sockets.js';
import type { Clock } from '../../src/agent/signalling/speakers.js';
import { type Address, type Family, formatAddress, parseAddress } from '../../src/model/address.js';

/** Time passes when the test says so, and timers with it, in their order. */
export class HandClock implements Clock {
  #now = 0;
  readonly #timers = new Map<number, { readonly at: number; readonly call: () => void }>();
  #lastTimer = 0;

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, call: () => void): () => void {
    const timer = ++this.#lastTimer;
    this.#timers.set(timer, { at: this.#now + delayMs, call });
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (due === undefined) break;
      const [timer, { at, call }] = due;
      this.#timers.delete(timer);
      this.#now = at;
      call();
    }
    this.#now = end;
  }
}

/** One message as the wire saw it: `TIME IFINDEX SOURCE > DESTINATION TYPE`, with the type in hexadecimal. */
export class Wire implements SignallingSockets {
  readonly families: readonly Family[];
  readonly canBeUnspecified: boolean;
  readonly seen: string[] = [];
  readonly payloads: Uint8Array[] = [];
  isClosed = false;
  /** What the kernel answers to `send`; undefined: it takes the message. */
  refusal: Error | undefined;
  readonly #clock: Clock;
  readonly #listeners = new Map<Family, (ifindex: number, message: IncomingMessage) => void>();

  constructor(clock: Clock, options: { families?: readonly Family[]; canBeUnspecified?: boolean } = {}) {
    this.#clock = clock;
    this.families = options.families ?? ['ipv4', 'ipv6'];
    this.canBeUnspecified = options.canBeUnspecified ?? true;
  }

  listen(
    family: Family,
    _types: readonly number[],
    onMessage: (ifindex: number, message: IncomingMessage) => void,
  ): void {
    this.#listeners.set(family, onMessage);
  }

  send(ifindex: number, source: Address, { destination, payload }: OutgoingMessage): void {
    if (this.refusal !== undefined) throw this.refusal;
    const type = (payload[0] ?? 0).toString(16);
    const at = Math.round(this.#clock.now());
    this.seen.push(`${at} ${ifindex} ${formatAddress(source)} > ${formatAddress(destination)} ${type}`);
    this.payloads.push(payload);
  }

  close(): void {
    this.isClosed = true;
  }

  /** A message from a neighbour. */
  bring(ifindex: number, source: string, payload: Uint8Array, hopLimit = 1): void {
    const address = parseAddress(source);
    this.#listeners.get(address.family)?.(ifindex, { source: address, hopLimit, payload });
  }

  /** What was seen since the last call. */
  take(): string[] {
    return this.seen.splice(0);
  }
}
