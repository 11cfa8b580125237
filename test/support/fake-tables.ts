// The tables of a supervisor without agents, in this process. For tests of the service and of its clients.
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError } from '../../src/api/status.js';
import type { RunningServer } from '../../src/api/unix-server.js';
import { DEFAULT_SETTINGS } from '../../src/supervisor/settings.js';
import type { TableSettings, TableView, Tables } from '../../src/supervisor/table.js';
import { serveTables } from '../../src/supervisor/table-service.js';

/** When every agent of these tables was started: 2026-01-02T03:04:05.678Z. */
export const STARTED_AT_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** A view of a table that serves, changed by what is given. */
export function readyTable(table: number, changes: Partial<TableView> = {}): TableView {
  return {
    table,
    settings: DEFAULT_SETTINGS,
    origin: 'api',
    state: 'ready',
    pid: 1_000 + table,
    restarts: 0,
    startedAtMs: STARTED_AT_MS,
    nextStartAtMs: undefined,
    status: 'serves',
    descriptors: 2,
    lastError: undefined,
    ...changes,
  };
}

/** A double of what the supervisor keeps. */
export class FakeTables implements Tables {
  /** Every call ends with it. */
  failure: unknown;
  /** Calls wait for it. */
  gate: Promise<void> = Promise.resolve();
  /** Emits `call` with the words of each call once it has come. */
  readonly events = new EventEmitter();
  readonly #views = new Map<number, TableView>();
  readonly #listeners = new Set<(table: number, view: TableView | undefined) => void>();

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Puts a table in its place, as something that has happened to it. */
  put(view: TableView): TableView {
    this.#views.set(view.table, view);
    this.#tell(view.table);
    return view;
  }

  /** Takes a table away. */
  drop(table: number): void {
    this.#views.delete(table);
    this.#tell(table);
  }

  list(): readonly TableView[] {
    return [...this.#views.values()].sort((a, b) => a.table - b.table);
  }

  get(table: number): TableView | undefined {
    return this.#views.get(table);
  }

  async create(table: number, settings: TableSettings): Promise<TableView> {
    await this.#enter('create', table, settings);
    return this.put(readyTable(table, { settings }));
  }

  async delete(table: number, options: { readonly forgetsWishes: boolean }): Promise<void> {
    await this.#enter('delete', table, options);
    this.#find(table);
    this.drop(table);
  }

  async start(table: number): Promise<TableView> {
    await this.#enter('start', table);
    const { settings } = this.#find(table);
    return this.put(readyTable(table, { settings }));
  }

  async stop(table: number, options: { readonly keepsForwarding: boolean }): Promise<TableView> {
    await this.#enter('stop', table, options);
    const { settings } = this.#find(table);
    const descriptors = options.keepsForwarding ? 2 : 0;
    return this.put(readyTable(table, { settings, state: 'stopped', pid: undefined, status: '', descriptors }));
  }

  async restart(table: number): Promise<TableView> {
    await this.#enter('restart', table);
    const { settings, restarts } = this.#find(table);
    return this.put(readyTable(table, { settings, restarts: restarts + 1, pid: 2_000 + table }));
  }

  onChange(listener: (table: number, view: TableView | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async #enter(...words: unknown[]): Promise<void> {
    this.events.emit('call', words);
    await this.gate;
    if (this.failure !== undefined) throw this.failure as Error;
  }

  #find(table: number): TableView {
    const view = this.#views.get(table);
    if (view === undefined) throw new ApiError('TABLE_NOT_FOUND', `there is no table ${table}`);
    return view;
  }

  #tell(table: number): void {
    for (const listener of this.#listeners) listener(table, this.#views.get(table));
  }
}

/** A directory with the socket of a supervisor. */
export interface SupervisorHost extends AsyncDisposable {
  readonly directory: string;
  readonly path: string;
  readonly tables: FakeTables;
  /** What the service took for a bug. */
  readonly bugs: unknown[];
  readonly server: RunningServer;
}

/** Serves fake tables at `supervisor.sock` in a directory of its own. */
export async function openSupervisorHost(): Promise<SupervisorHost> {
  const directory = mkdtempSync(join(tmpdir(), 'mcroute-supervisor-'));
  const path = join(directory, 'supervisor.sock');
  const tables = new FakeTables();
  const bugs: unknown[] = [];
  const server = await serveTables(path, tables, { onBug: (error) => bugs.push(error) });
  return {
    directory,
    path,
    tables,
    bugs,
    server,
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      rmSync(directory, { recursive: true });
    },
  };
}
