import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { INCLUDED_FILES_MAX, INCLUDE_DEPTH_MAX, RULES_FILE_MAX } from '../../src/model/limits.js';
import { formatDiagnostic } from '../../src/agent/config/diagnostic.js';
import { DISK } from '../../src/agent/config/disk.js';
import { expandPattern, matcherOf } from '../../src/agent/config/glob.js';
import { type FileContent, type FileReader, loadConfiguration } from '../../src/agent/config/load.js';
import { renderConfiguration } from '../../src/agent/config/render.js';

type Tree = Readonly<Record<string, string | FileContent>>;

/** Files by absolute path; names in a folder come in no good order. */
function readerOf(tree: Tree): FileReader {
  return {
    read: (path, bytesMax) => {
      const content = tree[path];
      if (content === undefined) return { kind: 'missing' };
      if (typeof content !== 'string') return content;
      if (content.length > bytesMax) return { kind: 'too-large' };
      return { kind: 'text', text: content, bytes: content.length };
    },
    list: (folder) => {
      const inside = folder === '/' ? '/' : `${folder}/`;
      const names = Object.keys(tree)
        .filter((path) => path.startsWith(inside))
        .map((path) => path.slice(inside.length).split('/')[0] ?? '');
      return names.length === 0 ? undefined : [...new Set(names)].sort().reverse();
    },
  };
}

function load(tree: Tree, file = '/etc/m.conf'): { means: string[]; says: string[]; files: readonly string[] } {
  const { statements, diagnostics, files } = loadConfiguration(file, readerOf(tree));
  const text = renderConfiguration(statements);
  return { means: text === '' ? [] : text.trimEnd().split('\n'), says: diagnostics.map(formatDiagnostic), files };
}

describe('a configuration with includes', () => {
  it('has the statements of the files in the place of the include, in the order of their names', () => {
    const { means, says, files } = load({
      '/etc/m.conf': 'phyint a\ninclude m.d/*.conf\nphyint z',
      '/etc/m.d/20.conf': 'phyint c',
      '/etc/m.d/10.conf': 'phyint b',
      '/etc/m.d/10.conf.bak': 'phyint no',
      '/etc/m.d/.hidden.conf': 'phyint no',
    });
    assert.deepEqual(means, ['phyint a', 'phyint b', 'phyint c', 'phyint z']);
    assert.deepEqual(says, []);
    assert.deepEqual(files, ['/etc/m.conf', '/etc/m.d/10.conf', '/etc/m.d/20.conf']);
  });

  it('looks beside the file that includes', () => {
    const { means } = load({
      '/etc/m.conf': 'include d/one',
      '/etc/d/one': 'include two\ninclude ../three\ninclude /four',
      '/etc/d/two': 'phyint b',
      '/etc/three': 'phyint c',
      '/four': 'phyint d',
    });
    assert.deepEqual(means, ['phyint b', 'phyint c', 'phyint d']);
  });

  it('names the file of what is wrong, also where it concerns two', () => {
    const { says } = load({
      '/etc/m.conf': 'phyint a\ninclude one',
      '/etc/one': 'junk\nphyint a',
    });
    assert.deepEqual(says, [
      "/etc/one:1:1: error: 'junk' is not a statement: expected phyint, mgroup, mroute or include",
      "/etc/one:2:1: warning: 'phyint' is here again for a and replaces line 1 of /etc/m.conf",
    ]);
  });

  it('does not mind a pattern that matches nothing, and says so of a name', () => {
    assert.deepEqual(load({ '/etc/m.conf': 'include none/*.conf\ninclude none.conf\nphyint a' }), {
      means: ['phyint a'],
      says: ["/etc/m.conf:2:9: warning: 'none.conf' is ignored: there is no such file"],
      files: ['/etc/m.conf'],
    });
  });

  it('does not go round in circles', () => {
    assert.deepEqual(load({ '/etc/m.conf': 'phyint a\ninclude one', '/etc/one': 'include ..//etc/*.conf' }), {
      means: ['phyint a'],
      says: ["/etc/one:1:9: error: '..//etc/*.conf' includes /etc/m.conf, which includes this file"],
      files: ['/etc/m.conf', '/etc/one'],
    });
    assert.equal(load({ '/m': 'include m' }, '//m').says.length, 0);
    assert.match(load({ '/m': 'include m' }, '/m').says[0] ?? '', /includes this file/);
  });

  it('may include a file twice', () => {
    assert.deepEqual(
      load({ '/etc/m.conf': 'include a\ninclude a', '/etc/a': 'mgroup from a group 239.1.1.1' }).says,
      [],
    );
  });

  it('has limits of depth, number and size', () => {
    const chain = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`/${i}`, `include ${i + 1}`]));
    const deep = load(chain, '/0');
    assert.equal(deep.files.length, INCLUDE_DEPTH_MAX);
    assert.deepEqual(deep.says, ["/15:1:9: error: '16' includes /16 too deep: at most 16 files in one another"]);

    // Each file twice: without a limit 2^13 files are read.
    const levels = Array.from({ length: 12 }, (_, i) => [`/${i}`, `include ${i + 1}\n`.repeat(2)] as const);
    const tree = Object.fromEntries([...levels, ['/12', '']]);
    const many = load(tree, '/0');
    assert.equal(many.files.length, INCLUDED_FILES_MAX);
    assert.equal(many.says.filter((text) => text.includes('too many files: at most 1024 are read')).length, 1);

    const half = `#${' '.repeat(RULES_FILE_MAX / 2)}`;
    const large = load({
      '/etc/m.conf': 'include a\ninclude b\ninclude c',
      '/etc/a': half,
      '/etc/b': half,
      '/etc/c': '',
    });
    assert.deepEqual(large.says, [
      "/etc/m.conf:2:9: error: 'b' includes /etc/b, which is too large: all files together may have 33554432 bytes",
    ]);

    const folders = load({ '/etc/m.conf': 'include /*/x\n'.repeat(1_100) });
    assert.deepEqual(folders.says, [
      "/etc/m.conf:1025:9: error: '/*/x' looks into too many folders: all patterns together may 1024",
    ]);
  });

  it('is missing if its first file is', () => {
    const missing = loadConfiguration('/none', readerOf({}));
    assert.deepEqual(missing, { statements: [], diagnostics: [], isMissing: true, files: [] });
    assert.equal(loadConfiguration('/m', readerOf({ '/m': '' })).isMissing, false);
  });

  it('tells why a file cannot be read', () => {
    const unreadable = { kind: 'unreadable', reason: 'permission denied' } as const;
    assert.deepEqual(load({ '/m': unreadable }, '/m').says, ['/m: error: cannot be read: permission denied']);
    assert.deepEqual(load({ '/m': { kind: 'folder' } }, '/m').says, ['/m: error: is a folder']);
    assert.deepEqual(load({ '/m': 'include a/*\n', '/a/b': unreadable, '/a/c': { kind: 'folder' } }, '/m').says, [
      "/m:1:9: error: 'a/*' includes /a/b, which cannot be read: permission denied",
      "/m:1:9: warning: 'a/*' is ignored: it is a folder, expected a file or a pattern such as DIR/*",
    ]);
  });
});

