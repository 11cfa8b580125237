// Packets through the real kernel, by all kinds of rules.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Agent } from '../support/agent.js';
import { openTraffic } from '../support/traffic.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase, IPV4, IPV6 } from './families.js';
import { type Router, openRouter } from './router.js';
import { TableClient, route, threshold, warningCodes } from './table-client.js';

/** Packets of one flow, enough to tell a loss from the first one on. */
const FLOW = 50;

let router: Router;

before(async () => {
  router = await openRouter();
});

after(() => {
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.clear(['cli', 'controller']);
});

for (const family of FAMILY_CASES) {
  describe(`forwarding of ${family.family}`, () => {
    forwardingTests(family);
  });
}

function forwardingTests(family: FamilyCase): void {
  const group = family.group(1);
  const source = family.source(1);

  it('sends an (S,G) flow to its oifs, all of it, without the agent', async () => {
    const [entry] = await router.table.put(route('in0', group, ['out1', 'out2'], { source }));
    assert.equal(entry?.state, 'STATE_PROGRAMMED');
    assert.equal(entry.programming, 'PROGRAMMING_SOURCE_GROUP');
    const flow = times(FLOW, { iif: 'in0', source, group });
    assert.deepEqual(await router.sendUnattended(flow), times(FLOW, ['out1', 'out2']));
    const stranger = { iif: 'in0', source: family.source(2), group };
    assert.deepEqual(await router.send(stranger), []);
    assert.deepEqual(await router.send({ iif: 'in1', source, group }), []);
  });

  it('sends every source of an exact (*,G) from its first packet on, without the agent and without an upcall', async () => {
    const [entry] = await router.table.put(route('in0', group, ['out1', 'out2']));
    assert.equal(entry?.programming, 'PROGRAMMING_ANY_SOURCE');
    const flow = Array.from({ length: FLOW }, (_, n) => ({ iif: 'in0', source: family.source(n + 1), group }));
    assert.deepEqual(await router.sendUnattended(flow), times(FLOW, ['out1', 'out2']));
    assert.deepEqual(router.unresolved(family), []);
    assert.deepEqual(
      (await router.table.mfc()).map((each) => [each.source, each.learned]),
      [['', false]],
    );
  });

  it('learns the flows of a group prefix and delivers their first packets', async () => {
    const [entry] = await router.table.put(route('in0', family.groupPrefix, ['out1', 'out2']));
    assert.deepEqual([entry?.programming, entry?.programmingReason], ['PROGRAMMING_LEARNED', 'group-prefix']);
    const flows = Array.from({ length: FLOW }, (_, n) => ({ iif: 'in0', source, group: family.group(n + 1) }));
    assert.deepEqual(await router.sendAll(flows), times(FLOW, ['out1', 'out2']));
    const learned = await router.table.mfc();
    assert.equal(learned.length, FLOW);
    for (const each of learned) {
      assert.equal(each.learned, true);
      assert.deepEqual(each.rules, [{ iif: 'in0', source: '', group: family.groupPrefix }]);
    }
    assert.deepEqual(await router.sendUnattended(flows), times(FLOW, ['out1', 'out2']));
  });

  it('learns the flows of a source prefix and leaves other sources out', async () => {
    const [entry] = await router.table.put(route('in0', group, ['out1'], { source: family.sourcePrefix }));
    assert.deepEqual([entry?.programming, entry?.programmingReason], ['PROGRAMMING_LEARNED', 'source-prefix']);
    const ours = { iif: 'in0', source, group };
    assert.deepEqual(
      await router.sendAll([ours, { ...ours, source: family.strangeSource(1) }, { ...ours, source: family.source(2) }]),
      [['out1'], [], ['out1']],
    );
  });

  it('leaves out the sources that a rule excepts', async () => {
    const except = [family.strangeSource(7), family.sourcePrefix];
    const [entry] = await router.table.put(route('in0', group, ['out1'], { except }));
    assert.equal(entry?.state, 'STATE_PROGRAMMED');
    const from = (each: string) => ({ iif: 'in0', source: each, group });
    const sources = [source, family.strangeSource(7), family.strangeSource(8)];
    assert.deepEqual(await router.sendAll(sources.map(from)), [[], [], ['out1']]);
  });

  it('drops what a deny rule matches, whatever other rules say', async () => {
    await router.table.put(
      route('in0', group, ['out1']),
      route('in0', family.groupPrefix, ['out2']),
      route('in0', group, [], { source, deny: true }),
    );
    const ours = { iif: 'in0', source, group };
    assert.deepEqual(await router.sendAll([ours, { ...ours, source: family.source(2) }]), [[], ['out1', 'out2']]);
    await router.table.put(route('in0', family.groupPrefix, [], { source: family.sourcePrefix, deny: true }));
    assert.deepEqual(
      await router.sendAll([
        { ...ours, source: family.source(2) },
        { ...ours, source: family.strangeSource(2) },
      ]),
      [[], ['out1', 'out2']],
    );
  });

  it('takes a rule without oifs as a stop filter where nothing else matches', async () => {
    const [entry] = await router.table.put(route('in0', group, []));
    assert.equal(entry?.state, 'STATE_PROGRAMMED');
    const shot = { iif: 'in0', source, group };
    assert.deepEqual(await router.send(shot), []);
    assert.deepEqual(await router.sendUnattended([shot, shot]), [[], []]);
    assert.deepEqual(router.unresolved(family), []);
    await router.table.put(route('in0', family.groupPrefix, ['out2']));
    assert.deepEqual(await router.send(shot), ['out2']);
  });

  it('unites the oifs of all rules that match, of all owners', async () => {
    const controller = router.table.as('controller');
    const exact = route('in0', group, ['out1'], { source });
    await router.table.put(exact);
    await controller.put(route('in0', group, ['out2'], { source }));
    assert.deepEqual(await router.send({ iif: 'in0', source, group }), ['out1', 'out2']);
    await controller.put(route('in0', family.groupPrefix, ['in1'], { source: family.sourcePrefix }));
    assert.deepEqual(await router.send({ iif: 'in0', source, group }), ['in1', 'out1', 'out2']);
    await router.table.delete(exact);
    assert.deepEqual(await router.send({ iif: 'in0', source, group }), ['in1', 'out2']);
    await controller.replace([]);
    assert.deepEqual(await router.send({ iif: 'in0', source, group }), []);
  });

  it('keeps a rule that two owners want until neither does', async () => {
    const rule = route('in0', group, ['out1']);
    await router.table.put(rule);
    await router.table.as('controller').put(rule);
    assert.deepEqual((await router.table.entry(rule)).owners, ['cli', 'controller']);
    await router.table.delete(rule);
    assert.deepEqual((await router.table.entry(rule)).owners, ['controller']);
    assert.deepEqual(await router.send({ iif: 'in0', source, group }), ['out1']);
  });

  it('carries a group both ways between two interfaces', async () => {
    const [there] = await router.table.put(route('in0', group, ['out1']));
    assert.equal(there?.programming, 'PROGRAMMING_ANY_SOURCE');
    const [back] = await router.table.put(route('out1', group, ['in0']));
    assert.deepEqual([back?.programming, back?.programmingReason], ['PROGRAMMING_LEARNED', 'bidirectional']);
    const shots = [
      { iif: 'in0', source: family.source(1), group },
      { iif: 'out1', source: family.source(2), group },
      { iif: 'in0', source: family.source(3), group },
    ];
    assert.deepEqual(await router.sendAll(shots), [['out1'], ['in0'], ['out1']]);
  });

  it('takes wildcards for iif and oifs and leaves the iif out', async () => {
    await router.table.put(route('in0', group, ['out+', 'in+']), route('in+', family.group(2), ['out+']));
    assert.deepEqual(
      await router.sendAll([
        { iif: 'in0', source, group },
        { iif: 'in0', source, group: family.group(2) },
        { iif: 'in1', source: family.source(2), group: family.group(2) },
      ]),
      [
        ['in1', 'out1', 'out2'],
        ['out1', 'out2'],
        ['out1', 'out2'],
      ],
    );
  });

  it('follows a source that moves to another allowed iif', async () => {
    await router.table.put(
      route('in0', family.groupPrefix, ['out1', 'in1']),
      route('in1', family.groupPrefix, ['out2', 'in0']),
    );
    assert.deepEqual(await router.send({ iif: 'in0', source, group }), ['in1', 'out1']);
    const moved = await eventually(async () => {
      const left = await router.send({ iif: 'in1', source, group });
      return left.length > 0 ? left : undefined;
    }, 'the flow follows its source');
    assert.deepEqual(moved, ['in0', 'out2']);
    const [entry] = await router.table.mfc();
    assert.equal(entry?.iif, 'in1');
  });

  it('asks once for a flow that nothing matches, and lists it', async () => {
    await router.table.put(route('in0', family.group(9), ['out1']));
    const shot = { iif: 'in0', source, group };
    assert.deepEqual(await router.send(shot), []);
    const unmatched = (await router.table.mfc()).filter(({ learned }) => learned);
    assert.deepEqual(
      unmatched.map((each) => [each.source, each.group, each.iif, each.oifs, each.rules]),
      [[source, group, 'in0', [], []]],
    );
    await router.sendUnattended(times(FLOW, shot));
    assert.deepEqual(router.unresolved(family), []);
    const counted = (await router.table.mfc()).find(({ learned }) => learned)?.counters;
    assert.equal(counted?.packets, String(FLOW + 1));
  });

  for (const [kind, rule] of [
    ['an exact (*,G)', route('in0', group, ['out1'])],
    ['an (S,G)', route('in0', group, ['out1'], { source })],
    ['a prefix', route('in0', family.groupPrefix, ['out1'])],
  ] as const) {
    it(`turns an unmatched flow into a route at once when ${kind} rule matches it, and back when that goes`, async () => {
      await router.table.put(route('in0', family.group(9), ['out2']));
      const shot = { iif: 'in0', source, group };
      assert.deepEqual(await router.send(shot), []);
      await router.table.put(rule);
      assert.deepEqual(await router.sendUnattended([shot, shot]), [['out1'], ['out1']]);
      await router.table.delete(rule);
      assert.deepEqual(await router.sendUnattended([shot, shot]), [[], []]);
    });
  }

  it('forgets learned flows on flush and learns them again', async () => {
    await router.table.put(route('in0', family.groupPrefix, ['out1']), route('in0', family.group(9), ['out2']));
    const shots = [2, 3, 4].map((n) => ({ iif: 'in0', source, group: family.group(n) }));
    assert.deepEqual(await router.sendAll(shots), [['out1'], ['out1'], ['out1']]);
    assert.equal(await router.table.flush(), 3);
    assert.deepEqual(
      (await router.table.mfc()).filter(({ learned }) => learned),
      [],
    );
    assert.deepEqual(await router.sendAll(shots), [['out1'], ['out1'], ['out1']]);
  });

  it('counts in lists the packets that were sent', async () => {
    const exact = route('in0', group, ['out1', 'out2'], { source });
    const any = route('in0', family.group(2), ['out1']);
    const learned = route('in0', family.groupPrefix, ['out2'], { source: family.strangeSource(1) });
    await router.table.put(exact, any, learned);
    const flow = { iif: 'in0', source: family.strangeSource(1), group: family.group(3) };
    // The kernel keeps no more than four packets of a flow that is not answered yet (`ipmr_cache_unresolved`).
    await router.send(flow);
    await router.sendAll([
      ...times(30, { iif: 'in0', source, group }),
      ...times(20, { iif: 'in0', source, group: family.group(2) }),
      ...times(9, flow),
    ]);
    // IPv4 header 20, IPv6 header 40, UDP 8, payload 12.
    const bytes = family.family === 'ipv4' ? 40 : 60;
    for (const [resource, packets] of [
      [exact, 30],
      [any, 20],
      [learned, 10],
    ] as const) {
      assert.deepEqual((await router.table.entry(resource)).counters, {
        packets: String(packets),
        bytes: String(packets * bytes),
        wrongIf: '0',
      });
    }
    // The source of the last rule has entries of its own in the groups of the others, without packets.
    const used = (await router.table.mfc()).filter(({ counters }) => counters?.packets !== '0');
    assert.deepEqual(used.map((each) => [each.group, each.counters?.packets]).sort(), [
      [group, '30'],
      [family.group(2), '20'],
      [family.group(3), '10'],
    ]);
  });

  it('forwards what a program on the router itself sends', async () => {
    await router.table.put(route('in0', group, ['out1', 'out2']));
    using program = openTraffic(router.namespace);
    using host = openTraffic(router.topology.receiver(1).namespace);
    const receiver = await host.receive({ interface: 'eth0', groups: [group] });
    const sender = await program.send({ interface: 'in0', groups: [group], rate: 1_000, count: 100 });
    const { streams } = await receiver.collect(await sender.finish());
    assert.deepEqual(
      streams.map((each) => [each.received, each.lost, each.duplicated]),
      [[100, 0, 0]],
    );
  });
}

