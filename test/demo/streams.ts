// The streams of the demo: sent by one host a table, received by the hosts behind their outgoing interfaces.
import type { Host, RouterTopology } from '../support/topology.js';
import { type Receiver, type Sender, type Traffic, openTraffic } from '../support/traffic.js';
import type { ReceiveReport } from '../support/traffic-protocol.js';
import { type Sighting, type StreamCount, countArrival } from './counts.js';
import { PACKETS, RATE, type Stream } from './scenario.js';

/** All streams. Dispose of it before its topology. */
export class Streams implements Disposable {
  readonly #topology: RouterTopology;
  readonly #flows: readonly Flow[];
  readonly #workers = new Map<Host, Traffic>();

  private constructor(topology: RouterTopology, streams: readonly Stream[]) {
    this.#topology = topology;
    this.#flows = streams.map((stream) => ({
      stream,
      sender: undefined,
      ends: stream.oifs.map((oif) => ({ oif, receiver: undefined, before: [] })),
    }));
  }

  /** Has every receiver join; nothing is sent yet. */
  static async open(topology: RouterTopology, streams: readonly Stream[]): Promise<Streams> {
    const opened = new Streams(topology, streams);
    try {
      await Promise.all(opened.#flows.flatMap((flow) => flow.ends.map((end) => opened.#receive(flow, end))));
      return opened;
    } catch (error) {
      opened[Symbol.dispose]();
      throw error;
    }
  }

  /** Has every sender send its packets; resolves when each has sent its first. */
  async start(): Promise<void> {
    await Promise.all(
      this.#flows.map(async (flow) => {
        const { stream } = flow;
        const host = this.#host(stream.iif);
        flow.sender = await this.#worker(host).send({
          interface: host.interface,
          groups: [stream.group],
          rate: RATE,
          count: PACKETS,
          port: stream.port,
        });
      }),
    );
  }

  /** Waits until so many packets of the first stream have arrived: the clock of what happens under way. */
  async untilArrived(packets: number): Promise<void> {
    await this.#flows[0]?.ends[0]?.receiver?.awaitPackets(packets, ARRIVAL_LIMIT_MS);
  }

  /** What has been sent and has arrived so far. */
  count(): Promise<readonly StreamCount[]> {
    return Promise.all(
      this.#flows.map(async ({ stream, sender, ends }) => {
        const arrivals = await Promise.all(
          ends.map(async ({ oif, receiver, before }) => {
            const report = await receiver?.report();
            return countArrival(oif, report === undefined ? before : [...before, sightingOf(report, stream)]);
          }),
        );
        // Asked last: a packet that has arrived has been sent.
        const sent = (await sender?.report())?.streams[0]?.sent ?? 0;
        return { stream, sent, arrivals };
      }),
    );
  }

  /** Waits until everything has been sent. */
  async untilSent(): Promise<void> {
    await Promise.all(this.#flows.map(async ({ sender }) => sender?.finish()));
  }

  /** Waits until what has been sent has arrived, closes the receivers and counts. */
  async finish(): Promise<readonly StreamCount[]> {
    return Promise.all(
      this.#flows.map(async ({ stream, sender, ends }) => {
        if (sender === undefined) throw new Error('bug: nothing was sent');
        const sent = await sender.finish();
        const packets = sent.streams[0]?.sent ?? 0;
        const arrivals = await Promise.all(
          ends.map(async ({ oif, receiver, before }) => {
            const report = await receiver?.collect(sent);
            const sightings = report === undefined ? before : [...before, sightingOf(report, stream)];
            return countArrival(oif, sightings, packets);
          }),
        );
        return { stream, sent: packets, arrivals };
      }),
    );
  }

  /** Ends what receives behind the interface, which goes away: the memberships go with it. */
  async leave(oif: string): Promise<void> {
    for (const { flow, end } of this.#endsBehind(oif)) {
      const { receiver } = end;
      end.receiver = undefined;
      if (receiver === undefined) continue;
      end.before.push(sightingOf(await receiver.report(), flow.stream));
      await receiver.close();
    }
  }

  /** Joins again behind an interface that is back. */
  async rejoin(oif: string): Promise<void> {
    for (const { flow, end } of this.#endsBehind(oif)) await this.#receive(flow, end);
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers.values()) worker[Symbol.dispose]();
  }

  #endsBehind(oif: string): readonly { readonly flow: Flow; readonly end: End }[] {
    return this.#flows.flatMap((flow) => flow.ends.filter((end) => end.oif === oif).map((end) => ({ flow, end })));
  }

  async #receive({ stream }: Flow, end: End): Promise<void> {
    const host = this.#host(end.oif);
    end.receiver = await this.#worker(host).receive({
      interface: host.interface,
      groups: [stream.group],
      port: stream.port,
      ...(stream.kind === '(S,G)' && { source: stream.source }),
    });
  }

  #host(routerInterface: string): Host {
    const host = [...this.#topology.senders, ...this.#topology.receivers].find(
      (candidate) => candidate.routerInterface === routerInterface,
    );
    if (host === undefined) throw new Error(`bug: there is no host behind ${routerInterface}`);
    return host;
  }

  #worker(host: Host): Traffic {
    let worker = this.#workers.get(host);
    if (worker === undefined) {
      worker = openTraffic(host.namespace);
      this.#workers.set(host, worker);
    }
    return worker;
  }
}

interface Flow {
  readonly stream: Stream;
  sender: Sender | undefined;
  readonly ends: readonly End[];
}

/** What receives a stream behind one interface. */
interface End {
  readonly oif: string;
  receiver: Receiver | undefined;
  /** What earlier receivers saw. */
  readonly before: Sighting[];
}

function sightingOf({ streams, socketDrops }: ReceiveReport, { source, group }: Stream): Sighting {
  const seen = streams.find((stream) => stream.source === source && stream.group === group);
  return { ...(seen ?? NOTHING), socketDrops };
}

const NOTHING = { received: 0, duplicated: 0, first: -1, last: -1 };

/** The streams take 14 s; a busy machine may take its time. */
const ARRIVAL_LIMIT_MS = 30_000;
