import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DurableWishes, type Store } from '../../src/agent/durable-wishes.js';
import {
  type OpenedStore,
  type OwnedResource,
  StorageError,
  type WishStore,
  openWishStore,
} from '../../src/agent/store/wish-store.js';
import type { DiskFile } from '../../src/agent/store/disk.js';
import { formatResourceKey } from '../../src/model/resource.js';
import { type Fate, ModelledDisk } from '../support/modelled-disk.js';
import { Random } from '../support/random.js';
import { SavedRib } from '../support/saved-rib.js';
import { randomStep, wishesText } from '../support/store-history.js';

const DIRECTORY = '/state/7';

/** Requests of one history, most of which do not wait for those before. */
const REQUESTS = 300;

/** Turns of the event loop in which all that waits must have ended: a slow disk takes some for each operation. */
const TURNS_MAX = 20_000;

/** A modelled disk whose operations take a random time. */
class SlowDisk extends ModelledDisk {
  readonly #slowness: Random;

  constructor(seed: number) {
    const random = new Random(seed);
    super(() => random.below(1 << 20) / (1 << 20));
    this.#slowness = new Random(seed + 1);
  }

  override openSync(path: string, how: 'create' | 'continue'): DiskFile {
    const file = super.openSync(path, how);
    return {
      ...file,
      write: async (bytes, at) => {
        await this.#wait();
        await file.write(bytes, at);
      },
      datasync: async () => {
        await this.#wait();
        await file.datasync();
      },
    };
  }

  override async rename(from: string, to: string): Promise<void> {
    await this.#wait();
    await super.rename(from, to);
  }

  override async syncDirectory(directory: string): Promise<void> {
    await this.#wait();
    await super.syncDirectory(directory);
  }

  async #wait(): Promise<void> {
    for (let turns = this.#slowness.below(8) ** 2; turns > 0; turns--) await turn();
  }
}

/** A table's wishes, with requests that overlap. */
class BusyTable {
  readonly #random: Random;
  readonly #wishes: DurableWishes;
  readonly #rib: SavedRib;
  readonly #bugs: unknown[] = [];
  #snapshots = 0;
  #running = 0;
  #waiting = 0;
  #refused = 0;
  #isClosed = false;

  constructor(random: Random, store: WishStore) {
    this.#random = random;
    this.#wishes = new DurableWishes(this.#withSnapshots(store));
    this.#rib = new SavedRib(this.#wishes);
    this.#wishes.attach(this.#rib);
  }

  /** Requests that were. */
  get refused(): number {
    return this.#refused;
  }

  get snapshots(): number {
    return this.#snapshots;
  }

  /** What is wanted now. */
  get text(): string {
    return wishesText(this.#rib.resources());
  }

  /** Changes something and waits until that lasts; `quiet` waits for it. */
  request(): void {
    void this.#count(() => this.#change());
  }

  /** Waits until all have heard. */
  async quiet(): Promise<void> {
    for (let turns = 0; this.#waiting > 0; turns++) {
      assert.ok(turns < TURNS_MAX, `${this.#waiting} requests have no answer`);
      await turn();
    }
    assert.deepEqual(this.#bugs, []);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    void this.#count(() => this.#wishes.close());
    await this.quiet();
  }

  async #count(request: () => Promise<void>): Promise<void> {
    this.#waiting++;
    try {
      await request();
    } catch (error) {
      if (error instanceof StorageError) this.#refused++;
      else this.#bugs.push(error);
    }
    this.#waiting--;
  }

  async #change(): Promise<void> {
    const all = Array.from(this.#rib.resources(), (wish): [string, OwnedResource] => {
      return [`${wish.owner} ${formatResourceKey(wish.resource.key)}`, wish];
    });
    this.#rib.take(randomStep({ wanted: new Map(all), revision: 0n }, this.#random).step);
    await this.#wishes.settled();
  }

  /** The store, but that it wants a snapshot much more often. */
  #withSnapshots(store: WishStore): Store {
    const isDue = (): boolean => !this.#isClosed && (store.wantsSnapshot || this.#random.below(10) === 0);
    return {
      append: (step, revision) => {
        store.append(step, revision);
      },
      sync: () => store.sync(),
      get wantsSnapshot() {
        return isDue();
      },
      snapshot: async (wishes, revision) => {
        assert.equal(this.#running++, 0, 'two snapshots at once');
        this.#snapshots++;
        await store.snapshot(wishes, revision);
        this.#running--;
      },
      close: () => store.close(),
    };
  }
}

function openOn(disk: ModelledDisk): OpenedStore {
  return openWishStore({ directory: DIRECTORY, table: 7, onNote: () => undefined, disk });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('wishes that are saved on a slow disk which fails', () => {
  it('are answered for, each of them, and are in the end on the disk just as they are wanted', async () => {
    let [refused, snapshots] = [0, 0];
    const rates = fc.constantFrom(0, 50, 400);
    await fc.assert(
      fc.asyncProperty(fc.nat(), rates, async (seed, failures) => {
        const random = new Random(seed);
        const disk = new SlowDisk(seed);
        const table = new BusyTable(random, openOn(disk).store);
        disk.decide = (operation): Fate => {
          const fails = operation !== 'list' && operation !== 'read' && random.below(1_000) < failures;
          return fails ? random.pick(['ENOSPC', 'EIO']) : 'done';
        };
        for (let request = 0; request < REQUESTS; request++) {
          table.request();
          for (let turns = random.below(6) - 2; turns > 0; turns--) await turn();
        }
        await table.quiet();
        refused += table.refused;
        snapshots += table.snapshots;
        disk.decide = () => 'done';
        // A disk that works again takes changes again: at the latest when a snapshot that failed is tried once more.
        const before = table.refused;
        for (let request = 0; table.refused === before + request; request++) {
          assert.ok(request < 300, 'nothing can be saved any more');
          table.request();
          await table.quiet();
        }
        await table.close();
        assert.equal(wishesText(openOn(disk).wishes), table.text);
      }),
      { numRuns: 60 },
    );
    assert.ok(refused > 500 && snapshots > 200, `${refused} refused, ${snapshots} snapshots`);
  });
});
