// `history`: the changes of owners' resources. Pure.
import type { HistoryEntry__Output } from '../../api/generated/mcroute/v1/HistoryEntry.js';
import { longValue } from './document.js';
import type { ListView } from './list.js';
import { timeText } from './time.js';

export const historyView: ListView<HistoryEntry__Output> = {
  name: 'history',
  columns: [
    { title: 'REVISION', cell: ({ revision }) => revision, isNumber: true },
    { title: 'TIME', cell: ({ time }) => timeText(time) },
    { title: 'OWNER', cell: ({ owner }) => owner },
    { title: 'AUTHOR', cell: ({ author }) => author },
    { title: 'METHOD', cell: ({ method }) => method },
    { title: 'CHANGES', cell: ({ added, changed, removed }) => `+${added} ~${changed} -${removed}` },
    { title: 'COMMENT', cell: commentText },
  ],
  wideColumns: [
    { title: 'UNDO', cell: ({ canBeUndone }) => (canBeUndone ? 'yes' : 'no') },
    { title: 'REQUEST', cell: ({ requestId }) => requestId },
  ],
  document: (entry) => ({
    revision: longValue(entry.revision),
    time: entry.time === null ? null : timeText(entry.time),
    owner: entry.owner,
    author: entry.author === '' ? null : entry.author,
    method: entry.method,
    added: entry.added,
    changed: entry.changed,
    removed: entry.removed,
    comment: entry.comment,
    can_be_undone: entry.canBeUndone,
    confirm_deadline: entry.confirmDeadline === null ? null : timeText(entry.confirmDeadline),
    request_id: entry.requestId === '' ? null : entry.requestId,
  }),
};

function commentText({ comment, confirmDeadline }: HistoryEntry__Output): string {
  if (confirmDeadline === null) return comment;
  return [comment, `(taken back at ${timeText(confirmDeadline)} unless confirmed)`]
    .filter((text) => text !== '')
    .join(' ');
}
