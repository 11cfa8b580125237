// The querier and router discovery on the real kernel: what mcroute-launch opens, what leaves, what hosts and switches do.
import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import type { AdvertiserSettings } from '../../src/agent/mrdisc/advertiser.js';
import type { QuerierSettings } from '../../src/agent/querier/querier.js';
import { encodeQuery } from '../../src/agent/querier/query.js';
import { type Family, FAMILIES, anyPrefix } from '../../src/model/address.js';
import { BASE_ENVIRONMENT, LAUNCH, NET_ADMIN_ONLY, TARGET, launchProbe, parseProbe } from '../support/launcher.js';
import type { Order } from '../support/link-protocols-program.js';
import { type LinkHost, type SeenMessage, openLinkHost } from '../support/link-host.js';
import { type Namespace, addBridge, connect, openNamespace, plainEnvironment } from '../support/namespaces.js';
import { eventually, waitForEvent, waitForLine } from '../support/wait.js';

const TABLE = '1300';

/** Datagrams of one stream. */
const COUNT = 20;

const CASES = {
  ipv4: {
    router: '10.0.1.5',
    lower: '10.0.1.1',
    group: '239.1.1.1',
    marker: '224.0.0.250',
    everyone: '224.0.0.1',
    snoopers: '224.0.0.106',
    routers: '224.0.0.2',
    query: 0x11,
    reports: [0x16, 0x22],
    advertisement: 0x30,
    termination: 0x32,
    solicitation: '3100ceff',
    /** Bytes of queries of the older and the newer version. */
    lengths: [8, 12],
    versions: [2, 3],
  },
  ipv6: {
    router: 'fe80::5',
    lower: 'fe80::1',
    group: 'ff1e::1:1',
    // To every node; a switch does not hold it back.
    marker: 'ff02::1',
    everyone: 'ff02::1',
    snoopers: 'ff02::6a',
    routers: 'ff02::2',
    query: 130,
    reports: [131, 143],
    advertisement: 151,
    termination: 153,
    solicitation: '98000000',
    lengths: [24, 28],
    versions: [1, 2],
  },
} as const satisfies Readonly<Record<Family, unknown>>;

/** The router: interfaces lan0 and bare0 to hosts, sw0 to a switch. bare0 has no address. */
let router: Namespace;
/** The hosts behind the first two, each in a namespace of its own. */
let hosts: { readonly lan: Namespace; readonly bare: Namespace };
let host: LinkHost;
let bareHost: LinkHost;
let network: Disposable;
let agent: Agent;

before(async () => {
  network = openNetwork();
  [host, bareHost] = [await openLinkHost(hosts.lan, 'eth0'), await openLinkHost(hosts.bare, 'eth0')];
  agent = await openAgent();
});

after(() => {
  network[Symbol.dispose]();
});

describe('mcroute-launch --signalling', () => {
  it('opens the sockets beside those of the table', () => {
    const answer = parseProbe(launchProbe(['--table', '1301', '--signalling', ...TARGET]));
    assert.equal(answer.environment['LISTEN_FDNAMES'], 'mrt4:mrt6:igmp4:packet:icmp6');
    assert.equal(answer.rawSocket, 'EPERM');
  });

  it('opens those of the families that are served', () => {
    const answer = parseProbe(launchProbe(['--table', '1301', '--families', 'ipv6', '--signalling', ...TARGET]));
    assert.equal(answer.environment['LISTEN_FDNAMES'], 'mrt6:icmp6');
  });

  it('leaves nothing but CAP_NET_ADMIN, with which all below is done', () => {
    assert.equal(agent.hello.capabilities, NET_ADMIN_ONLY);
  });
});

