import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { BACKOFF_MAX_MS, backoffMs } from '../../src/supervisor/backoff.js';
import {
  type Child,
  type ChildAction,
  type ChildEvent,
  type ChildLimits,
  STOPPED,
  hasProcess,
  step,
  wakeAt,
} from '../../src/supervisor/child.js';

const LIMITS: ChildLimits = {
  startMs: 60_000,
  stopMs: 10_000,
  abortMs: 5_000,
  flushMs: 8_000,
  steadyMs: 60_000,
  watchdogMs: 30_000,
};

const START: ChildEvent = { event: 'start' };
const RESTART: ChildEvent = { event: 'restart' };
const READY: ChildEvent = { event: 'ready' };
const ALIVE: ChildEvent = { event: 'alive' };
const TIME: ChildEvent = { event: 'time' };
const FLUSHED: ChildEvent = { event: 'flushed' };
const STOP: ChildEvent = { event: 'stop', keeps: false };
const STOP_AND_KEEP: ChildEvent = { event: 'stop', keeps: true };
const KILLED: ChildEvent = { event: 'exited', code: undefined };

function exited(code: number): ChildEvent {
  return { event: 'exited', code };
}

/** An agent on a clock that stands until it is moved. */
class Life {
  child: Child = STOPPED;
  nowMs = 1_000_000;
  readonly #limits: ChildLimits;

  constructor(limits: ChildLimits = LIMITS) {
    this.#limits = limits;
  }

