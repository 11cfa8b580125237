// The audit file: every line is there in order, or is known to be lost; and whoever writes one never waits and never fails.
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { AuditDisk, AuditFile } from '../../src/gateway/audit-disk.js';
import { formatAuditRecord } from '../../src/gateway/audit-line.js';
import { type AuditLog, type AuditRecord, WAITING_LINES_MAX, openAudit } from '../../src/gateway/audit.js';
import { recordLog } from '../support/recorded-log.js';
import { eventually } from '../support/wait.js';

const RECORD: AuditRecord = {
  time: Date.UTC(2026, 10, 21, 12),
  identity: 'spiffe://lab/a',
  address: '192.0.2.7:4711',
  method: 'RoutingService.Apply',
  table: 5,
  outcome: 'OK',
  durationMs: 1.23456,
};

/** A record that is known by its table. */
const record = (table: number): AuditRecord => ({ ...RECORD, table });

type Line = Readonly<Record<string, unknown>>;

function linesOf(text: string): Line[] {
  assert.ok(text === '' || text.endsWith('\n'), 'a line has no end');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

const tablesOf = (text: string) => linesOf(text).map(({ table, lost }) => table ?? `lost ${String(lost)}`);

/** Files in memory; `fate` is asked before each step and throws what fails. Half of what fails is written. */
class AuditDiskModel implements AuditDisk {
  readonly files = new Map<string, { text: string }>();
  fate: (step: 'open' | 'append' | 'truncate' | 'rename' | 'remove') => Promise<void> | void = () => undefined;

  async open(path: string): Promise<AuditFile> {
    await this.fate('open');
    const file = this.files.get(path) ?? { text: '' };
    this.files.set(path, file);
    return {
      size: file.text.length,
      hasOpenLine: file.text !== '' && !file.text.endsWith('\n'),
      append: async (bytes) => {
        try {
          await this.fate('append');
        } catch (error) {
          file.text += bytes.subarray(0, bytes.length / 2).toString();
          throw error;
        }
        file.text += bytes.toString();
      },
      truncate: async (size) => {
        await this.fate('truncate');
        file.text = file.text.slice(0, size);
      },
      close: () => Promise.resolve(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    await this.fate('rename');
    const file = this.files.get(from);
    if (file === undefined) throw failure('ENOENT');
    this.files.set(to, file);
    this.files.delete(from);
  }

  async remove(path: string): Promise<void> {
    await this.fate('remove');
    this.files.delete(path);
  }

  text(path = FILE): string {
    return this.files.get(path)?.text ?? '';
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const FILE = '/log/audit.log';
const LINE = formatAuditRecord(record(1)).length + 1;

let disk: AuditDiskModel;
let log: ReturnType<typeof recordLog>;

beforeEach(() => {
  disk = new AuditDiskModel();
  log = recordLog();
});

function open({ lines = 1_000, files = 3, retryMs = 1 } = {}): AuditLog {
  return openAudit({ file: FILE, maxSize: lines * LINE, files }, log.log, { disk, retryMs, now: () => RECORD.time });
}

describe('a line of the audit', () => {
  it('says who did what, and what came of it', () => {
    const text = formatAuditRecord({
      ...RECORD,
      reason: 'R',
      message: 'm',
      revision: '7',
      added: 1,
      changed: 2,
      removed: 3,
      first: ['+a'],
      others: 4,
    });
    assert.equal(
      text,
      '{"time":"2026-11-21T12:00:00.000Z","identity":"spiffe://lab/a","address":"192.0.2.7:4711","method":"RoutingService.Apply",' +
        '"table":5,"outcome":"OK","reason":"R","message":"m","revision":"7","added":1,"changed":2,"removed":3,"first":["+a"],"others":4,"durationMs":1.235}',
    );
    assert.doesNotMatch(formatAuditRecord(RECORD), /reason|first/);
  });

  it('is one line of bounded length, whatever a client has written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        const times = text.repeat(100);
        const line = formatAuditRecord({
          ...RECORD,
          identity: times,
          address: times,
          method: times,
          message: times,
          first: new Array<string>(100).fill(times),
        });
        assert.doesNotMatch(line, /[\n\r]/);
        assert.ok(Buffer.byteLength(line) < 32 * 1024);
        JSON.parse(line);
      }),
    );
  });
});

describe('the audit', () => {
  it('writes all lines in order', async () => {
    await using audit = open();
    for (let i = 1; i <= 500; i++) audit.write(record(i));
    await audit.flush();
    assert.deepEqual(
      tablesOf(disk.text()),
      Array.from({ length: 500 }, (_, i) => i + 1),
    );
    assert.deepEqual(audit.status, { file: FILE, written: 500, lost: 0, error: undefined });
  });

  it('puts files aside when they are full, and keeps as many as it was told', async () => {
    await using audit = open({ lines: 2, files: 3 });
    for (let i = 1; i <= 9; i++) {
      audit.write(record(i));
      await audit.flush();
    }
    assert.deepEqual([...disk.files.keys()].sort(), [FILE, `${FILE}.1`, `${FILE}.2`]);
    assert.deepEqual(
      [FILE, `${FILE}.1`, `${FILE}.2`].map((path) => tablesOf(disk.text(path))),
      [[9], [7, 8], [5, 6]],
    );
  });

  it('keeps one file if it was told so', async () => {
    await using audit = open({ lines: 2, files: 1 });
    for (let i = 1; i <= 5; i++) {
      audit.write(record(i));
      await audit.flush();
    }
    assert.deepEqual([[...disk.files.keys()], tablesOf(disk.text())], [[FILE], [5]]);
  });

  it('rather lets a file grow that cannot be put aside, up to what all may have', async () => {
    disk.fate = (step) => {
      if (step === 'rename') throw failure('EACCES');
    };
    await using audit = open({ lines: 2, files: 3 });
    for (let i = 1; i <= 6; i++) {
      audit.write(record(i));
      await audit.flush();
    }
    assert.deepEqual(tablesOf(disk.text()), [1, 2, 3, 4, 5, 6]);
    assert.match(audit.status.error ?? '', /cannot be put aside, and grows: no permission/);
    audit.write(record(7));
    await audit.flush();
    assert.equal(tablesOf(disk.text()).length, 6);
    disk.fate = () => undefined;
    await audit.flush();
    assert.deepEqual([tablesOf(disk.text()), audit.status.error], [[7], undefined]);
    assert.deepEqual(
      log.lines.map(({ msg }) => msg),
      ['the audit file cannot be put aside', 'the audit file cannot be written', 'the audit file is written again'],
    );
  });

  it('writes what waits when a full disk has room again, no line twice and none by halves', async () => {
    let isFull = true;
    disk.fate = (step) => {
      if (step === 'append' && isFull) throw failure('ENOSPC');
    };
    await using audit = open();
    for (let i = 1; i <= 20; i++) audit.write(record(i));
    await eventually(() => audit.status.error, 'the error');
    assert.match(audit.status.error ?? '', /^'\/log\/audit\.log' cannot be written: the disk is full; make room$/);
    assert.equal(disk.text(), '');
    for (let i = 21; i <= 30; i++) audit.write(record(i));
    isFull = false;
    await eventually(() => audit.status.written === 30 || undefined, 'all lines, without being asked');
    assert.deepEqual(
      tablesOf(disk.text()),
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    assert.deepEqual([audit.status.lost, audit.status.error], [0, undefined]);
    // Once, however often it was tried.
    assert.deepEqual(
      log.lines.map(({ msg }) => msg),
      ['the audit file cannot be written', 'the audit file is written again'],
    );
  });

  it('counts what is lost, and says so in the file where it is missing', async () => {
    disk.fate = () => {
      throw failure('ENOSPC');
    };
    await using audit = open({ lines: 100_000 });
    for (let i = 1; i <= WAITING_LINES_MAX + 5; i++) audit.write(record(i));
    assert.equal(audit.status.lost, 5);
    await audit.flush();
    disk.fate = () => undefined;
    await audit.flush();
    audit.write(record(77));
    await audit.flush();
    const tables = tablesOf(disk.text());
    assert.deepEqual(tables.slice(-3), [WAITING_LINES_MAX, 'lost 5', 77]);
    assert.equal(tables.length, WAITING_LINES_MAX + 2);
  });

  it('keeps no more bytes than it may', async () => {
    disk.fate = () => {
      throw failure('EIO');
    };
    await using audit = open();
    const long = { ...RECORD, message: 'é'.repeat(500), first: new Array<string>(10).fill('x'.repeat(250)) };
    for (let i = 0; i < 2_000; i++) audit.write(long);
    assert.ok(audit.status.lost > 500, String(audit.status.lost));
  });

  it('never waits for a disk that does not answer, nor does its end for long', async () => {
    let answer: (() => void) | undefined;
    disk.fate = (step) => (step === 'append' ? new Promise<void>((resolve) => (answer = resolve)) : undefined);
    await using audit = open({ lines: 100_000 });
    audit.write(record(1));
    await eventually(() => answer, 'the write');
    for (let i = 2; i <= WAITING_LINES_MAX + 10; i++) audit.write(record(i));
    assert.equal(audit.status.lost > 0, true);
    disk.fate = () => undefined;
    answer?.();
    await audit.flush();
    assert.equal(tablesOf(disk.text())[0], 1);
  });

  it('tells its followers each line, also those that the disk does not take', () => {
    disk.fate = () => {
      throw failure('EIO');
    };
    const audit = open();
    const told: unknown[] = [];
    const stop = audit.follow((line, { table }) => told.push([(JSON.parse(line) as Line)['table'], table]));
    audit.write(record(1));
    audit.write(record(2));
    stop();
    audit.write(record(3));
    assert.deepEqual(told, [
      [1, 1],
      [2, 2],
    ]);
  });

  it('needs no file', async () => {
    await using audit = openAudit({ file: undefined, maxSize: 1, files: 1 }, log.log, { disk });
    audit.write(record(1));
    await audit.flush();
    assert.deepEqual([audit.status, disk.files.size], [{ file: undefined, written: 0, lost: 0, error: undefined }, 0]);
  });

  it('has each line once and in order, or counts it, whatever the disk does', async () => {
    const step = fc.record({
      lines: fc.integer({ min: 0, max: 5 }),
      fails: fc.constantFrom('', 'ENOSPC', 'EIO', 'EACCES'),
      reload: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 4 }), async (steps, perFile) => {
        disk = new AuditDiskModel();
        const audit = open({ lines: perFile, files: 100, retryMs: 100_000 });
        let written = 0;
        for (const { lines, fails, reload } of steps) {
          // Half lines stay where a truncation fails too.
          disk.fate = (what) => {
            if (fails !== '' && what !== 'truncate') throw failure(fails);
          };
          for (let i = 0; i < lines; i++) audit.write(record(++written));
          if (reload) audit.reload();
          await audit.flush();
        }
        disk.fate = () => undefined;
        await audit[Symbol.asyncDispose]();
        const paths = [...Array.from({ length: 99 }, (_, i) => `${FILE}.${i + 1}`).reverse(), FILE];
        assert.deepEqual(
          paths.flatMap((path) => tablesOf(disk.text(path))),
          Array.from({ length: written }, (_, i) => i + 1),
        );
      }),
    );
  });
});

