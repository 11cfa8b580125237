// Tells whoever started the program how it is, and gives it descriptors to keep, by the protocol of sd_notify(3).
import { type RuntimeAddon, loadAddon } from './native.js';

/** What a program can tell its keeper: systemd, or the supervisor for an agent. Without one nothing happens. */
export interface Notifier {
  /** Someone listens (NOTIFY_SOCKET). */
  readonly isHeard: boolean;
  /** READY=1: it serves. */
  ready(status: string): void;
  /** RELOADING=1: READY=1 follows. */
  reloading(): void;
  /** STOPPING=1. */
  stopping(): void;
  /** STATUS=: one line for people. */
  status(text: string): void;
  /** WATCHDOG=1: it is alive. */
  alive(): void;
  /** EXTEND_TIMEOUT_USEC: what it is about, such as its start, takes so many ms more at most. */
  needsTime(ms: number): void;
  /** FDSTORE=1: keep these and hand them to the next process under this name. What is kept already stays once. */
  keep(name: string, fds: readonly number[]): void;
  /** FDSTOREREMOVE=1: keep what has this name no longer. */
  release(name: string): void;
  /** Resolves when the keeper's queue has taken all that was told. */
  flushed(): Promise<void>;
}

/** Time in which the program must say that it is alive, in ms; undefined if nobody watches (WATCHDOG_USEC, WATCHDOG_PID). */
export function watchdogTimeoutMs(environment: NodeJS.ProcessEnv): number | undefined {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = environment;
  if (pid !== undefined && Number(pid) !== process.pid) return undefined;
  const timeoutMs = Number(microseconds ?? 0) / 1_000;
  return timeoutMs > 0 ? timeoutMs : undefined;
}

/** Takes NOTIFY_SOCKET out of the environment, so that no child speaks for this process. */
export function openNotifier(environment: NodeJS.ProcessEnv): Notifier {
  const path = environment['NOTIFY_SOCKET'];
  delete environment['NOTIFY_SOCKET'];
  return path === undefined || path === '' ? SILENT : new SocketNotifier(path, loadAddon());
}

/** Descriptors of one message (SCM_MAX_FD in the kernel). */
const FDS_PER_MESSAGE_MAX = 253;

/** Time after which a full queue of the keeper is tried again, in ms. */
const RETRY_MS = 5;

interface Message {
  readonly state: string;
  readonly fds: readonly number[];
}

export class SocketNotifier implements Notifier {
  readonly isHeard = true;
  readonly #path: string;
  readonly #addon: Pick<RuntimeAddon, 'notify'>;
  /** What found the keeper's queue full, in order. */
  #waiting: Message[] = [];
  #timer: NodeJS.Timeout | undefined;
  #whenFlushed: (() => void)[] = [];

  constructor(path: string, addon: Pick<RuntimeAddon, 'notify'>) {
    this.#path = path;
    this.#addon = addon;
  }

  ready(status: string): void {
    this.#tell(`READY=1\n${statusLine(status)}`);
  }

  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1_000n;
    this.#tell(`RELOADING=1\nMONOTONIC_USEC=${microseconds.toString()}`);
  }

  stopping(): void {
    this.#tell('STOPPING=1');
  }

  status(text: string): void {
    this.#tell(statusLine(text));
  }

  alive(): void {
    // One that waits says as much.
    if (this.#waiting.length === 0) this.#tell('WATCHDOG=1');
  }

  needsTime(ms: number): void {
    this.#tell(`EXTEND_TIMEOUT_USEC=${Math.ceil(ms * 1_000)}`);
  }

  keep(name: string, fds: readonly number[]): void {
    for (let start = 0; start < fds.length; start += FDS_PER_MESSAGE_MAX) {
      // FDPOLL=0: a socket whose table another program has taken over may report an error, and must still be kept.
      this.#tell(`FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, fds.slice(start, start + FDS_PER_MESSAGE_MAX));
    }
  }

  release(name: string): void {
    this.#tell(`FDSTOREREMOVE=1\nFDNAME=${name}`);
  }

  flushed(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenFlushed.push(resolve));
  }

  #tell(state: string, fds: readonly number[] = []): void {
    this.#waiting.push({ state, fds });
    if (this.#timer === undefined) this.#send();
  }

  #send(): void {
    this.#timer = undefined;
    for (;;) {
      const [message] = this.#waiting;
      if (message === undefined) break;
      try {
        this.#addon.notify(this.#path, message.state, message.fds);
      } catch (error) {
        if (isFull(error)) {
          this.#timer = setTimeout(() => {
            this.#send();
          }, RETRY_MS);
          return;
        }
        // The keeper is gone. Whoever comes in its place asks nothing of what was said before.
      }
      this.#waiting.shift();
    }
    for (const resolve of this.#whenFlushed.splice(0)) resolve();
  }
}

const SILENT: Notifier = {
  isHeard: false,
  ready: nothing,
  reloading: nothing,
  stopping: nothing,
  status: nothing,
  alive: nothing,
  needsTime: nothing,
  keep: nothing,
  release: nothing,
  flushed: () => Promise.resolve(),
};

function nothing(): void {
  // Nobody listens.
}

function statusLine(text: string): string {
  return `STATUS=${text.replaceAll('\n', ' ')}`;
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'ENOBUFS');
}
