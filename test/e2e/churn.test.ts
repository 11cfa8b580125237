// Streams that nobody touches go on while everything else of the table changes at random.
//
// CHURN_SECONDS (60) and CHURN_SEED (the time) can be set; the seed is printed.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import type { MfcEntry__Output } from '../../src/api/generated/mcroute/v1/MfcEntry.js';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { type Agent, startAgent } from '../support/agent.js';
import { connect } from '../support/namespaces.js';
import { Random } from '../support/random.js';
import { type Host, type RouterTopology, routerTopology } from '../support/topology.js';
import { openTraffic } from '../support/traffic.js';
import { eventually } from '../support/wait.js';
import { TableClient, membership, route } from './table-client.js';

const SECONDS = Number(process.env['CHURN_SECONDS'] ?? 60);
const SEED = Number(process.env['CHURN_SEED'] ?? Date.now() % 1_000_000);

/** Of each untouched stream, in packets per second. */
const RATE = 1_000;

/** Of all streams of the groups that change, together. */
const NOISE_RATE = 200;

/** What an untouched stream may lose: an entry is rewritten in place without a lock of the data path (docs/kernel.md). */
const LOSS_MAX = 1;

/** (S,G), (*,G), and a learned flow of a prefix rule, of both families. */
const UNTOUCHED = ['232.1.0.1', '239.1.0.1', '239.2.0.1', 'ff3e::1:1', 'ff1e::1:1', 'ff1e:2::1'];

const CHAOS_GROUPS = ['239.7.0.1', '239.7.0.2', '239.7.1.1', 'ff1e:7::1', 'ff1e:7::2', 'ff1e:7:1::1'];
const CHAOS_PREFIXES = ['239.7.0.0/24', '239.7.0.0/16', 'ff1e:7::/64', 'ff1e:7::/32'];
const CHAOS_OWNERS = ['chaos-a', 'chaos-b'];

/** Interfaces that come and go; the untouched streams use none of them. */
const CHAOS_OIFS = ['out3', 'out4'];

let topology: RouterTopology;
let agent: Agent;

before(async () => {
  topology = routerTopology({ senders: 2, receivers: 4 });
  agent = await startAgent(topology.router, { table: 123 });
});

after(() => {
  agent[Symbol.dispose]();
  topology[Symbol.dispose]();
});

it('untouched streams lose at most one packet while rules, wildcards, interfaces and other groups change', async (t) => {
  t.diagnostic(`CHURN_SEED=${SEED}`);
  const steady = new TableClient(agent, 'steady');
  const wanted = untouchedRules(topology.sender(0));
  await steady.put(...wanted);
  using from = openTraffic(topology.sender(0).namespace);
  using noiseFrom = openTraffic(topology.sender(1).namespace);
  using to = openTraffic(topology.receiver(1).namespace);
  const receiver = await to.receive({ interface: 'eth0', groups: UNTOUCHED });
  const noise = await noiseFrom.send({ interface: 'eth0', groups: CHAOS_GROUPS, rate: NOISE_RATE });
  const sender = await from.send({ interface: 'eth0', groups: UNTOUCHED, rate: RATE * UNTOUCHED.length });
  await receiver.awaitPackets(UNTOUCHED.length);

  const chaos = new Chaos(new Random(SEED), topology, agent);
  const end = performance.now() + SECONDS * 1_000;
  while (performance.now() < end) await chaos.step();
  chaos.settleInterfaces();

  const sent = await sender.stop();
  const { streams, socketDrops } = await receiver.collect(sent);
  await noise.stop();
  t.diagnostic(`${chaos.steps} changes`);
  for (const { group, received, lost, duplicated } of streams) {
    t.diagnostic(`${group}: ${received} received, ${lost} lost, ${duplicated} duplicated`);
  }
  assert.equal(socketDrops, 0, 'the receiver itself kept up');
  assert.deepEqual(
    streams.filter(({ lost, duplicated }) => lost > LOSS_MAX || duplicated > 0),
    [],
  );
  assert.ok(sent.streams.every((stream) => stream.sent >= (SECONDS * RATE) / 2));
});

