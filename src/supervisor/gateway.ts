// The gateway of the host: what its settings make of it, its door to the tables, and what is said of it. Its process lives
// in kept-process.ts. Tables do not notice what becomes of it.
import type { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import type { RunningServer } from '../api/unix-server.js';
import type { Logger } from '../runtime/log.js';
import type { Fault } from './child.js';
import { explainEnd } from './end-error.js';
import { KeptProcess, type KeptProcessParts } from './kept-process.js';
import type { ProcessExit, StartedProcess } from './process.js';
import type { GatewaySettings } from './settings.js';

/** What the gateway needs of the world. */
export interface GatewayParts extends KeptProcessParts {
  readonly log: Logger;
  /** Makes what the next process finds: its user, its folders, and the socket on which it reaches the tables. */
  prepare(settings: GatewaySettings): Promise<PreparedGateway>;
  /** Passes what it writes to stderr on. */
  passLog(stream: Readable, pid: number): void;
  closeDescriptor(fd: number): void;
}

/** What was made for a gateway of some settings. */
export interface PreparedGateway {
  /** Starts a process; `onExit` is called once, later. */
  spawn(onExit: (exit: ProcessExit) => void): StartedProcess;
  /** What serves the tables to it; undefined if that could not be. */
  readonly door: RunningServer | undefined;
}

/** There is one, or none. */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #process: KeptProcess;
  readonly #listeners = new Set<() => void>();
  #settings: GatewaySettings | undefined;
  #prepared: PreparedGateway | undefined;
  /** One change of the settings after the other. */
  #configuring: Promise<void> = Promise.resolve();
  #ending: Promise<void> | undefined;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#process = new KeptProcess(
      {
        start: (onExit) => this.#spawn(onExit),
        watchdogMs: () => {
          const watchdogS = this.#settings?.watchdogS ?? 0;
          return watchdogS === 0 ? undefined : watchdogS * 1_000;
        },
        passLog: (stderr, pid) => {
          parts.passLog(stderr, pid);
        },
        hear: (_notification, fds) => {
          // Its sockets end with it: clients come again.
          for (const fd of fds) parts.closeDescriptor(fd);
        },
        onEnded: ({ exit: { code, signal }, pid }) => {
          parts.log.info({ gatewayPid: pid, code, signal }, 'the gateway has ended');
        },
        onBlame: (fault, exit, isFinal) => {
          this.#onBlame(fault, exit, isFinal);
        },
        // It has nothing in the kernel.
        flush: () => Promise.resolve(),
        onChange: () => {
          for (const listener of this.#listeners) listener();
        },
      },
      parts,
    );
  }

  /**
   * Takes settings: the first start a gateway, others replace it, the same again have it read its files again, and none end
   * it. Resolves when that is begun; what fails is a line in the log.
   */
  configure(settings: GatewaySettings | undefined): Promise<void> {
    this.#configuring = this.#configuring.then(() => this.#configure(settings));
    return this.#configuring;
  }

  /** Resolves when it neither starts nor stops. */
  whenSettled(): Promise<void> {
    return this.#process.whenSettled();
  }

  /** Ends it for good. */
  shutDown(): Promise<void> {
    this.#ending ??= this.#configuring.then(() => this.#end());
    return this.#ending;
  }

  /** For people, such as `gateway ready`; undefined if there is to be none. */
  get summary(): string | undefined {
    if (this.#settings === undefined) return undefined;
    const { state } = this.#process;
    return state === 'failed' ? 'gateway failed: see the log' : `gateway ${state}`;
  }

  /** Called when `summary` may have changed. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  async #configure(settings: GatewaySettings | undefined): Promise<void> {
    if (this.#ending !== undefined) return;
    const isSame = isDeepStrictEqual(this.#settings, settings);
    const isAlive = this.#process.state === 'ready' || this.#process.state === 'starting';
    if (isSame && isAlive) {
      this.#process.reload();
      return;
    }
    // One that failed, too: what it was without, such as its user, may be there by now.
    await this.#end();
    this.#settings = settings;
    if (settings === undefined || this.#isEnding()) return;
    this.#prepared = await this.#parts.prepare(settings);
    // That took a while.
    if (this.#isEnding()) return;
    this.#process.start();
  }

  #isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Its process goes, then what was made for it. */
  async #end(): Promise<void> {
    this.#process.stop({ keeps: true });
    await this.#process.whenEnded();
    const prepared = this.#prepared;
    this.#prepared = undefined;
    await prepared?.door?.stop();
  }

  #spawn(onExit: (exit: ProcessExit) => void): StartedProcess {
    if (this.#prepared === undefined) throw new Error('nothing was made for the gateway');
    const process = this.#prepared.spawn(onExit);
    this.#parts.log.info({ gatewayPid: process.pid }, 'the gateway was started');
    return process;
  }

  #onBlame(fault: Fault | 'ended', exit: ProcessExit, isFinal: boolean): void {
    const { message } = explainEnd('the gateway', fault, exit);
    if (isFinal) this.#parts.log.error({ error: message }, 'the gateway failed and is not started again');
    else this.#parts.log.warn({ error: message }, 'the gateway failed and is started again');
  }
}
