// Policy files: what they may say, all that is wrong at once, and how a running gateway follows and changes them.
import assert from 'node:assert/strict';
import {
  chmodSync,
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
import { ApiError } from '../../src/api/status.js';
import { ConfigurationError } from '../../src/configuration/configuration-error.js';
import { readAccountNames } from '../../src/gateway/account-names.js';
import { compilePattern } from '../../src/gateway/pattern.js';
import { namedPeer } from '../../src/gateway/peer.js';
import { type PolicySource, fixedPolicy, openPolicyFile } from '../../src/gateway/policy-file.js';
import { type Policy, parsePolicy } from '../../src/gateway/policy.js';
import { POLICY_LIST_MAX, POLICY_RULES_MAX } from '../../src/model/limits.js';
import { recordLog } from '../support/recorded-log.js';
import { eventually } from '../support/wait.js';

const RESOLVER = {
  uidOf: (name: string) => (name === 'alice' ? 1_000 : undefined),
  gidOf: (name: string) => (name === 'video' ? 44 : undefined),
};

const parse = (text: string) => parsePolicy(text, 'p.yaml', RESOLVER);

function findingsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    return error.message.split('\n').map((line) => line.replace(/^p\.yaml:/, ''));
  }
  return assert.fail(`it was taken: ${text}`);
}

/** A rule in which one thing is said beside whom it is for. */
function rule(others: string): string {
  return `rules: [{ identity: uid:5, ${others} }]`;
}