it('afterwards the table holds what was wanted last, and the kernel what a new agent would give it', async () => {
  const chaos = new Chaos(new Random(SEED + 1), topology, agent);
  for (let step = 0; step < 200; step++) await chaos.step();
  chaos.settleInterfaces();
  const table = new TableClient(agent);
  await eventually(async () => {
    const statuses = await table.interfaces();
    return CHAOS_OIFS.every((name) => statuses.get(name)?.up === true) ? true : undefined;
  }, 'the agent has heard of all interfaces');
  // A learned entry that a rule asks for by now stays a learned one as long as it is used.
  await table.flush();
  const entries = await table.entries();
  for (const owner of CHAOS_OWNERS) assert.deepEqual(keysOf(entries, owner), chaos.keysOf(owner));

  using other = await startAgent(topology.router, { table: 124, args: ['--no-mrules'] });
  for (const owner of ['steady', ...CHAOS_OWNERS]) {
    await new TableClient(other, owner).replace(
      entries.flatMap(({ owners, resource }) =>
        owners.includes(owner) && resource !== null ? [toWire(resource)] : [],
      ),
    );
  }
  assert.deepEqual(installed(await table.mfc()), installed(await new TableClient(other).mfc()));
});

/** Rules of the streams that nobody touches, from in0 to out1. */
function untouchedRules(sender: Host): Resource[] {
  return [
    route('in0', '232.1.0.1', ['out1'], { source: sender.ipv4 }),
    route('in0', '239.1.0.1', ['out1']),
    route('in0', '239.2.0.0/16', ['out1']),
    route('in0', 'ff3e::1:1', ['out1'], { source: sender.ipv6 }),
    route('in0', 'ff1e::1:1', ['out1']),
    route('in0', 'ff1e:2::/32', ['out1']),
  ];
}

/** Changes one thing after the other, and remembers what is wanted. Never flushes: that touches every learned flow. */
class Chaos {
  steps = 0;
  readonly #random: Random;
  readonly #topology: RouterTopology;
  readonly #agent: Agent;
  readonly #wanted = new Map(CHAOS_OWNERS.map((owner) => [owner, new Map<string, Resource>()]));
  /** Present names of the interfaces that come and go; undefined while one is deleted. */
  readonly #names = new Map<string, string | undefined>(CHAOS_OIFS.map((name) => [name, name]));

  constructor(random: Random, of: RouterTopology, agent_: Agent) {
    this.#random = random;
    this.#topology = of;
    this.#agent = agent_;
  }

  async step(): Promise<void> {
    this.steps++;
    const kind = this.#random.below(20);
    if (kind < 2) this.#changeInterface(this.#random.pick(CHAOS_OIFS));
    else if (kind < 6) await this.#replace(this.#random.pick(CHAOS_OWNERS));
    else if (kind < 11) await this.#delete(this.#random.pick(CHAOS_OWNERS));
    else await this.#put(this.#random.pick(CHAOS_OWNERS));
  }

  /** Keys of the resources that the owner wants, as `keysOf` shows them. */
  keysOf(owner: string): string[] {
    return [...this.#wishes(owner).keys()].sort();
  }

  /** Brings back all interfaces under their own names. */
  settleInterfaces(): void {
    for (const [name, present] of this.#names) {
      if (present === undefined) this.#plug(name);
      else if (present !== name) this.#topology.router.rename(present, name);
      this.#topology.router.setUp(name);
      this.#names.set(name, name);
    }
  }

  async #put(owner: string): Promise<void> {
    const resource = this.#resource();
    await this.#client(owner).put(resource);
    this.#wishes(owner).set(keyText(resource), resource);
  }

