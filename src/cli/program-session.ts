// One run of a command for one host, with what the process has.
import type { Readable, Writable } from 'node:stream';
import type { Agent, Environment } from './connect.js';
import type { Doors } from './doors.js';
import type { Gateway } from './gateway.js';
import type { Printer } from './printer.js';
import type { GlobalOptions, Session } from './session.js';
import type { Supervisor } from './supervisor.js';
import type { Terminal } from './terminal.js';

/** What the program is given by whoever starts it. */
export interface Surroundings {
  readonly environment: Environment;
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Version of this program. */
  readonly version: string;
}

export class ProgramSession implements Session, Disposable {
  readonly options: GlobalOptions;
  readonly terminal: Terminal;
  readonly printer: Printer;
  readonly environment: Environment;
  readonly #doors: Doors;
  readonly #surroundings: Surroundings;

  constructor(
    options: GlobalOptions,
    surroundings: Surroundings,
    { doors, terminal, printer }: { readonly doors: Doors; readonly terminal: Terminal; readonly printer: Printer },
  ) {
    this.options = options;
    this.terminal = terminal;
    this.printer = printer;
    this.environment = surroundings.environment;
    this.#doors = doors;
    this.#surroundings = surroundings;
  }

  get stdin(): Readable {
    return this.#surroundings.stdin;
  }

  get hasEndpoint(): boolean {
    return this.#doors.hasEndpoint;
  }

  get table(): number | undefined {
    return this.#doors.table;
  }

  get agent(): Agent {
    return this.#doors.agent;
  }

  get supervisor(): Supervisor {
    return this.#doors.supervisor;
  }

  get gateway(): Gateway {
    return this.#doors.gateway;
  }

  resolveTable(): Promise<void> {
    return this.#doors.resolveTable();
  }

  explain(error: unknown): Promise<unknown> {
    return this.#doors.explain(error);
  }

  [Symbol.dispose](): void {
    this.#doors[Symbol.dispose]();
  }
}
