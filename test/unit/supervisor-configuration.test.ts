// The supervisor's configuration file: what it may say, and all that is wrong at once.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { CONFIGURATION_MAX, TABLES_MAX } from '../../src/model/limits.js';
import { ConfigurationError } from '../../src/configuration/configuration-error.js';
import { EMPTY_CONFIGURATION, parseConfiguration, readConfiguration } from '../../src/supervisor/configuration.js';
import { DEFAULT_SETTINGS } from '../../src/supervisor/settings.js';

const directory = mkdtempSync(join(tmpdir(), 'mcroute-configuration-'));
after(() => {
  rmSync(directory, { recursive: true });
});

function errorOf(run: () => unknown): ConfigurationError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error));
    return error;
  }
  return assert.fail('it was taken');
}

/** The findings of a text, as `LINE:COLUMN: what is wrong`. */
function findingsOf(text: string): string[] {
  const { message } = errorOf(() => parseConfiguration(text, 'f.yaml'));
  return message.split('\n').map((line) => line.replace(/^f\.yaml:/, ''));
}

describe('a configuration', () => {
  it('says all of a table', () => {
    const text = `tables:
  - id: 123
    name: studio
    user: mcroute:mcroute
    netns: blue
    config: /etc/mcroute/studio.conf
    options: { cache-timeout: 30, star-g: learn, mrules: false, mrule-priority: 5, realtime: false,
               families: [ipv6, ipv4], log-level: debug, watchdog: 0 }
`;
    assert.deepEqual(parseConfiguration(text, 'f.yaml').tables, [
      {
        table: 123,
        origin: 'configuration',
        settings: {
          name: 'studio',
          user: 'mcroute:mcroute',
          netns: 'blue',
          configFile: '/etc/mcroute/studio.conf',
          families: ['ipv4', 'ipv6'],
          cacheTimeoutS: 30,
          starG: 'learn',
          makesMrules: false,
          mrulePriority: 5,
          wantsRealtime: false,
          logLevel: 'debug',
          watchdogS: 0,
        },
      },
    ]);
  });

  it('leaves out what has a default, and comes in the order of the ids', () => {
    const text = 'tables: [{id: 7, name: , options: {watchdog: ~}}, {id: 0x5}]';
    const expected = [5, 7].map((table) => ({ table, settings: DEFAULT_SETTINGS, origin: 'configuration' }));
    assert.deepEqual(parseConfiguration(text, 'f.yaml'), { tables: expected, gateway: undefined });
    for (const empty of ['', '# nothing yet\n', 'tables:\n', 'tables: []', 'gateway:\n', '---\n...\n']) {
      assert.deepEqual(parseConfiguration(empty, 'f.yaml'), EMPTY_CONFIGURATION);
    }
  });

  it('asks for a gateway, with all that is told of it', () => {
    const text = 'gateway: { config: /etc/gw.yaml, user: gw:net, log-level: info, watchdog: 5 }\n';
    assert.deepEqual(parseConfiguration(text, 'f.yaml'), {
      tables: [],
      gateway: { configFile: '/etc/gw.yaml', user: 'gw:net', logLevel: 'info', watchdogS: 5 },
    });
    assert.deepEqual(parseConfiguration('gateway: {}', 'f.yaml').gateway, {
      configFile: undefined,
      user: undefined,
      logLevel: undefined,
      watchdogS: 60,
    });
  });

  it('takes names that look like numbers as they are written, and those of directories of users', () => {
    const text = String.raw`tables: [{id: 1, user: 1000:0100, netns: 007}, {id: 2, user: 'DOMAIN\a@b', netns: a b}]`;
    const [first, second] = parseConfiguration(text, 'f.yaml').tables.map(({ settings }) => settings);
    assert.deepEqual([first?.user, first?.netns], ['1000:0100', '007']);
    assert.deepEqual([second?.user, second?.netns], [String.raw`DOMAIN\a@b`, 'a b']);
  });

  it('is refused with the place of each thing that is wrong', () => {
    const cases: [string, string | RegExp][] = [
      ['tables: 5', '1:9: tables must be a list'],
      ['5', '1:1: the file must be a map with tables, gateway'],
      ['tabels: []', "1:1: 'tabels' is not known here: did you mean 'tables'?"],
      ['zebra: []', "1:1: 'zebra' is not known here: known are tables, gateway"],
      ['gateway: true', '1:10: gateway must be a map with config, user, log-level, watchdog'],
      ['gateway: {listen: a}', "1:11: 'listen' is not known here: known are config, user, log-level, watchdog"],
      ['gateway: {config: gw.yaml}', /^1:19: 'gw\.yaml' is not the path of a file/],
      ['gateway: {watchdog: -1}', /^1:21: -1 is not a watchdog time in seconds/],
      ['tables: [5]', '1:10: a table must be a map with id, name, config, user, netns, options'],
      ['tables: [~]', '1:10: an item of tables is empty'],
      ['tables: [{}]', '1:10: the table has no id: 1 to 99999999'],
      ['tables: [{id: 0}]', "1:15: 0 is not a table's id: a whole number, 1 to 99999999"],
      ['tables: [{id: 100000000}]', /100000000 is not a table's id/],
      ['tables: [{id: 1.5}]', /1\.5 is not a table's id/],
      ['tables: [{id: .nan}]', /NaN is not a table's id/],
      ['tables: [{id: "5"}]', "1:15: '5' is not a table's id: a whole number, 1 to 99999999"],
      ['tables: [{id: [5]}]', "1:15: a table's id: a whole number, 1 to 99999999"],
      ['tables: [{id: 5, id: 6}]', "1:18: 'id' is told twice"],
      ['tables:\n  - id: 5\n  - id: 5', '3:9: table 5 is there already, in line 2'],
      ['tables:\n  - {id: 5, name: a}\n  - {id: 6, name: a}', '3:19: name a is there already, in line 2'],
      ['tables: [{id: 5, mrules: false}]', "1:18: 'mrules' is not known here: it belongs to the table's options"],
      ['tables: [{id: 5, usr: a}]', "1:18: 'usr' is not known here: did you mean 'user'?"],
      ['tables: [{id: 5, ? [a] : b}]', /^1:10: keys must be words/],
      ['tables: [{id: 5, <<: {name: a}}]', /'<<' is not known here/],
      ['tables: [{id: 5, name: 6}]', /^1:24: '6' is not a name for a table: 1 to 64 letters.*and not a number$/],
      [`tables: [{id: 5, name: ${'a'.repeat(65)}}]`, /is not a name for a table/],
      ['tables: [{id: 5, name: a/b}]', /'a\/b' is not a name for a table/],
      ['tables: [{id: 5, name: true}]', '1:24: name must be a text, not true: quote it'],
      ['tables: [{id: 5, name: [a]}]', '1:24: name must be a text'],
      ['tables: [{id: 5, user: a:b:c}]', /'a:b:c' is not a user: USER or USER:GROUP/],
      ['tables: [{id: 5, user: -a}]', /'-a' is not a user/],
      ['tables: [{id: 5, user: "a\\nb"}]', /is not a user/],
      [`tables: [{id: 5, user: ${'u'.repeat(257)}}]`, /is not a user/],
      ['tables: [{id: 5, netns: ../x}]', /'\.\.\/x' is not the name of a network namespace: one that 'ip netns list'/],
      ['tables: [{id: 5, config: studio.conf}]', /'studio\.conf' is not the path of a file: it begins with \//],
      ['tables: [{id: 5, netns: ..}]', /is not the name of a network namespace/],
      ['tables: [{id: 5, netns: -x}]', /is not the name of a network namespace/],
      [`tables: [{id: 5, netns: ${'n'.repeat(256)}}]`, /is not the name of a network namespace/],
      ['tables: [{id: 5, options: [a]}]', /^1:27: options must be a map with families, cache-timeout/],
      ['tables: [{id: 5, options: {star-g: kernal}}]', "1:36: 'kernal' is no value of star-g: did you mean 'kernel'?"],
      ['tables: [{id: 5, options: {log-level: warn}}]', /no value of log-level: none, err, notice, info, debug$/],
      ['tables: [{id: 5, options: {realtime: yes}}]', '1:38: realtime must be true or false'],
      ['tables: [{id: 5, options: {watchdog: 3601}}]', /3601 is not a watchdog time in seconds: .*0 to 3600$/],
      ['tables: [{id: 5, options: {cache-timeout: 86401}}]', /86401 is not a cache timeout in seconds/],
      ['tables: [{id: 5, options: {cache-timeout: -1}}]', /-1 is not a cache timeout/],
      ['tables: [{id: 5, options: {mrule-priority: 0}}]', /0 is not a priority of mrules: .*1 to 32766$/],
      ['tables: [{id: 5, options: {mrule-priority: 32767}}]', /32767 is not a priority of mrules/],
      ['tables: [{id: 5, options: {families: ipv4}}]', '1:38: families must be a list'],
      ['tables: [{id: 5, options: {families: [ipx]}}]', "1:39: 'ipx' is no value of families: ipv4, ipv6"],
      ['tables: [{id: 5, options: {families: [ipv4, ipv4]}}]', '1:45: ipv4 is named twice'],
      ['tables: [&a {id: 5}, *a]', '1:22: an alias (*a) is not taken here: write it out'],
      ['tables: *a', /^1:9: /],
      ['tables: [', /^1:10: /],
      ['a: b: c', /^1:\d: /],
      ['--- {}\n--- {}', /^2:1: .*multiple documents/],
    ];
    for (const [text, expected] of cases) {
      const findings = findingsOf(text);
      assert.equal(findings.length, 1, `${text}: ${findings.join('; ')}`);
      if (typeof expected === 'string') assert.equal(findings[0], expected, text);
      else assert.match(findings[0] ?? '', expected, text);
    }
  });

  it('is refused with everything that is wrong, in the order of the file', () => {
    const text = `tables:
  - { id: 0, name: 5 }
  - id: 6
    usr: a
    options: { realtime: 1, star-g: x }
rest: 1
`;
    assert.deepEqual(
      findingsOf(text).map((line) => line.split(' ')[0]),
      ['2:11:', '2:20:', '4:5:', '5:26:', '5:37:', '6:1:'],
    );
    const many = `tables: [${'{},'.repeat(300)}]`;
    assert.equal(errorOf(() => parseConfiguration(many, 'f.yaml')).findings.length, 100);
    assert.match(errorOf(() => parseConfiguration(many, 'f.yaml')).message, /\n\(and 200 more\)$/);
  });

  it('cannot exhaust the supervisor', () => {
    const deep = /^f\.yaml: has values within values, more than 64 deep$/;
    const cases: [string, RegExp][] = [
      ['['.repeat(500_000), deep],
      ['{a: '.repeat(100_000), deep],
      ['- '.repeat(100_000), deep],
      ['? '.repeat(100_000), deep],
      ['a: b: '.repeat(100_000), deep],
      [' '.repeat(CONFIGURATION_MAX + 1), /^f\.yaml: has more than 1048576 bytes$/],
      [`tables: [${'{id: 5},'.repeat(TABLES_MAX + 1)}]`, /^f\.yaml: has 1025 tables; a host may have 1024$/],
      [`tables:\n  - { ${Array.from({ length: 50_000 }, (_, i) => `k${i}: 1`).join(', ')} }`, /'k0' is not known/],
      // Nine lists of ten aliases each, within one another.
      [
        `${'abcdefghi'
          .split('')
          .map((name, i, all) => `${name}: &${name} [${`${i === 0 ? 'x' : `*${all[i - 1] ?? ''}`},`.repeat(10)}]`)
          .join('\n')}\ntables: *i`,
        /an alias \(\*i\) is not taken here/,
      ],
    ];
    for (const [text, expected] of cases) {
      assert.match(errorOf(() => parseConfiguration(text, 'f.yaml')).message, expected);
    }
  });

  it('is a list of tables or a ConfigurationError, whatever the text is', () => {
    const fragments = ['tables', 'id', 'options', ':', ' ', '\n', '-', '[', ']', '{', '}', ',', '"', "'", '5', 'x'];
    fragments.push('&a', '*a', '!!map', '? ', '|', '>', '\t', '#', '~', '%', '---', '<<', 'families', '\u0000');
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom(...fragments), { maxLength: 40 }).map((words) => words.join('')),
      fc.json().map((text) => `tables: ${text}`),
      fc
        .dictionary(fc.constantFrom('id', 'name', 'user', 'netns', 'options'), fc.jsonValue())
        .map((table) => stringify({ tables: [table] })),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          for (const { table, settings } of parseConfiguration(text, 'f').tables) {
            assert.ok(Number.isInteger(table) && table >= 1 && table <= 99_999_999);
            assert.deepEqual(Object.keys(settings).sort(), Object.keys(DEFAULT_SETTINGS).sort());
          }
        } catch (error) {
          assert.ok(error instanceof ConfigurationError, String(error));
          for (const { where } of error.findings) assert.match(where, /^f(:\d+:\d+)?$/);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a configuration file', () => {
  const write = (name: string, content: string | Buffer) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };

  it('is read, with a byte order mark too', () => {
    assert.equal(readConfiguration(write('good.yaml', '\ufefftables: [{id: 5}]')).tables.length, 1);
  });

  it('that cannot be read is refused, with the reason', () => {
    const fifo = join(directory, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const cases: [string, string][] = [
      [join(directory, 'none'), 'there is no such file'],
      [directory, 'this is not a regular file'],
      ['/dev/zero', 'this is not a regular file'],
      [fifo, 'this is not a regular file'],
      [write('latin1.yaml', Buffer.from('tables: [] # \xe9', 'latin1')), 'is not a text in UTF-8'],
      [write('large.yaml', Buffer.alloc(CONFIGURATION_MAX + 1, ' ')), 'has more than 1048576 bytes'],
    ];
    for (const [path, reason] of cases) {
      assert.equal(errorOf(() => readConfiguration(path)).message, `${path}: ${reason}`);
    }
  });
});
