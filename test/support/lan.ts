// A router with one link to a host that sees and sends messages of IGMP, MLD and router discovery.
import { type LinkHost, openLinkHost } from './link-host.js';
import { type Namespace, connect, openNamespace } from './namespaces.js';

export interface Lan extends Disposable {
  /** Its lan0 leads to the host's eth0. */
  readonly router: Namespace;
  readonly host: LinkHost;
}

export async function openLan(): Promise<Lan> {
  const [router, lan] = [openNamespace('router'), openNamespace('lan')];
  connect(
    { namespace: router, interface: 'lan0', addresses: ['10.0.1.5/24', 'fe80::5/64'] },
    { namespace: lan, interface: 'eth0' },
  );
  return {
    router,
    host: await openLinkHost(lan, 'eth0'),
    [Symbol.dispose]: () => {
      for (const namespace of [router, lan]) namespace[Symbol.dispose]();
    },
  };
}
