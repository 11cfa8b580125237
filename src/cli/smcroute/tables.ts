// The tables of `smcroutectl show`, as smcroute prints them. Pure.
import { printable } from '../output/text.js';
import type { GroupRow, InterfaceRow, PendingRow, RouteRow, Routes } from './rows.js';

/** How tables look. */
export interface Style {
  /** `reverse`: in reverse video, for terminals. */
  readonly headings: 'plain' | 'reverse' | 'none';
  /** Columns of the terminal. */
  readonly width: number;
  /** With the counters of routes. */
  readonly hasCounters: boolean;
}

/** The columns of plain headings: a terminal of 80, less one. */
export const PLAIN_WIDTH = 79;

/** The routes; a table without rows is left out. `interfaceWidth` is the length of the longest name of the host. */
export function routesText({ asm, ssm, kernel }: Routes, style: Style, interfaceWidth: number): string {
  const width = Math.max('IIF'.length, interfaceWidth);
  const counters = style.hasCounters ? `${countersText('PACKETS', 'BYTES')} ` : '';
  const heading = headingText(`${flowCell('ROUTE (S,G)')}${'IIF'.padEnd(width)} ${counters} OIFS`, style);
  const table = (title: string, rows: readonly RouteRow[]) =>
    rows.length === 0
      ? ''
      : `${titleText(title, style)}${heading}${rows.map((row) => routeText(row, style, width)).join('')}`;
  return ended(`${table('(*,G) Template Rules', asm)}${table('(S,G) Rules', ssm)}${table('Kernel MFC Table', kernel)}`);
}

/** The groups that are wanted and, if given, those that the kernel has joined. */
export function groupsText(conf: readonly GroupRow[], kernel: readonly GroupRow[] | undefined, style: Style): string {
  const rowsText = (rows: readonly GroupRow[]) =>
    rows.map((row) => `${flowCell(flow(row))}${printable(row.iif)}\n`).join('');
  // The heading has room for the longest name there can be, whatever names there are.
  const heading = headingText(`${flowCell('GROUP (S,G)')}${'IIF'.padEnd(16)}`, style);
  const groups = conf.length === 0 ? '' : `${titleText('Group Memberships Table', style)}${heading}${rowsText(conf)}`;
  const joined =
    kernel === undefined || kernel.length === 0
      ? ''
      : `${titleText('Kernel Group Membership Table', style)}${rowsText(kernel)}`;
  return ended(`${groups}${joined}`);
}

/** The interfaces of the host. */
export function interfacesText(rows: readonly InterfaceRow[], style: Style): string {
  const width = Math.max('PHYINT'.length, ...rows.map(({ name }) => printable(name).length));
  const line = (index: string, name: string, vif: string, mif: string) =>
    `${index.padStart(6)} ${name.padEnd(width)}  ${vif.padStart(3)}  ${mif.padStart(3)}`;
  const number = (value: number | null) => (value === null ? 'N/A' : String(value));
  const lines = rows.map(({ index, name, vif, mif }) => line(String(index), printable(name), number(vif), number(mif)));
  return ended(
    `${headingText(line('INDEX', 'PHYINT', 'VIF', 'MIF'), style)}${lines.map((text) => `${text}\n`).join('')}`,
  );
}

/** What waits for an interface. */
export function pendingText(rows: readonly PendingRow[], style: Style): string {
  if (rows.length === 0) return ended('No pending routes or groups\n');
  return ended(`${headingText('PENDING ROUTES AND GROUPS', style)}${rows.map(pendingLine).join('')}`);
}

function pendingLine({ kind, iif, source, group, oifs }: PendingRow): string {
  const words = [
    `from ${iif}`,
    ...(source === null ? [] : [`source ${source}`]),
    `group ${group}`,
    ...(oifs.length === 0 ? [] : [`to ${oifs.join(' ')}`]),
  ];
  return `${kind}  ${printable(words.join(' '))}\n`;
}

function routeText(row: RouteRow, { hasCounters }: Style, width: number): string {
  const counters = hasCounters ? `${countersText(row.packets, row.bytes)} ` : '';
  const oifs = row.oifs.map((name) => ` ${printable(name)}`).join('');
  return `${flowCell(flow(row))}${printable(row.iif).padEnd(width)} ${counters}${oifs}\n`;
}

function countersText(packets: string, bytes: string): string {
  return `${packets.padStart(10)} ${bytes.padStart(10)}`;
}

function flow({ source, group }: { readonly source: string | null; readonly group: string }): string {
  return `(${source ?? '*'}, ${group})`;
}

/** The first column; what is longer moves the others. */
function flowCell(text: string): string {
  return `${text.padEnd(42)} `;
}

/** The line that names a table, under a rule. */
function titleText(title: string, { headings, width }: Style): string {
  switch (headings) {
    case 'plain':
      return `${'_'.repeat(PLAIN_WIDTH)}\n${title}\n`;
    case 'reverse':
      return `${sgr(UNDERLINED, ' '.repeat(width))}\n${title}\n`;
    case 'none':
      return '';
  }
}

/** The line that names the columns. */
function headingText(heading: string, { headings, width }: Style): string {
  const rule = '='.repeat(Math.max(PLAIN_WIDTH, heading.length));
  switch (headings) {
    case 'plain':
      return `${rule}\n${heading}\n${rule}\n`;
    case 'reverse':
      return `${sgr(REVERSED, heading.padEnd(width))}\n`;
    case 'none':
      return '';
  }
}

// SGR parameters (ECMA-48 section 8.3.117).
const UNDERLINED = 4;
const REVERSED = 7;

function sgr(parameter: number, text: string): string {
  return `\u001b[${parameter}m${text}\u001b[0m`;
}

/** What is shown ends with an empty line; nothing stays nothing. */
function ended(text: string): string {
  return text === '' ? '' : `${text}\n`;
}
