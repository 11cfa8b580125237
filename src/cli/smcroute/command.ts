// The words of a command, on the command line or in a line of a batch, to what is meant. Pure.
import {
  AddressError,
  type Prefix,
  anyPrefix,
  formatPrefix,
  isAny,
  isHost,
  isMulticastPrefix,
  isUnspecified,
  parsePrefix,
} from '../../model/address.js';
import { isInterfaceName } from '../../model/interface.js';
import { findName } from '../words.js';
import { CommandError } from './errors.js';

/** An interface and the flow that arrives there. */
export interface Flow {
  /** A name or a wildcard. */
  readonly interface: string;
  /** Length 0 is any. */
  readonly source: Prefix;
  readonly group: Prefix;
}

/** A command that changes the table. */
export type ChangeCommand =
  | { readonly kind: 'add' | 'remove'; readonly flow: Flow; readonly oifs: readonly string[] }
  | { readonly kind: 'join' | 'leave'; readonly flow: Flow };

/** What can be shown. */
export type Noun = (typeof NOUNS)[number];

/** A command. */
export type Command =
  | ChangeCommand
  | { readonly kind: 'show'; readonly noun: Noun }
  | { readonly kind: 'help'; readonly topic: CommandName | undefined }
  | { readonly kind: 'version' | 'flush' | 'reload' | 'kill' };

/** The commands, in the order in which help lists them. */
export const COMMANDS = [
  'help',
  'version',
  'flush',
  'kill',
  'reload',
  'show',
  'add',
  'remove',
  'join',
  'leave',
] as const;

export type CommandName = (typeof COMMANDS)[number];

/** Reads a command; no words at all show the routes. @throws CommandError */
export function parseCommand(words: readonly string[]): Command {
  const [verb = 'show', ...args] = words;
  const name = commandOf(verb);
  switch (name) {
    case 'add':
    case 'remove': {
      const { flow, rest } = takeFlow(name, args);
      return { kind: name, flow, oifs: rest.map(checkInterface) };
    }
    case 'join':
    case 'leave': {
      const { flow, rest } = takeFlow(name, args);
      if (rest.length > 0) throw new CommandError(`Too many arguments to command ${name}`, name);
      return { kind: name, flow };
    }
    case 'show':
      return { kind: name, noun: nounOf(args[0] ?? 'routes') };
    case 'help':
      return { kind: name, topic: args[0] === undefined ? undefined : commandOf(args[0]) };
    case 'version':
    case 'flush':
    case 'reload':
    case 'kill':
      return { kind: name };
  }
}

/** Whether a command changes the table. */
export function isChange(command: Command): command is ChangeCommand {
  return 'flow' in command;
}

/** `(S,G)` or `(*,G)`, as messages have it. */
export function flowText({ source, group }: Flow): string {
  return `(${isAny(source) ? '*' : formatPrefix(source)},${formatPrefix(group)})`;
}

const NOUNS = ['interfaces', 'groups', 'pending', 'routes'] as const;

/** Other names of commands. */
const ALIASES = new Map<string, CommandName>([
  ['del', 'remove'],
  ['rem', 'remove'],
]);

/** Least words after the command; of `add` one is an oif or, without any, the source. */
const WORDS_MIN: Partial<Record<CommandName, number>> = { add: 3, remove: 2, join: 2, leave: 2 };

const WORDS: readonly string[] = [...COMMANDS, ...ALIASES.keys()];

function commandOf(word: string): CommandName {
  const meaning = findName(word, WORDS);
  switch (meaning.kind) {
    case 'found':
      return nameOf(meaning.name);
    case 'ambiguous':
      throw new CommandError(`'${word}' may be ${[...new Set(meaning.names.map(nameOf))].join(' or ')}`);
    case 'unknown':
      throw new CommandError(`There is no command '${word}', see 'smcroutectl help'`);
  }
}

function nameOf(name: string): CommandName {
  return ALIASES.get(name) ?? (name as CommandName);
}

function nounOf(word: string): Noun {
  const meaning = findName(word, NOUNS);
  if (meaning.kind === 'found') return meaning.name as Noun;
  throw new CommandError(`'${word}' is nothing that can be shown`, 'show');
}

/** Takes the interface and the one or two addresses that begin the words. */
function takeFlow(name: CommandName, words: readonly string[]): { flow: Flow; rest: readonly string[] } {
  const [first = '', second = '', third] = words;
  if (words.length < (WORDS_MIN[name] ?? 0)) {
    throw new CommandError(`Not enough arguments to command ${name}`, name);
  }
  const iif = checkInterface(first);
  const address = parse(second, 'source/group address');
  if (isMulticastPrefix(address)) {
    return {
      flow: { interface: iif, source: anyPrefix(address.address.family), group: address },
      rest: words.slice(2),
    };
  }
  if (third === undefined) throw new CommandError(`invalid multicast group: ${second}`);
  const group = parse(third, 'multicast group');
  if (!isMulticastPrefix(group)) throw new CommandError(`invalid multicast group: ${third}`);
  const { family } = group.address;
  if (address.address.family !== family) {
    throw new CommandError(`source ${second} and group ${third} are of different families`);
  }
  // 0.0.0.0 and :: are any source.
  const source = isHost(address) && isUnspecified(address.address) ? anyPrefix(family) : address;
  return { flow: { interface: iif, source, group }, rest: words.slice(3) };
}

function parse(word: string, what: string): Prefix {
  try {
    return parsePrefix(word);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw new CommandError(`invalid ${what}: ${word}`);
  }
}

function checkInterface(word: string): string {
  if (!isInterfaceName(word)) throw new CommandError(`'${word}' cannot be the name of an interface`);
  return word;
}
