// Real files and real SIGKILLs: what was acknowledged before the process was killed is read by the next one.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { openWishStore } from '../../src/agent/store/wish-store.js';
import { Random } from '../support/random.js';
import { EMPTY_STATE, type TableState, act, wishesText } from '../support/store-history.js';
import { waitForExit } from '../support/wait.js';

const HISTORIES = 1_000;

/** Histories of one process, which end together. */
const TABLES = 4;

/** Workers that run at a time; as many more have been started and wait for their work. */
const AT_A_TIME = 2;

/** The last operation of the disk is below this: the worker is killed before it has no more steps. */
const OPERATIONS_MAX = 120 * TABLES;

const WORKER = join(import.meta.dirname, '../support/power-cut-worker.js');

describe('a process that saves and is killed', () => {
  let root = '';
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'mcroute-power-cut-'));
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  it(`leaves all that it acknowledged, in ${HISTORIES} random histories`, async () => {
    let next = 0;
    let acknowledgedInAll = 0;
    const runSome = async (): Promise<void> => {
      let waiting = startWorker();
      while (next < HISTORIES) {
        const seed = next;
        next += TABLES;
        const worker = waiting;
        waiting = startWorker();
        acknowledgedInAll += await runHistories(worker, join(root, String(seed)), seed);
      }
      waiting.kill('SIGKILL');
      await waitForExit(waiting);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, runSome));
    assert.ok(acknowledgedInAll > HISTORIES, `only ${acknowledgedInAll} steps were acknowledged`);
  });
});

function startWorker(): ChildProcess {
  return spawn(process.execPath, [WORKER], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Lets a worker be killed amid its histories and reads what it left. Returns how many steps it acknowledged. */
async function runHistories(worker: ChildProcess, directory: string, seed: number): Promise<number> {
  for (let table = 0; table < TABLES; table++) mkdirSync(join(directory, String(table)), { recursive: true });
  const random = new Random(seed * 2 + 1);
  const when = random.pick(['before', 'half', 'after']);
  const { stdin, stdout } = worker;
  assert.ok(stdin !== null && stdout !== null);
  stdin.end(`${directory} ${seed} ${TABLES} ${random.below(OPERATIONS_MAX)} ${when}\n`);
  const [output, end] = await Promise.all([text(stdout), waitForExit(worker)]);
  assert.equal(end, 'SIGKILL', `seed ${seed}`);
  const lines = output.split('\n');
  for (let table = 0; table < TABLES; table++) {
    const acknowledged = lines.filter((line) => line === String(table)).length;
    await assertSaved(join(directory, String(table)), seed + table, acknowledged);
  }
  rmSync(directory, { recursive: true });
  return lines.filter((line) => /^\d+$/.test(line)).length;
}

async function assertSaved(directory: string, seed: number, acknowledged: number): Promise<void> {
  const notes: string[] = [];
  const { store, wishes, revision } = openWishStore({
    directory,
    table: 7,
    onNote: ({ note }) => notes.push(note),
  });
  await store.close();
  const states = statesOf(seed, acknowledged + UNACKNOWLEDGED_MAX);
  const index = states.findIndex((state) => state.revision === revision);
  assert.ok(index >= acknowledged, `seed ${seed}: ${index} steps were read, ${acknowledged} were acknowledged`);
  assert.equal(wishesText(wishes), wishesText(states[index]?.wanted.values() ?? []), `seed ${seed}`);
  // Nothing but what a kill leaves: half a step, half a header.
  const unexpected = notes.filter((note) => !EXPECTED_NOTES.includes(note));
  assert.deepEqual(unexpected, [], `seed ${seed}`);
}

/** Steps that a worker may have begun and not acknowledged. */
const UNACKNOWLEDGED_MAX = 100;

const EXPECTED_NOTES = ['an unfinished step was cut off', 'a journal without a header was set aside'];

/** The first states of a history. */
function statesOf(seed: number, count: number): TableState[] {
  const random = new Random(seed);
  const states: TableState[] = [EMPTY_STATE];
  const unsaved = { append: () => undefined, sync: () => Promise.resolve(), snapshot: () => Promise.resolve() };
  while (states.length <= count) {
    act(unsaved, states.at(-1) ?? EMPTY_STATE, random, (next) => states.push(next));
    // As the worker draws them.
    random.below(3);
    random.below(6);
  }
  return states;
}
