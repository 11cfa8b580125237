import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Held } from '../../src/agent/rib/slot.js';
import { Engine, type EngineOptions } from '../../src/agent/engine.js';
import type { OwnedResource, Step } from '../../src/agent/rib/rib.js';
import { FAMILIES, formatAddress } from '../../src/model/address.js';
import { MRULE_PRIORITY_DEFAULT } from '../../src/model/mrule.js';
import { APPLY, entriesOf, openEngine, putOf, settle } from '../support/engine-bench.js';
import type { FakeKernel } from '../support/fake-kernel.js';
import { fakeLink } from '../support/fake-kernel.js';
import { TEST_TABLE, describeOperations, membership, mroute, testGroup, testSource } from '../support/fib-turns.js';

const RULES = [
  '(10.0.0.1, 239.1.0.1) eth0 > eth1 eth2@9',
  '(*, 239.1.0.2) eth0 > eth1',
  '(*, 239.1.0.2) eth2 > eth3',
  '(*, 239.2.0.0/16) eth0 > eth1',
  '(*, 239.1.0.3) away0 > eth1',
  '(2001:db8::1, ff1e::1) eth0 > eth1 eth2',
  '(*, ff1e::2) eth0 > eth1 eth3',
  '(*, ff1e::8:0/112) eth0 > eth1',
] as const;

const JOINS = ['(*, 239.1.0.2) eth0', '(10.0.0.1, 239.1.0.1) eth0', '(*, ff1e::2) eth0'] as const;

/** An engine with rules of all kinds, joins, and learned flows. */
function openBusy() {
  const bench = openEngine();
  const { engine, kernel } = bench;
  bench.put('cli', ...RULES);
  engine.apply(
    'video',
    JOINS.map((join) => putOf(membership(join))),
    APPLY,
  );
  const isLearned = (bench.send('eth0', 7), kernel.send('eth0', testSource('ipv4', 7), group239(2, 9)));
  assert.deepEqual(isLearned, ['eth1']);
  engine.expireIdle(0);
  return bench;
}

function group239(second: number, last: number) {
  return { family: 'ipv4', words: [((239 << 24) | (second << 16) | last) >>> 0] } as const;
}

/** Another engine on the same kernel. */
function takeOver(kernel: FakeKernel, wishes: Iterable<OwnedResource>, differing: Partial<EngineOptions> = {}): Engine {
  const engine = new Engine(kernel, {
    table: TEST_TABLE,
    mrulePriority: MRULE_PRIORITY_DEFAULT,
    makesMrules: true,
    starG: 'kernel',
    cacheTimeoutMs: 60_000,
    ...differing,
  });
  engine.start(wishes);
  return engine;
}

/** All that the kernel has. */
function stateOf(kernel: FakeKernel) {
  return {
    mfc: FAMILIES.map((family) => kernel.listMfc(family)),
    vifs: FAMILIES.map((family) => [...kernel.vifs(family)].sort()),
    joins: kernel.joins(),
    mrules: kernel.listMrules(),
  };
}

