// What the supervisor remembers, on a disk that is full.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ApiError } from '../../src/api/status.js';
import { DEFAULT_SETTINGS } from '../../src/supervisor/settings.js';
import type { SavedTables } from '../../src/supervisor/table.js';
import { openTablesFile } from '../../src/supervisor/tables-file.js';
import { recordLog } from '../support/recorded-log.js';

/** A file system of 256 KiB. */
function openSmallDisk(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'mcroute-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path]);
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', [path]);
      rmSync(path, { recursive: true });
    },
  };
}

/** Fills a file system to its last byte. */
function fill(path: string): void {
  for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
}

function tablesOf(count: number): SavedTables {
  const created = Array.from({ length: count }, (_, i) => ({
    table: i + 1,
    settings: DEFAULT_SETTINGS,
    origin: 'api',
  }));
  return { created: created as SavedTables['created'], stopped: [] };
}

describe('on a full disk the tables file', () => {
  it('stays as it is, with an error that says so, and is written when there is room again', () => {
    using disk = openSmallDisk();
    const { log, lines } = recordLog();
    const file = openTablesFile(disk.path, log);
    file.save(tablesOf(3));
    file.save(tablesOf(4));
    const filler = join(disk.path, 'filler');
    fill(filler);
    for (let attempt = 0; attempt < 3; attempt++) {
      assert.throws(
        () => {
          file.save(tablesOf(500));
        },
        (error) => {
          assert.ok(error instanceof ApiError);
          assert.deepEqual([error.reason, error.metadata['errno']], ['STORAGE', 'ENOSPC']);
          assert.equal(error.message, 'the tables cannot be saved: the disk is full; make room');
          return true;
        },
      );
      assert.deepEqual(openTablesFile(disk.path, log).load(), tablesOf(4));
      assert.ok(!existsSync(join(disk.path, 'tables.json.tmp')));
    }
    rmSync(filler);
    file.save(tablesOf(5));
    assert.deepEqual(openTablesFile(disk.path, log).load(), tablesOf(5));
    assert.deepEqual(lines, []);
  });
});
