// What several hosts answer to one command, put together when all have.
import { CliError } from './errors.js';
import type { Document } from './output/document.js';
import { type HostRow, documentsText, linesOfHost, viewOfHosts } from './output/hosts.js';
import { type Format, type ListView, type Page, isDocumentFormat, renderList } from './output/list.js';
import type { Printer } from './printer.js';
import type { Terminal } from './terminal.js';

/** Rows that are held until all hosts have answered. */
const ROWS_HELD_MAX = 1_000_000;

/** Prints one list, or one result of each host, in the order in which the hosts were named. */
export class HostResults {
  readonly #hosts: readonly string[];
  readonly #lists = new Map<string, readonly unknown[]>();
  readonly #documents = new Map<string, Document>();
  readonly #texts = new Map<string, string>();
  /** All hosts are asked the same, and answer with rows of one kind. */
  #view: { readonly view: ListView<unknown>; readonly emptyText: string } | undefined;
  #rowCount = 0;

  constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
  }

  /** Takes what one host says. */
  printerOf(host: string, format: Format): Printer {
    return {
      host,
      list: async (view, pages, emptyText) => {
        this.#view = { view: view as unknown as ListView<unknown>, emptyText };
        this.#lists.set(host, await this.#hold(pages));
      },
      result: (document, text) => {
        if (isDocumentFormat(format)) this.#documents.set(host, document());
        else this.#texts.set(host, text());
        return Promise.resolve();
      },
    };
  }

  /** Prints it. */
  async print(terminal: Terminal, format: Format): Promise<void> {
    if (this.#view !== undefined) {
      const { view, emptyText } = this.#view;
      const { hasColour } = terminal;
      await terminal.writeAll(renderList(viewOfHosts(view), this.#pages(), format, hasColour));
      if (isDocumentFormat(format)) return;
      for (const [host, rows] of this.#inOrder(this.#lists)) {
        if (rows.length === 0) terminal.note(`${host}: ${emptyText}`);
      }
    }
    const documents = this.#inOrder(this.#documents).map(([host, document]) => ({ host, ...document }));
    if (isDocumentFormat(format) && documents.length > 0) await terminal.write(documentsText(documents, format));
    for (const [host, text] of this.#inOrder(this.#texts)) await terminal.write(linesOfHost(host, text));
  }

  async *#pages(): AsyncGenerator<Page<HostRow<unknown>>> {
    for (const [host, rows] of this.#inOrder(this.#lists)) {
      yield await Promise.resolve({ rows: rows.map((row) => ({ host, row })) });
    }
  }

  async #hold(pages: AsyncIterable<Page<unknown>>): Promise<readonly unknown[]> {
    const held: unknown[] = [];
    for await (const { rows } of pages) {
      this.#rowCount += rows.length;
      if (this.#rowCount > ROWS_HELD_MAX) {
        throw new CliError('USAGE', `the hosts have more than ${ROWS_HELD_MAX} rows together`, [
          'ask one host at a time, or for less of each',
        ]);
      }
      for (const row of rows) held.push(row);
    }
    return held;
  }

  #inOrder<Value>(found: ReadonlyMap<string, Value>): (readonly [string, Value])[] {
    return this.#hosts.flatMap((host) => {
      const value = found.get(host);
      return value === undefined ? [] : [[host, value] as const];
    });
  }
}
