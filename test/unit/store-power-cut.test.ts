import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type OwnedResource,
  type StoreNote,
  StorageError,
  type WishStore,
  openWishStore,
} from '../../src/agent/store/wish-store.js';
import { formatResourceKey } from '../../src/model/resource.js';
import { type DiskOperation, type Fate, ModelledDisk } from '../support/modelled-disk.js';
import { Random } from '../support/random.js';
import { EMPTY_STATE, PossibleStates, type TableState, act, randomStep, wishesText } from '../support/store-history.js';

const DIRECTORY = '/state/7';

/** Operations that fail without that anything is read wrongly. */
const WRITING: ReadonlySet<DiskOperation> = new Set([
  'create',
  'write',
  'truncate',
  'datasync',
  'rename',
  'remove',
  'sync-directory',
]);

/** A table that is saved on a modelled disk, through restarts and power cuts. */
class SavedTable {
  readonly #random: Random;
  readonly #disk: ModelledDisk;
  readonly #notes: StoreNote[] = [];
  #possible = new PossibleStates(EMPTY_STATE);
  #store: WishStore | undefined;
  #refused = 0;
  #hasFailedSync = false;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#disk = new ModelledDisk(() => this.#random.below(1 << 20) / (1 << 20));
  }

  /** Requests that failed. */
  get refused(): number {
    return this.#refused;
  }

  /** Lives until the power goes, which is at the latest after some requests. */
  async live(decide: () => Fate): Promise<void> {
    this.#hasFailedSync = false;
    this.#disk.decide = (operation) => {
      const fate = WRITING.has(operation) ? decide() : 'done';
      // From then on a reader sees what the disk may not have; only a power cut shows what it has.
      if (operation === 'datasync' && fate !== 'done') this.#hasFailedSync = true;
      return fate;
    };
    this.#open();
    for (let request = 0; request < 30 && !this.#isOff(); request++) {
      if (!this.#mustEnd() && this.#random.below(12) === 0) {
        await this.#store?.close();
        if (this.#mustEnd()) break;
        this.#open();
      } else {
        this.#act();
      }
      for (let turns = this.#random.below(4); turns > 0; turns--) await turn();
    }
    this.#disk.decide = () => 'power cut';
    // What is under way ends with the power.
    await this.#store?.close();
    this.#store = undefined;
    this.#disk.restart();
  }

  /** What was saved is there, and the disk takes more of it. */
  async check(): Promise<void> {
    this.#open();
    const store = this.#store ?? assert.fail('it does not open');
    await this.#save(store);
    await store.snapshot([...this.#possible.state.wanted.values()], this.#possible.state.revision);
    await this.#save(store);
    await store.close();
    this.#open();
    await this.#store?.close();
    this.#store = undefined;
  }

  #open(): void {
    const { store, wishes, revision } = openWishStore({
      directory: DIRECTORY,
      table: 7,
      onNote: (note) => this.#notes.push(note),
      disk: this.#disk,
    });
    this.#store = store;
    // The power went while it was read: nobody heard of it.
    if (this.#disk.isOff) return;
    const message = `read:\n${wishesText(wishes)}\n\npossible:\n${this.#possible.toString()}`;
    assert.ok(this.#possible.has(wishes, revision), message);
    const state = { wanted: new Map(wishes.map((wish) => [idOf(wish), wish])), revision };
    const isDurable = !this.#notes.some(({ note }) => note === 'the journal cannot be gone on with');
    if (isDurable) this.#possible = new PossibleStates(state);
    else this.#possible.reread(state);
    this.#notes.length = 0;
  }

  #isOff(): boolean {
    return this.#disk.isOff;
  }

  #mustEnd(): boolean {
    return this.#hasFailedSync || this.#disk.isOff;
  }

  #act(): void {
    const store = this.#store ?? assert.fail();
    try {
      act(store, this.#possible.state, this.#random, (after, saved) => {
        this.#possible.take(after);
        void this.#hear(after, saved);
      });
    } catch (error) {
      this.#refuse(error);
    }
  }

  async #hear(after: TableState, saved: Promise<void>): Promise<void> {
    try {
      await saved;
      if (!this.#disk.isOff) this.#possible.acknowledge(after);
    } catch (error) {
      this.#refuse(error);
      if (!this.#disk.isOff) this.#possible.takeBack(after);
    }
  }

  #refuse(error: unknown): void {
    assert.ok(error instanceof StorageError, String(error));
    if (!this.#disk.isOff) this.#refused++;
  }

  async #save(store: WishStore): Promise<void> {
    const { step, after } = randomStep(this.#possible.state, this.#random);
    store.append(step, after.revision);
    this.#possible.take(after);
    await store.sync();
    this.#possible.acknowledge(after);
  }
}

function idOf({ owner, resource }: OwnedResource): string {
  const { key } = resource;
  return `${owner} ${formatResourceKey(key)}`;
}

function nextOf(stream: fc.Stream<Fate>): Fate {
  const next = stream.next();
  return next.done === true ? 'done' : next.value;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a table that is saved', () => {
  it('has all that was acknowledged, and a state that it once had, wherever the power goes', async () => {
    const lives = fc.array(fc.nat({ max: 120 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.nat(), lives, async (seed, operations) => {
        const table = new SavedTable(seed);
        for (const lastOperation of operations) {
          let operation = 0;
          await table.live(() => (operation++ === lastOperation ? 'power cut' : 'done'));
        }
        await table.check();
        assert.equal(table.refused, 0);
      }),
      { numRuns: 400 },
    );
  });

  it('has them though the disk fails, is full, and loses power', async () => {
    const fates = fc.infiniteStream<Fate>(
      fc.oneof(
        { weight: 40, arbitrary: fc.constant<Fate>('done') },
        { weight: 6, arbitrary: fc.constantFrom<Fate>('ENOSPC', 'EIO', 'EDQUOT') },
        { weight: 1, arbitrary: fc.constant<Fate>('power cut') },
      ),
    );
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), fates, fc.integer({ min: 1, max: 4 }), async (seed, stream, lives) => {
        const table = new SavedTable(seed);
        for (let life = 0; life < lives; life++) await table.live(() => nextOf(stream));
        await table.check();
        refused += table.refused;
      }),
      { numRuns: 400 },
    );
    assert.ok(refused > 100, `only ${refused} requests failed`);
  });
});
