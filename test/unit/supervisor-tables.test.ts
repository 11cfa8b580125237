// What the supervisor does in which order, with processes that only say that they are there.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { ApiError } from '../../src/api/status.js';
import type { ListenFd } from '../../src/runtime/listen-fds.js';
import { DescriptorStore } from '../../src/supervisor/descriptor-store.js';
import { parseNotification } from '../../src/supervisor/notification.js';
import type { TakeNotification } from '../../src/supervisor/notifications.js';
import { DEFAULT_SETTINGS } from '../../src/supervisor/settings.js';
import type { ProcessExit } from '../../src/supervisor/process.js';
import { Supervisor } from '../../src/supervisor/supervisor.js';
import type { SavedTables, TableDefinition, TableSettings } from '../../src/supervisor/table.js';
import { within } from '../support/wait.js';

const NONE: SavedTables = { created: [], stopped: [] };

/** Limits so short that a test can meet them. */
const LIMITS = { startMs: 40, stopMs: 40, abortMs: 40, flushMs: 40, steadyMs: 60_000 };

/** A process that does nothing by itself. */
interface FakeProcess {
  readonly table: number;
  readonly settings: TableSettings;
  readonly kept: readonly string[];
  say(state: string, fds?: readonly number[]): void;
  exit(code: number | undefined): void;
}

/** The world of a supervisor; `happened` is what was done to it, in order. */
class World {
  readonly happened: string[] = [];
  readonly processes: FakeProcess[] = [];
  saved: SavedTables = NONE;
  isDiskFull = false;
  /** What waits in the notify socket. */
  #waiting: (() => void)[] = [];
  /** Calls that `removeMrules` waits for. */
  finishRemoval: (() => void) | undefined;
  isRemovalSlow = false;
  #listeners = new Map<number, TakeNotification>();

  readonly store = new DescriptorStore(
    { closeDescriptor: () => undefined, setCloseOnExec: () => undefined },
    {
      keep: (name) => this.happened.push(`kept ${name}`),
      release: (name) => this.happened.push(`released ${name}`),
    },
  );

  readonly supervisor = new Supervisor({
    store: this.store,
    notifications: {
      listenTo: (pid, take) => {
        this.#listeners.set(pid, take);
        return () => this.#listeners.delete(pid);
      },
      drain: () => {
        for (const deliver of this.#waiting.splice(0)) deliver();
      },
      [Symbol.dispose]: () => undefined,
    },
    log: pino({ level: 'silent' }),
    limits: LIMITS,
    spawn: (definition, kept, onExit) => this.#spawn(definition, kept, onExit),
    removeMrules: (tables) => {
      this.happened.push(`mrules of ${tables.join()} removed`);
      if (!this.isRemovalSlow) return Promise.resolve();
      return new Promise((resolve) => {
        this.finishRemoval = resolve;
      });
    },
    findOrphans: () => Promise.resolve([]),
    passLog: () => undefined,
    socketPath: (table) => `/nowhere/${table}.sock`,
    tablesFile: {
      load: () => this.saved,
      save: (saved) => {
        if (this.isDiskFull) throw new ApiError('STORAGE', 'the disk is full');
        this.saved = saved;
        this.happened.push('saved');
      },
    },
    stateDirectory: '/nowhere',
  });

  #spawn(definition: TableDefinition, kept: readonly ListenFd[], onExit: (exit: ProcessExit) => void) {
    const pid = 1_000 + this.processes.length;
    const { table, settings } = definition;
    this.happened.push(`started ${table}`);
    this.processes.push({
      table,
      settings,
      kept: kept.map(({ name }) => name),
      say: (state, fds = []) => {
        this.#waiting.push(() => this.#listeners.get(pid)?.(parseNotification(state), fds));
      },
      exit: (code) => {
        const signal = code === undefined ? 'SIGKILL' : undefined;
        onExit({ code, signal, startError: undefined, lastWords: '' });
      },
    });
    const signal = (name: string) => {
      this.happened.push(`${name} to ${table}`);
      // Nobody survives it.
      if (name === 'SIGKILL') setImmediate(() => this.processes[pid - 1_000]?.exit(undefined));
    };
    return { pid, stderr: new PassThrough(), signal };
  }

  get last(): FakeProcess {
    return this.processes.at(-1) ?? assert.fail('nothing was started');
  }

  /** The newest process says it, and is heard. */
  hear(state: string, fds?: readonly number[]): void {
    this.last.say(state, fds);
    this.deliver();
  }

