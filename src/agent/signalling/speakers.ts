// Runs one protocol of one family on many links: keeps the states, one timer, and who cannot talk yet and why.
import { isDeepStrictEqual } from 'node:util';
import { type Address, type Family, sameAddress } from '../../model/address.js';
import { type SignallingLink, sourceOn } from './link.js';
import type { IncomingMessage, Machine, Moment, OutgoingMessage } from './machine.js';

/** What time it is and who calls when. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number;
  /** Calls once after the delay, unless the returned function is called before. */
  schedule(delayMs: number, call: () => void): () => void;
}

/** A link with what is wanted on it. */
export interface SpeakerLink<Settings> extends SignallingLink {
  readonly settings: Settings;
}

/** How a link fares. `waiting`: `for` says what is missing. */
export type SpeakerView<Settings, State> =
  | { readonly name: string; readonly settings: Settings; readonly kind: 'waiting'; readonly for: 'up' | 'address' }
  | {
      readonly name: string;
      readonly settings: Settings;
      readonly kind: 'talking';
      readonly source: Address;
      readonly state: State;
      /** Why the last message was not sent; it is tried again every second. */
      readonly error: Error | undefined;
    };

export interface SpeakersContext {
  readonly family: Family;
  readonly clock: Clock;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Throws a system error when the kernel refuses. */
  send(ifindex: number, source: Address, message: OutgoingMessage): void;
  /** Takes the place of an address that the link does not have. */
  readonly substitute?: Address;
}

/** Time until a message that was refused is tried again. The address may be tentative, the interface on its way. */
const RETRY_MS = 1_000;

interface Speaker<Settings, State> {
  readonly link: SpeakerLink<Settings>;
  /** Undefined while it waits. */
  readonly talk: Talk<State> | undefined;
}

interface Talk<State> {
  readonly source: Address;
  readonly state: State;
  readonly retryAt: number | undefined;
  readonly error: Error | undefined;
}

export class Speakers<Settings, State> {
  readonly #machine: Machine<Settings, State>;
  readonly #context: SpeakersContext;
  /** By ifindex. */
  readonly #speakers = new Map<number, Speaker<Settings, State>>();
  #cancelTimer: (() => void) | undefined;

  constructor(machine: Machine<Settings, State>, context: SpeakersContext) {
    this.#machine = machine;
    this.#context = context;
  }

  /** All links on which the protocol is wanted. What is as before goes on undisturbed. */
  setLinks(links: readonly SpeakerLink<Settings>[]): void {
    const wanted = new Map(links.map((link) => [link.ifindex, link]));
    for (const [ifindex, speaker] of this.#speakers) {
      if (wanted.has(ifindex)) continue;
      this.#sayFarewell(speaker);
      this.#speakers.delete(ifindex);
    }
    for (const link of wanted.values()) this.#speakers.set(link.ifindex, this.#changed(link));
    this.#talk();
  }

  /** A message that came in on the interface, of the family. */
  hear(ifindex: number, message: IncomingMessage): void {
    const speaker = this.#speakers.get(ifindex);
    if (speaker?.talk === undefined) return;
    const { link, talk } = speaker;
    // Ours come back to us, so that the kernel answers for the memberships of this host, too.
    if (link.addresses.some((address) => sameAddress(address, message.source))) return;
    const state = this.#machine.hear(talk.state, link.settings, talk.source, message, this.#moment());
    if (state === talk.state) return;
    this.#speakers.set(ifindex, { link, talk: { ...talk, state } });
    this.#talk();
  }

  /** Says farewell everywhere and forgets all. */
  stop(): void {
    this.setLinks([]);
  }

  /** Forgets all without a word. */
  close(): void {
    this.#speakers.clear();
    this.#talk();
  }

  views(): SpeakerView<Settings, State>[] {
    return [...this.#speakers.values()].map(({ link: { name, settings, isUp }, talk }) =>
      talk === undefined
        ? { name, settings, kind: 'waiting', for: isUp ? 'address' : 'up' }
        : { name, settings, kind: 'talking', source: talk.source, state: talk.state, error: talk.error },
    );
  }

  #changed(link: SpeakerLink<Settings>): Speaker<Settings, State> {
    const before = this.#speakers.get(link.ifindex);
    const source = link.isUp ? (sourceOn(link, this.#context.family) ?? this.#context.substitute) : undefined;
    if (source === undefined) return { link, talk: undefined };
    // Other settings are another life: their first messages tell the neighbours at once.
    if (before?.talk === undefined || !isDeepStrictEqual(before.link.settings, link.settings)) {
      const state = this.#machine.start(link.settings, this.#moment());
      return { link, talk: { source, state, retryAt: undefined, error: undefined } };
    }
    return { link, talk: { ...before.talk, source } };
  }

  #sayFarewell({ link, talk }: Speaker<Settings, State>): void {
    const message = talk === undefined ? undefined : this.#machine.farewell(talk.state, link.settings);
    // The interface may be gone; then those behind it have seen that.
    if (talk !== undefined && message !== undefined) this.#send(link, talk.source, message);
  }

  /** Sends what is due, and sets the timer for the next. */
  #talk(): void {
    const moment = this.#moment();
    for (const [ifindex, { link, talk }] of this.#speakers) {
      if (talk === undefined || this.#dueAt(talk) > moment.now) continue;
      this.#speakers.set(ifindex, { link, talk: this.#tick(link, talk, moment) });
    }
    this.#setTimer(moment.now);
  }

  #tick(link: SpeakerLink<Settings>, talk: Talk<State>, moment: Moment): Talk<State> {
    const { state, message } = this.#machine.tick(talk.state, link.settings, moment);
    const error = message === undefined ? undefined : this.#send(link, talk.source, message);
    if (error !== undefined) return { ...talk, retryAt: moment.now + RETRY_MS, error };
    return { source: talk.source, state, retryAt: undefined, error: undefined };
  }

  #send(link: SpeakerLink<Settings>, source: Address, message: OutgoingMessage): Error | undefined {
    try {
      this.#context.send(link.ifindex, source, message);
      return undefined;
    } catch (error) {
      // A system error; what else there may be is a bug and goes on.
      if (error instanceof Error && 'errno' in error) return error;
      throw error;
    }
  }

  #setTimer(now: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const talks = [...this.#speakers.values()].flatMap(({ talk }) => talk ?? []);
    const next = Math.min(...talks.map((talk) => this.#dueAt(talk)));
    if (next === Infinity) return;
    this.#cancelTimer = this.#context.clock.schedule(Math.max(next - now, 0), () => {
      this.#cancelTimer = undefined;
      this.#talk();
    });
  }

  #dueAt({ state, retryAt }: Talk<State>): number {
    return retryAt ?? this.#machine.nextAt(state);
  }

  #moment(): Moment {
    return { now: this.#context.clock.now(), random: this.#context.random };
  }
}
