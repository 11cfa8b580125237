// smcroute in the same run: the daemon of the Debian package, and its client.
import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Namespace, plainEnvironment } from '../test/support/namespaces.js';
import { eventually, waitForExit } from '../test/support/wait.js';

/** It looks at every route for each route: 10,000 take seconds, or half a minute on a loaded machine. */
const PEER_LIMIT_MS = 120_000;

/** Most routes that it is given. */
export const PEER_ROUTES_MAX = 10_000;

/** The version of the installed smcroute, such as `2.5.6`; undefined if there is none, or another program of the name. */
export function peerVersion(): string | undefined {
  const { stdout } = spawnSync('smcrouted', ['-v'], { encoding: 'utf8' });
  return /^SMCRoute v(\S+)/m.exec(typeof stdout === 'string' ? stdout : '')?.[1];
}

/** For the notes of a report. */
export function peerNote(): string {
  const version = peerVersion();
  if (version !== undefined) return `smcroute is version ${version}`;
  return `smcroute is left out: ${process.env['MCROUTE_PEER_MISSING'] ?? 'it is not installed'}`;
}

export interface PeerOptions {
  /** Lines of its configuration file. */
  readonly file?: string;
  /** Undefined: the kernel's default table, as most run it. */
  readonly table?: number;
}

/** A daemon that serves; disposing of it kills it. */
export class Peer implements Disposable {
  readonly process: ChildProcess;
  readonly #folder: string;

  private constructor(folder: string, process: ChildProcess) {
    this.#folder = folder;
    this.process = process;
  }

  /** Starts it and waits until it serves. */
  static async start(namespace: Namespace, options: PeerOptions = {}): Promise<Peer> {
    const folder = mkdtempSync('/run/bench-peer-');
    const [program = '', ...args] = peerCommand(folder, options);
    const peer = new Peer(folder, namespace.spawn(program, args, { stdio: 'ignore' }));
    try {
      // It makes the file when it is ready.
      await eventually(() => (existsSync(join(folder, 'pid')) ? true : undefined), 'smcrouted to serve', PEER_LIMIT_MS);
      return peer;
    } catch (error) {
      peer[Symbol.dispose]();
      throw error;
    }
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error('smcrouted did not start');
    return this.process.pid;
  }

  get socketPath(): string {
    return socketOf(this.#folder);
  }

  /** Runs smcroutectl to its end, which must be well. */
  ctl(words: readonly string[], input = ''): string {
    const { status, stdout, stderr } = spawnSync('smcroutectl', ['-u', this.socketPath, ...words], {
      encoding: 'utf8',
      env: plainEnvironment(),
      input,
      maxBuffer: 256 * 1024 * 1024,
      timeout: PEER_LIMIT_MS,
    });
    if (status !== 0) throw new Error(`smcroutectl ${words.join(' ')} ended with ${String(status)}: ${stderr}`);
    return stdout;
  }

  async stop(): Promise<void> {
    this.process.kill('SIGTERM');
    await waitForExit(this.process, PEER_LIMIT_MS);
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.process.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The words that start it with its files in a folder. */
export function peerCommand(folder: string, { file = '', table }: PeerOptions = {}): string[] {
  writeFileSync(join(folder, 'conf'), file, { mode: 0o644 });
  const tableWords = table === undefined ? [] : ['-t', String(table)];
  const files = ['-f', join(folder, 'conf'), '-P', join(folder, 'pid'), '-u', socketOf(folder)];
  return ['smcrouted', '-n', '-l', 'none', ...files, ...tableWords];
}

/** Where a daemon with its files in this folder listens. */
export function socketOf(folder: string): string {
  return join(folder, 'sock');
}