  async #delete(owner: string): Promise<void> {
    const entry = this.#random.pickOrNone([...this.#wishes(owner)]);
    if (entry === undefined) return;
    await this.#client(owner).delete(entry[1]);
    this.#wishes(owner).delete(entry[0]);
  }

  async #replace(owner: string): Promise<void> {
    const resources = Array.from({ length: this.#random.below(8) }, () => this.#resource());
    const wishes = new Map(resources.map((resource) => [keyText(resource), resource]));
    await this.#client(owner).replace([...wishes.values()]);
    this.#wanted.set(owner, wishes);
  }

  #changeInterface(name: string): void {
    const { router } = this.#topology;
    const present = this.#names.get(name);
    if (present === undefined) {
      this.#plug(name);
      this.#names.set(name, name);
      return;
    }
    switch (this.#random.below(4)) {
      case 0:
        router.delete(present);
        this.#names.set(name, undefined);
        return;
      case 1: {
        const renamed = present === name ? `new-${name}` : name;
        router.rename(present, renamed);
        this.#names.set(name, renamed);
        return;
      }
      case 2:
        router.setDown(present);
        return;
      default:
        router.setUp(present);
    }
  }

  #plug(name: string): void {
    const host = this.#topology.receivers.find(({ routerInterface }) => routerInterface === name);
    assert.ok(host !== undefined);
    connect(
      { namespace: this.#topology.router, interface: name },
      { namespace: host.namespace, interface: host.interface },
    );
  }

  #resource(): Resource {
    const group = this.#random.pick([...CHAOS_GROUPS, ...CHAOS_PREFIXES]);
    const isIpv6 = group.includes(':');
    const host = this.#topology.sender(1);
    if (this.#random.below(8) === 0) return membership('in1', this.#random.pick(CHAOS_GROUPS));
    const source = this.#random.pick(isIpv6 ? ['', host.ipv6, '2001:db8::/32'] : ['', host.ipv4, '10.0.0.0/8']);
    const iif = this.#random.pick(['in0', 'in1', 'in1', 'in+', 'out2', 'out3', 'not-there']);
    const oifs = this.#random.some(['in0', 'out1', 'out2', 'out3', 'out4', 'out+', 'new-out3', 'not-there']);
    const except = this.#random.below(6) === 0 ? [isIpv6 ? '2001:db8:1001::/64' : '10.0.1.0/24'] : [];
    return route(iif, group, oifs, { source, except, deny: this.#random.below(10) === 0 });
  }

  #client(owner: string): TableClient {
    return new TableClient(this.#agent, owner);
  }

  #wishes(owner: string): Map<string, Resource> {
    return this.#wanted.get(owner) ?? assert.fail(owner);
  }
}

function keysOf(entries: readonly Entry__Output[], owner: string): string[] {
  const owned = entries.filter(({ owners }) => owners.includes(owner));
  return owned.flatMap(({ resource }) => (resource === null ? [] : [keyText(toWire(resource))])).sort();
}

function keyText({ mroute, membership: joined }: Resource): string {
  const key = mroute?.key ?? joined?.key;
  const name = mroute?.key?.iif ?? joined?.key?.interface ?? '';
  return `${mroute ? 'mroute' : 'membership'} ${name} ${key?.source ?? ''} ${key?.group ?? ''}`;
}

/** A resource as it came, as one to send. */
function toWire(resource: NonNullable<Entry__Output['resource']>): Resource {
  const { mroute, membership: joined } = resource;
  if (mroute) {
    return {
      mroute: {
        ...mroute,
        oifs: mroute.oifs.map((oif) => ({
          interface: oif.interface,
          ...(oif._ttlThreshold === undefined ? {} : { ttlThreshold: oif.ttlThreshold ?? 0 }),
        })),
      },
    };
  }
  return { membership: joined ?? null };
}

/** Entries that rules have made, by name and in order; learned ones depend on what was sent. */
function installed(entries: readonly MfcEntry__Output[]): string[] {
  return entries
    .filter(({ learned }) => !learned)
    .map(({ source, group, iif, oifs }) => {
      const names = oifs.map((oif) => oif.interface).sort();
      return `(${source === '' ? '*' : source}, ${group}) ${iif} > ${names.join(' ')}`;
    })
    .sort();
}
