// With real descriptors: each is an unlinked file, which has an inode of its own.
import assert from 'node:assert/strict';
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { DESCRIPTORS_PER_TABLE_MAX, DescriptorStore } from '../../src/supervisor/descriptor-store.js';

let directory: string;
let opened: number[];
/** What the keeper of the store was told, in order. */
let told: string[];
let marked: number[];
let store: DescriptorStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
  opened = [];
  told = [];
  marked = [];
  store = new DescriptorStore(
    { closeDescriptor: closeSync, setCloseOnExec: (fd) => marked.push(fd) },
    {
      keep: (name, fds) => told.push(`keep ${name} ${fds.length}`),
      release: (name) => told.push(`release ${name}`),
    },
  );
});

afterEach(() => {
  for (const fd of new Set(opened.filter(isOpen))) closeSync(fd);
  rmSync(directory, { recursive: true });
});

/** A new descriptor of the file; of the same name, of the same file. */
function open(name: string): number {
  const fd = openSync(join(directory, name), 'a');
  opened.push(fd);
  return fd;
}

function isOpen(fd: number): boolean {
  try {
    // Of another file by now, if the number was used again.
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

describe('the store of descriptors', () => {
  it('keeps what it is given and hands it over in a stable order, again and again', () => {
    store.put(5, 'ssm6', [open('s')]);
    store.put(5, 'zebra', [open('z')]);
    store.put(5, 'asm4', [open('a'), open('b')]);
    store.put(5, 'apple', [open('p')]);
    store.put(5, 'vifs', [open('v')]);
    store.put(5, 'mrt6', [open('6')]);
    store.put(5, 'mrt4', [open('4')]);
    store.put(6, 'mrt4', [open('other table')]);
    const names = ['mrt4', 'mrt6', 'vifs', 'asm4', 'asm4', 'ssm6', 'apple', 'zebra'];
    for (let turn = 0; turn < 2; turn++) {
      assert.deepEqual(
        store.handOver(5).map(({ name }) => name),
        names,
      );
    }
    assert.ok(store.handOver(5).every(({ fd }) => isOpen(fd)));
    assert.equal(store.count(5), 8);
    assert.deepEqual(store.tables, [5, 6]);
  });

  it('keeps one of several descriptors of the same socket or file, and closes the others', () => {
    const first = open('a');
    const again = open('a');
    store.put(5, 'asm4', [first]);
    store.put(5, 'asm4', [again, open('b')]);
    assert.equal(store.count(5), 2);
    assert.ok(isOpen(first));
    assert.ok(!isOpen(again));
    assert.deepEqual(told, ['keep 5.asm4 1', 'keep 5.asm4 1']);
    store.put(5, 'asm4', [open('b')]);
    assert.equal(told.length, 2, 'nothing new is nothing to tell');
  });

  it('closes what it lets go of, and its keeper hears of it', () => {
    const fds = [open('a'), open('b'), open('c')];
    store.put(5, 'asm4', fds.slice(0, 2));
    store.put(5, 'mrt4', fds.slice(2));
    store.release(5, 'asm4');
    assert.deepEqual(fds.map(isOpen), [false, false, true]);
    store.release(5, 'asm4');
    store.release(6, 'mrt4');
    store.releaseAll(5);
    assert.deepEqual(fds.map(isOpen), [false, false, false]);
    assert.deepEqual(store.tables, []);
    assert.deepEqual(told, ['keep 5.asm4 2', 'keep 5.mrt4 1', 'release 5.asm4', 'release 5.mrt4']);
  });

  it('has a limit for each table, closes what is beyond, and says so', () => {
    const fds = Array.from({ length: DESCRIPTORS_PER_TABLE_MAX + 2 }, (_, i) => open(String(i)));
    assert.equal(store.put(5, 'asm4', fds), 2);
    assert.deepEqual(fds.slice(-3).map(isOpen), [true, false, false]);
    assert.equal(store.put(5, 'mrt4', [open('one more')]), 1);
    assert.equal(store.put(5, 'asm4', [open('0')]), 0, 'what is kept is not refused');
    assert.equal(store.put(6, 'mrt4', [open('another table')]), 0);
    assert.equal(store.count(5), DESCRIPTORS_PER_TABLE_MAX);
  });

  it('takes back what a predecessor kept, unheard by the keeper, which has it', () => {
    const fds = [open('4'), open('a'), open('b')];
    const [mrt = -1, a = -1, b = -1] = fds;
    const strangers = store.restore([
      { fd: mrt, name: '123.mrt4' },
      { fd: a, name: '99999999.asm4' },
      { fd: b, name: '123.asm4' },
    ]);
    assert.deepEqual(strangers, []);
    assert.deepEqual(store.handOver(123), [
      { fd: mrt, name: 'mrt4' },
      { fd: b, name: 'asm4' },
    ]);
    assert.deepEqual(store.handOver(99_999_999), [{ fd: a, name: 'asm4' }]);
    assert.deepEqual(told, []);
    assert.deepEqual(marked, fds, 'no child gets them but as its own');
  });

  it('closes what no predecessor can have kept, and has the keeper forget it', () => {
    const names = ['stored', 'mrt4', '0.mrt4', '07.mrt4', '100000000.mrt4', '5.', '5.a-b', '5.mrt4.x', '-5.mrt4'];
    const fds = names.map((name) => open(name));
    assert.deepEqual(store.restore(names.map((name, i) => ({ fd: fds[i] ?? -1, name }))), names);
    assert.ok(!fds.some(isOpen));
    assert.deepEqual(store.tables, []);
    assert.deepEqual(
      told,
      names.map((name) => `release ${name}`),
    );
  });
});
