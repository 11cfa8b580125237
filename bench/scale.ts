// The life of a table with half a million routes: added, listed, changed, saved, taken over by another agent, removed.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { deadlineAfter, messages } from '../src/api/client.js';
import { type Agent, startAgent } from '../test/support/agent.js';
import { openKeeper } from '../test/support/keeper.js';
import { type RouterTopology, routerTopology } from '../test/support/topology.js';
import { type Receiver, type Sender, type Traffic, openTraffic } from '../test/support/traffic.js';
import { waitForExit } from '../test/support/wait.js';
import { OWNER, addRoutes, apply, listAll, replaceAll } from './calls.js';
import { MfcAudit, type MfcFindings, MfcNews, type MfcRange } from './mfc.js';
import { cpuSeconds, pss } from './processes.js';
import type { Report, SectionOptions } from './report.js';
import { flow, mroute, puts, withThreshold } from './routes.js';
import { compare, none } from './statistics.js';

const ROUTES = 500_000;
const TABLE = 364;
const LISTS = 3;
const CHANGES = 20;

/** Longest time in which an agent starts, stops or answers. */
const LIFE_LIMIT_MS = 300_000;

/** A stream of its own owner, whose packets and counters tell whether its entry was touched. */
const STREAM_GROUP = '232.0.7.1';
const STREAM_RATE = 100;

