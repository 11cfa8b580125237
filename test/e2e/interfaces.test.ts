// Interfaces that come, go and change under a running agent, while streams that do not use them go on.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { addBridge } from '../support/namespaces.js';
import { type Receiver, type Sender, type Traffic, openTraffic } from '../support/traffic.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES } from './families.js';
import { type Router, openRouter } from './router.js';
import { route, warningCodes } from './table-client.js';
import { type TableWatch, openWatch } from './table-watch.js';

/** A rule becomes active within this time after its interface has arrived. */
const ACTIVE_LIMIT_MS = 1_000;

/** Group numbers of streams that no test touches: a (*,G) rule, and a flow that is learned. */
const EXACT = 101;
const LEARNED = 102;

let router: Router;
let watch: TableWatch;

before(async () => {
  router = await openRouter({ senders: 2, receivers: 3, otherNames: { away3: 'out3' } });
  watch = openWatch(router.agent);
  await watch.synced();
});

after(() => {
  watch[Symbol.dispose]();
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.replace([]);
});

describe('interfaces', () => {
  const groups = FAMILY_CASES.flatMap((family) => [family.group(EXACT), family.group(LEARNED)]);
  const workers: Traffic[] = [];
  let sender: Sender;
  let receiver: Receiver;

  before(async () => {
    await router.table.as('untouched').put(
      ...FAMILY_CASES.flatMap((family) => [
        route('in0', family.group(EXACT), ['out1']),
        // A source prefix: such flows are always learned.
        route('in0', family.group(LEARNED), ['out1'], {
          source: family.family === 'ipv4' ? '10.0.0.0/16' : '2001:db8::/32',
        }),
      ]),
    );
    const host = openTraffic(router.topology.receiver(1).namespace);
    workers.push(host);
    receiver = await host.receive({ interface: 'eth0', groups });
    const source = openTraffic(router.topology.sender(0).namespace);
    workers.push(source);
    sender = await source.send({ interface: 'eth0', groups, rate: 1_000 });
  });

  after(() => {
    for (const worker of workers) worker[Symbol.dispose]();
  });

  interfaceTests();

  it('that change leave all other streams without a loss', async () => {
    const { streams, socketDrops } = await receiver.collect(await sender.stop());
    assert.equal(socketDrops, 0);
    assert.deepEqual(
      streams.map((each) => [each.group, each.lost, each.duplicated]).sort(),
      groups.map((group) => [group, 0, 0]).sort(),
    );
    assert.ok(streams.every((each) => each.received > 100));
  });
});

