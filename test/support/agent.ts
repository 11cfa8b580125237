// Real agents and the real mcctl in a namespace, as a person starts them.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AgentConnection, connectToSocket } from '../../src/api/client.js';
import { installTree } from './install-tree.js';
import type { Keeper } from './keeper.js';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { waitForExit, waitForLine } from './wait.js';

const tree = installTree();

/** Longest time in which an agent starts or stops. */
const LIFE_LIMIT_MS = 20_000;

export interface AgentOptions {
  readonly table: number;
  /** More arguments of mcroute-agent. */
  readonly args?: readonly string[];
  /** The line of the log that is waited for in place of that which says that it serves. */
  readonly until?: RegExp;
  /** A program and its arguments that starts the agent, such as one that takes IPv6 away. */
  readonly wrapper?: readonly string[];
  /** Where it saves wishes, in a folder for its table; by default where no other agent has. */
  readonly stateDirectory?: string;
  /** Keeps the agent's descriptors, and hands it those of agents before it. */
  readonly keeper?: Keeper;
  /** Longest time in which it starts, in ms; half a million entries to take over need more than the usual. */
  readonly startLimitMs?: number;
}

/** What a program printed and how it ended. */
export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An agent that serves; disposing of it kills it. */
export class Agent implements Disposable {
  readonly namespace: Namespace;
  readonly table: number;
  readonly process: ChildProcess;
  #log = '';
  #connection: AgentConnection | undefined;

  constructor(namespace: Namespace, table: number, process: ChildProcess) {
    this.namespace = namespace;
    this.table = table;
    this.process = process;
    process.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error('the agent did not start');
    return this.process.pid;
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#log;
  }

  get socketPath(): string {
    return join(runtimeDirectory(this.namespace), `${this.table}.sock`);
  }

  /** A client of its API. */
  get client(): AgentConnection['client'] {
    this.#connection ??= connectToSocket(this.socketPath);
    return this.#connection.client;
  }

  /** Runs `mcctl --table N ...` to its end. */
  mcctl(...args: readonly string[]): Result {
    return mcctl(this.namespace, ['--table', String(this.table), ...args]);
  }

  /** Runs mcctl, which must succeed, and gives what it printed. */
  ctl(...args: readonly string[]): string {
    const { status, stdout, stderr } = this.mcctl(...args);
    if (status !== 0) throw new Error(`mcctl ${args.join(' ')} ended with ${String(status)}: ${stderr}`);
    return stdout;
  }

  /** The fields of /proc/PID/task/TID/status of each of its threads. */
  threads(): ReadonlyMap<string, string>[] {
    return threadsOf(this.pid);
  }

  /** Tells it to end and waits until it has; gives its exit code. */
  async stop(limitMs: number = LIFE_LIMIT_MS): Promise<number | string> {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
    this.process.kill('SIGTERM');
    return waitForExit(this.process, limitMs);
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    this.process.kill('SIGKILL');
  }
}

/** The fields of /proc/PID/task/TID/status of each thread of a process. */
export function threadsOf(pid: number): ReadonlyMap<string, string>[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((tid) => {
    const lines = readFileSync(join(tasks, tid, 'status'), 'latin1').split('\n');
    return new Map(lines.map((line) => [line.split(':')[0] ?? '', line.slice(line.indexOf(':') + 1).trim()]));
  });
}

/** Starts an agent and waits until it serves. Throws with what it logged if it does not. */
export async function startAgent(namespace: Namespace, options: AgentOptions): Promise<Agent> {
  const process = spawnAgent(namespace, options);
  const agent = new Agent(namespace, options.table, process);
  if (process.stderr === null) throw new Error('bug: the log is not read');
  try {
    await waitForLine(process.stderr, options.until ?? /"msg":"ready"/, options.startLimitMs ?? LIFE_LIMIT_MS);
  } catch (error) {
    agent[Symbol.dispose]();
    throw error;
  }
  return agent;
}

/** Runs an agent that is not expected to serve, to its end. */
export function runAgent(namespace: Namespace, options: AgentOptions): Result {
  const [program = '', ...args] = agentCommand(options);
  const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${namespace.path}`, '--', program, ...args], {
    encoding: 'utf8',
    env: { ...environment(namespace), ...stateEnvironment(namespace, options) },
    timeout: LIFE_LIMIT_MS,
  });
  return { status, stdout, stderr };
}

/** Runs mcctl in a namespace to its end. */
export function mcctl(namespace: Namespace, args: readonly string[], input = ''): Result {
  const { status, stdout, stderr } = spawnSync(join(tree, 'bin/mcctl'), args, {
    encoding: 'utf8',
    env: { ...environment(namespace), ...PLAIN_TEXT },
    input,
    maxBuffer: 256 * 1024 * 1024,
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

function spawnAgent(namespace: Namespace, options: AgentOptions): ChildProcess {
  const [program = '', ...args] = agentCommand(options);
  const env = { ...environment(namespace), ...stateEnvironment(namespace, options) };
  const { keeper } = options;
  if (keeper === undefined) return namespace.spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  return keeper.run((handedOver) =>
    // The shell knows its pid, which the agent keeps.
    namespace.spawn('sh', ['-c', 'LISTEN_PID=$$ exec "$0" "$@"', program, ...args], {
      env: { ...env, ...handedOver.environment },
      stdio: ['ignore', 'ignore', 'pipe', ...handedOver.fds],
    }),
  );
}

let states = 0;

function stateEnvironment(namespace: Namespace, { stateDirectory }: AgentOptions): NodeJS.ProcessEnv {
  return {
    MCROUTE_STATE_DIRECTORY: stateDirectory ?? `${runtimeDirectory(namespace)}.state/${process.pid}-${++states}`,
  };
}

function agentCommand(options: AgentOptions): string[] {
  const agent = join(tree, 'bin/mcroute-agent');
  return [...(options.wrapper ?? []), agent, '--table', String(options.table), '-l', 'info', ...(options.args ?? [])];
}

/** Agents of a namespace share a directory, which mcroute-launch makes; /run is the test's own. */
function runtimeDirectory(namespace: Namespace): string {
  return `/run/mcroute-${namespace.netns}`;
}

function environment(namespace: Namespace): NodeJS.ProcessEnv {
  const inherited = plainEnvironment();
  // Under the sanitizer Node needs its library, and nobody else does: the launcher and sh do no harm with it.
  const preload = process.env['LD_PRELOAD'];
  return {
    ...inherited,
    ...(preload === undefined ? {} : { LD_PRELOAD: preload }),
    MCROUTE_RUNTIME_DIRECTORY: runtimeDirectory(namespace),
  };
}

const PLAIN_TEXT = { NO_COLOR: '1', FORCE_COLOR: '0' };
