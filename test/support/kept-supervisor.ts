// A supervisor with real agents in a namespace, life after life, with a stand-in for systemd that keeps its descriptors.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AgentConnection,
  type SupervisorConnection,
  connectToSocket,
  connectToSupervisor,
  deadlineAfter,
  unary,
} from '../../src/api/client.js';
import type { ListTablesResponse__Output } from '../../src/api/generated/mcroute/v1/ListTablesResponse.js';
import type { TableEntry__Output } from '../../src/api/generated/mcroute/v1/TableEntry.js';
import { type Result, mcctl } from './agent.js';
import { installTree } from './install-tree.js';
import { Keeper } from './keeper.js';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { eventually, waitForExit } from './wait.js';

/** Longest time in which a supervisor and its agents start or stop, on a loaded machine. */
const LIFE_LIMIT_MS = 60_000;

/** Longest call of the API. */
const CALL_LIMIT_MS = 30_000;

/** Characters of the log that an error has. */
const LOG_TAIL = 4_000;

/** Its lives have the same files and descriptors. Disposing of it kills it. */
export class KeptSupervisor implements Disposable {
  readonly namespace: Namespace;
  readonly keeper: Keeper;
  /** As mcctl finds it in the namespace. */
  readonly runtimeDirectory: string;
  readonly stateDirectory: string;
  readonly #configurationDirectory: string;
  readonly #agents = new Map<number, AgentConnection>();
  #connection: SupervisorConnection | undefined;
  #process: ChildProcess | undefined;
  #log = '';

  /** @param configuration the text of mcroute.yaml */
  constructor(namespace: Namespace, configuration: string) {
    this.namespace = namespace;
    this.runtimeDirectory = `/run/mcroute-${namespace.netns}`;
    this.stateDirectory = `${this.runtimeDirectory}.state`;
    this.#configurationDirectory = `${this.runtimeDirectory}.etc`;
    // The supervisor makes the others, for its agents.
    mkdirSync(this.#configurationDirectory, { recursive: true });
    this.configure(configuration);
    this.keeper = new Keeper(join(this.#configurationDirectory, 'keeper.sock'));
  }

  get process(): ChildProcess {
    if (this.#process === undefined) throw new Error('the supervisor was not started');
    return this.#process;
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error('the supervisor did not start');
    return this.process.pid;
  }

  /** What it and its agents have logged so far, in all lives. */
  get log(): string {
    return this.#log;
  }

  /** Writes mcroute.yaml. */
  configure(configuration: string): void {
    writeFileSync(this.#configurationFile, configuration);
  }

  /** Starts it, with what was kept of its last life; does not wait. */
  spawn(): void {
    const program = join(installTree(), 'bin/mcroute-supervisor');
    const child = this.keeper.run(({ fds, environment }) =>
      this.namespace.spawn(
        'sh',
        ['-c', 'export LISTEN_PID=$$; exec "$0" "$@"', program, '--config', this.#configurationFile],
        {
          env: {
            ...plainEnvironment(),
            MCROUTE_RUNTIME_DIRECTORY: this.runtimeDirectory,
            MCROUTE_STATE_DIRECTORY: this.stateDirectory,
            MCROUTE_LOGS_DIRECTORY: `${this.runtimeDirectory}.logs`,
            ...environment,
          },
          stdio: ['ignore', 'ignore', 'pipe', ...fds],
        },
      ),
    );
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
    this.#process = child;
  }

  /** Starts it and waits until all these tables are ready. */
  async start(...tables: readonly number[]): Promise<void> {
    this.spawn();
    await this.untilReady(...tables);
  }

  /** Waits until agents of these tables serve. */
  async untilReady(...tables: readonly number[]): Promise<readonly TableEntry__Output[]> {
    const probe = async () => {
      const { exitCode, signalCode } = this.process;
      if (exitCode !== null || signalCode !== null) {
        throw new Error(`the supervisor ended with ${String(exitCode ?? signalCode)}`);
      }
      const entries = await this.list().catch(() => []);
      const ready = entries.filter(({ table, state }) => tables.includes(table) && state === 'STATE_READY');
      return ready.length === tables.length ? ready : undefined;
    };
    try {
      return await eventually(probe, `tables ${tables.join()} to be ready`, LIFE_LIMIT_MS);
    } catch (error) {
      throw new Error(`the log ends with:\n${this.#log.slice(-LOG_TAIL)}`, { cause: error });
    }
  }

  /** Kills the agent of a table and waits until another serves, without the pause that follows several kills. */
  async replaceAgent(table: number): Promise<void> {
    const [before] = await this.untilReady(table);
    process.kill(before?.pid ?? 0, 'SIGKILL');
    const probe = async () => {
      const entry = (await this.list()).find((each) => each.table === table);
      if (entry?.state === 'STATE_BACKING_OFF') await this.#startTable(table);
      return entry?.state === 'STATE_READY' && entry.pid !== before?.pid ? true : undefined;
    };
    await eventually(probe, `another agent of table ${table}`, LIFE_LIMIT_MS);
  }

  /** The tables as the supervisor tells. */
  async list(): Promise<readonly TableEntry__Output[]> {
    const connection = this.#supervisor;
    const { client } = connection;
    const options = { deadline: deadlineAfter(CALL_LIMIT_MS) };
    try {
      const reply = await unary<ListTablesResponse__Output>((callback) => client.ListTables({}, options, callback));
      return reply.entries;
    } catch (error) {
      // It would wait a second before it tries again, when the next life may serve already.
      connection[Symbol.dispose]();
      if (this.#connection === connection) this.#connection = undefined;
      throw error;
    }
  }

  /** A client of a table's agent. */
  client(table: number): AgentConnection['client'] {
    const known = this.#agents.get(table) ?? connectToSocket(join(this.runtimeDirectory, `${table}.sock`));
    this.#agents.set(table, known);
    return known.client;
  }

  /** Runs mcctl to its end. */
  mcctl(...args: readonly string[]): Result {
    return mcctl(this.namespace, args);
  }

  /** Runs mcctl, which must succeed, and gives what it printed. */
  ctl(...args: readonly string[]): string {
    const { status, stdout, stderr } = this.mcctl(...args);
    if (status !== 0) throw new Error(`mcctl ${args.join(' ')} ended with ${String(status)}: ${stderr}`);
    return stdout;
  }

  /** Sends it a signal and waits until it has ended. */
  async end(signal: NodeJS.Signals): Promise<number | string> {
    this.process.kill(signal);
    return waitForExit(this.process, LIFE_LIMIT_MS);
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    for (const connection of this.#agents.values()) connection[Symbol.dispose]();
    this.#process?.kill('SIGKILL');
    this.keeper[Symbol.dispose]();
  }

  get #configurationFile(): string {
    return join(this.#configurationDirectory, 'mcroute.yaml');
  }

  get #supervisor(): SupervisorConnection {
    this.#connection ??= connectToSupervisor(join(this.runtimeDirectory, 'supervisor.sock'));
    return this.#connection;
  }

  async #startTable(table: number): Promise<void> {
    const options = { deadline: deadlineAfter(CALL_LIMIT_MS) };
    await unary((callback) => this.#supervisor.client.StartTable({ table }, options, callback));
  }
}
