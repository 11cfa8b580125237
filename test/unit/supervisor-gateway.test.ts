// The gateway as the supervisor keeps it: what its settings do, and what is made for it.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Gateway } from '../../src/supervisor/gateway.js';
import { parseNotification } from '../../src/supervisor/notification.js';
import type { TakeNotification } from '../../src/supervisor/notifications.js';
import type { ProcessExit } from '../../src/supervisor/process.js';
import type { GatewaySettings } from '../../src/supervisor/settings.js';
import { recordLog } from '../support/recorded-log.js';

const SETTINGS: GatewaySettings = { configFile: undefined, user: undefined, logLevel: undefined, watchdogS: 60 };
const LIMITS = { startMs: 60_000, stopMs: 60_000, abortMs: 60_000, flushMs: 60_000, steadyMs: 60_000 };

/** A gateway whose processes do nothing by themselves. */
class World {
  /** What was done, in order. */
  readonly happened: string[] = [];
  /** Called with each signal that a process gets. */
  onSignal: () => void = () => undefined;
  readonly #recorded = recordLog('info');
  readonly #listeners = new Map<number, TakeNotification>();
  #pid = 1_000;
  #exit: (exit: ProcessExit) => void = () => assert.fail('there is no process');

  readonly gateway = new Gateway({
    notifications: {
      listenTo: (pid, take) => {
        this.#listeners.set(pid, take);
        return () => this.#listeners.delete(pid);
      },
      drain: () => undefined,
      [Symbol.dispose]: () => undefined,
    },
    log: this.#recorded.log,
    limits: LIMITS,
    prepare: (settings) => {
      const user = settings.user ?? 'the usual user';
      this.happened.push(`door for ${user}`);
      const stop = () => {
        this.happened.push(`no door for ${user}`);
        return Promise.resolve();
      };
      return Promise.resolve({ spawn: (onExit) => this.#spawn(onExit), door: { stop } });
    },
    passLog: () => undefined,
    closeDescriptor: (fd) => {
      this.happened.push(`closed ${fd}`);
    },
  });

  /** What has happened since this was asked last. */
  news(): readonly string[] {
    return this.happened.splice(0);
  }

  /** The sentences of the log that tell why it went. */
  errors(): readonly unknown[] {
    return this.#recorded.lines.flatMap(({ error }) => (error === undefined ? [] : [error]));
  }

  say(state: string, fds: readonly number[] = []): void {
    this.#listeners.get(this.#pid)?.(parseNotification(state), fds);
  }

  /** Ends it, and its process if there is one, however it is. */
  async end(): Promise<void> {
    this.onSignal = () => {
      setImmediate(() => {
        this.#exit({ code: 0, signal: undefined, startError: undefined, lastWords: '' });
      });
    };
    await this.gateway.shutDown();
  }

  exit(code: number): void {
    this.#exit({ code, signal: undefined, startError: undefined, lastWords: 'mcroute-gateway: for a reason\n' });
  }

  /** A gateway of these settings that serves. */
  async serve(settings = SETTINGS): Promise<void> {
    await this.gateway.configure(settings);
    this.say('READY=1');
    assert.equal(this.gateway.summary, 'gateway ready');
    this.news();
  }

  #spawn(onExit: (exit: ProcessExit) => void) {
    const pid = ++this.#pid;
    this.#exit = onExit;
    this.happened.push('started');
    const signal = (name: string) => {
      this.happened.push(name);
      this.onSignal();
      if (name === 'SIGUSR2')
        setImmediate(() => {
          onExit({ code: 0, signal: undefined, startError: undefined, lastWords: '' });
        });
    };
    return { pid, stderr: new PassThrough(), signal };
  }
}

describe('a gateway', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  // Its timers would keep the test alive.
  afterEach(() => world.end());

  it('is not there where nobody asks for one', async () => {
    await world.gateway.configure(undefined);
    await world.gateway.shutDown();
    assert.equal(world.gateway.summary, undefined);
    assert.deepEqual(world.news(), []);
  });

  it('finds its door when it starts', async () => {
    await world.gateway.configure(SETTINGS);
    assert.deepEqual(world.news(), ['door for the usual user', 'started']);
    assert.equal(world.gateway.summary, 'gateway starting');
  });

  it('reads its files again when its settings are as they were', async () => {
    await world.serve();
    await world.gateway.configure({ ...SETTINGS });
    assert.deepEqual(world.news(), ['SIGHUP']);
  });

  it('is replaced, with its door, when its settings are others', async () => {
    await world.serve();
    await world.gateway.configure({ ...SETTINGS, user: 'gw' });
    assert.deepEqual(world.news(), ['SIGUSR2', 'no door for the usual user', 'door for gw', 'started']);
  });

  it('goes with its section of the file', async () => {
    await world.serve();
    await world.gateway.configure(undefined);
    assert.deepEqual(world.news(), ['SIGUSR2', 'no door for the usual user']);
    assert.equal(world.gateway.summary, undefined);
  });

  it('that ends by itself is started again, and keeps its door', async () => {
    await world.serve();
    world.exit(1);
    assert.deepEqual(world.news(), ['started']);
    assert.equal(world.errors().at(-1), 'the gateway ended with 1: for a reason');
  });

  for (const code of [64, 77, 78]) {
    it(`that ends with ${code} is not, until the file is read again`, async () => {
      await world.serve();
      world.exit(code);
      assert.deepEqual(world.news(), []);
      assert.equal(world.gateway.summary, 'gateway failed: see the log');
      assert.equal(world.errors().at(-1), `the gateway ended with ${code}: for a reason`);
      await world.gateway.configure({ ...SETTINGS });
      assert.deepEqual(world.news(), ['no door for the usual user', 'door for the usual user', 'started']);
    });
  }

  it('has nothing kept for it', async () => {
    await world.serve();
    world.say('FDSTORE=1\nFDNAME=tcp', [7, 8]);
    assert.deepEqual(world.news(), ['closed 7', 'closed 8']);
  });

  it('ends for good with the supervisor, also when it is being replaced', async () => {
    await world.serve();
    const endings: Promise<void>[] = [];
    world.onSignal = () => endings.push(world.gateway.shutDown(), world.gateway.shutDown());
    await world.gateway.configure({ ...SETTINGS, user: 'gw' });
    assert.equal(endings.length, 2);
    await Promise.all(endings);
    await world.gateway.configure(SETTINGS);
    assert.deepEqual(world.news(), ['SIGUSR2', 'no door for the usual user']);
  });

  it('tells of changes', async () => {
    const seen: (string | undefined)[] = [];
    const stop = world.gateway.onChange(() => seen.push(world.gateway.summary));
    await world.serve();
    stop();
    world.exit(78);
    assert.deepEqual(seen, ['gateway starting', 'gateway ready']);
  });
});
