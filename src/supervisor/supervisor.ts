// The tables of a host: which there are, what was asked of each, and one agent each. What is asked is durable before it
// is done.
import { chownSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../api/status.js';
import { TABLES_MAX } from '../model/limits.js';
import { Agent, type AgentParts } from './agent.js';
import {
  type SavedTables,
  type TableDefinition,
  type TableSettings,
  type TableView,
  type Tables,
  type TablesFile,
} from './table.js';

export interface SupervisorParts extends AgentParts {
  readonly tablesFile: TablesFile;
  /** Where agents save their wishes, each in a folder named like its table. */
  readonly stateDirectory: string;
  /** Tables, other than these, to which mrules of mcroute lead and which nobody serves. */
  findOrphans(tables: ReadonlySet<number>): Promise<readonly number[]>;
}

/** Agents that are started at once when there are many: each has a minute to be ready, and the machine few cores. */
const STARTS_AT_ONCE = 32;

type Listener = (table: number, view: TableView | undefined) => void;

/** Keeps an agent for each table. */
export class Supervisor implements Tables {
  readonly #parts: SupervisorParts;
  readonly #agents = new Map<number, Agent>();
  /** Tables that are being deleted; resolves when they are gone. */
  readonly #leaving = new Map<number, Promise<void>>();
  /** Tables that were told to stop, and whether with their forwarding kept. */
  #stopped: ReadonlyMap<number, boolean> = new Map();
  readonly #listeners = new Set<Listener>();
  #begun: Promise<void> = Promise.resolve();
  #isEnding = false;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
  }

  /** Starts the agents of the configuration file and of what the API was told in an earlier life. To be called once. */
  begin(definitions: readonly TableDefinition[]): void {
    const saved = this.#parts.tablesFile.load();
    const configured = new Set(definitions.map(({ table }) => table));
    this.#stopped = new Map(saved.stopped.map(({ table, keepsForwarding }) => [table, keepsForwarding]));
    for (const definition of definitions) this.#add(definition);
    for (const definition of saved.created) {
      if (configured.has(definition.table)) {
        this.#parts.log.warn({ table: definition.table }, 'a table that was created is in the configuration file too');
      } else {
        this.#add(definition);
      }
    }
    this.#closeOrphans();
    for (const [table, keepsForwarding] of this.#stopped) {
      // It was told before we ended, and did not come to it.
      if (!keepsForwarding && this.#parts.store.count(table) > 0) this.#agents.get(table)?.stop({ keepsForwarding });
    }
    this.#begun = this.#startAll();
  }

  /** Resolves when every agent that was there at the beginning serves, or has failed once. */
  whenBegun(): Promise<void> {
    return this.#begun;
  }

  /**
   * Takes over a changed configuration file: tables that it does not have any more go, new ones come, and those with
   * other settings get a new agent, which takes over from the old one unless it serves other sockets.
   *
   * @throws ApiError STORAGE; nothing has changed then.
   */
  async reconfigure(definitions: readonly TableDefinition[]): Promise<void> {
    if (this.#isEnding) return;
    const configured = new Set(definitions.map(({ table }) => table));
    const gone = [...this.#agents.values()]
      .map(({ definition }) => definition)
      .filter(({ table, origin }) => origin === 'configuration' && !configured.has(table))
      .filter(({ table }) => !this.#leaving.has(table));
    const goneTables = new Set(gone.map(({ table }) => table));
    this.#save({
      created: this.#created().filter(({ table }) => !configured.has(table)),
      stopped: without(this.#stopped, goneTables),
    });
    const steps = gone.map(({ table }) => this.#remove(table, { forgetsWishes: false }));
    for (const definition of definitions) steps.push(this.#configure(definition));
    for (const { table } of this.#created()) if (!configured.has(table)) this.#agents.get(table)?.reload();
    await Promise.all(steps);
  }

  /** Ends all agents; nothing is started any more. May be called again, to keep less. */
  async shutDown(options: { readonly keepsForwarding: boolean }): Promise<void> {
    this.#isEnding = true;
    const agents = [...this.#agents.values()];
    for (const agent of agents) agent.stop(options);
    await Promise.all(agents.map((agent) => agent.whenEnded()));
  }

  /** For people, such as `3 tables, 2 ready, 1 failed`. */
  get summary(): string {
    const states = this.list().map(({ state }) => state);
    const count = (state: string) => states.filter((other) => other === state).length;
    const failed = count('failed');
    const tables = `${states.length} ${states.length === 1 ? 'table' : 'tables'}, ${count('ready')} ready`;
    return failed === 0 ? tables : `${tables}, ${failed} failed`;
  }

  list(): readonly TableView[] {
    return [...this.#agents.values()].map(({ view }) => view).sort((a, b) => a.table - b.table);
  }

  get(table: number): TableView | undefined {
    return this.#agents.get(table)?.view;
  }

  async create(table: number, settings: TableSettings): Promise<TableView> {
    this.#assertRuns();
    const present = this.#agents.get(table);
    if (present !== undefined) return this.#assertSame(present, settings);
    const namesake = this.list().find(({ settings: { name } }) => name !== undefined && name === settings.name);
    if (namesake !== undefined) {
      throw new ApiError('TABLE_EXISTS', `table ${namesake.table} has the name ${settings.name ?? ''}: choose another`);
    }
    if (this.#agents.size >= TABLES_MAX) {
      throw new ApiError('RESOURCE_LIMIT', `there are ${TABLES_MAX} tables, and no more may be: delete one first`);
    }
    const definition: TableDefinition = { table, settings, origin: 'api' };
    this.#save({
      created: [...this.#created(), definition],
      stopped: without(this.#stopped, new Set([table])),
    });
    const agent = this.#add(definition);
    agent.start();
    return agent.whenServing();
  }

  async delete(table: number, options: { readonly forgetsWishes: boolean }): Promise<void> {
    this.#assertRuns();
    const leaving = this.#leaving.get(table);
    if (leaving !== undefined) return leaving;
    const { definition } = this.#find(table);
    if (definition.origin === 'configuration') {
      throw new ApiError(
        'TABLE_EXISTS',
        `table ${table} is of the configuration file: take it out there, and reload; 'mcctl table stop' stops it`,
      );
    }
    this.#save({
      created: this.#created().filter((other) => other.table !== table),
      stopped: without(this.#stopped, new Set([table])),
    });
    return this.#remove(table, options);
  }

  async start(table: number): Promise<TableView> {
    const agent = this.#wake(table);
    agent.start();
    return agent.whenServing();
  }

  async stop(table: number, options: { readonly keepsForwarding: boolean }): Promise<TableView> {
    this.#assertRuns();
    const agent = this.#find(table);
    const stopped = new Map(this.#stopped).set(table, options.keepsForwarding);
    this.#save({ created: this.#created(), stopped });
    agent.stop(options);
    return agent.whenEnded();
  }

  async restart(table: number): Promise<TableView> {
    const agent = this.#wake(table);
    agent.restart();
    return agent.whenServing();
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async #startAll(): Promise<void> {
    const waiting = [...this.#agents].values();
    const startInTurn = async () => {
      // All take from the one iterator.
      for (const [table, agent] of waiting) {
        const isWanted = this.#agents.get(table) === agent && !this.#stopped.has(table) && !this.#leaving.has(table);
        if (this.#isEnding || !isWanted) continue;
        agent.start();
        await agent.whenSettled();
      }
    };
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startInTurn));
  }

  /** A table of the file, as it is to be from now on. */
  async #configure(definition: TableDefinition): Promise<void> {
    const { table, settings } = definition;
    await this.#leaving.get(table);
    // That took a while.
    if (this.#isEnding) return;
    const agent = this.#agents.get(table);
    if (agent === undefined) {
      this.#add(definition).start();
      return;
    }
    const old = agent.definition.settings;
    agent.redefine(definition);
    // Nobody wants it to run, or its process cares for its file alone.
    if (this.#stopped.has(table)) return;
    if (isDeepStrictEqual({ ...old, name: undefined }, { ...settings, name: undefined })) {
      agent.reload();
      return;
    }
    if (old.netns !== settings.netns || !isDeepStrictEqual(old.families, settings.families)) {
      // The sockets that are kept are of another namespace, or of a family too many.
      agent.stop({ keepsForwarding: false });
      agent.start();
    } else {
      agent.restart();
    }
  }

  #add(definition: TableDefinition): Agent {
    const { table } = definition;
    const agent = new Agent(definition, this.#parts, () => {
      this.#tell(table, agent.view);
    });
    this.#agents.set(table, agent);
    this.#tell(table, agent.view);
    return agent;
  }

  /** Stops a table that nobody wants any more, and forgets it. */
  #remove(table: number, { forgetsWishes }: { readonly forgetsWishes: boolean }): Promise<void> {
    const agent = this.#find(table);
    agent.stop({ keepsForwarding: false });
    const removal = agent.whenEnded().then(() => {
      this.#agents.delete(table);
      this.#leaving.delete(table);
      this.#tell(table, undefined);
      if (forgetsWishes) this.#forgetWishes(table);
    });
    this.#leaving.set(table, removal);
    return removal;
  }

  #forgetWishes(table: number): void {
    const path = join(this.#parts.stateDirectory, String(table));
    try {
      removeDirectory(path);
    } catch (error) {
      throw new ApiError('STORAGE', `table ${table} is deleted, but its wishes are not: remove ${path}`, {
        metadata: { path },
        cause: error,
      });
    }
  }

  /**
   * Of tables that nobody wants any more: what we were given is closed, so that the kernel flushes them, and their mrules
   * go, which would lead packets to where nobody forwards them.
   */
  #closeOrphans(): void {
    const { store, log } = this.#parts;
    const orphans = store.tables.filter((table) => !this.#agents.has(table));
    for (const table of orphans) store.releaseAll(table);
    if (orphans.length > 0) log.warn({ tables: orphans }, 'what was kept of tables that nobody wants is closed');
    this.#removeOrphanMrules(orphans).catch((error: unknown) => {
      log.error({ err: error }, 'the mrules of tables that nobody wants could not be removed');
    });
  }

  async #removeOrphanMrules(closed: readonly number[]): Promise<void> {
    const found = await this.#parts.findOrphans(new Set(this.#agents.keys()));
    // One may have been created meanwhile.
    const orphans = [...new Set([...closed, ...found])].filter((table) => !this.#agents.has(table));
    await this.#parts.removeMrules(orphans, undefined);
  }

  #created(): TableDefinition[] {
    const definitions = [...this.#agents.values()].map(({ definition }) => definition);
    return definitions.filter(({ table, origin }) => origin === 'api' && !this.#leaving.has(table));
  }

  /** @throws ApiError STORAGE; nothing has changed then. */
  #save({ created, stopped }: { created: readonly TableDefinition[]; stopped: ReadonlyMap<number, boolean> }): void {
    const saved: SavedTables = {
      created,
      stopped: [...stopped].map(([table, keepsForwarding]) => ({ table, keepsForwarding })),
    };
    this.#parts.tablesFile.save(saved);
    this.#stopped = stopped;
  }

  /** A table that is to run from now on. */
  #wake(table: number): Agent {
    this.#assertRuns();
    const agent = this.#find(table);
    if (this.#stopped.has(table)) {
      this.#save({ created: this.#created(), stopped: without(this.#stopped, new Set([table])) });
    }
    return agent;
  }

  #find(table: number): Agent {
    const agent = this.#agents.get(table);
    if (agent === undefined || this.#leaving.has(table)) {
      throw new ApiError('TABLE_NOT_FOUND', `there is no table ${table}: 'mcctl table list' has those that are there`);
    }
    return agent;
  }

  #assertRuns(): void {
    if (this.#isEnding) throw new ApiError('AGENT_UNAVAILABLE', 'the supervisor ends; ask again when it is back');
  }

  #assertSame(present: Agent, settings: TableSettings): TableView {
    const { table } = present.definition;
    if (this.#leaving.has(table)) {
      throw new ApiError('TABLE_EXISTS', `table ${table} is being deleted: create it again when it is gone`);
    }
    if (isDeepStrictEqual(present.definition.settings, settings)) return present.view;
    throw new ApiError('TABLE_EXISTS', `table ${table} is there with other settings: delete it first`);
  }

  #tell(table: number, view: TableView | undefined): void {
    for (const listener of this.#listeners) listener(table, view);
  }
}

function without(stopped: ReadonlyMap<number, boolean>, tables: ReadonlySet<number>): ReadonlyMap<number, boolean> {
  return new Map([...stopped].filter(([table]) => !tables.has(table)));
}

/** It belongs to the agents' user, and root may look into it only as its owner: the unit is without CAP_DAC_OVERRIDE. */
function removeDirectory(path: string): void {
  if (!existsSync(path)) return;
  if (process.geteuid?.() === 0) chownSync(path, 0, 0);
  rmSync(path, { recursive: true });
}
