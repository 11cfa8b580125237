// Flows that nothing matches: an empty entry of the kernel, which is a route as soon as a rule matches, and no longer.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { kernelEntries } from './kernel-entries.js';
import { type Router, type Shot, TABLE, openRouter } from './router.js';
import { route } from './table-client.js';
import { type TableWatch, openWatch } from './table-watch.js';

/** The ways in which (*,G) rules are answered. */
const MODES = { 'by entries of the kernel': 'kernel', 'by an entry for each flow': 'learn' } as const;

for (const [mode, starG] of Object.entries(MODES)) {
  describe(`a flow that nothing matches, (*,G) answered ${mode},`, () => {
    let router: Router;
    let watch: TableWatch;

    before(async () => {
      router = await openRouter({ args: ['--star-g', starG] });
      watch = openWatch(router.agent);
      await watch.synced();
    });

    after(() => {
      watch[Symbol.dispose]();
      router[Symbol.dispose]();
    });

    afterEach(async () => {
      await router.table.clear(['cli', 'controller']);
    });

    for (const family of FAMILY_CASES) stopFilterTests(family, () => ({ router, watch }));
  });
}

interface Opened {
  readonly router: Router;
  readonly watch: TableWatch;
}

function stopFilterTests(family: FamilyCase, opened: () => Opened): void {
  const group = family.group(1);
  const source = family.source(1);
  const shot: Shot = { iif: 'in0', source, group };
  const stopped = `(${source}, ${group}) in0 ->`;

  /** Makes in0 an interface of the table by a rule of another group, and the flow one that is stopped. */
  const stop = async ({ router }: Opened): Promise<void> => {
    await router.table.put(route('in0', family.group(9), ['out2']));
    assert.deepEqual(await router.send(shot), []);
    assert.ok(kernelEntries(router.namespace, family, TABLE).includes(stopped));
  };

  it(`has an empty entry in the kernel, on its iif, and costs no more questions (${family.family})`, async () => {
    const { router } = opened();
    await stop(opened());
    assert.deepEqual(await router.sendUnattended([shot, shot, shot]), [[], [], []]);
    assert.deepEqual(router.unresolved(family), []);
  });

  const rules: Readonly<Record<string, Resource>> = {
    '(S,G)': route('in0', group, ['out1'], { source }),
    '(*,G)': route('in0', group, ['out1']),
    '(*,G/L)': route('in0', family.groupPrefix, ['out1']),
    '(S/L,G)': route('in0', group, ['out1'], { source: family.sourcePrefix }),
    '(S,G/L)': route('in0', family.groupPrefix, ['out1'], { source }),
    '(S/L,G/L)': route('in0', family.groupPrefix, ['out1'], { source: family.sourcePrefix }),
    'excepting (*,G)': route('in0', group, ['out1'], { except: [family.strangeSource(1)] }),
    'wildcard iif': route('in+', group, ['out1']),
  };
  for (const [kind, rule] of Object.entries(rules)) {
    it(`is a route for the next packet when a rule ${kind} comes, stopped when it goes (${family.family})`, async () => {
      const { router } = opened();
      await stop(opened());
      for (let round = 0; round < 2; round++) {
        await router.table.put(rule);
        assert.deepEqual(await router.sendUnattended([shot, shot]), [['out1'], ['out1']]);
        await router.table.delete(rule);
        assert.deepEqual(await router.sendUnattended([shot, shot]), [[], []]);
      }
      assert.ok(kernelEntries(router.namespace, family, TABLE).includes(stopped));
    });
  }

  it(`stays stopped by rules that do not match it (${family.family})`, async () => {
    const { router } = opened();
    await stop(opened());
    await router.table.put(
      route('in0', group, ['out1'], { source: family.source(2) }),
      route('in0', family.groupPrefix, ['out1'], { source: family.strangeSource(1) }),
      route('in0', family.group(2), ['out1']),
      route('in1', family.groupPrefix, ['out1'], { source: family.strangeSource(2) }),
    );
    assert.deepEqual(await router.sendUnattended([shot, shot]), [[], []]);
    assert.deepEqual(router.unresolved(family), []);
  });

  it(`is stopped by a rule without oifs too, and a route while the rule has some (${family.family})`, async () => {
    const { router } = opened();
    await router.table.put(route('in0', group, [], { source }));
    assert.deepEqual(await router.sendUnattended([shot]), [[]]);
    assert.deepEqual(kernelEntries(router.namespace, family, TABLE), [stopped]);
    await router.table.put(route('in0', group, ['out1', 'out2'], { source }));
    assert.deepEqual(await router.sendUnattended([shot]), [['out1', 'out2']]);
    await router.table.put(route('in0', group, ['out2'], { source }));
    assert.deepEqual(await router.sendUnattended([shot]), [['out2']]);
    await router.table.put(route('in0', group, [], { source }));
    assert.deepEqual(await router.sendUnattended([shot]), [[]]);
    assert.deepEqual(kernelEntries(router.namespace, family, TABLE), [stopped]);
  });

  it(`is a route as soon as the interface is there that its rule waits for (${family.family})`, async () => {
    const { router, watch } = opened();
    const rule = route('in0', group, ['out2']);
    await stop(opened());
    router.namespace.delete('out2');
    await router.table.put(rule);
    assert.deepEqual(await router.send(shot), []);
    router.plug(router.topology.receiver(2));
    await watch.untilState(rule, 'STATE_PROGRAMMED');
    assert.deepEqual(await router.sendUnattended([shot]), [['out2']]);
  });
}
