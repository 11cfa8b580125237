// What the supervisor knows of a table, in the words of its parts; proto/ and the configuration file are converted to it.
import type { Family } from '../model/address.js';
import type { LogLevel } from '../runtime/log.js';

/** How the agent of a table is run; every value is checked. */
export interface TableSettings {
  /** For people; unique on the host. */
  readonly name: string | undefined;
  /** `USER` or `USER:GROUP`; undefined: what mcroute-launch chooses. */
  readonly user: string | undefined;
  /** Name of a network namespace (ip-netns(8)); undefined: the supervisor's own. */
  readonly netns: string | undefined;
  /** Absolute path of a file in the grammar of smcroute.conf; undefined: none. */
  readonly configFile: string | undefined;
  /** Empty: all that the kernel has. */
  readonly families: readonly Family[];
  /** Idle time after which learned entries go, in seconds; 0 is never. */
  readonly cacheTimeoutS: number;
  readonly starG: 'kernel' | 'learn';
  readonly makesMrules: boolean;
  readonly mrulePriority: number;
  readonly wantsRealtime: boolean;
  /** Undefined: the supervisor's own. */
  readonly logLevel: LogLevel | undefined;
  /** Time without a sign of life after which the agent is replaced, in seconds; 0 is never. */
  readonly watchdogS: number;
}

/** A table that is to be served. */
export interface TableDefinition {
  readonly table: number;
  readonly settings: TableSettings;
  readonly origin: 'configuration' | 'api';
}

/** Where an agent is in its life; docs/operating.md tells what to do about each. */
export type AgentState = 'stopped' | 'starting' | 'ready' | 'stopping' | 'backing-off' | 'failed';

/** Why an agent went, or could not be started. */
export interface AgentError {
  readonly reason: 'AGENT_FAILED' | 'MISSING_CAPABILITY' | 'TABLE_IN_USE';
  /** A sentence with the cure. */
  readonly message: string;
}

/** A table and how its agent is doing. */
export interface TableView extends TableDefinition {
  readonly state: AgentState;
  readonly pid: number | undefined;
  /** Starts of an agent since the supervisor runs, less the first. */
  readonly restarts: number;
  /** Wall clock, ms since 1970. */
  readonly startedAtMs: number | undefined;
  /** Wall clock, ms since 1970; in `backing-off`. */
  readonly nextStartAtMs: number | undefined;
  /** What the agent last said of itself. */
  readonly status: string;
  /** Descriptors that are kept for the next agent. */
  readonly descriptors: number;
  readonly lastError: AgentError | undefined;
}

/** The tables of the host, as the service sees them. Failures are ApiErrors. */
export interface Tables {
  /** In the order of the ids. */
  list(): readonly TableView[];
  get(table: number): TableView | undefined;
  /** Resolves when the agent serves. */
  create(table: number, settings: TableSettings): Promise<TableView>;
  /** Resolves when the agent has ended and its state is gone from the kernel. */
  delete(table: number, options: { readonly forgetsWishes: boolean }): Promise<void>;
  /** Resolves when the agent serves. */
  start(table: number): Promise<TableView>;
  /** Resolves when the agent has ended. */
  stop(table: number, options: { readonly keepsForwarding: boolean }): Promise<TableView>;
  /** Resolves when the new agent serves. */
  restart(table: number): Promise<TableView>;
  /** Called after each change; without a view the table is gone. Returns what ends it. */
  onChange(listener: (table: number, view: TableView | undefined) => void): () => void;
}

/** What the supervisor remembers over its own restarts. */
export interface SavedTables {
  /** Tables that were created by the API. */
  readonly created: readonly TableDefinition[];
  /** Tables that were told to stop, of whatever origin. */
  readonly stopped: readonly { readonly table: number; readonly keepsForwarding: boolean }[];
}

/** The file of what is remembered. */
export interface TablesFile {
  /** What was saved last; nothing if there is no file. A damaged one is set aside, with a line in the log. */
  load(): SavedTables;
  /** Durable when it returns. @throws ApiError STORAGE; what was saved before is intact then. */
  save(tables: SavedTables): void;
}
