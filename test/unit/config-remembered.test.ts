// A configuration that is read again: it is always what its files say now, and made again only if they say something else.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FileReader, loadConfiguration } from '../../src/agent/config/load.js';
import { rememberingLoader } from '../../src/agent/config/remembered.js';

/** Files by their paths; a folder is there as long as it has files. */
type Tree = Map<string, string>;

function readerOf(tree: Tree): FileReader {
  return {
    read: (path, bytesMax) => {
      const text = tree.get(path);
      if (text === undefined) return { kind: 'missing' };
      return text.length > bytesMax ? { kind: 'too-large' } : { kind: 'text', text, bytes: text.length };
    },
    list: (folder) => {
      const names = [...tree.keys()].filter((path) => path.startsWith(`${folder}/`));
      return names.length === 0 ? undefined : names.map((path) => path.slice(folder.length + 1));
    },
  };
}

const MAIN = '/c/main.conf';
const paths = fc.constantFrom(MAIN, '/c/d/1.conf', '/c/d/2.conf', '/c/e.conf', '/x');
const lines = fc.constantFrom(
  'mroute from eth0 group 239.1.1.1 to eth1',
  'mroute from eth0 group 239.1.1.2 to eth1 eth2',
  'phyint eth+ enable',
  'include d/*.conf',
  'include e.conf',
  'include /x',
  'nonsense',
);
const texts = fc.array(lines, { maxLength: 4 }).map((all) => all.join('\n'));
/** A file is written, or removed. */
const steps = fc.record({ path: paths, text: fc.option(texts, { nil: undefined }) });

describe('a configuration that is read again', () => {
  it('is what it would be if it had never been read', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 12 }), (all) => {
        const tree: Tree = new Map([[MAIN, 'include d/*.conf\ninclude e.conf']]);
        const load = rememberingLoader(readerOf(tree), (text) => text);
        for (const { path, text } of all) {
          if (text === undefined) tree.delete(path);
          else tree.set(path, text);
          assert.deepEqual(load(MAIN), loadConfiguration(MAIN, readerOf(tree)));
        }
      }),
    );
  });

  it('is the same object while nothing that it was made of has changed', () => {
    const tree: Tree = new Map([
      [MAIN, 'include d/*.conf'],
      ['/c/d/1.conf', 'mroute from eth0 group 239.1.1.1 to eth1'],
      ['/c/other.conf', ''],
    ]);
    const load = rememberingLoader(readerOf(tree), (text) => text);
    const first = load(MAIN);
    tree.set('/c/other.conf', 'nobody includes this');
    assert.equal(load(MAIN), first);
    tree.set('/c/d/2.conf', '');
    const second = load(MAIN);
    assert.notEqual(second, first);
    assert.equal(load(MAIN), second);
    assert.notEqual(load('/c/other.conf'), second);
  });
});