for (const family of FAMILIES) {
  const of = CASES[family];

  describe(`a querier of ${family}`, () => {
    for (const [index, version] of of.versions.entries()) {
      it(`asks in version ${version} as its RFC says`, async () => {
        await agent.setQueriers([lan({ ...querierSettings(family), version })]);
        const isNew = (message: SeenMessage) =>
          message.type === of.query && message.payload.length === 2 * (of.lengths[index] ?? 0);
        const query = await host.message(isNew);
        assert.deepEqual(pick(query), expected(of.router, of.everyone));
        await agent.setQueriers([]);
      });
    }

    it('is answered by hosts', async () => {
      await host.join(of.group);
      await agent.setQueriers([lan(querierSettings(family))]);
      // The host's reports go out; the router hears them, as does any switch between.
      const seen = await routerSees(family, (message) => of.reports.some((type) => type === message.type));
      assert.ok(seen.isValid);
      await agent.setQueriers([]);
    });

    it('yields to a lower address, not to its own queries', async () => {
      await agent.setQueriers([lan(querierSettings(family))]);
      await host.nextMessage((message) => message.type === of.query);
      await host.nextMessage((message) => message.type === of.query);
      assert.equal(await agent.role(), 'querier');
      const { version } = querierSettings(family);
      const usual = { maxResponseMs: 1_000, robustness: 2, intervalS: 125 };
      const query = encodeQuery({ family, version, group: anyPrefix(family).address, ...usual });
      await host.sendMessage(of.lower, of.everyone, query);
      await eventually(async () => ((await agent.role()) === 'listener' ? true : undefined), 'the election');
      await agent.setQueriers([]);
    });
  });

  describe(`router discovery of ${family}`, () => {
    it('announces, answers and ends as RFC 4286 says', async () => {
      await agent.setAdvertisers([lan(advertiserSettings(family))]);
      const isAdvertisement = (message: SeenMessage) => message.type === of.advertisement;
      const first = await host.message(isAdvertisement);
      assert.deepEqual(pick(first), expected(of.router, of.snoopers));
      // Type, interval, any checksum, query interval, robustness.
      const type = of.advertisement.toString(16);
      assert.match(first.payload, new RegExp(`^${type}04....007d0002$`));
      // The three at the beginning: after them nothing comes by itself for 4 s.
      await eventually(() => (host.messages.filter(isAdvertisement).length >= 3 ? true : undefined), 'the beginning');
      const answer = host.nextMessage(isAdvertisement);
      const asked = performance.now();
      await host.sendMessage(of.lower, of.routers, Buffer.from(of.solicitation, 'hex'));
      await answer;
      assert.ok(performance.now() - asked < 2_000, 'the answer came before the next advertisement was due');
      const last = host.nextMessage((message) => message.type === of.termination);
      await agent.setAdvertisers([]);
      const termination = await last;
      assert.deepEqual(pick(termination), expected(of.router, of.snoopers));
      assert.equal(termination.payload.length, 8);
    });
  });

  describe(`a switch that snoops ${family}`, () => {
    it('starves a receiver once nobody asks, and does not while the querier asks', { timeout: 60_000 }, async () => {
      using lanOfSwitch = await openSwitch(family);
      const { sender, receiver } = lanOfSwitch;
      await receiver.join(of.group);
      // Some querier was there once: the switch believes in it for long, in the membership for 2 s.
      const { version } = querierSettings(family);
      const usual = { maxResponseMs: 100, robustness: 2, intervalS: 125 };
      const query = encodeQuery({ family, version, group: anyPrefix(family).address, ...usual });
      await sender.sendMessage(of.lower, of.everyone, query);
      await lanOfSwitch.membership(true);
      await lanOfSwitch.membership(false);
      assert.deepEqual(await lanOfSwitch.delivered('starved'), { receiver: 0, bystander: 0 });

      await agent.setQueriers([onSwitch({ ...querierSettings(family), intervalS: 1 })]);
      const queries = () =>
        receiver.messages.filter(({ source, type }) => source === of.router && type === of.query).length;
      // Twice the time after which a membership is forgotten.
      await eventually(() => (queries() >= 6 ? true : undefined), 'six queries');
      assert.deepEqual(await lanOfSwitch.delivered('fed'), { receiver: COUNT, bystander: 0 });
      await agent.setQueriers([]);
    });
  });
}

describe('a querier without an IPv4 address', () => {
  it('asks from 0.0.0.0, though another interface has an address', async () => {
    const settings = querierSettings('ipv4');
    await agent.setQueriers([{ name: 'bare0', ifindex: router.ifindex('bare0'), isUp: true, addresses: [], settings }]);
    const query = await bareHost.message(({ type, source }) => type === 0x11 && source === '0.0.0.0');
    assert.deepEqual(pick(query), expected('0.0.0.0', '224.0.0.1'));
    const wrong = bareHost.messages.filter(({ type, source }) => type === 0x11 && source !== '0.0.0.0');
    assert.deepEqual(wrong, []);
    await agent.setQueriers([]);
  });

  it('says why it cannot, where its address is gone', async () => {
    const settings = querierSettings('ipv4');
    const link = { name: 'bare0', ifindex: router.ifindex('bare0'), isUp: true, addresses: ['10.99.0.1'], settings };
    const [view] = await agent.setQueriers([link]);
    assert.match(JSON.stringify(view), /"syscall":"sendmsg"/);
    await agent.setQueriers([]);
  });
});