export async function scale({ rounds = 1, count = ROUTES, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  using audit = new MfcAudit(topology.router);
  const applied: Applied[] = [];
  const lives: Life[] = [];
  for (let round = 0; round < rounds; round++) {
    const step = (what: string) => {
      tell(`scale: ${what}, round ${round + 1} of ${rounds}`);
    };
    step(`${count} routes by Apply`);
    applied.push(await measureApply(topology, audit, count));
    lives.push(await measureLife(topology, audit, count, step));
  }
  const ofApplied = (figure: (each: Applied) => number) => applied.map(figure);
  const ofLives = (figure: (each: Life) => number) => lives.map(figure);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
  const perRoute = (what: string, unit: 'us/route' | 'bytes', mcroute: readonly number[]) =>
    compare({ what, unit, mcroute });
  const bytes = (megabytes: number) => (megabytes * 1e6) / count;
  return {
    title: `the life of a table with ${count} routes, ${rounds === 1 ? 'once' : `median of ${rounds}`}`,
    rows: [
      perRoute(
        'add by Apply',
        'us/route',
        ofApplied(({ add }) => add.wallUs / count),
      ),
      perRoute(
        'of that on CPUs of the agent',
        'us/route',
        ofApplied(({ add }) => add.cpuUs / count),
      ),
      perRoute(
        'add by Replace',
        'us/route',
        ofLives(({ add }) => add.wallUs / count),
      ),
      perRoute(
        'of that on CPUs of the agent',
        'us/route',
        ofLives(({ add }) => add.cpuUs / count),
      ),
      perRoute(
        'List with counters',
        'us/route',
        lives.flatMap(({ lists }) => lists.map(({ wallUs }) => wallUs / count)),
      ),
      perRoute(
        'of that on CPUs of the agent',
        'us/route',
        lives.flatMap(({ lists }) => lists.map(({ cpuUs }) => cpuUs / count)),
      ),
      compare({ what: 'one route changed', unit: 'us', mcroute: lives.flatMap(({ changes }) => changes) }),
      perRoute(
        'state directory, a route',
        'bytes',
        ofLives(({ savedBytes }) => savedBytes / count),
      ),
      compare({
        what: 'after a kill, until another agent serves',
        unit: 'ms',
        mcroute: ofLives(({ serves }) => serves.wallUs / 1e3),
      }),
      compare({
        what: 'of that on CPUs of the agent',
        unit: 'ms',
        mcroute: ofLives(({ serves }) => serves.cpuUs / 1e3),
      }),
      compare({
        what: 'after a kill, until it has told of every route that it is programmed',
        unit: 'ms',
        mcroute: ofLives(({ settledUs }) => settledUs / 1e3),
      }),
      compare({
        what: 'remove all by Replace',
        unit: 'us/route',
        mcroute: ofLives(({ remove }) => remove.wallUs / count),
      }),
      perRoute(
        'of that on CPUs of the agent',
        'us/route',
        ofLives(({ remove }) => remove.cpuUs / count),
      ),
      compare({ what: 'memory (PSS), empty', unit: 'MB', mcroute: ofLives(({ memory }) => memory.empty) }),
      compare({ what: 'after Apply', unit: 'MB', mcroute: ofApplied(({ memory }) => memory.after) }),
      compare({ what: 'after Replace', unit: 'MB', mcroute: ofLives(({ memory }) => memory.added) }),
      compare({ what: 'after lists and changes', unit: 'MB', mcroute: ofLives(({ memory }) => memory.used) }),
      compare({ what: 'of the agent that took over', unit: 'MB', mcroute: ofLives(({ memory }) => memory.restarted) }),
      compare({ what: 'after all were removed', unit: 'MB', mcroute: ofLives(({ memory }) => memory.removed) }),
      perRoute(
        'a route, after Apply',
        'bytes',
        ofApplied(({ memory }) => bytes(memory.after - memory.empty)),
      ),
      perRoute(
        'a route, after Replace',
        'bytes',
        ofLives(({ memory }) => bytes(memory.added - memory.empty)),
      ),
      perRoute(
        'a route, of the agent that took over',
        'bytes',
        ofLives(({ memory }) => bytes(memory.restarted - memory.empty)),
      ),
      none('lost or differing entries', sum([...ofApplied(({ wrong }) => wrong), ...ofLives(({ wrong }) => wrong)])),
      none('entries written while another agent took over', sum(ofLives(({ written }) => written))),
      none('packets of a stream lost all the while', sum(ofLives(({ lost }) => lost))),
      none('packets of it that its entry has not counted', sum(ofLives(({ uncounted }) => uncounted))),
    ],
    notes: [
      'each entry was asked for by RTM_GETROUTE: after adding, after the changes, after the kill, and at the end',
    ],
    figures: { routes: count, applied, lives },
  };
}

/** What some work took. */
interface Cost {
  readonly wallUs: number;
  readonly cpuUs: number;
}

interface Applied {
  readonly add: Cost;
  readonly wrong: number;
  /** In MB. */
  readonly memory: { readonly empty: number; readonly after: number };
}

interface Life {
  readonly add: Cost;
  readonly lists: readonly Cost[];
  /** In microseconds. */
  readonly changes: readonly number[];
  readonly savedBytes: number;
  readonly serves: Cost;
  readonly settledUs: number;
  readonly remove: Cost;
  /** In MB. */
  readonly memory: Readonly<Record<'empty' | 'added' | 'used' | 'restarted' | 'removed', number>>;
  /** Entries that were not as wanted, at any look. */
  readonly wrong: number;
  /** News of entries while another agent took over. */
  readonly written: number;
  readonly lost: number;
  readonly uncounted: number;
}

async function measureApply({ router }: RouterTopology, audit: MfcAudit, count: number): Promise<Applied> {
  using agent = await startAgent(router, { table: TABLE });
  await apply(agent.client, { changes: [] });
  const empty = pss(agent.pid);
  const add = await costOf(agent.pid, () => addRoutes(agent.client, count));
  const after = pss(agent.pid);
  const wrong = wrongOf(await audit.look(routes(count)));
  await agent.stop(LIFE_LIMIT_MS);
  return { add, wrong, memory: { empty, after } };
}

let lives = 0;

async function measureLife(
  topology: RouterTopology,
  audit: MfcAudit,
  count: number,
  tell: (what: string) => void,
): Promise<Life> {
  const { router } = topology;
  const stateDirectory = `/run/scale-${++lives}`;
  using keeper = openKeeper(`${stateDirectory}.keeper`);
  const options = { table: TABLE, keeper, stateDirectory, startLimitMs: LIFE_LIMIT_MS };
  using first = await startAgent(router, options);
  using stream = await Stream.open(topology, first);
  const empty = pss(first.pid);

  tell(`${count} routes by Replace`);
  const resources = Array.from({ length: count }, (_, n) => ({ mroute: mroute(n) }));
  const add = await costOf(first.pid, () => replaceAll(first.client, resources));
  const added = pss(first.pid);
  let wrong = wrongOf(await audit.look(routes(count)));

  tell('lists and changes');
  const lists: Cost[] = [];
  for (let turn = 0; turn < LISTS; turn++) {
    // And the stream's.
    lists.push(
      await costOf(first.pid, async () => {
        expectEntries(await listAll(first.client), count + 1);
      }),
    );
  }
  const middle = Math.floor(count / 2);
  const change = ({ client }: Agent, threshold: number) =>
    apply(client, { changes: puts(middle, 1, threshold === 1 ? {} : withThreshold(threshold)) });
  const changes: number[] = [];
  for (let turn = 0; turn < CHANGES; turn++) {
    const threshold = 2 + (turn % 2);
    changes.push((await costOf(first.pid, () => change(first, threshold))).wallUs);
    wrong += wrongOf(await audit.look({ ...routes(1, middle), threshold }));
  }
  await change(first, 1);
  wrong += wrongOf(await audit.look(routes(count)));
  const [used, savedBytes] = [pss(first.pid), sizeOf(stateDirectory)];

  tell('kill');
  using news = await MfcNews.open(router, (threshold) => change(first, threshold));
  const before = await news.mark((threshold) => change(first, threshold));
  await change(first, 1);
  const begin = performance.now();
  first.process.kill('SIGKILL');
  await waitForExit(first.process);
  using second = await startAgent(router, options);
  const serves = { wallUs: (performance.now() - begin) * 1e3, cpuUs: cpuSeconds(second.pid) * 1e6 };
  expectEntries(await countProgrammed(second), count + 1);
  const settledUs = (performance.now() - begin) * 1e3;
  const restarted = pss(second.pid);
  wrong += wrongOf(await audit.look(routes(count)));
  // The change back before the kill, and the mark after it, are ours.
  const written = (await news.mark((threshold) => change(second, threshold))) - before - 2;

  tell('remove');
  const { lost, sent } = await stream.close();
  const counted = await audit.look(stream.entry);
  const remove = await costOf(second.pid, () => replaceAll(second.client, []));
  const removed = pss(second.pid);
  const left = await audit.look(routes(count));
  await second.stop(LIFE_LIMIT_MS);
  return {
    add,
    lists,
    changes,
    savedBytes,
    serves,
    settledUs,
    remove,
    memory: { empty, added, used, restarted, removed },
    wrong: wrong + wrongOf(counted) + count - left.absent,
    written,
    lost,
    uncounted: Math.abs(sent - counted.packets),
  };
}

/** Numbered packets through an entry of their own, from before the routes until they are taken over. */
class Stream implements Disposable {
  readonly entry: MfcRange;
  readonly #traffic: readonly Traffic[];
  readonly #receiver: Receiver;
  readonly #sender: Sender;

  private constructor(entry: MfcRange, traffic: readonly Traffic[], receiver: Receiver, sender: Sender) {
    this.entry = entry;
    this.#traffic = traffic;
    this.#receiver = receiver;
    this.#sender = sender;
  }

  static async open(topology: RouterTopology, { client }: Agent): Promise<Stream> {
    const { ipv4: source, namespace } = topology.sender(0);
    const key = { iif: 'in0', source, group: STREAM_GROUP };
    const changes = [{ put: { mroute: { key, oifs: [{ interface: 'out1' }] } } }];
    await apply(client, { owner: `${OWNER}-stream`, changes });
    const [from, to] = [openTraffic(namespace), openTraffic(topology.receiver(1).namespace)];
    const receiver = await to.receive({ interface: 'eth0', groups: [STREAM_GROUP] });
    const sender = await from.send({ interface: 'eth0', groups: [STREAM_GROUP], rate: STREAM_RATE });
    await receiver.awaitPackets(1);
    return new Stream({ ...routes(1), source, group: STREAM_GROUP }, [from, to], receiver, sender);
  }

  /** Ends it. */
  async close(): Promise<{ readonly lost: number; readonly sent: number }> {
    const report = await this.#sender.stop();
    const { streams } = await this.#receiver.collect(report);
    const total = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0);
    return { lost: total(streams.map(({ lost }) => lost)), sent: total(report.streams.map(({ sent }) => sent)) };
  }

  [Symbol.dispose](): void {
    for (const traffic of this.#traffic) traffic[Symbol.dispose]();
  }
}

/** The entries of so many routes. */
function routes(count: number, first = 0): MfcRange {
  return { table: TABLE, ...flow(first), count, iif: 'in0', oif: 'out1', threshold: 1 };
}

function wrongOf({ absent, different }: MfcFindings): number {
  return absent + different;
}

async function costOf(pid: number, work: () => Promise<unknown>): Promise<Cost> {
  const [begin, cpu] = [performance.now(), cpuSeconds(pid)];
  await work();
  return { wallUs: (performance.now() - begin) * 1e3, cpuUs: (cpuSeconds(pid) - cpu) * 1e6 };
}

function expectEntries(found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${found} of ${wanted} entries were listed`);
}

async function countProgrammed({ client }: Agent): Promise<number> {
  let count = 0;
  for await (const { entries } of messages(client.List({}, { deadline: deadlineAfter(LIFE_LIMIT_MS) }))) {
    count += entries.filter(({ state }) => state === 'STATE_PROGRAMMED').length;
  }
  return count;
}

/** Bytes of the files in a folder and in those below it. */
function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => statSync(join(folder, file)));
  return files.filter((file) => file.isFile()).reduce((sum, { size }) => sum + size, 0);
}
