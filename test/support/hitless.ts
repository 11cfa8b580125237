// Forwarding that never stops: streams through a table of many routes while its agent and its supervisor are killed and
// replaced. What came of it is for the caller to judge.
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { list, replace, apply } from './calls.js';
import { installTree } from './install-tree.js';
import type { Namespace } from './namespaces.js';
import type { Random } from './random.js';
import { KeptSupervisor } from './kept-supervisor.js';
import { type RouterTopology, routerTopology } from './topology.js';
import { type ReceivedStream } from './traffic-protocol.js';
import { type Receiver, type Sender, type Traffic, openTraffic } from './traffic.js';
import { eventually, waitForExit, waitForLine } from './wait.js';

export const HITLESS_TABLE = 123;

/** What is done to the processes. */
export type Blow = 'kill agent' | 'kill supervisor' | 'kill both' | 'restart';

export const BLOWS: readonly Blow[] = ['kill agent', 'kill supervisor', 'kill both', 'restart'];

/** Streams of both families: by (S,G) entries, by (*,G) entries, and learned from upcalls. */
const STREAMS = [
  { group: '239.7.1.1', source: 'ipv4' },
  { group: '239.7.1.2' },
  { group: '239.8.0.1', rule: '239.8.0.0/16' },
  { group: 'ff1e::7:1:1', source: 'ipv6' },
  { group: 'ff1e::7:1:2' },
  { group: 'ff1e::8:0:1', rule: 'ff1e::8:0:0/96' },
] as const;

/** Joined by the agent on the iif. */
const JOINS = ['239.7.1.1', '239.7.1.2', 'ff1e::7:1:1', 'ff1e::7:1:2'];

/** Packets per second to each group; the streams that learn are slower. */
export const STREAM_RATE = 1_000;

/** What became of the streams. */
export interface HitlessReport {
  readonly streams: readonly ReceivedStream[];
  /** Packets that the receiver's own full socket dropped. */
  readonly socketDrops: number;
  /** Groups that somebody was told to be left, in order. */
  readonly leaves: readonly string[];
}

/** A supervisor with one table under load. Disposing of it ends everything. */
export class HitlessRig implements Disposable {
  readonly topology: RouterTopology;
  readonly host: KeptSupervisor;
  readonly #traffic: Traffic[] = [];
  #senders: Sender[] = [];
  #receiver: Receiver | undefined;
  #sniffer: ChildProcess | undefined;
  readonly #leaves: string[] = [];

  constructor() {
    this.topology = routerTopology();
    this.host = new KeptSupervisor(this.topology.router, `tables:\n  - id: ${HITLESS_TABLE}\n    name: hitless\n`);
  }

  get router(): Namespace {
    return this.topology.router;
  }

