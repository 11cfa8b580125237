import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HookOutput } from '../../src/agent/hook/output.js';
import { HookQueue, type HookRun } from '../../src/agent/hook/queue.js';
import { formatAddress, parseAddress } from '../../src/model/address.js';
import { HOOK_LINES_MAX, HOOK_LINE_MAX } from '../../src/model/limits.js';

const INSTALLS_MAX = 4;

const reload: HookRun = { what: 'reload' };

function install(source: string, group: string): HookRun {
  return { what: 'install', source: parseAddress(source), group: parseAddress(group) };
}

function text(run: HookRun | undefined): string | undefined {
  return run?.what === 'install' ? `(${formatAddress(run.source)}, ${formatAddress(run.group)})` : run?.what;
}

const anyRun = fc.oneof(
  { weight: 1, arbitrary: fc.constant(reload) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.boolean())
      .map(([source, group, isIpv4]) =>
        isIpv4 ? install(`10.0.0.${source}`, `239.1.1.${group}`) : install(`2001:db8::${source}`, `ff1e::${group}`),
      ),
  },
);

describe('the queue of the hook', () => {
  it('gives in order, each once, what it has taken, and counts the rest (a plain list does the same)', () => {
    const step = fc.oneof({ weight: 3, arbitrary: anyRun }, { weight: 1, arbitrary: fc.constant('take' as const) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new HookQueue(INSTALLS_MAX);
        const list: string[] = [];
        let dropped = 0;
        for (const each of steps) {
          if (each === 'take') {
            assert.equal(text(queue.take()), list.shift());
            continue;
          }
          const name = text(each) ?? '';
          const installs = list.filter((other) => other !== 'reload').length;
          if (list.includes(name)) assert.equal(queue.add(each), 'coalesced');
          else if (name !== 'reload' && installs === INSTALLS_MAX) {
            dropped++;
            assert.equal(queue.add(each), 'dropped');
          } else {
            list.push(name);
            assert.equal(queue.add(each), 'waits');
          }
          assert.equal(queue.size, list.length);
        }
        assert.equal(queue.takeDropped(), dropped);
        assert.equal(queue.takeDropped(), 0);
      }),
    );
  });

  it('takes a reload when it is full', () => {
    const queue = new HookQueue(1);
    assert.equal(queue.add(install('10.0.0.1', '239.1.1.1')), 'waits');
    assert.equal(queue.add(install('10.0.0.2', '239.1.1.1')), 'dropped');
    assert.equal(queue.add(reload), 'waits');
    assert.equal(queue.add(reload), 'coalesced');
  });

  it('takes the same flow again once its run has begun: it may have come anew', () => {
    const queue = new HookQueue(1);
    queue.add(install('10.0.0.1', '239.1.1.1'));
    queue.take();
    assert.equal(queue.add(install('10.0.0.1', '239.1.1.1')), 'waits');
  });

  it('forgets all that waits', () => {
    const queue = new HookQueue(2);
    queue.add(install('10.0.0.1', '239.1.1.1'));
    queue.add(reload);
    assert.equal(queue.clear(), 2);
    assert.equal(queue.take(), undefined);
  });
});

describe('the output of the hook', () => {
  it('is cut into lines, whatever the chunks', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { maxLength: 20 }), fc.nat(7), (lines, size) => {
        const whole = lines.map((line) => `${line}\n`).join('');
        const output = new HookOutput();
        const found: string[] = [];
        for (let at = 0; at < whole.length; at += size + 1) {
          for (const line of output.take('stdout', whole.slice(at, at + size + 1)) ?? []) found.push(line.text);
        }
        assert.deepEqual(found, lines);
      }),
    );
  });

  it('ends with a line that has no end, and has none for what is empty', () => {
    const output = new HookOutput();
    assert.deepEqual(output.take('stderr', '\n\n  \nbegun'), []);
    assert.deepEqual(output.end(), [{ from: 'stderr', text: 'begun' }]);
    assert.deepEqual(output.end(), []);
  });

  it('has no more lines than its limit, of both streams together, and says that there were more', () => {
    const output = new HookOutput();
    const half = 'line\n'.repeat(HOOK_LINES_MAX / 2);
    const lines = [...(output.take('stdout', half) ?? []), ...(output.take('stderr', half) ?? [])];
    assert.equal(lines.length, HOOK_LINES_MAX);
    assert.ok(lines.every(({ text: each }) => each === 'line'));
    assert.deepEqual(output.take('stdout', 'more\nand more\n'), [{ from: 'stdout', text: '(the rest is dropped)' }]);
    assert.equal(output.take('stderr', 'more\n'), undefined);
    assert.deepEqual(output.end(), []);
  });

  it('has no line longer than its limit, and keeps no more of one that never ends', () => {
    const output = new HookOutput();
    for (let chunk = 0; chunk < 100; chunk++) assert.deepEqual(output.take('stdout', 'x'.repeat(65_536)), []);
    assert.deepEqual(output.take('stdout', '\nnext\n'), [
      { from: 'stdout', text: 'x'.repeat(HOOK_LINE_MAX) },
      { from: 'stdout', text: 'next' },
    ]);
  });
});
