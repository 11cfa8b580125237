// Puts the parts of an agent together: saved wishes, kernel, engine, service, timers.
import { resolve } from 'node:path';
import type { Logger } from '../runtime/log.js';
import { COMMAND_OWNER, type CONFIG_OWNER } from '../model/owner.js';
import { type Notifier, watchdogTimeoutMs } from '../runtime/notify.js';
import { type PrivilegeFinding, findWrongPrivileges } from '../runtime/privileges.js';
import { openChanges, withHistory } from './open-changes.js';
import { idleCheckIntervalMs } from './fib/idle.js';
import { FileReload } from './file-reload.js';
import type { FileWishes } from './file-wishes.js';
import { Engine, type EngineNote, type EngineOptions } from './engine.js';
import { Hook, type HookNote } from './hook/hook.js';
import { hookSpawner } from './hook/process.js';
import { type LinuxKernel, openLinuxKernel } from './kernel/linux-kernel.js';
import { loadNative } from './kernel/native.js';
import type { MrtSockets, NamedFd } from './kernel/sockets.js';
import { LinkProtocols } from './link-protocols.js';
import { advertisersOf, queriersOf } from './link-wishes.js';
import { ADVERTISEMENT_INTERVAL_S } from './mrdisc/advertiser.js';
import { openSessions } from './open-sessions.js';
import { paced } from './paced.js';
import { firstRevision, openState, savedWishes } from './saved-state.js';
import type { RunningServer, ServedSocket } from './service/server.js';
import { serve } from './service/server.js';
import { Watchers } from './service/watchers.js';
import type { Sessions } from './sessions/sessions.js';
import { adoptSignallingSockets, signallingSockets } from './signalling/sockets.js';

export interface AgentOptions extends Omit<EngineOptions, 'journal' | 'firstRevision'> {
  readonly sockets: MrtSockets;
  /** Other descriptors that an earlier agent of the table left. */
  readonly handedOver: readonly NamedFd[];
  /** Where it serves. */
  readonly socket: ServedSocket;
  /** Whose resources the commands of smcroutectl change; `config` lets the API change what the file says. */
  readonly commandOwner?: typeof COMMAND_OWNER | typeof CONFIG_OWNER;
  /** The configuration file was read again and is used. */
  readonly onReloaded?: () => void;
  /** Where the wishes of the table are saved; undefined: they end with the agent. */
  readonly stateDirectory: string | undefined;
  /** The configuration file, if there is to be one. */
  readonly file: FileWishes | undefined;
  /** A command to run when the configuration was loaded or a flow was learned. */
  readonly hook: string | undefined;
  /** Time between two advertisements of router discovery, in seconds: ADVERTISEMENT_INTERVAL_S. */
  readonly advertisementIntervalS?: number;
  readonly version: string;
  /** Answers upcalls at real-time priority if that is allowed. */
  readonly wantsRealtime: boolean;
  /** Whoever started the agent, and keeps its descriptors. */
  readonly notifier: Notifier;
  /** Somebody has asked for the end by the API. */
  readonly onStop: () => void;
}

export interface RunningAgent {
  readonly kernel: LinuxKernel;
  readonly engine: Engine;
  /**
   * Reads the configuration file again. A file that cannot be used changes nothing and is told in the log.
   *
   * @returns whether it was used.
   */
  reload(): boolean;
  /** Ends: the socket goes, then everything that the kernel holds for the table; its keeper lets go of it too. */
  stop(): Promise<void>;
  /** Ends and leaves everything in the kernel as it is, for the agent that comes next. */
  leave(): Promise<void>;
}

/** Time between two comparisons of the kernel with what it should hold, in ms. */
const AUDIT_INTERVAL_MS = 60_000;

/** With more wishes the start may take longer than whoever started us waits: 45 s for half a million. */
const MANY_WISHES = 50_000;
const TAKE_OVER_LIMIT_MS = 20 * 60_000;

/** Some thread may do more or less than an agent's may; `findings` says which. */
export class PrivilegeError extends Error {
  readonly code = 'WRONG_PRIVILEGES';
  readonly findings: readonly PrivilegeFinding[];

  constructor(findings: readonly PrivilegeFinding[]) {
    super("a thread has other privileges than CAP_NET_ADMIN: start 'mcroute-agent' from bin/, which drops all others");
    this.findings = findings;
  }
}

/**
 * Opens the kernel, starts the engine and serves. If a later step fails, what was opened is closed again: the kernel then
 * keeps the table exactly as long as somebody else has its sockets.
 */
