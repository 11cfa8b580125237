import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { DurableWishes } from '../../src/agent/durable-wishes.js';
import type { OwnedResource, Step } from '../../src/agent/rib/rib.js';
import { mroute } from '../support/fib-turns.js';

/** A disk on which each sync waits for the test. */
class FakeStore {
  readonly syncs: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  readonly snapshots: { readonly wishes: readonly OwnedResource[]; readonly resolve: () => void }[] = [];
  wantsSnapshot = false;
  refusal: Error | undefined;
  isClosed = false;

  append(): void {
    if (this.refusal !== undefined) throw this.refusal;
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => this.syncs.push({ resolve, reject }));
  }

  snapshot(saved: Iterable<OwnedResource>): Promise<void> {
    const wishes = [...saved];
    this.wantsSnapshot = false;
    return new Promise((resolve) => this.snapshots.push({ wishes, resolve }));
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

const WISHES = [{ owner: 'cli', resource: mroute('(*, 239.1.0.1) eth0 > eth1') }];

let store: FakeStore;
let takenBack: Step[][];
let wishes: DurableWishes;

beforeEach(() => {
  store = new FakeStore();
  takenBack = [];
  wishes = new DurableWishes(store);
  wishes.attach({
    revision: 7n,
    resources: () => WISHES,
    takeBack: (steps) => takenBack.push([...steps]),
  });
});

function step(owner: string): Step {
  return { owner, differences: [] };
}

describe('durable wishes', () => {
  it('are settled when the disk has them, and not before', async () => {
    wishes.append(step('a'), 1n);
    let isSettled = false;
    const settled = wishes.settled().then(() => (isSettled = true));
    await Promise.resolve();
    assert.ok(!isSettled);
    store.syncs[0]?.resolve();
    await settled;
    assert.deepEqual(takenBack, []);
  });

  it('are taken back, all that no sync has covered and nothing else, when the disk fails', async () => {
    wishes.append(step('a'), 1n);
    const first = wishes.settled();
    wishes.append(step('b'), 2n);
    store.syncs[0]?.resolve();
    await first;
    wishes.append(step('c'), 3n);
    const second = wishes.settled();
    const third = wishes.settled();
    for (const sync of store.syncs.slice(1)) sync.reject(new Error('EIO'));
    await assert.rejects(second, /EIO/);
    await assert.rejects(third, /EIO/);
    assert.deepEqual(
      takenBack.map((steps) => steps.map(({ owner }) => owner)),
      [['b', 'c']],
    );
  });

  it('are noted once however many calls waited for the same sync', async () => {
    wishes.append(step('a'), 1n);
    const calls = [wishes.settled(), wishes.settled()];
    for (const sync of store.syncs) sync.resolve();
    await Promise.all(calls);
    wishes.append(step('b'), 2n);
    const failing = wishes.settled();
    store.syncs[2]?.reject(new Error('EIO'));
    await assert.rejects(failing);
    assert.deepEqual(
      takenBack.map((steps) => steps.map(({ owner }) => owner)),
      [['b']],
    );
  });

  it('of a file of their own are neither in the journal nor in a snapshot', () => {
    const appended: string[] = [];
    const own = new DurableWishes(
      {
        append: ({ owner }) => appended.push(owner),
        sync: () => Promise.resolve(),
        snapshot: (saved) => store.snapshot(saved),
        wantsSnapshot: true,
        close: () => Promise.resolve(),
      },
      'config',
    );
    own.append(step('config'), 1n);
    own.append(step('cli'), 2n);
    assert.deepEqual(appended, ['cli']);
    const [wish] = WISHES;
    assert.ok(wish !== undefined);
    own.attach({ revision: 7n, resources: () => [{ ...wish, owner: 'config' }, wish], takeBack: () => undefined });
    assert.deepEqual(
      store.snapshots.map(({ wishes: saved }) => saved),
      [WISHES],
    );
  });

  it('leave the engine alone when the journal refuses a step', async () => {
    store.refusal = new Error('ENOSPC');
    assert.throws(() => {
      wishes.append(step('a'), 1n);
    }, /ENOSPC/);
    const settled = wishes.settled();
    store.syncs[0]?.reject(new Error('EIO'));
    await assert.rejects(settled);
    assert.deepEqual(takenBack, []);
  });

  it('are written as a snapshot, without the step, when the journal takes no more, so that it takes later ones', async () => {
    store.refusal = new Error('ENOSPC');
    store.wantsSnapshot = true;
    assert.throws(() => {
      wishes.append(step('a'), 1n);
    }, /ENOSPC/);
    // The engine has the step until it is told.
    assert.equal(store.snapshots.length, 0);
    await Promise.resolve();
    assert.equal(store.snapshots.length, 1);
  });

  it('are written as a snapshot when the journal has grown, one at a time, and waited for at the end', async () => {
    store.wantsSnapshot = true;
    const settle = async () => {
      wishes.append(step('a'), 1n);
      const settled = wishes.settled();
      store.syncs.at(-1)?.resolve();
      await settled;
    };
    await settle();
    store.wantsSnapshot = true;
    await settle();
    assert.deepEqual(
      store.snapshots.map(({ wishes: saved }) => saved),
      [WISHES],
    );
    const closed = wishes.close();
    await Promise.resolve();
    assert.ok(!store.isClosed);
    store.snapshots[0]?.resolve();
    await closed;
    assert.ok(store.isClosed);
  });
});
