// Medians, spreads and percentiles, and the rows that are made of them.
import { type Row, times } from './report.js';

/** The middle one, or the mean of the two in the middle; NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const above = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + above) / 2 : above;
}

/** The least number that this part of all, 0 to 1, does not exceed; NaN of none. */
export function percentile(numbers: readonly number[], part: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

export type Unit = 'us' | 'us/route' | 'ms' | 'MB' | 'bytes' | '% of a core';

/** What a figure must not exceed: a number of its unit, or so many times the limit of the same run. */
export type Bar = { readonly atMost: number } | { readonly timesLimit: number };

/** One figure as each took it, a number for each round. */
export interface Comparison {
  readonly what: string;
  readonly unit: Unit;
  readonly mcroute: readonly number[];
  readonly limit?: readonly number[] | undefined;
  readonly smcroute?: readonly number[] | undefined;
  readonly bar?: Bar | undefined;
}

/** The medians with their spread; beside the limit how many times it mcroute takes, beside smcroute how many times
 * mcroute that takes. */
export function compare({ what, unit, mcroute, limit, smcroute, bar }: Comparison): Row {
  const ours = median(mcroute);
  return {
    what,
    result: spread(mcroute, unit),
    ...(limit !== undefined && { limit: `${quantity(median(limit), unit)} (ours ${times(ours / median(limit))})` }),
    ...(smcroute !== undefined && {
      smcroute: `${quantity(median(smcroute), unit)} (${times(median(smcroute) / ours)} ours)`,
    }),
    ...(bar !== undefined && judge(ours, unit, bar, limit)),
    samples: { unit, mcroute, limit, smcroute },
  };
}

function judge(ours: number, unit: Unit, bar: Bar, limit: readonly number[] | undefined): Partial<Row> {
  const most = 'atMost' in bar ? bar.atMost : bar.timesLimit * median(limit ?? []);
  const text = 'atMost' in bar ? `at most ${quantity(most, unit)}` : `at most ${bar.timesLimit}x the limit`;
  return { bar: text, isMet: ours <= most, timesBar: ours / most };
}

/** `12.3 us (11.9 to 13.0)`; one number stands alone. */
export function spread(values: readonly number[], unit: Unit): string {
  if (values.length < 2) return quantity(median(values), unit);
  return `${quantity(median(values), unit)} (${digits(Math.min(...values))} to ${digits(Math.max(...values))})`;
}

export function quantity(value: number, unit: Unit): string {
  return `${digits(value)} ${unit}`;
}

function digits(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}

/** A row for a count that must be 0. */
export function none(what: string, count: number, result = String(count), others: Partial<Row> = {}): Row {
  return { what, result, bar: '0', isMet: count === 0, ...others };
}