describe('TTL thresholds', () => {
  const group = IPV4.group(1);
  const source = IPV4.source(1);

  it('of an oif hold back IPv4 packets whose TTL is not above them', async () => {
    await router.table.put(route('in0', group, ['out1@10', 'out2']));
    const shot = { iif: 'in0', source, group };
    assert.deepEqual(await router.sendAll([9, 10, 11].map((ttl) => ({ ...shot, ttl }))), [
      ['out2'],
      ['out2'],
      ['out1', 'out2'],
    ]);
  });

  it('of an interface hold for oifs without their own, at once', async () => {
    await router.table.put(route('in0', group, ['out1@3', 'out2']));
    const shot = { iif: 'in0', source, group, ttl: 16 };
    assert.deepEqual(await router.send(shot), ['out1', 'out2']);
    await router.table.put(threshold('out2', 16), threshold('out1', 16));
    assert.deepEqual(await router.send(shot), ['out1']);
    await router.table.delete(threshold('out2', 16));
    assert.deepEqual(await router.send(shot), ['out1', 'out2']);
  });

  it('are a warning for IPv6, where the kernel has none', async () => {
    const [entry] = await router.table.put(route('in0', IPV6.group(1), ['out1@10']));
    assert.deepEqual([entry?.state, entry && warningCodes(entry)], ['STATE_PROGRAMMED', ['TTL_THRESHOLD_IPV6']]);
    const shot = { iif: 'in0', source: IPV6.source(1), group: IPV6.group(1), ttl: 5 };
    assert.deepEqual(await router.send(shot), ['out1']);
  });
});

