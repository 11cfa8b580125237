// The querier of one link: who asks, and when. RFC 3376 section 6.6.2 and 8, RFC 3810 section 7.6.2 and 9; the elections of
// IGMPv2 (RFC 2236, 7) and MLDv1 (RFC 2710, 6) are the same.
//
// It sends general queries alone. Queries about a group that was left (RFC 3376, 6.4.2) are for routers that stop
// forwarding when nobody answers; routes here are static, and a switch that wants to know at once asks by itself.
import {
  type Address,
  type Family,
  addressLength,
  anyPrefix,
  compareAddresses,
  isUnspecified,
} from '../../model/address.js';
import { ALL_NODES } from '../signalling/groups.js';
import { isLinkLocalAddress } from '../signalling/link.js';
import type { IncomingMessage, Machine, Moment, OutgoingMessage, Step } from '../signalling/machine.js';
import { QUERY_VERSIONS, type Query, encodeQuery, parseQuery } from './query.js';

/** How queries are sent on a link; the names of RFC 3376, 8. */
export interface QuerierSettings {
  readonly family: Family;
  /** 2 or 3 of IGMP, 1 or 2 of MLD. */
  readonly version: number;
  /** Robustness Variable: queries that may be lost; 1 to 7. */
  readonly robustness: number;
  /** Query Interval in seconds, 1 to 31,744. */
  readonly intervalS: number;
  /** Query Response Interval in ms, below the interval. */
  readonly responseMs: number;
}

export type QuerierState =
  | {
      readonly role: 'querier';
      /** Queries that are still sent at the shorter startup interval. */
      readonly startupLeft: number;
      readonly queryAt: number;
    }
  | {
      readonly role: 'listener';
      /** Who asks in our place. */
      readonly querier: Address;
      /** The version it asks in; all routers of a link should have the same (RFC 3376, 7.3.1). */
      readonly version: number;
      /** When it counts as gone. */
      readonly until: number;
    };

/** The RFCs' defaults, in the newest version. */
export function defaultQuerier(family: Family): QuerierSettings {
  return { family, version: QUERY_VERSIONS[family][1], robustness: 2, intervalS: 125, responseMs: 10_000 };
}

export const querier: Machine<QuerierSettings, QuerierState> = {
  start: (settings, { now }) => ({ role: 'querier', startupLeft: settings.robustness, queryAt: now }),
  nextAt: (state) => (state.role === 'querier' ? state.queryAt : state.until),
  tick,
  hear,
  // Nobody waits for it: the other queriers see that ours stay away.
  farewell: () => undefined,
};

function tick(state: QuerierState, settings: QuerierSettings, { now }: Moment): Step<QuerierState> {
  const startupLeft = state.role === 'querier' ? Math.max(state.startupLeft - 1, 0) : 0;
  // Startup Query Interval (RFC 3376, 8.6).
  const interval = settings.intervalS * (startupLeft > 0 ? 250 : 1000);
  return { state: { role: 'querier', startupLeft, queryAt: now + interval }, message: generalQuery(settings) };
}

function generalQuery(settings: QuerierSettings): OutgoingMessage {
  const { family, version, robustness, intervalS, responseMs } = settings;
  const group = anyPrefix(family).address;
  const query: Query = { family, version, group, maxResponseMs: responseMs, robustness, intervalS };
  return { destination: ALL_NODES[family], payload: encodeQuery(query) };
}

function hear(
  state: QuerierState,
  settings: QuerierSettings,
  own: Address,
  message: IncomingMessage,
  { now }: Moment,
): QuerierState {
  if (!isFromNeighbour(message)) return state;
  const query = parseQuery(settings.family, message.payload);
  if (query === undefined || !wins(message.source, own)) return state;
  // While another one asks, a third with a higher address is nothing to us: it will yield to that one, too.
  if (state.role === 'listener' && compareAddresses(message.source, state.querier) > 0) return state;
  return {
    role: 'listener',
    querier: message.source,
    version: query.version,
    until: now + otherPresentMs(query, settings),
  };
}

/** Nothing from beyond the link: a router would have taken one off the hop limit (RFC 3810, 5.1.14 for the source). */
function isFromNeighbour({ source, hopLimit }: IncomingMessage): boolean {
  return hopLimit === 1 && (addressLength(source.family) === 32 || isLinkLocalAddress(source));
}

/** The lowest address asks. 0.0.0.0 never wins, and yields to all (RFC 4541, 2.1.1). */
function wins(other: Address, own: Address): boolean {
  if (isUnspecified(other)) return false;
  return isUnspecified(own) || compareAddresses(other, own) < 0;
}

/**
 * Other Querier Present Interval (RFC 3376, 8.5), of the querier's own values as far as it tells them (4.1.6, 4.1.7).
 * When it is gone, our queries have our values again.
 */
function otherPresentMs(query: Query, settings: QuerierSettings): number {
  const robustness = query.robustness === 0 ? settings.robustness : query.robustness;
  const intervalS = query.intervalS === 0 ? settings.intervalS : query.intervalS;
  const responseMs = query.maxResponseMs === 0 ? settings.responseMs : query.maxResponseMs;
  return robustness * intervalS * 1000 + responseMs / 2;
}