describe('an engine that takes over what another has left', () => {
  for (const [ending, end] of [
    [
      'without a word',
      (kernel: FakeKernel) => {
        kernel.close();
      },
    ],
    [
      'in order',
      (_: FakeKernel, engine: Engine) => {
        engine.stop({ keepsForwarding: true });
      },
    ],
  ] as const) {
    it(`${ending} changes nothing, and knows all of it`, () => {
      const { engine, kernel, done } = openBusy();
      const wishes = [...engine.resources()];
      const before = stateOf(kernel);
      const views = FAMILIES.map((family) => [...engine.mfc(family)]);
      end(kernel, engine);
      done();
      const next = takeOver(kernel, wishes);
      assert.deepEqual(describeOperations(done()), []);
      assert.deepEqual(stateOf(kernel), before);
      assert.deepEqual(sorted(FAMILIES.map((family) => [...next.mfc(family)])), sorted(views));
      for (const rule of RULES) {
        const expected = rule.includes('away0') ? 'pending' : 'programmed';
        assert.equal(entriesOf(next, mroute(rule).key)[0]?.status.state, expected, rule);
      }
      assert.deepEqual([...next.resources()], wishes);
    });
  }

  it('leaves what nobody wants any more, and keeps the rest as it is', () => {
    const { engine, kernel, done } = openBusy();
    const isGone = ({ resource }: OwnedResource) =>
      'oifs' in resource
        ? resource.key.group.address.words[0] === group239(1, 1).words[0]
        : 'label' in resource && formatAddress(resource.key.group.address) === 'ff1e::2';
    const wishes = [...engine.resources()].filter((wish) => !isGone(wish));
    kernel.close();
    done();
    takeOver(kernel, wishes);
    // Its interface takes part no more when nothing names it: eth2 still does.
    assert.deepEqual(describeOperations(done()).sort(), ['delete-mfc', 'leave 1'].sort());
  });

  it('programs what was saved and had not reached the kernel', () => {
    const { engine, kernel, done } = openBusy();
    const wishes = [...engine.resources(), { owner: 'cli', resource: mroute('(*, 239.1.0.9) eth0 > eth1') }];
    kernel.close();
    done();
    takeOver(kernel, wishes);
    assert.deepEqual(describeOperations(done()), ['put-proxy 0>1']);
  });

  it('answers upcalls that came while no agent ran, by the rules and only once it has them', () => {
    const { engine, kernel } = openBusy();
    const wishes = [...engine.resources()];
    kernel.close();
    assert.deepEqual(kernel.send('eth0', testSource('ipv4', 8), group239(2, 8)), []);
    const next = takeOver(kernel, wishes);
    assert.deepEqual(kernel.send('eth0', testSource('ipv4', 8), group239(2, 8)), ['eth1']);
    const [flow] = [...next.mfc('ipv4')].filter(({ group }) => group.words[0] === group239(2, 8).words[0]);
    assert.equal(flow?.isLearned, true);
  });

  it('answers flows whose upcall the one before had read and not answered', () => {
    const { engine, kernel } = openBusy();
    const wishes = [...engine.resources()];
    kernel.close();
    assert.deepEqual(kernel.send('eth0', testSource('ipv4', 8), group239(2, 8)), []);
    // The kernel asks no more.
    kernel.loseUnread();
    assert.deepEqual(kernel.send('eth0', testSource('ipv4', 8), group239(2, 8)), []);
    takeOver(kernel, wishes);
    assert.deepEqual(kernel.send('eth0', testSource('ipv4', 8), group239(2, 8)), ['eth1']);
  });

  it('expires flows that were learned before', () => {
    const { engine, kernel } = openBusy();
    const wishes = [...engine.resources()];
    kernel.close();
    const next = takeOver(kernel, wishes);
    next.expireIdle(0);
    next.expireIdle(60_000);
    assert.deepEqual(
      [...next.mfc('ipv4')].filter(({ isLearned }) => isLearned),
      [],
    );
  });

  it('keeps the vif number of an interface that is away, and gives it to no other', async () => {
    const { engine, kernel } = openBusy();
    kernel.removeLink(2);
    await settle();
    const wishes = [...engine.resources()];
    kernel.close();
    const next = takeOver(kernel, wishes);
    kernel.setLink(fakeLink(50, 'away0'));
    kernel.setLink(fakeLink(51, 'eth1'));
    await settle();
    assert.equal(kernel.vifs('ipv4').get(1), 51);
    assert.equal(entriesOf(next, mroute(RULES[0]).key)[0]?.status.state, 'programmed');
  });

  it('sends nothing to an interface that has the number of one that went meanwhile', async () => {
    const { engine, kernel } = openBusy();
    const wishes = [...engine.resources()].filter(
      ({ resource }) => !('oifs' in resource) || !resource.oifs.some((oif) => oif.interface === 'eth2'),
    );
    kernel.close();
    kernel.removeLink(3);
    const next = takeOver(kernel, wishes);
    kernel.setLink(fakeLink(52, 'away0'));
    await settle();
    const rules = ['(*, 239.1.0.30) eth0 > new0', '(*, 239.1.0.31) eth0 > new1', '(*, 239.1.0.32) eth0 > new2'];
    next.apply(
      'cli',
      rules.map((rule) => putOf(mroute(rule))),
      APPLY,
    );
    for (const [index, name] of ['new0', 'new1', 'new2'].entries()) kernel.setLink(fakeLink(60 + index, name));
    await settle();
    for (const last of [1, 2]) {
      for (let source = 1; source < 4; source++) {
        const leaving = kernel.send('eth0', testSource('ipv4', source), testGroup('ipv4', last));
        assert.ok(!leaving.some((name) => name.startsWith('new')), leaving.join());
      }
    }
  });
});

describe('steps that cannot be saved', () => {
  it('are not taken when the journal refuses them', () => {
    const { engine, kernel, put, state, done } = openEngine({
      journal: {
        append: ({ owner }) => {
          if (owner === 'full') throw new Error('no space');
        },
      },
    });
    put('cli', RULES[0]);
    const { revision } = engine;
    done();
    assert.throws(() => put('full', RULES[1]), /no space/);
    assert.equal(engine.revision, revision);
    assert.equal(state(RULES[1]), undefined);
    assert.deepEqual(done(), []);
    assert.deepEqual(stateOf(kernel).mfc.flat().length, 1);
  });

  it('are taken back in reverse order when the disk has lost them', () => {
    const steps: Step[] = [];
    const { engine, kernel, put, remove } = openEngine({ journal: { append: (step) => void steps.push(step) } });
    put('cli', RULES[0]);
    put('video', RULES[5]);
    const before = stateOf(kernel);
    const wishes = [...engine.resources()];
    const { revision } = engine;
    steps.length = 0;
    put('cli', RULES[1]);
    remove('cli', RULES[1]);
    put('cli', RULES[1], RULES[2]);
    remove('video', RULES[5]);
    engine.takeBack(steps);
    assert.deepEqual(sorted([...engine.resources()]), sorted(wishes));
    assert.deepEqual(sorted(stateOf(kernel).mfc.flat()), sorted(before.mfc.flat()));
    assert.ok(engine.revision > revision);
  });
});

function sorted(items: readonly unknown[]): string[] {
  return items
    .flat()
    .map((item) => JSON.stringify(item, (_, value: unknown) => (value instanceof Held ? value.slot.text : value)))
    .sort();
}
