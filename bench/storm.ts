// Many new flows at once: packets that are lost.
import {
  type Contender,
  type FlowRule,
  PREFIX,
  PREFIX_IPV6,
  closeMcroute,
  openLimit,
  openMcroute,
  openPeer,
  priorityNote,
} from './contenders.js';
import { type FlowReport, sendFlows, underLoad } from './flows.js';
import { peerNote, peerVersion } from './peer.js';
import { Program } from './program.js';
import type { Report, Row, SectionOptions } from './report.js';
import { none } from './statistics.js';

const FLOWS = 10_000;
/** Packets a second. */
const RATE = 20_000;
/** Other routes of the table. */
const ROUTES = 0;

interface Case {
  readonly what: string;
  readonly rule: FlowRule;
  readonly isLoaded: boolean;
}

const CASES: readonly Case[] = [
  { what: 'API idle', rule: PREFIX, isLoaded: false },
  { what: 'API under load', rule: PREFIX, isLoaded: true },
  { what: 'IPv6, API idle', rule: PREFIX_IPV6, isLoaded: false },
  { what: 'IPv6, API under load', rule: PREFIX_IPV6, isLoaded: true },
];

export async function storm({ rounds = 3, count = FLOWS, tell }: SectionOptions): Promise<Report> {
  using probe = new Program('probes/flow-probe');
  using daemon = new Program('limits/upcall-daemon');
  const send = (contender: Contender, rule: FlowRule) =>
    sendFlows(probe, contender, rule, { how: 'storm', flows: count, gapUs: 1e6 / RATE });
  const rows: Row[] = [];
  const loads: number[] = [];
  let priority = '';
  for (const { what, rule, isLoaded } of CASES) {
    const [ours, limit, peer]: [FlowReport[], FlowReport[], FlowReport[]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      tell(`storm: ${what}, round ${round + 1} of ${rounds}`);
      using mcroute = await openMcroute(rule, ROUTES);
      if (isLoaded) {
        const { result, changesPerSecond } = await underLoad(mcroute, () => send(mcroute, rule));
        ours.push(result);
        loads.push(changesPerSecond);
      } else {
        ours.push(await send(mcroute, rule));
      }
      priority = await priorityNote(mcroute);
      await closeMcroute(mcroute);
      // They have no API that could be under load.
      if (isLoaded) continue;
      using other = await openLimit(daemon, rule, ROUTES);
      limit.push(await send(other, rule));
      if (peerVersion() === undefined || rule.family !== 'ipv4') continue;
      using third = await openPeer(rule, ROUTES);
      peer.push(await send(third, rule));
    }
    rows.push(
      none(`packets lost, ${what}`, lostOf(ours), lostText(ours), {
        ...(limit.length > 0 && { limit: lostText(limit) }),
        ...(peer.length > 0 && { smcroute: lostText(peer) }),
        samples: { mcroute: ours, limit, smcroute: peer },
      }),
    );
  }
  return {
    title: `${count} new flows, a packet each, ${RATE} packets/s; sum of ${rounds} rounds`,
    limit: 'C daemon',
    rows,
    notes: [
      priority,
      `the load: ${Math.round(Math.min(...loads))} changed routes a second by Apply, in batches`,
      peerNote(),
    ],
    figures: { flows: count, rate: RATE, changesPerSecond: loads },
  };
}

function lostOf(reports: readonly FlowReport[]): number {
  return reports.reduce((sum, { sent, received }) => sum + sent - received, 0);
}

function lostText(reports: readonly FlowReport[]): string {
  const sent = reports.reduce((sum, report) => sum + report.sent, 0);
  const lost = lostOf(reports);
  return `${lost} of ${sent}${lost === 0 ? '' : ` (${((100 * lost) / sent).toFixed(1)} %)`}`;
}
