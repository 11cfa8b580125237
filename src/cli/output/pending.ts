// `show pending`: what the kernel does not have all of, and why. Pure.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import { fromStatusMessage } from '../../api/status.js';
import { entryDocument } from './document.js';
import type { ListView } from './list.js';
import { ENTRY_COLUMNS } from './routes.js';
import { keyOf, keyText, missingText } from './text.js';

export const pendingView: ListView<Entry__Output> = {
  name: 'pending',
  columns: [
    { title: 'RESOURCE', cell: ({ resource }) => keyText(keyOf(resource)) },
    { title: 'WAITS FOR', cell: ({ missing }) => [...new Set(missing.map((one) => one.interface))].join(' ') },
    ...ENTRY_COLUMNS,
    { title: 'WHY', cell: (entry) => whyText(entry) },
  ],
  wideColumns: [],
  document: entryDocument,
};

/** Why an entry is not in the kernel, or not wholly. */
export function whyText({ error, missing }: Entry__Output): string {
  const sentences = missing.map(missingText);
  if (error !== null) sentences.unshift(failureText(error));
  return sentences.join('; ');
}

function failureText(error: NonNullable<Entry__Output['error']>): string {
  const { message, metadata } = fromStatusMessage(error);
  const { syscall, errno } = metadata;
  return syscall === undefined || errno === undefined ? message : `${message} (${syscall}: ${errno})`;
}
