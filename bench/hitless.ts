// Forwarding that never stops: packets lost while agents and supervisors are killed and replaced under load.
import { setTimeout as delay } from 'node:timers/promises';
import { BLOWS, type Blow, HITLESS_TABLE, HitlessRig, STREAM_RATE, planBlows } from '../test/support/hitless.js';
import { Random } from '../test/support/random.js';
import type { Report, Row, SectionOptions } from './report.js';
import { median } from './statistics.js';

const ROUTES = 10_000;

/** Kills of each kind; as many restarts come on top. */
const ROUNDS = 50;

/** Longest time between two blows, in ms. */
const PAUSE_MAX_MS = 500;

export async function hitless({ rounds = ROUNDS, seed, tell }: SectionOptions): Promise<Report> {
  using rig = new HitlessRig();
  tell(`hitless: ${ROUTES} routes in table ${HITLESS_TABLE}, seed ${seed}`);
  await rig.open(ROUTES);
  const before = await rig.state();
  const times = new Map<Blow, number[]>(BLOWS.map((blow) => [blow, []]));
  const plan = planBlows(new Random(seed), rounds * BLOWS.length, PAUSE_MAX_MS);
  for (const [index, { blow, afterMs }] of plan.entries()) {
    // A moment that nothing tells is what is measured.
    await delay(afterMs);
    times.get(blow)?.push(await rig.strike(blow));
    if ((index + 1) % 20 === 0) tell(`hitless: ${index + 1} of ${plan.length}`);
  }
  const after = await rig.state();
  const { streams, socketDrops, leaves } = await rig.close();
  const sum = (key: 'received' | 'lost' | 'duplicated') => streams.reduce((total, each) => total + each[key], 0);
  const changes = differences(before, after);
  const bar = (what: string, count: number, result = String(count)): Row => {
    return { what, result, bar: '0', isMet: count === 0 };
  };
  return {
    title: `${ROUTES} routes, ${streams.length} streams of both families, up to ${STREAM_RATE} packets/s each`,
    rows: [
      bar('packets lost', sum('lost'), `${sum('lost')} of ${sum('received') + sum('lost')}`),
      bar('packets doubled', sum('duplicated')),
      bar('groups left (IGMP, MLD)', leaves.length),
      bar('differences of the state after from the state before', changes.length),
      ...(socketDrops === 0 ? [] : [bar('packets that the receiver of the test itself dropped', socketDrops)]),
      ...[...times].map(([blow, all]): Row => {
        const spread = `${Math.min(...all).toFixed(0)} to ${Math.max(...all).toFixed(0)}`;
        return {
          what: `${blow}, ${all.length} times: until an agent serves`,
          result: `${median(all).toFixed(0)} ms (${spread})`,
        };
      }),
    ],
    figures: {
      routes: ROUTES,
      streams,
      socketDrops,
      leaves,
      changes: changes.slice(0, 20),
      untilServingMs: Object.fromEntries(times),
    },
  };
}

/** Lines that are only in one of the two. */
function differences(before: readonly string[], after: readonly string[]): string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}
