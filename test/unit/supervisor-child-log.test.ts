// What agents and the gateway say, in the supervisor's log.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LOG_LINE_MAX } from '../../src/model/limits.js';
import { type Speaker, passLog } from '../../src/supervisor/child-log.js';
import { recordLog } from '../support/recorded-log.js';
import { within } from '../support/wait.js';

const AGENT = { table: 5, pid: 77 };
const { log } = recordLog();

/** All that comes out for chunks that go in. */
async function pass(
  chunks: readonly (Buffer | string)[],
  level = 'trace',
  speaker: Speaker = AGENT,
): Promise<string[]> {
  const output: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      output.push(chunk);
      callback();
    },
  });
  await passLog(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), speaker, recordLog(level).log, sink);
  const text = Buffer.concat(output).toString();
  assert.ok(text === '' || text.endsWith('\n'));
  return text.split('\n').slice(0, -1);
}

/** A line as JSON, without its time. */
function untimed(line: string | undefined): unknown {
  const { time, ...rest } = JSON.parse(line ?? '') as Record<string, unknown>;
  assert.equal(typeof time, 'number');
  return rest;
}

describe('lines of an agent', () => {
  it('that are of its log go out as they are, however they come', async () => {
    const line = '{"level":30,"time":1, "table":5,"pid":77,"msg":"é"}';
    const bytes = Buffer.from(`${line}\n`);
    for (const at of [1, 20, bytes.length - 6, bytes.length - 1]) {
      assert.deepEqual(await pass([bytes.subarray(0, at), bytes.subarray(at)]), [line]);
    }
    assert.deepEqual(await pass([`${line}\n${line}\n\n`]), [line, line]);
    assert.deepEqual(await pass([line]), [line], 'without its last newline');
  });

  it('go under its name, whatever they say', async () => {
    for (const said of ['"table":6,"pid":77,', '"table":5,"pid":1,', '"table":5,', '']) {
      const [line] = await pass([`{"level":30,${said}"msg":"a"}\n`]);
      assert.deepEqual(JSON.parse(line ?? ''), { level: 30, table: 5, pid: 77, msg: 'a' });
    }
  });

  it('go under the name of the gateway where they are its', async () => {
    const gateway: Speaker = { program: 'gateway', pid: 78 };
    const own = '{"level":30,"program":"gateway","pid":78,"table":5,"msg":"a"}';
    const lines = await pass(
      [`${own}\n{"level":30,"program":"supervisor","pid":1,"msg":"b"}\nwords\n`],
      'trace',
      gateway,
    );
    assert.equal(lines[0], own);
    assert.deepEqual(JSON.parse(lines[1] ?? ''), { level: 30, program: 'gateway', pid: 78, msg: 'b' });
    assert.deepEqual(untimed(lines[2]), { level: 40, ...gateway, text: 'words', msg: 'gateway output' });
  });

  it('that are of no log become lines of one', async () => {
    const texts = [
      'mcroute-launch: TABLE_IN_USE: table 5',
      '{"level":',
      '{}',
      '[1]',
      '    at main.js:5',
      'null',
      '"x"',
    ];
    texts.push('\u001b[31mred\u0000');
    const lines = await pass([`${texts.join('\n')}\n`]);
    assert.deepEqual(
      lines.map(untimed),
      texts.map((text) => ({ level: 40, ...AGENT, text, msg: 'agent output' })),
    );
  });

  it('that are of no log are left out where the log has no notices', async () => {
    assert.deepEqual(await pass(['words\n{"level":50,"table":5,"pid":77}\n'], 'error'), [
      '{"level":50,"table":5,"pid":77}',
    ]);
  });

  it('that are too long are cut, and the next one is whole', async () => {
    const long = 'x'.repeat(LOG_LINE_MAX);
    const lines = await pass([`${long}yyy`, 'z'.repeat(LOG_LINE_MAX), `\n${long}\nnext\n`]);
    assert.deepEqual(lines.map(untimed), [
      { level: 40, ...AGENT, cut: true, text: long, msg: 'agent output' },
      { level: 40, ...AGENT, text: long, msg: 'agent output' },
      { level: 40, ...AGENT, text: 'next', msg: 'agent output' },
    ]);
    const record = `{"level":30,"table":5,"pid":77,"msg":"${long}"}\n`;
    assert.equal((untimed((await pass([record]))[0]) as { cut?: boolean }).cut, true);
  });

  it('are the same for every way to cut them into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.array(fc.nat(50)), async (text, sizes) => {
        const bytes = Buffer.from(text);
        const chunks: Buffer[] = [];
        let start = 0;
        for (const size of sizes) {
          chunks.push(bytes.subarray(start, start + size));
          start += size;
        }
        chunks.push(bytes.subarray(start));
        const cut = (await pass(chunks.filter(({ length }) => length > 0))).map(untimed);
        assert.deepEqual(cut, (await pass([bytes])).map(untimed));
      }),
      { numRuns: 200 },
    );
  });
});

describe('the log of an agent', () => {
  it('is read no faster than it is written', async () => {
    let given = 0;
    const flood = new Readable({
      read() {
        given++;
        this.push(Buffer.alloc(16_384, 'line of a flood\n'));
      },
    });
    const written: (() => void)[] = [];
    const sink = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, callback) => written.push(callback) });
    const passing = passLog(flood, AGENT, log, sink);
    // Two chunks are written; the output has taken the first and waits.
    while (written.length === 0) await new Promise(setImmediate);
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    assert.ok(given < 10, `${given} chunks were read while nothing was written`);
    const before = given;
    for (let step = 0; step < 20; step++) {
      written.shift()?.();
      await new Promise(setImmediate);
    }
    assert.ok(given > before, 'it goes on');
    flood.destroy();
    for (let turn = 0; turn < 100; turn++) {
      for (const callback of written.splice(0)) callback();
      await new Promise(setImmediate);
    }
    await within(passing, 'the end of the log');
  });

  it('that ends in the middle of a line, or breaks, has said what it said', async () => {
    const stream = new PassThrough();
    const sink = new PassThrough();
    const said: Buffer[] = [];
    sink.on('data', (chunk: Buffer) => said.push(chunk));
    const passing = passLog(stream, AGENT, log, sink);
    stream.write('first\nsecond, and th');
    await once(sink, 'data');
    stream.destroy(new Error('EIO'));
    await within(passing, 'the end of the log');
    assert.deepEqual(untimed(String(said.at(-1)).trimEnd()), {
      level: 40,
      ...AGENT,
      text: 'second, and th',
      msg: 'agent output',
    });
  });

  it('is read on when nobody reads ours, so that the agent does not stand still', async () => {
    const sink = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, callback) => {
        callback(new Error('EPIPE'));
      },
    });
    sink.on('error', () => undefined);
    const chunks = Array.from({ length: 50 }, () => Buffer.from('a line\n'));
    await within(passLog(Readable.from(chunks), AGENT, log, sink), 'the end of the log');
  });
});