describe('a second table on the router', () => {
  let agent: Agent;
  let other: TableClient;

  before(async () => {
    agent = await router.startAgent({ table: 124, args: ['-c', '1', '--star-g', 'learn'] });
    other = new TableClient(agent);
  });

  after(async () => {
    assert.equal(await agent.stop(), 0);
  });

  afterEach(async () => {
    await other.clear();
  });

  for (const family of FAMILY_CASES) {
    it(`has interfaces and ${family.family} flows of its own`, async () => {
      const group = family.group(1);
      const source = family.source(1);
      await router.table.put(route('in0', group, ['out1']));
      await other.put(route('in1', group, ['out2']));
      const shots = ['in0', 'in1'].map((iif) => ({ iif, source, group }));
      assert.deepEqual(await router.sendAll(shots), [['out1'], ['out2']]);
      assert.deepEqual(
        (await router.table.mfc()).map((each) => [each.iif, each.source]),
        [['in0', '']],
      );
      await router.table.clear();
      assert.deepEqual(await router.sendAll(shots), [[], ['out2']]);
    });

    it(`learns the ${family.family} sources of a (*,G) rule with counters each when it is told to`, async () => {
      const group = family.group(1);
      const [entry] = await other.put(route('in1', group, ['out2']));
      assert.deepEqual([entry?.programming, entry?.programmingReason], ['PROGRAMMING_LEARNED', 'learn-requested']);
      const shots = [1, 2, 2].map((n) => ({ iif: 'in1', source: family.source(n), group }));
      assert.deepEqual(await router.sendAll(shots), [['out2'], ['out2'], ['out2']]);
      assert.deepEqual((await other.mfc()).map((each) => [each.source, each.counters?.packets]).sort(), [
        [family.source(1), '1'],
        [family.source(2), '2'],
      ]);
    });
  }

  it('forgets flows that are idle longer than its cache timeout, and only those', async () => {
    await other.put(...FAMILY_CASES.map((family) => route('in1', family.groupPrefix, ['out1'])));
    const shots = (n: number) =>
      FAMILY_CASES.map((family) => ({ iif: 'in1', source: family.source(1), group: family.group(n) }));
    assert.deepEqual(await router.sendAll([...shots(1), ...shots(2)]), times(4, ['out1']));
    const left = await eventually(async () => {
      await router.sendAll(shots(1));
      const groups = (await other.mfc()).map((each) => each.group);
      return groups.length > 2 ? undefined : groups;
    }, 'the idle flows go');
    assert.deepEqual(
      left,
      FAMILY_CASES.map((family) => family.group(1)),
    );
    await eventually(async () => ((await other.mfc()).length === 0 ? true : undefined), 'the others go in their time');
  });
});

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}
