// The lines of `watch`. Pure: from the messages of a watch to text.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { ResourceKey__Output } from '../../api/generated/mcroute/v1/ResourceKey.js';
import type { WatchResponse__Output } from '../../api/generated/mcroute/v1/WatchResponse.js';
import { type Document, entryDocument, keyDocument, longValue } from './document.js';
import { linesOfHost, withHost } from './hosts.js';
import { type Format, yamlText } from './list.js';
import { keyOf, keyText, paintState, printable, resourceText, stateText } from './text.js';

/** Something that happened to a table, as a watch tells it. */
type Event =
  | { readonly kind: 'put'; readonly isNew: boolean; readonly entries: readonly Entry__Output[] }
  | { readonly kind: 'delete'; readonly key: ResourceKey__Output }
  | { readonly kind: 'synced' };

/** What a watch has told so far: which keys there are, so that new ones and changed ones can be told apart. */
export class WatchView {
  readonly #known = new Map<string, ResourceKey__Output>();
  /** Keys told since the watch began anew; undefined once it is synced, or where it went on from a revision. */
  #told: Set<string> | undefined;

  /** The next messages begin with all entries; known ones that are not among them have gone. */
  beginAnew(): void {
    this.#told = new Set();
  }

  /** The next messages are what came after a revision. */
  goOn(): void {
    this.#told = undefined;
  }

  /** Renders a message; each text is whole lines. `host` where it is one of several. */
  render(message: WatchResponse__Output, format: Format, hasColour: boolean, host?: string): string[] {
    const events = message.events.flatMap((event) => this.#eventsOf(event));
    return events.map((event, index) => {
      // Only the last event of a message completes its revision.
      const revision = index === events.length - 1 && message.revision !== '0' ? message.revision : undefined;
      switch (format) {
        case 'table':
        case 'wide':
          return linesOfHost(host, eventLines(event, message.revision, format === 'wide', hasColour));
        case 'json':
          return `${JSON.stringify(withHost(host, eventDocument(event, revision)))}\n`;
        case 'yaml':
          return `---\n${yamlText(withHost(host, eventDocument(event, revision)))}`;
      }
    });
  }

  #eventsOf(event: WatchResponse__Output['events'][number]): Event[] {
    if (event.put) {
      const { entries } = event.put;
      const key = keyOf(entries[0]?.resource ?? null);
      const text = keyText(key);
      const isNew = !this.#known.has(text);
      this.#known.set(text, key);
      this.#told?.add(text);
      return [{ kind: 'put', isNew, entries }];
    }
    if (event.delete) {
      this.#known.delete(keyText(event.delete));
      return [{ kind: 'delete', key: event.delete }];
    }
    return event.synced ? [...this.#sweep(), { kind: 'synced' }] : [];
  }

  #sweep(): Event[] {
    const told = this.#told;
    this.#told = undefined;
    if (told === undefined) return [];
    const gone = [...this.#known].filter(([text]) => !told.has(text));
    for (const [text] of gone) this.#known.delete(text);
    return gone.map(([, key]) => ({ kind: 'delete', key }));
  }
}

function eventLines(event: Event, revision: string, isWide: boolean, hasColour: boolean): string {
  switch (event.kind) {
    case 'put':
      return event.entries.map((entry) => entryLine(entry, event.isNew ? '+' : '~', isWide, hasColour)).join('');
    case 'delete':
      return `- ${printable(keyText(event.key))}\n`;
    case 'synced':
      return `= synced, revision ${revision}\n`;
  }
}

function entryLine(entry: Entry__Output, sign: string, isWide: boolean, hasColour: boolean): string {
  const state = hasColour ? paintState(stateText(entry)) : stateText(entry);
  const missing = entry.missing.length === 0 ? '' : ` (${entry.missing.map((one) => one.interface).join(' ')})`;
  const owners = isWide ? ` [${entry.owners.join(',')}]` : '';
  return `${sign} ${printable(resourceText(entry.resource))}: ${state}${printable(missing + owners)}\n`;
}

function eventDocument(event: Event, revision: string | undefined): Document {
  const head = { event: event.kind, revision: revision === undefined ? null : longValue(revision) };
  switch (event.kind) {
    case 'put':
      return {
        ...head,
        key: keyDocument(keyOf(event.entries[0]?.resource ?? null)),
        entries: event.entries.map(entryDocument),
      };
    case 'delete':
      return { ...head, key: keyDocument(event.key) };
    case 'synced':
      return head;
  }
}
