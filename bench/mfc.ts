// What the kernel itself says of IPv4 entries: each one asked for, and every change of them counted.
import type { ChildProcess } from 'node:child_process';
import type { Namespace } from '../test/support/namespaces.js';
import { eventually } from '../test/support/wait.js';
import { Program } from './program.js';

/** Asking for half a million entries on a loaded machine. */
const AUDIT_LIMIT_MS = 120_000;

/** Entries of which each has the next source and the next group, with one oif. */
export interface MfcRange {
  readonly table: number;
  readonly source: string;
  readonly group: string;
  readonly count: number;
  readonly iif: string;
  readonly oif: string;
  readonly threshold: number;
}

/** How many are what they should be, and what they have counted together. */
export interface MfcFindings {
  readonly right: number;
  readonly absent: number;
  readonly different: number;
  readonly packets: number;
}

/** Asks by mfc-audit.c. */
export class MfcAudit implements Disposable {
  readonly #program = new Program('probes/mfc-audit');
  readonly #namespace: Namespace;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  async look({ table, source, group, count, iif, oif, threshold }: MfcRange): Promise<MfcFindings> {
    const words = [table, source, group, count, iif, oif, threshold];
    return (await this.#program.json(this.#namespace, words, AUDIT_LIMIT_MS)) as MfcFindings;
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}

/** Makes an entry have this threshold. */
type Write = (threshold: number) => Promise<unknown>;

/** Thresholds of entries that are written to be heard of; no route has them. */
const FIRST_MARK = 101;

/** Counts the news of IPv4 entries: the kernel tells of each that is written or deleted (`mroute_netlink_event`). */
export class MfcNews implements Disposable {
  readonly #monitor: ChildProcess;
  #marks = 0;
  #lines = 0;
  /** The end of what was heard, long enough for some lines. */
  #tail = '';
  #errors = '';

  private constructor(monitor: ChildProcess) {
    this.#monitor = monitor;
    monitor.stdout?.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      this.#lines += text.split('\n').length - 1;
      this.#tail = `${this.#tail}${text}`.slice(-TAIL_MAX);
    });
    monitor.stderr?.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
  }

  /** Writes an entry until that is heard of, which proves that other news would be. */
  static async open(namespace: Namespace, write: Write): Promise<MfcNews> {
    const words = ['-4', 'monitor', 'mroute'];
    const news = new MfcNews(namespace.spawn('ip', words, { stdio: ['ignore', 'pipe', 'pipe'] }));
    try {
      let threshold = FIRST_MARK;
      const isHeard = async () => {
        await write(threshold);
        threshold = threshold === FIRST_MARK ? FIRST_MARK + 1 : FIRST_MARK;
        return news.#lines > 0 || undefined;
      };
      await eventually(isHeard, 'news of entries');
      news.#marks = 2;
      return news;
    } catch (error) {
      news[Symbol.dispose]();
      throw error;
    }
  }

  /** Writes an entry and waits until that is heard of; gives how many were written since the start, this one too. */
  async mark(write: Write): Promise<number> {
    const threshold = FIRST_MARK + this.#marks++;
    await write(threshold);
    await eventually(() => this.#tail.includes(`(ttl ${threshold})`) || undefined, 'news of the last entry');
    // One that could not keep up says so, and ends.
    if (this.#errors !== '' || this.#monitor.exitCode !== null) throw new Error(`ip monitor: ${this.#errors}`);
    return this.#lines;
  }

  [Symbol.dispose](): void {
    this.#monitor.kill('SIGKILL');
  }
}

const TAIL_MAX = 4_096;
