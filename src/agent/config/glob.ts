// Patterns of file names as in glob(3): `*`, `?`, `[a-z]`, `[!a]` and `\`; no classes as in `[[:alpha:]]`. Pure.

/** A part of a pattern that stands for one character, or for any number of them. */
type Piece = '*' | ((character: string) => boolean);

/** Whether the text may mean any number of files, none at all too. */
export function isPattern(text: string): boolean {
  return /[*?[]/.test(text);
}

/** Whether a name is what the pattern means. A point that begins a name has to be in the pattern. */
export function matcherOf(pattern: string): (name: string) => boolean {
  const pieces = piecesOf(pattern);
  const startsWithPoint = /^\\?\./.test(pattern);
  return (name) => (startsWithPoint || !name.startsWith('.')) && matches(pieces, Array.from(name));
}

/**
 * The paths that a pattern means, in the order of their characters. A pattern without `*`, `?` and `[` means one path,
 * whether there is such a file or not.
 *
 * @param names the names in a folder; undefined if it cannot be read.
 */
export function expandPattern(pattern: string, names: (folder: string) => readonly string[] | undefined): string[] {
  let paths = [''];
  for (const [index, segment] of pattern.split('/').entries()) {
    const join = (path: string, name: string) => (index === 0 ? name : `${path}/${name}`);
    if (!isPattern(segment)) {
      const name = segment.replace(/\\(.)/gu, '$1');
      paths = paths.map((path) => join(path, name));
      continue;
    }
    const isMeant = matcherOf(segment);
    paths = paths.flatMap((path) => {
      const folder = index === 0 ? '.' : path === '' ? '/' : path;
      return (names(folder) ?? []).filter(isMeant).map((name) => join(path, name));
    });
  }
  return paths.sort((a, b) => (a < b ? -1 : 1));
}

function piecesOf(pattern: string): Piece[] {
  const pieces: Piece[] = [];
  const characters = Array.from(pattern);
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? '';
    if (character === '*') {
      if (pieces.at(-1) !== '*') pieces.push('*');
    } else if (character === '?') {
      pieces.push(() => true);
    } else if (character === '\\') {
      const escaped = characters[++i] ?? '\\';
      pieces.push((other) => other === escaped);
    } else {
      const set = character === '[' ? setAt(characters, i) : undefined;
      pieces.push(set?.piece ?? ((other) => other === character));
      i = set?.end ?? i;
    }
  }
  return pieces;
}

/** The set that begins at `[`; undefined if nothing closes it, so that `[` means itself. */
function setAt(characters: readonly string[], start: number): { piece: Piece; end: number } | undefined {
  const isNegated = characters[start + 1] === '!' || characters[start + 1] === '^';
  const first = start + (isNegated ? 2 : 1);
  // A `]` that comes first is one of the set.
  const end = characters.indexOf(']', first + 1);
  if (end === -1) return undefined;
  const ranges: (readonly [string, string])[] = [];
  for (let i = first; i < end; i++) {
    const from = characters[i] ?? '';
    const isRange = characters[i + 1] === '-' && i + 2 < end;
    ranges.push([from, isRange ? (characters[i + 2] ?? '') : from]);
    if (isRange) i += 2;
  }
  const has = (character: string) => ranges.some(([from, to]) => from <= character && character <= to);
  return { piece: (character) => has(character) !== isNegated, end };
}

/** Goes back to the last `*` only, which is enough, and takes at most the product of both lengths. */
function matches(pieces: readonly Piece[], name: readonly string[]): boolean {
  let [at, piece] = [0, 0];
  let star: { piece: number; at: number } | undefined;
  while (at < name.length) {
    const current = pieces[piece];
    if (current === '*') {
      star = { piece: piece++, at };
    } else if (current?.(name[at] ?? '') === true) {
      at++;
      piece++;
    } else if (star !== undefined) {
      piece = star.piece + 1;
      at = ++star.at;
    } else {
      return false;
    }
  }
  while (pieces[piece] === '*') piece++;
  return piece === pieces.length;
}
