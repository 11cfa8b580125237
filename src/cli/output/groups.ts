// `show groups`: memberships as the agent holds them. Pure.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import { entryDocument } from './document.js';
import type { ListView } from './list.js';
import { ENTRY_COLUMNS } from './routes.js';
import { flowText, warningsText } from './text.js';

export const groupsView: ListView<Entry__Output> = {
  name: 'groups',
  columns: [
    { title: 'GROUP', cell: (entry) => groupText(entry) },
    { title: 'INTERFACE', cell: ({ resource }) => resource?.membership?.key?.interface ?? '' },
    ...ENTRY_COLUMNS,
  ],
  wideColumns: [
    { title: 'LABEL', cell: ({ resource }) => resource?.membership?.label ?? '' },
    { title: 'WARNINGS', cell: ({ warnings }) => warningsText(warnings) },
  ],
  document: entryDocument,
};

function groupText({ resource }: Entry__Output): string {
  const key = resource?.membership?.key;
  return key ? flowText(key) : '';
}
