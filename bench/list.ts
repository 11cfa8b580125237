// Listing with counters, streamed, beside a loop of SIOCGETSGCNT; and the clients as whole processes.
import { join } from 'node:path';
import { startAgent } from '../test/support/agent.js';
import { installTree } from '../test/support/install-tree.js';
import type { Namespace } from '../test/support/namespaces.js';
import { routerTopology } from '../test/support/topology.js';
import { runLoop } from './bulk.js';
import { addRoutes, listAll } from './calls.js';
import { PEER_ROUTES_MAX, Peer, peerNote, peerVersion } from './peer.js';
import { cpuSeconds } from './processes.js';
import { ProcessClock } from './process-clock.js';
import { Program } from './program.js';
import type { Report, SectionOptions } from './report.js';
import { addCommands } from './routes.js';
import { compare } from './statistics.js';

const ROUTES = 10_000;
const TABLE = 353;
/** The first lists of an agent, and of a client, run uncompiled. */
const WARM_UP = 10;
/** Lists of a round: the time of a CPU is told in steps of 10 ms, which one list may not take. */
const LISTS = 10;
const BAR_US = 1.5;

export async function list({ rounds = 5, count = ROUTES, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  using loop = new Program('limits/mfc-loop');
  using clock = new ProcessClock();
  const { router } = topology;
  using agent = await startAgent(router, { table: TABLE });
  await addRoutes(agent.client, count);
  for (let turn = 0; turn < WARM_UP; turn++) await listAll(agent.client);
  const [streamed, cpu, read, mcctl, empty]: [number[], number[], number[], number[], number[]] = [[], [], [], [], []];
  const mcctlWords = [join(installTree(), 'bin/mcctl'), '--socket', agent.socketPath, '-o', 'json', 'show'];
  for (let round = 0; round < rounds; round++) {
    tell(`list: round ${round + 1} of ${rounds}`);
    const before = cpuSeconds(agent.pid);
    for (let turn = 0; turn < LISTS; turn++) {
      const begin = performance.now();
      const entries = await listAll(agent.client);
      streamed.push(((performance.now() - begin) * 1e3) / count);
      if (entries !== count) throw new Error(`${entries} of ${count} entries were listed`);
    }
    cpu.push(((cpuSeconds(agent.pid) - before) * 1e6) / count / LISTS);
    read.push((await runLoop(router, loop, count)).readNs / 1e3);
    mcctl.push((await clock.untilEnd(router, mcctlWords)) / 1e3);
    empty.push((await clock.untilEnd(router, [process.execPath, '-e', '0'])) / 1e3);
  }
  await agent.stop();
  const peer = peerVersion() === undefined ? undefined : await measurePeer(router, clock, rounds, count);
  const perRoute = (times: readonly number[] | undefined) => times?.map((ms) => (ms * 1e3) / count);
  return {
    title: `${count} routes with counters, median of ${rounds} rounds of ${LISTS} lists`,
    limit: 'C loop, or node -e 0',
    rows: [
      compare({
        what: 'List of the API, until the client has it',
        unit: 'us/route',
        mcroute: streamed,
        limit: read,
        smcroute: perRoute(peer?.detailed),
        bar: { atMost: BAR_US },
      }),
      compare({ what: 'of that on CPUs of the agent', unit: 'us/route', mcroute: cpu }),
      compare({
        what: 'mcctl show -o json, whole process',
        unit: 'ms',
        mcroute: mcctl,
        limit: empty,
        smcroute: peer?.json ?? peer?.detailed,
      }),
    ],
    notes: ['smcroute: smcroutectl show -d, or -j where it has that, whole process', peerNote()],
    figures: { routes: count },
  };
}

/** smcroutectl as whole process, in ms. */
async function measurePeer(
  router: Namespace,
  clock: ProcessClock,
  rounds: number,
  count: number,
): Promise<{ readonly detailed: readonly number[]; readonly json: readonly number[] | undefined } | undefined> {
  if (count > PEER_ROUTES_MAX) return undefined;
  using peer = await Peer.start(router);
  peer.ctl(['-b'], addCommands(count));
  const show = async (option: string) => {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      times.push((await clock.untilEnd(router, ['smcroutectl', '-u', peer.socketPath, option, 'show'])) / 1e3);
    }
    return times;
  };
  const found = { detailed: await show('-d'), json: hasJson() ? await show('-j') : undefined };
  await peer.stop();
  return found;
}

/** Since version 2.6. */
function hasJson(): boolean {
  const [major = 0, minor = 0] = (peerVersion() ?? '').split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 6);
}
