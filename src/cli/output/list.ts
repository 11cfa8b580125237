// Lists as a table, as JSON or as YAML, row by row as they come. Pure: from rows to text.
import { stringify } from 'yaml';
import { type Document, type Value, longValue } from './document.js';
import { printable } from './text.js';

/** How results are printed. */
export type Format = 'table' | 'wide' | 'json' | 'yaml';

/** All formats, in the order in which they are shown. */
export const FORMATS: readonly Format[] = ['table', 'wide', 'json', 'yaml'];

/** Whether programs read the format rather than people. */
export function isDocumentFormat(format: Format): format is 'json' | 'yaml' {
  return format === 'json' || format === 'yaml';
}

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand at the right. */
  readonly isNumber?: boolean;
  /** Adds colour to the padded cell. */
  readonly paint?: (text: string) => string;
}

/** How the rows of one kind of list look. */
export interface ListView<Row> {
  /** Key of the list in a document. */
  readonly name: string;
  readonly columns: readonly Column<Row>[];
  /** Columns that only `wide` has, after the others. */
  readonly wideColumns: readonly Column<Row>[];
  /** Lines below a row, for what few rows have and no column would hold. */
  readonly details?: (row: Row) => readonly string[];
  readonly document: (row: Row) => Document;
  /** What `JSON.stringify` makes of the document, where that is to be had for less. */
  readonly json?: (row: Row) => string;
}

/** Rows that came together. */
export interface Page<Row> {
  /** The table's revision; undefined for lists that have none. */
  readonly revision?: string;
  readonly rows: readonly Row[];
}

/** Renders a list. Only what the widths of columns are measured on is held back. */
export function renderList<Row>(
  view: ListView<Row>,
  pages: AsyncIterable<Page<Row>>,
  format: Format,
  hasColour: boolean,
): AsyncGenerator<string> {
  switch (format) {
    case 'table':
      return renderTable(view, view.columns, pages, hasColour);
    case 'wide':
      return renderTable(view, [...view.columns, ...view.wideColumns], pages, hasColour);
    case 'json':
      return renderJson(view, pages);
    case 'yaml':
      return renderYaml(view, pages);
  }
}

/** Renders a single document. */
export function renderDocument(document: Document, format: 'json' | 'yaml'): string {
  return format === 'json' ? `${JSON.stringify(document, undefined, 2)}\n` : yamlText(document);
}

/** YAML without folded lines, which line-based tools would take apart, and without anchors. */
export function yamlText(value: Value): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/** Rows that the widths of columns are measured on. */
const MEASURED_ROWS = 1_000;

const COLUMN_GAP = '  ';

/** A row as text: its cells, and the lines below it. */
interface Line {
  readonly cells: readonly string[];
  readonly details: readonly string[];
}

async function* renderTable<Row>(
  view: ListView<Row>,
  columns: readonly Column<Row>[],
  pages: AsyncIterable<Page<Row>>,
  hasColour: boolean,
): AsyncGenerator<string> {
  let widths: number[] | undefined;
  let measured: Line[] = [];
  const titles = columns.map(({ title }) => title);
  const begin = (): string => {
    const found = columns.map((_, index) =>
      Math.max(...[titles, ...measured.map(({ cells }) => cells)].map((cells) => textWidth(cells[index] ?? ''))),
    );
    widths = found;
    const lines = measured.map((line) => lineText(columns, line, found, hasColour));
    measured = [];
    return joinCells(columns, titles, found, false) + lines.join('');
  };
  for await (const { rows } of pages) {
    let text = '';
    for (const row of rows) {
      const line = {
        cells: columns.map(({ cell }) => printable(cell(row)) || '-'),
        details: view.details?.(row).map(printable) ?? [],
      };
      if (widths !== undefined) text += lineText(columns, line, widths, hasColour);
      else if (measured.push(line) === MEASURED_ROWS) text += begin();
    }
    if (text !== '') yield text;
  }
  if (widths === undefined) yield begin();
}

function lineText<Row>(
  columns: readonly Column<Row>[],
  { cells, details }: Line,
  widths: readonly number[],
  hasColour: boolean,
): string {
  return joinCells(columns, cells, widths, hasColour) + details.map((text) => `  ${text}\n`).join('');
}

function joinCells<Row>(
  columns: readonly Column<Row>[],
  cells: readonly string[],
  widths: readonly number[],
  hasColour: boolean,
): string {
  const padded = columns.map((column, index) => {
    const cell = cells[index] ?? '';
    const gap = ' '.repeat(Math.max(0, (widths[index] ?? 0) - textWidth(cell)));
    const isLast = index === columns.length - 1;
    const text = column.isNumber === true ? gap + cell : isLast ? cell : cell + gap;
    return hasColour && column.paint !== undefined ? column.paint(text) : text;
  });
  return `${padded.join(COLUMN_GAP)}\n`;
}

/** Characters, not UTF-16 units, so that names of any script line up. */
function textWidth(text: string): number {
  return SURROGATE.test(text) ? Array.from(text).length : text.length;
}

/** A half of a character that UTF-16 has in two units. */
const SURROGATE = /[\ud800-\udfff]/;

/** One document, one row a line. */
async function* renderJson<Row>(view: ListView<Row>, pages: AsyncIterable<Page<Row>>): AsyncGenerator<string> {
  const jsonOf = view.json ?? ((row: Row) => JSON.stringify(view.document(row)));
  let hasHead = false;
  let separator = '\n';
  for await (const { revision, rows } of pages) {
    let text = hasHead ? '' : jsonHead(view.name, revision);
    hasHead = true;
    for (const row of rows) {
      text += separator + jsonOf(row);
      separator = ',\n';
    }
    yield text;
  }
  if (!hasHead) yield jsonHead(view.name, undefined);
  yield separator === '\n' ? ']}\n' : '\n]}\n';
}

function jsonHead(name: string, revision: string | undefined): string {
  const before = revision === undefined ? '' : `"revision":${JSON.stringify(longValue(revision))},`;
  return `{${before}${JSON.stringify(name)}:[`;
}

async function* renderYaml<Row>(view: ListView<Row>, pages: AsyncIterable<Page<Row>>): AsyncGenerator<string> {
  let hasHead = false;
  let hasRows = false;
  for await (const { revision, rows } of pages) {
    if (!hasHead && revision !== undefined) yield yamlText({ revision: longValue(revision) });
    hasHead = true;
    for (const row of rows) {
      if (!hasRows) yield `${view.name}:\n`;
      hasRows = true;
      yield yamlText([view.document(row)]);
    }
  }
  if (!hasRows) yield `${view.name}: []\n`;
}
