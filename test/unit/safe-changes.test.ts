import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HistoryLostError } from '../../src/agent/history/entry.js';
import { UnconfirmedError } from '../../src/agent/history/safe-changes.js';
import { StorageError } from '../../src/agent/store/storage-error.js';
import type { Change } from '../../src/model/change.js';
import { mroute } from '../support/fib-turns.js';
import { type DiskOperation, ModelledDisk } from '../support/modelled-disk.js';
import { Random } from '../support/random.js';
import { SafeTable } from '../support/safe-table.js';

const OWNER = 'studio/7@host';
const WITHIN_MS = 60_000;

/** Operations that change the disk. */
const WRITING: ReadonlySet<DiskOperation> = new Set([
  'create',
  'write',
  'truncate',
  'datasync',
  'rename',
  'remove',
  'sync-directory',
]);

function diskOf(random: Random): ModelledDisk {
  return new ModelledDisk(() => random.below(1 << 20) / (1 << 20));
}

/** Some rules put, some deleted. */
function randomChanges(random: Random): Change[] {
  return Array.from({ length: 1 + random.below(3) }, (): Change => {
    const rule = mroute(`(*, 239.1.0.${1 + random.below(6)}) in0 > ${random.pick(['out0', 'out1', 'out2'])}`);
    return random.below(3) === 0
      ? { action: 'delete', key: rule.key, mustExist: false }
      : { action: 'put', resource: rule };
  });
}

function put(rule: string): Change {
  return { action: 'put', resource: mroute(rule) };
}

/** What is wanted, and what is wanted again if nobody confirms. */
interface Expected {
  readonly text: string;
  readonly base: string | undefined;
}

