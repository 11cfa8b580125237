// New flows through a router, by flow-probe.c, with or without a client that keeps the agent's API busy.
import { type Contender, type FlowRule, type McrouteContender, isExact } from './contenders.js';
import { BATCH, apply } from './calls.js';
import { eventually } from '../test/support/wait.js';
import type { Program } from './program.js';
import { puts, withThreshold } from './routes.js';

const LIMIT_MS = 120_000;

/** Changes after which the load counts as running. */
const WARM_UP_CHANGES = 4 * BATCH;

/** What the probe prints. */
export interface FlowReport {
  /** In nanoseconds; of `first` only. */
  readonly ns?: readonly number[];
  /** That the sending took; of `storm` only. */
  readonly seconds?: number;
  readonly sent: number;
  readonly received: number;
  /** Packets that the probe's own socket dropped. */
  readonly drops: number;
}

export interface FlowOptions {
  readonly how: 'first' | 'storm';
  readonly flows: number;
  /** Between two packets, in microseconds. */
  readonly gapUs: number;
}

/** Sends a packet of each of so many new flows. */
export async function sendFlows(
  probe: Program,
  { topology }: Contender,
  rule: FlowRule,
  { how, flows, gapUs }: FlowOptions,
): Promise<FlowReport> {
  const [sender, receiver] = [topology.sender(0).namespace, topology.receiver(1).namespace];
  const family = rule.family === 'ipv4' ? 4 : 6;
  const ends = [sender.path, 'eth0', receiver.path, 'eth0'];
  const words = [family, ...ends, rule.group, isExact(rule) ? 0 : 1, flows, gapUs, how];
  const report = (await probe.json(sender, words, LIMIT_MS)) as FlowReport;
  if (report.drops > 0) throw new Error(`the probe itself dropped ${report.drops} packets`);
  return report;
}

/** Does the work while a client changes routes as fast as the agent takes it; also tells how many it changed a second. */
export async function underLoad<T>(
  { agent }: McrouteContender,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly changesPerSecond: number }> {
  const batches = [2, 3].map((threshold) => puts(500_000, BATCH, withThreshold(threshold)));
  let isDone = false;
  let changes = 0;
  const load = async () => {
    for (let turn = 0; !isDone; turn++) {
      await apply(agent.client, { changes: batches[turn % 2] ?? [] });
      changes += BATCH;
    }
  };
  // Two, so that one is always waiting in the agent.
  const loads = Promise.all([load(), load()]);
  const failed = loads.then(() => Promise.reject(new Error('bug: the load has ended')));
  try {
    await Promise.race([
      failed,
      eventually(() => changes >= WARM_UP_CHANGES || undefined, 'the load to run', LIMIT_MS),
    ]);
    const [begin, before] = [performance.now(), changes];
    const result = await Promise.race([failed, work()]);
    // Also what was under way at the end: the work may be shorter than a batch.
    isDone = true;
    await loads;
    return { result, changesPerSecond: ((changes - before) * 1e3) / (performance.now() - begin) };
  } finally {
    isDone = true;
    failed.catch(() => undefined);
    await loads;
  }
}
