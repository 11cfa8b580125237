// Logs for people, on stderr and in the system's log.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatSyslog, syslogSink } from '../../src/runtime/syslog.js';
import { type Severity, formatEntry, openTextLog } from '../../src/runtime/text-log.js';

describe('a log of text', () => {
  const ENTRIES: readonly (readonly [fields: Readonly<Record<string, unknown>>, line: string])[] = [
    [{ msg: 'ready' }, 'ready'],
    [{ msg: 'loaded', file: '/etc/x.conf', resources: 3 }, 'loaded (file=/etc/x.conf, resources=3)'],
    [{ msg: 'a warning', text: 'line 3: odd' }, 'a warning: line 3: odd'],
    [{ msg: 'failed', err: { message: 'no memory', stack: 'at x' }, table: 5 }, 'failed: no memory (table=5)'],
    [{ msg: 'flow', flow: { source: '10.0.0.1' } }, 'flow (flow={"source":"10.0.0.1"})'],
    [{ msg: 'errors', text: 'one\ntwo\u0007' }, 'errors: one; two\\x07'],
  ];
  for (const [fields, line] of ENTRIES) {
    it(`says: ${line}`, () => {
      assert.equal(formatEntry(fields), line);
    });
  }

  it('has what its level has, each entry with its severity', () => {
    const all = ['err', 'warning', 'info', 'debug'];
    const LEVELS = { none: 0, err: 1, notice: 2, info: 3, debug: 4 } as const;
    for (const [level, count] of Object.entries(LEVELS) as [keyof typeof LEVELS, number][]) {
      const lines: [Severity, string][] = [];
      const log = openTextLog(level, (...line) => lines.push(line));
      log.error('one');
      log.warn({ table: 1 }, 'two');
      log.info('three');
      log.debug('four');
      const expected = ['one', 'two (table=1)', 'three', 'four'].map((line, i) => [all[i], line]);
      assert.deepEqual(lines, expected.slice(0, count), level);
    }
  });
});

describe('a line for syslog', () => {
  const time = new Date(2026, 0, 5, 7, 8, 9);

  it('has priority, local time, tag and pid as RFC 3164 has them', () => {
    assert.equal(formatSyslog('info', 'lab', 42, 'text', time), '<30>Jan  5 07:08:09 lab[42]: text');
    assert.equal(
      formatSyslog('err', 'lab', 42, 'text', new Date(2026, 10, 21, 17, 18, 19)).slice(0, 20),
      '<27>Nov 21 17:18:19 ',
    );
    assert.match(formatSyslog('warning', 'x', 1, '', time), /^<28>/);
    assert.match(formatSyslog('debug', 'x', 1, '', time), /^<31>/);
  });

  it('fits a datagram, and is not cut within a character', () => {
    for (let shift = 0; shift < 4; shift++) {
      const text = formatSyslog('info', 'lab', 42, `${'x'.repeat(shift)}${'\u20ac'.repeat(2_000)}`, time);
      assert.ok(Buffer.byteLength(text) <= 2_048 && Buffer.byteLength(text) > 2_044);
      assert.doesNotMatch(text, /\ufffd/);
    }
  });
});

describe('the sink for syslog', () => {
  it('goes on when the log is away or full, and says how many lines that has cost', () => {
    const sent: string[] = [];
    let isAway = false;
    const notify = (path: string, text: string) => {
      assert.equal(path, '/nowhere/log');
      if (isAway) throw new Error('EAGAIN');
      sent.push(text.replace(/^.*\]: /, ''));
    };
    const sink = syslogSink('lab', { path: '/nowhere/log', addon: { notify } });
    sink('info', 'one');
    isAway = true;
    for (const line of ['two', 'three', 'four']) sink('info', line);
    isAway = false;
    sink('info', 'five');
    sink('info', 'six');
    assert.deepEqual(sent, ['one', '3 lines were lost: the log took none', 'five', 'six']);
  });
});
