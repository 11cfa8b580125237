// The way of a new flow's first packet through the router, from the system call that sends it to the receiver's interface.
import { formatAddress, parseAddress } from '../src/model/address.js';
import {
  type Contender,
  EXACT,
  type FlowRule,
  PREFIX,
  PREFIX_IPV6,
  closeMcroute,
  isExact,
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
/** Flows after which it is the turn of another, so that what else the machine does befalls all alike. */
const TURN_FLOWS = 100;

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
  const measure = async (contender: Contender, rule: FlowRule, flows: number) => {
    const { ns = [], sent, received } = await sendFlows(probe, contender, rule, { how: 'first', flows, gapUs: GAP_US });
    return { us: ns.map((time) => time / 1e3), lost: sent - received };
  };
  const takeTurns = async (contenders: readonly Contender[], rule: FlowRule) => {
    const found = contenders.map(() => ({ us: new Array<number>(), lost: 0 }));
    for (let first = 0; first < count; first += TURN_FLOWS) {
      for (const [index, total] of found.entries()) {
        const contender = contenders[index];
        if (contender === undefined) continue;
        const turn = await measure(contender, ruleFrom(rule, first), Math.min(TURN_FLOWS, count - first));
        total.us.push(...turn.us);
        total.lost += turn.lost;
      }
    }
    return found;
  };
  for (const each of CASES) {
    const { what, rule, routes } = each;
    const [ours, limit, peer]: [number[][], number[][], number[][]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      tell(`first-packet: ${what}, round ${round + 1} of ${rounds}`);
      using mcroute = await openMcroute(rule, routes);
      using other = await openLimit(daemon, rule, routes);
      let results;
      if (each.isLoaded === true) {
        const { result, changesPerSecond } = await underLoad(mcroute, () => takeTurns([mcroute], rule));
        loads.push(changesPerSecond);
        results = [...result, ...(await takeTurns([other], rule))];
      } else {
        results = await takeTurns([mcroute, other], rule);
      }
      priority = await priorityNote(mcroute);
      await closeMcroute(mcroute);
      ours.push(results[0]?.us ?? []);
      limit.push(results[1]?.us ?? []);
      lost += results[0]?.lost ?? 0;
      // With routes it takes seconds to start.
      if (each.hasPeer !== true || !hasPeer || (routes > 0 && round > 0)) continue;
      using third = await openPeer(rule, routes);
      // In one turn: it has an entry for each source, and another turn would send those again.
      peer.push((await measure(third, rule, count)).us);
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
    title: `${count} new flows each, one after the other, ${GAP_US} us apart, in turns of ${TURN_FLOWS}; median of ${rounds}`,
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

/** The rule of flows that come after so many others. Those of an exact rule may come again: there is nothing to learn. */
function ruleFrom(rule: FlowRule, first: number): FlowRule {
  if (isExact(rule)) return rule;
  const { family, words } = parseAddress(rule.group);
  const last = words.length - 1;
  const group = formatAddress({ family, words: words.map((word, at) => (at === last ? word + first : word)) });
  return { ...rule, group };
}
