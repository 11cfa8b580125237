// The programs of one host that commands talk to.
import type { Agent } from './connect.js';
import type { Gateway } from './gateway.js';
import type { Supervisor } from './supervisor.js';

/** Each is opened when it is first needed. */
export interface Doors extends Disposable {
  /** The agent of the table that is meant. */
  readonly agent: Agent;
  readonly supervisor: Supervisor;
  readonly gateway: Gateway;
  /** Whether an option, the environment or a context names a table, or an agent. */
  readonly hasEndpoint: boolean;
  /** Looks up the table where a name stands for it. @throws ApiError TABLE_NOT_FOUND, or what keeps from asking */
  resolveTable(): Promise<void>;
  /** The table that is meant, by its id; undefined: none. */
  readonly table: number | undefined;
  /** Adds to an error what else is known of it here. */
  explain(error: unknown): Promise<unknown>;
}
