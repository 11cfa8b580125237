// Results as the person wants them.
import type { Document } from './output/document.js';
import { type Format, type ListView, type Page, isDocumentFormat, renderDocument, renderList } from './output/list.js';
import type { Terminal } from './terminal.js';

/** Takes what a command has found. */
export interface Printer {
  /** The host, where a command is for several: what is written without the printer has to name it. */
  readonly host: string | undefined;
  /** Prints a list; `emptyText` is said to people where it has no rows. */
  list<Row>(view: ListView<Row>, pages: AsyncIterable<Page<Row>>, emptyText: string): Promise<void>;
  /** Prints one result: a document for programs, whole lines for people. */
  result(document: () => Document, text: () => string): Promise<void>;
}

/** Prints what one host says, as it comes. */
export function openPrinter(terminal: Terminal, format: Format): Printer {
  return {
    host: undefined,
    list: async (view, pages, emptyText) => {
      let count = 0;
      const counted = async function* () {
        for await (const page of pages) {
          count += page.rows.length;
          yield page;
        }
      };
      await terminal.writeAll(renderList(view, counted(), format, terminal.hasColour));
      if (count === 0 && !isDocumentFormat(format)) terminal.note(emptyText);
    },
    result: (document, text) => terminal.write(isDocumentFormat(format) ? renderDocument(document(), format) : text()),
  };
}