describe('a pattern of file names', () => {
  const table: readonly (readonly [pattern: string, name: string, isMeant: boolean])[] = [
    ['*', 'a', true],
    ['*', '.a', false],
    ['.*', '.a', true],
    ['*.conf', 'a.conf', true],
    ['*.conf', '.conf', false],
    ['*.conf', 'a.conf.bak', false],
    ['a?c', 'abc', true],
    ['a?c', 'a\u{1f600}c', true],
    ['a?c', 'ac', false],
    ['[0-9]*', '10-x', true],
    ['[!0-9]*', '10-x', false],
    ['[]a]', ']', true],
    ['[a-]', '-', true],
    ['[a', '[a', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'aXcYb', false],
  ];
  for (const [pattern, name, isMeant] of table) {
    it(`${pattern} ${isMeant ? 'means' : 'does not mean'} ${name}`, () => {
      assert.equal(matcherOf(pattern)(name), isMeant);
    });
  }

  it('costs little however many stars it has', () => {
    assert.equal(matcherOf(`${'*a'.repeat(2_000)}b`)('a'.repeat(255)), false);
  });

  it('may have wildcards in several folders', () => {
    const names = (folder: string) => ({ '/': ['x1', 'x2', 'y'], '/x1': ['b', 'a'], '/x2': ['c'] })[folder];
    assert.deepEqual(expandPattern('/x*/*', names), ['/x1/a', '/x1/b', '/x2/c']);
    assert.deepEqual(expandPattern('/x*/a', names), ['/x1/a', '/x2/a']);
    assert.deepEqual(expandPattern('/none/*', names), []);
  });
});

describe('configuration files on the disk', () => {
  it('are read with what they include, and what is no file is told', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'));
    try {
      mkdirSync(join(folder, 'm.d'));
      writeFileSync(join(folder, 'm.conf'), 'include m.d/*.conf\ninclude fifo\n');
      writeFileSync(join(folder, 'm.d', 'a.conf'), Buffer.from('phyint a\n# \xff\n', 'latin1'));
      execFileSync('mkfifo', [join(folder, 'fifo')]);
      const { statements, diagnostics, isMissing } = loadConfiguration(join(folder, 'm.conf'), DISK);
      assert.equal(renderConfiguration(statements), 'phyint a\n');
      assert.deepEqual(
        diagnostics.map(({ text }) => text),
        [`includes ${join(folder, 'fifo')}, which cannot be read: it is not a regular file`],
      );
      assert.equal(isMissing, false);
      assert.equal(DISK.read(join(folder, 'm.conf'), 3).kind, 'too-large');
      assert.equal(DISK.read(folder, 1).kind, 'folder');
      assert.equal(DISK.read(join(folder, 'm.conf', 'x'), 1).kind, 'missing');
      assert.equal(loadConfiguration(join(folder, 'none'), DISK).isMissing, true);
      // No configuration, as people write it.
      assert.deepEqual(DISK.read('/dev/null', 1), { kind: 'text', text: '', bytes: 0 });
      assert.equal(DISK.read('/dev/zero', 1).kind, 'unreadable');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
