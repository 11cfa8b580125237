// Ten minutes of random load on one agent: whether it grows, and whether it then does what it was told last.
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { unary } from '../src/api/client.js';
import type { Change } from '../src/api/generated/mcroute/v1/Change.js';
import type { ListInterfacesResponse__Output } from '../src/api/generated/mcroute/v1/ListInterfacesResponse.js';
import { HISTORY_MAX } from '../src/model/limits.js';
import { type Agent, startAgent } from '../test/support/agent.js';
import { deadline } from '../test/support/calls.js';
import { Random } from '../test/support/random.js';
import { routerTopology } from '../test/support/topology.js';
import { eventually } from '../test/support/wait.js';
import { BATCH, apply, replaceAll } from './calls.js';
import { PREFIX, PREFIX_IPV6 } from './contenders.js';
import { cpuSeconds, pss, rss } from './processes.js';
import { Program } from './program.js';
import type { Report, Row, SectionOptions } from './report.js';
import { auditTable, flush } from './soak-audit.js';
import { LINKS, Load } from './soak-load.js';
import { Wishes } from './soak-wishes.js';
import { median, none, quantity } from './statistics.js';

const SECONDS = 600;
const TABLE = 365;

/** Short, so that entries of storms come and go all the time. */
const CACHE_TIMEOUT_S = 2;

const SAMPLE_INTERVAL_MS = 2_000;

/** The first minute is for compilers and caches to warm up; then a minute is held against the last one. */
const WINDOW_S = 60;
const GROWTH_BAR = 1.1;

/** Of each kind of findings in the notes; all are in the figures. */
const SHOWN_MAX = 5;

/** What the agent takes at one moment. */
interface Sample {
  readonly atS: number;
  /** In MB. */
  readonly pss: number;
  readonly rss: number;
  readonly descriptors: number;
  readonly threads: number;
}

export async function soak({ count: seconds = SECONDS, seed, tell }: SectionOptions): Promise<Report> {
  tell(`soak: ${seconds} s, --seed ${seed}`);
  using topology = routerTopology({ senders: 2, receivers: 4 });
  using probe = new Program('probes/flow-probe');
  using agent = await startAgent(topology.router, { table: TABLE, args: ['-c', String(CACHE_TIMEOUT_S)] });
  await apply(agent.client, { changes: stormRules() });
  const isLong = seconds >= 3 * WINDOW_S;
  if (isLong) await fillHistory(agent, seed);
  const load = new Load(seed, agent, topology, probe);
  const samples: Sample[] = [];
  const cpu = cpuSeconds(agent.pid);
  const running = load.run();
  // The wait below has its failure.
  running.catch(() => undefined);
  try {
    await Promise.race([
      running.then(() => Promise.reject(new Error('bug: the load has ended'))),
      sampleFor(seconds, agent, samples, tell),
    ]);
  } finally {
    load.stop();
    await running;
  }
  const cpuShare = (100 * (cpuSeconds(agent.pid) - cpu)) / seconds;
  tell('soak: audit');
  load.settleLinks();
  await eventually(async () => {
    const { interfaces } = await unary<ListInterfacesResponse__Output>((callback) =>
      agent.client.ListInterfaces({}, deadline(), callback),
    );
    return LINKS.every((name) => interfaces.some((link) => link.name === name && link.up)) || undefined;
  }, 'the agent to hear of all interfaces');
  await flush(agent.client);
  const audit = await auditTable(agent, load.wishes);
  for (const { owner } of load.wishes) await replaceAll(agent.client, [], owner);
  const emptied = pss(agent.pid);
  const log = complaints(agent.log);
  await agent.stop();

  const window = isLong ? WINDOW_S : seconds / 4;
  const growth = (what: string, unit: Unit, figure: (sample: Sample) => number): Row => {
    const early = samples.filter(({ atS }) => atS >= window && atS < 2 * window);
    const late = samples.filter(({ atS }) => atS >= seconds - window);
    return growthRow(what, unit, [median(early.map(figure)), median(late.map(figure))], isLong);
  };
  const longest = [...load.calls].map(([kind, { longestMs }]) => `${kind} ${longestMs.toFixed(0)}`);
  const calls = [...load.calls.values()].reduce((sum, each) => sum + each.count, 0);
  const findings: readonly (readonly [string, readonly string[]])[] = [
    [`calls that failed or were not answered, of ${calls}`, load.failures],
    ['wishes that the agent lacks, or has though nobody wants them', audit.wishes],
    ['entries that failed', audit.failed],
    ['entries of the kernel other than of an agent that was told the last wishes only', audit.kernel],
    ['entries of ListMfc other than of the kernel', audit.mfc],
    ['joins of the kernel other than wished', audit.joins],
  ];
  return {
    title: `${seconds} s of random load, seed ${seed}`,
    rows: [
      growth('memory (PSS)', 'MB', (sample) => sample.pss),
      growth('memory (RSS)', 'MB', (sample) => sample.rss),
      growth('open descriptors', '', ({ descriptors }) => descriptors),
      growth('threads', '', ({ threads }) => threads),
      { what: 'most memory (PSS)', result: quantity(Math.max(...samples.map((sample) => sample.pss)), 'MB') },
      { what: 'memory (PSS) after owners want nothing more', result: quantity(emptied, 'MB') },
      { what: 'CPU of the agent', result: quantity(cpuShare, '% of a core') },
      none('packets of new flows lost', load.storms.lost, `${load.storms.lost} of ${load.storms.sent}`),
      ...findings.map(([what, lines]) => none(what, lines.length)),
    ],
    notes: [
      isLong
        ? `the first minute is left out; the second one's median beside the last one's`
        : `too short for bars of growth: the second quarter beside the last one; they are for ${3 * WINDOW_S} s and more`,
      `${load.changes} changes, ${load.links} changes of interfaces, ${load.storms.sent} new flows`,
      `longest calls, in ms: ${longest.join(', ')}`,
      ...log.map(([message, times]) => `the agent has logged ${times} times: ${message}`),
      ...findings.flatMap(([, lines]) => lines.slice(0, SHOWN_MAX)),
    ],
    figures: {
      seconds,
      seed,
      samples,
      failures: load.failures,
      audit,
      wishes: Object.fromEntries(load.wishes.map(({ owner, texts }) => [owner, texts])),
      calls: Object.fromEntries(load.calls),
    },
  };
}

