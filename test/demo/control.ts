// The real mcctl, as a person types it, beside what goes on.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Interface, createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { installTree } from '../support/install-tree.js';
import type { KeptSupervisor } from '../support/kept-supervisor.js';
import { plainEnvironment } from '../support/namespaces.js';
import { within } from '../support/wait.js';

const MCCTL = join(installTree(), 'bin/mcctl');

/** What a command may take on a busy machine. */
const COMMAND_LIMIT_MS = 30_000;

/** The words after `mcctl` that are for the agent of a table. */
export function forTable(table: number, words: readonly string[]): readonly string[] {
  return ['--table', String(table), ...words];
}

/** The command as a person types it. */
export function typed(words: readonly string[]): string {
  return ['mcctl', ...words].join(' ');
}

/** Runs mcctl on the supervisor's host and gives what it printed; streams go on meanwhile. Throws with what it said. */
export async function control(host: KeptSupervisor, words: readonly string[]): Promise<string> {
  const child = start(host, words);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  try {
    const [status] = (await within(once(child, 'close'), typed(words), COMMAND_LIMIT_MS)) as [number | null];
    if (status !== 0) throw new Error(`${typed(words)} ended with ${String(status)}: ${stderr.trim()}`);
    return stdout;
  } finally {
    child.kill('SIGKILL');
  }
}

/** A running `mcctl watch --reconnect`. */
export class Watch implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: readonly Interface[];
  readonly #waiting = new Set<{ readonly onLine: (line: string) => void; readonly onEnd: (error: Error) => void }>();
  /** Given each line but those that tell what there is, which follow each start of an agent. */
  readonly #onEvent: (line: string) => void;
  #isSynced = false;
  /** Lines that have told what there is, since the agent went. */
  #retold: number | undefined;
  #lastNote = '';

  private constructor(host: KeptSupervisor, table: number, onEvent: (line: string) => void) {
    const words = forTable(table, ['watch', '--reconnect']);
    this.#onEvent = onEvent;
    this.#child = start(host, words);
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error('bug: the output is not read');
    const read = (input: Readable, onLine: (line: string) => void) => createInterface({ input }).on('line', onLine);
    this.#lines = [
      read(stdout, (line) => {
        this.#take(line);
      }),
      read(stderr, (line) => {
        this.#takeNote(line);
      }),
    ];
    this.#child.on('close', () => {
      const error = new Error(`${typed(words)} ended: ${this.#lastNote}`);
      for (const { onEnd } of this.#waiting) onEnd(error);
    });
  }

  /** Starts watching; resolves when every change from now on is told. */
  static async open(host: KeptSupervisor, table: number, onEvent: (line: string) => void): Promise<Watch> {
    const watch = new Watch(host, table, onEvent);
    try {
      await watch.untilSynced();
      return watch;
    } catch (error) {
      watch[Symbol.dispose]();
      throw error;
    }
  }

  /** The next line that matches. */
  async next(pattern: RegExp): Promise<string> {
    const { promise, resolve, reject } = deferred<string>();
    const waiter = {
      onLine: (line: string) => {
        if (pattern.test(line)) resolve(line);
      },
      onEnd: reject,
    };
    this.#waiting.add(waiter);
    try {
      return await within(promise, `a line like ${String(pattern)} of mcctl watch`, COMMAND_LIMIT_MS);
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  /** Waits until it follows an agent, if that it followed has gone. */
  async untilSynced(): Promise<void> {
    if (!this.#isSynced) await this.next(SYNCED);
  }

  [Symbol.dispose](): void {
    for (const lines of this.#lines) lines.close();
    this.#child.kill('SIGKILL');
  }

  #take(line: string): void {
    if (SYNCED.test(line)) this.#takeSynced(line);
    else if (this.#isSynced) this.#onEvent(line);
    else if (this.#retold !== undefined) this.#retold++;
    for (const { onLine } of this.#waiting) onLine(line);
  }

  #takeSynced(line: string): void {
    if (this.#retold !== undefined) this.#onEvent(`${line} (${this.#retold} lines left out)`);
    this.#isSynced = true;
    this.#retold = undefined;
  }

  /** What mcctl says of the watch itself: only that the agent went, which is before all that the next one tells. */
  #takeNote(line: string): void {
    this.#lastNote = line;
    if (!GONE.test(line)) return;
    this.#isSynced = false;
    this.#retold = 0;
    this.#onEvent(line);
  }
}

const SYNCED = /^= synced\b/;
const GONE = /^mcctl: the agent has gone\b/;

function start(host: KeptSupervisor, words: readonly string[]): ChildProcess {
  return spawn(MCCTL, words, {
    env: { ...plainEnvironment(), MCROUTE_RUNTIME_DIRECTORY: host.runtimeDirectory, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, resolve: (value) => settle?.resolve(value), reject: (error) => settle?.reject(error) };
}