describe('tshark', () => {
  for (const family of FAMILIES) {
    const of = CASES[family];

    it(
      `finds nothing wrong with what is sent of ${family}`,
      { skip: hasTshark() ? false : 'it is missing' },
      async () => {
        const shark = await openShark(hosts.lan);
        await agent.setQueriers([lan(querierSettings(family))]);
        await agent.setAdvertisers([lan(advertiserSettings(family))]);
        const frames = [await shark.frame(of.query), await shark.frame(of.advertisement)];
        await agent.setAdvertisers([]);
        await agent.setQueriers([]);
        frames.push(await shark.frame(of.termination));
        for (const frame of frames) {
          assert.equal(frame.complaint, '');
          // IGMP of the types of RFC 4286 is unknown to it; then it looks at the header's checksum alone.
          const isKnown = family === 'ipv6' || frame.type === of.query;
          assert.deepEqual(frame.checksums, family === 'ipv6' ? ['', '', GOOD] : [GOOD, isKnown ? GOOD : '', '']);
        }
      },
    );
  }
});

describe('the end of an agent', () => {
  it('is told to the neighbours', async () => {
    await agent.setAdvertisers([lan(advertiserSettings('ipv4'))]);
    await host.nextMessage((message) => message.type === CASES.ipv4.advertisement);
    const last = host.nextMessage((message) => message.type === CASES.ipv4.termination);
    await agent.ask({ order: 'stop' });
    await last;
  });
});

// --- the network ---

function openNetwork(): Disposable {
  router = openNamespace('router');
  hosts = { lan: openNamespace('lan'), bare: openNamespace('bare') };
  const addresses = ['10.0.1.5/24', 'fe80::5/64'];
  connect({ namespace: router, interface: 'lan0', addresses }, { namespace: hosts.lan, interface: 'eth0' });
  connect({ namespace: router, interface: 'bare0' }, { namespace: hosts.bare, interface: 'eth0' });
  return {
    [Symbol.dispose]: () => {
      for (const namespace of [router, hosts.lan, hosts.bare]) namespace[Symbol.dispose]();
    },
  };
}

