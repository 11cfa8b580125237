// What the supervisor remembers: whatever happens to the file, one of the last two states is there.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../../src/api/status.js';
import { SavedTablesError, decodeSavedTables, encodeSavedTables } from '../../src/supervisor/saved-tables.js';
import { DEFAULT_SETTINGS } from '../../src/supervisor/settings.js';
import type { SavedTables, TableSettings } from '../../src/supervisor/table.js';
import { openTablesFile } from '../../src/supervisor/tables-file.js';
import { recordLog } from '../support/recorded-log.js';

function tablesOf(...ids: number[]): SavedTables {
  return {
    created: ids.map((table) => ({ table, settings: DEFAULT_SETTINGS, origin: 'api' })),
    stopped: ids.map((table) => ({ table, keepsForwarding: table % 2 === 0 })),
  };
}

const NOTHING = tablesOf();

/** A state directory that goes with the test. */
function openDirectory() {
  const parent = mkdtempSync(join(tmpdir(), 'mcroute-tables-'));
  const directory = join(parent, 'state');
  const { log, lines } = recordLog();
  return {
    directory,
    file: join(directory, 'tables.json'),
    open: () => openTablesFile(directory, log),
    /** The messages of the log so far. */
    messages: () => lines.map(({ msg }) => msg),
    lines,
    [Symbol.dispose]: () => {
      rmSync(parent, { recursive: true });
    },
  };
}

function storageError(run: () => unknown): ApiError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(error.reason, 'STORAGE');
    return error;
  }
  return assert.fail('nothing was thrown');
}

