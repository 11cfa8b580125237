// The words of a statement, and what is meant by one that is none of them. Pure.
import { nearestName } from '../../model/spelling.js';

/** The keywords that may stand in one kind of statement. */
export interface Vocabulary<K extends string> {
  /** How diagnostics name the statement. */
  readonly name: string;
  /** smcroute's. It looks no further than to the end of the keyword, so that `groups` is `group`. */
  readonly shared: readonly K[];
  /** Those that smcroute does not have; no file of its can mean them, so that a misspelt one is an error. */
  readonly own: readonly K[];
}

/** What a word is taken for. */
export type Reading<K extends string> =
  | { readonly kind: 'keyword'; readonly keyword: K; readonly isExact: boolean }
  | { readonly kind: 'misspelt'; readonly meant: K; readonly isOwn: boolean }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'too-many' };

/** Different words whose spelling is looked at; a file that means something has a few that are unknown. */
const DIFFERENT_WORDS_MAX = 10_000;

/** Longest word for which a keyword is sought that is spelt alike, in characters. */
const LONGEST_MISSPELT = 32;

/** Reads keywords; what it found out about a misspelt word it remembers, since that is dear. */
export class KeywordReader {
  readonly #known = new Map<readonly string[], Map<string, string | undefined>>();
  #count = 0;

  read<K extends string>(text: string, vocabulary: Vocabulary<K>): Reading<K> {
    const { shared, own } = vocabulary;
    const exact = shared.find((keyword) => keyword === text) ?? own.find((keyword) => keyword === text);
    if (exact !== undefined) return { kind: 'keyword', keyword: exact, isExact: true };
    const begun = shared.find((keyword) => text.startsWith(keyword));
    if (begun !== undefined) return { kind: 'keyword', keyword: begun, isExact: false };
    if (text.length > LONGEST_MISSPELT) return { kind: 'unknown' };
    const lower = text.toLowerCase();
    const meantOwn = this.#nearest(lower, own);
    if (meantOwn !== undefined) return { kind: 'misspelt', meant: meantOwn, isOwn: true };
    const meant = this.#nearest(lower, shared);
    if (meant !== undefined) return { kind: 'misspelt', meant, isOwn: false };
    return this.#count > DIFFERENT_WORDS_MAX ? { kind: 'too-many' } : { kind: 'unknown' };
  }

  #nearest<K extends string>(word: string, names: readonly K[]): K | undefined {
    const known = this.#known.get(names) ?? new Map<string, string | undefined>();
    this.#known.set(names, known);
    if (!known.has(word)) {
      if (++this.#count > DIFFERENT_WORDS_MAX) return undefined;
      known.set(word, nearestName(word, names));
    }
    const nearest = known.get(word);
    return names.find((name) => name === nearest);
  }
}

/** `a, b or c`. */
export function listKeywords({ shared, own }: Vocabulary<string>): string {
  const all = [...shared, ...own];
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1) ?? ''}`;
}
