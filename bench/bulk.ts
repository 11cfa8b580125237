// Routes added through the API by one client, and one changed among many, beside a loop of system calls.
import type { Change } from '../src/api/generated/mcroute/v1/Change.js';
import { type Agent, startAgent } from '../test/support/agent.js';
import type { Namespace } from '../test/support/namespaces.js';
import { routerTopology } from '../test/support/topology.js';
import { addRoutes, apply, applyAll, replaceAll } from './calls.js';
import { PEER_ROUTES_MAX, Peer, peerNote, peerVersion } from './peer.js';
import { Program } from './program.js';
import type { Report, Row, SectionOptions } from './report.js';
import { addCommands, mroute, puts, withThreshold } from './routes.js';
import { type Bar, compare, median } from './statistics.js';

const SIZES = [1_000, 10_000, 100_000, 500_000];

/** Routes beside which one is changed. */
const CHANGE_SIZES = [10, 10_000, 100_000];
const CHANGES = 50;

/** V8 compiles what has run often: after about so many routes it is all there. */
const WARM_UP_ROUTES = 30_000;

const TABLE = 351;
const LIMIT_TABLE = 352;
const LIMIT_MS = 120_000;

/** Of docs/performance.md. */
const ADD_BAR: Bar = { timesLimit: 1.8 };
/** Flat: the largest size as a multiple of a small one; the C loop itself grows a little. */
const FLAT_BAR = 1.5;

/** The larger the fewer, so that all sizes take about the same time. */
function roundsOf(rounds: number, size: number): number {
  return size > 10_000 ? Math.min(rounds, size > 100_000 ? 1 : 2) : rounds;
}

