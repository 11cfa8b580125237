// The real supervisor, under a keeper, with agents that do what they are told (told-agent.py) or real ones.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { type SupervisorConnection, connectToSupervisor, deadlineAfter, unary } from '../../src/api/client.js';
import type { ListTablesResponse__Output } from '../../src/api/generated/mcroute/v1/ListTablesResponse.js';
import type { TableEntry__Output } from '../../src/api/generated/mcroute/v1/TableEntry.js';
import type { TableSettings } from '../../src/api/generated/mcroute/v1/TableSettings.js';
import { type Keeper, openKeeper } from './keeper.js';
import { projectFile } from './launcher.js';
import { plainEnvironment } from './namespaces.js';
import { WAIT_LIMIT_MS, eventually, waitForExit } from './wait.js';

/** One life of a told agent, as it noted it. */
export interface ToldLife {
  readonly pid: number;
  readonly arguments: readonly string[];
  /** `NAME:INODE` of each descriptor that it was handed, in order. */
  readonly kept: readonly string[];
  /** Descriptors that were open. */
  readonly open: readonly number[];
  readonly environment: Readonly<Record<string, string>>;
}

/** The environment in which a supervisor starts agents and a gateway that do what they are told. */
export const TOLD_AGENTS: NodeJS.ProcessEnv = {
  MCROUTE_AGENT: projectFile('test/support/told-agent.py'),
  MCROUTE_GATEWAY: projectFile('test/support/told-agent.py'),
};

/** Who can be told: the agent of a table, or the gateway. */
type Told = number | 'gateway';

/** The directories of a supervisor, its keeper, and what its agents are told; they outlive supervisors. */
export class SupervisorHost implements Disposable {
  readonly root: string;
  readonly keeper: Keeper;
  readonly #started: SupervisorProcess[] = [];

  constructor() {
    this.root = mkdtempSync('/run/host-');
    chmodSync(this.root, 0o755);
    mkdirSync(join(this.root, 'told'));
    this.keeper = openKeeper(join(this.root, 'keeper.sock'));
    this.configure([]);
  }

  get runtimeDirectory(): string {
    return join(this.root, 'run');
  }

  get stateDirectory(): string {
    return join(this.root, 'state');
  }

  get logsDirectory(): string {
    return join(this.root, 'logs');
  }

  get configuration(): string {
    return join(this.root, 'mcroute.yaml');
  }

  /**
   * Writes the configuration file; each line is the inside of a table, such as `id: 5, options: { star-g: learn }`, and
   * `gateway` that of its section, if there is to be one.
   */
  configure(tables: readonly string[], gateway?: string): void {
    const section = gateway === undefined ? '' : `gateway: { ${gateway} }\n`;
    writeFileSync(this.configuration, `tables: [${tables.map((table) => `{ ${table} }`).join(', ')}]\n${section}`);
  }

  /** Tells agents of the table, or the gateway, what to do: those of the first life, then of the second, and so on. */
  tell(table: Told, ...lives: readonly string[]): void {
    writeFileSync(join(this.root, 'told', String(table)), lives.join('\n---\n'));
  }