  deliver(): void {
    for (const deliver of this.#waiting.splice(0)) deliver();
  }

  /** What has happened since the last call. */
  news(): string[] {
    return this.happened.splice(0);
  }

  /** Waits until it has happened. */
  async until(what: string): Promise<void> {
    const happens = new Promise<void>((resolve) => {
      const look = () => {
        if (this.happened.includes(what)) resolve();
        else setImmediate(look);
      };
      look();
    });
    await within(happens, what);
  }

  state(table: number): string | undefined {
    return this.supervisor.get(table)?.state;
  }
}

function define(table: number, settings: Partial<TableSettings> = {}): TableDefinition {
  return { table, settings: { ...DEFAULT_SETTINGS, ...settings }, origin: 'configuration' };
}

let world: World;

beforeEach(() => {
  world = new World();
});

afterEach(async () => {
  await world.supervisor.shutDown({ keepsForwarding: true });
});

/** A table whose agent serves. */
async function serving(table: number): Promise<void> {
  const created = world.supervisor.create(table, DEFAULT_SETTINGS);
  world.hear('READY=1');
  await created;
  world.news();
}

describe('what a supervisor is asked', () => {
  it('is saved before it is done', async () => {
    await serving(5);
    const stopped = world.supervisor.stop(5, { keepsForwarding: true });
    world.last.exit(0);
    await stopped;
    assert.deepEqual(world.news(), ['saved', 'SIGUSR2 to 5']);
    assert.deepEqual(world.saved.stopped, [{ table: 5, keepsForwarding: true }]);
    const started = world.supervisor.start(5);
    world.hear('READY=1');
    await started;
    assert.deepEqual(world.news(), ['saved', 'started 5']);
    assert.deepEqual(world.saved.stopped, []);
    const deleted = world.supervisor.delete(5, { forgetsWishes: false });
    world.last.exit(0);
    await deleted;
    assert.deepEqual(world.news(), ['saved', 'SIGTERM to 5']);
    assert.deepEqual(world.saved, NONE);
  });

  it('is not done at all if it cannot be saved', async () => {
    await serving(5);
    world.isDiskFull = true;
    const { supervisor } = world;
    const full = { reason: 'STORAGE' };
    await assert.rejects(supervisor.create(6, DEFAULT_SETTINGS), full);
    await assert.rejects(supervisor.stop(5, { keepsForwarding: false }), full);
    await assert.rejects(supervisor.delete(5, { forgetsWishes: true }), full);
    await assert.rejects(supervisor.reconfigure([define(7)]), full);
    assert.deepEqual(world.news(), []);
    assert.deepEqual(
      supervisor.list().map(({ table, state }) => [table, state]),
      [[5, 'ready']],
    );
  });

  it('is refused of tables that are not there, and once it ends', async () => {
    const { supervisor } = world;
    for (const ask of [
      () => supervisor.start(5),
      () => supervisor.restart(5),
      () => supervisor.stop(5, { keepsForwarding: false }),
      () => supervisor.delete(5, { forgetsWishes: false }),
    ]) {
      await assert.rejects(ask(), { reason: 'TABLE_NOT_FOUND' });
    }
    await supervisor.shutDown({ keepsForwarding: false });
    await assert.rejects(supervisor.create(5, DEFAULT_SETTINGS), { reason: 'AGENT_UNAVAILABLE' });
    assert.deepEqual(world.news(), []);
  });

  it('twice is done once', async () => {
    await serving(5);
    const deletions = [1, 2].map(() => world.supervisor.delete(5, { forgetsWishes: false }));
    await assert.rejects(world.supervisor.create(5, DEFAULT_SETTINGS), /is being deleted/);
    await assert.rejects(world.supervisor.start(5), { reason: 'TABLE_NOT_FOUND' });
    world.last.exit(0);
    await Promise.all(deletions);
    assert.deepEqual(world.news(), ['saved', 'SIGTERM to 5']);
    assert.deepEqual(world.supervisor.list(), []);
  });
});

describe('an agent', () => {
  it('is not started before what the last one left is removed', async () => {
    await serving(5);
    world.isRemovalSlow = true;
    const stopped = world.supervisor.stop(5, { keepsForwarding: false });
    const started = world.supervisor.start(5);
    world.last.exit(undefined);
    await world.until('mrules of 5 removed');
    assert.deepEqual(world.news(), ['saved', 'SIGTERM to 5', 'saved', 'mrules of 5 removed']);
    world.finishRemoval?.();
    await world.until('started 5');
    world.hear('READY=1');
    assert.equal((await started).state, 'ready');
    await stopped;
  });

  it('is started even if that takes too long', async () => {
    await serving(5);
    world.isRemovalSlow = true;
    void world.supervisor.stop(5, { keepsForwarding: false });
    void world.supervisor.start(5).catch(() => undefined);
    world.last.exit(undefined);
    await world.until('started 5');
  });

  it('that does not end is killed, and flushed if it was to', async () => {
    await serving(5);
    world.hear('FDSTORE=1\nFDNAME=mrt4', [0]);
    const stopped = await world.supervisor.stop(5, { keepsForwarding: false });
    assert.equal(stopped.state, 'stopped');
    assert.equal(stopped.descriptors, 0);
    assert.deepEqual(world.news(), [
      'kept 5.mrt4',
      'saved',
      'SIGTERM to 5',
      'SIGKILL to 5',
      'released 5.mrt4',
      'mrules of 5 removed',
    ]);
  });

  it('that does not come to serve is killed, and its starter is told', async () => {
    await assert.rejects(world.supervisor.create(5, DEFAULT_SETTINGS), /not ready in time/);
    assert.deepEqual(world.news(), ['saved', 'started 5', 'SIGKILL to 5']);
    assert.equal(world.state(5), 'backing-off');
  });

  it('is heard to its last word before its successor starts', async () => {
    await serving(5);
    world.last.say('FDSTORE=1\nFDNAME=mrt4', [0]);
    world.last.exit(undefined);
    assert.deepEqual(world.last.kept, ['mrt4']);
    assert.deepEqual(world.news(), ['kept 5.mrt4', 'started 5']);
  });

  it('whose starter waits while another stops it has a starter who is told', async () => {
    const created = world.supervisor.create(5, DEFAULT_SETTINGS);
    const stopped = world.supervisor.stop(5, { keepsForwarding: true });
    world.last.exit(undefined);
    await assert.rejects(created, /table 5 was stopped meanwhile/);
    assert.equal((await stopped).state, 'stopped');
  });
});

describe('a supervisor that begins', () => {
  it('starts what its file has and what was created, but not what was told to stop', () => {
    const created: TableDefinition = { ...define(7), origin: 'api' };
    world.saved = { created: [created], stopped: [{ table: 6, keepsForwarding: true }] };
    world.supervisor.begin([define(5), define(6)]);
    assert.deepEqual(world.news().sort(), ['started 5', 'started 7']);
    assert.equal(world.state(6), 'stopped');
  });

  it('finishes a stop that it did not come to: what is kept is let go', async () => {
    world.saved = { created: [], stopped: [5, 6].map((table) => ({ table, keepsForwarding: table === 6 })) };
    world.store.put(5, 'mrt4', [0]);
    world.store.put(6, 'mrt4', [1]);
    world.news();
    world.supervisor.begin([define(5), define(6)]);
    await world.until('mrules of 5 removed');
    assert.deepEqual(
      world.news().filter((what) => what !== 'mrules of  removed'),
      ['released 5.mrt4', 'mrules of 5 removed'],
    );
    assert.equal(world.store.count(6), 1);
  });

  it('takes the file for a table that was created too', () => {
    world.saved = { created: [{ ...define(5, { mrulePriority: 7 }), origin: 'api' }], stopped: [] };
    world.supervisor.begin([define(5, { mrulePriority: 9 })]);
    assert.equal(world.last.settings.mrulePriority, 9);
    assert.equal(world.processes.length, 1);
  });
});

describe('a change of the file', () => {
  it('makes a table that was created one of the file, and its settings those of the file', async () => {
    await serving(5);
    const done = world.supervisor.reconfigure([define(5, { starG: 'learn' })]);
    await world.until('SIGUSR2 to 5');
    world.last.exit(0);
    await done;
    assert.deepEqual(world.news(), ['saved', 'SIGUSR2 to 5', 'started 5']);
    assert.equal(world.last.settings.starG, 'learn');
    assert.deepEqual(world.saved.created, []);
    assert.equal(world.supervisor.get(5)?.origin, 'configuration');
  });

  it('flushes a table that moves to another namespace, and leaves alone one that was told to stop', async () => {
    await serving(5);
    await serving(6);
    const stopped = world.supervisor.stop(6, { keepsForwarding: true });
    world.processes[1]?.exit(0);
    await stopped;
    world.news();
    void world.supervisor.reconfigure([define(5, { netns: 'red' }), define(6, { starG: 'learn' })]);
    await world.until('SIGTERM to 5');
    world.processes[0]?.exit(0);
    await world.until('started 5');
    assert.deepEqual(world.news(), ['saved', 'SIGTERM to 5', 'started 5']);
    assert.equal(world.last.settings.netns, 'red');
    assert.equal(world.state(6), 'stopped');
  });

  it('tells those who watch of every table that comes, changes or goes', async () => {
    const heard = new Set<string>();
    const stop = world.supervisor.onChange((table, view) => heard.add(`${table} ${view?.state ?? 'gone'}`));
    await serving(5);
    const deleted = world.supervisor.delete(5, { forgetsWishes: false });
    world.last.exit(0);
    await deleted;
    assert.deepEqual([...heard], ['5 stopped', '5 starting', '5 ready', '5 stopping', '5 gone']);
    stop();
    heard.clear();
    await serving(5);
    assert.equal(heard.size, 0);
  });
});
