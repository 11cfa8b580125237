// The values behind the keywords: interfaces, sources, groups, thresholds. Pure.
import {
  type Address,
  AddressError,
  type Prefix,
  addressLength,
  anyPrefix,
  isAny,
  isHost,
  isMulticast,
  isUnspecified,
  maskAddress,
  parseAddress,
} from '../../model/address.js';
import { isInterfaceName } from '../../model/interface.js';
import { EXCEPTS_PER_MROUTE_MAX, INTERFACE_NAME_MAX } from '../../model/limits.js';
import type { Oif } from '../../model/mroute.js';
import { CONTINUATION, type Line } from './line.js';
import type { Word } from './scan.js';

/** Largest TTL threshold: one of 255 lets nothing pass. */
const TTL_THRESHOLD_MAX = 254;

/** What is put for bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';

/** Parses the name of an interface or a wildcard; undefined, and told, if it can be neither. */
export function parseInterface(line: Line, word: Word, text = word.text): string | undefined {
  const colon = text.indexOf(':');
  if (colon > 0) {
    line.error(word, `is an alias: expected the interface itself, '${text.slice(0, Math.min(colon, 64))}'`);
    return undefined;
  }
  if (!isInterfaceName(text) || text.includes(REPLACEMENT) || text === CONTINUATION) {
    line.error(
      word,
      `cannot be the name of an interface: expected 1 to ${INTERFACE_NAME_MAX} bytes of UTF-8 without '/' and ':'`,
    );
    return undefined;
  }
  return detach(text);
}

/** Parses `OIF` or `OIF@TTL`. */
export function parseOif(line: Line, word: Word): Oif | undefined {
  const { text } = word;
  const at = text.lastIndexOf('@');
  let ttlThreshold: number | undefined;
  if (at !== -1) {
    const digits = text.slice(at + 1);
    ttlThreshold = /^[1-9]\d{0,2}$/.test(digits) ? Number(digits) : Infinity;
    if (ttlThreshold > TTL_THRESHOLD_MAX) {
      line.error(
        word,
        `has no TTL threshold from 1 to ${TTL_THRESHOLD_MAX} behind its '@' ('ip link' shows NAME@PEER; expected is NAME)`,
      );
      return undefined;
    }
  }
  const name = parseInterface(line, word, at === -1 ? text : text.slice(0, at));
  if (name === undefined) return undefined;
  if (/[,;]/.test(name)) line.warning(word, "is read as one interface: oifs are parted by spaces, not ',' or ';'");
  return { interface: name, ttlThreshold };
}

/**
 * Parses a source address or prefix; of length 0 for 0.0.0.0 and ::, which smcroute's manual has for any source.
 * Undefined, and told, if no packet can come from there.
 */
export function parseSource(line: Line, word: Word): Prefix | undefined {
  const read = parseAddressAndLength(line, word, word.text);
  if (read === undefined) return undefined;
  if (isMulticast(read.address)) {
    line.leaveOut(word, 'is a group, and no packet has a group as its source');
    return undefined;
  }
  const source = maskedPrefix(read);
  return isHost(source) && isUnspecified(source.address) ? anyPrefix(source.address.family) : source;
}

/** Parses `S[/L][,S[/L]]...`. */
export function parseExcept(line: Line, word: Word): Prefix[] {
  const prefixes: Prefix[] = [];
  const texts = word.text.split(',', EXCEPTS_PER_MROUTE_MAX + 2);
  if (texts.length > EXCEPTS_PER_MROUTE_MAX + 1) {
    line.error(word, `has more than ${EXCEPTS_PER_MROUTE_MAX} prefixes to except`);
    return [];
  }
  for (const text of texts) {
    // A comma at an end parts the list from that of a neighbouring word.
    if (text === '') continue;
    const read = parseAddressAndLength(line, word, text);
    if (read === undefined) return [];
    const prefix = maskedPrefix(read);
    if (isMulticast(read.address) || isAny(prefix) || (isHost(prefix) && isUnspecified(prefix.address))) {
      line.error(word, 'is no sender to except: expected unicast addresses or prefixes, parted by commas');
      return [];
    }
    prefixes.push(prefix);
  }
  return prefixes;
}

