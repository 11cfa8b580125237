// A router with an agent, hosts behind its interfaces, and packets through it.
import { type Agent, type AgentOptions, startAgent } from '../support/agent.js';
import { type Namespace, connect } from '../support/namespaces.js';
import { type PacketExchange, type PacketLink, openPackets } from '../support/packets.js';
import { type Host, type RouterTopology, type RouterTopologyOptions, routerTopology } from '../support/topology.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { TableClient } from './table-client.js';

export interface RouterOptions extends RouterTopologyOptions {
  readonly table?: number;
  /** More arguments of mcroute-agent. */
  readonly args?: readonly string[];
  /** Names that interfaces will have at times, each with the name that they have now: packets are seen there too. */
  readonly otherNames?: Readonly<Record<string, string>>;
}

/** One packet, or several alike. */
export interface Shot {
  /** The router's interface on which it arrives. */
  readonly iif: string;
  readonly source: string;
  readonly group: string;
  readonly ttl?: number;
}

export const TABLE = 123;

/** Makes `in0`, `in1`, ... and `out1`, `out2`, ... (two each if left out) and starts an agent on them. */
export async function openRouter(options: RouterOptions = {}): Promise<Router> {
  const topology = routerTopology({ senders: 2, ...options });
  try {
    const agent = await startAgent(topology.router, { table: options.table ?? TABLE, ...agentArguments(options) });
    const packets = await openPackets(packetLinks(topology, options.otherNames ?? {}));
    return new Router(topology, agent, packets);
  } catch (error) {
    topology[Symbol.dispose]();
    throw error;
  }
}

export class Router implements Disposable {
  readonly topology: RouterTopology;
  readonly namespace: Namespace;
  readonly agent: Agent;
  readonly table: TableClient;
  readonly packets: PacketExchange;
  readonly #others: Agent[] = [];

  constructor(topology: RouterTopology, agent: Agent, packets: PacketExchange) {
    this.topology = topology;
    this.namespace = topology.router;
    this.agent = agent;
    this.table = new TableClient(agent);
    this.packets = packets;
  }

  /** Makes the link between the router and a host again, whose interfaces were deleted; without addresses. */
  plug({ namespace, interface: hostInterface, routerInterface }: Host): void {
    connect({ namespace: this.namespace, interface: routerInterface }, { namespace, interface: hostInterface });
  }

  /** Starts another agent on the same router. */
  async startAgent(options: AgentOptions): Promise<Agent> {
    const agent = await startAgent(this.namespace, options);
    this.#others.push(agent);
    return agent;
  }

  /** Sends one packet, waits until the agents have answered, and tells by which interfaces it left. */
  async send(shot: Shot): Promise<readonly string[]> {
    const [left = []] = await this.sendAll([shot]);
    return left;
  }

  /** Sends packets in order; tells of each by which interfaces it left. */
  async sendAll(shots: readonly Shot[]): Promise<(readonly string[])[]> {
    const left = await this.packets.exchange(
      shots.map((shot, id) => ({ id, ...shot })),
      { answered: () => this.#answered() },
    );
    return [...left.values()];
  }

  /** Sends packets while the agents stand still, and does not wait for them: only the kernel can have forwarded them. */
  async sendUnattended(shots: readonly Shot[]): Promise<(readonly string[])[]> {
    const agents = [this.agent, ...this.#others];
    for (const { process } of agents) process.kill('SIGSTOP');
    try {
      const left = await this.packets.exchange(shots.map((shot, id) => ({ id, ...shot })));
      return [...left.values()];
    } finally {
      for (const { process } of agents) process.kill('SIGCONT');
    }
  }

  /** Flows for which the kernel waits for an agent, as `(S, G)`. */
  unresolved(family: FamilyCase): string[] {
    const tables = [this.agent, ...this.#others].map(({ table }) => table);
    return tables.flatMap((table) =>
      (this.namespace.ipJson(`${family.ipOption} mroute show table ${table}`) as readonly MrouteJson[])
        .filter(({ state }) => state === 'unresolved')
        .map(({ src, dst }) => `(${src}, ${dst})`),
    );
  }

  [Symbol.dispose](): void {
    this.packets[Symbol.dispose]();
    for (const agent of [this.agent, ...this.#others]) agent[Symbol.dispose]();
    this.topology[Symbol.dispose]();
  }

  /** The kernel tells of a flow that waits only when it is asked. */
  async #answered(): Promise<void> {
    await eventually(
      () => (FAMILY_CASES.every((family) => this.unresolved(family).length === 0) ? true : undefined),
      'all upcalls are answered',
    );
  }
}

/** Of `ip -json mroute`. */
interface MrouteJson {
  readonly src: string;
  readonly dst: string;
  readonly state: string;
}

function packetLinks(
  { router, senders, receivers }: RouterTopology,
  otherNames: Readonly<Record<string, string>>,
): PacketLink[] {
  return [...senders, ...receivers].flatMap(({ namespace, interface: hostInterface, routerInterface }) => {
    const others = Object.entries(otherNames).filter(([, name]) => name === routerInterface);
    return [routerInterface, ...others.map(([other]) => other)].map((name) => ({
      router,
      routerInterface: name,
      host: namespace,
      hostInterface,
    }));
  });
}

function agentArguments({ args }: RouterOptions): { args?: readonly string[] } {
  return args === undefined ? {} : { args };
}
