// Learned entries that nobody uses any more, each by itself; with the shortest timeout there is.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { kernelEntries } from './kernel-entries.js';
import { type Router, type Shot, TABLE, openRouter } from './router.js';
import { route } from './table-client.js';

let router: Router;

before(async () => {
  router = await openRouter({ args: ['-c', '1', '--star-g', 'learn'] });
});

after(() => {
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.clear();
});

const kernel = (family: FamilyCase) => kernelEntries(router.namespace, family, TABLE);

/** Packets that the kernel has counted for a flow; undefined without an entry. */
async function counted(group: string): Promise<number | undefined> {
  const entry = (await router.table.mfc()).find((each) => each.group === group);
  return entry && Number(entry.counters?.packets);
}

for (const family of FAMILY_CASES) {
  describe(`a learned entry of ${family.family}`, () => {
    const source = family.source(1);
    const shotOf = (n: number): Shot => ({ iif: 'in0', source, group: family.group(n) });
    const flowOf = (n: number) => `(${source}, ${family.group(n)}) in0 ->`;

    const kinds = {
      'a (*,G) rule': route('in0', family.group(2), ['out1']),
      'a (*,G/L) rule': route('in0', family.groupPrefix, ['out1']),
      'a (S/L,G/L) rule': route('in0', family.groupPrefix, ['out1'], { source: family.sourcePrefix }),
      'no rule': route('in0', family.group(9), ['out2']),
    };
    for (const [kind, rule] of Object.entries(kinds)) {
      const out = kind === 'no rule' ? [] : ['out1'];
      it(`of ${kind} goes when it is idle, and is made again by the next packet`, async () => {
        await router.table.put(rule);
        const entry = [flowOf(2), ...out].join(' ');
        assert.deepEqual(await router.send(shotOf(2)), out);
        assert.deepEqual(kernel(family), [entry]);
        await eventually(() => (kernel(family).length === 0 ? true : undefined), 'the entry goes');
        assert.deepEqual(await router.send(shotOf(2)), out);
        assert.deepEqual(kernel(family), [entry]);
      });
    }

    it('stays while it is busy, whatever becomes of others', async () => {
      await router.table.put(route('in0', family.groupPrefix, ['out1']));
      let sent = 0;
      for (let round = 0; round < 2; round++) {
        const idle = 10 + round;
        assert.deepEqual(await router.send(shotOf(idle)), ['out1']);
        await eventually(async () => {
          assert.deepEqual(await router.send(shotOf(1)), ['out1']);
          sent++;
          return kernel(family).some((entry) => entry.startsWith(flowOf(idle))) ? undefined : true;
        }, 'the idle one goes');
        // An entry that is made anew counts from the beginning.
        assert.equal(await counted(family.group(1)), sent);
      }
      await eventually(() => (kernel(family).length === 0 ? true : undefined), 'the busy one goes when it is idle too');
    });

    it('is no entry that a rule names: that stays, idle or not', async () => {
      const named = route('in0', family.group(1), ['out1'], { source });
      await router.table.put(named, route('in0', family.groupPrefix, ['out2']));
      assert.deepEqual(await router.send(shotOf(2)), ['out2']);
      assert.equal(kernel(family).length, 2);
      await eventually(() => (kernel(family).length === 1 ? true : undefined), 'the learned one goes');
      assert.deepEqual(kernel(family), [`${flowOf(1)} out1 out2`]);
    });
  });
}
