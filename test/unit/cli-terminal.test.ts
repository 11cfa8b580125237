// Where mcctl's text goes.
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { endWhenUnread, openTerminal } from '../../src/cli/terminal.js';

/** A stream that keeps each write; `isSlow` lets one wait until `release`. */
class Sink extends Writable {
  readonly writes: string[] = [];
  readonly isTTY: boolean;
  release: () => void = () => undefined;
  readonly #isSlow: boolean;

  constructor(isTTY: boolean, isSlow = false) {
    super({ highWaterMark: 1, decodeStrings: false });
    this.isTTY = isTTY;
    this.#isSlow = isSlow;
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.writes.push(chunk);
    if (this.#isSlow) this.release = done;
    else done();
  }
}

async function* texts(count: number, text: string): AsyncGenerator<string> {
  for (let i = 0; i < count; i++) yield await Promise.resolve(text);
}

describe('the terminal', () => {
  it('has colours only where it is one and they are wanted', () => {
    for (const [isTTY, wants] of [
      [true, true],
      [true, false],
      [false, true],
    ] as const) {
      assert.equal(openTerminal(new Sink(isTTY), new Sink(false), wants).hasColour, isTTY && wants);
    }
  });

  it('shows progress in one line, on a terminal alone, and takes it away once', () => {
    const stderr = new Sink(true);
    const terminal = openTerminal(new Sink(false), stderr, false);
    for (const line of [undefined, 'a\n', 'b', undefined, undefined]) terminal.showProgress(line);
    assert.deepEqual(stderr.writes, ['\r\u001b[Ka\\x0a', '\r\u001b[Kb', '\r\u001b[K']);
    const file = new Sink(false);
    openTerminal(new Sink(true), file, false).showProgress('a');
    assert.deepEqual(file.writes, []);
  });

  it('joins many texts to few writes, and loses none', async () => {
    const stdout = new Sink(false);
    await openTerminal(stdout, new Sink(false), false).writeAll(texts(100_000, '0123456789\n'));
    assert.ok(stdout.writes.length < 50, String(stdout.writes.length));
    assert.equal(stdout.writes.join(''), '0123456789\n'.repeat(100_000));
  });

  it('takes no more than the reader does', async () => {
    const stdout = new Sink(false, true);
    let taken = 0;
    const counted = async function* () {
      for await (const text of texts(100_000, '0123456789\n')) {
        taken++;
        yield text;
      }
    };
    const writing = openTerminal(stdout, new Sink(false), false).writeAll(counted());
    while (stdout.writes.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // Turns in which a writer that does not wait would go on.
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(stdout.writes.length, 1);
    assert.ok(taken < 7_000, String(taken));
    const total = '0123456789\n'.length * 100_000;
    while (stdout.writes.join('').length < total) {
      stdout.release();
      await new Promise((resolve) => setImmediate(resolve));
    }
    stdout.release();
    await writing;
  });

  it('tells notes on stderr, a line each', () => {
    const stderr = new Sink(false);
    openTerminal(new Sink(true), stderr, true).note('a\nb\u001b[2J');
    assert.deepEqual(stderr.writes, ['a\\x0ab\\x1b[2J\n']);
  });

  it('ends the program when nobody reads, and does not hide other failures', () => {
    const stdout = new Sink(false);
    const ended = new Error('ended');
    endWhenUnread(stdout, () => {
      throw ended;
    });
    const emit = (code: string) => () => stdout.emit('error', Object.assign(new Error(code), { code }));
    assert.throws(emit('EPIPE'), ended);
    assert.throws(emit('EIO'), { message: 'EIO' });
  });
});
