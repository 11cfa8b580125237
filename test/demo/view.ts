// What the demo looks like: from counts to lines of text. Pure.
import {
  type StreamCount,
  type Takeover,
  duplicatedOf,
  firstLostOf,
  lostOf,
  protectedCounts,
  receivedOf,
  sum,
} from './counts.js';
import { mustLoseNothing } from './scenario.js';

/** Puts text into a style, or leaves it as it is. */
export type Style = (text: string) => string;

/** The few styles there are. */
export interface Palette {
  readonly strong: Style;
  readonly faint: Style;
  readonly good: Style;
  readonly notable: Style;
  readonly bad: Style;
}

/** Styles for a terminal, or none at all. */
export function palette(hasColour: boolean): Palette {
  // Select Graphic Rendition (ECMA-48): 1 bold, 2 faint, 31 red, 32 green, 33 yellow.
  const style = (code: number): Style =>
    hasColour ? (text) => (text === '' ? '' : `\u001b[${code}m${text}\u001b[0m`) : (text) => text;
  return { strong: style(1), faint: style(2), good: style(32), notable: style(33), bad: style(31) };
}

/** Columns of a terminal that everything fits into. */
export const WIDTH = 100;

/** The table of all streams, by the table that forwards them. */
export function renderTable(counts: readonly StreamCount[], styles: Palette): string[] {
  const columns = columnsOf(counts, styles);
  const titles = columns.map(({ title }) => title);
  const rows = counts.map((count) => columns.map(({ cell }) => cell(count)));
  const widths = columns.map(({ minWidth = 0 }, index) =>
    Math.max(minWidth, ...[titles, ...rows].map((cells) => cells[index]?.length ?? 0)),
  );
  const line = (cells: readonly string[], styleOf: (column: Column) => Style) =>
    `  ${columns
      .map((column, index) => styleOf(column)(pad(cells[index] ?? '', widths[index] ?? 0, column.isNumber === true)))
      .join(GAP)}`;
  const tables = [...new Set(counts.map(({ stream }) => stream.table))];
  return [
    line(titles, () => styles.faint),
    ...tables.flatMap((table) => [
      styles.strong(`table ${table}`),
      ...counts.flatMap((count, index) =>
        count.stream.table === table ? [line(rows[index] ?? [], ({ style }) => style?.(count) ?? plain)] : [],
      ),
    ]),
  ];
}

/** What stands above the table while the streams run. */
export function renderTitle(elapsedMs: number, totalMs: number, styles: Palette): string {
  const share = Math.min(1, elapsedMs / totalMs);
  const filled = Math.round(share * BAR_LENGTH);
  const bar = `${'━'.repeat(filled)}${styles.faint('─'.repeat(BAR_LENGTH - filled))}`;
  return `${bar}  ${seconds(Math.min(elapsedMs, totalMs))} of ${seconds(totalMs)}`;
}

/** What stands below the table. */
export function renderLegend(styles: Palette): string {
  return styles.faint(
    '  OUT1 ..: arrived behind that interface. FIRST: those of LOST that came before the first arrival',
  );
}

/** All of it in a line, for where lines cannot be replaced. */
export function renderProgress(counts: readonly StreamCount[], elapsedMs: number): string {
  const tables = [...new Set(counts.map(({ stream }) => stream.table))].map((table) => {
    const own = protectedCounts(counts.filter(({ stream }) => stream.table === table));
    return `table ${table} ${sum(own, receivedOf)} arrived, ${sum(own, lostOf)} lost`;
  });
  const sent = sum(counts, (count) => count.sent);
  return renderTimed(elapsedMs, `${sent} sent; untouched: ${tables.join('; ')}`);
}

/** How one agent has taken over from another. */
export function renderTakeover(takeover: Takeover, styles: Palette): string {
  const { table, name, before, after, tookMs, arrived, lost } = takeover;
  const loss = (lost === 0 ? styles.good : styles.bad)(`${lost} lost`);
  return `table ${table} (${name}): agent ${before} -> ${after} after ${seconds(tookMs)}; meanwhile ${arrived} arrived, ${loss}`;
}

