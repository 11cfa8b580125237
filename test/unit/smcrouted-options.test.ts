// The options of smcrouted: what each means, its default, and what is wrong.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionError, type Options, parseOptions, usageText } from '../../src/agent/smcrouted/options.js';

const DEFAULTS: Options = {
  request: undefined,
  check: undefined,
  identity: 'smcroute',
  file: '/etc/smcroute.conf',
  hook: undefined,
  cacheTimeoutS: 60,
  advertisementIntervalS: 20,
  enablesInterfaces: true,
  isForeground: false,
  logsToSyslog: true,
  logLevel: 'notice',
  table: 0,
};

/** Words, and what they change of the defaults. */
const MEANINGS: readonly (readonly [words: string, changes: Partial<Options>])[] = [
  ['', {}],
  ['-c 5', { cacheTimeoutS: 5 }],
  ['-c0', { cacheTimeoutS: 0 }],
  ['-d 3', {}],
  ['-e /bin/x', { hook: '/bin/x' }],
  ['-f a.conf', { file: 'a.conf' }],
  ['-F a.conf', { check: 'a.conf' }],
  ['-h', { request: 'help' }],
  ['-v', { request: 'version' }],
  ['-hv', { request: 'help' }],
  ['-i lab', { identity: 'lab', file: '/etc/lab.conf' }],
  ['-I lab', { identity: 'lab', file: '/etc/lab.conf' }],
  ['-i lab -f x', { identity: 'lab', file: 'x' }],
  ['-i lab -I two', { identity: 'two', file: '/etc/two.conf' }],
  ['-l none', { logLevel: 'none' }],
  ['-l debug', { logLevel: 'debug' }],
  ['-m 4', { advertisementIntervalS: 4 }],
  ['-m180', { advertisementIntervalS: 180 }],
  ['-n', { isForeground: true, logsToSyslog: false }],
  ['-n -s', { isForeground: true, logsToSyslog: true }],
  ['-s', {}],
  ['-N', { enablesInterfaces: false }],
  ['-p nobody:nogroup', {}],
  ['-P other', {}],
  ['-t 123', { table: 123 }],
  ['-t0', { table: 0 }],
  ['-u /run/x.sock', {}],
  // As getopt(3) reads them.
  ['-nNt5', { isForeground: true, logsToSyslog: false, enablesInterfaces: false, table: 5 }],
  ['word -t 5 other -n', { table: 5, isForeground: true, logsToSyslog: false }],
  ['-t 5 -- -n', { table: 5 }],
  ['-f -n', { file: '-n' }],
  ['-', {}],
];

const MISTAKES: readonly (readonly [words: string, message: RegExp])[] = [
  ['-x', /^invalid option -- 'x'$/],
  ['--help', /^invalid option -- '-'$/],
  ['-t', /^option requires an argument -- 't'$/],
  ['-nc', /^option requires an argument -- 'c'$/],
  ['-t abc', /^-t 'abc' is not a whole number from 0 to 99999999$/],
  ['-t 100000000', /^-t/],
  ['-t -1', /^-t '-1'/],
  ['-c 1.5', /^-c/],
  ['-c 86401', /^-c .* from 0 to 86400$/],
  ['-d x', /^-d 'x'/],
  ['-m 3', /^-m '3' is not a whole number from 4 to 180$/],
  ['-m 181', /^-m/],
  ['-l bad', /^-l 'bad' is not a level: give one of none, err, notice, info, debug$/],
  ['-i a/b', /^-i 'a\/b'/],
];

const wordsOf = (text: string) => text.split(' ').filter((word) => word !== '');

describe('the options of smcrouted', () => {
  for (const [words, changes] of MEANINGS) {
    it(`are read: ${words === '' ? 'none' : words}`, () => {
      assert.deepEqual(parseOptions(wordsOf(words)), { ...DEFAULTS, ...changes });
    });
  }

  for (const [words, message] of MISTAKES) {
    it(`are refused: ${words}`, () => {
      assert.throws(
        () => parseOptions(wordsOf(words)),
        (error) => error instanceof OptionError && message.test(error.message),
      );
    });
  }

  it('are refused without a value where one is needed', () => {
    for (const letter of 'eFfiPpu') assert.throws(() => parseOptions([`-${letter}`, '']), OptionError, letter);
  });

  it('are all in the usage, and nothing else is', () => {
    const described = [...usageText().matchAll(/^ {2}-(\w)/gm)].map(([, letter]) => letter);
    assert.deepEqual(described.sort(), Array.from('cdeFfhilmNnPpstuv').sort());
  });
});
