// Watches of the tables: what there is, then every change, at the pace of each reader.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { WatchTablesRequest__Output } from '../api/generated/mcroute/v1/WatchTablesRequest.js';
import type { WatchTablesResponse } from '../api/generated/mcroute/v1/WatchTablesResponse.js';
import { ApiError, toStatusObject } from '../api/status.js';
import { WATCHERS_MAX, WATCHER_BACKLOG_MAX } from '../model/limits.js';
import { renderEntry } from './convert.js';
import type { Tables } from './table.js';

export type WatchTablesCall = ServerWritableStream<WatchTablesRequest__Output, WatchTablesResponse>;

/** All watches of the supervisor. */
export class TableWatchers {
  readonly #tables: Tables;
  readonly #watchers = new Set<TableWatcher>();
  readonly #endListening: () => void;

  constructor(tables: Tables) {
    this.#tables = tables;
    this.#endListening = tables.onChange((table) => {
      for (const watcher of this.#watchers) watcher.add(table);
    });
  }

  get count(): number {
    return this.#watchers.size;
  }

  /**
   * Begins a watch of the table, or of all if it is 0.
   *
   * @throws ApiError RESOURCE_LIMIT.
   */
  add(call: WatchTablesCall, table: number): void {
    if (this.#watchers.size >= WATCHERS_MAX) {
      throw new ApiError('RESOURCE_LIMIT', `${WATCHERS_MAX} watches are open, which is the limit: close one`);
    }
    const watcher = new TableWatcher(this.#tables, call, table);
    this.#watchers.add(watcher);
    call.once('close', () => this.#watchers.delete(watcher));
    call.once('cancelled', () => this.#watchers.delete(watcher));
    watcher.pump();
  }

  /** Ends all watches, since the supervisor stops. */
  close(): void {
    this.#endListening();
    for (const watcher of this.#watchers) {
      watcher.end(new ApiError('AGENT_UNAVAILABLE', 'the supervisor stops; watch again when it is back'));
    }
    this.#watchers.clear();
  }
}

/** One reader. What it has not been told is a set of tables, so that a slow one gets the last state of each. */
class TableWatcher {
  readonly #tables: Tables;
  readonly #call: WatchTablesCall;
  /** 0: all. */
  readonly #table: number;
  readonly #pending: Set<number>;
  /** Tables of the start that have not been sent. */
  readonly #unsynced: Set<number>;
  #isSynced = false;
  #isBlocked = false;
  #isEnded = false;

  constructor(tables: Tables, call: WatchTablesCall, table: number) {
    this.#tables = tables;
    this.#call = call;
    this.#table = table;
    const start = tables.list().map((view) => view.table);
    this.#pending = new Set(start.filter((one) => this.#isWatched(one)));
    this.#unsynced = new Set(this.#pending);
    call.on('drain', () => {
      this.#isBlocked = false;
      this.pump();
    });
  }

  /** Takes note of a change. */
  add(table: number): void {
    if (!this.#isWatched(table)) return;
    this.#pending.add(table);
    if (this.#pending.size > WATCHER_BACKLOG_MAX) {
      // Only with tables that were created and deleted meanwhile, each with another id.
      this.end(new ApiError('WATCHER_TOO_SLOW', `${this.#pending.size} changes wait: watch again, and read faster`));
      return;
    }
    this.pump();
  }

  /** Sends what waits, as much as the reader takes. */
  pump(): void {
    while (!this.#isBlocked && !this.#isEnded && !this.#call.cancelled) {
      const message = this.#nextMessage();
      if (message === undefined) return;
      this.#isBlocked = !this.#call.write(message);
    }
  }

  end(error: ApiError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#pending.clear();
    this.#call.emit('error', toStatusObject(error));
  }

  #isWatched(table: number): boolean {
    return this.#table === 0 || this.#table === table;
  }

  #nextMessage(): WatchTablesResponse | undefined {
    if (!this.#isSynced && this.#unsynced.size === 0) {
      this.#isSynced = true;
      return { synced: true };
    }
    const [table] = this.#pending;
    if (table === undefined) return undefined;
    this.#pending.delete(table);
    this.#unsynced.delete(table);
    const view = this.#tables.get(table);
    return view === undefined ? { deleted: table } : { entry: renderEntry(view) };
  }
}
