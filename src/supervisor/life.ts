// What a supervisor that runs does on signals, and what it tells its keeper.
import { EXIT_CODE } from '../runtime/exit-code.js';
import type { Logger } from '../runtime/log.js';
import type { Notifier } from '../runtime/notify.js';
import type { RunningSupervisor } from './start.js';
import type { Supervisor } from './supervisor.js';
import type { TableDefinition } from './table.js';

export interface LifeOptions {
  /** Time in which our keeper must hear of us; undefined if it does not watch. */
  readonly watchdogMs: number | undefined;
  /** The tables of the configuration file as it is now. @throws Error with all that is wrong. */
  readConfiguration(): readonly TableDefinition[];
}

/** Signs of life for each time in which one is wanted, so that one may come late. */
const SIGNS_PER_TIMEOUT = 3;

/**
 * Time after which we say that we are ready even if some agents are still to be started, in ms: a keeper gives up on one
 * that is not ready in 90 s (DefaultTimeoutStartSec of systemd), and tables that hang are not to end those that serve.
 */
const READY_LIMIT_MS = 75_000;

type Ending = 'flush' | 'keep';

/** Listens to signals from its making on; what comes before the supervisor runs is done then. */
export class Life {
  readonly #notifier: Notifier;
  readonly #log: Logger;
  readonly #options: LifeOptions;
  #running: RunningSupervisor | undefined;
  #status = '';
  /** The file was to be read again and could not be used. */
  #isFileBroken = false;
  #isReady = false;
  /** Asked for by SIGHUP, and not begun. */
  #isReloadDue = false;
  #isReloading = false;
  #ending: Ending | undefined;
  #onEnded: (code: number) => void = () => undefined;
  /** Ends that have not come to an end: SIGTERM may come after SIGUSR2. */
  #ends = 0;

  constructor(notifier: Notifier, log: Logger, options: LifeOptions) {
    this.#notifier = notifier;
    this.#log = log;
    this.#options = options;
    process.on('SIGHUP', () => {
      this.#isReloadDue = true;
      void this.#reload();
    });
    process.on('SIGTERM', (signal) => {
      this.#endOn(signal, 'flush');
    });
    process.on('SIGINT', (signal) => {
      this.#endOn(signal, 'flush');
    });
    process.on('SIGUSR2', (signal) => {
      this.#endOn(signal, 'keep');
    });
  }

  /** Resolves with the exit code when it was told to end and has. */
  async live(running: RunningSupervisor): Promise<number> {
    this.#running = running;
    const { supervisor } = running;
    const ended = new Promise<number>((resolve) => {
      this.#onEnded = resolve;
    });
    const watchdog = this.#startWatchdog();
    const stopWatching = supervisor.onChange(() => {
      this.#tellStatus(supervisor);
    });
    if (this.#ending !== undefined) void this.#end(running);
    const readyLimit = setTimeout(() => {
      this.#tellReady(supervisor);
    }, READY_LIMIT_MS);
    void supervisor.whenBegun().then(() => {
      clearTimeout(readyLimit);
      this.#tellReady(supervisor);
    });
    const code = await ended;
    stopWatching();
    clearInterval(watchdog);
    clearTimeout(readyLimit);
    await this.#notifier.flushed();
    return code;
  }

  #startWatchdog(): NodeJS.Timeout | undefined {
    const { watchdogMs } = this.#options;
    if (watchdogMs === undefined) return undefined;
    return setInterval(() => {
      this.#notifier.alive();
    }, watchdogMs / SIGNS_PER_TIMEOUT);
  }

  #tellReady(supervisor: Supervisor): void {
    if (this.#isReady || this.#ending !== undefined) return;
    this.#isReady = true;
    this.#status = this.#summary(supervisor);
    this.#notifier.ready(this.#status);
    this.#log.info({ tables: supervisor.list().length }, 'ready');
    // What was asked for before.
    void this.#reload();
  }

  #tellStatus(supervisor: Supervisor): void {
    const status = this.#summary(supervisor);
    if (status === this.#status) return;
    this.#status = status;
    this.#notifier.status(status);
  }

  #summary({ summary }: Supervisor): string {
    return this.#isFileBroken ? `${summary}; the configuration file cannot be used: see the log` : summary;
  }

  /** One at a time; those that are asked for meanwhile are one more. */
  async #reload(): Promise<void> {
    const running = this.#running;
    if (running === undefined || !this.#isReady || this.#isReloading || !this.#isReloadDue) return;
    this.#isReloading = true;
    while (this.#isReloadDue && this.#ending === undefined) {
      this.#isReloadDue = false;
      this.#notifier.reloading();
      try {
        await running.supervisor.reconfigure(this.#options.readConfiguration());
        this.#isFileBroken = false;
        this.#log.info({ tables: running.supervisor.list().length }, 'the configuration file was read again');
      } catch (error) {
        this.#isFileBroken = true;
        const message = error instanceof Error ? error.message : String(error);
        this.#log.error({ error: message }, 'the configuration file cannot be used: nothing has changed');
      }
      this.#status = this.#summary(running.supervisor);
      this.#notifier.ready(this.#status);
    }
    this.#isReloading = false;
  }

  #endOn(signal: NodeJS.Signals, ending: Ending): void {
    // Nothing that was to be flushed can be kept any more.
    if (this.#ending === ending || this.#ending === 'flush') return;
    this.#ending = ending;
    this.#log.info({ signal }, 'stopping');
    this.#notifier.stopping();
    if (this.#running !== undefined) void this.#end(this.#running);
  }

  async #end(running: RunningSupervisor): Promise<void> {
    const keepsForwarding = this.#ending === 'keep';
    if (keepsForwarding && !this.#notifier.isHeard) {
      this.#log.warn('nobody keeps the sockets of the tables: forwarding stops when this process has ended');
    }
    this.#ends++;
    let code: number = EXIT_CODE.ok;
    try {
      await running.stop({ keepsForwarding });
    } catch (error) {
      this.#log.fatal({ err: error }, 'the supervisor could not stop in order');
      code = EXIT_CODE.software;
    }
    this.#ends--;
    if (this.#ends === 0) this.#onEnded(code);
  }
}
