// smcrouted as a person starts it: ours, or that of Debian's package, which is told apart by its program alone.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Result } from './agent.js';
import { projectFile } from './launcher.js';
import { type Namespace, plainEnvironment } from './namespaces.js';
import { eventually } from './wait.js';

/** The programs of one origin. */
export interface Smcroute {
  readonly daemon: string;
  readonly control: string;
}

export const OURS: Smcroute = { daemon: projectFile('bin/smcrouted'), control: projectFile('bin/smcroutectl') };

/** Of the package smcroute. */
export const PEER: Smcroute = { daemon: '/usr/sbin/smcrouted', control: '/usr/sbin/smcroutectl' };

/** Why tests beside the peer cannot be; false if they can. */
export const noPeer: string | false = existsSync(PEER.daemon) ? false : 'the package smcroute is not installed';

/** A start, or a command, takes a few seconds at most on a loaded machine. */
const RUN_LIMIT_MS = 30_000;

/** Runs a program in a namespace to its end. */
export function run(namespace: Namespace, command: readonly string[], input = ''): Result {
  const { status, stdout, stderr } = spawnSync('nsenter', [`--net=${namespace.path}`, '--', ...command], {
    encoding: 'utf8',
    env: plainEnvironment(),
    input,
    timeout: RUN_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  return { status, stdout, stderr };
}

/** What is on stderr beside notes, which tell what an unprivileged user cannot have. */
export function complaints({ stderr }: Result): string {
  return stderr.replace(/^\S+: note: .*\n/gm, '');
}

export interface DaemonOptions {
  readonly identity: string;
  readonly args?: readonly string[];
  readonly programs?: Smcroute;
}

/** A daemon by its identity. Disposing of it kills it. */
export class Daemon implements Disposable {
  readonly namespace: Namespace;
  readonly identity: string;
  readonly programs: Smcroute;

  constructor(namespace: Namespace, { identity, programs = OURS }: DaemonOptions) {
    this.namespace = namespace;
    this.identity = identity;
    this.programs = programs;
  }

  get pidFile(): string {
    return `/run/${this.identity}.pid`;
  }

  get socket(): string {
    return `/run/${this.identity}.sock`;
  }

  get pid(): number {
    return Number(readFileSync(this.pidFile, 'latin1'));
  }

  get isRunning(): boolean {
    return existsSync(this.pidFile);
  }

  /** Runs `smcroutectl -i NAME ...`; words stand apart by spaces. */
  control(words: string): Result {
    return run(this.namespace, [this.programs.control, '-i', this.identity, ...words.split(' ')]);
  }

  /** What a command that must succeed has printed. */
  ask(words: string): string {
    const { status, stdout, stderr } = this.control(words);
    if (status !== 0) throw new Error(`smcroutectl ${words} ended with ${String(status)}: ${stderr}`);
    return stdout;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Tells it to end and waits until it has. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const { pid } = this;
    this.signal(signal);
    await eventually(() => (isAlive(pid) || this.isRunning ? undefined : true), `the end of ${this.identity}`);
  }

  [Symbol.dispose](): void {
    if (this.isRunning && isAlive(this.pid)) this.signal('SIGKILL');
  }
}

/** Runs the daemon's starter to its end. */
export function start(namespace: Namespace, { identity, args = [], programs = OURS }: DaemonOptions): Result {
  return run(namespace, [programs.daemon, '-i', identity, ...args]);
}

/** Starts a daemon, which is ready when this returns. */
export async function startDaemon(namespace: Namespace, options: DaemonOptions): Promise<Daemon> {
  const { status, stderr } = start(namespace, options);
  if (status !== 0) throw new Error(`smcrouted ended with ${String(status)}: ${stderr}`);
  const daemon = new Daemon(namespace, options);
  // That of the package returns before it is.
  if (options.programs === PEER) await eventually(() => daemon.isRunning || undefined, 'the pid file');
  return daemon;
}

/** Starts it with -n; its stderr is a pipe. */
export function startInForeground(
  namespace: Namespace,
  { identity, args = [], programs = OURS }: DaemonOptions,
): ChildProcess {
  return namespace.spawn(programs.daemon, ['-n', '-i', identity, ...args], {
    env: plainEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/** A process that has ended and was not waited for is not alive. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
