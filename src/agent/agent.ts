// Puts the parts of an agent together: saved wishes, kernel, engine, service, timers.
import { join, resolve } from 'node:path';
import type { Logger } from '../runtime/log.js';
import { CONFIG_OWNER } from '../model/owner.js';
import { type RuntimeAddon, loadAddon } from '../runtime/native.js';
import { type Notifier, watchdogTimeoutMs } from '../runtime/notify.js';
import { type PrivilegeFinding, findWrongPrivileges } from '../runtime/privileges.js';
import { DurableWishes } from './durable-wishes.js';
import type { FileContent, FileWishes, ReloadResult } from './file-wishes.js';
import { Engine, type EngineNote, type EngineOptions } from './engine.js';
import { Hook, type HookNote } from './hook/hook.js';
import { hookSpawner } from './hook/process.js';
import { type LinuxKernel, openLinuxKernel } from './kernel/linux-kernel.js';
import type { MrtSockets, NamedFd } from './kernel/sockets.js';
import type { OwnedResource } from './rib/rib.js';
import type { RunningServer } from './service/server.js';
import { serve } from './service/server.js';
import { Watchers } from './service/watchers.js';
import { type OpenedStore, type StoreNote, openWishStore } from './store/wish-store.js';

export interface AgentOptions extends Omit<EngineOptions, 'journal' | 'firstRevision'> {
  readonly sockets: MrtSockets;
  /** Other descriptors that an earlier agent of the table left. */
  readonly handedOver: readonly NamedFd[];
  readonly socketPath: string;
  /** Where the wishes of the table are saved; undefined: they end with the agent. */
  readonly stateDirectory: string | undefined;
  /** The configuration file, if there is to be one. */
  readonly file: FileWishes | undefined;
  /** A command to run when the configuration was loaded or a flow was learned. */
  readonly hook: string | undefined;
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

/** Idle flows are looked for this many times per timeout, and at most once a second. */
const IDLE_CHECKS_PER_TIMEOUT = 4;

/** Time between two comparisons of the kernel with what it should hold, in ms. */
const AUDIT_INTERVAL_MS = 60_000;

/** Time in which an agent before this one must have gone, in ms, and how often that is looked at. */
const LOCK_LIMIT_MS = 10_000;
const LOCK_RETRY_MS = 5;

/** Some thread may do more or less than an agent's may; `findings` says which. */
export class PrivilegeError extends Error {
  readonly code = 'WRONG_PRIVILEGES';
  readonly findings: readonly PrivilegeFinding[];

  constructor(findings: readonly PrivilegeFinding[]) {
    super("a thread has other privileges than CAP_NET_ADMIN: start 'mcroute-agent' from bin/, which drops all others");
    this.findings = findings;
  }
}

/** Another agent of the table runs, or its state cannot be reached. */
export class StateError extends Error {
  readonly code: 'TABLE_LOCKED' | 'STATE_DIRECTORY';

