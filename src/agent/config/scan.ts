// A line as words with the columns they begin in. Pure.

/** What stands between spaces. */
export interface Word {
  readonly text: string;
  /** Of its first character, from 1; a tab is one character. */
  readonly column: number;
}

const TAB = 9;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const HASH = 35;

/**
 * The words of `text` from `start` to `end`, without a comment: that is what follows a `#` which begins a word. Words
 * are parted by what C calls white space, so a CR before the end of the line is nothing. At most `most` words are made,
 * so that a hostile line costs no more than the caller wants to look at.
 */
export function scanLine(text: string, start: number, end: number, most: number): Word[] {
  const words: Word[] = [];
  let at = start;
  while (words.length < most) {
    while (at < end && isSpace(text.charCodeAt(at))) at++;
    if (at === end || text.charCodeAt(at) === HASH) break;
    const first = at;
    while (at < end && !isSpace(text.charCodeAt(at))) at++;
    words.push({ text: text.slice(first, at), column: first - start + 1 });
  }
  return words;
}

/** Space, tab, line feed, vertical tab, form feed and CR: isspace(3) of the C locale. */
function isSpace(code: number): boolean {
  return code === SPACE || (code >= TAB && code <= CARRIAGE_RETURN);
}
