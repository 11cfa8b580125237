// What a section of the benchmarks has found, and how people are shown it.

/** One figure. */
export interface Row {
  readonly what: string;
  /** Such as `0 of 120000 lost`. */
  readonly result: string;
  /** What it must be, such as `0`; undefined: nothing. */
  readonly bar?: string;
  /** Whether it is; undefined: there is no bar. */
  readonly isMet?: boolean;
}

export interface Report {
  readonly title: string;
  readonly rows: readonly Row[];
  /** For programs. */
  readonly figures: Readonly<Record<string, unknown>>;
}

export interface SectionOptions {
  /** Undefined: as many as the section does by itself. */
  readonly rounds: number | undefined;
  /** Of what is random. */
  readonly seed: number;
  /** Tells a person how far it is. */
  readonly tell: (line: string) => void;
}

export type Section = (options: SectionOptions) => Promise<Report>;

/** A table with a line for each figure. */
export function renderReport(name: string, { title, rows }: Report): string {
  const cells = rows.map(({ what, result, bar, isMet }) => [
    what,
    result,
    bar === undefined ? '' : `${isMet === false ? 'MISSED' : 'met'} (${bar})`,
  ]);
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [`${name}: ${title}`, ...lines.map((line) => `  ${line}`), ''].join('\n');
}

/** The middle one, or the mean of the two in the middle; NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const above = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + above) / 2 : above;
}