/** The rules of the storms whose packets are counted. */
function stormRules(): Change[] {
  return [PREFIX, PREFIX_IPV6].map(({ group, length }) => ({
    put: { mroute: { key: { iif: 'in0', group: `${group}/${length}` }, oifs: [{ interface: 'out1' }] } },
  }));
}

/** Makes as many changes as an agent remembers for watches that resume, so that it does not grow by these later on. */
async function fillHistory({ client }: Agent, seed: number): Promise<void> {
  const filler = new Wishes('soak-filler', new Random(seed));
  // Of one key in one batch the last change counts, so that some more are needed.
  for (let done = 0; done < 2 * HISTORY_MAX; done += BATCH) {
    const { changes, commit } = filler.change(BATCH);
    await apply(client, { owner: filler.owner, changes });
    commit();
  }
  await replaceAll(client, [], filler.owner);
}

/** Takes samples for so long; a dead agent ends it with an error. */
async function sampleFor(
  seconds: number,
  { pid, process: child }: Agent,
  into: Sample[],
  tell: (line: string) => void,
): Promise<void> {
  const begin = performance.now();
  for (let number = 1; performance.now() - begin < seconds * 1e3; number++) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('the agent has ended');
    const count = (folder: string) => readdirSync(`/proc/${pid}/${folder}`).length;
    const atS = (performance.now() - begin) / 1e3;
    const sample = { atS, pss: pss(pid), rss: rss(pid), descriptors: count('fd'), threads: count('task') };
    into.push(sample);
    if (number % 15 === 0) {
      const { pss: now, descriptors } = sample;
      tell(`soak: ${atS.toFixed(0)} s, ${now.toFixed(0)} MB, ${descriptors} descriptors`);
    }
    await delay(Math.max(0, Math.min(begin + number * SAMPLE_INTERVAL_MS, begin + seconds * 1e3) - performance.now()));
  }
}

type Unit = 'MB' | '';

function growthRow(what: string, unit: Unit, [early, late]: readonly [number, number], isLong: boolean): Row {
  const text = (value: number) => (unit === '' ? String(value) : quantity(value, unit));
  const ratio = late / early;
  return {
    what: `${what}, then and in the end`,
    result: `${text(early)}, ${text(late)} (${ratio.toFixed(2)}x)`,
    ...(isLong && { bar: `at most ${GROWTH_BAR}x`, isMet: ratio <= GROWTH_BAR, timesBar: ratio / GROWTH_BAR }),
    samples: { early, late },
  };
}

/** Of the agent's log. */
interface LogLine {
  readonly level: number;
  readonly msg: string;
  /** Of those that the kernel refused. */
  readonly operation?: { readonly op: string };
  readonly failure?: { readonly code: string };
}

/** Pino's number of `warn`. */
const WARN = 40;

/** What the agent has logged as a warning or worse, and how often. */
function complaints(log: string): [string, number][] {
  const counts = new Map<string, number>();
  for (const line of log.split('\n').filter((text) => text.startsWith('{'))) {
    const { level, msg, operation, failure } = JSON.parse(line) as LogLine;
    const text = [msg, operation?.op, failure?.code].filter(Boolean).join(', ');
    if (level >= WARN) counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts];
}