export async function bulk({ rounds = 5, count, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  using loop = new Program('limits/mfc-loop');
  const rows: Row[] = [];
  const perRoute = new Map<number, number>();
  const sizes = count === undefined ? SIZES : [count];
  for (const size of sizes) {
    const found: Added = { apply: [], again: [], replace: [], loop: [], smcroute: [] };
    for (let round = 0; round < roundsOf(rounds, size); round++) {
      tell(`bulk: ${size} routes, round ${round + 1} of ${roundsOf(rounds, size)}`);
      await measureAdding(topology.router, loop, size, found);
    }
    perRoute.set(size, median(found.again));
    const smcroute = found.smcroute.length === 0 ? undefined : found.smcroute;
    rows.push(
      compare({
        what: `add ${size} by Apply`,
        unit: 'us/route',
        mcroute: found.apply,
        limit: found.loop,
        smcroute,
        bar: ADD_BAR,
      }),
      compare({
        what: `the same ${size} again`,
        unit: 'us/route',
        mcroute: found.again,
        limit: found.loop,
        smcroute,
        bar: ADD_BAR,
      }),
      compare({
        what: `add ${size} by Replace`,
        unit: 'us/route',
        mcroute: found.replace,
        limit: found.loop,
        smcroute,
        bar: ADD_BAR,
      }),
    );
  }
  const [base, largest] = [perRoute.get(10_000), perRoute.get(Math.max(...sizes))];
  if (base !== undefined && largest !== undefined && sizes.length > 1) {
    rows.push(flatness('growth of a route added again, from 10,000 to the most', largest / base));
  }
  const changeSizes = count === undefined ? CHANGE_SIZES : [count];
  const changed: number[] = [];
  for (const size of changeSizes) {
    tell(`bulk: one changed route among ${size}`);
    const { nothing, one, loopUs } = await measureChange(topology.router, loop, size);
    if (changed.length === 0) rows.push(compare({ what: 'an Apply of nothing', unit: 'us', mcroute: nothing }));
    changed.push(median(one));
    rows.push(compare({ what: `one changed among ${size}`, unit: 'us', mcroute: one, limit: [loopUs] }));
  }
  const [few, many] = [changed[0], changed.at(-1)];
  if (few !== undefined && many !== undefined && changed.length > 1) {
    rows.push(flatness('growth of one change, from the fewest to the most', many / few));
  }
  return {
    title: `routes through the API, replies included, median of ${rounds} (fewer from 100,000 on)`,
    limit: 'C loop',
    rows,
    notes: [`smcroute: smcroutectl -b, whole process, up to ${PEER_ROUTES_MAX} routes`, peerNote()],
    figures: { sizes },
  };
}

function flatness(what: string, ratio: number): Row {
  return {
    what,
    result: `${ratio.toFixed(2)}x`,
    bar: `flat: at most ${FLAT_BAR}x`,
    isMet: ratio <= FLAT_BAR,
    timesBar: ratio / FLAT_BAR,
    samples: { ratio },
  };
}

/** Microseconds a route. */
interface Added {
  /** By an agent that has just been started. */
  readonly apply: number[];
  /** By one that has done it, and removed them, so often before. */
  readonly again: number[];
  readonly replace: number[];
  readonly loop: number[];
  readonly smcroute: number[];
}

async function measureAdding(router: Namespace, loop: Program, size: number, found: Added): Promise<void> {
  // Made before: a client has its routes.
  const changes = puts(0, size);
  found.apply.push(await timeOf(router, size, ({ client }) => applyAll(client, changes)));
  const again = (agent: Agent) => applyAll(agent.client, changes);
  found.again.push(
    await timeOf(router, size, again, async (agent) => {
      for (let routes = 0; routes < WARM_UP_ROUTES; routes += size) {
        await again(agent);
        await replaceAll(agent.client, []);
      }
    }),
  );
  const resources = Array.from({ length: size }, (_, n) => ({ mroute: mroute(n) }));
  found.replace.push(
    await timeOf(router, size, async ({ client }) => {
      const { added } = await replaceAll(client, resources);
      if (added !== size) throw new Error(`${added} of ${size} routes were added`);
    }),
  );
  found.loop.push((await runLoop(router, loop, size)).addNs / 1e3);
  if (size > PEER_ROUTES_MAX || peerVersion() === undefined) return;
  const commands = addCommands(size);
  using peer = await Peer.start(router);
  const begin = performance.now();
  peer.ctl(['-b'], commands);
  found.smcroute.push(((performance.now() - begin) * 1e3) / size);
  await peer.stop();
}

/** Microseconds a route that the work takes on an agent that has none. */
async function timeOf(
  router: Namespace,
  size: number,
  work: (agent: Agent) => Promise<void>,
  prepare: (agent: Agent) => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  using agent = await startAgent(router, { table: TABLE });
  // The first call opens the connection.
  await apply(agent.client, { changes: [] });
  await prepare(agent);
  const begin = performance.now();
  await work(agent);
  const time = performance.now() - begin;
  await agent.stop();
  return (time * 1e3) / size;
}

/** What mfc-loop.c prints: means in nanoseconds. */
export interface LoopTimes {
  readonly addNs: number;
  readonly readNs: number;
  readonly changeNs: number;
}

/** Runs the loop on a table of its own. */
export async function runLoop(router: Namespace, loop: Program, size: number): Promise<LoopTimes> {
  return (await loop.json(router, [LIMIT_TABLE, size, 'in0', 'out1'], LIMIT_MS)) as LoopTimes;
}

/** Applies, from call to reply, in microseconds, while so many routes are there. */
async function measureChange(
  router: Namespace,
  loop: Program,
  size: number,
): Promise<{ readonly nothing: readonly number[]; readonly one: readonly number[]; readonly loopUs: number }> {
  using agent = await startAgent(router, { table: TABLE });
  await addRoutes(agent.client, size);
  const [nothing, one]: [number[], number[]] = [[], []];
  const time = async (changes: readonly Change[]) => {
    const begin = performance.now();
    await apply(agent.client, { changes: [...changes] });
    return (performance.now() - begin) * 1e3;
  };
  for (let turn = 0; turn < CHANGES; turn++) {
    nothing.push(await time([]));
    one.push(await time(puts(Math.floor(size / 2), 1, withThreshold(2 + (turn % 2)))));
  }
  await agent.stop();
  return { nothing, one, loopUs: (await runLoop(router, loop, size)).changeNs / 1e3 };
}
