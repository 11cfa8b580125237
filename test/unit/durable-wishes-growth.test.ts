import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DurableWishes } from '../../src/agent/durable-wishes.js';
import type { Difference } from '../../src/agent/rib/rib.js';
import type { Disk, DiskFile } from '../../src/agent/store/disk.js';
import { linuxDisk } from '../../src/agent/store/linux-disk.js';
import { openWishStore } from '../../src/agent/store/wish-store.js';
import { mroute } from '../support/fib-turns.js';
import { SavedRib } from '../support/saved-rib.js';

const ROUTES = 100_000;
const ROUTES_PER_STEP = 500;

/** The real disk, and the bytes that were written to files of a kind. */
function countingDisk(): { readonly disk: Disk; readonly written: Map<string, number> } {
  const written = new Map<string, number>();
  const count = (path: string, bytes: number): void => {
    const kind = /journal|snapshot/.exec(path)?.[0] ?? path;
    written.set(kind, (written.get(kind) ?? 0) + bytes);
  };
  const openSync = (path: string, how: 'create' | 'continue'): DiskFile => {
    const file = linuxDisk.openSync(path, how);
    return {
      writeSync: (data, position) => {
        count(path, data.length);
        file.writeSync(data, position);
      },
      write: (data, position) => {
        count(path, data.length);
        return file.write(data, position);
      },
      truncateSync: (size) => {
        file.truncateSync(size);
      },
      datasyncSync: () => {
        file.datasyncSync();
      },
      datasync: () => file.datasync(),
      closeSync: () => {
        file.closeSync();
      },
    };
  };
  return { disk: { ...linuxDisk, openSync }, written };
}

function step(first: number): readonly Difference[] {
  const routes = Array.from({ length: ROUTES_PER_STEP }, (_, index) => {
    const number = first + index;
    return mroute(`(10.0.0.1, 239.${number >> 16}.${(number >> 8) & 255}.${number & 255}) eth0 > eth1`);
  });
  return routes.map((after) => ({ key: after.key, before: undefined, after }));
}

describe('a table that grows', () => {
  it('is written in proportion to its size, however many steps that takes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mcroute-growth-'));
    try {
      const { disk, written } = countingDisk();
      const { store } = openWishStore({ directory, table: 7, onNote: () => assert.fail(), disk });
      const wishes = new DurableWishes(store);
      const rib = new SavedRib(wishes);
      wishes.attach(rib);
      for (let first = 0; first < ROUTES; first += ROUTES_PER_STEP) {
        rib.take({ owner: 'cli', differences: step(first) });
        await wishes.settled();
      }
      await wishes.close();
      const [journal = 0, snapshots = 0] = [written.get('journal'), written.get('snapshot')];
      assert.ok(snapshots > 0, 'there was no snapshot');
      // Each is at most as large as the journals, of which it is the end, and three times the one before.
      assert.ok(snapshots <= 1.5 * journal, `${snapshots} bytes of snapshots, ${journal} of journals`);
      const { wishes: read } = openWishStore({ directory, table: 7, onNote: () => assert.fail() });
      assert.equal(read.length, ROUTES);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