  /** What is to be done after the last of the events, in short words. */
  take(...events: readonly ChildEvent[]): string[] {
    let last: readonly ChildAction[] = [];
    for (const event of events) {
      const { child, actions } = step(this.child, event, { nowMs: this.nowMs, random: 0.5, limits: this.#limits });
      this.child = child;
      last = actions;
    }
    return last.map(wordOf);
  }

  /** Moves the clock to when something is due, and lets it happen. */
  wait(): string[] {
    this.nowMs = wakeAt(this.child) ?? assert.fail(`nothing is due in ${JSON.stringify(this.child)}`);
    return this.take(TIME);
  }

  get state(): string {
    return this.child.state;
  }
}

function wordOf(action: ChildAction): string {
  switch (action.action) {
    case 'start':
      return 'start';
    case 'signal':
      return action.signal;
    case 'flush':
      return action.removesMrules ? 'flush with mrules' : 'flush';
    case 'blame':
      return `blame ${action.fault}`;
  }
}

function serving(limits?: ChildLimits): Life {
  const life = new Life(limits);
  life.take(START, READY);
  return life;
}

describe('an agent', () => {
  it('is started, and serves when it says so', () => {
    const life = new Life();
    assert.deepEqual(life.take(START), ['start']);
    assert.equal(life.state, 'starting');
    assert.deepEqual(life.take(START), []);
    assert.deepEqual(life.take(READY), []);
    assert.equal(life.state, 'ready');
  });

  it('that is stopped flushes its table itself, and what it may have left is looked for only if it went in disorder', () => {
    const orderly = serving();
    assert.deepEqual(orderly.take(STOP), ['SIGTERM']);
    assert.deepEqual(orderly.take(exited(0)), ['flush']);
    assert.equal(orderly.state, 'stopping');
    assert.deepEqual(orderly.take(FLUSHED), []);
    assert.equal(orderly.state, 'stopped');

    const disorderly = serving();
    assert.deepEqual(disorderly.take(STOP, exited(70)), ['flush with mrules']);
    const early = new Life();
    assert.deepEqual(early.take(START, STOP), ['SIGTERM']);
    assert.deepEqual(early.take(exited(0)), ['flush with mrules']);
  });

  it('that is stopped with its forwarding kept leaves everything', () => {
    const life = serving();
    assert.deepEqual(life.take(STOP_AND_KEEP), ['SIGUSR2']);
    assert.deepEqual(life.take(exited(0)), []);
    assert.equal(life.state, 'stopped');
  });

  it('that is gone, with its forwarding kept, is flushed by a stop that does not keep it', () => {
    const life = serving();
    life.take(STOP_AND_KEEP, exited(0));
    assert.deepEqual(life.take(STOP), ['flush with mrules']);
    life.take(FLUSHED);
    assert.equal(life.state, 'stopped');
  });

  it('is killed when it does not end in time', () => {
    for (const event of [STOP, STOP_AND_KEEP, RESTART]) {
      const life = serving();
      life.take(event);
      assert.deepEqual(life.wait(), ['SIGKILL']);
      assert.equal(wakeAt(life.child), undefined);
    }
  });

  it('is restarted by ending the old process, and only then starting the new one', () => {
    const life = serving();
    assert.deepEqual(life.take(RESTART), ['SIGUSR2']);
    assert.deepEqual(life.take(RESTART, START, READY, ALIVE), []);
    assert.deepEqual(life.take(exited(0)), ['start']);
    assert.equal(life.state, 'starting');
  });

  it('that stops and is started meanwhile is flushed first', () => {
    const life = serving();
    assert.deepEqual(life.take(STOP, START), []);
    assert.deepEqual(life.take(exited(0)), ['flush']);
    assert.deepEqual(life.take(START), []);
    assert.deepEqual(life.take(FLUSHED), ['start']);
  });

  it('that restarts and is stopped meanwhile does not come back, and is flushed', () => {
    const life = serving();
    life.take(RESTART, STOP);
    assert.deepEqual(life.take(exited(0)), ['flush']);
    life.take(FLUSHED);
    assert.equal(life.state, 'stopped');
  });

  it('that was told to flush cannot be told to keep any more', () => {
    const life = serving();
    life.take(STOP, STOP_AND_KEEP);
    assert.deepEqual(life.take(exited(0)), ['flush']);
  });

  it('whose remains cannot be removed in time is given up, not waited for', () => {
    const life = serving();
    life.take(STOP, KILLED);
    assert.deepEqual(life.wait(), []);
    assert.equal(life.state, 'stopped');
  });
});

describe('an agent that ends unasked', () => {
  it('is started again at once the first time, then after longer and longer, until it has served a while', () => {
    const life = serving();
    life.nowMs += LIMITS.steadyMs;
    assert.deepEqual(life.take(KILLED), ['blame ended', 'start']);
    const delays = Array.from({ length: 12 }, () => {
      assert.deepEqual(life.take(READY, KILLED), ['blame ended']);
      assert.equal(life.state, 'backing-off');
      const delay = (wakeAt(life.child) ?? NaN) - life.nowMs;
      assert.deepEqual(life.wait(), ['start']);
      return delay;
    });
    assert.deepEqual(delays.slice(0, 4), [75, 150, 300, 600]);
    assert.equal(delays.at(-1), BACKOFF_MAX_MS * 0.75);
    life.take(READY);
    life.nowMs += LIMITS.steadyMs;
    assert.deepEqual(life.take(KILLED), ['blame ended', 'start']);
  });

  it('without having served waits from the first time on', () => {
    const life = new Life();
    assert.deepEqual(life.take(START, exited(1)), ['blame ended']);
    assert.equal(wakeAt(life.child), life.nowMs + 75);
    life.wait();
    life.take(exited(0));
    assert.equal(wakeAt(life.child), life.nowMs + 150);
  });

  it('has failed if another would end the same way, until someone asks', () => {
    for (const code of [64, 77, 78]) {
      for (const life of [serving(), new Life()]) {
        life.take(START);
        assert.deepEqual(life.take(exited(code)), ['blame ended']);
        assert.equal(life.state, 'failed');
        assert.equal(wakeAt(life.child), undefined);
        assert.deepEqual(life.take(START), ['start']);
      }
    }
    for (const code of [0, 1, 69, 70, 71, 76]) {
      const life = new Life();
      life.take(START, exited(code));
      assert.equal(life.state, 'backing-off', `code ${code}`);
    }
  });

  it('is started at once by one who asks, with no failures to its name', () => {
    for (const event of [START, RESTART]) {
      const life = new Life();
      life.take(START, exited(1));
      assert.deepEqual(life.take(event), ['start']);
      assert.deepEqual(life.take(exited(1)), ['blame ended']);
      assert.equal(wakeAt(life.child), life.nowMs + 75);
    }
  });

  it('is not started again once it is told to stop', () => {
    const life = new Life();
    life.take(START, exited(1));
    assert.deepEqual(life.take(STOP_AND_KEEP), []);
    assert.equal(life.state, 'stopped');
    assert.equal(wakeAt(life.child), undefined);
  });
});

describe('an agent that hangs', () => {
  it('while it starts is killed, never told to flush, and started again', () => {
    const life = new Life();
    life.take(START);
    assert.equal(wakeAt(life.child), life.nowMs + LIMITS.startMs);
    assert.deepEqual(life.wait(), ['SIGKILL']);
    assert.deepEqual(life.take(KILLED), ['blame late']);
    assert.equal(life.state, 'backing-off');
  });

  it('while it starts has as much time more as it asks for, and never less than before', () => {
    const life = new Life();
    life.take(START);
    const due = wakeAt(life.child);
    life.take({ event: 'extend', byMs: 1_000 });
    assert.equal(wakeAt(life.child), due);
    life.take({ event: 'extend', byMs: 600_000 });
    assert.equal(wakeAt(life.child), life.nowMs + 600_000);
    life.nowMs += LIMITS.startMs;
    assert.deepEqual(life.take({ event: 'time' }), []);
    assert.deepEqual(life.wait(), ['SIGKILL']);
  });

  it('while it serves is aborted, then killed, and replaced', () => {
    const life = serving();
    life.nowMs += 20_000;
    life.take(ALIVE);
    assert.equal(wakeAt(life.child), life.nowMs + 30_000);
    assert.deepEqual(life.wait(), ['SIGABRT']);
    assert.deepEqual(life.wait(), ['SIGKILL']);
    assert.deepEqual(life.take(KILLED), ['blame silent', 'start']);
  });

  it('is left alone where nobody minds', () => {
    assert.equal(wakeAt(serving({ ...LIMITS, watchdogMs: undefined }).child), undefined);
  });

  it('is not ended by a timer that was set before its last sign of life', () => {
    const life = serving();
    const dueMs = wakeAt(life.child) ?? NaN;
    life.nowMs = dueMs - 1;
    life.take(ALIVE);
    life.nowMs = dueMs;
    assert.deepEqual(life.take(TIME), []);
    assert.equal(life.state, 'ready');
  });
});

const anyEvent: fc.Arbitrary<ChildEvent> = fc.oneof(
  fc.constantFrom(START, RESTART, READY, ALIVE, TIME, FLUSHED, STOP, STOP_AND_KEEP, KILLED),
  fc.constantFrom(0, 1, 64, 70, 77, 78).map(exited),
);

const anyHistory = fc.array(fc.tuple(anyEvent, fc.integer({ min: 0, max: 70_000 })), { maxLength: 60 });

/** A world with processes in it, which checks that what the machine asks for is possible. */
class World {
  readonly life = new Life();
  processes = 0;
  flushes = 0;

  take(event: ChildEvent): void {
    // Processes end, and flushes finish, only where there are any.
    if (event.event === 'exited' && this.processes === 0) return;
    if (event.event === 'flushed' && this.flushes === 0) return;
    if (event.event === 'exited') this.processes--;
    if (event.event === 'flushed') this.flushes--;
    for (const action of this.life.take(event)) {
      if (action === 'start') this.processes++;
      else if (action.startsWith('SIG')) assert.equal(this.processes, 1, `${action} to nobody`);
      else if (action.startsWith('flush')) {
        assert.equal(this.processes, 0, 'flushed beside a process');
        this.flushes++;
      }
      assert.ok(this.processes <= 1, 'two processes');
    }
    assert.equal(hasProcess(this.life.child), this.processes === 1);
  }

  play(history: readonly (readonly [ChildEvent, number])[]): void {
    for (const [event, laterMs] of history) {
      this.life.nowMs += laterMs;
      this.take(event);
    }
  }

  /** What must come, comes: what was killed ends, and time passes. */
  letPass(): void {
    const { child } = this.life;
    if (wakeAt(child) !== undefined) this.#wake();
    else if (child.state === 'stopping') this.take(KILLED);
    else assert.fail(`nothing comes in ${JSON.stringify(child)}`);
  }

  #wake(): void {
    this.life.nowMs = Math.max(this.life.nowMs, wakeAt(this.life.child) ?? 0);
    this.take(TIME);
  }
}

describe('whatever happens to an agent', () => {
  it('there are never two processes, and nobody signals or flushes beside one', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        new World().play(history);
      }),
    );
  });

  it('it can be made to serve', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const world = new World();
        world.play(history);
        world.take(START);
        for (let steps = 0; world.life.state === 'stopping' && steps < 4; steps++) world.letPass();
        if (world.life.state === 'backing-off') world.letPass();
        world.take(READY);
        assert.equal(world.life.state, 'ready');
      }),
    );
  });

  it('it can be stopped, and nothing is due or runs then', () => {
    fc.assert(
      fc.property(anyHistory, fc.constantFrom(STOP, STOP_AND_KEEP), (history, stop) => {
        const world = new World();
        world.play(history);
        world.take(stop);
        for (let steps = 0; world.life.state === 'stopping' && steps < 4; steps++) world.letPass();
        assert.equal(world.life.state, 'stopped');
        assert.equal(world.processes, 0);
        assert.equal(wakeAt(world.life.child), undefined);
      }),
    );
  });
});

describe('the back-off', () => {
  it('is nothing without a failure, never negative, never above its limit, and at least half of what is meant', () => {
    assert.equal(backoffMs(0, 0.9), 0);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, random) => {
          const delay = backoffMs(failures, random);
          assert.ok(delay >= 50 && delay <= BACKOFF_MAX_MS, String(delay));
          assert.ok(delay <= backoffMs(failures, 0) * 2);
          assert.ok(delay <= backoffMs(failures + 1, random), 'it never gets shorter');
        },
      ),
    );
  });
});
