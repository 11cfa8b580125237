// From exec to listening: an agent without a file, beside `node -e 0` and smcrouted.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { installTree } from '../test/support/install-tree.js';
import { routerTopology } from '../test/support/topology.js';
import { peerCommand, peerNote, peerVersion, socketOf } from './peer.js';
import { ProcessClock } from './process-clock.js';
import type { Report, SectionOptions } from './report.js';
import { compare } from './statistics.js';

const TABLE = 354;
const BAR_MS = 60;

export async function start({ rounds = 15, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  using clock = new ProcessClock();
  const { router } = topology;
  const found: Readonly<Record<'agent' | 'empty' | 'peer', number[]>> = { agent: [], empty: [], peer: [] };
  const hasPeer = peerVersion() !== undefined;
  tell(`start: ${rounds} rounds`);
  for (let round = 0; round < rounds; round++) {
    const folder = mkdtempSync('/run/bench-start-');
    try {
      const words = [join(installTree(), 'bin/mcroute-agent'), '--table', String(TABLE)];
      const env = { MCROUTE_RUNTIME_DIRECTORY: folder, MCROUTE_STATE_DIRECTORY: join(folder, 'state') };
      const agent = await clock.untilListening(router, join(folder, `${TABLE}.sock`), words, env);
      found.agent.push(agent / 1e3);
      found.empty.push((await clock.untilEnd(router, [process.execPath, '-e', '0'])) / 1e3);
      if (hasPeer) {
        const peer = await clock.untilListening(router, socketOf(folder), peerCommand(folder));
        found.peer.push(peer / 1e3);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return {
    title: `median of ${rounds}`,
    limit: 'node -e 0',
    rows: [
      compare({
        what: 'agent, from exec until it takes connections',
        unit: 'ms',
        mcroute: found.agent,
        limit: found.empty,
        smcroute: hasPeer ? found.peer : undefined,
        bar: { atMost: BAR_MS },
      }),
    ],
    notes: [peerNote()],
    figures: {},
  };
}
