// One table's agent as it lives: its process, its timer, what it says and what is kept of it. What happens when is
// decided by child.ts.
import { rmSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { ApiError } from '../api/status.js';
import type { ListenFd } from '../runtime/listen-fds.js';
import type { Logger } from '../runtime/log.js';
import { agentError } from './agent-error.js';
import { type Child, type ChildAction, type ChildEvent, type ChildLimits, STOPPED, step, wakeAt } from './child.js';
import type { DescriptorStore } from './descriptor-store.js';
import type { Notification } from './notification.js';
import type { Notifications } from './notifications.js';
import type { AgentExit, AgentProcess } from './spawn.js';
import type { AgentError, TableDefinition, TableView } from './table.js';

/** What agents need of the world. */
export interface AgentParts {
  readonly store: DescriptorStore;
  readonly notifications: Notifications;
  readonly log: Logger;
  /** Those of all agents; the watchdog time is a setting of each. */
  readonly limits: Omit<ChildLimits, 'watchdogMs'>;
  /** Starts a process with duplicates of the descriptors; `onExit` is called once, later. */
  spawn(definition: TableDefinition, kept: readonly ListenFd[], onExit: (exit: AgentExit) => void): AgentProcess;
  /** Removes the mrules of tables without an agent. */
  removeMrules(tables: readonly number[], netns: string | undefined): Promise<void>;
  /** Passes what an agent writes to stderr on. */
  passLog(stream: Readable, agent: { readonly table: number; readonly pid: number }): void;
  /** The socket on which the agent of a table serves. */
  socketPath(table: number): string;
}

/** The one agent of a table. At any time it has one process or none. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #onChange: () => void;
  #definition: TableDefinition;
  #child: Child = STOPPED;
  #timer: NodeJS.Timeout | undefined;
  #running: Running | undefined;
  /** Where the last process was, and its mrules are. */
  #netns: string | undefined;
  /** How the last process ended. */
  #exit: AgentExit = NO_EXIT;
  #starts = 0;
  #lastError: AgentError | undefined;
  #waiting: (() => void)[] = [];

  /** @param onChange called after each change of `view`. */
  constructor(definition: TableDefinition, parts: AgentParts, onChange: () => void) {
    this.#definition = definition;
    this.#netns = definition.settings.netns;
    this.#parts = parts;
    this.#onChange = onChange;
  }

  get definition(): TableDefinition {
    return this.#definition;
  }

  get view(): TableView {
    const child = this.#child;
    const isDelayed = child.state === 'backing-off';
    return {
      ...this.#definition,
      state: child.state,
      pid: this.#running?.process.pid,
      restarts: Math.max(0, this.#starts - 1),
      startedAtMs: this.#running?.startedAtMs,
      nextStartAtMs: isDelayed ? Math.round(performance.timeOrigin + child.wakeAtMs) : undefined,
      status: this.#running?.status ?? '',
      descriptors: this.#parts.store.count(this.#definition.table),
      lastError: this.#lastError,
    };
  }

  /** What the next process is started with. */
  redefine(definition: TableDefinition): void {
    this.#definition = definition;
    this.#changed();
  }

  /** Nothing happens if it runs. */
  start(): void {
    this.#take({ event: 'start' });
  }

  /** Ends it, and without `keepsForwarding` removes all that the kernel has of the table. */
  stop({ keepsForwarding }: { readonly keepsForwarding: boolean }): void {
    this.#take({ event: 'stop', keeps: keepsForwarding });
  }

  /** Replaces the process, or starts one if there is none. */
  restart(): void {
    this.#take({ event: 'restart' });
  }

  /** Resolves when it serves; rejects with an ApiError when it is clear that it will not for now. */
  whenServing(): Promise<TableView> {
    return this.#when(() => {
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
  whenEnded(): Promise<TableView> {
    return this.#when(() => (this.#child.state === 'stopping' ? undefined : this.view));
  }

  /** Resolves when it neither starts nor stops. */
  whenSettled(): Promise<TableView> {
    const isMoving = () => this.#child.state === 'starting' || this.#child.state === 'stopping';
    return this.#when(() => (isMoving() ? undefined : this.view));
  }

  #take(event: ChildEvent): void {
    const before = this.#child;
    const limits: ChildLimits = { ...this.#parts.limits, watchdogMs: this.#running?.watchdogMs };
    const { child, actions } = step(before, event, { nowMs: performance.now(), random: Math.random(), limits });
    this.#child = child;
    for (const action of actions) this.#do(action);
    this.#setTimer();
    if (child.state === before.state && actions.length === 0) return;
    if (child.state === 'stopped') this.#lastError = undefined;
    this.#changed();
  }

  #do(action: ChildAction): void {
    switch (action.action) {
      case 'start':
        this.#spawn();
        return;
      case 'signal':
        this.#running?.process.signal(action.signal);
        return;
      case 'flush':
        void this.#flush(action.removesMrules);
        return;
      case 'blame':
        this.#blame(action.fault);
    }
  }

  /** Has an agent that serves read its configuration file again; one that starts has just done so. */
  reload(): void {
    const { settings } = this.#definition;
    if (settings.configFile !== undefined && this.#child.state === 'ready') this.#running?.process.signal('SIGHUP');
  }

  #spawn(): void {
    const { table, settings } = this.#definition;
    const kept = this.#parts.store.handOver(table);
    const process = this.#parts.spawn(this.#definition, kept, (exit) => {
      this.#onExit(exit);
    });
    const { pid, stderr } = process;
    this.#starts++;
    this.#netns = settings.netns;
    this.#running = {
      process,
      watchdogMs: settings.watchdogS === 0 ? undefined : settings.watchdogS * 1_000,
      startedAtMs: Date.now(),
      status: '',
      hasServed: false,
      stopListening: pid === undefined || stderr === undefined ? nothing : this.#listenTo(pid, stderr),
    };
    this.#parts.log.info({ table, agentPid: pid, descriptors: kept.length }, 'an agent was started');
  }

  #listenTo(pid: number, stderr: Readable): () => void {
    this.#parts.passLog(stderr, { table: this.#definition.table, pid });
    return this.#parts.notifications.listenTo(pid, (notification, fds) => {
      this.#hear(notification, fds);
    });
  }

  #hear({ isReady, isAlive, extendsByMs, status, keeps, releases }: Notification, fds: readonly number[]): void {
    const { store, log } = this.#parts;
    const { table } = this.#definition;
    if (keeps !== undefined) {
      const refused = store.put(table, keeps, fds);
      if (refused > 0) log.error({ table, name: keeps, refused }, 'an agent has more descriptors than can be kept');
    }
    if (releases !== undefined) store.release(table, releases);
    if (status !== undefined && this.#running !== undefined) this.#running.status = status;
    if (isAlive) this.#take({ event: 'alive' });
    if (extendsByMs !== undefined) this.#take({ event: 'extend', byMs: extendsByMs });
    if (isReady) {
      if (this.#running !== undefined) this.#running.hasServed = true;
      this.#take({ event: 'ready' });
    }
    if (keeps !== undefined || releases !== undefined || status !== undefined) this.#changed();
  }

  #onExit(exit: AgentExit): void {
    // What it had said before is to be known before it is replaced: it may have sent descriptors.
    this.#parts.notifications.drain();
    this.#running?.stopListening();
    // Its own, then. Of one that never served it could be that of a stranger, which was its reason to go.
    if (this.#running?.hasServed === true) this.#removeSocket();
    this.#exit = exit;
    const { code, signal } = exit;
    const { table } = this.#definition;
    this.#parts.log.info({ table, agentPid: this.#running?.process.pid, code, signal }, 'an agent has ended');
    this.#running = undefined;
    this.#take({ event: 'exited', code });
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

  #blame(fault: 'ended' | 'late' | 'silent'): void {
    const error = agentError(this.#definition.table, fault, this.#exit);
    this.#lastError = error;
    const fields = { table: this.#definition.table, reason: error.reason, error: error.message };
    if (this.#child.state === 'failed') this.#parts.log.error(fields, 'an agent failed and is not started again');
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
    // Not from within the step that asked for it.
    setImmediate(() => {
      this.#take({ event: 'flushed' });
    });
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const wakeAtMs = wakeAt(this.#child);
    if (wakeAtMs === undefined) return;
    const delayMs = Math.max(0, Math.ceil(wakeAtMs - performance.now()));
    this.#timer = setTimeout(() => {
      // If it was us who were held up, its READY=1 or WATCHDOG=1 waits in the socket.
      this.#parts.notifications.drain();
      this.#take({ event: 'time' });
    }, delayMs);
  }

  /** What `decide` gives, as soon as it gives anything; rejects with what it throws. */
  #when<T>(decide: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        try {
          const value = decide();
          if (value === undefined) this.#waiting.push(look);
          else resolve(value);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      look();
    });
  }

  #changed(): void {
    for (const look of this.#waiting.splice(0)) look();
    this.#onChange();
  }
}

/** What belongs to a process. */
interface Running {
  readonly process: AgentProcess;
  readonly watchdogMs: number | undefined;
  /** Wall clock, ms since 1970. */
  readonly startedAtMs: number;
  status: string;
  hasServed: boolean;
  readonly stopListening: () => void;
}

const NO_EXIT: AgentExit = { code: undefined, signal: undefined, startError: undefined, lastWords: '' };

function nothing(): void {
  // Nobody speaks.
}
