// A machine with a real systemd: a container of systemd-nspawn in a namespace of the test, with mcroute installed in it.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Result } from './agent.js';
import { removeCgroups } from './cgroups.js';
import { installTree } from './install-tree.js';
import type { Namespace } from './namespaces.js';
import { eventually, waitForExit } from './wait.js';

/** Where mcroute is installed in a machine. */
const PREFIX = '/usr/local';

/** The file system of a machine: it outlives a boot, and goes with the mount namespace that scripts/isolate.sh made. */
export class Disk {
  /** What the machine sees as `/`. */
  readonly root: string;

  constructor() {
    const lower = process.env['MCROUTE_MACHINE_ROOT'];
    if (lower === undefined) throw new Error('run these tests with `node scripts/run.mjs systemd`');
    const folder = mkdtempSync('/run/machine-');
    const [upper, work, root] = ['upper', 'work', 'root'].map((name) => join(folder, name)) as [string, string, string];
    for (const name of [upper, work, root]) mkdirSync(name);
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, root]);
    this.root = root;
    // A first boot would ask for one.
    writeFileSync(join(root, 'etc/machine-id'), `${'5'.repeat(32)}\n`);
  }

  /** Installs mcroute, or installs it over what is there, as an upgrade does. */
  install(): void {
    const script = join(installTree(), 'scripts/install.sh');
    execFileSync('sh', [script, PREFIX], { env: { ...process.env, DESTDIR: this.root }, stdio: 'pipe' });
  }

  /** Writes a file, with the folders that lead to it. */
  write(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
  }
}

/** A booted machine; its network is the namespace. */
export class Machine implements AsyncDisposable {
  readonly #nspawn: ChildProcess;
  readonly #leader: number;

  constructor(nspawn: ChildProcess, leader: number) {
    this.#nspawn = nspawn;
    this.#leader = leader;
  }

  /** Runs a program in it to its end. */
  try(program: string, ...args: readonly string[]): Result {
    const words = ['--target', String(this.#leader), '--mount', '--uts', '--ipc', '--net', '--pid', '--', program];
    const { status, stdout, stderr } = spawnSync('nsenter', [...words, ...args], {
      encoding: 'utf8',
      env: ENVIRONMENT,
      maxBuffer: OUTPUT_MAX,
      timeout: COMMAND_LIMIT_MS,
    });
    return { status, stdout, stderr };
  }

  /** Runs a program that must succeed, and gives what it printed. */
  run(program: string, ...args: readonly string[]): string {
    const { status, stdout, stderr } = this.try(program, ...args);
    if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${String(status)}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Runs `systemctl VERB... UNIT`, which must succeed: an error has what the unit has logged. */
  systemctl(...words: readonly string[]): void {
    const { status, stderr } = this.try('systemctl', ...words);
    if (status === 0) return;
    throw new Error(`systemctl ${words.join(' ')}: ${stderr}${this.journal(words.at(-1) ?? '')}`);
  }

  /** Where a file of the machine is for the test. */
  path(file: string): string {
    return `/proc/${this.#leader}/root/${file}`;
  }

  /** The value of a property of a unit, as `systemctl show` has it. */
  property(unit: string, name: string): string {
    return this.run('systemctl', 'show', '--value', `--property=${name}`, unit).trim();
  }

  /** The log of a unit, for messages of failed tests. */
  journal(unit: string): string {
    return this.run('journalctl', '--no-pager', '--output=short-monotonic', `--unit=${unit}`);
  }

  /** The sockets in the runtime directory. */
  sockets(): readonly string[] {
    return this.run('find', '/run/mcroute', '-type', 's', '-printf', '%f\\n').split('\n').filter(Boolean).sort();
  }

  /** Switches it off in order; gives the exit code of the container, 0 if all went well. */
  async powerOff(): Promise<number | string> {
    this.run('systemctl', 'poweroff', '--no-block');
    return this.#awaitEnd();
  }

  /** Pulls the plug. */
  async [Symbol.asyncDispose](): Promise<void> {
    // All processes of the machine end with its first one, and nspawn ends in order.
    process.kill(this.#leader, 'SIGKILL');
    await this.#awaitEnd();
  }

  async #awaitEnd(): Promise<number | string> {
    const status = await waitForExit(this.#nspawn, BOOT_LIMIT_MS);
    removeCgroups();
    return status;
  }
}

/** Boots a machine from the disk; resolves when all that starts by itself has started. */
export async function bootMachine(disk: Disk, network: Namespace): Promise<Machine> {
  removeCgroups();
  const words = [...NSPAWN_WORDS, `--directory=${disk.root}`, ...networkWords(network)];
  // Behind those who send and receive: a packet that they are too late for would count as lost.
  const nspawn = spawn('nice', ['systemd-nspawn', ...words], {
    env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  nspawn.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  try {
    const leader = await eventually(() => findLeader(nspawn), 'the machine boots', BOOT_LIMIT_MS);
    const machine = new Machine(nspawn, leader);
    // Ends with 1 if a unit failed that is none of ours, which no test is about.
    machine.try('systemctl', 'is-system-running', '--wait');
    return machine;
  } catch (error) {
    nspawn.kill('SIGKILL');
    throw new Error(`the machine does not boot: ${said}`, { cause: error });
  }
}

/** nspawn itself takes away what its machines may do to the network, unless it makes one for them. */
function networkWords(network: Namespace): string[] {
  return [`--network-namespace-path=${network.path}`, '--capability=CAP_NET_ADMIN'];
}

const NSPAWN_WORDS = [
  '--boot',
  '--quiet',
  '--machine=mcroute-test',
  // There is no systemd outside that would want to know of it.
  '--register=no',
  '--keep-unit',
  '--settings=no',
  '--console=pipe',
  '--resolv-conf=off',
  '--timezone=off',
];

/** The machine's first process, once it takes commands. */
function findLeader(nspawn: ChildProcess): number | undefined {
  if (nspawn.exitCode !== null) throw new Error(`systemd-nspawn ended with ${nspawn.exitCode}`);
  const { pid = 0 } = nspawn;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
  return children.map(Number).find((child) => existsSync(`/proc/${child}/root/run/systemd/private`));
}

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  SYSTEMD_PAGER: '',
  NO_COLOR: '1',
};

/** Two seconds where nothing else runs; to switch it off takes TimeoutStopSec= of what hangs. */
const BOOT_LIMIT_MS = 60_000;
const COMMAND_LIMIT_MS = 60_000;
const OUTPUT_MAX = 64 * 1024 * 1024;
