// The querier and router discovery on the real kernel: what mcroute-launch opens, what leaves, what hosts and switches do.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import type { AdvertiserSettings } from '../../src/agent/mrdisc/advertiser.js';
import type { QuerierSettings } from '../../src/agent/querier/querier.js';
import { encodeQuery } from '../../src/agent/querier/query.js';
import { type Family, FAMILIES, anyPrefix } from '../../src/model/address.js';
import { BASE_ENVIRONMENT, LAUNCH, NET_ADMIN_ONLY, TARGET, launchProbe, parseProbe } from '../support/launcher.js';
import { LINK_CASES } from '../support/link-cases.js';
import type { Order } from '../support/link-protocols-program.js';
import { type LinkHost, type SeenMessage, openLinkHost } from '../support/link-host.js';
import { type Namespace, connect, openNamespace } from '../support/namespaces.js';
import { GOOD, hasTshark, openShark } from '../support/shark.js';
import { STREAM_DATAGRAMS, openSwitch } from '../support/switch.js';
import { eventually, waitForEvent } from '../support/wait.js';

const TABLE = '1300';

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
  const of = LINK_CASES[family];

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
      using lanOfSwitch = await openSwitch(router, family);
      const { sender, receiver } = lanOfSwitch;
      await receiver.join(of.group);
      await lanOfSwitch.ask(sender);
      await lanOfSwitch.membership(true);
      await lanOfSwitch.membership(false);
      assert.deepEqual(await lanOfSwitch.delivered('starved'), { receiver: 0, bystander: 0 });

      await agent.setQueriers([onSwitch({ ...querierSettings(family), intervalS: 1 })]);
      const queries = () =>
        receiver.messages.filter(({ source, type }) => source === of.router && type === of.query).length;
      // Twice the time after which a membership is forgotten.
      await eventually(() => (queries() >= 6 ? true : undefined), 'six queries');
      assert.deepEqual(await lanOfSwitch.delivered('fed'), { receiver: STREAM_DATAGRAMS, bystander: 0 });
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
    const of = LINK_CASES[family];

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
    await host.nextMessage((message) => message.type === LINK_CASES.ipv4.advertisement);
    const last = host.nextMessage((message) => message.type === LINK_CASES.ipv4.termination);
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
  return { family, version: LINK_CASES[family].versions[1], robustness: 2, intervalS: 1, responseMs: 100 };
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
