// A program that is kept running: its process, its timer, and what it says of itself. What happens when is decided by
// child.ts; what is special about the program is its KeptProgram's.
import type { Readable } from 'node:stream';
import {
  type Child,
  type ChildAction,
  type ChildEvent,
  type ChildLimits,
  type Fault,
  STOPPED,
  step,
  wakeAt,
} from './child.js';
import type { Notification } from './notification.js';
import type { Notifications } from './notifications.js';
import type { ProcessExit, StartedProcess } from './process.js';

/** What a program that is kept is, and what is to be done about it. */
export interface KeptProgram {
  /** Starts a process; `onExit` is called once, later. */
  start(onExit: (exit: ProcessExit) => void): StartedProcess;
  /** Longest silence of a process that is being started, in ms; undefined: any. */
  watchdogMs(): number | undefined;
  /** Passes what the process writes to stderr on. */
  passLog(stderr: Readable, pid: number): void;
  /** Takes what the process says beyond what is about its life; the descriptors are the taker's. */
  hear(notification: Notification, fds: readonly number[]): void;
  /** The process is gone. */
  onEnded(process: EndedProcess): void;
  /** Nobody had asked it to end. `isFinal`: it is not started again. */
  onBlame(fault: Fault | 'ended', exit: ProcessExit, isFinal: boolean): void;
  /** Removes what it left, as child.ts has it. Fails for nothing. */
  flush(removesMrules: boolean): Promise<void>;
  /** Called after each change of what is known of it. */
  onChange(): void;
}

export interface EndedProcess {
  readonly exit: ProcessExit;
  readonly pid: number | undefined;
  /** It has said that it is ready. */
  readonly hasServed: boolean;
}

export interface KeptProcessParts {
  readonly notifications: Notifications;
  /** The watchdog time is the program's. */
  readonly limits: Omit<ChildLimits, 'watchdogMs'>;
}

/** At any time it has one process or none. */
export class KeptProcess {
  readonly #program: KeptProgram;
  readonly #parts: KeptProcessParts;
  #child: Child = STOPPED;
  #timer: NodeJS.Timeout | undefined;
  #running: Running | undefined;
  /** How the last process ended. */
  #exit: ProcessExit = NO_EXIT;
  #starts = 0;
  #waiting: (() => void)[] = [];

  constructor(program: KeptProgram, parts: KeptProcessParts) {
    this.#program = program;
    this.#parts = parts;
  }

  get state(): Child['state'] {
    return this.#child.state;
  }

  get pid(): number | undefined {
    return this.#running?.process.pid;
  }

  /** Wall clock, ms since 1970; undefined while there is no process. */
  get startedAtMs(): number | undefined {
    return this.#running?.startedAtMs;
  }

  /** Wall clock, ms since 1970; in `backing-off`. */
  get nextStartAtMs(): number | undefined {
    const child = this.#child;
    return child.state === 'backing-off' ? Math.round(performance.timeOrigin + child.wakeAtMs) : undefined;
  }

  /** Starts but the first. */
  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }

  /** What the process last said of itself. */
  get status(): string {
    return this.#running?.status ?? '';
  }

  /** Nothing happens if it runs. */
  start(): void {
    this.#take({ event: 'start' });
  }

  /** Ends it; with `keeps` what it has in the kernel outlives it. */
  stop({ keeps }: { readonly keeps: boolean }): void {
    this.#take({ event: 'stop', keeps });
  }

  /** Replaces the process, or starts one if there is none. */
  restart(): void {
    this.#take({ event: 'restart' });
  }

  /** Has a process that serves read its files again; one that starts has just done so. */
  reload(): void {
    if (this.#child.state === 'ready') this.#running?.process.signal('SIGHUP');
  }

  /** Resolves when what it was told to stop has ended. */
  async whenEnded(): Promise<void> {
    await this.when(() => (this.#child.state === 'stopping' ? undefined : true));
  }

  /** Resolves when it neither starts nor stops. */
  async whenSettled(): Promise<void> {
    const isMoving = () => this.#child.state === 'starting' || this.#child.state === 'stopping';
    await this.when(() => (isMoving() ? undefined : true));
  }

  /** What `decide` gives, as soon as it gives anything; rejects with what it throws. It is asked after each change. */
  when<T>(decide: () => T | undefined): Promise<T> {
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

  #take(event: ChildEvent): void {
    const before = this.#child;
    const limits: ChildLimits = { ...this.#parts.limits, watchdogMs: this.#running?.watchdogMs };
    const { child, actions } = step(before, event, { nowMs: performance.now(), random: Math.random(), limits });
    this.#child = child;
    for (const action of actions) this.#do(action);
    this.#setTimer();
    if (child.state !== before.state || actions.length > 0) this.#changed();
  }

  #do(action: ChildAction): void {
    switch (action.action) {
      case 'start':
        this.#start();
        return;
      case 'signal':
        this.#running?.process.signal(action.signal);
        return;
      case 'flush':
        void this.#flush(action.removesMrules);
        return;
      case 'blame':
        this.#program.onBlame(action.fault, this.#exit, this.#child.state === 'failed');
    }
  }

  #start(): void {
    const process = this.#program.start((exit) => {
      this.#onExit(exit);
    });
    const { pid, stderr } = process;
    this.#starts++;
    this.#running = {
      process,
      watchdogMs: this.#program.watchdogMs(),
      startedAtMs: Date.now(),
      status: '',
      hasServed: false,
      stopListening: pid === undefined || stderr === undefined ? nothing : this.#listenTo(pid, stderr),
    };
  }

  #listenTo(pid: number, stderr: Readable): () => void {
    this.#program.passLog(stderr, pid);
    return this.#parts.notifications.listenTo(pid, (notification, fds) => {
      this.#hear(notification, fds);
    });
  }

  #hear(notification: Notification, fds: readonly number[]): void {
    const { isReady, isAlive, extendsByMs, status, keeps, releases } = notification;
    this.#program.hear(notification, fds);
    if (status !== undefined && this.#running !== undefined) this.#running.status = status;
    if (isAlive) this.#take({ event: 'alive' });
    if (extendsByMs !== undefined) this.#take({ event: 'extend', byMs: extendsByMs });
    if (isReady) {
      if (this.#running !== undefined) this.#running.hasServed = true;
      this.#take({ event: 'ready' });
    }
    if (keeps !== undefined || releases !== undefined || status !== undefined) this.#changed();
  }

  #onExit(exit: ProcessExit): void {
    // What it had said before is to be known before it is replaced: it may have sent descriptors.
    this.#parts.notifications.drain();
    const running = this.#running;
    running?.stopListening();
    this.#exit = exit;
    this.#program.onEnded({ exit, pid: running?.process.pid, hasServed: running?.hasServed === true });
    this.#running = undefined;
    this.#take({ event: 'exited', code: exit.code });
  }

  async #flush(removesMrules: boolean): Promise<void> {
    await this.#program.flush(removesMrules);
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

  #changed(): void {
    for (const look of this.#waiting.splice(0)) look();
    this.#program.onChange();
  }
}

/** What belongs to a process. */
interface Running {
  readonly process: StartedProcess;
  readonly watchdogMs: number | undefined;
  readonly startedAtMs: number;
  status: string;
  hasServed: boolean;
  readonly stopListening: () => void;
}

const NO_EXIT: ProcessExit = { code: undefined, signal: undefined, startError: undefined, lastWords: '' };

function nothing(): void {
  // Nobody speaks.
}
