// The real mcctl, as a person types it, beside what goes on.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { type Interface, createInterface } from 'node:readline';
import type { Agent } from '../support/agent.js';
import { installTree } from '../support/install-tree.js';
import { plainEnvironment } from '../support/namespaces.js';
import { within } from '../support/wait.js';

const MCCTL = join(installTree(), 'bin/mcctl');

/** What a command may take on a busy machine. */
const COMMAND_LIMIT_MS = 30_000;

/** The command as a person types it. */
export function typed(agent: Agent, words: readonly string[]): string {
  return ['mcctl', '--table', String(agent.table), ...words].join(' ');
}

/** Runs mcctl for the agent's table and gives what it printed; streams go on meanwhile. Throws with what it said. */
export async function control(agent: Agent, words: readonly string[]): Promise<string> {
  const child = start(agent, words);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  try {
    const [status] = (await within(once(child, 'close'), typed(agent, words), COMMAND_LIMIT_MS)) as [number | null];
    if (status !== 0) throw new Error(`${typed(agent, words)} ended with ${String(status)}: ${stderr.trim()}`);
    return stdout;
  } finally {
    child.kill('SIGKILL');
  }
}

/** A running `mcctl watch`. */
export class Watch implements Disposable {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting = new Set<{ readonly onLine: (line: string) => void; readonly onEnd: (error: Error) => void }>();
  /** Given each line that came after what there was at the start. */
  readonly #onEvent: (line: string) => void;
  #isSynced = false;

  private constructor(agent: Agent, onEvent: (line: string) => void) {
    this.#onEvent = onEvent;
    this.#child = start(agent, ['watch']);
    if (this.#child.stdout === null) throw new Error('bug: the output is not read');
    this.#lines = createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#take(line);
    });
    let stderr = '';
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    this.#child.on('close', () => {
      const error = new Error(`${typed(agent, ['watch'])} ended: ${stderr.trim()}`);
      for (const { onEnd } of this.#waiting) onEnd(error);
    });
  }

  /** Starts watching; resolves when every change from now on is told. */
  static async open(agent: Agent, onEvent: (line: string) => void): Promise<Watch> {
    const watch = new Watch(agent, onEvent);
    try {
      await watch.next(SYNCED);
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
      return await within(promise, `a line like ${String(pattern)} of mcctl watch`);
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  [Symbol.dispose](): void {
    this.#lines.close();
    this.#child.kill('SIGKILL');
  }

  #take(line: string): void {
    if (this.#isSynced) this.#onEvent(line);
    if (SYNCED.test(line)) this.#isSynced = true;
    for (const { onLine } of this.#waiting) onLine(line);
  }
}

const SYNCED = /^= synced\b/;

function start(agent: Agent, words: readonly string[]): ChildProcess {
  return spawn(MCCTL, ['--table', String(agent.table), ...words], {
    env: { ...plainEnvironment(), MCROUTE_RUNTIME_DIRECTORY: dirname(agent.socketPath), NO_COLOR: '1' },
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
