import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPrefix, isAny } from '../../src/model/address.js';
import { DIAGNOSTICS_MAX, OIFS_PER_MROUTE_MAX, RULES_FILE_MAX } from '../../src/model/limits.js';
import { formatDiagnostic, hasErrors } from '../../src/agent/config/diagnostic.js';
import { parseConfiguration } from '../../src/agent/config/parse.js';
import { renderConfiguration } from '../../src/agent/config/render.js';

/** The canonical text of what a text means, and what is said of it. */
function read(text: string): { means: string; says: string[] } {
  const { statements, diagnostics } = parseConfiguration(text, 'f');
  return { means: renderConfiguration(statements).trimEnd(), says: diagnostics.map(formatDiagnostic) };
}

const ROUTE = 'mroute from a1 group 239.1.1.1 to a2';

/** Lines that mean a statement, its one form, and what is said. */
const ACCEPTED: readonly (readonly [line: string, means: string, ...says: string[]])[] = [
  [ROUTE, ROUTE],
  ['\tmroute\tfrom\ta1\tgroup\t239.1.1.1\tto\ta2\t', ROUTE],
  ['mroute\vfrom a1\fgroup 239.1.1.1 to a2', ROUTE],
  [`${ROUTE}\r`, ROUTE],
  [`\ufeff${ROUTE}`, ROUTE],
  [`${ROUTE} # comment`, ROUTE],
  [`${ROUTE}#`, 'mroute from a1 group 239.1.1.1 to a2#'],
  ['mroute group 239.1.1.1 from a1 to a2', ROUTE],
  ['mroute from a1 group 239.1.1.1', 'mroute from a1 group 239.1.1.1'],
  ['mroute from a1 group 239.1.1.1 # to a2', 'mroute from a1 group 239.1.1.1'],
  ['mroute from a+ group 239.1.1.1 to + b+', 'mroute from a+ group 239.1.1.1 to + b+'],
  [
    'mroute from a1 source 10.1.2.3/8 group 239.1.1.1/24 to a2',
    'mroute from a1 source 10.0.0.0/8 group 239.1.1.0/24 to a2',
  ],
  ['mroute from a1 source 0.0.0.0 group 239.1.1.1 to a2', ROUTE],
  ['mroute from a1 source 0.0.0.0/0 group 239.1.1.1 to a2', ROUTE],
  ['mroute from a1 source :: group FF2E::42 to a2', 'mroute from a1 group ff2e::42 to a2'],
  ['mroute from group group 239.1.1.1 to a2', 'mroute from group group 239.1.1.1 to a2'],
  ['mroute from ä1 group 239.1.1.1 to a2', 'mroute from ä1 group 239.1.1.1 to a2'],
  ['mroute from a1 group 239.1.1.1 to a2@16 b+@1', 'mroute from a1 group 239.1.1.1 to a2@16 b+@1'],
  [
    'mroute from a1 group 239.1.1.1 to a2 except 10.0.0.1/8, 192.0.2.1 ,198.51.100.7',
    'mroute from a1 group 239.1.1.1 except 10.0.0.0/8,192.0.2.1,198.51.100.7 to a2',
  ],
  ['mgroup from a1 group 239.1.1.1', 'mgroup from a1 group 239.1.1.1'],
  ['mgroup from a1 group 239.1.1.1 source 10.0.0.1/24', 'mgroup from a1 source 10.0.0.0/24 group 239.1.1.1'],
  ['phyint a1', 'phyint a1'],
  ['phyint enable', 'phyint enable'],
  ['phyint a+ mrdisc enable ttl-threshold 3', 'phyint a+ enable mrdisc ttl-threshold 3'],
  [
    'phyint a1 querier boundary 239.255.1.1/16 disable boundary ff05::/16',
    'phyint a1 disable querier boundary 239.255.0.0/16 boundary ff05::/16',
  ],
  ['include /etc/smcroute.d/*.conf', 'include /etc/smcroute.d/*.conf'],

  // What smcrouted takes without a word.
  ['mroutes from a1 group 239.1.1.1 to a2', ROUTE, "1:1: warning: 'mroutes' is read as 'mroute'"],
  [
    'mroute fromm a1 groups 239.1.1.1 tox a2',
    ROUTE,
    "1:8: warning: 'fromm' is read as 'from'",
    "1:17: warning: 'groups' is read as 'group'",
    "1:34: warning: 'tox' is read as 'to'",
  ],
  [
    'mroute from a1 junk group 239.1.1.1 to a2',
    ROUTE,
    "1:16: warning: 'junk' is not a word of mroute and is ignored: expected from, source, group, to or except",
  ],
  [
    'mroute from a1 sorce 10.0.0.1 group 239.1.1.1 to a2',
    ROUTE,
    "1:16: warning: 'sorce' is not a word of mroute and is ignored: did you mean 'source'?",
    "1:22: warning: '10.0.0.1' is not a word of mroute and is ignored: expected from, source, group, to or except",
  ],
  [
    'mroute from a1 from b1 group 239.1.1.2 group 239.1.1.1 to a2',
    'mroute from b1 group 239.1.1.1 to a2',
    "1:16: warning: 'from' is here a second time: the last one counts",
    "1:40: warning: 'group' is here a second time: the last one counts",
  ],
  [
    'mroute from a1 group 239.1.1.1 to',
    'mroute from a1 group 239.1.1.1',
    "1:32: warning: 'to' names no oif: packets that match are dropped",
  ],
  [
    'mroute from a1 group 239.1.1.1 to a2, to a3',
    'mroute from a1 group 239.1.1.1 to a2, to a3',
    "1:35: warning: 'a2,' is read as one interface: oifs are parted by spaces, not ',' or ';'",
    "1:39: warning: 'to' is read as an interface: what follows 'to' are oifs",
  ],
  [
    'mroute from a1 group 239.1.1.1/ to a2',
    ROUTE,
    "1:22: warning: '239.1.1.1/' is read as one address: a length of 0 is none",
  ],
  [
    'mroute from a1 source 10.0.0.9/0 group 239.1.1.1/x to a2',
    'mroute from a1 source 10.0.0.9 group 239.1.1.1 to a2',
    "1:23: warning: '10.0.0.9/0' is read as one address: a length of 0 is none",
    "1:40: warning: '239.1.1.1/x' is read as one address: a length of 0 is none",
  ],
  [
    'mroute from a1 group 239.1.1.1/024x to a2',
    'mroute from a1 group 239.1.1.0/24 to a2',
    "1:22: warning: '239.1.1.1/024x' is read with the prefix length 24",
  ],
  [
    'mroute from a1 group 239.1.1.1/3 to a2',
    'mroute from a1 group 224.0.0.0/4 to a2',
    "1:22: warning: '239.1.1.1/3' is read as 224.0.0.0/4, which is all groups",
  ],
  [
    'mroute from a1 source 239.1.1.9 group 239.1.1.1 to a2',
    '',
    "1:23: warning: '239.1.1.9' is a group, and no packet has a group as its source: the line is left out",
  ],
  [
    'mgroup from a1 group 239.1.1.1 to a2',
    'mgroup from a1 group 239.1.1.1',
    "1:32: warning: 'to' is not a word of mgroup and is ignored: expected from, source or group",
    "1:35: warning: 'a2' is not a word of mgroup and is ignored: expected from, source or group",
  ],
  [
    'phyint a1 enable disable',
    'phyint a1 disable',
    "1:18: warning: 'disable' contradicts what stands before it: the last one counts",
  ],
  [
    'phyint a1 disabled ENABLE',
    'phyint a1 disable',
    "1:11: warning: 'disabled' is read as 'disable'",
    "1:20: warning: 'ENABLE' is not a word of phyint and is ignored: did you mean 'enable'?",
  ],
  ['phyint a1 ttl-threshold 03x', 'phyint a1 ttl-threshold 3', "1:25: warning: '03x' is read as 3"],
  [
    'phyint a1 ttl-threshold 255',
    'phyint a1 ttl-threshold 254',
    "1:25: warning: '255' is read as 254, which only packets with a TTL of 255 pass",
  ],
  [
    'phyint a1 ttl-threshold',
    'phyint a1',
    "1:11: warning: 'ttl-threshold' has no number and is ignored: expected 1 to 254",
  ],
  ['include a b', 'include a', "1:11: warning: 'b' is ignored: expected one file or pattern"],
  ['phyint a1 \\', 'phyint a1', "1:11: warning: '\\' is ignored: a statement ends with its line"],
];