/** A table through lives, of which each ends with a power cut or in order; requests come one after the other. */
class Lives {
  readonly #random: Random;
  readonly #disk: ModelledDisk;
  #nowMs = Date.UTC(2026, 0, 1);
  /** What may be wanted when an agent has started: as before or as after the request in which the power went. */
  #possible: Expected[] = [{ text: '', base: undefined }];
  /** What was wanted after each revision, also of those that were lost again. */
  readonly #texts = new Map<bigint, string>();
  rollbacks = 0;
  expired = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#disk = diskOf(this.#random);
  }

  async live(lastOperation: number): Promise<void> {
    let operation = 0;
    this.#disk.decide = (name) => (WRITING.has(name) && operation++ === lastOperation ? 'power cut' : 'done');
    let table: SafeTable | undefined;
    try {
      table = await this.#open();
      for (let request = 0; request < 12 && !this.#disk.isOff; request++) await this.#request(table);
    } catch (error) {
      if (!this.#disk.isOff) throw error;
    }
    await table?.close();
    if (this.#disk.isOff) this.#disk.restart();
    this.#disk.decide = () => 'done';
  }

  /** What waits for confirmation is over its time; then everything that can be taken back is. */
  async check(): Promise<void> {
    const table = await this.#open();
    const entries = [...table.changes.history.list(OWNER)];
    for (const entry of entries) {
      if (!entry.canBeUndone) continue;
      const known = this.#texts.get(entry.after);
      assert.equal(await table.rollback(OWNER, entry.after), entry.after);
      if (known !== undefined) assert.equal(table.text, known, `at revision ${entry.after.toString()}`);
      this.rollbacks++;
    }
    await table.close();
  }

  async #open(): Promise<SafeTable> {
    // Every confirmation is over its time.
    this.#nowMs += 2 * WITHIN_MS;
    const table = await SafeTable.open(this.#disk, () => this.#nowMs);
    // The power went while it was read: nobody heard of it.
    if (this.#disk.isOff) return table;
    const possible = this.#possible.map(({ text, base }) => base ?? text);
    const { text } = table;
    assert.ok(possible.includes(text), `read:\n${text}\n\npossible:\n${possible.join('\n\nor\n\n')}`);
    if (table.notes.some(({ note }) => note === 'an unconfirmed change was rolled back')) this.expired++;
    assert.equal(table.changes.unconfirmed(OWNER), undefined);
    this.#possible = [{ text, base: undefined }];
    return table;
  }

  async #request(table: SafeTable): Promise<void> {
    const [before] = this.#possible;
    assert.ok(before);
    const { revision: start } = table.engine;
    const kind = this.#random.below(5);
    const confirmWithinMs = kind === 1 ? WITHIN_MS : undefined;
    // Known before it lasts: the disk may have it when the power goes in the middle.
    const note = () => {
      const base = confirmWithinMs === undefined ? undefined : (before.base ?? before.text);
      this.#possible = [before, { text: table.text, base }];
      this.#texts.set(table.engine.revision, table.text);
      this.#texts.set(start, before.text);
    };
    if (before.base !== undefined && kind !== 1) {
      // Confirm or roll back.
      this.#possible = [
        before,
        kind < 3 ? { text: before.text, base: undefined } : { text: before.base, base: undefined },
      ];
      if (kind < 3) assert.ok(table.changes.confirm(OWNER) !== undefined);
      else await table.rollback(OWNER, 0n);
    } else if (kind === 2) {
      const [entry] = [...table.changes.history.list(OWNER)].filter(({ canBeUndone }) => canBeUndone);
      if (entry === undefined) return;
      const rolledBack = table.rollback(OWNER, 0n);
      note();
      await rolledBack;
    } else {
      const applied = table.apply(OWNER, randomChanges(this.#random), { confirmWithinMs });
      const isWaiting = table.changes.unconfirmed(OWNER) !== undefined;
      note();
      if (confirmWithinMs !== undefined && !isWaiting) this.#possible = [before, { text: table.text, base: undefined }];
      await applied;
    }
    const now = this.#possible.at(-1);
    assert.equal(table.text, now?.text);
    if (now !== undefined) this.#possible = [now];
  }
}

describe('changes that can be taken back', () => {
  it('are right wherever the power goes, and so is what was not confirmed', async () => {
    let [rollbacks, expired] = [0, 0];
    const operations = fc.array(fc.nat({ max: 150 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.nat(), operations, async (seed, lives) => {
        const table = new Lives(seed);
        for (const lastOperation of lives) await table.live(lastOperation);
        await table.check();
        rollbacks += table.rollbacks;
        expired += table.expired;
      }),
      { numRuns: 100 },
    );
    assert.ok(rollbacks > 100, `only ${rollbacks} roll-backs`);
    assert.ok(expired > 10, `only ${expired} were not confirmed in time`);
  });

  for (const isSaved of [true, false]) {
    it(`come back as of every revision${isSaved ? '' : ', also where nothing is saved'}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(), async (seed) => {
          const random = new Random(seed);
          const table = await SafeTable.open(isSaved ? diskOf(random) : undefined, Date.now);
          const texts: { readonly revision: bigint; readonly text: string }[] = [];
          for (let request = 0; request < 20; request++) {
            await table.apply(OWNER, randomChanges(random));
            await table.apply('other', randomChanges(random));
            if (table.changes.history.last('other') !== undefined) await table.rollback('other', 0n);
            texts.push({ revision: table.engine.revision, text: ownText(table) });
          }
          for (let turn = 0; turn < 10; turn++) {
            const { revision, text } = random.pick(texts);
            await table.rollback(OWNER, revision);
            assert.equal(ownText(table), text);
          }
          await table.close();
        }),
        { numRuns: 50 },
      );
    });
  }

  it('are remembered with who asked and why, over a restart', async () => {
    const disk = diskOf(new Random(1));
    const table = await SafeTable.open(disk, () => 5_000);
    const origin = { author: 'spiffe://a/b', comment: 'hall "2"', requestId: 'r1', requestDigest: 'd1' };
    await table.apply(OWNER, [put('(*, 239.1.0.1) in0 > out0')], origin);
    await table.close();
    const next = await SafeTable.open(disk, () => 6_000);
    const { revision, ...entry } = [...next.changes.history.list(OWNER)][0] ?? assert.fail();
    assert.deepEqual(entry, {
      owner: OWNER,
      method: 'Apply',
      timeMs: 5_000,
      after: 100n,
      canBeUndone: true,
      restoredRevision: undefined,
      effects: { added: 1, changed: 0, removed: 0, unchanged: 0 },
      ...origin,
    });
    assert.equal(next.changes.history.find(OWNER, 'r1')?.revision, revision);
    await next.close();
  });

  it('cannot be taken back beyond what could not be written, and say so after a restart too', async () => {
    const disk = diskOf(new Random(2));
    let table = await SafeTable.open(disk, Date.now);
    await table.apply(OWNER, [put('(*, 239.1.0.1) in0 > out0')]);
    disk.decide = (operation, path) => (operation === 'write' && path.includes('history~') ? 'ENOSPC' : 'done');
    const lost = await table.apply(OWNER, [put('(*, 239.1.0.2) in0 > out0')]);
    assert.equal(table.notes[0]?.errno, 'ENOSPC');
    disk.decide = () => 'done';
    await table.apply(OWNER, [put('(*, 239.1.0.3) in0 > out0')]);
    const undoable = () => [...table.changes.history.list(OWNER)].map(({ canBeUndone }) => canBeUndone);
    assert.deepEqual(undoable(), [true, false, false]);
    await assert.rejects(table.rollback(OWNER, lost - 1n), (error) => {
      return error instanceof HistoryLostError && error.firstRevision === lost;
    });
    await table.close();
    table = await SafeTable.open(disk, Date.now);
    assert.deepEqual(undoable(), [true, false]);
    await table.close();
  });

  it('are refused if they are to be confirmed and cannot be written', async () => {
    for (const file of ['history~', 'confirmations']) {
      const disk = diskOf(new Random(3));
      const table = await SafeTable.open(disk, Date.now);
      disk.decide = (operation, path) => (operation === 'write' && path.includes(file) ? 'ENOSPC' : 'done');
      const apply = () => table.apply(OWNER, [put('(*, 239.1.0.1) in0 > out0')], { confirmWithinMs: WITHIN_MS });
      await assert.rejects(apply(), StorageError);
      assert.equal(table.text, '');
      assert.equal(table.changes.unconfirmed(OWNER), undefined);
      disk.decide = () => 'done';
      await apply();
      assert.notEqual(table.changes.unconfirmed(OWNER), undefined);
      await table.close();
    }
  });

  it('keep others of the owner out until they are confirmed', async () => {
    const table = await SafeTable.open(undefined, Date.now);
    const first = await table.apply(OWNER, [put('(*, 239.1.0.1) in0 > out0')], { confirmWithinMs: WITHIN_MS });
    const other = () => table.apply(OWNER, [put('(*, 239.1.0.2) in0 > out0')]);
    await assert.rejects(other(), (error) => error instanceof UnconfirmedError && error.code === 'UNCONFIRMED');
    await table.apply('other', [put('(*, 239.1.0.2) in0 > out0')]);
    const second = await table.apply(OWNER, [put('(*, 239.1.0.3) in0 > out0')], { confirmWithinMs: WITHIN_MS });
    assert.equal(table.changes.unconfirmed(OWNER)?.base, first - 1n);
    assert.equal(table.changes.confirm(OWNER), second);
    assert.equal(table.changes.confirm(OWNER), undefined);
    await other();
    await table.close();
  });

  it('are taken back when their time is over, whatever the disk said first', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const disk = diskOf(new Random(4));
    const table = await SafeTable.open(disk, Date.now);
    await table.apply(OWNER, [put('(*, 239.1.0.1) in0 > out0')], { confirmWithinMs: WITHIN_MS });
    t.mock.timers.tick(WITHIN_MS - 1);
    await turns();
    assert.notEqual(table.text, '');
    disk.decide = (operation, path) => (operation === 'write' && path.includes('journal') ? 'ENOSPC' : 'done');
    t.mock.timers.tick(1);
    await turns();
    assert.notEqual(table.text, '');
    assert.equal(table.notes.at(-1)?.note, 'an unconfirmed change could not be rolled back');
    disk.decide = () => 'done';
    t.mock.timers.tick(5_000);
    await turns();
    assert.equal(table.text, '');
    assert.equal(table.changes.unconfirmed(OWNER), undefined);
    assert.equal([...table.changes.history.list(OWNER)][0]?.method, 'Expire');
    await table.close();
  });

  it('get no more time than was asked for from a clock that went back', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const disk = diskOf(new Random(5));
    const table = await SafeTable.open(disk, () => 10 * WITHIN_MS);
    await table.apply(OWNER, [put('(*, 239.1.0.1) in0 > out0')], { confirmWithinMs: WITHIN_MS });
    await table.close();
    const next = await SafeTable.open(disk, () => 0);
    t.mock.timers.tick(WITHIN_MS);
    await turns();
    assert.equal(next.text, '');
    await next.close();
  });

  it('forget what was taken back since the disk failed', async () => {
    const disk = diskOf(new Random(6));
    const table = await SafeTable.open(disk, Date.now);
    await table.apply(OWNER, [put('(*, 239.1.0.1) in0 > out0')]);
    disk.decide = (operation, path) => (operation === 'datasync' && path.includes('journal') ? 'EIO' : 'done');
    const origin = { requestId: 'r1', requestDigest: 'd1', confirmWithinMs: WITHIN_MS };
    await assert.rejects(table.apply(OWNER, [put('(*, 239.1.0.2) in0 > out0')], origin), StorageError);
    disk.decide = () => 'done';
    assert.equal(table.changes.history.find(OWNER, 'r1'), undefined);
    assert.equal(table.changes.unconfirmed(OWNER), undefined);
    await table.rollback(OWNER, 0n);
    assert.equal(table.text, '');
    await table.close();
  });
});

function ownText(table: SafeTable): string {
  return table.text
    .split('\n')
    .filter((line) => line.includes(OWNER))
    .join('\n');
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
