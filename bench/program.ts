// The C programs of the benchmarks: built when they are needed, gone with the section.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { installTree } from '../test/support/install-tree.js';
import { type Namespace, plainEnvironment } from '../test/support/namespaces.js';
import { within } from '../test/support/wait.js';

const BUILD_LIMIT_MS = 60_000;

/** A program of bench/, compiled; disposing of it removes it. */
export class Program implements Disposable {
  readonly path: string;
  readonly #folder: string;

  /** `limits/NAME` or `probes/NAME`. Throws with what the compiler said. */
  constructor(source: string) {
    this.#folder = mkdtempSync('/run/bench-program-');
    this.path = join(this.#folder, basename(source));
    const file = join(installTree(), 'bench', `${source}.c`);
    const words = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-o', this.path, file];
    const { status, stderr, error } = spawnSync('gcc', words, { encoding: 'utf8', timeout: BUILD_LIMIT_MS });
    if (status === 0) return;
    this[Symbol.dispose]();
    throw new Error(`gcc ${words.join(' ')}: ${error?.message ?? stderr}`);
  }

  /** Runs it in a namespace to its end and gives the JSON that it prints; the loop of this process goes on meanwhile. */
  async json(namespace: Namespace, args: readonly (string | number)[], limitMs: number): Promise<unknown> {
    return JSON.parse(await this.output(namespace, args, limitMs));
  }

  async output(
    namespace: Namespace,
    args: readonly (string | number)[],
    limitMs: number,
    env: NodeJS.ProcessEnv = plainEnvironment(),
  ): Promise<string> {
    const words = [`--net=${namespace.path}`, '--', this.path, ...args.map(String)];
    const child = spawn('nsenter', words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    try {
      const status = await within(ended, basename(this.path), limitMs);
      if (status !== 0) throw new Error(`${basename(this.path)} ended with ${String(status)}: ${errors}`);
      return output;
    } finally {
      child.kill('SIGKILL');
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
