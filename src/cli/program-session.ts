// One run of a command, with what the process has.
import type { Readable, Writable } from 'node:stream';
import { ApiError } from '../api/status.js';
import { explainAbsence } from './absent-agent.js';
import { type Agent, type Environment, findEndpoint, openAgent, socketOfTable, tableOfEnvironment } from './connect.js';
import type { GlobalOptions, Session } from './session.js';
import { type Supervisor, findNamed, openSupervisor, supervisorPath } from './supervisor.js';
import { type Terminal, openTerminal } from './terminal.js';

/** What the program is given by whoever starts it. */
export interface Surroundings {
  readonly environment: Environment;
  readonly stdin: Readable;
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Version of this program. */
  readonly version: string;
}

/** Time that the supervisor gets to say why there is no agent, in ms: the error waits for it. */
const EXPLANATION_MS = 2_000;

export class ProgramSession implements Session, Disposable {
  readonly options: GlobalOptions;
  readonly terminal: Terminal;
  readonly hasEndpoint: boolean;
  readonly #surroundings: Surroundings;
  #environment: Environment;
  /** Of the options; a name only until it is resolved. */
  #table: number | string | undefined;
  #agent: Agent | undefined;
  #supervisor: Supervisor | undefined;

  constructor(options: GlobalOptions, surroundings: Surroundings) {
    const { environment, stdout, stderr } = surroundings;
    this.options = options;
    this.#surroundings = surroundings;
    // NO_COLOR (no-color.org): set to anything but the empty text.
    const wantsColour = options.color && (environment['NO_COLOR'] ?? '') === '';
    this.terminal = openTerminal(stdout, stderr, wantsColour);
    const isInEnvironment = ['MCROUTE_SOCKET', 'MCROUTE_TABLE'].some((name) => (environment[name] ?? '') !== '');
    this.hasEndpoint = isInEnvironment || options.table !== undefined || options.socket !== undefined;
    this.#environment = environment;
    this.#table = options.table;
  }

  get stdin(): Readable {
    return this.#surroundings.stdin;
  }

  get agent(): Agent {
    this.#agent ??= openAgent(this.#endpoint(), this.#timeoutMs);
    return this.#agent;
  }

  get supervisor(): Supervisor {
    this.#supervisor ??= openSupervisor(supervisorPath(this.options.socket, this.#environment), this.#timeoutMs);
    return this.#supervisor;
  }

  /**
   * Looks up the table where a name stands for it.
   *
   * @throws ApiError TABLE_NOT_FOUND, or AGENT_UNAVAILABLE if there is no supervisor to ask.
   */
  async resolveTable(): Promise<void> {
    if (typeof this.#table === 'string') this.#table = await this.#look(this.#table);
    if (this.#table !== undefined || this.options.socket !== undefined) return;
    const table = tableOfEnvironment(this.#environment);
    if (typeof table !== 'string') return;
    this.#environment = { ...this.#environment, MCROUTE_TABLE: String(await this.#look(table)) };
  }

  /** Adds to an error what the supervisor knows of it. */
  async explain(error: unknown): Promise<unknown> {
    // An agent that was sought elsewhere is none of the supervisor's.
    if (this.#agent === undefined || !this.#isUsualSocket()) return error;
    using supervisor = openSupervisor(supervisorPath(undefined, this.#environment), EXPLANATION_MS);
    return await explainAbsence(error, supervisor);
  }

  [Symbol.dispose](): void {
    this.#agent?.[Symbol.dispose]();
    this.#supervisor?.[Symbol.dispose]();
  }

  get #timeoutMs(): number {
    return this.options.timeout * 1_000;
  }

  #endpoint() {
    const { socket } = this.options;
    const table = typeof this.#table === 'number' ? this.#table : undefined;
    return findEndpoint(
      { ...(socket !== undefined && { socket }), ...(table !== undefined && { table }) },
      this.#environment,
    );
  }

  #isUsualSocket(): boolean {
    const { path, table, directory } = this.#endpoint();
    return table !== 0 && path === socketOfTable(directory, table);
  }

  async #look(name: string): Promise<number> {
    using supervisor = openSupervisor(supervisorPath(undefined, this.#environment), this.#timeoutMs);
    try {
      return await findNamed(supervisor, name);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== 'AGENT_UNAVAILABLE') throw error;
      const cure = `give the table's id instead\n${error.metadata['cure'] ?? ''}`;
      throw new ApiError(error.reason, `'${name}' cannot be looked up: ${error.message}`, {
        metadata: { cure },
        cause: error,
      });
    }
  }
}
