import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parsePrefix } from '../../src/model/address.js';
import type { Step } from '../../src/agent/rib/rib.js';
import {
  type OpenedStore,
  type OwnedResource,
  type StoreNote,
  StorageError,
  openWishStore,
} from '../../src/agent/store/wish-store.js';
import { type DiskOperation, type Fate, ModelledDisk } from '../support/modelled-disk.js';
import { wishesText } from '../support/store-history.js';

function route(number: number): OwnedResource {
  const group = parsePrefix(`239.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`);
  const key = { kind: 'mroute' as const, iif: 'in0', source: parsePrefix('0.0.0.0/0'), group };
  const oifs = [{ interface: 'out0', ttlThreshold: undefined }];
  return { owner: 'cli', resource: { key, oifs, except: [], deny: false, label: '' } };
}

function put(...routes: OwnedResource[]): Step {
  const differences = routes.map(({ resource }) => ({ key: resource.key, before: undefined, after: resource }));
  return { owner: 'cli', differences };
}

function openOn(disk: ModelledDisk, notes: StoreNote[] = []): OpenedStore {
  return openWishStore({ directory: '/state/7', table: 7, onNote: (note) => notes.push(note), disk });
}

function failing(disk: ModelledDisk, operation: DiskOperation, fate: Fate, file = ''): void {
  disk.decide = (what, path) => (what === operation && path.includes(file) ? fate : 'done');
}

function read(disk: ModelledDisk): string {
  disk.decide = () => 'done';
  return wishesText(openOn(disk).wishes);
}

describe('a store whose disk fails', () => {
  for (const errno of ['ENOSPC', 'EDQUOT', 'EIO'] as const) {
    it(`refuses a step on ${errno} with the cure, and takes it when the disk does`, async () => {
      const disk = new ModelledDisk(() => 0.5);
      const { store } = openOn(disk);
      store.append(put(route(1)), 1n);
      failing(disk, 'write', errno);
      assert.throws(
        () => {
          store.append(put(route(2)), 2n);
        },
        (error) => error instanceof StorageError && error.errno === errno && error.message.includes('journal.1'),
      );
      disk.decide = () => 'done';
      store.append(put(route(3)), 3n);
      await store.close();
      assert.equal(read(disk), wishesText([route(1), route(3)]));
      assert.ok(!disk.names().includes('journal.2'));
    });
  }

  it('begins a new journal when half a step can neither be written nor cut off', async () => {
    const disk = new ModelledDisk(() => 0.5);
    const { store } = openOn(disk);
    store.append(put(route(1)), 1n);
    disk.decide = (operation) => (operation === 'write' || operation === 'truncate' ? 'ENOSPC' : 'done');
    for (const number of [2, 3]) {
      assert.throws(() => {
        store.append(put(route(number)), 2n);
      }, StorageError);
    }
    disk.decide = () => 'done';
    store.append(put(route(4)), 3n);
    await store.close();
    assert.equal(read(disk), wishesText([route(1), route(4)]));
    assert.ok(disk.names().includes('journal.2'));
  });

  it('tells all who wait that a sync failed, and has what was durable before', async () => {
    const disk = new ModelledDisk(() => 0.5);
    const notes: StoreNote[] = [];
    const { store } = openOn(disk, notes);
    store.append(put(route(1)), 1n);
    await store.sync();
    failing(disk, 'datasync', 'EIO');
    store.append(put(route(2)), 2n);
    const second = store.sync();
    store.append(put(route(3)), 3n);
    const third = store.sync();
    await assert.rejects(second, { code: 'STORAGE', errno: 'EIO' });
    await assert.rejects(third, { code: 'STORAGE', errno: 'EIO' });
    assert.deepEqual(
      notes.map(({ note }) => note),
      ['changes could not be made durable and were taken back'],
    );
    // A restart does not bring back what was refused.
    assert.ok(!disk.file('journal.1').includes('239.0.0.2'));
    disk.decide = () => 'done';
    assert.ok(store.wantsSnapshot);
    store.append(put(route(4)), 4n);
    await store.sync();
    disk.restart();
    assert.equal(read(disk), wishesText([route(1), route(4)]));
  });

  it('has all that was acknowledged though a journal that was taken back can neither be removed nor stays cut', async () => {
    // Of what is not synced, a power cut leaves nothing.
    const disk = new ModelledDisk(() => 0.99);
    const first = openOn(disk).store;
    first.append(put(route(1)), 1n);
    await first.sync();
    failing(disk, 'write', 'ENOSPC', 'snapshot');
    await first.snapshot([route(1)], 1n);
    first.append(put(route(2)), 2n);
    // All bytes of the second journal are durable, its name is not.
    failing(disk, 'sync-directory', 'EIO');
    await assert.rejects(first.sync(), StorageError);
    failing(disk, 'remove', 'ENOSPC');
    await first.close();
    const second = openOn(disk);
    assert.equal(wishesText(second.wishes), wishesText([route(1)]));
    assert.ok(disk.names().includes('journal.2'));
    second.store.append(put(route(3)), 3n);
    await second.store.sync();
    disk.restart();
    assert.equal(read(disk), wishesText([route(1), route(3)]));
  });

  it('has one fdatasync for all who wait in one turn', async () => {
    const disk = new ModelledDisk(() => 0.5);
    const { store } = openOn(disk);
    let datasyncs = 0;
    disk.decide = (operation) => {
      if (operation === 'datasync') datasyncs++;
      return 'done';
    };
    const saved = [1, 2, 3, 4, 5].map((number) => {
      store.append(put(route(number)), BigInt(number));
      return store.sync();
    });
    await Promise.all(saved);
    assert.equal(datasyncs, 1);
  });

  it('keeps everything when a snapshot fails, says so once, and does not try at every step', async () => {
    for (const operation of ['create', 'write', 'datasync', 'rename', 'sync-directory'] as const) {
      const disk = new ModelledDisk(() => 0.5);
      const notes: StoreNote[] = [];
      const { store } = openOn(disk, notes);
      const large = Array.from({ length: 14_000 }, (_, number) => route(number));
      store.append(put(...large), 1n);
      await store.sync();
      assert.ok(store.wantsSnapshot);
      failing(disk, operation, 'ENOSPC', operation === 'sync-directory' ? '' : 'snapshot');
      await store.snapshot(large, 1n);
      assert.deepEqual(
        notes.map(({ note }) => note),
        ['the snapshot could not be written'],
        operation,
      );
      assert.deepEqual(
        disk.names().filter((name) => name.endsWith('.tmp')),
        [],
      );
      assert.ok(!store.wantsSnapshot);
      disk.decide = () => 'done';
      for (let step = 0; step < 100; step++) store.append(put(route(20_000 + step)), 2n);
      assert.ok(store.wantsSnapshot);
      await store.close();
      assert.equal(openOn(disk).wishes.length, 14_100, operation);
    }
  });

  it('reads what is there from a disk that takes nothing, and refuses steps until it does', async () => {
    const disk = new ModelledDisk(() => 0.5);
    const first = openOn(disk);
    first.store.append(put(route(1)), 1n);
    await first.store.close();
    disk.decide = (operation) => (operation === 'list' || operation === 'read' ? 'done' : 'EROFS');
    const notes: StoreNote[] = [];
    const { store, wishes } = openOn(disk, notes);
    assert.equal(wishesText(wishes), wishesText([route(1)]));
    assert.ok(notes.every(({ note }) => note === 'the journal cannot be gone on with') && notes.length > 0);
    assert.throws(() => {
      store.append(put(route(2)), 2n);
    }, StorageError);
    disk.decide = () => 'done';
    assert.ok(store.wantsSnapshot);
    await store.snapshot(wishes, 1n);
    store.append(put(route(3)), 3n);
    await store.close();
    assert.equal(read(disk), wishesText([route(1), route(3)]));
  });
});

