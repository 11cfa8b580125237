// What a gateway that runs does on signals, and what it tells its keeper.
import { EXIT_CODE } from '../runtime/exit-code.js';
import type { Logger } from '../runtime/log.js';
import type { Notifier } from '../runtime/notify.js';
import type { GatewayConfiguration } from './configuration.js';
import type { RunningGateway } from './gateway.js';

export interface LifeOptions {
  /** Time in which our keeper must hear of us; undefined if it does not watch. */
  readonly watchdogMs: number | undefined;
  /** The configuration file as it is now. @throws Error with all that is wrong. */
  readConfiguration(): GatewayConfiguration;
}

/** Signs of life for each time in which one is wanted, so that one may come late. */
const SIGNS_PER_TIMEOUT = 3;

/** Time between two looks at what the keeper was told last, in ms. */
const STATUS_MS = 1_000;

/** Listens to signals from its making on; what comes before the gateway runs is done then. */
export class Life {
  readonly #notifier: Notifier;
  readonly #log: Logger;
  readonly #options: LifeOptions;
  #gateway: RunningGateway | undefined;
  #status = '';
  /** Why the file that was to be read again cannot be used. */
  #fileError: string | undefined;
  /** Asked for by SIGHUP, and not begun. */
  #isReloadDue = false;
  #isReloading = false;
  #isEnding = false;
  #onEnded: (code: number) => void = () => undefined;

  constructor(notifier: Notifier, log: Logger, options: LifeOptions) {
    this.#notifier = notifier;
    this.#log = log;
    this.#options = options;
    process.on('SIGHUP', () => {
      this.#isReloadDue = true;
      void this.#reload();
    });
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGUSR2'] as const) {
      process.on(signal, () => {
        this.#endOn(signal);
      });
    }
    // Node would open its debugger.
    process.on('SIGUSR1', () => {
      log.info({ summary: this.#status }, 'alive');
    });
  }

  /** Resolves with the exit code when it was told to end and has. */
  async live(gateway: RunningGateway): Promise<number> {
    this.#gateway = gateway;
    const ended = new Promise<number>((resolve) => {
      this.#onEnded = resolve;
    });
    const { watchdogMs } = this.#options;
    const watchdog =
      watchdogMs === undefined
        ? undefined
        : setInterval(() => {
            this.#notifier.alive();
          }, watchdogMs / SIGNS_PER_TIMEOUT);
    const statusTimer = setInterval(() => {
      if (this.#summary() === this.#status) return;
      this.#status = this.#summary();
      this.#notifier.status(this.#status);
    }, STATUS_MS);
    this.#status = this.#summary();
    this.#notifier.ready(this.#status);
    this.#log.info({ summary: this.#status }, 'ready');
    if (this.#isEnding) void this.#end(gateway);
    else void this.#reload();
    const code = await ended;
    clearInterval(watchdog);
    clearInterval(statusTimer);
    await this.#notifier.flushed();
    return code;
  }

  #summary(): string {
    const summary = this.#gateway?.summary ?? '';
    return this.#fileError === undefined ? summary : `${summary}; the configuration file cannot be used: see the log`;
  }

  /** One at a time; those that are asked for meanwhile are one more. */
  async #reload(): Promise<void> {
    const gateway = this.#gateway;
    if (gateway === undefined || this.#isReloading || !this.#isReloadDue) return;
    this.#isReloading = true;
    while (this.#isReloadDue && !this.#isEnding) {
      this.#isReloadDue = false;
      this.#notifier.reloading();
      try {
        await gateway.reconfigure(this.#options.readConfiguration());
        this.#fileError = undefined;
        this.#log.info('the configuration file was read again');
      } catch (error) {
        this.#fileError = error instanceof Error ? error.message : String(error);
        this.#log.error({ error: this.#fileError }, 'the configuration file cannot be used');
      }
      this.#status = this.#summary();
      this.#notifier.ready(this.#status);
    }
    this.#isReloading = false;
  }

  #endOn(signal: NodeJS.Signals): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#log.info({ signal }, 'stopping');
    this.#notifier.stopping();
    if (this.#gateway !== undefined) void this.#end(this.#gateway);
  }

  async #end(gateway: RunningGateway): Promise<void> {
    try {
      await gateway.stop();
      this.#onEnded(EXIT_CODE.ok);
    } catch (error) {
      this.#log.fatal({ err: error }, 'the gateway could not stop in order');
      this.#onEnded(EXIT_CODE.software);
    }
  }
}
