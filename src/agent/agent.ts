// Puts the parts of an agent together: kernel, engine, service, timers.
import type { Logger } from '../runtime/log.js';
import { type PrivilegeFinding, findWrongPrivileges } from '../runtime/privileges.js';
import { Engine, type EngineNote, type EngineOptions } from './engine.js';
import { type LinuxKernel, openLinuxKernel } from './kernel/linux-kernel.js';
import type { MrtSockets } from './kernel/sockets.js';
import type { RunningServer } from './service/server.js';
import { serve } from './service/server.js';
import { Watchers } from './service/watchers.js';

export interface AgentOptions extends EngineOptions {
  readonly sockets: MrtSockets;
  readonly socketPath: string;
  readonly version: string;
  /** Answers upcalls at real-time priority if that is allowed. */
  readonly wantsRealtime: boolean;
}

export interface RunningAgent {
  readonly kernel: LinuxKernel;
  readonly engine: Engine;
  /** Ends: the socket goes, then everything that the kernel holds for the table. */
  stop(): Promise<void>;
}

/** Idle flows are looked for this many times per timeout, and at most once a second. */
const IDLE_CHECKS_PER_TIMEOUT = 4;

/** Time between two comparisons of the kernel with what it should hold, in ms. */
const AUDIT_INTERVAL_MS = 60_000;

/** Some thread may do more or less than an agent's may; `findings` says which. */
export class PrivilegeError extends Error {
  readonly code = 'WRONG_PRIVILEGES';
  readonly findings: readonly PrivilegeFinding[];

  constructor(findings: readonly PrivilegeFinding[]) {
    super("a thread has other privileges than CAP_NET_ADMIN: start 'mcroute-agent' from bin/, which drops all others");
    this.findings = findings;
  }
}

/** Opens the kernel, starts the engine and serves. What was opened is closed again if a later step fails. */
export async function startAgent(options: AgentOptions, log: Logger): Promise<RunningAgent> {
  const kernel = openLinuxKernel(options);
  const engine = new Engine(kernel, options);
  engine.onNote((note) => {
    logNote(log, note);
  });
  let server: RunningServer;
  try {
    // All threads are there by now, and those that come have the privileges of their maker.
    const findings = findWrongPrivileges();
    if (findings.length > 0) throw new PrivilegeError(findings);
    engine.start();
    const watchers = new Watchers(engine);
    server = await serve(options.socketPath, {
      engine,
      watchers,
      version: options.version,
      isRealtime: kernel.isRealtime,
      onBug: (error, method) => {
        log.error({ err: error, method }, 'a request failed because of a bug');
      },
    });
  } catch (error) {
    engine.stop();
    throw error;
  }
  const timers = startTimers(engine, options.cacheTimeoutMs);
  return {
    kernel,
    engine,
    stop: async () => {
      for (const timer of timers) clearInterval(timer);
      await server.stop();
      engine.stop();
    },
  };
}

function startTimers(engine: Engine, cacheTimeoutMs: number): NodeJS.Timeout[] {
  const audit = setInterval(() => {
    engine.audit();
  }, AUDIT_INTERVAL_MS);
  if (cacheTimeoutMs === 0) return [audit];
  const expiry = setInterval(
    () => {
      engine.expireIdle(performance.now());
    },
    Math.max(1_000, cacheTimeoutMs / IDLE_CHECKS_PER_TIMEOUT),
  );
  return [audit, expiry];
}

function logNote(log: Logger, note: EngineNote): void {
  const { note: message, ...fields } = note;
  switch (message) {
    case 'operation failed':
    case 'entry was changed by another program':
    case 'mrule was removed by another program':
    case 'events were lost':
    case 'warning':
      log.warn(fields, message);
      return;
  }
}
