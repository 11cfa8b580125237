// An agent with routes that carry a stream: the proof that what a test does to it harms nobody else.
import assert from 'node:assert/strict';
import { type Agent, startAgent } from './agent.js';
import { type Listing, list, put, apply } from './calls.js';
import { type RouterTopology, routerTopology } from './topology.js';
import { type Receiver, type Sender, type Traffic, openTraffic } from './traffic.js';

/** A route of each family, of an owner that no test uses. */
const STREAMS = ['239.255.0.1', 'ff1e::ffff:1'];

/** Packets per second, both streams together: a gap of 10 ms would be seen. */
const RATE = 200;

/** An agent that forwards a stream of each family from in0 to out1 all the time. */
export class ServingAgent implements AsyncDisposable {
  readonly topology: RouterTopology;
  readonly agent: Agent;
  readonly #traffic: readonly Traffic[];
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #before: Listing;

  private constructor(
    topology: RouterTopology,
    agent: Agent,
    traffic: readonly Traffic[],
    sender: Sender,
    receiver: Receiver,
    before: Listing,
  ) {
    this.topology = topology;
    this.agent = agent;
    this.#traffic = traffic;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#before = before;
  }

  /** Starts all of it; when this resolves, packets of both streams have arrived. */
  static async start(table: number): Promise<ServingAgent> {
    const topology = routerTopology();
    try {
      const agent = await startAgent(topology.router, { table });
      const changes = STREAMS.map((group) => put({ key: { iif: 'in0', group }, oifs: [{ interface: 'out1' }] }));
      await apply(agent.client, { owner: 'bystander', changes });
      const from = openTraffic(topology.sender(0).namespace);
      const to = openTraffic(topology.receiver(1).namespace);
      const receiver = await to.receive({ interface: 'eth0', groups: STREAMS });
      const sender = await from.send({ interface: 'eth0', groups: STREAMS, rate: RATE });
      await receiver.awaitPackets(2 * STREAMS.length);
      return new ServingAgent(topology, agent, [from, to], sender, receiver, await list(agent.client));
    } catch (error) {
      topology[Symbol.dispose]();
      throw error;
    }
  }

  get client(): Agent['client'] {
    return this.agent.client;
  }

  /** The agent runs, and the table has the entries of the start, just so. */
  async assertUnharmed(): Promise<void> {
    assert.deepEqual([this.agent.process.exitCode, this.agent.process.signalCode], [null, null], this.agent.log);
    assert.deepEqual((await list(this.client)).entries, this.#before.entries);
  }

  /** Sends two packets to each group from behind in0. */
  async sendOnce(groups: readonly string[]): Promise<void> {
    const [from] = this.#traffic;
    const sender = await from?.send({ interface: 'eth0', groups, rate: 1_000, count: 2, port: 5_009 });
    await sender?.finish();
  }

  /** Not a packet of the streams was lost since the start, or came twice. */
  async assertNothingLost(): Promise<void> {
    const sent = await this.#sender.stop();
    const { streams } = await this.#receiver.collect(sent);
    assert.deepEqual(
      streams.map(({ group, lost, duplicated }) => ({ group, lost, duplicated })),
      STREAMS.map((group) => ({ group, lost: 0, duplicated: 0 })),
    );
  }

  /** Resident memory in MiB. */
  get residentMib(): number {
    const [thread] = this.agent.threads();
    return Number(thread?.get('VmRSS')?.split(' ')[0]) / 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const traffic of this.#traffic) traffic[Symbol.dispose]();
    await this.agent.stop();
    this.topology[Symbol.dispose]();
  }
}
