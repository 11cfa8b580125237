// A switch that snoops, between a router and hosts.
import { defaultQuerier } from '../../src/agent/querier/querier.js';
import { encodeQuery } from '../../src/agent/querier/query.js';
import { type Family, anyPrefix } from '../../src/model/address.js';
import { LINK_CASES } from './link-cases.js';
import { type LinkHost, openLinkHost } from './link-host.js';
import { type Namespace, addBridge, connect, openNamespace } from './namespaces.js';
import { eventually } from './wait.js';

/** Datagrams of one stream. */
export const STREAM_DATAGRAMS = 20;

/** A switch between the router, a sender, a receiver and a host that joins nothing. */
export async function openSwitch(router: Namespace, family: Family) {
  const names = ['router', 'sender', 'receiver', 'bystander'] as const;
  const bridge = openNamespace('switch');
  const ends = names.slice(1).map((name) => openNamespace(name));
  connect(
    { namespace: router, interface: 'sw0', addresses: ['10.0.1.5/24', 'fe80::5/64'] },
    { namespace: bridge, interface: 'router' },
  );
  for (const [index, namespace] of ends.entries()) {
    const address = `10.0.1.${10 + index}/24`;
    const port = names[index + 1] ?? '';
    connect({ namespace, interface: 'eth0', addresses: [address] }, { namespace: bridge, interface: port });
  }
  addBridge(bridge, 'br0', names, { snooping: true });
  // In hundredths of a second. A querier counts for as long as the test takes, a membership 2 s.
  bridge.ip('link set br0 type bridge mcast_querier_interval 100000');
  const setMembershipInterval = (seconds: number) => {
    bridge.ip(`link set br0 type bridge mcast_membership_interval ${seconds * 100}`);
  };
  setMembershipInterval(2);
  const [sender, receiver, bystander] = await Promise.all(ends.map((namespace) => openLinkHost(namespace, 'eth0')));
  if (sender === undefined || receiver === undefined || bystander === undefined) throw new Error('three hosts');
  const { group, marker, lower, everyone } = LINK_CASES[family];
  return {
    sender,
    receiver,
    /** A general query from the host, as from a querier that was there once. */
    ask: async (host: LinkHost) => {
      const { version } = defaultQuerier(family);
      const usual = { maxResponseMs: 100, robustness: 2, intervalS: 125 };
      const query = encodeQuery({ family, version, group: anyPrefix(family).address, ...usual });
      await host.sendMessage(lower, everyone, query);
    },
    setMembershipInterval,
    /** Waits until the switch has the receiver's membership, or has it no more. */
    membership: async (isThere: boolean) => {
      const has = () => bridge.run('bridge', ['mdb', 'show', 'dev', 'br0']).includes(`port receiver grp ${group}`);
      await eventually(() => (has() === isThere ? true : undefined), `membership ${isThere ? 'there' : 'gone'}`);
    },
    /** Datagrams of a stream that came. What goes to everyone comes after them. */
    delivered: async (text: string) => {
      await sender.sendDatagrams(group, ...Array.from({ length: STREAM_DATAGRAMS }, () => text));
      await sender.sendDatagrams(marker, `after ${text}`);
      const count = async (end: LinkHost) => {
        await end.datagram(`after ${text}`);
        return end.datagrams.filter((datagram) => datagram.text === text).length;
      };
      return { receiver: await count(receiver), bystander: await count(bystander) };
    },
    [Symbol.dispose]: () => {
      for (const namespace of [...ends, bridge]) namespace[Symbol.dispose]();
    },
  };
}
