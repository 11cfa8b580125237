// One table's agent: what is kept for it, what it leaves, and what is said of it. Its process lives in kept-process.ts.
import { rmSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { ApiError } from '../api/status.js';
import type { ListenFd } from '../runtime/listen-fds.js';
import type { Logger } from '../runtime/log.js';
import type { Fault } from './child.js';
import type { DescriptorStore } from './descriptor-store.js';
import { agentError } from './end-error.js';
import { type EndedProcess, KeptProcess, type KeptProcessParts } from './kept-process.js';
import type { Notification } from './notification.js';
import type { ProcessExit, StartedProcess } from './process.js';
import type { AgentError, TableDefinition, TableView } from './table.js';

/** What agents need of the world. */
export interface AgentParts extends KeptProcessParts {
  readonly store: DescriptorStore;
  readonly log: Logger;
  /** Starts a process with duplicates of the descriptors; `onExit` is called once, later. */
  spawn(definition: TableDefinition, kept: readonly ListenFd[], onExit: (exit: ProcessExit) => void): StartedProcess;
  /** Removes the mrules of tables without an agent. */
  removeMrules(tables: readonly number[], netns: string | undefined): Promise<void>;
  /** Passes what an agent writes to stderr on. */
  passLog(stream: Readable, agent: { readonly table: number; readonly pid: number }): void;
  /** The socket on which the agent of a table serves. */
  socketPath(table: number): string;
}

/** The one agent of a table. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #onChange: () => void;
  readonly #process: KeptProcess;
  #definition: TableDefinition;
  /** Where the last process was, and its mrules are. */
  #netns: string | undefined;
  #lastError: AgentError | undefined;

  /** @param onChange called after each change of `view`. */
  constructor(definition: TableDefinition, parts: AgentParts, onChange: () => void) {
    this.#definition = definition;
    this.#netns = definition.settings.netns;
    this.#parts = parts;
    this.#onChange = onChange;
    this.#process = new KeptProcess(
      {
        start: (onExit) => this.#spawn(onExit),
        watchdogMs: () => {
          const { watchdogS } = this.#definition.settings;
          return watchdogS === 0 ? undefined : watchdogS * 1_000;
        },
        passLog: (stderr, pid) => {
          parts.passLog(stderr, { table: this.#definition.table, pid });
        },
        hear: (notification, fds) => {
          this.#keep(notification, fds);
        },
        onEnded: (process) => {
          this.#onEnded(process);
        },
        onBlame: (fault, exit, isFinal) => {
          this.#onBlame(fault, exit, isFinal);
        },
        flush: (removesMrules) => this.#flush(removesMrules),
        onChange: () => {
          if (this.#process.state === 'stopped') this.#lastError = undefined;
          this.#onChange();
        },
      },
      parts,
    );
  }

  get definition(): TableDefinition {
    return this.#definition;
  }

  get view(): TableView {
    const { state, pid, restarts, startedAtMs, nextStartAtMs, status } = this.#process;
    return {
      ...this.#definition,
      state,
      pid,
      restarts,
      startedAtMs,
      nextStartAtMs,
      status,
      descriptors: this.#parts.store.count(this.#definition.table),
      lastError: this.#lastError,
    };
  }

  /** What the next process is started with. */
  redefine(definition: TableDefinition): void {
    this.#definition = definition;
    this.#onChange();
  }

  /** Nothing happens if it runs. */
  start(): void {
    this.#process.start();
  }

  /** Ends it, and without `keepsForwarding` removes all that the kernel has of the table. */
  stop({ keepsForwarding }: { readonly keepsForwarding: boolean }): void {
    this.#process.stop({ keeps: keepsForwarding });
  }

  /** Replaces the process, or starts one if there is none. */
  restart(): void {
    this.#process.restart();
  }

  /** Has an agent that serves read its configuration file again. */
  reload(): void {
    if (this.#definition.settings.configFile !== undefined) this.#process.reload();
  }

  /** Resolves when it serves; rejects with an ApiError when it is clear that it will not for now. */
  whenServing(): Promise<TableView> {
    return this.#process.when(() => {
      const view = this.view;
      switch (view.state) {
        case 'ready':
          return view;
        case 'starting':
        case 'stopping':
          return undefined;
        case 'backing-off':
        case 'failed':
          throw new ApiError(view.lastError?.reason ?? 'AGENT_FAILED', view.lastError?.message ?? 'the agent failed');
        case 'stopped':
          throw new ApiError('AGENT_UNAVAILABLE', `table ${view.table} was stopped meanwhile`);
      }
    });
  }

  /** Resolves when what it was told to stop has ended. */
  async whenEnded(): Promise<TableView> {
    await this.#process.whenEnded();
    return this.view;
  }

  /** Resolves when it neither starts nor stops. */
  whenSettled(): Promise<void> {
    return this.#process.whenSettled();
  }

  #spawn(onExit: (exit: ProcessExit) => void): StartedProcess {
    const { table, settings } = this.#definition;
    const kept = this.#parts.store.handOver(table);
    const process = this.#parts.spawn(this.#definition, kept, onExit);
    this.#netns = settings.netns;
    this.#parts.log.info({ table, agentPid: process.pid, descriptors: kept.length }, 'an agent was started');
    return process;
  }

  #keep({ keeps, releases }: Notification, fds: readonly number[]): void {
    const { store, log } = this.#parts;
    const { table } = this.#definition;
    if (keeps !== undefined) {
      const refused = store.put(table, keeps, fds);
      if (refused > 0) log.error({ table, name: keeps, refused }, 'an agent has more descriptors than can be kept');
    }
    if (releases !== undefined) store.release(table, releases);
  }

  #onEnded({ exit: { code, signal }, pid, hasServed }: EndedProcess): void {
    // Its own, then. Of one that never served it could be that of a stranger, which was its reason to go.
    if (hasServed) this.#removeSocket();
    this.#parts.log.info({ table: this.#definition.table, agentPid: pid, code, signal }, 'an agent has ended');
  }

  #removeSocket(): void {
    const path = this.#parts.socketPath(this.#definition.table);
    try {
      rmSync(path, { force: true });
    } catch (error) {
      // The agents' user may have put something else in its place.
      this.#parts.log.warn({ path, err: error }, 'the socket of an agent could not be removed');
    }
  }

  #onBlame(fault: Fault | 'ended', exit: ProcessExit, isFinal: boolean): void {
    const error = agentError(this.#definition.table, fault, exit);
    this.#lastError = error;
    const fields = { table: this.#definition.table, reason: error.reason, error: error.message };
    if (isFinal) this.#parts.log.error(fields, 'an agent failed and is not started again');
    else this.#parts.log.warn(fields, 'an agent failed and is started again');
  }

  async #flush(removesMrules: boolean): Promise<void> {
    const { table } = this.#definition;
    this.#parts.store.releaseAll(table);
    try {
      if (removesMrules) await this.#parts.removeMrules([table], this.#netns);
    } catch (error) {
      this.#parts.log.error({ table, err: error }, 'the mrules of a table could not be removed');
    }
  }
}
