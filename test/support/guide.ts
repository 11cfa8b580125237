// Documents in Markdown, as far as tests run what they show. Pure.

/** A block of a document between two lines of backquotes. */
export interface Block {
  /** The word behind the first backquotes, such as `sh`. */
  readonly language: string;
  readonly text: string;
  /** Of its first line, from 1. */
  readonly line: number;
}

/** The blocks of a document, of one language or of all. */
export function fencedBlocks(text: string, language?: string): Block[] {
  const blocks: Block[] = [];
  let open: { readonly language: string; readonly lines: string[]; readonly line: number } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^```(.*)$/.exec(line);
    if (fence === null) {
      open?.lines.push(`${line}\n`);
    } else if (open === undefined) {
      open = { language: (fence[1] ?? '').trim(), lines: [], line: index + 2 };
    } else {
      blocks.push({ language: open.language, text: open.lines.join(''), line: open.line });
      open = undefined;
    }
  }
  return blocks.filter((block) => language === undefined || block.language === language);
}

/** The rows of all tables whose header has just these cells; code is without its backquotes. */
export function tableRows(text: string, header: readonly string[]): string[][] {
  const rows: string[][] = [];
  let isMeant = false;
  for (const line of text.split('\n')) {
    if (!line.startsWith('|')) {
      isMeant = false;
      continue;
    }
    const cells = line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('\\|', '|'));
    if (cells.length === header.length && cells.every((cell, index) => cell === header[index])) isMeant = true;
    else if (isMeant && !/^:?-+:?$/.test(cells[0] ?? '')) rows.push(cells.map((cell) => cell.replaceAll('`', '')));
  }
  return rows;
}

/**
 * The words of every line of a text, and of every code in a line of a table, that runs the program, behind a prompt and
 * `sudo` or not. What follows `|`, `<`, `>`, `&&` or a comment is none of them.
 */
export function commandLines(text: string, program: string): string[][] {
  const pattern = new RegExp(String.raw`^(?:[$#] )?(?:sudo )?${program} (.+)$`);
  const codes = text.split('\n').flatMap((line) => {
    if (!line.startsWith('|')) return line.split(/ && | \| /);
    return [...line.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replaceAll('\\|', '|'));
  });
  return codes.flatMap((code) => {
    const [, rest] = pattern.exec(code.trim()) ?? [];
    return rest === undefined ? [] : [shellWords(rest)];
  });
}

/** Words as a shell parts them, up to a redirection, a pipe or a comment. */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(?:[<>|#&]|\d>)/.test(word)) break;
    words.push(
      word.replace(/'([^']*)'|"([^"]*)"/g, (_quoted, single?: string, double?: string) => single ?? double ?? ''),
    );
  }
  return words;
}