describe('a policy', () => {
  it('says all of a rule', () => {
    const { policy, warnings } = parse(`
rules:
  - identity: [SPIFFE://Lab/Alice, "dns:*.Example", user:alice, group:video, uid:007, 'gid:*', loopback, "**", cn:Mixer 1]
    role: operator
    tables: [7, 100-199]
    methods: [Apply, list, RoutingService.Watch, ListTables]
    groups: [239.1.2.3/16, ff35::/32, 239.9.9.9]
    interfaces: [eth0, vlan+, +]
    owners: [studio-*, "*", a@b/c]
`);
    assert.deepEqual(warnings, []);
    const [one] = policy.rules;
    assert.deepEqual(
      one?.identities.map(({ text }) => text),
      ['spiffe://lab/Alice', 'dns:*.example', 'uid:1000', 'gid:44', 'uid:7', 'gid:*', 'loopback', '**', 'cn:Mixer 1'],
    );
    assert.deepEqual(one, {
      identities: one.identities,
      role: 'operator',
      tables: [
        { first: 7, last: 7 },
        { first: 100, last: 199 },
      ],
      methods: [
        { service: 'mcroute.v1.RoutingService', method: 'Apply' },
        { service: 'mcroute.v1.RoutingService', method: 'List' },
        { service: 'mcroute.v1.RoutingService', method: 'Watch' },
        { service: 'mcroute.v1.TableService', method: 'ListTables' },
      ],
      groups: ['239.1.0.0/16', 'ff35::/32', '239.9.9.9'],
      interfaces: ['eth0', 'vlan+', '+'],
      owners: ['studio-*', '*', 'a@b/c'],
    });
  });

  it('is refused with the place of each thing that is wrong', () => {
    const cases: [string, string | RegExp][] = [
      ['rules: 5', '1:8: rules must be a list'],
      ['rule: []', "1:1: 'rule' is not known here: did you mean 'rules'?"],
      ['rules: [{}]', /^1:9: the rule has no identity$/],
      ['rules: [{identity: uid:5}]', '1:9: the rule has no role'],
      ['rules: [{role: viewer}]', '1:9: the rule has no identity'],
      [
        'rules: [{identity: alice, role: viewer}]',
        /^1:20: 'alice' is no identity: such are spiffe:.*'\*\*' for everybody$/,
      ],
      ['rules: [{identity: uid:bob, role: viewer}]', "1:20: 'uid:bob' has no number: write user:NAME for a name"],
      ['rules: [{identity: gid:4294967295, role: viewer}]', /has no number: write group:NAME/],
      ['rules: [{identity: "a\\nb", role: viewer}]', /printable characters of ASCII/],
      ['rules: [{identity: " ", role: viewer}]', /printable characters of ASCII/],
      [`rules: [{identity: dns:${'a'.repeat(253)}, role: viewer}]`, /1 to 256 printable/],
      ['rules: [{identity: *, role: viewer}]', /1:\d+: /],
      [rule('role: wiever'), "1:34: 'wiever' is no value of role: did you mean 'viewer'?"],
      [rule('role: viewer, table: [5]'), /'table' is not known here: did you mean 'tables'/],
      [rule('role: viewer, tables: 5'), '1:50: tables must be a list'],
      [
        rule('role: viewer, tables: [0]'),
        /^1:51: '0' is not a table or a range such as 100-199, of ids from 1 to 99999999$/,
      ],
      [rule('role: viewer, tables: [1-100000000]'), /is not a table or a range/],
      [rule('role: viewer, tables: [studio]'), /is not a table or a range/],
      [rule('role: viewer, tables: [0x7]'), /'0x7' is not a table/],
      [rule('role: viewer, tables: [9-5]'), "1:51: the range '9-5' ends before it begins"],
      [rule('role: viewer, methods: [Lists]'), "1:52: 'Lists' is not a method: did you mean 'List'?"],
      [
        rule('role: viewer, methods: [qqqqqqqqqqqq]'),
        /is not a method: GetCapabilities, Apply, Replace, .*TableService\.CreateTable/,
      ],
      [rule('role: viewer, groups: [10.0.0.0/8]'), /'10\.0\.0\.0\/8' is not a group or a prefix of groups/],
      [rule('role: viewer, groups: [0.0.0.0/0]'), /is not a group/],
      [rule('role: viewer, groups: [x]'), /'x' is not a group/],
      [
        rule('role: viewer, interfaces: [eth0:1]'),
        /'eth0:1' is not the name of an interface, or a wildcard such as eth\+/,
      ],
      [rule('role: viewer, interfaces: [a-name-too-long-]'), /is not the name of an interface/],
      [rule('role: viewer, owners: ["a b"]'), /'a b' is not an owner or a pattern/],
      [
        `rules: [${'{},'.repeat(POLICY_RULES_MAX + 1)}]`,
        `has ${POLICY_RULES_MAX + 1} rules; ${POLICY_RULES_MAX} are allowed`,
      ],
      [
        rule(`role: viewer, tables: [${'1,'.repeat(POLICY_LIST_MAX + 1)}]`),
        `1:50: tables has ${POLICY_LIST_MAX + 1} items; ${POLICY_LIST_MAX} are allowed`,
      ],
    ];
    for (const [text, expected] of cases) {
      const findings = findingsOf(text);
      const found = findings[0]?.replace(/^p\.yaml: /, '').trimStart() ?? '';
      if (typeof expected === 'string') assert.equal(found, expected, text);
      else assert.match(found, expected, text);
    }
  });

  it('is refused with all that is wrong at once', () => {
    assert.deepEqual(findingsOf('rules:\n  - {identity: bob, role: king, tables: [x, 5, y]}\n  - 7').length, 5);
  });

  it('has no rule that grants nothing, and says so', () => {
    const cases: [string, RegExp][] = [
      ['identity: [], role: admin', /it is for nobody/],
      [
        'identity: user:bob, role: admin',
        /'user:bob' is not in \/etc\/passwd; for one of a directory write uid:NUMBER/,
      ],
      ['identity: group:bob, role: admin', /'group:bob' is not in \/etc\/group/],
      ['identity: uid:5, role: admin, tables: []', /'tables' is empty; leave it out where all is meant/],
      ['identity: uid:5, role: admin, groups: ', /'groups' is empty/],
      ['identity: uid:5, role: viewer, methods: [Apply]', /the rule grants nothing: Apply needs the role operator/],
      [
        'identity: uid:5, role: admin, methods: [SetPolicy], tables: [5]',
        /GatewayService\.SetPolicy is not of one table/,
      ],
      [
        'identity: uid:5, role: admin, methods: [Flush], owners: [a]',
        /Flush cannot be restricted to groups, interfaces or owners/,
      ],
    ];
    for (const [text, expected] of cases) {
      const { policy, warnings } = parse(`rules:\n  - { identity: uid:1, role: viewer }\n  - { ${text} }`);
      assert.equal(policy.rules.length, 1, text);
      assert.match(warnings.join('\n'), expected);
      assert.match(warnings[0] ?? '', /^line 3: /);
    }
    assert.deepEqual(parse('').warnings, ['no rule grants anything: everybody is refused']);
  });

  it('says what may not be as it was meant', () => {
    const cases: [string, RegExp | undefined][] = [
      ['role: viewer, methods: [List, Apply]', /Apply needs the role operator: not granted/],
      ['role: admin, groups: [239.0.0.0/8]', /admin may do no more than operator/],
      ['role: viewer, owners: [a]', /owners are no restriction for reading/],
      ['role: operator, owners: [config]', /what belongs to 'config' is changed in the table's configuration file/],
      ['role: operator, owners: [config, cli]', undefined],
      ['role: admin', undefined],
    ];
    for (const [text, expected] of cases) {
      const { policy, warnings } = parse(rule(text));
      assert.equal(policy.rules.length, 1);
      if (expected === undefined) assert.deepEqual(warnings, []);
      else assert.match(warnings.join('\n'), expected);
    }
  });

  it('is taken or refused, whatever the text', () => {
    const word = fc.constantFrom(
      'rules',
      ':',
      ' ',
      '\n',
      '- ',
      '{',
      '}',
      '[',
      ']',
      'identity: ',
      'role: admin',
      '"**"',
      ', ',
      '*',
      '&a',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 5 })), { maxLength: 30 }), (words) => {
        try {
          parse(words.join(''));
        } catch (error) {
          assert.ok(error instanceof ConfigurationError, String(error));
        }
      }),
    );
  });
});

