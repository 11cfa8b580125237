// Patterns of identities: exact text, `*` for any characters but '/', `**` for any. Pure.

/** What stands in a pattern: a character, or a star. */
type Token = string | typeof STAR | typeof STAR_STAR;
const STAR = 1;
const STAR_STAR = 2;

/** A pattern that identities are compared with. */
export interface Pattern {
  readonly text: string;
  readonly matches: (text: string) => boolean;
}

/** Compiles a pattern, which stands for whole texts. Comparing takes no more than (length of pattern) * (length of text) steps. */
export function compilePattern(text: string): Pattern {
  if (!text.includes('*')) return { text, matches: (other) => other === text };
  const start = text.slice(0, text.indexOf('*'));
  const rest = tokensOf(text.slice(start.length));
  return { text, matches: (other) => other.startsWith(start) && matchesTokens(rest, other.slice(start.length)) };
}

function tokensOf(text: string): Token[] {
  // Three stars and more say no more than two.
  return text.split(/(\*+)/).flatMap((part): Token[] => {
    if (part.startsWith('*')) return [part.length > 1 ? STAR_STAR : STAR];
    return Array.from(part);
  });
}

/** Goes through the text once, with all places in the pattern where one may be: no text makes it go back. */
function matchesTokens(tokens: readonly Token[], text: string): boolean {
  let places = withStarsSkipped(tokens, new Set([0]));
  for (const character of text) {
    const next = new Set<number>();
    for (const place of places) {
      const token = tokens[place];
      if (token === STAR_STAR || (token === STAR && character !== '/')) next.add(place);
      else if (token === character) next.add(place + 1);
    }
    if (next.size === 0) return false;
    places = withStarsSkipped(tokens, next);
  }
  return places.has(tokens.length);
}

/** A star may stand for nothing. Places that are added are gone through as well. */
function withStarsSkipped(tokens: readonly Token[], places: Set<number>): Set<number> {
  for (const place of places) {
    const token = tokens[place];
    if (token === STAR || token === STAR_STAR) places.add(place + 1);
  }
  return places;
}
