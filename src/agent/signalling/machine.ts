// What a protocol of router and switch is: values in, values out. No clock, no socket, no chance of its own.
import type { Address } from '../../model/address.js';

/** What a machine is given of the world at each step. */
export interface Moment {
  /** Milliseconds of a clock that never goes back. */
  readonly now: number;
  /** A number from 0 up to, not including, 1. */
  readonly random: () => number;
}

/** A message of IGMP or ICMPv6, as it stands behind the IP header. */
export interface OutgoingMessage {
  readonly destination: Address;
  readonly payload: Uint8Array;
}

/** A message that came in on the interface. */
export interface IncomingMessage {
  readonly source: Address;
  /** TTL or hop limit. */
  readonly hopLimit: number;
  readonly payload: Uint8Array;
}

/** What follows from a step. */
export interface Step<State> {
  readonly state: State;
  readonly message: OutgoingMessage | undefined;
}

/** A protocol in one family on one interface. */
export interface Machine<Settings, State> {
  start(settings: Settings, moment: Moment): State;
  /** When `tick` has something to do; `Moment.now` of then. */
  nextAt(state: State): number;
  /** Called at `nextAt` or later. The state counts only if the message could be sent. */
  tick(state: State, settings: Settings, moment: Moment): Step<State>;
  /** `own` is the source of our messages. */
  hear(state: State, settings: Settings, own: Address, message: IncomingMessage, moment: Moment): State;
  /** What others must hear when the protocol ends on the interface. */
  farewell(state: State, settings: Settings): OutgoingMessage | undefined;
}