export async function startAgent(options: AgentOptions, log: Logger): Promise<RunningAgent> {
  const { notifier } = options;
  const { file } = options;
  const saved = await openState(options, log);
  const revision = firstRevision(saved);
  const { changes, wishes } = openChanges({ ...options, firstRevision: revision }, saved, log);
  const signalling = signallingSockets(options.handedOver);
  const kernel = openLinuxKernel({
    ...options,
    handedOver: options.handedOver.filter((named) => !signalling.includes(named)),
    keep: (name, fds) => {
      notifier.keep(name, fds);
    },
  });
  // All threads are there by now, and those that come have the privileges of their maker.
  const findings = findWrongPrivileges();
  if (findings.length > 0) {
    kernel.close();
    throw new PrivilegeError(findings);
  }
  const engine = new Engine(kernel, {
    ...options,
    firstRevision: revision,
    journal: changes,
  });
  engine.onNote((note) => {
    logNote(log, note);
  });
  const hook = options.hook === undefined ? undefined : openHook(options.hook, log);
  if (hook !== undefined) {
    engine.onInstalled((flows) => {
      hook.onInstalled(flows);
    });
  }
  const protocols = new LinkProtocols({ sockets: adoptSignallingSockets(loadNative(), signalling) });
  followLinks(engine, protocols, options.advertisementIntervalS ?? ADVERTISEMENT_INTERVAL_S.default);
  const reloads = file && new FileReload(file, engine, log, { hook, onReloaded: options.onReloaded });
  let server: RunningServer;
  let sessions: Sessions;
  try {
    sessions = openSessions(options, engine, () => changes.settled(), log);
    const content = file?.load();
    const owned = file?.owned(kernel.listLinks().map(({ name }) => name)) ?? [];
    const all = [...savedWishes(saved, file !== undefined), ...owned];
    // Reading back what the kernel holds takes a time that grows with the square of its entries.
    if (all.length > MANY_WISHES) notifier.needsTime(TAKE_OVER_LIMIT_MS);
    engine.start(all);
    if (content !== undefined) reloads?.logContent(content, owned.length);
    engine.onNames(() => {
      file?.refresh(engine);
    });
    wishes?.attach(withHistory(engine, changes));
    await changes.start(engine);
    await sessions.start();
    const watchers = new Watchers(engine);
    server = await serve(options.socket, {
      engine,
      changes,
      watchers,
      sessions,
      linkProtocols: protocols,
      version: options.version,
      commandOwner: options.commandOwner ?? COMMAND_OWNER,
      isRealtime: kernel.isRealtime,
      settled: () => changes.settled(),
      reload: reloads && ((request) => reloads.reload(request)),
      stop: options.onStop,
      onBug: (error, method) => {
        log.error({ err: error, method }, 'a request failed because of a bug');
      },
    });
  } catch (error) {
    protocols.close();
    engine.stop({ keepsForwarding: notifier.isHeard });
    throw error;
  }
  hook?.onReload();
  const timers = startTimers(engine, options.cacheTimeoutMs, notifier);
  const end = async (keepsForwarding: boolean) => {
    for (const timer of timers) clearInterval(timer);
    hook?.close();
    await sessions.close();
    await server.stop();
    changes.close();
    await wishes?.close();
    await changes.history.close();
    if (keepsForwarding) protocols.close();
    else protocols.stop();
    engine.stop({ keepsForwarding });
    if (!keepsForwarding) for (const name of kernel.keptNames) notifier.release(name);
    await notifier.flushed();
  };
  return {
    kernel,
    engine,
    reload: () => reloads?.tryReload() ?? false,
    stop: () => end(false),
    leave: () => end(true),
  };
}

/** Has the protocols of links do what owners want, now and whenever that or the links change. */
function followLinks(engine: Engine, protocols: LinkProtocols, intervalS: number): void {
  const { families } = engine;
  engine.onInterfaces(() => {
    const wishes = engine.signallingLinks();
    protocols.setQueriers(queriersOf(wishes, families));
    protocols.setAdvertisers(advertisersOf(wishes, families, intervalS));
    engine.setOwnJoins(protocols.neededJoins());
  });
}

function startTimers(engine: Engine, cacheTimeoutMs: number, notifier: Notifier): NodeJS.Timeout[] {
  const timers = [
    setInterval(
      paced(
        () => {
          engine.audit();
        },
        () => performance.now(),
      ),
      AUDIT_INTERVAL_MS,
    ),
  ];
  if (cacheTimeoutMs > 0) {
    const interval = idleCheckIntervalMs(cacheTimeoutMs);
    timers.push(
      setInterval(() => {
        engine.expireIdle(performance.now());
      }, interval),
    );
  }
  const watchdogMs = watchdogTimeoutMs(process.env);
  if (watchdogMs !== undefined) {
    // Half of it, as sd_watchdog_enabled(3) advises.
    timers.push(
      setInterval(() => {
        notifier.alive();
      }, watchdogMs / 2),
    );
  }
  return timers;
}

/** A path without a slash is one of the working directory, not of PATH, as with smcrouted. */
function openHook(path: string, log: Logger): Hook {
  const command = resolve(path);
  return new Hook({
    command,
    spawn: hookSpawner(command, process.env),
    onNote: (note) => {
      logHookNote(log, note);
    },
  });
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

function logHookNote(log: Logger, { note, level, ...fields }: HookNote): void {
  log[level](fields, note);
}
