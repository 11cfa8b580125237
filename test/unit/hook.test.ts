import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DROPPED_INTERVAL_MS, Hook, type HookNote, KILL_DELAY_MS } from '../../src/agent/hook/hook.js';
import type { HookEnd, HookEvents } from '../../src/agent/hook/process.js';
import { formatAddress, parseAddress } from '../../src/model/address.js';
import { HOOK_TIME_LIMIT_S } from '../../src/model/limits.js';

const COMMAND = '/etc/mcroute/hook';
const TIME_LIMIT_MS = HOOK_TIME_LIMIT_S * 1_000;
const OK: HookEnd = { end: 'exit', code: 0 };

interface StartedRun extends HookEvents {
  readonly what: string;
  readonly signals: string[];
}

/** A hook with processes and a clock of the test's. */
function openHook(waitingMax?: number) {
  const notes: HookNote[] = [];
  const runs: StartedRun[] = [];
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  let now = 0;
  const hook = new Hook({
    command: COMMAND,
    onNote: (note) => notes.push(note),
    after: (delayMs, callback) => {
      const timer = { at: now + delayMs, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    spawn: (run, events) => {
      const signals: string[] = [];
      const what = run.what === 'install' ? `install ${formatAddress(run.group).split('.').at(-1) ?? ''}` : 'reload';
      runs.push({ what, signals, ...events });
      return { signal: (signal) => signals.push(signal) };
    },
    ...(waitingMax === undefined ? {} : { waitingMax }),
  });
  return {
    hook,
    notes,
    runs,
    timers,
    signalsOf: (run: number) => runs[run]?.signals ?? [],
    started: () => runs.map(({ what }) => what),
    /** Flows of the groups 239.1.1.N. */
    install: (...groups: readonly number[]) => {
      hook.onInstalled(groups.map((n) => ({ source: parseAddress('10.0.0.1'), group: parseAddress(`239.1.1.${n}`) })));
    },
    /** The run that goes on ends. */
    end: (end: HookEnd = OK) => runs.at(-1)?.onEnd(end),
    pass: (delayMs: number) => {
      now += delayMs;
      for (const timer of [...timers]) {
        if (timer.at > now) continue;
        timers.delete(timer);
        timer.callback();
      }
    },
    noted: (note: HookNote['note']) => notes.filter((each) => each.note === note),
  };
}

/** The note has these fields, and may have more. */
function assertFields(note: HookNote | undefined, fields: Readonly<Record<string, unknown>>): void {
  assert.deepEqual({ ...note, ...fields }, note);
}

describe('the hook', () => {
  it('runs one command at a time, in the order of what happened', () => {
    const { hook, install, started, end } = openHook();
    hook.onReload();
    install(1, 2);
    assert.deepEqual(started(), ['reload']);
    end();
    assert.deepEqual(started(), ['reload', 'install 1']);
    install(1);
    end();
    end();
    assert.deepEqual(started(), ['reload', 'install 1', 'install 2', 'install 1']);
    end();
    assert.equal(started().length, 4);
  });

  it('goes on after a command that failed, and tells once until it fails otherwise or not', () => {
    const { install, end, notes, started } = openHook();
    install(1, 2, 3, 4, 5);
    end({ end: 'exit', code: 3 });
    end({ end: 'exit', code: 3 });
    end({ end: 'signal', signal: 'SIGSEGV' });
    end();
    end({ end: 'exit', code: 3 });
    assert.equal(started().length, 5);
    assert.deepEqual(
      notes.map(({ level, note }) => `${level} ${note}`),
      [
        'warn the hook failed',
        'debug the hook failed',
        'warn the hook failed',
        'debug the hook has run',
        'warn the hook failed',
      ],
    );
    assertFields(notes[0], { what: 'install', source: '10.0.0.1', group: '239.1.1.1', exitCode: 3 });
    assertFields(notes[2], { signal: 'SIGSEGV' });
  });

  for (const [code, cure] of [
    ['ENOENT', /correct -e/],
    ['EACCES', /chmod \+x/],
    ['ENOEXEC', /#!/],
    ['EAGAIN', /tried again/],
  ] as const) {
    it(`tells once how to cure ${code}, and tries again with the next event`, () => {
      const { install, end, notes, started } = openHook();
      install(1, 2);
      end({ end: 'not started', code });
      end({ end: 'not started', code });
      const [first, second] = notes;
      assert.equal(notes.length, 2);
      assertFields(first, { level: 'warn', note: 'the hook cannot be run', error: code });
      assert.match(first?.note === 'the hook cannot be run' ? first.cure : '', cure);
      assert.equal(second?.level, 'debug');
      install(3);
      assert.equal(started().length, 3);
    });
  }

  it('ends a command that takes too long: SIGTERM, then SIGKILL, and what it has left behind', () => {
    const { install, end, pass, signalsOf, noted, started } = openHook();
    install(1, 2);
    pass(TIME_LIMIT_MS - 1);
    assert.deepEqual(signalsOf(0), []);
    pass(1);
    assert.deepEqual(signalsOf(0), ['SIGTERM']);
    pass(KILL_DELAY_MS);
    assert.deepEqual(signalsOf(0), ['SIGTERM', 'SIGKILL']);
    assert.equal(started().length, 1, 'the next one waits until it has ended');
    end({ end: 'signal', signal: 'SIGKILL' });
    assert.deepEqual(signalsOf(0), ['SIGTERM', 'SIGKILL', 'SIGKILL']);
    assert.equal(started().length, 2);
    assert.equal(noted('the hook takes too long and is ended').length, 1);
    assert.equal(noted('the hook failed').length, 0, 'it is told once');
  });

  it('leaves no timer and no signal behind for a command that ends in time', () => {
    const { install, end, pass, signalsOf, timers } = openHook();
    install(1);
    end();
    assert.equal(timers.size, 0);
    pass(TIME_LIMIT_MS + KILL_DELAY_MS);
    assert.deepEqual(signalsOf(0), []);
  });

  it('drops what is too much of a burst, and tells how much in one line', () => {
    const { install, end, pass, noted, started } = openHook(2);
    install(1, 2, 3, 4, 5);
    pass(DROPPED_INTERVAL_MS - 1);
    install(6);
    assert.equal(noted('runs of the hook were dropped').length, 0);
    pass(1);
    assert.deepEqual(noted('runs of the hook were dropped'), [
      { level: 'warn', note: 'runs of the hook were dropped', dropped: 3, waiting: 2 },
    ]);
    pass(DROPPED_INTERVAL_MS);
    assert.equal(noted('runs of the hook were dropped').length, 1);
    end();
    install(7, 8);
    pass(DROPPED_INTERVAL_MS);
    assertFields(noted('runs of the hook were dropped')[1], { dropped: 1 });
    end();
    end();
    assert.deepEqual(started(), ['install 1', 'install 2', 'install 3', 'install 7']);
  });

  it('has what it prints in the log, errors at a level that is seen', () => {
    const { install, runs, notes } = openHook();
    install(1);
    runs[0]?.onLine({ from: 'stdout', text: 'one' });
    runs[0]?.onLine({ from: 'stderr', text: 'two' });
    const fields = { note: 'hook output', what: 'install', source: '10.0.0.1', group: '239.1.1.1' };
    assert.deepEqual(notes, [
      { level: 'info', ...fields, from: 'stdout', text: 'one' },
      { level: 'warn', ...fields, from: 'stderr', text: 'two' },
    ]);
  });

  it('starts nothing more when it is closed, ends what runs and tells what was dropped', () => {
    const { hook, install, end, signalsOf, noted, started } = openHook(1);
    install(1, 2, 3);
    hook.close();
    assert.deepEqual(signalsOf(0), ['SIGTERM']);
    assertFields(noted('runs of the hook were dropped')[0], { dropped: 1, waiting: 0 });
    end({ end: 'signal', signal: 'SIGTERM' });
    hook.onReload();
    install(4);
    assert.deepEqual(started(), ['install 1']);
    assert.equal(noted('the hook failed').length, 0);
  });
});
