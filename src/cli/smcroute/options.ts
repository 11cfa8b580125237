// The options of smcroutectl, read as getopt(3) does: single letters, joined or apart, before and after the command.
// Pure.
import { CommandError } from './errors.js';

/** What the options say. */
export interface Options {
  /** -b: commands come from stdin. */
  readonly isBatch: boolean;
  /** -d: counters and the kernel's groups too. */
  readonly isDetailed: boolean;
  /** -j */
  readonly isJson: boolean;
  /** -p: headings without control characters. */
  readonly isPlain: boolean;
  /** False with -t. */
  readonly hasHeadings: boolean;
  /** Path of the socket: -u, or what the identity of -i stands for. */
  readonly socket: string;
  /** -h or -v, whatever else there is. */
  readonly request: 'help' | 'version' | undefined;
  /** The command. */
  readonly words: readonly string[];
}

/** The identity of a daemon that was given none. */
const IDENTITY_DEFAULT = 'smcroute';

/** Letters with an argument; -I is what -i is, as for smcrouted. */
const WITH_ARGUMENT = 'iIu';

const FLAGS = 'bdjpthv';

/** Reads what follows the program's name. @throws CommandError */
export function parseOptions(words: readonly string[]): Options {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const rest: string[] = [];
  const queue = [...words];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    if (word === '--') {
      rest.push(...queue.splice(0));
    } else if (word.startsWith('-') && word !== '-') {
      readLetters(word.slice(1), queue, flags, values);
    } else {
      rest.push(word);
    }
  }
  return {
    isBatch: flags.has('b'),
    isDetailed: flags.has('d'),
    isJson: flags.has('j'),
    isPlain: flags.has('p'),
    hasHeadings: !flags.has('t'),
    socket: values.get('u') ?? `/run/${values.get('i') ?? IDENTITY_DEFAULT}.sock`,
    request: flags.has('h') ? 'help' : flags.has('v') ? 'version' : undefined,
    words: rest,
  };
}

/** Reads the letters of one word; the argument of the last may be the next word of the queue. */
function readLetters(letters: string, queue: string[], flags: Set<string>, values: Map<string, string>): void {
  for (const [index, letter] of Array.from(letters).entries()) {
    if (FLAGS.includes(letter)) {
      flags.add(letter);
      continue;
    }
    if (!WITH_ARGUMENT.includes(letter)) throw new CommandError(`invalid option -- '${letter}'`, 'usage');
    const joined = Array.from(letters)
      .slice(index + 1)
      .join('');
    const value = joined === '' ? queue.shift() : joined;
    if (value === undefined) throw new CommandError(`option requires an argument -- '${letter}'`, 'usage');
    values.set(letter.toLowerCase(), value);
    return;
  }
}