/** How it ended: what was lost of the streams of which nothing may be, and a line for each problem. */
export function renderVerdict(
  counts: readonly StreamCount[],
  takeovers: readonly Takeover[],
  problems: readonly string[],
  styles: Palette,
): readonly string[] {
  const own = protectedCounts(counts);
  const copies = sum(own, ({ sent, arrivals }) => sent * arrivals.length);
  const losses = `${sum(own, lostOf)} of ${copies} packets lost, ${sum(own, duplicatedOf)} doubled`;
  const head = `${losses} on the ${own.length} untouched (S,G) and exact (*,G) streams`;
  return [
    problems.length === 0 ? styles.good(head) : styles.bad(head),
    ...problems.map((problem) => styles.bad(`  ${problem}`)),
    ...renderTakeovers(takeovers),
    ...renderOthers(counts),
  ];
}

/** A line of `mcctl watch`, with the state in the colour that goes with it. */
export function renderEvent(table: number, line: string, styles: Palette): string {
  const [, text = line, state = ''] = /^(.*: )(programmed|pending|partial|failed)\b/.exec(line) ?? [];
  const rest = line.slice(text.length + state.length);
  const style = state === 'programmed' ? styles.good : state === 'failed' ? styles.bad : styles.notable;
  return `${styles.faint(`watch ${table}`)}  ${text}${style(state)}${rest}`;
}

/** A command as it is typed; `$` for everyone, `#` for root. */
export function renderCommand(command: string, styles: Palette, prompt: '$' | '#' = '$'): string {
  return `${styles.faint(prompt)} ${command}`;
}

/** A line with the time since the streams began. */
export function renderTimed(elapsedMs: number, text: string): string {
  return `${seconds(elapsedMs).padStart(8)}  ${text}`;
}

/** Milliseconds as seconds with one digit. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

interface Column {
  readonly title: string;
  readonly cell: (count: StreamCount) => string;
  readonly style?: (count: StreamCount) => Style;
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
  /** So that the column does not grow while the numbers do. */
  readonly minWidth?: number;
}

/** All of them in a line. */
function renderTakeovers(takeovers: readonly Takeover[]): readonly string[] {
  if (takeovers.length === 0) return [];
  const times = takeovers.map(({ tookMs }) => tookMs);
  const span = `${(Math.min(...times) / 1_000).toFixed(1)} to ${seconds(Math.max(...times))}`;
  const arrived = sum(takeovers, (takeover) => takeover.arrived);
  return [
    `${takeovers.length} times another agent took over, after ${span}; ${arrived} of these packets came meanwhile`,
  ];
}

/** What became of the streams that may lose packets. */
function renderOthers(counts: readonly StreamCount[]): readonly string[] {
  const learned = counts.filter(({ stream }) => stream.kind === 'prefix');
  const unplugged = counts.filter(({ stream }) => stream.isUnplugged);
  return [
    `${sum(learned, lostOf)} lost on the ${learned.length} streams of prefix routes, which are learned with the first packet`,
    ...unplugged.map(
      (count) => `${lostOf(count)} lost on the stream to ${count.stream.oifs.join(' ')} while that interface was away`,
    ),
  ];
}

function columnsOf(counts: readonly StreamCount[], styles: Palette): readonly Column[] {
  const oifs = [...new Set(counts.flatMap(({ stream }) => stream.oifs))].sort();
  const lossStyle = (lost: (count: StreamCount) => number) => (count: StreamCount) =>
    lost(count) === 0 ? styles.good : mustLoseNothing(count.stream) ? styles.bad : styles.notable;
  return [
    { title: 'SOURCE', cell: ({ stream }) => stream.source },
    { title: 'GROUP', cell: ({ stream }) => stream.group },
    { title: 'ROUTE', cell: ({ stream }) => stream.kind },
    { title: 'IIF -> OIFS', cell: ({ stream }) => `${stream.iif} -> ${stream.oifs.join(' ')}` },
    { title: 'SENT', cell: ({ sent }) => String(sent), isNumber: true, minWidth: NUMBER_WIDTH },
    ...oifs.map((oif): Column => ({
      title: oif.toUpperCase(),
      cell: ({ arrivals }) => arrivals.find((arrival) => arrival.oif === oif)?.received.toString() ?? '',
      isNumber: true,
      minWidth: NUMBER_WIDTH,
    })),
    { title: 'LOST', cell: (count) => String(lostOf(count)), style: lossStyle(lostOf), isNumber: true },
    { title: 'FIRST', cell: (count) => String(firstLostOf(count)), style: lossStyle(firstLostOf), isNumber: true },
  ];
}

function pad(text: string, width: number, isNumber: boolean): string {
  return isNumber ? text.padStart(width) : text.padEnd(width);
}

function plain(text: string): string {
  return text;
}

const GAP = '  ';

/** Of a count of packets; more than the demo sends. */
const NUMBER_WIDTH = 5;

const BAR_LENGTH = 40;
