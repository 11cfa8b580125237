// Which tables there are and whether their agents serve, as the supervisor tells; where there is none, as their sockets do.
import type { ClientHttp2Stream } from 'node:http2';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WatchTablesResponse__Output } from '../api/generated/mcroute/v1/WatchTablesResponse.js';
import { tableDefinition } from '../api/load.js';
import { IDENTITY_HEADER } from '../api/relay.js';
import { answersAt } from '../api/unix-server.js';
import { gatewayDoorPath } from '../runtime/paths.js';
import { requestHeaders } from './headers.js';
import { HEADER_BYTES, MessageSplitter, frame } from './messages.js';
import type { Upstreams } from './upstreams.js';

/** Time after which a supervisor that has gone is asked again, and sockets are looked at, in ms. */
const RETRY_MS = 2_000;

/** How the gateway introduces itself; the supervisor asks nothing of who reads. */
const OWN_IDENTITY = 'gateway';

/** An agent's socket. */
const SOCKET = /^([1-9]\d{0,7})\.sock$/;

export interface TableObserver {
  /** The agent of a table serves, or does not. */
  readonly onTable: (table: number, isServing: boolean) => void;
  /** There is no such table any more. */
  readonly onGone: (table: number) => void;
}

/** Follows the tables until it is disposed of. */
export class TableFollower implements Disposable {
  readonly #runtimeDirectory: string;
  readonly #upstreams: Upstreams;
  readonly #observer: TableObserver;
  /** Those that were told of. */
  #known = new Map<number, boolean>();
  #stream: ClientHttp2Stream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(runtimeDirectory: string, upstreams: Upstreams, observer: TableObserver) {
    this.#runtimeDirectory = runtimeDirectory;
    this.#upstreams = upstreams;
    this.#observer = observer;
    this.#watch();
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#stream?.close();
  }

  #watch(): void {
    const { WatchTables } = tableDefinition();
    const socket = gatewayDoorPath({ MCROUTE_RUNTIME_DIRECTORY: this.#runtimeDirectory });
    const headers = { ...requestHeaders({}, WatchTables.path), [IDENTITY_HEADER]: OWN_IDENTITY };
    const { stream } = this.#upstreams.request(socket, '', headers);
    this.#stream = stream;
    stream.end(frame(WatchTables.requestSerialize({})));
    const splitter = new MessageSplitter(Infinity);
    let unseen: Set<number> | undefined = new Set(this.#known.keys());
    stream.on('data', (chunk: Buffer) => {
      for (const message of splitter.add(chunk).messages) {
        const event = WatchTables.responseDeserialize(message.subarray(HEADER_BYTES));
        if (event.entry !== undefined && event.entry !== null) unseen?.delete(event.entry.table);
        if (event.event === 'synced') {
          for (const table of unseen ?? []) this.#setGone(table);
          unseen = undefined;
        }
        this.#onEvent(event);
      }
    });
    stream.once('close', () => {
      void this.#lookAtSockets();
    });
  }

  #onEvent(event: WatchTablesResponse__Output): void {
    if (event.event === 'entry' && event.entry !== null && event.entry !== undefined) {
      this.#set(event.entry.table, event.entry.state === 'STATE_READY');
    } else if (event.event === 'deleted' && event.deleted !== undefined) {
      this.#setGone(event.deleted);
    }
  }

  /** The supervisor does not tell: what answers serves. Then it is asked again. */
  async #lookAtSockets(): Promise<void> {
    const names = await readdir(this.#runtimeDirectory).catch(() => []);
    const tables = new Set(names.flatMap((name) => Number(SOCKET.exec(name)?.[1] ?? NaN) || []));
    for (const table of tables) {
      const isServing = await answersAt(join(this.#runtimeDirectory, `${table}.sock`));
      if (!this.#isDisposed) this.#set(table, isServing);
    }
    if (this.#isDisposed) return;
    for (const table of [...this.#known.keys()].filter((known) => !tables.has(known))) this.#set(table, false);
    this.#timer = setTimeout(() => {
      this.#watch();
    }, RETRY_MS);
    this.#timer.unref();
  }

  #set(table: number, isServing: boolean): void {
    if (this.#known.get(table) === isServing) return;
    this.#known.set(table, isServing);
    this.#observer.onTable(table, isServing);
  }

  #setGone(table: number): void {
    if (this.#known.delete(table)) this.#observer.onGone(table);
  }
}
