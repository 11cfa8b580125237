// The programs of a host behind its gateway.
import { ApiError } from '../api/status.js';
import { explainAbsence } from './absent-agent.js';
import { type Agent, withAbsentTable } from './connect.js';
import type { Doors } from './doors.js';
import { type Gateway, type GatewayChannels, openGateway } from './gateway.js';
import type { HostAddress } from './remote/host-address.js';
import type { TlsMaterial } from './remote/tls-files.js';
import { type Supervisor, findNamed } from './supervisor.js';

/** A host, and how it is reached. */
export interface HostOptions {
  readonly address: HostAddress;
  readonly tls: TlsMaterial;
  /** Id or name of the table; undefined: none is given. */
  readonly table: number | string | undefined;
  readonly timeoutMs: number;
  /** Where the host comes from, if nobody has just typed it. */
  readonly why: string | undefined;
}

export class There implements Doors {
  readonly #options: HostOptions;
  /** A name only until it is resolved. */
  #table: number | string | undefined;
  #channels: GatewayChannels | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#table = options.table;
  }

  get hasEndpoint(): boolean {
    return this.#table !== undefined;
  }

  get table(): number | undefined {
    return typeof this.#table === 'number' ? this.#table : undefined;
  }

  get agent(): Agent {
    const { table } = this;
    if (table === undefined) {
      const { text } = this.#options.address;
      throw new ApiError('AGENT_UNAVAILABLE', `no table of ${text} is given`, {
        metadata: { cure: this.#withWhy("give one with --table N; 'mcctl table list' has those of the host") },
      });
    }
    return { table, ...this.#open().routing };
  }

  get supervisor(): Supervisor {
    return this.#open().tables;
  }

  get gateway(): Gateway {
    return this.#open().gateway;
  }

  async resolveTable(): Promise<void> {
    if (typeof this.#table === 'string') this.#table = await findNamed(this.supervisor, this.#table);
  }

  async explain(error: unknown): Promise<unknown> {
    const { table } = this;
    // Only what the gateway itself has said of the agent, not that nobody answers.
    if (table === undefined || !(error instanceof ApiError) || !this.#answered.has(error)) return error;
    return explainAbsence(withAbsentTable(error, table), this.supervisor);
  }

  [Symbol.dispose](): void {
    this.#channels?.[Symbol.dispose]();
  }

  /** Errors that came over a connection that stands. */
  readonly #answered = new WeakSet<ApiError>();

  #open(): GatewayChannels {
    const { address, tls, timeoutMs, why } = this.#options;
    this.#channels ??= openGateway(address, tls, timeoutMs, why, (error) => {
      if (error.reason === 'AGENT_UNAVAILABLE') this.#answered.add(error);
      return error;
    });
    return this.#channels;
  }

  #withWhy(cure: string): string {
    const { why } = this.#options;
    return why === undefined ? cure : `${cure}\n${why}`;
  }
}
