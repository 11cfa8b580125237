import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Family,
  type Prefix,
  addressLength,
  anyPrefix,
  isAny,
  isHost,
  isMulticast,
  isMulticastPrefix,
  isUnspecified,
  maskAddress,
} from '../../src/model/address.js';
import { isInterfaceName } from '../../src/model/interface.js';
import { formatDiagnostic, hasErrors } from '../../src/agent/config/diagnostic.js';
import { loadConfiguration } from '../../src/agent/config/load.js';
import { parseConfiguration } from '../../src/agent/config/parse.js';
import { renderConfiguration } from '../../src/agent/config/render.js';
import { toResources } from '../../src/agent/config/resources.js';
import type { Statement } from '../../src/agent/config/statement.js';

const FUZZED_FILES = 100_000;

const place = { file: 'f', line: 1, column: 1 };

// A name with `#` in front is a comment, and one that is `except` or ends like a threshold cannot be an oif.
const names = fc
  .oneof(
    fc.constantFrom('eth0', 'eth+', '+', 'from', 'to', 'group', 'br-lan', 'a,b', 'ä'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 15 }),
  )
  .filter((name) => isInterfaceName(name) && !/^#|^except$|@|\ufffd|^\\$|\p{C}/u.test(name));
const thresholds = fc.option(fc.integer({ min: 1, max: 254 }), { nil: undefined });

function prefixes(family: Family, isGroup: boolean): fc.Arbitrary<Prefix> {
  const bits = addressLength(family);
  const words = fc.array(fc.nat({ max: 0xffff_ffff }), { minLength: bits / 32, maxLength: bits / 32 });
  const asGroup = (word: number) => (family === 'ipv4' ? (word & 0xfff_ffff) | 0xe000_0000 : word | 0xff00_0000) >>> 0;
  const shortest = isGroup ? (family === 'ipv4' ? 4 : 8) : 1;
  return fc
    .tuple(words, fc.integer({ min: shortest, max: bits }))
    .map(([[word = 0, ...rest], length]) => {
      const all = [isGroup ? asGroup(word) : word & 0x7fff_ffff, ...rest];
      return { address: maskAddress({ family, words: all }, length), length };
    })
    .filter((prefix) => isGroup || !(isHost(prefix) && isUnspecified(prefix.address)));
}

const families = fc.constantFrom<Family>('ipv4', 'ipv6');

function flowsOf(family: Family): fc.Arbitrary<{ iif: string; source: Prefix; group: Prefix }> {
  const source = fc.oneof(fc.constant(anyPrefix(family)), prefixes(family, false));
  return fc.record({ iif: names, source, group: prefixes(family, true) });
}

const phyints = fc.record({
  kind: fc.constant('phyint' as const),
  place: fc.constant(place),
  interface: names,
  isEnabled: fc.constantFrom(true, false, undefined),
  mrdisc: fc.boolean(),
  querier: fc.boolean(),
  ttlThreshold: thresholds,
  boundaries: fc.array(
    families.chain((family) => prefixes(family, true)),
    { maxLength: 3 },
  ),
});

const mroutes = families.chain((family) =>
  fc
    .record({
      flow: flowsOf(family),
      except: fc.array(prefixes(family, false), { maxLength: 3 }),
      oifs: fc.array(
        fc.tuple(names, thresholds).map(([name, ttlThreshold]) => ({ interface: name, ttlThreshold })),
        { maxLength: 5 },
      ),
    })
    .map(({ flow, ...rest }) => ({ kind: 'mroute' as const, place, ...flow, ...rest })),
);

const mgroups = families
  .chain((family) => flowsOf(family))
  .filter(({ source, group }) => isHost(group) && (isAny(source) || isHost(source)))
  .map((flow) => ({ kind: 'mgroup' as const, place, ...flow }));

const includes = fc
  .constantFrom('a', '/etc/x.d/*.conf')
  .map((pattern) => ({ kind: 'include' as const, place, pattern }));

const statements: fc.Arbitrary<readonly Statement[]> = fc.array(fc.oneof(phyints, mroutes, mgroups, includes), {
  maxLength: 6,
});

describe('the text of statements', () => {
  it('parses to the same statements', () => {
    const property = fc.property(statements, (wanted) => {
      const { statements: parsed } = parseConfiguration(renderConfiguration(wanted), 'f');
      assert.deepEqual(
        parsed,
        wanted.map((statement, index) => ({
          ...statement,
          place: { ...place, line: index + 1, column: statement.kind === 'include' ? 'include '.length + 1 : 1 },
        })),
      );
    });
    fc.assert(property, { numRuns: 2_000 });
  });
});

/** Numbers that are the same in every run (mulberry32), so that a failure can be repeated by its seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const WORDS = [
  ...['phyint', 'mgroup', 'mroute', 'include', 'from', 'source', 'group', 'to', 'except', 'enable', 'disable'],
  ...['mrdisc', 'querier', 'boundary', 'ttl-threshold', 'mrout', 'boundry', 'FROM', 'constructor', '__proto__'],
  ...['eth0', 'eth+', '+', 'lo', 'eth0@5', 'eth0@', '@', 'eth0:1', 'averyveryverylongname', 'a/b', '..'],
  ...['10.0.0.1', '10.0.0.0/8', '0.0.0.0', '239.1.1.1', '239.1.1.1/3', '224.0.0.0/4', '1.2.3', '999.1.1.1'],
  ...['ff02::1', 'ff3e::/32', '::', '::/0', 'ff00::/0', 'fe80::1%eth0', ':::', '1:2:3:4:5:6:7:8:9', '::ffff:1.2.3.4'],
  ...['1', '0', '255', '256', '-1', '3x', '99999999999', '*', '[', '[a-', '*.conf', '/', '//', ',', ',,', '#', '\\'],
  ...['"', "'", ';', '\u00a0', '\ufeff', '\ud800', '\u{1f600}', '\x1b[0m', '\ufffd', '\u2028', 'y'.repeat(70)],
];
const SPACES = [' ', ' ', ' ', ' ', '\t', '\n', '\n', '\r\n', '\r', '\v', '', ','];
const GOOD = [
  'phyint eth0 enable ttl-threshold 3 boundary 239.0.0.0/8\n',
  'mroute from eth0 source 10.0.0.1 group 239.1.1.1 except 10.0.0.0/30 to eth1 eth2@4\n',
  'mgroup from eth0 group ff3e::1\n',
  'include *.conf\n# comment\n',
];

/** A few lines of words, good or not, of which some characters are replaced, doubled or gone. */
function fuzzedFile(random: (below: number) => number): string {
  let text = '';
  for (let left = random(12); left > 0; left--) {
    if (random(3) === 0) text += GOOD[random(GOOD.length)] ?? '';
    else text += `${WORDS[random(WORDS.length)] ?? ''}${SPACES[random(SPACES.length)] ?? ''}`;
  }
  for (let left = random(4); left > 0 && text !== ''; left--) {
    const at = random(text.length);
    const put = [
      String.fromCharCode(random(128)),
      String.fromCharCode(random(0x10000)),
      text.slice(at, at + random(9)),
      '',
    ];
    text = text.slice(0, at) + (put[random(put.length)] ?? '') + text.slice(at + random(2));
  }
  return text;
}

describe('whatever a configuration file holds', () => {
  it(`${FUZZED_FILES} generated and mutated files give diagnostics or statements that hold, and nothing else`, () => {
    for (let seed = 0; seed < FUZZED_FILES; seed++) {
      const text = fuzzedFile(randomOf(seed));
      try {
        checkFile(text);
      } catch (error) {
        throw new Error(`seed ${seed}: ${JSON.stringify(text)}`, { cause: error });
      }
    }
  });
});

function checkFile(text: string): void {
  const { statements: parsed, diagnostics } = parseConfiguration(text, 'f');
  const lines = text.replace(/^\ufeff/, '').split('\n');
  for (const diagnostic of diagnostics) {
    const { line, column, word } = diagnostic;
    const isWhole = line === 0 && column === 0;
    const shown = word.replace(/\.\.\.$/, '');
    assert.ok(isWhole || lines[line - 1] !== undefined, formatDiagnostic(diagnostic));
    // The place is that of the word; one that had to be made printable differs.
    const found = lines[line - 1]?.slice(column - 1);
    assert.ok(isWhole || shown.includes('\\u{') || found?.startsWith(shown), formatDiagnostic(diagnostic));
  }
  for (const resource of toResources(parsed, ['eth0', 'eth1'])) {
    if (!('oifs' in resource)) continue;
    const { iif, source, group } = resource.key;
    assert.ok(isInterfaceName(iif) && isMulticastPrefix(group) && !isMulticast(source.address));
    assert.equal(source.address.family, group.address.family);
  }
  // What was taken can be said again, and means the same.
  const again = parseConfiguration(renderConfiguration(parsed), 'f');
  assert.equal(renderConfiguration(again.statements), renderConfiguration(parsed));
  const loaded = loadConfiguration('/f', {
    read: (path) => (path === '/f' ? { kind: 'text', text, bytes: text.length } : { kind: 'missing' }),
    list: () => ['x.conf', 'f'],
  });
  assert.ok(!hasErrors(diagnostics) || hasErrors(loaded.diagnostics));
}
