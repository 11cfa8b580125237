// Resources and keys from the bytes of their JSON. What `wish-bytes.ts` makes of mroutes is read as it stands there; all
// else goes through JSON.parse. What comes after the group is the same for many mroutes, and so are the values of it.
import { type Prefix, anyPrefix } from '../../model/address.js';
import type { Resource, ResourceKey } from '../../model/resource.js';
import {
  WishTextError,
  decodeIif,
  decodeMrouteContent,
  decodePrefix,
  decodeResource,
  decodeResourceKey,
} from '../rib/wish-text.js';
import { PREFIX_TEXT_MAX, readHost } from './address-bytes.js';
import { KnownTexts, LastText, isAt } from './known-texts.js';

const MROUTE = Buffer.from('"kind":"mroute","source":"');
const GROUP = Buffer.from('","group":"');
const IIF = Buffer.from('","iif":');
const BEGIN = Buffer.from('{');

/** Bytes of `"iif":`, with which the known texts begin. */
const IIF_LENGTH = IIF.length - 2;

const QUOTE = 34;
const STAR = 42;
const BACKSLASH = 92;
const BRACKETS = { open: 91, close: 93 };
const BRACES = { open: 123, close: 125 };

/** Reads pieces of JSON one after another. */
export class WishReader {
  readonly #contents = new KnownTexts((text) => decodeMrouteContent(parse(`{${text}`)));
  readonly #iifs = new KnownTexts((text) => decodeIif(parse(`{${text}`)));
  readonly #texts = new KnownTexts(parse);
  readonly #lastSource = new LastText<Prefix>(PREFIX_TEXT_MAX);
  readonly #lastGroup = new LastText<Prefix>(PREFIX_TEXT_MAX);
  #bytes: Buffer = BEGIN;
  #at = 0;
  #end = 0;
  /** Of the mroute that is being read. */
  #source: Prefix = anyPrefix('ipv4');
  #group: Prefix = anyPrefix('ipv4');

  /** Goes to a place, to read until before `end`. */
  open(bytes: Buffer, at: number, end: number): void {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Goes on after the piece, if it comes next. */
  skip(piece: Uint8Array): boolean {
    if (!isAt(this.#bytes, this.#at, piece)) return false;
    this.#at += piece.length;
    return true;
  }

  /** A text in quotes; undefined if none comes next. */
  text(): string | undefined {
    const value = this.#known(this.#texts, (at) => (this.#bytes[at] === QUOTE ? this.#endOfText(at + 1) : undefined));
    return typeof value === 'string' ? value : undefined;
  }

  /**
   * A resource; undefined if no object comes next.
   *
   * @throws WishTextError if it is none.
   */
  resource(): Resource | undefined {
    return this.skip(BEGIN) ? this.restOfResource() : undefined;
  }

  /** A resource from `"kind":` on. */
  restOfResource(): Resource | undefined {
    if (!this.#readFlow()) return decodeResource(this.#restOfObject());
    const [source, group] = [this.#source, this.#group];
    const content = this.#known(this.#contents, (at) => this.#endOfObject(at));
    if (content === undefined) return undefined;
    const { iif, oifs, except, deny, label } = content;
    return { key: { kind: 'mroute', iif, source, group }, oifs, except, deny, label };
  }

  /**
   * A key; undefined if no object comes next.
   *
   * @throws WishTextError if it is none.
   */
  key(): ResourceKey | undefined {
    if (!this.skip(BEGIN)) return undefined;
    if (!this.#readFlow()) return decodeResourceKey(this.#restOfObject());
    const [source, group] = [this.#source, this.#group];
    const iif = this.#known(this.#iifs, (at) => this.#endOfObject(at));
    return iif === undefined ? undefined : { kind: 'mroute', iif, source, group };
  }

  /** Reads source and group, up to `"iif":`, if they come next as they are written. */
  #readFlow(): boolean {
    const start = this.#at;
    if (this.skip(MROUTE)) {
      const sourceAt = this.#at;
      const sourceEnd = this.#toQuote();
      if (this.skip(GROUP)) {
        const groupAt = this.#at;
        const groupEnd = this.#toQuote();
        if (this.skip(IIF)) {
          this.#at -= IIF_LENGTH;
          this.#group = this.#prefix(this.#lastGroup, groupAt, groupEnd);
          const isAny = sourceEnd === sourceAt + 1 && this.#bytes[sourceAt] === STAR;
          this.#source = isAny
            ? anyPrefix(this.#group.address.family)
            : this.#prefix(this.#lastSource, sourceAt, sourceEnd);
          return true;
        }
      }
    }
    this.#at = start;
    return false;
  }

  /** Mroutes that follow one another often have a source or a group in common, and share it then. */
  #prefix(last: LastText<Prefix>, from: number, to: number): Prefix {
    const bytes = this.#bytes;
    const same = last.get(bytes, from, to);
    if (same !== undefined) return same;
    const prefix = readHost(bytes, from, to) ?? decodePrefix(bytes.toString('utf8', from, to));
    last.set(bytes, from, to, prefix);
    return prefix;
  }

  /** Goes to the next quote. */
  #toQuote(): number {
    let at = this.#at;
    while (at < this.#end && this.#bytes[at] !== QUOTE) at++;
    return (this.#at = at);
  }

  /** The value of what comes next and ends where `endOf` says; undefined if it has no end. */
  #known<T>(texts: KnownTexts<T>, endOf: (at: number) => number | undefined): T | undefined {
    const last = texts.lastAt(this.#bytes, this.#at);
    if (last !== undefined) {
      this.#at += last.length;
      return last.value;
    }
    const end = endOf(this.#at);
    if (end === undefined) return undefined;
    const value = texts.get(this.#bytes, this.#at, end);
    this.#at = end;
    return value;
  }

  /** The value of the object that the place is in, after its brace. */
  #restOfObject(): unknown {
    const end = this.#endOfObject(this.#at);
    if (end === undefined) throw new WishTextError('an object has no end');
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end;
    return parse(`{${text}`);
  }

  /** Where the object ends that a place is in, after its brace. */
  #endOfObject(from: number): number | undefined {
    let depth = 1;
    for (let at = from; at < this.#end; at++) {
      const code = this.#bytes[at];
      if (code === QUOTE) {
        const end = this.#endOfText(at + 1);
        if (end === undefined) return undefined;
        at = end - 1;
      } else if (code === BRACES.open || code === BRACKETS.open) depth++;
      else if ((code === BRACES.close || code === BRACKETS.close) && --depth === 0) return at + 1;
    }
    return undefined;
  }

  /** Where the text ends that a place is in, after its quote. */
  #endOfText(from: number): number | undefined {
    for (let at = from; at < this.#end; at++) {
      const code = this.#bytes[at];
      if (code === QUOTE) return at + 1;
      if (code === BACKSLASH) at++;
    }
    return undefined;
  }
}

/** @throws WishTextError if it is not JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new WishTextError(error.message, { cause: error });
    throw error;
  }
}