/** Lines without a meaning, and what is said of each; the place is of the word. */
const REFUSED: readonly (readonly [line: string, ...says: string[]])[] = [
  ['junk', "1:1: error: 'junk' is not a statement: expected phyint, mgroup, mroute or include"],
  ['  mrout from a1', "1:3: error: 'mrout' is not a statement: did you mean 'mroute'?"],
  [`MROUTE${ROUTE.slice(6)}`, "1:1: error: 'MROUTE' is not a statement: did you mean 'mroute'?"],
  [
    'mroute',
    "1:1: error: 'mroute' has no iif: expected 'from' and an interface",
    "1:1: error: 'mroute' has no group: expected 'group' and an address or a prefix",
  ],
  [
    'mroute from',
    "1:8: error: 'from' has nothing behind it: expected an interface",
    "1:1: error: 'mroute' has no group: expected 'group' and an address or a prefix",
  ],
  [
    'mroute from a1 source group 239.1.1.1 to a2',
    "1:16: error: 'source' has nothing behind it: expected an address or a prefix",
  ],
  [
    'mroute to a2 from a1 group 239.1.1.1',
    "1:14: warning: 'from' is read as an interface: what follows 'to' are oifs",
    "1:22: warning: 'group' is read as an interface: what follows 'to' are oifs",
    "1:1: error: 'mroute' has no iif: expected 'from' and an interface",
    "1:1: error: 'mroute' has no group: expected 'group' and an address or a prefix",
  ],
  [
    'mroute from a/1 source 10.0.0.1/33 group 10.1.1.1 to averyveryverylongname',
    "1:13: error: 'a/1' cannot be the name of an interface: expected 1 to 15 bytes of UTF-8 without '/' and ':'",
    "1:24: error: '10.0.0.1/33' has no prefix length from 0 to 32",
    "1:42: error: '10.1.1.1' is not a multicast group: expected an address or prefix of 224.0.0.0/4",
    "1:54: error: 'averyveryverylongname' cannot be the name of an interface: expected 1 to 15 bytes of UTF-8 without '/' and ':'",
  ],
  [
    'mroute from a\ufffd group 239.1.1.1',
    "1:13: error: 'a\ufffd' cannot be the name of an interface: expected 1 to 15 bytes of UTF-8 without '/' and ':'",
  ],
  ['phyint eth0:1 enable', "1:8: error: 'eth0:1' is an alias: expected the interface itself, 'eth0'"],
  [
    'mroute from a1 group 239.1.1.01 to a2',
    "1:22: error: '239.1.1.01' is not an address or a prefix: expected ADDRESS or ADDRESS/LENGTH of IPv4 or IPv6",
  ],
  ['mroute from a1 group 239.1.1.1/-1 to a2', "1:22: error: '239.1.1.1/-1' has no prefix length from 0 to 32"],
  [
    'mroute from a1 source 10.0.0.1 group ff2e::42 to a2',
    "1:1: error: 'mroute' has a source and a group of different families: expected both IPv4 or both IPv6",
  ],
  [
    'mroute from a1 group 239.1.1.1 to eth0@if5 a2@255 a2@0',
    ...['35', '44', '51'].map((column, i) => {
      const word = ['eth0@if5', 'a2@255', 'a2@0'][i] ?? '';
      return `1:${column}: error: '${word}' has no TTL threshold from 1 to 254 behind its '@' ('ip link' shows NAME@PEER; expected is NAME)`;
    }),
  ],
  [
    `mroute from a1 group 239.1.1.1 to${' a2'.repeat(OIFS_PER_MROUTE_MAX + 1)}`,
    "1:1: error: 'mroute' has more than 64 oifs",
  ],
  [
    'mroute from a1 group 239.1.1.1 excpt 10.0.0.0/8 to a2',
    "1:32: error: 'excpt' is not a word of mroute: did you mean 'except'?",
    "1:38: warning: '10.0.0.0/8' is not a word of mroute and is ignored: expected from, source, group, to or except",
  ],
  [
    'mroute from a1 group 239.1.1.1 except 10.0.0.0/8 10.0.0.1 to a2',
    "1:50: error: '10.0.0.1' is not a word of mroute: expected from, source, group, to or except",
  ],
  [
    'mroute from a1 group 239.1.1.1 except to a2',
    "1:32: error: 'except' has nothing behind it: expected addresses or prefixes of senders, parted by commas",
  ],
  [
    'mroute from a1 group 239.1.1.1 except ,',
    "1:39: error: ',' has nothing behind it: expected addresses or prefixes of senders, parted by commas",
  ],
  [
    'mroute from a1 group 239.1.1.1 except 0.0.0.0/0',
    "1:39: error: '0.0.0.0/0' is no sender to except: expected unicast addresses or prefixes, parted by commas",
  ],
  [
    'mroute from a1 group 239.1.1.1 except 2001:db8::1',
    "1:1: error: 'mroute' has a group and except 2001:db8::1: expected both of one family",
  ],
  [
    'mgroup from a1 group 239.0.0.0/8',
    "1:1: error: 'mgroup' stands for more than 65536 joins: expected longer prefixes",
  ],
  [
    'mgroup from a1 source 10.0.0.0/24 group 239.0.0.0/23',
    "1:1: error: 'mgroup' stands for more than 65536 joins: expected longer prefixes",
  ],
  ['phyint', "1:1: error: 'phyint' has no interface: expected phyint IF"],
  ['phyint a1 ttl-threshold 0', "1:25: error: '0' is not a TTL threshold: expected 1 to 254"],
  ['phyint a1 ttl-threshold 256', "1:25: error: '256' is not a TTL threshold: expected 1 to 254"],
  [
    'phyint a1 boundry 239.0.0.0/8',
    "1:11: error: 'boundry' is not a word of phyint: did you mean 'boundary'?",
    "1:19: warning: '239.0.0.0/8' is not a word of phyint and is ignored: expected enable, disable, mrdisc, ttl-threshold, querier or boundary",
  ],
  [
    'phyint a1 boundary 10.0.0.0/8',
    "1:20: error: '10.0.0.0/8' is not a multicast group: expected an address or prefix of 224.0.0.0/4",
  ],
  [
    'phyint a1 boundary querier',
    "1:11: error: 'boundary' has nothing behind it: expected a group or a prefix of groups",
  ],
  ['include', "1:1: error: 'include' has no file: expected include FILE or a pattern of files"],
  [`phyint a1${' x'.repeat(1_100)}`, "1:1: error: 'phyint' begins a line of more than 1024 words"],
  ['a\u001b[31m', "1:1: error: 'a\\u{1b}[31m' is not a statement: expected phyint, mgroup, mroute or include"],
];

