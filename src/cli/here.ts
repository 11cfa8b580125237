// The programs of this host, at their sockets.
import { join } from 'node:path';
import { ApiError } from '../api/status.js';
import { GATEWAY_SOCKET } from '../model/gateway.js';
import { explainAbsence } from './absent-agent.js';
import {
  type Agent,
  type Environment,
  checkSocketPath,
  findEndpoint,
  openAgent,
  runtimeDirectory,
  socketOfTable,
  tableOfEnvironment,
} from './connect.js';
import type { Doors } from './doors.js';
import { type Gateway, type GatewayChannels, openGateway } from './gateway.js';
import { type Supervisor, findNamed, openSupervisor, supervisorPath } from './supervisor.js';

/** What the command line says of them. */
export interface HereOptions {
  readonly table?: number | string;
  readonly socket?: string;
}

/** Time that the supervisor gets to say why there is no agent, in ms: the error waits for it. */
const EXPLANATION_MS = 2_000;

/** On a socket of this host nobody shows certificates. */
const NO_TLS = { ca: undefined, cert: undefined, key: undefined, serverName: undefined };

export class Here implements Doors {
  readonly hasEndpoint: boolean;
  readonly #options: HereOptions;
  readonly #timeoutMs: number;
  #environment: Environment;
  /** Of the options; a name only until it is resolved. */
  #table: number | string | undefined;
  #agent: Agent | undefined;
  #supervisor: Supervisor | undefined;
  #gateway: GatewayChannels | undefined;

  constructor(options: HereOptions, environment: Environment, timeoutMs: number) {
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    const isInEnvironment = ['MCROUTE_SOCKET', 'MCROUTE_TABLE'].some((name) => (environment[name] ?? '') !== '');
    this.hasEndpoint = isInEnvironment || options.table !== undefined || options.socket !== undefined;
    this.#environment = environment;
    this.#table = options.table;
  }

  get agent(): Agent {
    this.#agent ??= openAgent(this.#endpoint(), this.#timeoutMs);
    return this.#agent;
  }

  get supervisor(): Supervisor {
    this.#supervisor ??= openSupervisor(supervisorPath(this.#options.socket, this.#environment), this.#timeoutMs);
    return this.#supervisor;
  }

  get gateway(): Gateway {
    this.#gateway ??= openGateway(this.#gatewayAddress(), NO_TLS, this.#timeoutMs);
    return this.#gateway.gateway;
  }

  get table(): number | undefined {
    const table = this.#table ?? tableOfEnvironment(this.#environment);
    return typeof table === 'number' ? table : undefined;
  }

  async resolveTable(): Promise<void> {
    if (typeof this.#table === 'string') this.#table = await this.#look(this.#table);
    if (this.#table !== undefined || this.#options.socket !== undefined) return;
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
    this.#gateway?.[Symbol.dispose]();
  }

  #endpoint() {
    const { socket } = this.#options;
    const table = typeof this.#table === 'number' ? this.#table : undefined;
    return findEndpoint(
      { ...(socket !== undefined && { socket }), ...(table !== undefined && { table }) },
      this.#environment,
    );
  }

  #gatewayAddress() {
    const { socket } = this.#options;
    const path =
      socket === undefined
        ? checkSocketPath(
            join(runtimeDirectory(this.#environment), GATEWAY_SOCKET),
            'MCROUTE_RUNTIME_DIRECTORY',
            'BAD_ENVIRONMENT',
          )
        : checkSocketPath(socket, '--socket', 'USAGE');
    return { kind: 'unix', text: path, path } as const;
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