function interfaceTests(): void {
  for (const family of FAMILY_CASES) {
    const group = family.group(1);
    const shot = { iif: 'in0', source: family.source(1), group };

    it(`let an ${family.family} rule wait for its oif, and make it active within a second`, async () => {
      router.namespace.delete('out3');
      const rule = route('in0', group, ['out3']);
      const [entry] = await router.table.put(rule);
      assert.equal(entry?.state, 'STATE_PENDING');
      assert.deepEqual(
        entry.missing.map((each) => [each.reason, each.interface]),
        [['INTERFACE_NOT_FOUND', 'out3']],
      );
      assert.deepEqual(await router.send(shot), []);
      router.plug(router.topology.receiver(3));
      await watch.untilState(rule, 'STATE_PROGRAMMED', ACTIVE_LIMIT_MS);
      assert.deepEqual(await router.sendUnattended([shot]), [['out3']]);
    });

    it(`let an ${family.family} rule wait for its iif, and make it active within a second`, async () => {
      router.namespace.delete('in1');
      const rules = [route('in1', group, ['out2']), route('in1', family.groupPrefix, ['out3'])];
      const entries = await router.table.put(...rules);
      assert.deepEqual(
        entries.map(({ state, missing }) => [state, missing[0]?.interface]),
        [
          ['STATE_PENDING', 'in1'],
          ['STATE_PENDING', 'in1'],
        ],
      );
      router.plug(router.topology.sender(1));
      for (const rule of rules) await watch.untilState(rule, 'STATE_PROGRAMMED', ACTIVE_LIMIT_MS);
      assert.deepEqual(await router.send({ ...shot, iif: 'in1' }), ['out2', 'out3']);
    });

    it(`keep the vif number of an ${family.family} interface that is made anew, and write its entries again`, async () => {
      const exact = route('in0', group, ['out2', 'out3'], { source: shot.source });
      const any = route('in0', family.group(2), ['out2', 'out3']);
      const learned = route('in0', family.group(3), ['out2', 'out3'], { source: family.sourcePrefix });
      const rules = [exact, any, learned];
      await router.table.put(...rules);
      const shots = [1, 2, 3].map((n) => ({ ...shot, group: family.group(n) }));
      assert.deepEqual(
        await router.sendAll(shots),
        shots.map(() => ['out2', 'out3']),
      );
      const vif = async () => (await router.table.interfaces()).get('out3')?.[`${family.family}Vif`];
      const before = { vif: await vif(), ifindex: router.namespace.ifindex('out3') };
      router.namespace.delete('out3');
      for (const rule of rules) {
        const { missing } = await watch.untilState(rule, 'STATE_PARTIAL');
        assert.deepEqual(
          missing.map((each) => each.interface),
          ['out3'],
        );
      }
      assert.deepEqual(
        await router.sendUnattended(shots),
        shots.map(() => ['out2']),
      );
      router.plug(router.topology.receiver(3));
      for (const rule of rules) await watch.untilState(rule, 'STATE_PROGRAMMED', ACTIVE_LIMIT_MS);
      assert.deepEqual(
        await router.sendUnattended(shots),
        shots.map(() => ['out2', 'out3']),
      );
      assert.notEqual(router.namespace.ifindex('out3'), before.ifindex);
      assert.equal(await vif(), before.vif);
      assert.notEqual(before.vif, undefined);
    });

    it(`follow the name of an ${family.family} interface, not its number`, async () => {
      const rule = route('in0', group, ['out2', 'out3']);
      const waiting = route('in0', family.group(2), ['away3']);
      const shots = [shot, { ...shot, group: family.group(2) }];
      await router.table.put(rule, waiting);
      assert.deepEqual(await router.sendUnattended(shots), [['out2', 'out3'], []]);
      router.namespace.rename('out3', 'away3');
      await watch.untilState(waiting, 'STATE_PROGRAMMED', ACTIVE_LIMIT_MS);
      assert.equal((await router.table.entry(rule)).state, 'STATE_PARTIAL');
      assert.deepEqual(await router.sendUnattended(shots), [['out2'], ['away3']]);
      router.namespace.rename('away3', 'out3');
      await watch.untilState(waiting, 'STATE_PENDING', ACTIVE_LIMIT_MS);
      assert.equal((await router.table.entry(rule)).state, 'STATE_PROGRAMMED');
      assert.deepEqual(await router.sendUnattended(shots), [['out2', 'out3'], []]);
    });

    it(`are members of ${family.family} wildcards while they are there and up`, async () => {
      const rule = route('in+', group, ['out+']);
      await router.table.put(rule);
      assert.deepEqual(await router.send(shot), ['out1', 'out2', 'out3']);
      const { namespace, topology } = router;
      const changes: [change: () => void, oifs: string[]][] = [
        [namespace.delete.bind(namespace, 'out3'), ['out1', 'out2']],
        [namespace.setDown.bind(namespace, 'out2'), ['out1']],
        [namespace.setUp.bind(namespace, 'out2'), ['out1', 'out2']],
        [router.plug.bind(router, topology.receiver(3)), ['out1', 'out2', 'out3']],
      ];
      for (const [change, oifs] of changes) {
        change();
        await eventually(
          async () => {
            const entry = (await router.table.mfc()).find((each) => each.iif === 'in0' && each.group === group);
            const names = entry?.oifs.map((oif) => oif.interface).sort();
            return names?.join() === oifs.join() ? true : undefined;
          },
          `the oifs are ${oifs.join()}`,
          ACTIVE_LIMIT_MS,
        );
        assert.deepEqual(await router.sendUnattended([shot]), [oifs]);
      }
    });

    it(`may go down and up under an ${family.family} rule that names them`, async () => {
      const rule = route('in0', group, ['out2', 'out3']);
      await router.table.put(rule);
      router.namespace.setDown('out3');
      assert.deepEqual(await router.sendUnattended([shot]), [['out2']]);
      router.namespace.setUp('out3');
      assert.deepEqual(await router.sendUnattended([shot]), [['out2', 'out3']]);
      assert.equal((await router.table.entry(rule)).state, 'STATE_PROGRAMMED');
    });

    it(`of a bridge carry ${family.family} as the bridge, and as themselves when they leave it`, async () => {
      await router.table.put(route('in1', group, ['out2']), route('br0', group, ['out3']));
      const ofPort = { ...shot, iif: 'in1' };
      assert.deepEqual(await router.send(ofPort), ['out2']);
      addBridge(router.namespace, 'br0', ['in1'], { snooping: false });
      await watch.untilState(route('br0', group, []), 'STATE_PROGRAMMED', ACTIVE_LIMIT_MS);
      assert.deepEqual(await router.send(ofPort), ['out3']);
      const port = (await router.table.interfaces()).get('in1');
      assert.equal(port?.master, 'br0');
      router.namespace.delete('br0');
      await watch.untilState(route('br0', group, []), 'STATE_PENDING', ACTIVE_LIMIT_MS);
      assert.deepEqual(await router.send(ofPort), ['out2']);
    });
  }

  it('without the MULTICAST flag make a warning that names the cure, until it is set', async () => {
    const rule = route('in0', '239.1.1.1', ['out2']);
    const [before] = await router.table.put(rule);
    assert.deepEqual(before && warningCodes(before), []);
    router.namespace.ip('link set out2 multicast off');
    const warned = await watch.until(
      ({ put }) => put?.entries.find((entry) => warningCodes(entry).includes('NO_MULTICAST_FLAG')),
      'NO_MULTICAST_FLAG',
      ACTIVE_LIMIT_MS,
    );
    const [, cure = ''] = /ip (link set out2 multicast on)/.exec(warned.warnings[0]?.text ?? '') ?? [];
    router.namespace.ip(cure);
    await watch.until(
      ({ put }) => put?.entries.find((entry) => warningCodes(entry).length === 0),
      'the warning goes',
      ACTIVE_LIMIT_MS,
    );
  });
}
