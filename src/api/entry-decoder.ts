// Messages of a list from their bytes straight to what the generated types describe. Only entries of rules that are written
// as agents write them go this way, which most are; all others are decoded by the generated functions.
import { type MessageCodec, formsOf } from './codec.js';
import { MESSAGES } from './generated/codec.js';
import type { Entry__Output } from './generated/mcroute/v1/Entry.js';
import type { ListResponse__Output } from './generated/mcroute/v1/ListResponse.js';
import type { Mroute__Output } from './generated/mcroute/v1/Mroute.js';
import { lengthTag, varintTag } from './wire-writer.js';

/** Decodes a `ListResponse`; throws an error if the bytes are none. */
export function decodeListResponse(bytes: Buffer): ListResponse__Output {
  return new ListReader(bytes).read() ?? plainForms().list.deserialize(bytes);
}

interface PlainForms {
  readonly list: { deserialize(bytes: Buffer): ListResponse__Output };
  readonly entry: { deserialize(bytes: Buffer): Entry__Output };
}

let forms: PlainForms | undefined;

function plainForms(): PlainForms {
  forms ??= {
    list: formsOf<object, ListResponse__Output>(codec('mcroute.v1.ListResponse')),
    entry: formsOf<object, Entry__Output>(codec('mcroute.v1.Entry')),
  };
  return forms;
}

function codec(name: string): MessageCodec {
  const found = MESSAGES[name];
  if (found === undefined) throw new Error(`bug: proto/ has no ${name}`);
  return found;
}

// Tags of the messages in which each stands, by the numbers of proto/.
const FIRST = lengthTag(1);
const SECOND = lengthTag(2);
const THIRD = lengthTag(3);
const REVISION = varintTag(1);
const ENTRIES = lengthTag(2);
const STATE = varintTag(3);
const PROGRAMMING = varintTag(7);
const PROGRAMMING_REASON = lengthTag(8);
const COUNTERS = lengthTag(9);
const EXCEPT = lengthTag(3);
const DENY = varintTag(4);
const LABEL = lengthTag(5);
const TTL_THRESHOLD = varintTag(2);
const PACKETS = varintTag(1);
const BYTES = varintTag(2);
const WRONG_IF = varintTag(3);

const STATES = ['STATE_UNSPECIFIED', 'STATE_PENDING', 'STATE_PROGRAMMED', 'STATE_PARTIAL', 'STATE_FAILED'] as const;
const PROGRAMMINGS = [
  'PROGRAMMING_UNSPECIFIED',
  'PROGRAMMING_SOURCE_GROUP',
  'PROGRAMMING_ANY_SOURCE',
  'PROGRAMMING_LEARNED',
] as const;

/** What `read` methods give where the bytes are not those of a plain entry. */
const UNUSUAL = -1;

/** Digits of a varint that a number holds exactly: 7 bytes are 49 bits. */
const EXACT_BYTES = 7;

