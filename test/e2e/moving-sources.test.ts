// Sources that move to another iif that a rule allows, and to one that none does.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { kernelEntries } from './kernel-entries.js';
import { type Router, TABLE, openRouter } from './router.js';
import { route } from './table-client.js';

/** Rules that let a source use in0 and in1; its packets leave by out1 and out2. */
interface MovingCase {
  readonly rules: readonly [Resource, Resource];
  /** Why each flow has an entry of its own, where that has one. */
  readonly programming: 'PROGRAMMING_LEARNED' | 'PROGRAMMING_ANY_SOURCE';
}

let router: Router;

afterEach(async () => {
  await router.table.clear();
});

describe('a source that moves', () => {
  before(async () => {
    router = await openRouter();
  });

  after(() => {
    router[Symbol.dispose]();
  });

  for (const family of FAMILY_CASES) {
    const group = family.group(1);
    const source = family.source(1);
    const both = (groups: string, options = {}, oifs: readonly (readonly string[])[] = [['out1'], ['out2']]) =>
      [route('in0', groups, oifs[0] ?? [], options), route('in1', groups, oifs[1] ?? [], options)] as const;
    const learned = { programming: 'PROGRAMMING_LEARNED' } as const;
    movingTests(family, {
      '(*,G/L)': { rules: both(family.groupPrefix), ...learned },
      '(S/L,G)': { rules: both(group, { source: family.sourcePrefix }), ...learned },
      '(S/L,G/L)': { rules: both(family.groupPrefix, { source: family.sourcePrefix }), ...learned },
      '(S,G/L)': { rules: both(family.groupPrefix, { source }), ...learned },
    });

    it(`loses nothing where exact (*,G) rules allow both iifs, and may even stay on both (${family.family})`, async () => {
      const entries = await router.table.put(...both(group));
      for (const { programming } of entries) assert.equal(programming, 'PROGRAMMING_ANY_SOURCE');
      const shots = ['in0', 'in0', 'in1', 'in1', 'in0', 'in1'].map((iif) => ({ iif, source, group }));
      const expected = shots.map(({ iif }) => [iif === 'in0' ? 'out1' : 'out2']);
      assert.deepEqual(await router.sendUnattended(shots), expected);
    });

    it(`is followed through exact (*,G) rules that carry a group both ways (${family.family})`, async () => {
      // Each is an oif of the other, so no (*,G) entry of the kernel can tell them apart.
      const [, back] = await router.table.put(
        ...both(group, {}, [
          ['in1', 'out1'],
          ['in0', 'out2'],
        ]),
      );
      assert.equal(back?.programmingReason, 'bidirectional');
      assert.deepEqual(await router.send({ iif: 'in0', source, group }), ['in1', 'out1']);
      await move(family, { from: 'in0', to: 'in1' });
      assert.deepEqual(await router.sendUnattended([{ iif: 'in1', source, group }]), [['in0', 'out2']]);
    });

    it(`is followed back, though the kernel tells of an entry once in 3 s only (${family.family})`, async () => {
      await router.table.put(...both(family.groupPrefix));
      const here = { iif: 'in0', source, group };
      assert.deepEqual(await router.send(here), ['out1']);
      await move(family, { from: 'in0', to: 'in1' });
      // MFC_ASSERT_THRESH.
      const back = await eventually(async () => {
        const left = await router.send(here);
        return left.length > 0 ? left : undefined;
      }, 'the flow follows its source back');
      assert.deepEqual(back, ['out1']);
    });

    it(`is not followed to an iif that no rule allows (${family.family})`, async () => {
      await router.table.put(route('in0', family.groupPrefix, ['out1']), route('in1', family.group(9), ['out2']));
      const there = { iif: 'in0', source, group };
      assert.deepEqual(await router.send(there), ['out1']);
      const stray = { iif: 'in1', source, group };
      assert.deepEqual(await router.sendAll([stray, stray, stray]), [[], [], []]);
      assert.deepEqual(await router.sendUnattended([there]), [['out1']]);
    });
  }
});

describe('a source that moves, (*,G) answered by an entry for each flow,', () => {
  before(async () => {
    router = await openRouter({ args: ['--star-g', 'learn'] });
  });

  after(() => {
    router[Symbol.dispose]();
  });

  for (const family of FAMILY_CASES) {
    const oifs = { in0: ['out1'], in1: ['out2'] };
    const rules = [route('in0', family.group(1), oifs.in0), route('in1', family.group(1), oifs.in1)] as const;
    movingTests(family, {
      '(*,G)': { rules, programming: 'PROGRAMMING_LEARNED' },
    });

    it(`is followed from one member of a wildcard to another (${family.family})`, async () => {
      await router.table.put(route('in+', family.group(1), ['out1']));
      const flow = (iif: string) => ({ iif, source: family.source(1), group: family.group(1) });
      assert.deepEqual(await router.send(flow('in0')), ['out1']);
      await move(family, { from: 'in0', to: 'in1' });
      assert.deepEqual(await router.sendUnattended([flow('in1')]), [['out1']]);
    });
  }
});

function movingTests(family: FamilyCase, cases: Readonly<Record<string, MovingCase>>): void {
  const group = family.group(1);
  const source = family.source(1);
  const entry = (iif: string, oif: string) => `(${source}, ${group}) ${iif} -> ${oif}`;

  for (const [kind, { rules, programming }] of Object.entries(cases)) {
    it(`is followed by the packet after its first one there, by ${kind} rules (${family.family})`, async () => {
      const entries = await router.table.put(...rules);
      assert.deepEqual(
        entries.map((each) => each.programming),
        [programming, programming],
      );
      const [here, there] = ['in0', 'in1'].map((iif) => ({ iif, source, group }));
      assert.ok(here && there);
      assert.deepEqual(await router.sendAll([here, here]), [['out1'], ['out1']]);
      assert.deepEqual(kernelEntries(router.namespace, family, TABLE), [entry('in0', 'out1')]);
      await move(family, { from: 'in0', to: 'in1' });
      assert.deepEqual(await router.sendUnattended([there, there]), [['out2'], ['out2']]);
      assert.deepEqual(kernelEntries(router.namespace, family, TABLE), [entry('in1', 'out2')]);
    });
  }
}

/** Sends one packet of the first source and group on the other iif, and waits until the kernel's entry has followed. */
async function move(family: FamilyCase, { from, to }: { readonly from: string; readonly to: string }): Promise<void> {
  const flow = `(${family.source(1)}, ${family.group(1)})`;
  const iif = () =>
    kernelEntries(router.namespace, family, TABLE)
      .find((entry) => entry.startsWith(flow))
      ?.split(' ')[2];
  assert.equal(iif(), from);
  // The kernel drops this packet, on the wrong interface, and tells of it.
  await router.send({ iif: to, source: family.source(1), group: family.group(1) });
  await eventually(() => (iif() === to ? true : undefined), `the entry follows its source to ${to}`);
}
