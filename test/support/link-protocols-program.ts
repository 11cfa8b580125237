// The protocols of links as a program that mcroute-launch starts. Each line of its input is an Order, each line of its
// output the answer, or the error.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { loadNative } from '../../src/agent/kernel/native.js';
import { type AdvertiserLink, LinkProtocols, type QuerierLink } from '../../src/agent/link-protocols.js';
import { adoptSignallingSockets } from '../../src/agent/signalling/sockets.js';
import { parseAddress } from '../../src/model/address.js';

/** A link whose addresses are texts. */
export type Spelled<Link> = Omit<Link, 'addresses'> & { readonly addresses: readonly string[] };

export type Order =
  | { readonly order: 'queriers'; readonly links: readonly Spelled<QuerierLink>[] }
  | { readonly order: 'advertisers'; readonly links: readonly Spelled<AdvertiserLink>[] }
  | { readonly order: 'views' | 'stop' };

const native = loadNative();
const names = (process.env['LISTEN_FDNAMES'] ?? '').split(':');
const sockets = adoptSignallingSockets(
  native,
  names.map((name, index) => ({ name, fd: 3 + index })),
);
// Soon, and always the same.
const protocols = new LinkProtocols({ sockets, random: () => 0.05 });

function obey(order: Order): unknown {
  switch (order.order) {
    case 'queriers':
      protocols.setQueriers(order.links.map((link) => ({ ...link, addresses: link.addresses.map(parseAddress) })));
      return protocols.queriers();
    case 'advertisers': {
      protocols.setAdvertisers(order.links.map((link) => ({ ...link, addresses: link.addresses.map(parseAddress) })));
      joinNeeded();
      return protocols.advertisers();
    }
    case 'views':
      return { queriers: protocols.queriers(), advertisers: protocols.advertisers() };
    case 'stop':
      protocols.stop();
      return 'stopped';
  }
}

const joins = new Map([4 as const, 6 as const].map((family) => [family, native.openMembershipSocket(family)]));
const joined = new Set<string>();

function joinNeeded(): void {
  for (const { ifindex, group } of protocols.neededJoins()) {
    const key = `${ifindex} ${group.family}`;
    if (joined.has(key)) continue;
    joined.add(key);
    const words = new Uint32Array(4);
    words.set(group.words);
    joins.get(group.family === 'ipv4' ? 4 : 6)?.join(ifindex, words);
  }
}

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

createInterface({ input: process.stdin }).on('line', (line) => {
  say(obey(JSON.parse(line) as Order));
});
say({ names, capabilities: /CapEff:\s*(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] });
