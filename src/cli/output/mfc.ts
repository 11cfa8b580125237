// `show mfc`: the kernel's forwarding cache. Pure.
import type { MfcEntry__Output } from '../../api/generated/mcroute/v1/MfcEntry.js';
import { type Document, countersDocument, oifDocument, sourceValue } from './document.js';
import type { ListView } from './list.js';
import { flowText, oifText } from './text.js';

export const mfcView: ListView<MfcEntry__Output> = {
  name: 'mfc',
  columns: [
    { title: '(S,G)', cell: flowText },
    { title: 'IIF', cell: ({ iif }) => iif },
    { title: 'OIFS', cell: ({ oifs }) => (oifs.length === 0 ? '(none)' : oifs.map(oifText).join(' ')) },
    { title: 'LEARNED', cell: ({ learned }) => (learned ? 'learned' : '') },
    { title: 'PACKETS', cell: ({ counters }) => counters?.packets ?? '', isNumber: true },
    { title: 'BYTES', cell: ({ counters }) => counters?.bytes ?? '', isNumber: true },
    { title: 'WRONG-IF', cell: ({ counters }) => counters?.wrongIf ?? '', isNumber: true },
    { title: 'RULES', cell: ({ rules }) => rules.map((rule) => `${flowText(rule)} ${rule.iif}`).join('; ') },
  ],
  wideColumns: [],
  document: mfcDocument,
};

function mfcDocument(entry: MfcEntry__Output): Document {
  return {
    source: sourceValue(entry.source),
    group: entry.group,
    iif: entry.iif,
    oifs: entry.oifs.map(oifDocument),
    learned: entry.learned,
    rules: entry.rules.map(({ iif, source, group }) => ({ iif, source: sourceValue(source), group })),
    counters: countersDocument(entry.counters),
  };
}