describe('the tables file', () => {
  it('has nothing at first, then what was saved last, and is for root alone', () => {
    using at = openDirectory();
    const tables = at.open();
    assert.deepEqual(tables.load(), NOTHING);
    tables.save(tablesOf(5));
    tables.save(tablesOf(5, 6));
    assert.deepEqual(at.open().load(), tablesOf(5, 6));
    assert.deepEqual(at.messages(), []);
    assert.equal(statSync(at.file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(at.directory), ['tables.json', 'tables.json.previous']);
    assert.deepEqual(decodeSavedTables(readFileSync(`${at.file}.previous`, 'utf8')), tablesOf(5));
  });

  it('that is damaged is set aside, with a line in the log, and the previous one is used', () => {
    const damages: [RegExp, (file: string) => void][] = [
      [
        /not JSON/,
        (file) => {
          truncateSync(file, statSync(file).size - 3);
        },
      ],
      [
        /not JSON/,
        (file) => {
          truncateSync(file, 0);
        },
      ],
      [
        /checksum/,
        (file) => {
          writeFileSync(file, readFileSync(file, 'utf8').replace('"table": 6', '"table": 7'));
        },
      ],
      [
        /no format/,
        (file) => {
          writeFileSync(file, '{}');
        },
      ],
      [
        /not an object/,
        (file) => {
          writeFileSync(file, '[]');
        },
      ],
      [
        /a later one has written it/,
        (file) => {
          writeFileSync(file, '{"format":2}');
        },
      ],
      [
        /more than 16777216 bytes/,
        (file) => {
          truncateSync(file, 16 * 1024 * 1024 + 1);
        },
      ],
    ];
    for (const [reason, damage] of damages) {
      using at = openDirectory();
      at.open().save(tablesOf(5));
      at.open().save(tablesOf(6));
      damage(at.file);
      assert.deepEqual(at.open().load(), tablesOf(5), String(reason));
      assert.deepEqual(at.messages(), ['a damaged tables file was set aside', 'the previous tables file is used']);
      assert.match(String(at.lines[0]?.['reason']), reason);
      assert.ok(existsSync(`${at.file}.damaged`) && !existsSync(at.file));
      // The next change makes it whole again.
      at.open().save(tablesOf(8));
      assert.deepEqual(at.open().load(), tablesOf(8));
    }
  });

  it('has nothing, and says so, where both files are damaged', () => {
    using at = openDirectory();
    at.open().save(tablesOf(5));
    at.open().save(tablesOf(6));
    writeFileSync(at.file, 'x');
    writeFileSync(`${at.file}.previous`, 'y');
    assert.deepEqual(at.open().load(), NOTHING);
    assert.deepEqual(at.messages(), Array(2).fill('a damaged tables file was set aside'));
    assert.deepEqual(readdirSync(at.directory), ['tables.json.damaged', 'tables.json.previous.damaged']);
  });

  it('is whole after a crash at any step of saving', () => {
    // After the new file was begun; after it was written; between the two renames.
    const crashes: [SavedTables, (file: string) => void][] = [
      [
        tablesOf(5),
        (file) => {
          writeFileSync(`${file}.tmp`, '{"form');
        },
      ],
      [
        tablesOf(5),
        (file) => {
          writeFileSync(`${file}.tmp`, encodeSavedTables(tablesOf(6)));
        },
      ],
      [
        tablesOf(5),
        (file) => {
          writeFileSync(`${file}.tmp`, encodeSavedTables(tablesOf(6)));
          renameSync(file, `${file}.previous`);
        },
      ],
    ];
    for (const [expected, crash] of crashes) {
      using at = openDirectory();
      at.open().save(tablesOf(5));
      crash(at.file);
      assert.deepEqual(at.open().load(), expected);
      at.open().save(tablesOf(7));
      assert.deepEqual(at.open().load(), tablesOf(7));
      assert.ok(!existsSync(`${at.file}.tmp`));
    }
  });

  it('that cannot be written is an error with errno and path, and stays as it is', () => {
    using at = openDirectory();
    at.open().save(tablesOf(5));
    // In the way of the new file; not even root can open it.
    mkdirSync(`${at.file}.tmp`);
    const error = storageError(() => {
      at.open().save(tablesOf(6));
    });
    assert.match(error.message, /^the tables cannot be saved: /);
    assert.equal(error.metadata['path'], `${at.file}.tmp`);
    assert.match(error.metadata['errno'] ?? '', /^E[A-Z_]+$/);
    assert.deepEqual(at.open().load(), tablesOf(5));
  });

  it('stays as it is, whichever step of saving fails, also the first time', () => {
    for (const before of [NOTHING, tablesOf(5)]) {
      for (const failing of [0, 1, 2]) {
        using at = openDirectory();
        if (before !== NOTHING) at.open().save(before);
        // Renames and the sync of the directory, in their order; what puts things back works.
        let step = 0;
        const failAt = () => {
          if (step++ === failing) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'rename' });
        };
        const tables = openTablesFile(at.directory, recordLog().log, {
          rename: (from, to) => {
            failAt();
            renameSync(from, to);
          },
          syncDirectory: failAt,
        });
        const error = storageError(() => {
          tables.save(tablesOf(6));
        });
        assert.deepEqual([error.metadata['errno'], error.metadata['syscall']], ['EIO', 'rename']);
        assert.deepEqual(at.open().load(), before, `step ${failing}`);
        assert.deepEqual(at.messages(), [], 'it is in its place');
        tables.save(tablesOf(7));
        assert.deepEqual(at.open().load(), tablesOf(7));
      }
    }
  });

  it('is an error, and not empty, where it cannot be read', () => {
    using at = openDirectory();
    mkdirSync(at.file, { recursive: true });
    const error = storageError(() => at.open().load());
    assert.equal(error.metadata['errno'], 'EISDIR');
    const blocked = join(at.directory, 'file');
    writeFileSync(blocked, '');
    storageError(() => openTablesFile(join(blocked, 'state'), recordLog().log));
  });

  it('is not readable for others, whatever the umask', () => {
    using at = openDirectory();
    const umask = process.umask(0);
    try {
      at.open().save(tablesOf(5));
    } finally {
      process.umask(umask);
    }
    chmodSync(at.directory, 0o755);
    assert.equal(statSync(at.file).mode & 0o777, 0o600);
  });
});

