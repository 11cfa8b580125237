// Networks that many tests want, ready made.
import { type Namespace, connect, openNamespace } from './namespaces.js';

export interface RouterTopologyOptions {
  /** Interfaces on which streams arrive, each with a sender behind it; 1 if left out. */
  readonly senders?: number;
  /** Interfaces on which they leave, each with a receiver behind it; 2 if left out. */
  readonly receivers?: number;
}

/** A host behind an interface of the router. Its own interface is `eth0`. */
export interface Host {
  readonly namespace: Namespace;
  readonly interface: 'eth0';
  /** The router's interface towards it. */
  readonly routerInterface: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A router between senders and receivers. */
export interface RouterTopology extends Disposable {
  readonly router: Namespace;
  /** Behind `in0`, `in1`, ...; their namespaces are `sender0`, `sender1`, ... */
  readonly senders: readonly Host[];
  /** Behind `out1`, `out2`, ...; their namespaces are `receiver1`, `receiver2`, ... */
  readonly receivers: readonly Host[];
  /** The host behind `in<number>`. */
  sender(number: number): Host;
  /** The host behind `out<number>`. */
  receiver(number: number): Host;
}

/**
 * Makes a router with a namespace of its own behind each interface. Sender N is 10.0.N.2 and 2001:db8:100N::2,
 * receiver N is 10.1.N.2 and 2001:db8:200N::2; the router's addresses there end in 1.
 */
export function routerTopology(options: RouterTopologyOptions = {}): RouterTopology {
  const opened: Namespace[] = [];
  const open = (name: string) => {
    const namespace = openNamespace(name);
    opened.push(namespace);
    return namespace;
  };
  const close = () => {
    for (const namespace of opened.splice(0).reverse()) namespace[Symbol.dispose]();
  };
  try {
    const router = open('router');
    const senders = range(0, options.senders ?? 1).map((n) =>
      addHost(router, open(`sender${n}`), `in${n}`, { ipv4: `10.0.${n}`, ipv6: 0x1000 + n }),
    );
    const receivers = range(1, options.receivers ?? 2).map((n) =>
      addHost(router, open(`receiver${n}`), `out${n}`, { ipv4: `10.1.${n}`, ipv6: 0x2000 + n }),
    );
    return {
      router,
      senders,
      receivers,
      sender: (number) => hostAt(senders, number, `sender${number}`),
      receiver: (number) => hostAt(receivers, number - 1, `receiver${number}`),
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** A network as the first three octets of 10.N.N.0/24 and the third word of 2001:db8:N::/64. */
interface Net {
  readonly ipv4: string;
  readonly ipv6: number;
}

function addHost(router: Namespace, namespace: Namespace, routerInterface: string, net: Net): Host {
  const ipv6 = `2001:db8:${net.ipv6.toString(16)}::`;
  const addresses = (last: number) => [`${net.ipv4}.${last}/24`, `${ipv6}${last}/64`];
  connect(
    { namespace: router, interface: routerInterface, addresses: addresses(1) },
    { namespace, interface: 'eth0', addresses: addresses(2) },
  );
  return { namespace, interface: 'eth0', routerInterface, ipv4: `${net.ipv4}.2`, ipv6: `${ipv6}2` };
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

function hostAt(hosts: readonly Host[], index: number, name: string): Host {
  const host = hosts[index];
  if (host === undefined) throw new Error(`the topology has no ${name}`);
  return host;
}
