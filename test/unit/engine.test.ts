// The engine over the fake kernel: what a request does and what it leaves.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAMILIES } from '../../src/model/address.js';
import { APPLY, entriesOf, keyOf, openEngine, putOf, settle } from '../support/engine-bench.js';
import { fakeLink } from '../support/fake-kernel.js';
import { describeOperations, membership, mroute, testSource } from '../support/fib-turns.js';

const G = '239.1.0.1';
const OTHER_G = '239.1.0.2';
const S = '10.0.0.1';

describe('a request', () => {
  it('is in the kernel when it returns, and has the next revision', () => {
    const { engine, put, remove, send, state } = openEngine();
    assert.equal(engine.revision, 1n);
    const { revision, results } = put('cli', `(*, ${G}) eth0 > eth1`, `(${S}, ${OTHER_G}) eth0 > eth2`);
    assert.equal(revision, 2n);
    assert.deepEqual(
      results.map(({ effect, entry }) => [effect, entry?.status.state]),
      [
        ['added', 'programmed'],
        ['added', 'programmed'],
      ],
    );
    assert.deepEqual(send('eth0'), ['eth1']);
    assert.equal(remove('cli', `(*, ${G}) eth0 >`).revision, 3n);
    assert.deepEqual(send('eth0'), []);
    assert.equal(state(`(*, ${G}) eth0 >`), undefined);
  });

  it('that changes nothing leaves the revision, the watchers and the kernel alone', () => {
    const { engine, put, changes, done } = openEngine();
    put('cli', `(*, ${G}) eth0 > eth1`);
    changes.length = 0;
    done();
    const { revision, results } = put('cli', `(*, ${G}) eth0 > eth1`);
    assert.equal(revision, 2n);
    assert.deepEqual(
      results.map(({ effect }) => effect),
      ['unchanged'],
    );
    assert.deepEqual(changes, []);
    assert.deepEqual(done(), []);
    assert.equal(engine.revision, 2n);
  });

  it('tells watchers its keys once, and they can be asked for again', () => {
    const { engine, put, changes } = openEngine({ firstRevision: 100n });
    put('cli', `(*, ${G}) eth0 > eth1`, `(*, ${OTHER_G}) eth0 > eth1`);
    put('cli', `(*, ${OTHER_G}) eth0 > eth2`);
    const keys = [`(*, ${G}) eth0 >`, `(*, ${OTHER_G}) eth0 >`].map(keyOf);
    assert.deepEqual(changes, [
      { revision: 101n, keys },
      { revision: 102n, keys: keys.slice(1) },
    ]);
    const after = (revision: bigint) => {
      const changed = engine.changedAfter(revision);
      return changed && Array.from(changed, ({ text }) => text).sort();
    };
    assert.deepEqual(after(100n), keys);
    assert.deepEqual(after(101n), keys.slice(1));
    assert.deepEqual(after(102n), []);
    // Of another life of the agent, or of none.
    assert.equal(after(99n), undefined);
    assert.equal(after(103n), undefined);
  });

  it('is refused whole when one of its changes is not possible', () => {
    const world = openEngine();
    world.put('cli', `(*, ${G}) eth0 > eth1`);
    assertNoTrace(world, 'NOT_FOUND', () =>
      world.engine.apply(
        'cli',
        [
          putOf(mroute(`(*, ${OTHER_G}) eth0 > eth1`)),
          { action: 'delete', key: mroute(`(*, ${G}) eth3 >`).key, mustExist: true },
        ],
        APPLY,
      ),
    );
  });

  it('is refused when the table is at another revision than it expects', () => {
    const world = openEngine();
    world.put('cli', `(*, ${G}) eth0 > eth1`);
    const change = putOf(mroute(`(*, ${G}) eth0 > eth2`));
    const options = { ...APPLY, expectedRevision: 1n };
    assertNoTrace(world, 'REVISION_MISMATCH', () => world.engine.apply('cli', [change], options));
    assertNoTrace(world, 'REVISION_MISMATCH', () => world.engine.replace('cli', [], options));
    assert.equal(world.engine.apply('cli', [change], { ...APPLY, expectedRevision: 2n }).revision, 3n);
  });

  it('that only asks leaves no trace, and says what would be', () => {
    const world = openEngine();
    world.put('cli', `(*, ${G}) eth0 > eth1`, `(*, 239.2.0.0/16) eth0 > eth1`);
    const changes = [
      putOf(mroute(`(*, ${G}) eth0 > eth0`)),
      putOf(mroute(`(*, ${OTHER_G}) eth3 > eth1`)),
      putOf(mroute(`(*, 239.2.0.0/16) eth0 > eth2`)),
      putOf(membership(`(*, ${G}) eth3`)),
    ];
    const options = { ...APPLY, validateOnly: true };
    const { effects, results } = leavesNoTrace(world, () => {
      const { results } = world.engine.apply('cli', changes, options);
      const { effects } = world.engine.replace('cli', [mroute(`(*, ${G}) eth0 > eth3`)], options);
      return { results, effects };
    });
    assert.deepEqual(
      results.map(({ effect, entry, warnings }) => [effect, entry, warnings.map(({ code }) => code)]),
      [
        ['changed', undefined, ['LOOP']],
        ['added', undefined, []],
        ['changed', undefined, []],
        ['added', undefined, []],
      ],
    );
    assert.deepEqual(effects, { unchanged: 0, added: 0, changed: 1, removed: 1 });
    // The upcall thread answers by the rules as they were.
    assert.deepEqual(
      world.kernel.send('eth0', testSource('ipv4', 1), mroute('(*, 239.2.0.9) eth0 >').key.group.address),
      ['eth1'],
    );
  });

  it('that refuses warnings leaves no trace if there are any', () => {
    const world = openEngine();
    world.put('cli', `(*, ${G}) eth0 > eth1`);
    const loop = mroute(`(*, ${OTHER_G}) eth0 > eth0`);
    const strict = { ...APPLY, strict: true };
    assertNoTrace(world, 'WARNINGS', () => world.engine.apply('cli', [putOf(loop)], strict));
    assertNoTrace(world, 'WARNINGS', () => world.engine.replace('cli', [loop], strict));
    const fine = putOf(mroute(`(*, ${OTHER_G}) eth0 > eth1`));
    assert.equal(world.engine.apply('cli', [fine], strict).revision, 3n);
  });

  it('with warnings is taken, and each warning is noted once', async () => {
    const { put, notes } = openEngine();
    const { results } = put('cli', `(*, ${G}) eth0 > eth0`);
    assert.deepEqual(
      results[0]?.warnings.map(({ code }) => code),
      ['LOOP'],
    );
    put('cli', `(*, ${G}) eth0 > eth0 eth1`);
    await settle();
    assert.deepEqual(
      notes.map((note) => (note.note === 'warning' ? note.warning.code : note)),
      ['LOOP'],
    );
  });

  it('replaces what its owner wants and nothing of others', () => {
    const { engine, put, send } = openEngine();
    put('cli', `(*, ${G}) eth0 > eth1`, `(*, ${OTHER_G}) eth0 > eth1`);
    put('ops', `(*, ${G}) eth0 > eth1`, `(*, ${OTHER_G}) eth0 > eth2`);
    assert.deepEqual(send('eth0', 1, 'ipv4', 2), ['eth1', 'eth2']);
    const { effects, revision } = engine.replace('cli', [mroute(`(*, ${OTHER_G}) eth0 > eth3`)], APPLY);
    assert.deepEqual(effects, { unchanged: 0, added: 0, changed: 1, removed: 1 });
    assert.equal(revision, 4n);
    assert.deepEqual(send('eth0'), ['eth1']);
    assert.deepEqual(send('eth0', 1, 'ipv4', 2), ['eth2', 'eth3']);
    assert.deepEqual(
      entriesOf(engine, mroute(`(*, ${G}) eth0 >`).key).map(({ owners }) => owners),
      [['ops']],
    );
    engine.replace('ops', [], APPLY);
    assert.deepEqual(send('eth0'), []);
  });

  it('for a family that is not there waits', () => {
    const { put, engine } = openEngine({}, { families: ['ipv4'] });
    const [result] = put('cli', '(*, ff1e::1) eth0 > eth1').results;
    assert.equal(result?.entry?.status.state, 'pending');
    assert.deepEqual(result.entry.status.missing, [{ reason: 'FAMILY_UNAVAILABLE', interface: 'eth0' }]);
    assert.deepEqual(engine.families, ['ipv4']);
  });
});