describe('a store on a real disk', () => {
  it('takes steps while a snapshot of 100,000 routes is written', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mcroute-store-'));
    try {
      const { store } = openWishStore({ directory, table: 7, onNote: () => assert.fail() });
      const wishes = Array.from({ length: 100_000 }, (_, number) => route(number));
      let [turns, saved, isRunning] = [0, 0, true];
      const snapshot = store.snapshot(wishes, 1n).finally(() => {
        isRunning = false;
      });
      const count = (): void => {
        turns++;
        if (isRunning) setImmediate(count);
      };
      count();
      while (isRunning) {
        store.append(put(route(200_000 + saved)), 2n);
        await store.sync();
        saved++;
      }
      await snapshot;
      await store.close();
      // It is written in more than a hundred chunks.
      assert.ok(turns > 100 && saved > 5, `${turns} turns, ${saved} steps`);
      assert.equal(
        openWishStore({ directory, table: 7, onNote: () => assert.fail() }).wishes.length,
        wishes.length + saved,
      );
      assert.deepEqual(readdirSync(directory).sort(), ['journal.1', 'snapshot.1']);
      assert.equal(statSync(join(directory, 'snapshot.1')).mode & 0o777, 0o600);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('takes a step of more resources than fit in one line, whole', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mcroute-store-'));
    try {
      const { store } = openWishStore({ directory, table: 7, onNote: () => assert.fail() });
      const wishes = Array.from({ length: 20_000 }, (_, number) => route(number));
      store.append(put(...wishes), 5n);
      await store.close();
      const { wishes: read, revision } = openWishStore({ directory, table: 7, onNote: () => assert.fail() });
      assert.equal(wishesText(read), wishesText(wishes));
      assert.equal(revision, 5n);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
