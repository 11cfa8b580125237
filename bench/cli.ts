// The clients as whole processes: a small `show`, and 10,000 routes in one go.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Agent, startAgent } from '../test/support/agent.js';
import { installTree } from '../test/support/install-tree.js';
import type { Namespace } from '../test/support/namespaces.js';
import { routerTopology } from '../test/support/topology.js';
import { addRoutes, replaceAll } from './calls.js';
import { PEER_ROUTES_MAX, Peer, peerNote, peerVersion } from './peer.js';
import { ProcessClock } from './process-clock.js';
import type { Report, SectionOptions } from './report.js';
import { addCommands, applyFile } from './routes.js';
import { compare } from './statistics.js';

const ROUTES = 10_000;
/** Routes of a table that people look at. */
const FEW_ROUTES = 10;
const TABLE = 355;
const SHOW_BAR_MS = 55;
const BULK_BAR_MS = 250;

export async function cli({ rounds = 10, count = ROUTES, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  using clock = new ProcessClock();
  const folder = mkdtempSync('/run/bench-cli-');
  try {
    const files = { apply: join(folder, 'routes.json'), batch: join(folder, 'routes.batch') };
    writeFileSync(files.apply, applyFile(count));
    writeFileSync(files.batch, addCommands(count));
    const bulkRounds = Math.ceil(rounds / 2);
    tell(`cli: mcctl, ${rounds} rounds`);
    const ours = await measureOurs(topology.router, clock, files, rounds, bulkRounds);
    tell('cli: smcroutectl');
    const peer =
      peerVersion() === undefined || count > PEER_ROUTES_MAX
        ? undefined
        : await measurePeer(topology.router, clock, files.batch, rounds);
    return {
      title: `whole processes; median of ${rounds}, of ${bulkRounds} for ${count} routes`,
      limit: 'node -e 0',
      rows: [
        compare({
          what: `mcctl show, ${FEW_ROUTES} routes`,
          unit: 'ms',
          mcroute: ours.show,
          limit: ours.empty,
          smcroute: peer?.show,
          bar: { atMost: SHOW_BAR_MS },
        }),
        compare({
          what: `mcctl apply -f, ${count} routes as JSON`,
          unit: 'ms',
          mcroute: ours.apply,
          smcroute: peer?.batch,
          bar: { atMost: BULK_BAR_MS },
        }),
        compare({
          what: `smcroutectl -b of mcroute, ${count} commands`,
          unit: 'ms',
          mcroute: ours.batch,
          smcroute: peer?.batch,
          bar: { atMost: BULK_BAR_MS },
        }),
      ],
      notes: [peerNote()],
      figures: { routes: count },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Files {
  readonly apply: string;
  readonly batch: string;
}

async function measureOurs(router: Namespace, clock: ProcessClock, files: Files, rounds: number, bulkRounds: number) {
  using agent = await startAgent(router, { table: TABLE });
  await addRoutes(agent.client, FEW_ROUTES);
  const program = (name: string) => join(installTree(), 'bin', name);
  const mcctl = [program('mcctl'), '--socket', agent.socketPath];
  // Its input is that of the shell.
  const batch = ['sh', '-c', 'exec "$0" -u "$1" -b <"$2"', program('smcroutectl'), agent.socketPath, files.batch];
  const found = { show: [] as number[], empty: [] as number[], apply: [] as number[], batch: [] as number[] };
  const time = async (words: readonly string[]) => (await clock.untilEnd(router, words)) / 1e3;
  for (let round = 0; round < rounds; round++) {
    found.show.push(await time([...mcctl, 'show']));
    found.empty.push(await time([process.execPath, '-e', '0']));
  }
  for (let round = 0; round < bulkRounds; round++) {
    await clear(agent);
    found.apply.push(await time([...mcctl, 'apply', '-f', files.apply]));
    await clear(agent);
    found.batch.push(await time(batch));
  }
  await agent.stop();
  return found;
}

/** What both clients want has the owner `cli`; the few routes are of another, and overlap. */
async function clear({ client }: Agent): Promise<void> {
  await replaceAll(client, []);
  await replaceAll(client, [], 'cli');
}

async function measurePeer(router: Namespace, clock: ProcessClock, batchFile: string, rounds: number) {
  const show: number[] = [];
  const batch: number[] = [];
  // Each takes seconds.
  for (let round = 0; round < Math.min(rounds, 2); round++) {
    using peer = await Peer.start(router);
    peer.ctl(['-b'], addCommands(FEW_ROUTES));
    for (let turn = 0; turn < rounds; turn++) {
      show.push((await clock.untilEnd(router, ['smcroutectl', '-u', peer.socketPath, 'show'])) / 1e3);
    }
    const words = ['sh', '-c', 'exec smcroutectl -u "$0" -b <"$1"', peer.socketPath, batchFile];
    batch.push((await clock.untilEnd(router, words)) / 1e3);
    await peer.stop();
  }
  return { show, batch };
}
