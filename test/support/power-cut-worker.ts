// Saves random steps of some tables on the real disk until it kills itself in the middle of one: at a given operation of
// the disk, before or after it, or with half of a write done. The other tables are wherever they are then.
//
//   node power-cut-worker.js
//
// It prints `ready`. One line of stdin is the work: `DIRECTORY SEED TABLES OPERATION before|half|after`. For each step that
// is acknowledged it prints a line: the table, counted from 0. The parent knows the steps, since they follow from the
// seed: that of a table is SEED and its number. Several tables share a process because its start is the dearest part.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Disk, DiskFile } from '../../src/agent/store/disk.js';
import { linuxDisk } from '../../src/agent/store/linux-disk.js';
import { openWishStore } from '../../src/agent/store/wish-store.js';
import { Random } from './random.js';
import { type TableState, EMPTY_STATE, act } from './store-history.js';

/** More would be a history that never comes to its end. */
const ACTIONS_MAX = 400;

type When = 'before' | 'half' | 'after';

/** The real disk, which ends the process at one of its changes. */
function killingDisk(lastOperation: number, when: When): Disk {
  let operation = 0;
  const isLast = (): boolean => operation++ === lastOperation;
  const around = <T>(action: () => T): T => {
    if (!isLast()) return action();
    if (when !== 'before') action();
    return die();
  };
  const aroundAsync = async (action: () => Promise<void>): Promise<void> => {
    if (!isLast()) return action();
    if (when !== 'before') await action();
    return die();
  };
  const write = (file: DiskFile, data: Uint8Array, position: number): void => {
    if (!isLast()) {
      file.writeSync(data, position);
      return;
    }
    if (when === 'half') file.writeSync(data.subarray(0, data.length / 2), position);
    if (when === 'after') file.writeSync(data, position);
    die();
  };
  const wrap = (file: DiskFile): DiskFile => ({
    writeSync: (data, position) => {
      write(file, data, position);
    },
    write: async (data, position) => {
      await Promise.resolve();
      write(file, data, position);
    },
    truncateSync: (size) => {
      around(() => {
        file.truncateSync(size);
      });
    },
    datasyncSync: () => {
      around(() => {
        file.datasyncSync();
      });
    },
    datasync: () => aroundAsync(() => file.datasync()),
    closeSync: () => {
      file.closeSync();
    },
  });
  return {
    ...linuxDisk,
    openSync: (path, how) => wrap(around(() => linuxDisk.openSync(path, how))),
    rename: (from, to) => aroundAsync(() => linuxDisk.rename(from, to)),
    remove: (path) => aroundAsync(() => linuxDisk.remove(path)),
    syncDirectory: (directory) => aroundAsync(() => linuxDisk.syncDirectory(directory)),
  };
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal comes before kill(2) returns.
  throw new Error('still alive');
}

async function work(line: string): Promise<void> {
  const [directory = '', seed, tables, operation, when] = line.split(' ');
  const disk = killingDisk(Number(operation), when as When);
  const numbers = Array.from({ length: Number(tables) }, (_, number) => number);
  await Promise.all(
    numbers.map((number) => live(disk, join(directory, String(number)), Number(seed) + number, number)),
  );
}

async function live(disk: Disk, directory: string, seed: number, number: number): Promise<void> {
  const random = new Random(seed);
  const { store } = openWishStore({ directory, table: 7, onNote: () => undefined, disk });
  let state: TableState = EMPTY_STATE;
  for (let actions = 0; actions < ACTIONS_MAX; actions++) {
    act(store, state, random, (after, saved) => {
      state = after;
      void acknowledge(number, saved);
    });
    // Several steps in one turn share an fdatasync.
    if (random.below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
    if (random.below(6) === 0) await store.sync();
  }
  await store.close();
}

async function acknowledge(number: number, saved: Promise<void>): Promise<void> {
  await saved;
  writeSync(1, `${number}\n`);
}

process.stdin.once('data', (line: Buffer) => {
  process.stdin.destroy();
  void work(line.toString().trim());
});
writeSync(1, 'ready\n');
