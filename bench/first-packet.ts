// The way of a new flow's first packet through the router, from the system call that sends it to the receiver's interface.
import {
  type Contender,
  EXACT,
  type FlowRule,
  type McrouteContender,
  PREFIX,
  PREFIX_IPV6,
  closeMcroute,
  openLimit,
  openMcroute,
  openPeer,
  priorityNote,
} from './contenders.js';
import { sendFlows, underLoad } from './flows.js';
import { peerNote, peerVersion } from './peer.js';
import { Program } from './program.js';
import type { Report, Row, SectionOptions } from './report.js';
import { type Bar, compare, none, percentile } from './statistics.js';

const FLOWS = 1_000;
const ROUTES = 10_000;
/** So that every flow comes to an idle router. */
const GAP_US = 1_000;

/** The kernel's own way, and the noise of two that are the same. */
const EXACT_BAR: Bar = { timesLimit: 1.25 };
const UPCALL_BAR: Bar = { timesLimit: 1.25 };
const LOADED_BAR: Bar = { atMost: 150 };

interface Case {
  readonly what: string;
  readonly rule: FlowRule;
  readonly routes: number;
  readonly isLoaded?: boolean;
  /** Of which percentile. */
  readonly bar?: { readonly part: number; readonly bar: Bar };
  readonly hasPeer?: boolean;
}

const CASES: readonly Case[] = [
  { what: '(*,G)', rule: EXACT, routes: 0, bar: { part: 0.5, bar: EXACT_BAR }, hasPeer: true },
  { what: `(*,G), ${ROUTES} routes`, rule: EXACT, routes: ROUTES, bar: { part: 0.5, bar: EXACT_BAR }, hasPeer: true },
  { what: 'prefix', rule: PREFIX, routes: 0, bar: { part: 0.5, bar: UPCALL_BAR }, hasPeer: true },
  {
    what: `prefix, ${ROUTES} routes`,
    rule: PREFIX,
    routes: ROUTES,
    bar: { part: 0.5, bar: UPCALL_BAR },
    hasPeer: true,
  },
  { what: 'prefix of IPv6', rule: PREFIX_IPV6, routes: 0, bar: { part: 0.5, bar: UPCALL_BAR } },
  { what: 'prefix, API under load', rule: PREFIX, routes: 0, isLoaded: true, bar: { part: 0.9, bar: LOADED_BAR } },
];

const PERCENTILES = [0.5, 0.9, 0.99];

export async function firstPacket({ rounds = 3, count = FLOWS, tell }: SectionOptions): Promise<Report> {
  using probe = new Program('probes/flow-probe');
  using daemon = new Program('limits/upcall-daemon');
  const hasPeer = peerVersion() !== undefined;
  const rows: Row[] = [];
  const loads: number[] = [];
  let priority = '';
  let lost = 0;
  const measure = async (contender: Contender, rule: FlowRule) => {
    const {
      ns = [],
      sent,
      received,
    } = await sendFlows(probe, contender, rule, {
      how: 'first',
      flows: count,
      gapUs: GAP_US,
    });
    return { us: ns.map((time) => time / 1e3), lost: sent - received };
  };
  for (const each of CASES) {
    const { what, rule, routes } = each;
    const [ours, limit, peer]: [number[][], number[][], number[][]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      tell(`first-packet: ${what}, round ${round + 1} of ${rounds}`);
      using mcroute = await openMcroute(rule, routes);
      const found = await measureOurs(mcroute, each.isLoaded === true, () => measure(mcroute, rule));
      if (found.changesPerSecond !== undefined) loads.push(found.changesPerSecond);
      lost += found.result.lost;
      ours.push(found.result.us);
      priority = await priorityNote(mcroute);
      await closeMcroute(mcroute);
      using other = await openLimit(daemon, rule, routes);
      limit.push((await measure(other, rule)).us);
      // With routes it takes seconds to start.
      if (each.hasPeer !== true || !hasPeer || (routes > 0 && round > 0)) continue;
      using third = await openPeer(rule, routes);
      peer.push((await measure(third, rule)).us);
    }
    for (const part of PERCENTILES) {
      const of = (all: readonly number[][]) => all.map((times) => percentile(times, part));
      rows.push(
        compare({
          what: `${what}: p${part * 100}`,
          unit: 'us',
          mcroute: of(ours),
          limit: of(limit),
          smcroute: peer.length === 0 ? undefined : of(peer),
          bar: each.bar?.part === part ? each.bar.bar : undefined,
        }),
      );
    }
  }
  rows.push(none('packets of mcroute that were lost', lost));
  return {
    title: `${count} new flows each, one after the other, ${GAP_US} us apart; median of ${rounds}`,
    limit: 'C daemon',
    rows,
    notes: [
      'the C daemon and smcroute are always idle but for the flows',
      `the load: ${Math.round(Math.min(...loads))} changed routes a second by Apply, in batches`,
      priority,
      peerNote(),
    ],
    figures: { flows: count, changesPerSecond: loads },
  };
}

async function measureOurs<T>(
  mcroute: McrouteContender,
  isLoaded: boolean,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly changesPerSecond?: number }> {
  return isLoaded ? underLoad(mcroute, work) : { result: await work() };
}
