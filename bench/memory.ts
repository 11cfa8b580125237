// What agents take: each further one, idle and after load, and each route; at rest, and right after the load.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAgent } from '../test/support/agent.js';
import type { Namespace } from '../test/support/namespaces.js';
import { routerTopology } from '../test/support/topology.js';
import { waitForEvent } from '../test/support/wait.js';
import { applyAll } from './calls.js';
import { Peer, peerNote, peerVersion } from './peer.js';
import { pss } from './processes.js';
import type { Report, SectionOptions } from './report.js';
import { putsBetween } from './routes.js';
import { compare, median } from './statistics.js';

const ROUTES = 10_000;
/** Routes of the larger table by which those of one are told. */
const MANY_TIMES = 10;
const COUNTS = [1, 2, 8];
/** Agents collect garbage when they have been idle for some seconds, and V8 does so once more 8 s later. */
const REST_MS = 20_000;
const FIRST_TABLE = 360;
const IDLE_BAR_MB = 12;
const LOADED_BAR_MB = 25;

export async function memory({ rounds = 1, count = ROUTES, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  const { router } = topology;
  for (let index = 0; index < Math.max(...COUNTS); index++) {
    const { iif, oif } = interfacesOf(index);
    router.ip(`link add name ${iif} type veth peer name ${oif}`, `link set dev ${iif} up`, `link set dev ${oif} up`);
  }
  const all = {
    idle: sums(),
    loaded: sums(),
    loadedAtOnce: sums(),
    node: sums(),
    peer: sums(),
    route: [] as number[],
  };
  for (let round = 0; round < rounds; round++) {
    tell(`memory: round ${round + 1} of ${rounds}`);
    await measure((index) => openAgent(router, index, 0), all.idle, REST_MS);
    await measure((index) => openAgent(router, index, count), all.loadedAtOnce);
    await measure((index) => openAgent(router, index, count), all.loaded, REST_MS);
    await measure(openNode, all.node);
    if (peerVersion() !== undefined) await measure((index) => openPeer(router, index), all.peer);
    const many = await openAgent(router, 0, count * MANY_TIMES);
    await sleep(REST_MS);
    const one = median(all.loaded.get(1) ?? []);
    all.route.push(((pss(many.pid) - one) * 1e6) / (count * (MANY_TIMES - 1)));
    await many.close();
  }
  const peerOf = (figure: (all: Sums) => readonly number[]) =>
    peerVersion() === undefined ? undefined : figure(all.peer);
  return {
    title: `proportional set size (PSS), ${rounds === 1 ? 'once' : `median of ${rounds}`}`,
    limit: 'idle Node',
    rows: [
      ...COUNTS.map((agents) =>
        compare({
          what: `${agents} idle, together`,
          unit: 'MB',
          mcroute: all.idle.get(agents) ?? [],
          limit: all.node.get(agents),
          smcroute: peerOf((sum) => sum.get(agents) ?? []),
        }),
      ),
      compare({
        what: 'each further one, idle',
        unit: 'MB',
        mcroute: further(all.idle),
        limit: further(all.node),
        smcroute: peerOf(further),
        bar: { atMost: IDLE_BAR_MB },
      }),
      ...COUNTS.map((agents) =>
        compare({
          what: `${agents} after ${count} routes each, together`,
          unit: 'MB',
          mcroute: all.loaded.get(agents) ?? [],
        }),
      ),
      compare({
        what: `each further one, after ${count} routes`,
        unit: 'MB',
        mcroute: further(all.loaded),
        bar: { atMost: LOADED_BAR_MB },
      }),
      compare({
        what: `the same right after the load, with its garbage`,
        unit: 'MB',
        mcroute: further(all.loadedAtOnce),
      }),
      compare({
        what: `a route, from ${count} to ${count * MANY_TIMES} of them`,
        unit: 'bytes',
        mcroute: all.route,
      }),
    ],
    notes: [peerNote()],
    figures: { routes: count },
  };
}

/** Of so many together, in MB, a number for each round. */
type Sums = ReadonlyMap<number, number[]>;

function sums(): Sums {
  return new Map(COUNTS.map((count) => [count, []]));
}

/** From one to the most of them, by as many as there are between. */
function further(all: Sums): number[] {
  const most = Math.max(...COUNTS);
  const [one = [], many = []] = [all.get(1), all.get(most)];
  return many.map((sum, round) => (sum - (one[round] ?? Number.NaN)) / (most - 1));
}

interface Measured {
  readonly pid: number;
  readonly close: () => Promise<void>;
}

/** Opens one after the other and looks at all of them at each count, after a rest. */
async function measure(open: (index: number) => Promise<Measured>, into: Sums, restMs = 0): Promise<void> {
  const opened: Measured[] = [];
  try {
    for (let index = 0; index < Math.max(...COUNTS); index++) {
      opened.push(await open(index));
      const sums = into.get(opened.length);
      if (sums === undefined) continue;
      await sleep(restMs);
      sums.push(opened.reduce((sum, { pid }) => sum + pss(pid), 0));
    }
  } finally {
    await Promise.all(opened.map(({ close }) => close()));
  }
}

/** Those of one agent alone: tables that share interfaces warn of it, and their memory is another. */
function interfacesOf(index: number): { readonly iif: string; readonly oif: string } {
  return { iif: `from${index}`, oif: `to${index}` };
}

async function openAgent(router: Namespace, index: number, routes: number): Promise<Measured> {
  const agent = await startAgent(router, { table: FIRST_TABLE + index });
  try {
    const { iif, oif } = interfacesOf(index);
    await applyAll(agent.client, putsBetween(iif, oif, routes));
  } catch (error) {
    agent[Symbol.dispose]();
    throw error;
  }
  return {
    pid: agent.pid,
    close: async () => {
      await agent.stop();
    },
  };
}

async function openPeer(router: Namespace, index: number): Promise<Measured> {
  const peer = await Peer.start(router, { table: FIRST_TABLE + index });
  return { pid: peer.pid, close: () => peer.stop() };
}

async function openNode(): Promise<Measured> {
  const words = ['-e', 'process.stdout.write("up"); setInterval(() => {}, 1e9)'];
  const node = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  await waitForEvent(node.stdout, 'data');
  const close = async () => {
    node.kill('SIGKILL');
    await waitForEvent(node, 'exit');
  };
  return { pid: node.pid ?? 0, close };
}
