import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DoneRequest, DoneRequests } from '../../src/agent/service/done-requests.js';
import { StorageError } from '../../src/agent/store/storage-error.js';
import { ApiError } from '../../src/api/status.js';
import { REPEATABLE_REQUESTS_MAX } from '../../src/model/limits.js';
import { mroute } from '../support/fib-turns.js';
import { ModelledDisk } from '../support/modelled-disk.js';
import { SafeTable } from '../support/safe-table.js';

const OWNER = 'studio';
const DONE = { effects: { added: 0, changed: 0, removed: 0, unchanged: 1 }, restoredRevision: undefined };

function identity(requestId: string, requestDigest = 'd') {
  return { owner: OWNER, requestId, requestDigest };
}

/** A table, and requests that add the n-th rule to it. */
async function openRequests(disk?: ModelledDisk) {
  const table = await SafeTable.open(disk, Date.now);
  const requests = new DoneRequests(table.changes, () => table.changes.settled());
  const repeated: DoneRequest[] = [];
  const add = (n: number, id = identity(String(n))) =>
    requests.once(
      id,
      (done) => {
        repeated.push(done);
        return done.revision;
      },
      () => table.apply(OWNER, [{ action: 'put', resource: mroute(`(*, 239.1.0.${n}) in0 > out0`) }], id),
    );
  return { table, requests, repeated, add };
}

describe('a request with an id', () => {
  it('is done once, also when it comes twice at the same time', async () => {
    const { table, repeated, add } = await openRequests();
    const [first, second] = await Promise.all([add(1), add(1)]);
    assert.equal(first, second);
    assert.equal(repeated.length, 1);
    assert.equal([...table.changes.history.list(OWNER)].length, 1);
    await table.close();
  });

  it('is done when the first one could not be saved, and once even if several wait for that', async () => {
    const disk = new ModelledDisk(() => 0);
    const { table, repeated, add } = await openRequests(disk);
    let failures = 0;
    disk.decide = (operation, path) =>
      operation === 'datasync' && path.includes('journal') && failures++ === 0 ? 'EIO' : 'done';
    const outcomes = await Promise.allSettled([add(1), add(1), add(1)]);
    assert.ok(outcomes.some((each) => each.status === 'rejected' && each.reason instanceof StorageError));
    const revision = await add(1);
    assert.equal(await add(1), revision);
    assert.equal([...table.changes.history.list(OWNER)].length, 1);
    assert.ok(repeated.length >= 1);
    await table.close();
  });

  it('is refused if it asks for something else than the first one', async () => {
    const { table, add } = await openRequests();
    await add(1);
    await assert.rejects(
      add(2, identity('1', 'other')),
      (error) => error instanceof ApiError && error.reason === 'INVALID_FIELD',
    );
    assert.equal([...table.engine.resources()].length, 1);
    await table.close();
  });

  it('is known for a while if it changed nothing', async () => {
    const { table, requests, repeated, add } = await openRequests();
    for (let n = 0; n <= REPEATABLE_REQUESTS_MAX; n++) {
      requests.note(identity(`no-${n}`), { ...DONE, revision: BigInt(n) });
    }
    assert.equal(await add(1, identity('no-1')), 1n);
    assert.equal(repeated.length, 1);
    await add(1, identity('no-0'));
    assert.equal(repeated.length, 1, 'the oldest is known');
    await table.close();
  });
});
