// What a caller with a scope may change.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type ApplyOptions, EngineError } from '../../src/agent/engine.js';
import { parsePrefix } from '../../src/model/address.js';
import type { Scope } from '../../src/model/scope.js';
import { APPLY, openEngine, putOf } from '../support/engine-bench.js';
import { mroute } from '../support/fib-turns.js';

const OWN = '(*, 239.1.0.1) eth0 > eth1';
const FOREIGN = '(*, 239.2.0.1) eth0 > eth1';

const SCOPE: Scope = {
  grants: [{ groups: [parsePrefix('239.1.0.0/16')], interfaces: ['eth0', 'eth1'], owners: ['studio-*'] }],
  resourcesPerOwner: 3,
};
const SCOPED: ApplyOptions = { ...APPLY, scope: SCOPE };

let world: ReturnType<typeof openEngine>;

beforeEach(() => {
  world = openEngine();
});

/** The request is refused and nothing has changed. */
function refuses(request: () => unknown, code: EngineError['code'], text: RegExp): void {
  const before = [...world.engine.resources()];
  const { revision } = world.engine;
  assert.throws(request, (error) => {
    assert.ok(error instanceof EngineError);
    assert.deepEqual([error.code, text.test(error.message)], [code, true], error.message);
    return true;
  });
  assert.deepEqual([...world.engine.resources()], before);
  assert.equal(world.engine.revision, revision);
}

describe('a caller with a scope', () => {
  it('changes what is in it', () => {
    world.engine.apply('studio-1', [putOf(mroute(OWN))], SCOPED);
    world.engine.replace('studio-1', [], SCOPED);
    assert.deepEqual([...world.engine.resources()], []);
  });

  it('adds nothing outside of it, not even in a dry run', () => {
    const add = (options: ApplyOptions) => () =>
      world.engine.apply('studio-1', [putOf(mroute(OWN)), putOf(mroute(FOREIGN))], options);
    refuses(add(SCOPED), 'OUT_OF_SCOPE', /239\.2\.0\.1/);
    refuses(add({ ...SCOPED, validateOnly: true }), 'OUT_OF_SCOPE', /239\.2\.0\.1/);
    assert.equal(world.engine.find(mroute(OWN).key), undefined, 'what was made for it is left');
  });

  it('takes nothing away and changes nothing that is outside of it', () => {
    world.put('studio-1', FOREIGN, '(*, 239.1.0.2) eth0 > eth1 eth2');
    const key = mroute(FOREIGN).key;
    const remove = () => world.engine.apply('studio-1', [{ action: 'delete', key, mustExist: false }], SCOPED);
    refuses(remove, 'OUT_OF_SCOPE', /239\.2\.0\.1/);
    refuses(() => world.engine.replace('studio-1', [mroute(OWN)], SCOPED), 'OUT_OF_SCOPE', /239\.(2\.0\.1|1\.0\.2)/);
    // An oif that is not the caller's goes with this.
    const narrow = putOf(mroute('(*, 239.1.0.2) eth0 > eth1'));
    refuses(() => world.engine.apply('studio-1', [narrow], SCOPED), 'OUT_OF_SCOPE', /239\.1\.0\.2/);
    const undo = [{ puts: [], deletes: [key] }];
    refuses(() => world.engine.restore('studio-1', undo, SCOPED), 'OUT_OF_SCOPE', /239\.2\.0\.1/);
  });

  it('may not touch other owners, even if nothing would change', () => {
    refuses(() => world.engine.apply('cli', [], SCOPED), 'OUT_OF_SCOPE', /'cli'/);
    refuses(() => world.engine.replace('cli', [], SCOPED), 'OUT_OF_SCOPE', /'cli'/);
    refuses(() => world.engine.restore('cli', [], SCOPED), 'OUT_OF_SCOPE', /'cli'/);
  });

  it('gives an owner no more resources than it may have, but may take some away', () => {
    const rules = [1, 2, 3, 4, 5].map((n) => putOf(mroute(`(*, 239.1.0.${n}) eth0 > eth1`)));
    refuses(() => world.engine.apply('studio-1', rules, SCOPED), 'OWNER_FULL', /5 resources; at most 3/);
    world.engine.apply('studio-1', rules, APPLY);
    const same = putOf({ ...mroute('(*, 239.1.0.1) eth0 > eth1'), label: 'x' });
    world.engine.apply('studio-1', [same], SCOPED);
    const { key } = mroute('(*, 239.1.0.1) eth0 > eth1');
    world.engine.apply('studio-1', [{ action: 'delete', key, mustExist: true }], SCOPED);
    assert.equal([...world.engine.resources()].length, 4);
  });
});
