// `smcrouted -F FILE`: what is an error on a host that has these interfaces.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FileReader, loadConfiguration } from '../../src/agent/config/load.js';
import { checkConfiguration, interfaceNames } from '../../src/agent/smcrouted/check.js';

const PRESENT = ['lo', 'a1', 'a2'];

function check(files: Readonly<Record<string, string>>) {
  const reader: FileReader = {
    read: (path) => {
      const text = files[path];
      return text === undefined ? { kind: 'missing' } : { kind: 'text', text, bytes: text.length };
    },
    list: (folder) => (folder === '/c' ? Object.keys(files).map((path) => path.slice('/c/'.length)) : undefined),
  };
  return checkConfiguration('/c/x.conf', loadConfiguration('/c/x.conf', reader), PRESENT);
}

const ERRORS: readonly (readonly [line: string, report: RegExp])[] = [
  ['bogus', /^\/c\/x\.conf line 1: 'bogus' is not a statement: /],
  ['phyint', /^\/c\/x\.conf line 1: 'phyint' has no interface/],
  ['phyint a9 enable', /^\/c\/x\.conf line 1: phyint a9 does not exist on this system$/],
  ['phyint b+ enable', /^\/c\/x\.conf line 1: phyint b\+ does not exist on this system$/],
  ['phyint a1 enable ttl-threshold 300', /^\/c\/x\.conf line 1: '300' /],
  ['mroute from a1 group 10.0.0.1 to a2', /^\/c\/x\.conf line 1: '10\.0\.0\.1' /],
  ['mroute from a1 group 225.1.1.1/40 to a2', /^\/c\/x\.conf line 1: '225\.1\.1\.1\/40' /],
  ['mgroup from a1', /^\/c\/x\.conf line 1: /],
];

const SOUND = [
  'phyint a1 enable ttl-threshold 3',
  'phyint a+ enable',
  'mroute from wg0 group 225.1.1.1 to a2',
  'mroute from a1 group 225.1.1.1 to wg0',
  'mgroup from wg0 group 225.1.1.1',
  'include /c/*.none',
];

describe('smcrouted -F', () => {
  for (const [line, report] of ERRORS) {
    it(`has an error for: ${line}`, () => {
      const { lines, isValid } = check({ '/c/x.conf': `${line}\n` });
      assert.equal(isValid, false);
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', report);
    });
  }

  for (const line of SOUND) {
    it(`has none for: ${line}`, () => {
      assert.deepEqual(check({ '/c/x.conf': `${line}\n` }), { lines: [], isValid: true });
    });
  }

  it('says that there is no such file', () => {
    assert.deepEqual(check({}), { lines: ['Configuration file /c/x.conf does not exist'], isValid: false });
  });

  it('marks warnings, which do not count', () => {
    const { lines, isValid } = check({ '/c/x.conf': 'phyint a1 enable\nphyint a1 enable\n' });
    assert.equal(isValid, true);
    assert.match(lines.join('\n'), /^\/c\/x\.conf line 2: warning: 'phyint' is here again for a1/);
  });

  it('tells of all files in their order, each line by line', () => {
    const { lines } = check({
      '/c/x.conf': 'phyint a8 enable\ninclude /c/*.inc\nbogus\n',
      '/c/y.inc': 'bogus\nphyint a9 enable\n',
    });
    const places = lines.map((line) => line.split(':')[0]);
    assert.deepEqual(places, ['/c/x.conf line 1', '/c/x.conf line 3', '/c/y.inc line 1', '/c/y.inc line 2']);
  });
});

describe('the names of interfaces', () => {
  it('are read from /proc/net/dev', () => {
    const text = [
      'Inter-|   Receive                                                |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs',
      '    lo:       0       0    0    0    0     0          0         0        0       0    0',
      'enp0s31f6.100: 1 2 3',
      'a1:1 2 3',
    ];
    assert.deepEqual(interfaceNames(text.join('\n')), ['lo', 'enp0s31f6.100', 'a1']);
  });
});
