// What several hosts say, with the host. Pure.
import type { Document } from './document.js';
import { type ListView, yamlText } from './list.js';
import { printable } from './text.js';

/** A row of one of several hosts. */
export interface HostRow<Row> {
  readonly host: string;
  readonly row: Row;
}

/** The list of several hosts: the host first. */
export function viewOfHosts<Row>(view: ListView<Row>): ListView<HostRow<Row>> {
  const { name, details, json } = view;
  const columnsOf = (columns: ListView<Row>['columns']) =>
    columns.map((column) => ({ ...column, cell: ({ row }: HostRow<Row>) => column.cell(row) }));
  return {
    name,
    columns: [{ title: 'HOST', cell: ({ host }) => host }, ...columnsOf(view.columns)],
    wideColumns: columnsOf(view.wideColumns),
    ...(details !== undefined && { details: ({ row }: HostRow<Row>) => details(row) }),
    document: ({ host, row }) => withHost(host, view.document(row)),
    // The text of an object with a key more.
    ...(json !== undefined && {
      json: ({ host, row }: HostRow<Row>) => `{"host":${JSON.stringify(host)},${json(row).slice(1)}`,
    }),
  };
}

/** A document, with the host first where a command is for several. */
export function withHost(host: string | undefined, document: Document): Document {
  return host === undefined ? document : { host, ...document };
}

/** Whole lines, each with the host before it where a command is for several. */
export function linesOfHost(host: string | undefined, text: string): string {
  return host === undefined ? text : text.replace(/^(?=.)/gm, `${printable(host)}: `);
}

/** One document of each host. */
export function documentsText(documents: readonly Document[], format: 'json' | 'yaml'): string {
  return format === 'json' ? `${JSON.stringify(documents, undefined, 2)}\n` : yamlText(documents);
}
