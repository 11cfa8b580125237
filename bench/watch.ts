// Watches: a reader that keeps up and one that does not, and what polling costs instead.
import type { WatchResponse__Output } from '../src/api/generated/mcroute/v1/WatchResponse.js';
import { type AgentConnection, connectToSocket } from '../src/api/client.js';
import { type Agent, startAgent } from '../test/support/agent.js';
import { routerTopology } from '../test/support/topology.js';
import { eventually } from '../test/support/wait.js';
import { type Client, BATCH, addRoutes, apply, listAll } from './calls.js';
import { cpuSeconds, peakRss, resetPeak, rss } from './processes.js';
import type { Report, SectionOptions } from './report.js';
import { puts } from './routes.js';
import { compare, median, none } from './statistics.js';

const CHANGES = 10_000;
/** How often each route is changed, so that a slow reader has something to leave out. */
const CHANGES_PER_ROUTE = 10;
const TABLE = 356;
const CATCH_UP_LIMIT_MS = 60_000;

const POLLED_ROUTES = 10_000;
const POLLS = 10;
const POLL_INTERVAL_MS = 1_000;
const POLLING_BAR = 5;

/** So often all changes are made while the slow reader does not read. */
const PASSES = 5;

/** What the slow reader may cost, in MB: the events of all passes, if they were kept, would take twice that. */
const SLOW_READER_BAR_MB = 32;

