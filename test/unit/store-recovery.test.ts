import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type OpenedStore, type StoreNote, StorageError, openWishStore } from '../../src/agent/store/wish-store.js';
import { checkedLine } from '../../src/agent/store/checked-line.js';
import { ModelledDisk } from '../support/modelled-disk.js';
import { Random } from '../support/random.js';
import { EMPTY_STATE, type TableState, randomStep, wishesText } from '../support/store-history.js';

const DIRECTORY = '/state/7';

interface Saved {
  readonly disk: ModelledDisk;
  /** All that the table has been. */
  readonly states: readonly TableState[];
}

function open(disk: ModelledDisk, notes: StoreNote[] = []): OpenedStore {
  return openWishStore({ directory: DIRECTORY, table: 7, onNote: (note) => notes.push(note), disk });
}

/** A table with some steps in each generation. */
async function save(seed: number, generations: number, stepsEach = 4): Promise<Saved> {
  const random = new Random(seed);
  const disk = new ModelledDisk(() => random.below(1_000) / 1_000);
  const states = [EMPTY_STATE];
  const { store } = open(disk);
  for (let generation = 1; generation <= generations; generation++) {
    for (let step = 0; step < stepsEach; step++) {
      const { step: next, after } = randomStep(states.at(-1) ?? EMPTY_STATE, random);
      store.append(next, after.revision);
      states.push(after);
    }
    await store.sync();
    const { wanted, revision } = states.at(-1) ?? EMPTY_STATE;
    if (generation < generations) await store.snapshot([...wanted.values()], revision);
  }
  await store.close();
  return { disk, states };
}

function textOf(state: TableState | undefined): string {
  return wishesText(state?.wanted.values() ?? []);
}

describe('a table that is read', () => {
  it('has the newest snapshot and the steps after it, and keeps one generation before', async () => {
    const { disk, states } = await save(1, 4);
    assert.deepEqual(disk.names().sort(), ['journal.3', 'journal.4', 'snapshot.3', 'snapshot.4']);
    const notes: StoreNote[] = [];
    const { wishes, revision } = open(disk, notes);
    assert.equal(wishesText(wishes), textOf(states.at(-1)));
    assert.equal(revision, states.at(-1)?.revision);
    assert.deepEqual(notes, []);
  });

  it('is the same by the generation before when the snapshot is damaged, which is set aside', async () => {
    const { disk, states } = await save(2, 4);
    const bytes = Buffer.from(disk.file('snapshot.4'));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    disk.setFile('snapshot.4', bytes);
    const notes: StoreNote[] = [];
    const { wishes } = open(disk, notes);
    assert.equal(wishesText(wishes), textOf(states.at(-1)));
    assert.deepEqual(
      notes.map(({ note, level }) => [note, level]),
      [['a damaged snapshot was set aside', 'error']],
    );
    assert.deepEqual(disk.file('snapshot.4.damaged-1'), bytes);
    assert.ok(!disk.names().includes('snapshot.4'));
  });

  it('loses what comes after a damaged line, keeps that aside, and goes on', async () => {
    const { disk, states } = await save(3, 1, 9);
    const lines = disk.file('journal.1').toString().split('\n');
    lines[5] = (lines[5] ?? '').replace('"owner":"', '"owner":"x');
    disk.setFile('journal.1', Buffer.from(lines.join('\n')));
    const notes: StoreNote[] = [];
    const { store, wishes } = open(disk, notes);
    assert.equal(wishesText(wishes), textOf(states[4]));
    assert.deepEqual(
      notes.map(({ note, level }) => [note, level]),
      [['the damaged rest of a journal was set aside', 'error']],
    );
    assert.equal(disk.file('journal.1.damaged-1').toString(), lines.slice(5).join('\n'));
    const { step, after } = randomStep(states[4] ?? EMPTY_STATE, new Random(3));
    store.append(step, after.revision);
    await store.close();
    const later: StoreNote[] = [];
    assert.equal(wishesText(open(disk, later).wishes), textOf(after));
    assert.deepEqual(later, []);
  });

  it('never stops the start, and never differs without a word, wherever bytes are damaged', async () => {
    const damages = fc.array(fc.record({ file: fc.nat(), at: fc.nat(), byte: fc.nat({ max: 255 }), cut: fc.nat(9) }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 9 }), fc.integer({ min: 1, max: 4 }), damages, async (seed, generations, all) => {
        const { disk, states } = await save(seed, generations);
        for (const { file, at, byte, cut } of all) {
          const names = disk.names().sort();
          const name = names[file % names.length] ?? '';
          const bytes = Buffer.from(disk.file(name));
          if (bytes.length === 0) continue;
          bytes[at % bytes.length] = byte;
          disk.setFile(name, cut === 0 ? bytes.subarray(0, at % bytes.length) : bytes);
        }
        const notes: StoreNote[] = [];
        const { store, wishes } = open(disk, notes);
        const texts = states.map(textOf);
        const text = wishesText(wishes);
        assert.ok(texts.includes(text), text);
        // A step is cut off whole without a trace if the file ends just before it.
        const isCutOff = all.some(({ cut }) => cut === 0);
        if (text !== texts.at(-1) && !isCutOff) assert.ok(notes.length > 0);
        await store.close();
        const later: StoreNote[] = [];
        assert.equal(wishesText(open(disk, later).wishes), text);
        assert.deepEqual(later, []);
      }),
      { numRuns: 500 },
    );
  });

  it('is left alone when a newer program wrote it, or when it is another table', async () => {
    const { disk } = await save(4, 2);
    const header = { format: 'mcroute journal', version: 2, table: 7, generation: 3, after: 8, revision: '1' };
    disk.setFile('journal.3', Buffer.from(checkedLine(JSON.stringify(header), 0).line));
    const before = disk.names().map((name) => [name, disk.file(name).toString()]);
    assert.throws(() => open(disk), { name: 'Error', code: 'STORAGE', errno: 'ENOTSUP', message: /newer mcroute/ });
    disk.setFile('journal.3', Buffer.from(checkedLine(JSON.stringify({ ...header, version: 1, table: 8 }), 0).line));
    assert.throws(() => open(disk), { code: 'STORAGE', errno: 'EINVAL', message: /belongs to table 8/ });
    disk.setFile('journal.3', Buffer.from(checkedLine(JSON.stringify(header), 0).line));
    assert.deepEqual(
      disk.names().map((name) => [name, disk.file(name).toString()]),
      before,
    );
  });

  it('is left alone when its files may not be read', async () => {
    const { disk } = await save(5, 2);
    disk.decide = (operation) => (operation === 'read' ? 'EACCES' : 'done');
    assert.throws(
      () => open(disk),
      (error) => error instanceof StorageError && error.errno === 'EACCES',
    );
  });
});