describe('the file of the audit', () => {
  const root = mkdtempSync(join(tmpdir(), 'mcroute-audit-'));
  after(() => {
    rmSync(root, { recursive: true });
  });
  const openFile = (file: string, maxSize = 1_000_000) =>
    openAudit({ file, maxSize, files: 3 }, log.log, { retryMs: 5 });

  it('is for its owner and its group, and goes on where it ended', async () => {
    const file = join(root, 'a.log');
    for (const table of [1, 2]) {
      await using audit = openFile(file);
      audit.write(record(table));
    }
    assert.deepEqual([tablesOf(readFileSync(file, 'utf8')), statSync(file).mode & 0o777], [[1, 2], 0o640]);
  });

  it('begins a line of its own after one that a power cut has left', async () => {
    const file = join(root, 'b.log');
    writeFileSync(file, '{"table":');
    {
      await using audit = openFile(file);
      audit.write(record(1));
    }
    const [first, second] = readFileSync(file, 'utf8').split('\n');
    assert.deepEqual([first, (JSON.parse(second ?? '') as Line)['table']], ['{"table":', 1]);
  });

  it('is opened again when it was moved away', async () => {
    const file = join(root, 'c.log');
    await using audit = openFile(file);
    audit.write(record(1));
    await audit.flush();
    renameSync(file, `${file}.moved`);
    audit.reload();
    audit.write(record(2));
    await audit.flush();
    assert.deepEqual(
      [`${file}.moved`, file].map((path) => tablesOf(readFileSync(path, 'utf8'))),
      [[1], [2]],
    );
  });

  it('is put aside in its folder', async () => {
    const folder = join(root, 'd');
    mkdirSync(folder);
    await using audit = openFile(join(folder, 'audit.log'), 100);
    for (const table of [1, 2, 3, 4]) {
      audit.write(record(table));
      await audit.flush();
    }
    assert.deepEqual(readdirSync(folder).sort(), ['audit.log', 'audit.log.1', 'audit.log.2']);
  });

  it('comes when its folder does', async () => {
    const file = join(root, 'late', 'audit.log');
    await using audit = openFile(file);
    audit.write(record(1));
    await eventually(() => audit.status.error, 'the error');
    assert.match(audit.status.error ?? '', /its folder is not there; make it/);
    mkdirSync(join(root, 'late'));
    await eventually(() => audit.status.written === 1 || undefined, 'the line');
  });

  it('is neither a link nor a folder', async () => {
    symlinkSync(join(root, 'elsewhere'), join(root, 'link'));
    for (const [name, why] of [
      ['link', /a symbolic link, which is not followed/],
      ['.', /it is a folder/],
    ] as const) {
      await using audit = openFile(join(root, name));
      audit.write(record(1));
      await audit.flush();
      assert.match(audit.status.error ?? '', why);
    }
    assert.equal(readdirSync(root).includes('elsewhere'), false);
  });
});