class ListReader {
  readonly #bytes: Buffer;
  /** The same, a character a byte: parts of it cost less than texts made of the bytes. */
  readonly #characters: string;
  #at = 0;
  #iif = '';
  #oif = '';
  #owner = '';
  #reason = '';

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#characters = bytes.toString('latin1');
  }

  /** The message; undefined if it is not as agents write it. */
  read(): ListResponse__Output | undefined {
    const { length } = this.#bytes;
    const revision = this.#isNext(REVISION) ? this.#digits() : '0';
    if (revision === undefined) return undefined;
    const entries: Entry__Output[] = [];
    while (this.#at < length) {
      if (!this.#isNext(ENTRIES)) return undefined;
      const size = this.#number();
      const start = this.#at;
      const end = start + size;
      if (size === UNUSUAL || end > length) return undefined;
      const entry = this.#entry(end);
      if (entry !== undefined && this.#at === end) entries.push(entry);
      else entries.push(plainForms().entry.deserialize(this.#bytes.subarray(start, end)));
      this.#at = end;
    }
    return { revision, entries };
  }

  #entry(end: number): Entry__Output | undefined {
    if (!this.#isNext(FIRST)) return undefined;
    const resourceEnd = this.#end(end);
    if (resourceEnd === UNUSUAL || !this.#isNext(FIRST) || this.#end(resourceEnd) !== resourceEnd) return undefined;
    const mroute = this.#mroute(resourceEnd);
    if (mroute === undefined || this.#at !== resourceEnd) return undefined;
    const owners: string[] = [];
    while (this.#at < end && this.#isNext(SECOND)) {
      const owner = this.#text(end, this.#owner);
      if (owner === undefined) return undefined;
      this.#owner = owner;
      owners.push(owner);
    }
    const state = STATES[this.#at < end && this.#isNext(STATE) ? this.#number() : 0];
    const programming = PROGRAMMINGS[this.#at < end && this.#isNext(PROGRAMMING) ? this.#number() : 0];
    const hasReason = this.#at < end && this.#isNext(PROGRAMMING_REASON);
    const programmingReason = hasReason ? this.#text(end, this.#reason) : '';
    if (state === undefined || programming === undefined || programmingReason === undefined) return undefined;
    if (hasReason) this.#reason = programmingReason;
    const counters = this.#at < end && this.#isNext(COUNTERS) ? this.#counters(end) : null;
    if (counters === undefined) return undefined;
    return {
      owners,
      missing: [],
      warnings: [],
      resource: { mroute, kind: 'mroute' },
      state,
      error: null,
      programming,
      programmingReason,
      counters,
    };
  }

  #mroute(end: number): Mroute__Output | undefined {
    if (!this.#isNext(FIRST)) return undefined;
    const keyEnd = this.#end(end);
    if (keyEnd === UNUSUAL) return undefined;
    const iif = this.#isNext(FIRST) ? this.#text(keyEnd, this.#iif) : undefined;
    const source = this.#isNext(SECOND) ? this.#text(keyEnd) : '';
    const group = this.#isNext(THIRD) ? this.#text(keyEnd) : undefined;
    if (iif === undefined || source === undefined || group === undefined || this.#at !== keyEnd) return undefined;
    this.#iif = iif;
    const oifs: Mroute__Output['oifs'] = [];
    while (this.#at < end && this.#isNext(SECOND)) {
      const oif = this.#oifAt(end);
      if (oif === undefined) return undefined;
      oifs.push(oif);
    }
    const except: string[] = [];
    while (this.#at < end && this.#isNext(EXCEPT)) {
      const prefix = this.#text(end);
      if (prefix === undefined) return undefined;
      except.push(prefix);
    }
    const deny = this.#at < end && this.#isNext(DENY) ? this.#number() : 0;
    const label = this.#at < end && this.#isNext(LABEL) ? this.#text(end) : '';
    if (deny > 1 || deny === UNUSUAL || label === undefined) return undefined;
    return { oifs, except, key: { iif, source, group }, deny: deny === 1, label };
  }

  #oifAt(limit: number): Mroute__Output['oifs'][number] | undefined {
    const end = this.#end(limit);
    if (end === UNUSUAL || !this.#isNext(FIRST)) return undefined;
    const name = this.#text(end, this.#oif);
    if (name === undefined) return undefined;
    this.#oif = name;
    if (this.#at === end) return { interface: name };
    const ttlThreshold = this.#isNext(TTL_THRESHOLD) ? this.#number() : UNUSUAL;
    if (this.#at !== end || ttlThreshold === UNUSUAL || ttlThreshold > 0xffff_ffff) return undefined;
    return { interface: name, ttlThreshold, _ttlThreshold: 'ttlThreshold' };
  }

  #counters(limit: number): Entry__Output['counters'] | undefined {
    const end = this.#end(limit);
    if (end === UNUSUAL) return undefined;
    const packets = this.#counter(end, PACKETS);
    const bytes = this.#counter(end, BYTES);
    const wrongIf = this.#counter(end, WRONG_IF);
    if (this.#at !== end || packets === undefined || bytes === undefined || wrongIf === undefined) return undefined;
    return { packets, bytes, wrongIf };
  }

  #counter(end: number, tag: number): string | undefined {
    return this.#at < end && this.#isNext(tag) ? this.#digits() : '0';
  }

  /** Goes past the tag if it comes next. */
  #isNext(tag: number): boolean {
    if (this.#bytes[this.#at] !== tag) return false;
    this.#at++;
    return true;
  }

  /** Where what comes next, after its length, ends; unusual beyond the limit. */
  #end(limit: number): number {
    const size = this.#number();
    const end = this.#at + size;
    return size === UNUSUAL || end > limit ? UNUSUAL : end;
  }

  /** @param last a text that it may be, and need not be made again then */
  #text(limit: number, last = ''): string | undefined {
    const end = this.#end(limit);
    if (end === UNUSUAL) return undefined;
    const bytes = this.#bytes;
    const start = this.#at;
    this.#at = end;
    let isSame = last.length === end - start;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte > 0x7f) return bytes.toString('utf8', start, end);
      if (isSame && last.charCodeAt(at - start) !== byte) isSame = false;
    }
    return isSame ? last : this.#characters.substring(start, end);
  }

  /** A varint that a number holds. */
  #number(): number {
    const bytes = this.#bytes;
    const first = bytes[this.#at++] ?? UNUSUAL;
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let factor = 0x80;
    for (let count = 1; count < EXACT_BYTES; count++) {
      const byte = bytes[this.#at++];
      if (byte === undefined) return UNUSUAL;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
    return UNUSUAL;
  }

  /** The digits of a varint of 64 bits. */
  #digits(): string | undefined {
    const start = this.#at;
    const value = this.#number();
    if (value !== UNUSUAL) return String(value);
    this.#at = start;
    let sum = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return undefined;
      sum |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return String(BigInt.asUintN(64, sum));
    }
    return undefined;
  }
}