export async function watch({ rounds = 3, count = CHANGES, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  const all: Watched[] = [];
  const withoutSlow: Watched[] = [];
  for (let round = 0; round < rounds; round++) {
    tell(`watch: round ${round + 1} of ${rounds}`);
    for (const [into, isSlow] of [
      [all, true],
      [withoutSlow, false],
    ] as const) {
      using agent = await startAgent(topology.router, { table: TABLE });
      into.push(await measureWatches(agent, count, isSlow));
      await agent.stop();
    }
  }
  tell('watch: polling');
  using agent = await startAgent(topology.router, { table: TABLE });
  const polling = await measurePolling(agent);
  await agent.stop();
  const worst = (figure: (watched: Watched) => number) => Math.max(...all.map(figure));
  const memory = (figure: (watched: Watched) => number) => all.map(figure);
  const growths = (watched: readonly Watched[]) => watched.map(({ highest, before }) => highest - before);
  return {
    title: `${PASSES} times ${count} changes of ${count / CHANGES_PER_ROUTE} routes to a fast and a slow reader, median of ${rounds}`,
    rows: [
      none(
        'changes that the fast reader did not see',
        worst(({ missedByFast }) => missedByFast),
      ),
      none(
        'routes whose last state the slow reader did not see',
        worst(({ staleForSlow }) => staleForSlow),
      ),
      { what: 'events that the slow reader got', result: String(median(memory(({ slowEvents }) => slowEvents))) },
      compare({
        what: 'change to the fast reader, mean',
        unit: 'us',
        mcroute: memory(({ usPerChange }) => usPerChange),
      }),
      compare({ what: 'memory of the agent (RSS) before', unit: 'MB', mcroute: memory(({ before }) => before) }),
      compare({ what: 'at most meanwhile, above that', unit: 'MB', mcroute: growths(all) }),
      compare({ what: 'the same if both read', unit: 'MB', mcroute: growths(withoutSlow) }),
      compare({
        what: 'what the slow reader costs: the difference',
        unit: 'MB',
        mcroute: [median(growths(all)) - median(growths(withoutSlow))],
        bar: { atMost: SLOW_READER_BAR_MB },
      }),
      compare({ what: 'after, above that', unit: 'MB', mcroute: memory(({ after, before }) => after - before) }),
      compare({
        what: `a list of ${POLLED_ROUTES} routes with counters each second`,
        unit: '% of a core',
        mcroute: [polling],
        bar: { atMost: POLLING_BAR },
      }),
    ],
    notes: [
      'before: with the routes and both readers, after a first pass of changes',
      'what the heap and the history of changes grow by is there in any case',
    ],
    figures: { changes: count, passes: PASSES, rounds: all, withoutSlow, polling },
  };
}

interface Watched {
  readonly missedByFast: number;
  readonly staleForSlow: number;
  readonly slowEvents: number;
  readonly usPerChange: number;
  readonly before: number;
  readonly highest: number;
  readonly after: number;
}

async function measureWatches(agent: Agent, count: number, isSlow: boolean): Promise<Watched> {
  const { client, pid } = agent;
  const routes = Math.max(1, Math.floor(count / CHANGES_PER_ROUTE));
  await addRoutes(client, routes);
  using fast = new Reader(agent);
  using slow = new Reader(agent);
  await Promise.all([fast.synced(), slow.synced()]);
  // The same without a pause first, so that what the heap grows by in any case is not counted.
  await slow.awaitState(routes, await changeAll(client, routes, 'warm-up', fast));
  if (isSlow) slow.pause();
  fast.forget();
  slow.forget();
  const before = rss(pid);
  resetPeak(pid);
  const begin = performance.now();
  let last = '';
  for (let pass = 0; pass < PASSES; pass++) {
    last = await changeAll(client, routes, `pass ${pass}, turn`, fast);
  }
  const time = performance.now() - begin;
  const highest = peakRss(pid);
  slow.resume();
  await slow.awaitState(routes, last).catch(() => undefined);
  const done = routes * CHANGES_PER_ROUTE * PASSES;
  return {
    missedByFast: done - fast.seen.size,
    staleForSlow: routes - slow.countOf(last),
    slowEvents: slow.events,
    usPerChange: (time * 1e3) / done,
    before,
    highest: Math.max(before, highest),
    after: rss(pid),
  };
}

/** Changes every route again and again, each time when the reader has the last change; gives the last label. */
async function changeAll(client: Client, routes: number, word: string, reader: Reader): Promise<string> {
  let label = '';
  for (let turn = 0; turn < CHANGES_PER_ROUTE; turn++) {
    label = `${word} ${turn}`;
    for (let first = 0; first < routes; first += BATCH) {
      await apply(client, { changes: puts(first, Math.min(BATCH, routes - first), { label }) });
    }
    await reader.awaitState(routes, label);
  }
  return label;
}

/** A watch, and what it was told: the label of each route. */
class Reader implements Disposable {
  readonly #connection: AgentConnection;
  readonly #call: ReturnType<Client['Watch']>;
  readonly #labels = new Map<string, string>();
  #isSynced = false;
  /** Group and label of each change. */
  readonly seen = new Set<string>();
  events = 0;

  constructor({ socketPath }: Agent) {
    // Of its own: readers of one connection share its window.
    this.#connection = connectToSocket(socketPath);
    this.#call = this.#connection.client.Watch({});
    this.#call.on('data', (message: WatchResponse__Output) => {
      for (const event of message.events) this.#take(event);
    });
    // Cancelled by us, or what the waits will tell.
    this.#call.on('error', () => undefined);
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  forget(): void {
    this.seen.clear();
    this.events = 0;
  }

  synced(): Promise<true> {
    return eventually(() => this.#isSynced || undefined, 'a watch to be synced', CATCH_UP_LIMIT_MS);
  }

  countOf(label: string): number {
    let count = 0;
    for (const known of this.#labels.values()) if (known === label) count++;
    return count;
  }

  awaitState(routes: number, label: string): Promise<true> {
    const isThere = () => this.countOf(label) >= routes || undefined;
    return eventually(isThere, `a watch to tell of '${label}'`, CATCH_UP_LIMIT_MS);
  }

  [Symbol.dispose](): void {
    this.#call.cancel();
    this.#connection[Symbol.dispose]();
  }

  #take({ put, synced }: WatchResponse__Output['events'][number]): void {
    if (synced) this.#isSynced = true;
    for (const { resource } of put?.entries ?? []) {
      const route = resource?.mroute;
      if (!route?.key) continue;
      this.events++;
      this.#labels.set(route.key.group, route.label);
      this.seen.add(`${route.key.group} ${route.label}`);
    }
  }
}

/** The part of a core, in per cent, that an agent takes while everything is listed again and again. */
async function measurePolling({ client, pid }: Agent): Promise<number> {
  await addRoutes(client, POLLED_ROUTES);
  await listAll(client);
  const before = cpuSeconds(pid);
  const begin = performance.now();
  for (let poll = 1; poll <= POLLS; poll++) {
    await listAll(client);
    // The polls are a second apart, whatever one takes.
    const due = begin + poll * POLL_INTERVAL_MS;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
  }
  return ((cpuSeconds(pid) - before) * 1e5) / (performance.now() - begin);
}
