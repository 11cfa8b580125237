// Files that are in no memory of the process, and memory that is given back.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { eventually } from '../support/wait.js';
import { native } from './native-support.js';

const folder = mkdtempSync(join(tmpdir(), 'mcroute-memory-'));
after(() => {
  rmSync(folder, { recursive: true });
});

describe('a mapped text', () => {
  const path = join(folder, 'text');
  const content = `${'abc\u00e4\u00ff'.repeat(100_000)}\n`;

  it('is the file, as characters and as bytes, even when that has gone', () => {
    writeFileSync(path, content, 'latin1');
    const { text, bytes } = native.mapText(path);
    assert.match(readFileSync('/proc/self/maps', 'latin1'), new RegExp(` r--p .* ${path}$`, 'm'));
    rmSync(path);
    assert.equal(text, content);
    assert.equal(Buffer.compare(bytes, Buffer.from(content, 'latin1')), 0);
  });

  it('is refused where there is none', () => {
    assert.throws(() => native.mapText(join(folder, 'none')), { code: 'ENOENT', syscall: 'open' });
    writeFileSync(path, '');
    assert.throws(() => native.mapText(path), { code: 'EINVAL', syscall: 'mmap' });
    assert.throws(() => native.mapText(folder), { syscall: 'mmap' });
    assert.throws(() => native.mapText(undefined as never), TypeError);
  });
});

describe('memory that was freed', () => {
  // What malloc keeps: less than what it maps for itself.
  const PIECE = 60_000;
  const PIECES = 1_000;

  it('is given back', async () => {
    const pieces: (Buffer | undefined)[] = Array.from({ length: PIECES }, () => Buffer.alloc(PIECE, 1));
    // The last one stays, so that malloc has free memory only between others.
    for (let index = 0; index < PIECES - 1; index++) pieces[index] = undefined;
    collectAll();
    // V8 frees them on a thread of its own.
    const isFree = () => process.memoryUsage().arrayBuffers < PIECE * 10;
    await eventually(() => (isFree() ? true : undefined), 'the pieces to be free');
    const before = residentBytes();
    native.trimHeap();
    // The sanitizer's malloc keeps what was freed, to find who uses it.
    if (process.env['ASAN_OPTIONS'] === undefined)
      assert.ok(before - residentBytes() > (PIECE * PIECES) / 2, `of ${before} bytes`);
    assert.equal(pieces.filter((piece) => piece !== undefined).length, 1);
  });
});

function collectAll(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

function residentBytes(): number {
  return process.memoryUsage.rss();
}