/** Parses a group or a prefix of groups; one that is shorter than the range of all groups stands for that. */
export function parseGroup(line: Line, word: Word): Prefix | undefined {
  const read = parseAddressAndLength(line, word, word.text);
  if (read === undefined) return undefined;
  const { address, length } = read;
  const [least, range] = address.family === 'ipv4' ? ([4, '224.0.0.0/4'] as const) : ([8, 'ff00::/8'] as const);
  if (!isMulticast(address)) {
    line.error(word, `is not a multicast group: expected an address or prefix of ${range}`);
    return undefined;
  }
  if (length >= least) return maskedPrefix(read);
  line.warning(word, `is read as ${range}, which is all groups`);
  return maskedPrefix({ address, length: least });
}

/**
 * Parses the number behind `ttl-threshold`. As for smcrouted, what follows the digits is nothing, and where the line ends
 * there is 1.
 */
export function parseThreshold(line: Line, keyword: Word, word: Word | undefined): number | undefined {
  if (word === undefined) {
    line.warning(keyword, `has no number and is ignored: expected 1 to ${TTL_THRESHOLD_MAX}`);
    return undefined;
  }
  const digits = /^\+?(\d{1,9})/.exec(word.text)?.[1];
  const threshold = digits === undefined || /^\+?\d{10}/.test(word.text) ? 0 : Number(digits);
  if (threshold < 1 || threshold > TTL_THRESHOLD_MAX + 1) {
    line.error(word, `is not a TTL threshold: expected 1 to ${TTL_THRESHOLD_MAX}`);
    return undefined;
  }
  if (threshold > TTL_THRESHOLD_MAX) {
    line.warning(word, `is read as ${TTL_THRESHOLD_MAX}, which only packets with a TTL of 255 pass`);
    return TTL_THRESHOLD_MAX;
  }
  if (String(threshold) !== word.text) line.warning(word, `is read as ${threshold}`);
  return threshold;
}

interface AddressAndLength {
  readonly address: Address;
  readonly length: number;
}

/**
 * The address as written and the length. Of the length only the leading digits count, and none at all, or 0, is that of
 * one address, as for smcrouted; but 0.0.0.0/0 and ::/0 are any.
 */
function parseAddressAndLength(line: Line, word: Word, text: string): AddressAndLength | undefined {
  const slash = text.indexOf('/');
  const address = tryAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === undefined) {
    line.error(word, 'is not an address or a prefix: expected ADDRESS or ADDRESS/LENGTH of IPv4 or IPv6');
    return undefined;
  }
  const bits = addressLength(address.family);
  if (slash === -1) return { address, length: bits };
  const written = text.slice(slash + 1);
  const digits = /^\d{0,9}/.exec(written)?.[0] ?? '';
  const length = Number(digits);
  if (length > bits || /^[-+]|^\d{10}/.test(written)) {
    line.error(word, `has no prefix length from 0 to ${bits}`);
    return undefined;
  }
  if (length === 0 && !isUnspecified(address)) {
    line.warning(word, 'is read as one address: a length of 0 is none');
    return { address, length: bits };
  }
  if (String(length) !== written) line.warning(word, `is read with the prefix length ${length}`);
  return { address, length };
}

function maskedPrefix({ address, length }: AddressAndLength): Prefix {
  return { address: maskAddress(address, length), length };
}

/** Longest text of an address: eight hextets, of which two are dotted-quad. */
const ADDRESS_TEXT_MAX = 45;

function tryAddress(text: string): Address | undefined {
  if (text.length > ADDRESS_TEXT_MAX) return undefined;
  try {
    return parseAddress(text);
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

/** From this length on V8 makes a part of a text a view of it. */
const SHORTEST_VIEW = 13;

/** A copy that does not keep the whole text of its file in memory. */
function detach(text: string): string {
  return text.length < SHORTEST_VIEW ? text : Buffer.from(text).toString();
}
