// The words of add, remove, join, leave and interface to changes of the API. Pure. Only the shape is checked here:
// whether an address or a name is valid is for the agent to say.
import type { Change } from '../api/generated/mcroute/v1/Change.js';
import type { Interface } from '../api/generated/mcroute/v1/Interface.js';
import type { Mroute } from '../api/generated/mcroute/v1/Mroute.js';
import type { Oif } from '../api/generated/mcroute/v1/Oif.js';
import { CliError } from './errors.js';

/** Options of `add`. */
export interface AddOptions {
  /** Sources that the rule does not match. */
  readonly except?: readonly string[];
  readonly deny?: boolean;
  readonly label?: string;
  /** The rule is to be just so, whatever oifs it has now. */
  readonly replace?: boolean;
}

/** Options of `interface`. */
export interface InterfaceOptions {
  readonly ttlThreshold?: number;
  readonly enable?: boolean;
  readonly disable?: boolean;
  readonly querier?: boolean;
  readonly mrdisc?: boolean;
  /** Groups, as addresses or prefixes. */
  readonly boundary?: readonly string[];
  /** Nothing of all that any more. */
  readonly unset?: boolean;
}

/** The usage line of every command that takes such words. */
export const USAGES = {
  add: 'mcctl add IIF [SOURCE[/LEN]] GROUP[/LEN] OIF[@TTL]...',
  remove: 'mcctl remove IIF [SOURCE[/LEN]] GROUP[/LEN] [OIF...]',
  join: 'mcctl join INTERFACE [SOURCE[/LEN]] GROUP[/LEN]',
  leave: 'mcctl leave INTERFACE [SOURCE[/LEN]] GROUP[/LEN]',
  interface:
    'mcctl interface INTERFACE [--ttl-threshold N] [--enable|--disable] [--querier] [--mrdisc] [--boundary GROUP[/LEN]]... | --unset',
} as const;

/** `IIF [SOURCE] GROUP OIF...`: extends a rule, or with except, deny, label or replace says all of it. */
export function parseAdd(words: readonly string[], options: AddOptions = {}): Change {
  const { name: iif, flow, rest } = takeFlow('add', 'IIF', words);
  const { except = [], deny = false, label = '', replace = false } = options;
  const oifs = rest.map((word): Oif => {
    const { name, ttlThreshold } = parseOif('add', word);
    return ttlThreshold === undefined ? { interface: name } : { interface: name, ttlThreshold };
  });
  if (oifs.length === 0 && !deny && !replace) {
    throw usageError(
      'add',
      'OIF is missing: name the interfaces that copies leave by (--deny drops the packets, --replace without OIF adds none)',
    );
  }
  const mroute: Mroute = { key: { iif, ...flow }, oifs, except: [...except], deny, label };
  const isWhole = deny || replace || except.length > 0 || options.label !== undefined;
  return isWhole ? { id: 1, put: { mroute } } : { id: 1, addOifs: mroute };
}

/** `IIF [SOURCE] GROUP [OIF...]`: takes the oifs away from a rule, or without any takes the rule away. */
export function parseRemove(words: readonly string[]): Change {
  const { name: iif, flow, rest } = takeFlow('remove', 'IIF', words);
  const key = { iif, ...flow };
  if (rest.length === 0) return { id: 1, deleteExisting: { mroute: key } };
  // A threshold names no other oif, so that what was typed for `add` serves here too.
  const oifs = rest.map((word) => ({ interface: parseOif('remove', word).name }));
  return { id: 1, removeOifs: { key, oifs } };
}

/** `INTERFACE [SOURCE] GROUP`. */
export function parseJoin(words: readonly string[], options: { readonly label?: string } = {}): Change {
  return { id: 1, put: { membership: { key: takeMembership('join', words), label: options.label ?? '' } } };
}

/** `INTERFACE [SOURCE] GROUP`. */
export function parseLeave(words: readonly string[]): Change {
  return { id: 1, deleteExisting: { membership: takeMembership('leave', words) } };
}

