// Words a person types for a name out of a list, shortened or in full. Pure.
import { nearestName } from '../model/spelling.js';

/** What a typed word stands for. */
export type Meaning =
  | { readonly kind: 'found'; readonly name: string }
  /** Several names begin so. */
  | { readonly kind: 'ambiguous'; readonly names: readonly string[] }
  /** No name begins so; `nearest` is one that is spelt alike. */
  | { readonly kind: 'unknown'; readonly nearest: string | undefined };

/** Finds the name that a word is or begins. */
export function findName(word: string, names: readonly string[]): Meaning {
  if (names.includes(word)) return { kind: 'found', name: word };
  const candidates = word === '' ? [] : names.filter((name) => name.startsWith(word));
  const [only] = candidates;
  if (only === undefined) return { kind: 'unknown', nearest: nearestName(word, names) };
  return candidates.length === 1 ? { kind: 'found', name: only } : { kind: 'ambiguous', names: candidates };
}

/** Every proper beginning of `name` that begins no other of the names. */
export function abbreviationsOf(name: string, names: readonly string[]): string[] {
  const beginnings = Array.from({ length: name.length - 1 }, (_, index) => name.slice(0, index + 1));
  return beginnings.filter((beginning) => names.every((other) => other === name || !other.startsWith(beginning)));
}
