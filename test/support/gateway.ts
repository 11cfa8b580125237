// The real gateway, as a supervisor would start it: another user than root, with no capability.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installTree } from './install-tree.js';
import { TARGET_ID, isRootless } from './launcher.js';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { eventually, waitForExit, waitForLine } from './wait.js';

const tree = installTree();

/** Longest time in which a gateway starts or stops. */
const LIFE_LIMIT_MS = 20_000;

export interface GatewayOptions {
  /** Where it runs; by default where the test does. */
  readonly namespace?: Namespace;
  /** Where the sockets of agents and of the supervisor are; by default in a folder of its own. */
  readonly runtimeDirectory?: string;
  /** The configuration file; `ROOT` in it is the folder of the gateway. By default it listens on a unix socket there. */
  readonly configuration?: string;
  /** Files of its folder, by name, such as certificates and `policy.yaml`. */
  readonly files?: Readonly<Record<string, string>>;
  /** More arguments. */
  readonly args?: readonly string[];
}

/** One line of the audit file. */
export interface AuditLine {
  readonly identity: string;
  readonly address: string;
  readonly method: string;
  readonly table: number;
  readonly outcome: string;
  readonly reason?: string;
  readonly message?: string;
  readonly revision?: string;
  readonly added?: number;
  readonly changed?: number;
  readonly removed?: number;
  readonly first?: readonly string[];
  /** Refusals of the same address before this one that were not written down each by itself. */
  readonly others?: number;
}

/** A gateway that runs, with a folder of its own; disposing of it kills it and removes that. */
export class Gateway implements Disposable {
  /** The folder with its files, which it may write to. */
  readonly root: string;
  readonly runtimeDirectory: string;
  readonly process: ChildProcess;
  #log = '';

  constructor(options: GatewayOptions) {
    this.root = mkdtempSync('/run/gateway-');
    this.runtimeDirectory = options.runtimeDirectory ?? this.root;
    giveAway(this.root, 0o755);
    for (const [name, text] of Object.entries(options.files ?? {})) this.write(name, text);
    this.configure(options.configuration ?? `listen: [{ unix: ROOT/gateway.sock }]\n`);
    const words = ['--config', join(this.root, 'gateway.yaml'), '--runtime-directory', this.runtimeDirectory];
    const command = [
      ...UNPRIVILEGED,
      join(tree, 'bin/mcroute-gateway'),
      ...words,
      '-l',
      'info',
      ...(options.args ?? []),
    ];
    const env = { ...plainEnvironment(), MCROUTE_LOGS_DIRECTORY: this.root };
    const spawnOptions = { env, stdio: ['ignore' as const, 'ignore' as const, 'pipe' as const] };
    const { namespace } = options;
    this.process =
      namespace === undefined
        ? spawn('setpriv', command, spawnOptions)
        : namespace.spawn('setpriv', command, spawnOptions);
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.#log += chunk.toString();
    });
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error('the gateway did not start');
    return this.process.pid;
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#log;
  }

  /** Where it listens unless it was told otherwise. */
  get socketPath(): string {
    return join(this.root, 'gateway.sock');
  }

  /** Lines of its audit file so far. */
  get audit(): readonly AuditLine[] {
    const file = join(this.root, 'audit.log');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as AuditLine);
  }

  /** kB of memory that it has now (VmRSS), or had at most (VmHWM). */
  memoryKb(field: 'VmRSS' | 'VmHWM'): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'latin1');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  }

  /** Writes a file of its folder. */
  write(name: string, text: string): void {
    const path = join(this.root, name);
    writeFileSync(path, text.replaceAll('ROOT', this.root));
    giveAway(path, 0o640);
  }

  /** Reads a file of its folder. */
  read(name: string): string {
    return readFileSync(join(this.root, name), 'utf8');
  }

  /** Writes its configuration, which it reads at its start and on `reload`. */
  configure(text: string): void {
    this.write('gateway.yaml', text);
  }

  /** Has it read its files again, and waits until it has. */
  async reload(): Promise<void> {
    const count = () =>
      this.#log.match(/"msg":"the configuration file (?:was read again|cannot be used)"/g)?.length ?? 0;
    const before = count();
    this.process.kill('SIGHUP');
    await eventually(() => (count() > before ? true : undefined), 'it has read its files again');
  }

  /** Waits for a line of the audit. */
  async audited(accepts: (line: AuditLine) => boolean): Promise<AuditLine> {
    try {
      return await eventually(() => this.audit.find(accepts), 'a line of the audit');
    } catch (error) {
      throw new Error(`the audit has:\n${JSON.stringify(this.audit, undefined, 1)}\nthe log:\n${this.#log}`, {
        cause: error,
      });
    }
  }

  /** Tells it to end and waits until it has; gives its exit code. */
  async stop(): Promise<number | string> {
    this.process.kill('SIGTERM');
    return waitForExit(this.process, LIFE_LIMIT_MS);
  }

  [Symbol.dispose](): void {
    this.process.kill('SIGKILL');
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Starts a gateway and waits until it serves. Throws with what it logged if it does not. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = new Gateway(options);
  if (gateway.process.stderr === null) throw new Error('bug: the log is not read');
  try {
    await waitForLine(gateway.process.stderr, /"msg":"ready"/, LIFE_LIMIT_MS);
  } catch (error) {
    gateway[Symbol.dispose]();
    throw error;
  }
  return gateway;
}

/** The words of setpriv(1); in a user namespace there is no other user, but a root without capabilities. */
const UNPRIVILEGED: readonly string[] = [
  ...(isRootless ? [] : ['--reuid', String(TARGET_ID), '--regid', String(TARGET_ID), '--clear-groups']),
  ...['--inh-caps=-all', '--bounding-set=-all', '--no-new-privs', '--'],
];

function giveAway(path: string, mode: number): void {
  chmodSync(path, mode);
  if (!isRootless) chownSync(path, TARGET_ID, TARGET_ID);
}
