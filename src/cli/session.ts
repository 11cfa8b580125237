// What every command is given.
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { Agent } from './connect.js';
import type { Format } from './output/list.js';
import type { Supervisor } from './supervisor.js';
import type { Terminal } from './terminal.js';

/** Options that stand before or after any command. */
export interface GlobalOptions {
  /** Its id, or its name. */
  readonly table?: number | string;
  readonly socket?: string;
  readonly output: Format;
  /** Whose resources are changed. */
  readonly owner: string;
  /** Seconds that a call may take. */
  readonly timeout: number;
  /** False with --no-color. */
  readonly color: boolean;
}

/** One run of one command. */
export interface Session {
  readonly options: GlobalOptions;
  readonly terminal: Terminal;
  readonly stdin: Readable;
  /** Whether an option or the environment names an agent. */
  readonly hasEndpoint: boolean;
  /** The agent that is meant; found when first needed. */
  readonly agent: Agent;
  /** The supervisor of this host; found when first needed. */
  readonly supervisor: Supervisor;
}

/** What a command does; returns the status of the program. */
export type Body = (session: Session) => Promise<number>;

/** Runs a command's body. `failureCode` is the status of failures that sysexits.h has none for. */
export type Run = (command: Command, body: Body, failureCode?: number) => Promise<void>;