function title(line: string): string {
  return JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}...` : line);
}

describe('a configuration line is accepted', () => {
  for (const [line, means, ...says] of ACCEPTED) {
    it(title(line), () => {
      const expected = { means, says: says.map((text) => `f:${text}`) };
      assert.deepEqual(read(line), expected);
      assert.deepEqual(read(`${line}\n`), expected);
    });
  }
});

describe('a configuration line is refused', () => {
  for (const [line, ...says] of REFUSED) {
    it(title(line), () => {
      assert.deepEqual(read(line), { means: '', says: says.map((text) => `f:${text}`) });
    });
  }
});

describe('a configuration', () => {
  it('is empty for an empty text, comments and blank lines', () => {
    assert.deepEqual(read(''), { means: '', says: [] });
    assert.deepEqual(read('\n# mroute\n   # x\n \r\n#'), { means: '', says: [] });
  });

  it('tells all that is wrong, each in its line, and keeps the good lines', () => {
    const { means, says } = read(`junk\n\n${ROUTE}\n  mgroup from a1\nphyint\n`);
    assert.equal(means, ROUTE);
    assert.deepEqual(
      says.map((text) => text.split(' ')[0]),
      ['f:1:1:', 'f:4:3:', 'f:5:1:'],
    );
  });

  it('knows where its statements stand', () => {
    const { statements } = parseConfiguration(`\n\t${ROUTE}`, 'f');
    assert.deepEqual(statements[0]?.place, { file: 'f', line: 2, column: 2 });
  });

  it('has a source of length 0 where none is given', () => {
    const [statement] = parseConfiguration('mroute from a1 group ff2e::1', 'f').statements;
    assert.ok(statement?.kind === 'mroute' && isAny(statement.source));
    assert.equal(formatPrefix(statement.source), '::/0');
  });

  it('is not continued in the next line', () => {
    const { says } = read('mroute from a1 group 239.1.1.1 \\\n to a2');
    assert.deepEqual(says, [
      "f:1:32: warning: '\\' is ignored: a statement ends with its line",
      "f:2:2: error: 'to' is not a statement: expected phyint, mgroup, mroute or include",
    ]);
  });

  it('warns of a phyint that is given twice', () => {
    assert.deepEqual(read('phyint a1 enable ttl-threshold 5\n\nphyint a2\nphyint a1').says, [
      "f:4:1: warning: 'phyint' is here again for a1 and replaces line 1",
    ]);
  });

  it('unites the oifs of a rule up to the limit', () => {
    const line = (first: number, count: number) =>
      `mroute from a1 group 239.1.1.1 to ${Array.from({ length: count }, (_, i) => `e${first + i}`).join(' ')}\n`;
    assert.deepEqual(read(line(0, 64) + line(0, 64)).says, []);
    assert.deepEqual(read(line(0, 40) + line(30, 35) + line(0, 1)).says, [
      "f:2:1: error: 'mroute' has more than 64 oifs with line 1",
    ]);
  });

  it('refuses two exceptions for the same flows', () => {
    const line = 'mroute from a1 group 239.1.1.1 to a2 except';
    assert.deepEqual(read(`${line} 10.0.0.1,10.0.0.2\n${line} 10.0.0.2,10.0.0.1,10.0.0.2`).says, []);
    assert.deepEqual(read(`${line} 10.0.0.1\nmroute from a1 group 239.1.1.1 to a3`).says, [
      "f:2:1: error: 'mroute' has another 'except' than line 1 for the same flows",
    ]);
  });
});

describe('a hostile configuration', () => {
  it('is refused if it is too large', () => {
    assert.deepEqual(read('#'.repeat(RULES_FILE_MAX + 1)).says, ['f: error: is larger than 33554432 bytes']);
    assert.deepEqual(read('#'.repeat(RULES_FILE_MAX)).says, []);
  });

  it('is refused if it has zero bytes, as after a power cut', () => {
    assert.deepEqual(read(`${ROUTE}\n\0\0\0`), {
      means: '',
      says: ['f: error: has zero bytes: it is not a text, or it is damaged'],
    });
  });

  it('has its first errors and warnings told and the others counted', () => {
    const { diagnostics } = parseConfiguration('junk\nphyint a1 junk\n'.repeat(300), 'f');
    assert.equal(diagnostics.filter(({ line, severity }) => line > 0 && severity === 'error').length, DIAGNOSTICS_MAX);
    assert.equal(diagnostics.length, 2 * DIAGNOSTICS_MAX + 1);
    // 300 words that are ignored, and 299 lines that replace the first.
    assert.deepEqual(diagnostics.at(-1), {
      file: 'f',
      line: 0,
      column: 0,
      severity: 'error',
      word: '',
      text: '100 more errors and 399 more warnings are not shown',
    });
  });

  it('stays refused when its errors come after many warnings', () => {
    assert.ok(hasErrors(parseConfiguration(`${'phyint a1 junk\n'.repeat(1_000)}junk`, 'f').diagnostics));
    assert.ok(!hasErrors(parseConfiguration('phyint a1 junk\n'.repeat(1_000), 'f').diagnostics));
  });

  it('is not read to its end if it makes no sense', () => {
    const { statements, diagnostics } = parseConfiguration(`${'junk\n'.repeat(10_000)}${ROUTE}`, 'f');
    assert.deepEqual(statements, []);
    assert.ok(hasErrors(diagnostics));
  });

  it('is refused if it has thousands of different unknown words', () => {
    const words = Array.from({ length: 11_000 }, (_, i) => `phyint a1 x${i}\n`).join('');
    assert.ok(hasErrors(parseConfiguration(words, 'f').diagnostics));
    assert.ok(!hasErrors(parseConfiguration('phyint a1 x1 x2\n'.repeat(11_000), 'f').diagnostics));
  });

  it('has long words shortened in what is said', () => {
    const { diagnostics } = parseConfiguration('j'.repeat(1_000_000), 'f');
    assert.equal(diagnostics[0]?.word, `${'j'.repeat(64)}...`);
  });
});