/** `INTERFACE`, with all that is wanted of it, or `unset`. */
export function parseInterface(words: readonly string[], options: InterfaceOptions): Change {
  const [name, ...rest] = words;
  if (name === undefined) throw usageError('interface', 'INTERFACE is missing');
  refuseMore('interface', rest);
  const settings = parseSettings(options);
  const [first] = Object.keys(settings);
  if (options.unset === true) {
    if (first !== undefined) {
      throw usageError('interface', '--unset takes all settings back and excludes every other option');
    }
    return { id: 1, deleteExisting: { interface: { name } } };
  }
  if (first === undefined) {
    throw usageError('interface', `nothing is said of '${name}': say all that is wanted of it, or --unset`);
  }
  return { id: 1, put: { interface: { key: { name }, ...settings } } };
}

/** The settings that options ask for; one that no option names is as it is without a word. */
function parseSettings(options: InterfaceOptions): Omit<Interface, 'key'> {
  const { ttlThreshold, enable = false, disable = false, querier = false, mrdisc = false, boundary = [] } = options;
  if (enable && disable) throw usageError('interface', '--enable and --disable exclude each other');
  return {
    ...(ttlThreshold !== undefined && { ttlThreshold }),
    ...((enable || disable) && { enabled: enable }),
    ...(querier && { querier }),
    ...(mrdisc && { mrdisc }),
    ...(boundary.length > 0 && { boundaries: [...boundary] }),
  };
}

/** Parses a TTL threshold, 1 to 254; undefined if the text is none. */
export function parseTtlThreshold(text: string): number | undefined {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= 254 ? value : undefined;
}

type Verb = keyof typeof USAGES;

function usageError(verb: Verb, text: string): CliError {
  return new CliError('USAGE', `${verb}: ${text}`, [`usage: ${USAGES[verb]}`]);
}

function takeMembership(verb: Verb, words: readonly string[]): { interface: string; source: string; group: string } {
  const { name, flow, rest } = takeFlow(verb, 'INTERFACE', words);
  refuseMore(verb, rest);
  return { interface: name, ...flow };
}

/** Takes the interface and the one or two addresses that begin the words. */
function takeFlow(
  verb: Verb,
  nameWord: string,
  words: readonly string[],
): { name: string; flow: { source: string; group: string }; rest: readonly string[] } {
  const [name, first, second] = words;
  if (name === undefined) throw usageError(verb, `${nameWord} and GROUP are missing`);
  if (looksLikeAddress(name)) {
    throw usageError(verb, `${nameWord} is missing: '${name}' is an address, and the interface comes first`);
  }
  if (first === undefined) throw usageError(verb, `GROUP is missing after '${name}'`);
  if (!looksLikeAddress(first)) {
    throw usageError(verb, `GROUP is missing: '${first}' is not an address or prefix, such as 239.1.1.1 or ff3e::/32`);
  }
  if (second !== undefined && looksLikeAddress(second)) {
    return { name, flow: { source: first, group: second }, rest: words.slice(3) };
  }
  return { name, flow: { source: '', group: first }, rest: words.slice(2) };
}

function refuseMore(verb: Verb, rest: readonly string[]): void {
  if (rest.length > 0) throw usageError(verb, `'${rest.join(' ')}' is too much`);
}

/** `NAME` or `NAME@TTL`. A name that has an '@' itself can only be written in a file. */
function parseOif(verb: Verb, word: string): { name: string; ttlThreshold: number | undefined } {
  const at = word.lastIndexOf('@');
  if (at === -1) return { name: word, ttlThreshold: undefined };
  const ttlThreshold = parseTtlThreshold(word.slice(at + 1));
  if (ttlThreshold === undefined) {
    throw usageError(
      verb,
      `OIF '${word}': after the @ stands a TTL threshold, 1 to 254 ('ip link' shows NAME@PEER; here only NAME is meant)`,
    );
  }
  return { name: word.slice(0, at), ttlThreshold };
}

/** Whether a word is meant as an address; names of interfaces have no ':' and no '/'. */
function looksLikeAddress(word: string): boolean {
  return /[:/]/.test(word) || /^\d+(\.\d*)+$/.test(word);
}