describe('the text of the tables file', () => {
  const PLAIN = { noNullPrototype: true } as const;
  const settings: fc.Arbitrary<TableSettings> = fc.record(
    {
      name: fc.option(fc.stringMatching(/^[a-z][A-Za-z0-9._-]{0,63}$/), { nil: undefined }),
      user: fc.constantFrom(undefined, 'mcroute', 'a:b', '0:0'),
      netns: fc.constantFrom(undefined, 'blue', 'a b', 'ä'),
      configFile: fc.constantFrom(undefined, '/etc/a b.conf'),
      families: fc.constantFrom([], ['ipv4' as const], ['ipv4' as const, 'ipv6' as const]),
      cacheTimeoutS: fc.integer({ min: 0, max: 86_400 }),
      starG: fc.constantFrom('kernel', 'learn'),
      makesMrules: fc.boolean(),
      mrulePriority: fc.integer({ min: 1, max: 32_766 }),
      wantsRealtime: fc.boolean(),
      logLevel: fc.constantFrom(undefined, 'none', 'debug'),
      watchdogS: fc.integer({ min: 0, max: 3_600 }),
    },
    PLAIN,
  );
  const table = fc.integer({ min: 1, max: 99_999_999 });
  const saved: fc.Arbitrary<SavedTables> = fc.record(
    {
      created: fc.array(fc.record({ table, settings, origin: fc.constant('api' as const) }, PLAIN), { maxLength: 4 }),
      stopped: fc.array(fc.record({ table, keepsForwarding: fc.boolean() }, PLAIN), { maxLength: 4 }),
    },
    PLAIN,
  );

  it('gives back what it was made of', () => {
    fc.assert(
      fc.property(saved, (tables) => {
        assert.deepEqual(decodeSavedTables(encodeSavedTables(tables)), tables);
      }),
    );
  });

  it('is refused with one error, whatever byte of it is changed', () => {
    fc.assert(
      fc.property(saved, fc.nat(), fc.string({ maxLength: 2 }), (tables, at, inserted) => {
        const text = encodeSavedTables(tables);
        const changed = text.slice(0, at % text.length) + inserted + text.slice((at % text.length) + 1);
        try {
          // What is left of it says the same; only white space can be other.
          assert.deepEqual(decodeSavedTables(changed), tables);
        } catch (error) {
          assert.ok(error instanceof SavedTablesError, String(error));
        }
      }),
    );
  });

  it('of an earlier version has the defaults of settings that it does not know', () => {
    const text = encodeSavedTables({
      created: [{ table: 5, settings: { name: 'a' } as TableSettings, origin: 'api' }],
      stopped: [],
    });
    assert.deepEqual(decodeSavedTables(text).created[0]?.settings, { ...DEFAULT_SETTINGS, name: 'a' });
  });

  it('is refused where its checksum is right and a value is not', () => {
    const settingsOf = (changes: object) => ({ ...DEFAULT_SETTINGS, ...changes });
    const wrong: object[] = [
      { name: '5' },
      { user: 5 },
      { netns: '..' },
      { configFile: 'a.conf' },
      { families: ['ipx'] },
      { families: 'ipv4' },
    ];
    wrong.push({ cacheTimeoutS: -1 }, { starG: 'x' }, { makesMrules: 1 }, { mrulePriority: 0 }, { logLevel: 'warn' });
    wrong.push({ watchdogS: '60' }, { wantsRealtime: 'yes' });
    for (const changes of wrong) {
      const created = [{ table: 5, settings: settingsOf(changes), origin: 'api' as const }];
      const text = encodeSavedTables({ created, stopped: [] });
      assert.throws(() => decodeSavedTables(text), SavedTablesError, JSON.stringify(changes));
    }
    const stopped = [{ table: 0, keepsForwarding: true }];
    assert.throws(() => decodeSavedTables(encodeSavedTables({ created: [], stopped })), SavedTablesError);
  });
});