/** A switch between the router, a sender, a receiver and a host that joins nothing. */
async function openSwitch(family: Family) {
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
  // In hundredths of a second: a membership 2 s, a querier for as long as the test takes.
  bridge.ip('link set br0 type bridge mcast_membership_interval 200 mcast_querier_interval 100000');
  const [sender, receiver, bystander] = await Promise.all(ends.map((namespace) => openLinkHost(namespace, 'eth0')));
  if (sender === undefined || receiver === undefined || bystander === undefined) throw new Error('three hosts');
  const { group, marker } = CASES[family];
  return {
    sender,
    receiver,
    /** Waits until the switch has the receiver's membership, or has it no more. */
    membership: async (isThere: boolean) => {
      const has = () => bridge.run('bridge', ['mdb', 'show', 'dev', 'br0']).includes(`port receiver grp ${group}`);
      await eventually(() => (has() === isThere ? true : undefined), `membership ${isThere ? 'there' : 'gone'}`);
    },
    /** Datagrams of a stream that came. What goes to everyone comes after them. */
    delivered: async (text: string) => {
      await sender.sendDatagrams(group, ...Array.from({ length: COUNT }, () => text));
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

function hasTshark(): boolean {
  return spawnSync('tshark', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What tshark says of a frame; checksums of IPv4, IGMP and ICMPv6. */
interface SharkFrame {
  readonly type: number;
  readonly checksums: readonly string[];
  readonly complaint: string;
}

/** As tshark writes that a checksum is right. */
const GOOD = '1';

const SHARK_FIELDS = [
  'igmp.type',
  'icmpv6.type',
  'ip.checksum.status',
  'igmp.checksum.status',
  'icmpv6.checksum.status',
  '_ws.malformed',
  '_ws.expert.message',
];

/** It ends with its namespace. */
async function openShark(namespace: Namespace) {
  // `icmp6` would not look behind a hop-by-hop header.
  const options = ['-l', '-n', '-i', 'eth0', '-f', 'inbound and (igmp or ip6)', '-o', 'ip.check_checksum:TRUE'];
  const fields = ['-T', 'fields', '-E', 'occurrence=f', ...SHARK_FIELDS.flatMap((field) => ['-e', field])];
  const child = namespace.spawn('tshark', [...options, ...fields], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: plainEnvironment(),
  });
  const news = new EventEmitter();
  const frames: SharkFrame[] = [];
  if (child.stdout === null || child.stderr === null) throw new Error('pipes were asked for');
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [igmp = '', icmp6 = '', ...rest] = line.split('\t');
    const frame = { type: Number(igmp || icmp6), checksums: rest.slice(0, 3), complaint: rest.slice(3).join('') };
    frames.push(frame);
    news.emit('frame', frame);
  });
  await waitForLine(child.stderr, /Capture started/);
  return {
    frame: async (type: number) => {
      const isIt = (frame: SharkFrame) => frame.type === type;
      return frames.find(isIt) ?? (await waitForEvent(news, 'frame', isIt));
    },
  };
}

/** What the router's end of the link sees. */
async function routerSees(family: Family, accepts: (message: SeenMessage) => boolean): Promise<SeenMessage> {
  const end = await openLinkHost(router, 'lan0');
  // The host has answered, or is about to: it is asked every second.
  return end.message((message) => message.source.includes(':') === (family === 'ipv6') && accepts(message));
}

function pick(message: SeenMessage) {
  const { source, destination, hopLimit, routerAlert, isValid } = message;
  return { source, destination, hopLimit, routerAlert, isValid };
}

function expected(source: string, destination: string): ReturnType<typeof pick> {
  return { source, destination, hopLimit: 1, routerAlert: true, isValid: true };
}

// --- the agent ---

function querierSettings(family: Family): QuerierSettings {
  return { family, version: CASES[family].versions[1], robustness: 2, intervalS: 1, responseMs: 100 };
}

function advertiserSettings(family: Family): AdvertiserSettings {
  return { family, intervalS: 4, queryIntervalS: 125, robustness: 2 };
}

function lan<Settings>(settings: Settings) {
  return link('lan0', settings);
}

function onSwitch<Settings>(settings: Settings) {
  return link('sw0', settings);
}

function link<Settings>(name: string, settings: Settings) {
  const addresses = ['10.0.1.5', 'fe80::5'];
  return { name, ifindex: router.ifindex(name), isUp: true, addresses, settings };
}

interface Hello {
  readonly names: readonly string[];
  readonly capabilities: string;
}

interface ViewJson {
  readonly kind: string;
  readonly state?: { readonly role: string };
}

type QueriersOrder = Extract<Order, { order: 'queriers' }>;
type AdvertisersOrder = Extract<Order, { order: 'advertisers' }>;

async function openAgent(): Promise<Agent> {
  const program = join(import.meta.dirname, '../support/link-protocols-program.js');
  const words = ['--table', TABLE, '--signalling', ...TARGET, '--', process.execPath, program];
  const child = router.spawn(LAUNCH, words, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...BASE_ENVIRONMENT, ...sanitizer() },
  });
  const agent = new Agent(child);
  await agent.open();
  return agent;
}

/** The addon of the sanitizer build, where the tests have it. */
function sanitizer(): NodeJS.ProcessEnv {
  const names = ['LD_PRELOAD', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'MCROUTE_ADDON'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

class Agent {
  hello: Hello = { names: [], capabilities: '' };
  readonly #child: ChildProcess;
  readonly #answers = new EventEmitter();

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error('a pipe was asked for');
    createInterface({ input: child.stdout }).on('line', (line) => this.#answers.emit('answer', JSON.parse(line)));
  }

  async open(): Promise<void> {
    this.hello = await waitForEvent<Hello>(this.#answers, 'answer');
  }

  async ask(order: Order): Promise<unknown> {
    const answer = waitForEvent<unknown>(this.#answers, 'answer');
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    return answer;
  }

  async setQueriers(links: QueriersOrder['links']): Promise<readonly ViewJson[]> {
    return (await this.ask({ order: 'queriers', links })) as readonly ViewJson[];
  }

  async setAdvertisers(links: AdvertisersOrder['links']): Promise<void> {
    await this.ask({ order: 'advertisers', links });
  }

  async role(): Promise<string | undefined> {
    const views = (await this.ask({ order: 'views' })) as { readonly queriers: readonly ViewJson[] };
    return views.queriers[0]?.state?.role;
  }
}