describe('a pattern of identities', () => {
  const matches = (pattern: string, text: string) => compilePattern(pattern).matches(text);

  it('stands for whole texts; one star for all but a slash, two for all', () => {
    const cases: [string, string, boolean][] = [
      ['spiffe://lab/a', 'spiffe://lab/a', true],
      ['spiffe://lab/a', 'spiffe://lab/ab', false],
      ['spiffe://lab/a', 'xspiffe://lab/a', false],
      ['spiffe://lab/*', 'spiffe://lab/a', true],
      ['spiffe://lab/*', 'spiffe://lab/', true],
      ['spiffe://lab/*', 'spiffe://lab/a/b', false],
      ['spiffe://lab/**', 'spiffe://lab/a/b', true],
      ['spiffe://lab/*/b', 'spiffe://lab/a/b', true],
      ['spiffe://*/b', 'spiffe://lab/a/b', false],
      ['spiffe://**/b', 'spiffe://lab/a/b', true],
      ['dns:*.lab', 'dns:a.lab', true],
      ['dns:*.lab', 'dns:a_lab', false],
      ['dns:a?.lab', 'dns:ab.lab', false],
      ['dns:a.b', 'dns:axb', false],
      ['*', 'uid:5', true],
      ['*', 'spiffe://lab/a', false],
      ['**', 'spiffe://lab/a', true],
      ['***', 'spiffe://lab/a', true],
      ['uid:*5', 'uid:1555', true],
      ['**a*b', 'x/a/ab', true],
      ['a**', 'a', true],
    ];
    for (const [pattern, text, expected] of cases) assert.equal(matches(pattern, text), expected, `${pattern} ${text}`);
  });

  it('is what a regular expression of it would be', () => {
    const text = fc.array(fc.constantFrom('a', 'b', '/', '.'), { maxLength: 10 }).map((parts) => parts.join(''));
    const pattern = fc
      .array(fc.constantFrom('a', 'b', '/', '.', '*', '**'), { maxLength: 8 })
      .map((parts) => parts.join(''));
    const expressionOf = (from: string) =>
      new RegExp(`^${from.replaceAll('.', '\\.').replace(/\*+/g, (stars) => (stars.length > 1 ? '.*' : '[^/]*'))}$`);
    fc.assert(
      fc.property(pattern, text, (from, against) => {
        assert.equal(matches(from, against), expressionOf(from).test(against));
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not go back over the text', () => {
    // A regular expression would take longer than the world is old.
    assert.equal(matches('*a'.repeat(120), `${'a'.repeat(250)}b`), false);
    assert.equal(matches('**a'.repeat(80), `${'a'.repeat(250)}b`), false);
  });
});

describe('names of this host', () => {
  it('are those of the files, the first of each', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mcroute-names-'));
    try {
      writeFileSync(
        join(folder, 'passwd'),
        'root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:\nalice:x:0:0::/:\n+nis\nbad:x:y:\n',
      );
      const names = readAccountNames(join(folder, 'passwd'), join(folder, 'none'));
      assert.deepEqual(['root', 'alice', 'bad', '+nis', ''].map(names.uidOf), [
        0,
        1_000,
        undefined,
        undefined,
        undefined,
      ]);
      assert.equal(names.gidOf('root'), undefined);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const ADMIN = namedPeer('spiffe://lab/admin', '192.0.2.1:1');
const FIRST = 'rules:\n  - { identity: spiffe://lab/admin, role: admin }\n';
const SECOND = `${FIRST}  - { identity: uid:5, role: viewer }\n`;
const WITHOUT_ADMIN = 'rules:\n  - { identity: uid:5, role: viewer }\n';

describe('the policy in force', () => {
  const root = mkdtempSync(join(tmpdir(), 'mcroute-policy-'));
  let count = 0;
  let folder: string;
  let file: string;
  let log: ReturnType<typeof recordLog>;
  let changes: Policy[];
  after(() => {
    rmSync(root, { recursive: true });
  });
  beforeEach(() => {
    folder = join(root, String(count++));
    file = join(folder, 'policy.yaml');
    mkdirSync(folder);
    writeFileSync(file, FIRST);
    log = recordLog();
    changes = [];
  });

  const open = (): PolicySource =>
    openPolicyFile(file, { log: log.log, onChange: (policy) => void changes.push(policy) });
  const set = (source: PolicySource, text: string, how: { check?: boolean; force?: boolean } = {}) =>
    source.set(text, { peer: ADMIN, isValidateOnly: how.check ?? false, allowsLockout: how.force ?? false });
  const refusal = async (run: Promise<unknown>): Promise<ApiError> => {
    try {
      await run;
    } catch (error) {
      assert.ok(error instanceof ApiError, String(error));
      return error;
    }
    return assert.fail('it was taken');
  };

  it('is that of the file, and follows it by itself', async () => {
    using source = open();
    assert.deepEqual([source.policy.rules.length, source.text, source.file], [1, FIRST, file]);
    writeFileSync(`${file}.new`, SECOND);
    renameSync(`${file}.new`, file);
    await eventually(() => source.policy.rules.length === 2 || undefined, 'the new policy');
    assert.deepEqual([source.text, source.error, changes.length], [SECOND, undefined, 1]);
  });

  it('is not begun with a file that cannot be used', () => {
    writeFileSync(file, 'rules: 5');
    assert.throws(() => open(), ConfigurationError);
    rmSync(file);
    assert.throws(() => open(), /there is no such file/);
  });

  it('stays as it is when the file breaks or goes, which is told once', () => {
    using source = open();
    writeFileSync(file, 'rules: 5');
    source.reload();
    source.reload();
    assert.match(source.error ?? '', /policy\.yaml:1:8: rules must be a list/);
    rmSync(file);
    source.reload();
    assert.match(source.error ?? '', /there is no such file/);
    assert.deepEqual([source.policy.rules.length, source.text, changes.length], [1, FIRST, 0]);
    const text = 'the new policy cannot be used; the one before stays in force';
    assert.deepEqual(
      log.lines.map(({ msg }) => msg),
      [text, text],
    );
    writeFileSync(file, FIRST);
    source.reload();
    assert.deepEqual([source.error, changes.length], [undefined, 0]);
  });

  it('is changed in the file, which keeps its mode', async () => {
    chmodSync(file, 0o604);
    using source = open();
    const { policy, warnings } = await set(source, SECOND);
    assert.deepEqual([policy.rules.length, warnings], [2, []]);
    assert.deepEqual([source.policy.rules.length, source.text, readFileSync(file, 'utf8')], [2, SECOND, SECOND]);
    assert.deepEqual([statSync(file).mode & 0o777, readdirSync(folder)], [0o604, ['policy.yaml']]);
    assert.equal(changes.length, 1);
  });

  it('is changed behind a link, which stays', async () => {
    const link = join(folder, 'link.yaml');
    symlinkSync(file, link);
    using source = openPolicyFile(link, { log: log.log });
    await set(source, SECOND);
    assert.deepEqual([readFileSync(file, 'utf8'), source.text], [SECOND, SECOND]);
  });

  it('is only checked where that is asked for', async () => {
    using source = open();
    const { policy, warnings } = await set(source, `${SECOND}  - { identity: uid:6, role: viewer, tables: [] }\n`, {
      check: true,
    });
    assert.deepEqual([policy.rules.length, warnings.length], [2, 1]);
    assert.deepEqual([source.policy.rules.length, readFileSync(file, 'utf8')], [1, FIRST]);
  });

  it('is refused with what is wrong with it', async () => {
    using source = open();
    const error = await refusal(set(source, 'rules: [{ role: king }, 5]'));
    assert.equal(error.reason, 'INVALID_FIELD');
    assert.deepEqual(
      error.violations.map(({ field }) => field),
      ['policy', 'policy', 'policy'],
    );
    assert.match(error.message, /^policy: policy:1:9: the rule has no identity \(and 2 more\)$/);
    assert.equal(readFileSync(file, 'utf8'), FIRST);
  });

  it('does not lock out who changes it, unless that is asked for', async () => {
    using source = open();
    for (const check of [true, false]) {
      const error = await refusal(set(source, WITHOUT_ADMIN, { check }));
      assert.equal(error.reason, 'LOCKOUT');
      assert.match(
        error.message,
        /^by this policy spiffe:\/\/lab\/admin could not change the policy any more: give it/,
      );
    }
    assert.equal(source.text, FIRST);
    await set(source, WITHOUT_ADMIN, { force: true });
    assert.equal(source.text, WITHOUT_ADMIN);
  });

  it('is changed by one after the other', async () => {
    using source = open();
    await Promise.all([set(source, SECOND), set(source, FIRST), set(source, SECOND)]);
    assert.deepEqual([source.text, readdirSync(folder)], [SECOND, ['policy.yaml']]);
  });

  it('cannot be changed where the file cannot be written, with the cure', async () => {
    using source = open();
    // As nobody may write there: root may everywhere, but not through a file in the way.
    mkdirSync(`${file}.tmp`);
    writeFileSync(join(`${file}.tmp`, 'x'), '');
    const error = await refusal(set(source, SECOND));
    assert.equal(error.reason, 'STORAGE');
    assert.match(error.message, /^the policy file '.*policy\.yaml' cannot be written, and nothing has changed: /);
    assert.deepEqual([source.text, readFileSync(file, 'utf8')], [FIRST, FIRST]);
  });

  it('cannot be changed where there is no file', async () => {
    const source = fixedPolicy({ rules: [] }, 0);
    const error = await refusal(set(source, FIRST));
    assert.deepEqual([error.reason, source.file], ['CONFIGURATION', undefined]);
  });
});
