// Manual pages in mdoc(7), as far as tests look into them. Pure.

/** An `.It` of a list. */
export interface Item {
  /** Titles of the `.Sh` and `.Ss` that it is in; '' where there is none. */
  readonly section: string;
  readonly subsection: string;
  /** What follows `.It`, with its macros. */
  readonly head: string;
}

/** All items of a page, in order. */
export function itemsOf(text: string): Item[] {
  const items: Item[] = [];
  for (const { section, subsection, line } of linesOf(text)) {
    if (line.startsWith('.It ')) items.push({ section, subsection, head: line.slice('.It '.length) });
  }
  return items;
}

/** The literal displays (`.Bd -literal`, `.Dl`) of a page or of one section, as they are printed. */
export function literalsOf(text: string, onlySection?: string): string[] {
  const literals: string[] = [];
  let open: string[] | undefined;
  for (const { section, line } of linesOf(text)) {
    if (onlySection !== undefined && section !== onlySection) continue;
    if (line.startsWith('.Bd -literal')) {
      open = [];
    } else if (line === '.Ed') {
      if (open !== undefined) literals.push(open.join(''));
      open = undefined;
    } else if (open !== undefined) {
      open.push(`${unescape(line)}\n`);
    } else if (line.startsWith('.Dl ')) {
      literals.push(`${unescape(line.slice('.Dl '.length))}\n`);
    }
  }
  return literals;
}

function* linesOf(text: string): Generator<{ section: string; subsection: string; line: string }> {
  let [section, subsection] = ['', ''];
  for (const line of text.split('\n')) {
    const [, macro, title = ''] = /^\.(Sh|Ss) (.+)$/.exec(line) ?? [];
    if (macro === 'Sh') [section, subsection] = [title, ''];
    if (macro === 'Ss') subsection = title;
    yield { section, subsection, line };
  }
}

/** `\e` is a backslash, and `\&` is nothing (mandoc_char(7)). */
function unescape(line: string): string {
  return line.replace(/\\([e&])/g, (_escape, character) => (character === 'e' ? '\\' : ''));
}
