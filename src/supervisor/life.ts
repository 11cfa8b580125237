// What a supervisor that runs does on signals, and what it tells its keeper.
import { EXIT_CODE } from '../runtime/exit-code.js';
import type { Logger } from '../runtime/log.js';
import type { Notifier } from '../runtime/notify.js';
import type { Configuration } from './configuration.js';
import type { RunningSupervisor } from './start.js';

export interface LifeOptions {
  /** Time in which our keeper must hear of us; undefined if it does not watch. */
  readonly watchdogMs: number | undefined;
  /** What the configuration file asks for now. @throws Error with all that is wrong. */
  readConfiguration(): Configuration;
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
    const ended = new Promise<number>((resolve) => {
      this.#onEnded = resolve;
    });
    const watchdog = this.#startWatchdog();
    const tellStatus = () => {
      this.#tellStatus(running);
    };
    const stops = [running.supervisor.onChange(tellStatus), running.gateway.onChange(tellStatus)];
    if (this.#ending !== undefined) void this.#end(running);
    const readyLimit = setTimeout(() => {
      this.#tellReady(running);
    }, READY_LIMIT_MS);
    void running.whenBegun().then(() => {
      clearTimeout(readyLimit);
      this.#tellReady(running);
    });
    const code = await ended;
    for (const stopWatching of stops) stopWatching();
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

  #tellReady(running: RunningSupervisor): void {
    if (this.#isReady || this.#ending !== undefined) return;
    this.#isReady = true;
    this.#status = this.#summary(running);
    this.#notifier.ready(this.#status);
    this.#log.info({ tables: running.supervisor.list().length }, 'ready');
    // What was asked for before.
    void this.#reload();
  }

  #tellStatus(running: RunningSupervisor): void {
    const status = this.#summary(running);
    if (status === this.#status) return;
    this.#status = status;
    this.#notifier.status(status);
  }

  #summary({ supervisor, gateway }: RunningSupervisor): string {
    const broken = this.#isFileBroken ? 'the configuration file cannot be used: see the log' : undefined;
    return [supervisor.summary, gateway.summary, broken].filter((part) => part !== undefined).join('; ');
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
        const { tables, gateway } = this.#options.readConfiguration();
        await running.supervisor.reconfigure(tables);
        await running.gateway.configure(gateway);
        this.#isFileBroken = false;
        this.#log.info({ tables: running.supervisor.list().length }, 'the configuration file was read again');
      } catch (error) {
        this.#isFileBroken = true;
        const message = error instanceof Error ? error.message : String(error);
        this.#log.error({ error: message }, 'the configuration file cannot be used: nothing has changed');
      }
      this.#status = this.#summary(running);
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
