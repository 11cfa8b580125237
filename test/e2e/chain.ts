// Two routers in a row, each with an agent, and a host behind each: sender -> near -> far -> receiver.
import { startAgent, type Agent } from '../support/agent.js';
import { type Namespace, connect, openNamespace } from '../support/namespaces.js';
import { type Traffic, openTraffic } from '../support/traffic.js';
import type { ReceivedStream } from '../support/traffic-protocol.js';
import { TableClient } from './table-client.js';

export interface ChainRouter {
  readonly namespace: Namespace;
  readonly agent: Agent;
  readonly table: TableClient;
}

/** A host on the inner network behind a router; its own interface is `eth0`. */
export interface ChainHost {
  readonly namespace: Namespace;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly traffic: Traffic;
}

export interface Chain extends Disposable {
  readonly near: ChainRouter;
  readonly far: ChainRouter;
  readonly nearHost: ChainHost;
  readonly farHost: ChainHost;
}

/** The network behind both routers, which they have in common. */
export const INNER = { ipv4: '10.0.0', ipv6: '2001:db8:1000::' } as const;

/** The network between the routers; `near` is 1, `far` is 2. */
export const OUTER = { ipv4: '10.2.0', ipv6: '2001:db8:2::' } as const;

const TABLE = 123;

/**
 * Makes the chain. The routers' interfaces are `lan0`, towards their host, and `wan0`, towards each other. The near host
 * is number 2 of the inner network, the far one number 3, and both routers are number 1 there.
 */
export async function openChain(): Promise<Chain> {
  const opened: Disposable[] = [];
  const close = () => {
    for (const each of opened.splice(0).reverse()) each[Symbol.dispose]();
  };
  const open = (name: string): Namespace => {
    const namespace = openNamespace(name);
    opened.push(namespace);
    return namespace;
  };
  const router = async (namespace: Namespace): Promise<ChainRouter> => {
    const agent = await startAgent(namespace, { table: TABLE });
    opened.push(agent);
    return { namespace, agent, table: new TableClient(agent) };
  };
  const host = (namespace: Namespace, of: Namespace, number: number): ChainHost => {
    connect(
      { namespace: of, interface: 'lan0', addresses: addresses(INNER, 1) },
      { namespace, interface: 'eth0', addresses: addresses(INNER, number) },
    );
    const traffic = openTraffic(namespace);
    opened.push(traffic);
    return { namespace, ipv4: `${INNER.ipv4}.${number}`, ipv6: `${INNER.ipv6}${number}`, traffic };
  };
  try {
    const [near, far] = [open('near'), open('far')];
    const nearHost = host(open('nearhost'), near, 2);
    const farHost = host(open('farhost'), far, 3);
    connect(
      { namespace: near, interface: 'wan0', addresses: addresses(OUTER, 1) },
      { namespace: far, interface: 'wan0', addresses: addresses(OUTER, 2) },
    );
    return { near: await router(near), far: await router(far), nearHost, farHost, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** What arrives of a short stream that one host sends and another has joined, as if it came from `source`. */
export async function exchange(
  from: ChainHost,
  to: ChainHost,
  group: string,
  source: string,
): Promise<readonly ReceivedStream[]> {
  const receiver = await to.traffic.receive({ interface: 'eth0', groups: [group] });
  const sender = await from.traffic.send({ interface: 'eth0', groups: [group], rate: 200, count: STREAM_PACKETS });
  const sent = await sender.finish();
  const { streams } = await receiver.collect({ ...sent, streams: sent.streams.map((each) => ({ ...each, source })) });
  return streams;
}

/** Packets of a stream. */
export const STREAM_PACKETS = 60;

function addresses(net: { readonly ipv4: string; readonly ipv6: string }, number: number): string[] {
  return [`${net.ipv4}.${number}/24`, `${net.ipv6}${number}/64`];
}
