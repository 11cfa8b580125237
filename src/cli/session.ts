// What every command is given.
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { Agent, Environment } from './connect.js';
import type { Gateway } from './gateway.js';
import type { Format } from './output/list.js';
import type { Printer } from './printer.js';
import type { Supervisor } from './supervisor.js';
import type { Terminal } from './terminal.js';

/** Options that stand before or after any command. */
export interface GlobalOptions {
  readonly output: Format;
  /** Whose resources are changed. */
  readonly owner: string;
  /** Seconds that a call may take. */
  readonly timeout: number;
}

/** One run of one command, for one host. */
export interface Session {
  readonly options: GlobalOptions;
  readonly terminal: Terminal;
  readonly printer: Printer;
  readonly stdin: Readable;
  readonly environment: Environment;
  /** Whether an option or the environment names an agent. */
  readonly hasEndpoint: boolean;
  /** The table that is meant, by its id; undefined: none. */
  readonly table: number | undefined;
  /** The agent that is meant; found when first needed. */
  readonly agent: Agent;
  /** The supervisor of the host; found when first needed. */
  readonly supervisor: Supervisor;
  /** The gateway of the host; found when first needed. */
  readonly gateway: Gateway;
}

/** What a command does; returns the status of the program. */
export type Body = (session: Session) => Promise<number>;

/** How a command is run. */
export interface RunOptions {
  /** Status of failures that sysexits.h has none for. */
  readonly failureCode?: number;
  /** What it prints cannot be put together. */
  readonly isForOneHost?: boolean;
  /** It goes on until somebody ends it: all hosts at a time. */
  readonly isEndless?: boolean;
}

/** Runs a command's body, for each host that is meant. */
export type Run = (command: Command, body: Body, options?: RunOptions) => Promise<void>;

/** What a command does that is for no host; returns the status of the program. */
export type LocalBody = (
  session: Pick<Session, 'options' | 'terminal' | 'printer' | 'stdin' | 'environment'>,
) => Promise<number>;

/** Runs a command that is for no host. */
export type RunLocally = (command: Command, body: LocalBody) => Promise<void>;
