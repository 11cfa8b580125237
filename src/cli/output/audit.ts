// Lines of the audit. Pure.
import type { WatchAuditResponse__Output } from '../../api/generated/mcroute/v1/WatchAuditResponse.js';
import type { Document } from './document.js';
import { linesOfHost, withHost } from './hosts.js';
import { type Format, yamlText } from './list.js';
import { printable } from './text.js';

/** A message of the stream as whole lines; `host` where it is one of several. */
export function auditText({ line, missed }: WatchAuditResponse__Output, format: Format, host?: string): string {
  const documents: Document[] = missed === '0' ? [] : [{ missed: Number(missed) }];
  if (line !== '') documents.push(parseLine(line));
  switch (format) {
    case 'json':
      return documents.map((one) => `${JSON.stringify(withHost(host, one))}\n`).join('');
    case 'yaml':
      return documents.map((one) => `---\n${yamlText(withHost(host, one))}`).join('');
    case 'table':
    case 'wide':
      return linesOfHost(host, documents.map((one) => `${printable(lineText(one, format === 'wide'))}\n`).join(''));
  }
}

/** A line of a gateway that this mcctl does not know is shown as it is. */
function parseLine(line: string): Document {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Document;
  } catch {
    // No JSON.
  }
  return { line };
}

/** `TIME IDENTITY ADDRESS METHOD table 5 OK +1 ~0 -0: +mroute ...`. */
function lineText(record: Document, isWide: boolean): string {
  const { missed, line } = record;
  if (typeof missed === 'number') return `(${missed} lines were missed)`;
  if (typeof line === 'string') return line;
  const text = (key: string) => {
    const value = record[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  const table = text('table') === '' || text('table') === '0' ? '' : `table ${text('table')}`;
  const method = text('method') === '' ? 'connection' : text('method');
  const counts = ['added', 'changed', 'removed'].map((key) => Number(text(key)));
  const [added = 0, changed = 0, removed = 0] = counts;
  const changes = added + changed + removed === 0 ? '' : `+${added} ~${changed} -${removed}`;
  const first = Array.isArray(record['first']) ? record['first'].filter((one) => typeof one === 'string') : [];
  const why = [text('reason'), text('message')].filter((part) => part !== '').join(': ');
  const words = [text('time'), text('identity') || '-', text('address'), method, table, text('outcome'), changes, why];
  const details = isWide && first.length > 0 ? `: ${first.join('; ')}` : '';
  return words.filter((word) => word !== '').join(' ') + details;
}
