// What was sent and what arrived, and what of that is a loss. Pure.
import { type Stream, mustLoseNothing } from './scenario.js';

/** What arrived of a stream behind one outgoing interface. */
export interface Arrival {
  readonly oif: string;
  readonly received: number;
  /** Packets that were passed by later ones, or while nothing is under way any more: all that did not come. */
  readonly lost: number;
  /** Those of them before the first that arrived. */
  readonly firstLost: number;
  /** Packets that came once more. */
  readonly duplicated: number;
  /** Packets that the receiver's own full socket dropped: loss that is the demo's, not the router's. */
  readonly socketDrops: number;
}

/** A stream so far. */
export interface StreamCount {
  readonly stream: Stream;
  readonly sent: number;
  readonly arrivals: readonly Arrival[];
}

/** What one socket saw of a stream; `first` and `last` are numbers of packets, -1 if there were none. */
export interface Sighting {
  readonly received: number;
  readonly duplicated: number;
  readonly first: number;
  readonly last: number;
  readonly socketDrops: number;
}

/**
 * Unites what the sockets behind one interface saw, one after the other.
 *
 * @param expected packets that must have arrived by now; if left out, those up to the last that did.
 */
export function countArrival(oif: string, sightings: readonly Sighting[], expected?: number): Arrival {
  const some = sightings.filter(({ received }) => received > 0);
  const received = sum(some, (sighting) => sighting.received);
  const until = expected ?? Math.max(0, ...some.map(({ last }) => last + 1));
  return {
    oif,
    received,
    lost: until - received,
    firstLost: some.length === 0 ? until : Math.min(...some.map(({ first }) => first)),
    duplicated: sum(sightings, (sighting) => sighting.duplicated),
    socketDrops: sum(sightings, (sighting) => sighting.socketDrops),
  };
}

/** An agent that serves a table in place of another. */
export interface Takeover {
  readonly table: number;
  readonly name: string;
  /** The processes. */
  readonly before: number;
  readonly after: number;
  /** From the end of the one to the other's service, in ms. */
  readonly tookMs: number;
  /** Packets that arrived meanwhile, of those streams of the table of which nothing may be lost. */
  readonly arrived: number;
  /** Those of them that were passed by later ones. */
  readonly lost: number;
}

/** What became of a table's streams between two counts, while one agent took over from another. */
export function takeoverOf(
  change: Omit<Takeover, 'arrived' | 'lost'>,
  before: readonly StreamCount[],
  after: readonly StreamCount[],
): Takeover {
  const total = (counts: readonly StreamCount[], valueOf: (count: StreamCount) => number) =>
    sum(
      protectedCounts(counts).filter(({ stream }) => stream.table === change.table),
      valueOf,
    );
  return {
    ...change,
    arrived: total(after, receivedOf) - total(before, receivedOf),
    lost: total(after, lostOf) - total(before, lostOf),
  };
}

/** Copies that were lost behind all interfaces together. */
export function lostOf(count: StreamCount): number {
  return sum(count.arrivals, ({ lost }) => lost);
}

/** Copies that came once more, behind all interfaces together. */
export function duplicatedOf(count: StreamCount): number {
  return sum(count.arrivals, ({ duplicated }) => duplicated);
}

/** Copies that were lost before the first arrived, behind all interfaces together. */
export function firstLostOf(count: StreamCount): number {
  return sum(count.arrivals, ({ firstLost }) => firstLost);
}

export function receivedOf(count: StreamCount): number {
  return sum(count.arrivals, ({ received }) => received);
}

/** The streams of which nothing may be lost. */
export function protectedCounts(counts: readonly StreamCount[]): readonly StreamCount[] {
  return counts.filter(({ stream }) => mustLoseNothing(stream));
}

/** What must not be in the end, a line each: of the streams of which nothing may be lost. */
export function problemsOf(counts: readonly StreamCount[]): readonly string[] {
  return protectedCounts(counts).flatMap(({ stream, sent, arrivals }) => {
    const name = `table ${stream.table} ${stream.kind} ${stream.source} ${stream.group}`;
    if (sent === 0) return [`${name}: nothing was sent`];
    return arrivals.flatMap(({ oif, lost, duplicated, socketDrops }) => [
      ...(lost === 0 ? [] : [`${name} at ${oif}: ${lost} of ${sent} lost${dropsText(socketDrops)}`]),
      ...(duplicated === 0 ? [] : [`${name} at ${oif}: ${duplicated} arrived twice`]),
    ]);
  });
}

function dropsText(socketDrops: number): string {
  return socketDrops === 0 ? '' : `, ${socketDrops} of them by the receiver's own full socket`;
}

/** Adds up a number of each item. */
export function sum<Item>(items: readonly Item[], valueOf: (item: Item) => number): number {
  return items.reduce((total, item) => total + valueOf(item), 0);
}
