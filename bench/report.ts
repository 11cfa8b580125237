// What a section of the benchmarks has found, and how people are shown it.

/** One figure, and those that it is held against. */
export interface Row {
  readonly what: string;
  /** Such as `0 of 120000 lost`. */
  readonly result: string;
  /** The same of the limit. */
  readonly limit?: string;
  /** The same of smcroute. */
  readonly smcroute?: string;
  /** What the result must be, such as `0`; undefined: nothing. */
  readonly bar?: string;
  /** Whether it is; undefined: there is no bar. */
  readonly isMet?: boolean;
  /** How many times the bar the result is. */
  readonly timesBar?: number;
  /** What was measured in each round, for programs. */
  readonly samples?: Readonly<Record<string, unknown>>;
}

export interface Report {
  readonly title: string;
  /** What the limit is; undefined: nothing is held against one. */
  readonly limit?: string;
  readonly rows: readonly Row[];
  /** What a reader of the table should know. */
  readonly notes?: readonly string[];
  /** For programs. */
  readonly figures: Readonly<Record<string, unknown>>;
}

export interface SectionOptions {
  /** Undefined: as many as the section does by itself. */
  readonly rounds: number | undefined;
  /** Routes, flows or changes instead of the section's own numbers, to try it out; bars are for those. */
  readonly count: number | undefined;
  /** Of what is random. */
  readonly seed: number;
  /** Tells a person how far it is. */
  readonly tell: (line: string) => void;
}

export type Section = (options: SectionOptions) => Promise<Report>;

/** A table with a line for each figure. */
export function renderReport(name: string, { title, limit, rows, notes = [] }: Report): string {
  const heading = ['', 'mcroute', limit ?? '', rows.some((row) => row.smcroute !== undefined) ? 'smcroute' : '', 'bar'];
  const isCompared = heading.slice(2, 4).some((text) => text !== '');
  const cells = rows.map((row) => [row.what, row.result, row.limit ?? '', row.smcroute ?? '', verdict(row)]);
  const all = isCompared ? [heading, ...cells] : cells;
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .filter((_, column) => widths[column] !== 0)
      .join('  ')
      .trimEnd(),
  );
  return [`${name}: ${title}`, ...lines.map((line) => `  ${line}`), ...notes.map((note) => `  (${note})`), ''].join(
    '\n',
  );
}

function verdict({ bar, isMet, timesBar }: Row): string {
  if (bar === undefined) return '';
  if (isMet !== false) return `met (${bar})`;
  if (timesBar === undefined) return `MISSED (${bar})`;
  const excess = timesBar < 2 ? `by ${((timesBar - 1) * 100).toFixed(1)} %` : `${times(timesBar)} the bar`;
  return `MISSED ${excess} (${bar})`;
}

/** `2.4x`, with as many digits as tell something. */
export function times(ratio: number): string {
  return `${ratio.toFixed(ratio < 10 ? (ratio < 0.1 ? 3 : 2) : 0)}x`;
}
