// How long programs take, by a small C program that starts them: a large process is slow to start others.
import { type Namespace, plainEnvironment } from '../test/support/namespaces.js';
import { Program } from './program.js';

const LIMIT_MS = 60_000;

/** Times of whole processes, in microseconds. */
export class ProcessClock implements Disposable {
  readonly #program = new Program('probes/process-clock');

  /** From exec to the end, which must be well. Its output is dropped; it has no input. */
  untilEnd(namespace: Namespace, words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
    return this.#run(namespace, '-', words, env);
  }

  /** From exec until it takes connections on a unix socket; then it is told to end. */
  untilListening(
    namespace: Namespace,
    socket: string,
    words: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<number> {
    return this.#run(namespace, socket, words, env);
  }

  async #run(namespace: Namespace, socket: string, words: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
    const all: NodeJS.ProcessEnv = { ...plainEnvironment(), NO_COLOR: '1', ...env };
    // Node reads these certificates at every start, 50 ms each.
    delete all['NODE_EXTRA_CA_CERTS'];
    return Number(await this.#program.output(namespace, [LIMIT_MS, socket, ...words], 2 * LIMIT_MS, all));
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}
