// Runs an agent from its start to its end, under whatever name: signals, messages on stderr, exit codes.
import { EXIT_CODE } from '../runtime/exit-code.js';
import { keepHeapSmall } from '../runtime/idle-collector.js';
import type { Logger } from '../runtime/log.js';
import { loadAddon } from '../runtime/native.js';
import { readVersion } from '../runtime/tree.js';
import { type AgentOptions, type RunningAgent, startAgent } from './agent.js';

/** Who runs an agent. */
export interface Program {
  /** Begins the messages on stderr. */
  readonly name: string;
  /** The file of bin/ that starts it. */
  readonly file: string;
  readonly log: Logger;
  /** What is written to the log is seen on stderr. */
  readonly isLogOnStderr: boolean;
  /** The agent serves and listens to signals. */
  readonly onReady: (agent: RunningAgent) => void;
}

/** What the program itself does not decide. */
type Options = Omit<AgentOptions, 'onStop' | 'version'>;

/** Starts an agent; the process ends with it, with a code of sysexits.h. */
export async function runAgent(program: Program, options: Options): Promise<void> {
  const { name, log } = program;
  const { notifier } = options;
  if (options.sockets.length === 0) {
    const message = `no MRT socket was handed over: start '${program.file}' from bin/, which opens it before it drops privileges`;
    fail(name, log, EXIT_CODE.noPermission, message);
  }
  process.umask(0o007);
  // From the first rule on: whoever ends the process without order leaves mrules that lead packets nowhere.
  const signals = new HeldSignals();
  let agent: RunningAgent;
  try {
    const onStop = () => process.kill(process.pid, 'SIGTERM');
    agent = await startAgent({ ...options, version: readVersion(), onStop }, log);
  } catch (error) {
    // Told once where both go to one place and are for people.
    if (!program.isLogOnStderr) log.fatal({ err: error }, 'the agent could not start');
    fail(name, log, exitCodeOf(error), error instanceof Error ? error.message : String(error));
  }
  program.onReady(agent);
  log.info({ families: agent.engine.families, realtime: agent.kernel.isRealtime }, 'ready');
  signals.give(signalHandler(log, agent, notifier));
  keepHeapSmall(() => {
    loadAddon().trimHeap();
  });
}

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGUSR2', 'SIGHUP', 'SIGUSR1'] as const;
type Signal = (typeof SIGNALS)[number];

/** Keeps the signals that come before there is something to do about them. */
class HeldSignals {
  readonly #held: Signal[] = [];
  #handle = (signal: Signal): void => void this.#held.push(signal);

  constructor() {
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        this.#handle(signal);
      });
    }
  }

  /** Gives the handler those that came, in their order, and all that come. */
  give(handle: (signal: Signal) => void): void {
    this.#handle = handle;
    for (const signal of this.#held.splice(0)) handle(signal);
  }
}

/** Says why the program cannot go on, and ends it. */
function fail(name: string, log: Logger, code: number, message: string): never {
  log.flush();
  process.stderr.write(`${name}: ${message}\n`);
  process.exit(code);
}

/**
 * SIGTERM and SIGINT end forwarding too; SIGUSR2 leaves it to the agent that comes next. SIGHUP reads the file again.
 * SIGUSR1 does no harm: scripts for other routing daemons send it, and Node would open its debugger.
 */
function signalHandler(log: Logger, agent: RunningAgent, notifier: AgentOptions['notifier']): (signal: Signal) => void {
  let isEnding = false;
  const end = (signal: Signal) => {
    isEnding = true;
    const keepsForwarding = signal === 'SIGUSR2';
    log.info({ signal, keepsForwarding }, 'stopping');
    notifier.stopping();
    (keepsForwarding ? agent.leave() : agent.stop()).then(
      () => process.exit(EXIT_CODE.ok),
      (error: unknown) => {
        log.fatal({ err: error }, 'the agent could not stop in order');
        process.exit(EXIT_CODE.software);
      },
    );
  };
  return (signal) => {
    if (isEnding) return;
    switch (signal) {
      case 'SIGTERM':
      case 'SIGINT':
      case 'SIGUSR2':
        end(signal);
        return;
      case 'SIGHUP':
        agent.reload();
        return;
      case 'SIGUSR1':
        log.info({ revision: agent.engine.revision.toString() }, 'alive');
    }
  };
}

/** Codes of errors that end in EX_NOPERM. */
const NO_PERMISSION: ReadonlySet<unknown> = new Set(['EPERM', 'EACCES', 'SOCKET_PERMISSION', 'WRONG_PRIVILEGES']);

function exitCodeOf(error: unknown): number {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== undefined && NO_PERMISSION.has(code)) return EXIT_CODE.noPermission;
  if (code === 'SOCKET_IN_USE' || code === 'EADDRINUSE' || code === 'TABLE_LOCKED') return EXIT_CODE.unavailable;
  // Of a newer version: this one would find it so at every start.
  if (code === 'STORAGE' && error instanceof Error && 'errno' in error && error.errno === 'ENOTSUP') {
    return EXIT_CODE.config;
  }
  if (code === 'CONFIGURATION') return EXIT_CODE.config;
  if (code === 'STORAGE' || code === 'STATE_DIRECTORY') return EXIT_CODE.cannotCreate;
  if (code === 'SOCKET_PATH') return EXIT_CODE.usage;
  return EXIT_CODE.software;
}
