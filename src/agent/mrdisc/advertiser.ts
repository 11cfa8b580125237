// A router's side of Multicast Router Discovery on one link (RFC 4286): when it says that it is there.
import type { Address, Family } from '../../model/address.js';
import { ALL_SNOOPERS } from '../signalling/groups.js';
import type { IncomingMessage, Machine, Moment, OutgoingMessage, Step } from '../signalling/machine.js';
import { encodeAdvertisement, encodeTermination, isSolicitation } from './message.js';

/** AdvertisementInterval in seconds: its range and its default (RFC 4286, 3.1.1). */
export const ADVERTISEMENT_INTERVAL_S = { min: 4, max: 180, default: 20 } as const;

export interface AdvertiserSettings {
  readonly family: Family;
  /** ADVERTISEMENT_INTERVAL_S.min to max, a whole number. */
  readonly intervalS: number;
  /** What the querier on the link is set to; 0 and 0 where there is none. */
  readonly queryIntervalS: number;
  readonly robustness: number;
}

export interface AdvertiserState {
  /** Advertisements that are still sent quickly, so that one that is lost costs little. */
  readonly initialLeft: number;
  readonly advertiseAt: number;
  /** When a solicitation is answered, if that is sooner. */
  readonly answerAt: number | undefined;
  /** Of the last advertisement. */
  readonly sentAt: number | undefined;
}

/** MaxInitialAdvertisements (3.1.4). */
const INITIAL_ADVERTISEMENTS = 3;
/** MaxInitialAdvertisementInterval (3.1.3): the delay before each of these is random, up to this. */
const INITIAL_DELAY_MS = 2_000;
/** AdvertisementJitter (3.1.2): this part of the interval, more or less. */
const JITTER = 0.025;
/** MaxMessageRate (3.1.6): ten messages a second. Solicitations that come closer together get one answer. */
const MESSAGE_SPACING_MS = 100;

export const advertiser: Machine<AdvertiserSettings, AdvertiserState> = {
  start: (_settings, { now, random }) => ({
    initialLeft: INITIAL_ADVERTISEMENTS,
    advertiseAt: now + random() * INITIAL_DELAY_MS,
    answerAt: undefined,
    sentAt: undefined,
  }),
  nextAt: ({ advertiseAt, answerAt }) => Math.min(advertiseAt, answerAt ?? Infinity),
  tick,
  hear,
  // Also to those that missed the first advertisement: they are told nothing wrong.
  farewell: ({ sentAt }, { family }) =>
    sentAt === undefined ? undefined : { destination: ALL_SNOOPERS[family], payload: encodeTermination(family) },
};

function tick(state: AdvertiserState, settings: AdvertiserSettings, moment: Moment): Step<AdvertiserState> {
  const message = advertisement(settings);
  const sent = { ...state, answerAt: undefined, sentAt: moment.now };
  // An answer does not take the place of the next advertisement: others may have missed it.
  if (moment.now < state.advertiseAt) return { state: sent, message };
  const initialLeft = Math.max(state.initialLeft - 1, 0);
  const delay = initialLeft > 0 ? moment.random() * INITIAL_DELAY_MS : jittered(settings.intervalS * 1000, moment);
  return { state: { ...sent, initialLeft, advertiseAt: moment.now + delay }, message };
}

function advertisement(settings: AdvertiserSettings): OutgoingMessage {
  return { destination: ALL_SNOOPERS[settings.family], payload: encodeAdvertisement(settings.family, settings) };
}

function jittered(intervalMs: number, { random }: Moment): number {
  return intervalMs * (1 + JITTER * (2 * random() - 1));
}

function hear(
  state: AdvertiserState,
  settings: AdvertiserSettings,
  _own: Address,
  message: IncomingMessage,
  { now, random }: Moment,
): AdvertiserState {
  // A hop limit of less than it began with means that a router let it through.
  if (message.hopLimit !== 1 || !isSolicitation(settings.family, message.payload)) return state;
  if (state.answerAt !== undefined) return state;
  // Routers of a link do not all answer at once.
  const earliest = now + random() * MESSAGE_SPACING_MS;
  return { ...state, answerAt: Math.max(earliest, (state.sentAt ?? -Infinity) + MESSAGE_SPACING_MS) };
}