  constructor(code: StateError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
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
  const wishes = saved && new DurableWishes(saved.store, file && CONFIG_OWNER);
  const kernel = openLinuxKernel({
    ...options,
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
    firstRevision: firstRevision(saved),
    ...(wishes === undefined ? {} : { journal: wishes }),
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
  let server: RunningServer;
  try {
    const content = file?.load();
    const owned = file?.owned(kernel.listLinks().map(({ name }) => name)) ?? [];
    engine.start([...savedWishes(saved, file !== undefined), ...owned]);
    if (file !== undefined && content !== undefined) logContent(log, file, content, owned.length);
    engine.onNames(() => {
      file?.refresh(engine);
    });
    wishes?.attach(engine);
    const watchers = new Watchers(engine);
    server = await serve(options.socketPath, {
      engine,
      watchers,
      version: options.version,
      isRealtime: kernel.isRealtime,
      settled: async () => wishes?.settled(),
      reload: file && (() => reload(file, engine, log, hook)),
      stop: options.onStop,
      onBug: (error, method) => {
        log.error({ err: error, method }, 'a request failed because of a bug');
      },
    });
  } catch (error) {
    engine.stop({ keepsForwarding: notifier.isHeard });
    throw error;
  }
  hook?.onReload();
  const timers = startTimers(engine, options.cacheTimeoutMs, notifier);
  const end = async (keepsForwarding: boolean) => {
    for (const timer of timers) clearInterval(timer);
    hook?.close();
    await server.stop();
    await wishes?.close();
    engine.stop({ keepsForwarding });
    if (!keepsForwarding) for (const name of kernel.keptNames) notifier.release(name);
    await notifier.flushed();
  };
  return {
    kernel,
    engine,
    reload: () => file !== undefined && tryReload(file, engine, log, hook),
    stop: () => end(false),
    leave: () => end(true),
  };
}

/** What was saved, without what the configuration file says by now. */
function savedWishes(saved: OpenedStore | undefined, hasFile: boolean): readonly OwnedResource[] {
  const wishes = saved?.wishes ?? [];
  return hasFile ? wishes.filter(({ owner }) => owner !== CONFIG_OWNER) : wishes;
}

function reload(file: FileWishes, engine: Engine, log: Logger, hook: Hook | undefined): ReloadResult {
  const result = file.reload(engine);
  const { added, changed, removed, unchanged } = result.effects;
  if (result.isMissing) log.warn({ file: file.path }, 'the configuration file is not there');
  for (const text of result.fileWarnings) log.warn({ text }, 'the configuration file has a warning');
  log.info({ file: file.path, added, changed, removed, unchanged }, 'reloaded');
  hook?.onReload();
  return result;
}

function tryReload(file: FileWishes, engine: Engine, log: Logger, hook: Hook | undefined): boolean {
  try {
    reload(file, engine, log, hook);
    return true;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    log.error({ file: file.path, text }, 'the configuration file cannot be used; nothing was changed');
    return false;
  }
}

function logContent(log: Logger, file: FileWishes, { isMissing, warnings }: FileContent, resources: number): void {
  if (isMissing) log.warn({ file: file.path }, 'the configuration file is not there');
  for (const text of warnings) log.warn({ text }, 'the configuration file has a warning');
  log.info({ file: file.path, resources }, 'loaded');
}

/** Takes the table's state as the only agent that does, and reads it. */
async function openState({ stateDirectory, table }: AgentOptions, log: Logger): Promise<OpenedStore | undefined> {
  if (stateDirectory === undefined) {
    log.warn('wishes end with this agent: no --state-directory is given');
    return undefined;
  }
  await takeLock(join(stateDirectory, 'lock'), table);
  return openWishStore({
    directory: stateDirectory,
    table,
    onNote: (note) => {
      logStoreNote(log, note);
    },
  });
}

/** The lock is held until the process ends. An agent before this one may be ending. */
async function takeLock(path: string, table: number): Promise<void> {
  const addon = loadAddon();
  const end = performance.now() + LOCK_LIMIT_MS;
  while (tryLock(addon, path) === undefined) {
    if (performance.now() >= end) {
      throw new StateError(
        'TABLE_LOCKED',
        `another agent of table ${table} has '${path}': stop it (\`fuser ${path}\` finds it), or choose another --table`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
  }
}

function tryLock(addon: RuntimeAddon, path: string): number | undefined {
  try {
    return addon.lockFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StateError(
      'STATE_DIRECTORY',
      `wishes cannot be saved at '${path}' (${reason}): make its folder writable for this user, or choose another --state-directory`,
      error,
    );
  }
}

/**
 * Higher than any revision of an earlier life, of which those of states were not saved: so that a watch that resumes is
 * told that it cannot. In microseconds, of which no agent makes as many revisions in its life.
 */
function firstRevision(saved: OpenedStore | undefined): bigint {
  const now = BigInt(Date.now()) * 1_000n;
  const last = saved?.revision ?? 0n;
  return last < now ? now : last + 1n;
}

function startTimers(engine: Engine, cacheTimeoutMs: number, notifier: Notifier): NodeJS.Timeout[] {
  const timers = [
    setInterval(() => {
      engine.audit();
    }, AUDIT_INTERVAL_MS),
  ];
  if (cacheTimeoutMs > 0) {
    const interval = Math.max(1_000, cacheTimeoutMs / IDLE_CHECKS_PER_TIMEOUT);
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

function logStoreNote(log: Logger, { note, level, ...fields }: StoreNote): void {
  log[level](fields, note);
}