  /** Starts the supervisor, gives the table its routes and joins, and begins to send. */
  async open(routes: number): Promise<void> {
    await this.host.start(HITLESS_TABLE);
    const client = this.host.client(HITLESS_TABLE);
    await replace(client, [{ owner: 'bulk', resources: manyRoutes(routes) }]);
    const sender = this.topology.sender(0);
    const changes = STREAMS.map((stream) => ({
      put: {
        mroute: {
          key: {
            iif: 'in0',
            group: 'rule' in stream ? stream.rule : stream.group,
            source: 'source' in stream ? sender[stream.source] : '',
          },
          oifs: [{ interface: 'out1' }],
        },
      },
    }));
    const joins = JOINS.map((group) => ({ put: { membership: { key: { interface: 'in0', group } } } }));
    await apply(client, { owner: 'streams', changes: [...changes, ...joins] });
    await this.#sniff(sender.namespace);
    const from = openTraffic(sender.namespace);
    const to = openTraffic(this.topology.receiver(1).namespace);
    this.#traffic.push(from, to);
    const groups = STREAMS.map(({ group }) => group);
    this.#receiver = await to.receive({ interface: 'eth0', groups });
    const fast = STREAMS.filter((stream) => !('rule' in stream)).map(({ group }) => group);
    const slow = STREAMS.filter((stream) => 'rule' in stream).map(({ group }) => group);
    this.#senders = [
      await from.send({ interface: 'eth0', groups: fast, rate: STREAM_RATE * fast.length }),
      await from.send({ interface: 'eth0', groups: slow, rate: (STREAM_RATE / 4) * slow.length }),
    ];
    await this.#receiver.awaitPackets(groups.length * 100);
  }

  /** Does it, and waits until an agent serves again. Gives the time that took, in ms. */
  async strike(blow: Blow): Promise<number> {
    const begin = performance.now();
    const [before] = await this.host.list();
    switch (blow) {
      case 'restart':
        this.host.ctl('table', 'restart', String(HITLESS_TABLE));
        break;
      case 'kill agent':
        await this.host.replaceAgent(HITLESS_TABLE);
        break;
      case 'kill supervisor':
      case 'kill both':
        if (blow === 'kill both') process.kill(before?.pid ?? 0, 'SIGKILL');
        this.host.process.kill('SIGKILL');
        await waitForExit(this.host.process);
        this.host.spawn();
    }
    await eventually(async () => {
      const [entry] = await this.host.untilReady(HITLESS_TABLE);
      return entry !== undefined && entry.pid !== before?.pid ? true : undefined;
    }, `another agent after '${blow}'`);
    return performance.now() - begin;
  }

  /** All that the kernel and the agent hold, without counters and what only time changes. */
  async state(): Promise<readonly string[]> {
    const ip = (...words: string[]) => this.router.run('ip', words).split('\n');
    const { entries } = await list(this.host.client(HITLESS_TABLE));
    const maddresses = this.router.ipJson('maddress show dev in0') as readonly unknown[];
    return [
      ...ip('-4', 'mroute', 'show', 'table', String(HITLESS_TABLE)).map(plain).sort(),
      ...ip('-6', 'mroute', 'show', 'table', String(HITLESS_TABLE)).map(plain).sort(),
      ...ip('-4', 'mrule', 'show').sort(),
      ...ip('-6', 'mrule', 'show').sort(),
      ...maddresses.map((address) => JSON.stringify(address)),
      ...entries.map((entry) => JSON.stringify(entry)).sort(),
    ];
  }

  /** Ends the streams. */
  async close(): Promise<HitlessReport> {
    const streams = (await Promise.all(this.#senders.map((sender) => sender.stop()))).flatMap((sent) => sent.streams);
    const report = await this.#receiver?.collect({ streams, refused: 0 });
    if (report === undefined) throw new Error('bug: the rig was not opened');
    return { ...report, leaves: this.#leaves };
  }

  [Symbol.dispose](): void {
    this.#sniffer?.kill('SIGKILL');
    for (const traffic of this.#traffic) traffic[Symbol.dispose]();
    this.host[Symbol.dispose]();
    this.topology[Symbol.dispose]();
  }

  /** Listens where the reports of the router arrive. */
  async #sniff(namespace: Namespace): Promise<void> {
    const program = join(installTree(), 'test/support/membership-sniffer.py');
    const sniffer = namespace.spawn('python3', [program, 'eth0'], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#sniffer = sniffer;
    if (sniffer.stdout === null) throw new Error('bug: the sniffer is not read');
    await waitForLine(sniffer.stdout, /^ready$/);
    sniffer.stdout.on('data', (chunk: Buffer) => {
      this.#leaves.push(...chunk.toString().split('\n').filter(Boolean));
    });
  }
}

/** A blow, and when it comes. */
export interface Plan {
  readonly blow: Blow;
  /** Time after the last one, in ms. */
  readonly afterMs: number;
}

/** Blows of each kind in turn, at random moments. */
export function planBlows(random: Random, count: number, longestMs: number): readonly Plan[] {
  return Array.from({ length: count }, (_, index) => ({
    blow: BLOWS[index % BLOWS.length] ?? 'restart',
    afterMs: random.below(longestMs),
  }));
}

/** Routes of both families and all kinds that no stream uses. */
function manyRoutes(count: number): Resource[] {
  return Array.from({ length: count }, (_, n) => {
    const tail = `${(n >> 9) & 255}.${(n >> 1) & 255}`;
    const isAnySource = (n & 2) !== 0;
    const key =
      (n & 1) === 0
        ? { group: `239.100.${tail}`, source: isAnySource ? '' : `10.9.${tail}` }
        : { group: `ff1e::100:${n.toString(16)}`, source: isAnySource ? '' : `2001:db8:9::${n.toString(16)}` };
    return { mroute: { key: { iif: 'in0', ...key }, oifs: [{ interface: n % 3 === 0 ? 'out2' : 'out1' }] } };
  });
}

/** A line of `ip mroute` without how long ago it was used. */
function plain(line: string): string {
  return line.replace(/\s+/g, ' ').trim();
}
