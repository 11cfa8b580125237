// `show routes`: rules as the agent holds them. Pure.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { Mroute__Output } from '../../api/generated/mcroute/v1/Mroute.js';
import { entryDocument } from './document.js';
import { entryJson } from './entry-json.js';
import type { Column, ListView } from './list.js';
import { enumWord, flowText, oifsText, paintState, stateText, warningsText } from './text.js';

/** Columns that all entries have. */
export const ENTRY_COLUMNS: readonly Column<Entry__Output>[] = [
  { title: 'STATE', cell: stateText, paint: paintState },
  { title: 'OWNERS', cell: ({ owners }) => owners.join(',') },
];

export const routesView: ListView<Entry__Output> = {
  name: 'routes',
  columns: [
    { title: 'ROUTE', cell: (entry) => routeText(mrouteOf(entry)) },
    { title: 'IIF', cell: (entry) => mrouteOf(entry)?.key?.iif ?? '' },
    { title: 'OIFS', cell: (entry) => oifsOf(mrouteOf(entry)) },
    ...ENTRY_COLUMNS,
  ],
  wideColumns: [
    { title: 'PROGRAMMING', cell: programmingText },
    { title: 'PACKETS', cell: ({ counters }) => counters?.packets ?? '', isNumber: true },
    { title: 'BYTES', cell: ({ counters }) => counters?.bytes ?? '', isNumber: true },
    { title: 'WRONG-IF', cell: ({ counters }) => counters?.wrongIf ?? '', isNumber: true },
    { title: 'LABEL', cell: (entry) => mrouteOf(entry)?.label ?? '' },
    { title: 'WARNINGS', cell: ({ warnings }) => warningsText(warnings) },
  ],
  document: entryDocument,
  json: entryJson,
};

function mrouteOf(entry: Entry__Output): Mroute__Output | undefined {
  return entry.resource?.mroute ?? undefined;
}

function routeText(mroute: Mroute__Output | undefined): string {
  if (!mroute?.key) return '';
  const except = mroute.except.length === 0 ? '' : ` except ${mroute.except.join(',')}`;
  return `${flowText(mroute.key)}${except}`;
}

function oifsOf(mroute: Mroute__Output | undefined): string {
  return mroute === undefined ? '' : oifsText(mroute);
}

function programmingText({ programming, programmingReason }: Entry__Output): string {
  const word = enumWord(programming, 'PROGRAMMING');
  if (word === undefined) return '';
  return programmingReason === '' ? word : `${word} (${programmingReason})`;
}