  /** What the agents of a table, or gateways, have noted. */
  lives(table: Told): readonly ToldLife[] {
    const file = join(this.root, 'told', `${table}.lives`);
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as ToldLife);
  }

  /** Starts a supervisor with what the one before has left to the keeper. */
  run(environment = TOLD_AGENTS): SupervisorProcess {
    const words = [
      ...['--config', this.configuration, '--runtime-directory', this.runtimeDirectory],
      ...['--state-directory', this.stateDirectory, '--log-level', 'info'],
    ];
    const child = this.keeper.run((handedOver) =>
      spawn('sh', ['-c', 'export LISTEN_PID=$$; exec "$0" "$@"', projectFile('bin/mcroute-supervisor'), ...words], {
        env: {
          ...plainEnvironment(),
          ...handedOver.environment,
          ...environment,
          MCROUTE_LOGS_DIRECTORY: this.logsDirectory,
          TOLD_DIRECTORY: join(this.root, 'told'),
        },
        stdio: ['ignore', 'ignore', 'pipe', ...handedOver.fds],
      }),
    );
    const supervisor = new SupervisorProcess(this, child);
    this.#started.push(supervisor);
    return supervisor;
  }

  /** Starts a supervisor and waits until it says that it is ready. */
  async start(environment?: NodeJS.ProcessEnv): Promise<SupervisorProcess> {
    const said = this.keeper.said.length;
    const supervisor = this.run(environment);
    await supervisor.eventually(() => this.saidSince(said).includes('READY=1'), 'it is ready');
    return supervisor;
  }

  /** What the keeper has heard after that many lines. */
  saidSince(count: number): readonly string[] {
    this.keeper.read();
    return this.keeper.said.slice(count);
  }

  [Symbol.dispose](): void {
    for (const supervisor of this.#started) supervisor[Symbol.dispose]();
    this.keeper[Symbol.dispose]();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A supervisor that runs; disposing of it kills it. */
export class SupervisorProcess implements Disposable {
  readonly process: ChildProcess;
  readonly #host: SupervisorHost;
  #log = '';
  #connection: SupervisorConnection | undefined;

  constructor(host: SupervisorHost, process: ChildProcess) {
    this.#host = host;
    this.process = process;
    process.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
  }

  get pid(): number {
    return this.process.pid ?? assert.fail('it did not start');
  }

  /** What it and its agents have logged so far. */
  get log(): string {
    return this.#log;
  }

  /** How many descriptors it has open. */
  get openDescriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  get client(): SupervisorConnection['client'] {
    this.#connection ??= connectToSupervisor(join(this.#host.runtimeDirectory, 'supervisor.sock'));
    return this.#connection.client;
  }

  async list(): Promise<readonly TableEntry__Output[]> {
    const reply = await unary<ListTablesResponse__Output>((callback) =>
      this.client.ListTables({}, deadline(), callback),
    );
    return reply.entries;
  }

  /** The table as it is now. */
  async table(table: number): Promise<TableEntry__Output> {
    const entries = await this.list();
    return entries.find((entry) => entry.table === table) ?? assert.fail(`there is no table ${table}`);
  }

  async create(table: number, settings: TableSettings = {}): Promise<void> {
    await unary((callback) => this.client.CreateTable({ table, settings }, deadline(), callback));
  }

  async delete(table: number, forgetWishes = false): Promise<void> {
    await unary((callback) => this.client.DeleteTable({ table, forgetWishes }, deadline(), callback));
  }

  async startTable(table: number): Promise<void> {
    await unary((callback) => this.client.StartTable({ table }, deadline(), callback));
  }

  async stopTable(table: number, keepForwarding = false): Promise<void> {
    await unary((callback) => this.client.StopTable({ table, keepForwarding }, deadline(), callback));
  }

  async restartTable(table: number): Promise<void> {
    await unary((callback) => this.client.RestartTable({ table }, deadline(), callback));
  }

  /** Waits until the table is in the state. */
  async until(table: number, state: TableEntry__Output['state']): Promise<TableEntry__Output> {
    return eventually(async () => {
      const entry = await this.table(table);
      return entry.state === state ? entry : undefined;
    }, `table ${table} is in ${state}`);
  }

  /** Gives orders to the told agent of a table, or the gateway, that serves, and waits until it has followed them. */
  async order(table: Told, ...orders: readonly string[]): Promise<void> {
    const socket = createConnection(join(this.#host.runtimeDirectory, `${table}.sock`));
    socket.end(orders.map((order) => `${order}\n`).join(''));
    const chunks: unknown = await socket.toArray({ signal: AbortSignal.timeout(WAIT_LIMIT_MS) });
    assert.equal(Buffer.concat(chunks as Buffer[]).toString(), 'done\n');
  }

  /** Waits until the probe is true; the error has the log. */
  async eventually(probe: () => boolean | Promise<boolean>, what: string): Promise<void> {
    try {
      await eventually(async () => ((await probe()) ? true : undefined), what);
    } catch (error) {
      throw new Error(`${what}: it is not so; the log is:\n${this.#log}`, { cause: error });
    }
  }

  /** Sends a signal and waits for the end; gives the exit code or the signal. */
  async end(signal: NodeJS.Signals): Promise<number | string> {
    this.#disconnect();
    this.process.kill(signal);
    return waitForExit(this.process, 2 * WAIT_LIMIT_MS);
  }

  [Symbol.dispose](): void {
    this.#disconnect();
    this.process.kill('SIGKILL');
  }

  #disconnect(): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }
}

/** Whether there is a process with the pid; a zombie counts as none. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function deadline(): { readonly deadline: Date } {
  return { deadline: deadlineAfter(2 * WAIT_LIMIT_MS) };
}
