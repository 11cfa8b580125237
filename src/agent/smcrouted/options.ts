// The options of smcrouted, read as getopt(3) does: single letters, joined or apart, before and after other words, which
// mean nothing. Pure. mcroute-launch reads those that concern it by itself: -d -i -n -p -P -t -u.
import { CACHE_TIMEOUT_DEFAULT_S, TABLE_ID_MAX } from '../../model/limits.js';
import { LOG_LEVELS, type LogLevel } from '../../runtime/log.js';
import { ADVERTISEMENT_INTERVAL_S } from '../mrdisc/advertiser.js';

/** What the options say. */
export interface Options {
  /** -h or -v, whatever else there is. */
  readonly request: 'help' | 'version' | undefined;
  /** -F: a file to check. */
  readonly check: string | undefined;
  /** -i: names the files, the socket and the lines of the log. */
  readonly identity: string;
  /** -f */
  readonly file: string;
  /** -e */
  readonly hook: string | undefined;
  /** -c: idle time of learned entries, in seconds; 0 is never. */
  readonly cacheTimeoutS: number;
  /** -m: time between two advertisements of router discovery, in seconds. */
  readonly advertisementIntervalS: number;
  /** False with -N: interfaces take part only if a `phyint` line enables them. */
  readonly enablesInterfaces: boolean;
  /** -n */
  readonly isForeground: boolean;
  /** Into the system's log: -s, or without -n. */
  readonly logsToSyslog: boolean;
  /** -l */
  readonly logLevel: LogLevel;
  /** -t; 0 is the kernel's default table. */
  readonly table: number;
}

/** Something is wrong with the words. */
export class OptionError extends Error {}

const FLAGS = 'hnNsv';
const WITH_VALUE = 'cdeFfiIlmpPtu';

const IDENTITY_DEFAULT = 'smcroute';

/** A day. */
const SECONDS_MAX = 86_400;

/** Reads what follows the program's name. @throws OptionError */
export function parseOptions(words: readonly string[]): Options {
  const { flags, values } = readWords(words);
  const identity = values.get('i') ?? IDENTITY_DEFAULT;
  if (identity === '' || identity.includes('/')) throw new OptionError(`-i '${identity}' is not a name of files`);
  for (const letter of ['e', 'f', 'F', 'p', 'P', 'u']) {
    if (values.get(letter) === '') throw new OptionError(`-${letter} needs a value that is not empty`);
  }
  // Counted by mcroute-launch.
  wholeNumber(values, 'd', 0, SECONDS_MAX, 0);
  const { min, max, default: interval } = ADVERTISEMENT_INTERVAL_S;
  return {
    request: flags.has('h') ? 'help' : flags.has('v') ? 'version' : undefined,
    check: values.get('F'),
    identity,
    file: values.get('f') ?? `/etc/${identity}.conf`,
    hook: values.get('e'),
    cacheTimeoutS: wholeNumber(values, 'c', 0, SECONDS_MAX, CACHE_TIMEOUT_DEFAULT_S),
    advertisementIntervalS: wholeNumber(values, 'm', min, max, interval),
    enablesInterfaces: !flags.has('N'),
    isForeground: flags.has('n'),
    logsToSyslog: flags.has('s') || !flags.has('n'),
    logLevel: logLevel(values.get('l') ?? 'notice'),
    table: wholeNumber(values, 't', 0, TABLE_ID_MAX, 0),
  };
}

/** What `-h` prints. */
export function usageText(): string {
  return `Usage: smcrouted [-hnNsv] [-c SEC] [-d SEC] [-e CMD] [-f FILE] [-F FILE] [-i NAME]
                 [-l LVL] [-m SEC] [-p USER[:GROUP]] [-P FILE] [-t ID] [-u FILE]

  -c SEC           idle time after which learned routes go; 0 is never (${CACHE_TIMEOUT_DEFAULT_S})
  -d SEC           wait before anything is opened or read
  -e CMD           run this when the configuration was loaded (reload) or a
                   route was learned (install)
  -f FILE          configuration (/etc/NAME.conf)
  -F FILE          say what is wrong with such a file, and end
  -h               print this
  -i NAME          identity: names the configuration, the pid file, the socket and
                   the lines of the log (${IDENTITY_DEFAULT})
  -l LVL           what is logged: ${LOG_LEVELS.join(', ')} (notice)
  -m SEC           time between advertisements of router discovery, ${ADVERTISEMENT_INTERVAL_S.min} to ${ADVERTISEMENT_INTERVAL_S.max} (${ADVERTISEMENT_INTERVAL_S.default})
  -n               stay in the foreground, log to stderr
  -N               interfaces take part only if a phyint line enables them
  -p USER[:GROUP]  run as this user
  -P FILE          pid file, or its name in /run (/run/NAME.pid)
  -s               log to syslog, which is so without -n anyway
  -t ID            multicast routing table; 0 is the kernel's default one (0)
  -u FILE          control socket (/run/NAME.sock)
  -v               print the version
`;
}

interface Words {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
}

function readWords(words: readonly string[]): Words {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined && word !== '--'; word = queue.shift()) {
    if (word.startsWith('-') && word !== '-') readLetters(Array.from(word.slice(1)), queue, flags, values);
  }
  return { flags, values };
}

/** Reads the letters of one word; the value of the last may be the next word of the queue. */
function readLetters(letters: readonly string[], queue: string[], flags: Set<string>, values: Map<string, string>) {
  for (const [index, letter] of letters.entries()) {
    if (FLAGS.includes(letter)) {
      flags.add(letter);
      continue;
    }
    if (!WITH_VALUE.includes(letter)) throw new OptionError(`invalid option -- '${letter}'`);
    const joined = letters.slice(index + 1).join('');
    const value = joined === '' ? queue.shift() : joined;
    if (value === undefined) throw new OptionError(`option requires an argument -- '${letter}'`);
    values.set(letter === 'I' ? 'i' : letter, value);
    return;
  }
}

function wholeNumber(values: Words['values'], letter: string, min: number, max: number, missing: number): number {
  const text = values.get(letter);
  if (text === undefined) return missing;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new OptionError(`-${letter} '${text}' is not a whole number from ${min} to ${max}`);
}

function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((name) => name === text);
  if (level === undefined) throw new OptionError(`-l '${text}' is not a level: give one of ${LOG_LEVELS.join(', ')}`);
  return level;
}