describe('the end', () => {
  it('leaves nothing in the kernel, neither entries nor vifs, joins and mrules', async () => {
    const { engine, put, send, kernel } = openEngine();
    put('cli', `(*, ${G}) eth0 > eth1`, `(*, 239.2.0.0/16) eth0 > eth1`, '(*, ff1e::1) eth0 > eth1');
    engine.apply('cli', [putOf(membership(`(*, ${G}) eth0`))], APPLY);
    send('eth0');
    const foreign = { ...(kernel.listMrules()[0] ?? assert.fail()), table: 99 };
    kernel.addMrule(foreign);
    engine.stop();
    assert.deepEqual(kernel.listMrules(), [foreign]);
    assert.deepEqual(kernel.joins(), []);
    for (const family of FAMILIES) {
      assert.deepEqual(kernel.listMfc(family), []);
      assert.equal(kernel.vifs(family).size, 0);
    }
    const before = kernel.applied.length;
    kernel.setLink(fakeLink(9, 'late0'));
    await settle();
    engine.stop();
    assert.equal(kernel.applied.length, before);
  });
});

type World = ReturnType<typeof openEngine>;

/** The request throws with the code and leaves no trace. */
function assertNoTrace(world: World, code: string, request: () => unknown): void {
  leavesNoTrace(world, () => {
    assert.throws(request, (error: unknown) => error instanceof Error && 'code' in error && error.code === code);
  });
}

/** Neither the revision, the watchers, the entries nor the kernel show that the request was made. */
function leavesNoTrace<T>(world: World, request: () => T): T {
  const { engine, kernel, changes, notes } = world;
  const look = () => ({
    revision: engine.revision,
    changes: changes.length,
    notes: notes.length,
    entries: Array.from(engine.slots(), (slot) => engine.entries(slot)),
    mfc: FAMILIES.map((family) => kernel.listMfc(family)),
    interfaces: engine.interfaces(),
  });
  const before = look();
  world.done();
  const result = request();
  assert.deepEqual(describeOperations(world.done()), []);
  assert.deepEqual(look(), before);
  return result;
}
