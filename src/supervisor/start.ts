// Puts the parts of a supervisor together.
import { join } from 'node:path';
import type { RunningServer } from '../api/unix-server.js';
import type { ListenFd } from '../runtime/listen-fds.js';
import type { Logger } from '../runtime/log.js';
import { type RuntimeAddon, loadAddon } from '../runtime/native.js';
import type { Notifier } from '../runtime/notify.js';
import { gatewayDoorPath, logsDirectory, notifySocketPath, supervisorSocketPath } from '../runtime/paths.js';
import { passLog } from './child-log.js';
import type { Configuration } from './configuration.js';
import { DescriptorStore } from './descriptor-store.js';
import { Gateway, type PreparedGateway } from './gateway.js';
import { findGatewayUser, prepareGatewayFolder } from './gateway-place.js';
import { spawnGateway } from './gateway-spawn.js';
import type { LaunchContext } from './launch.js';
import { openNotifications } from './notifications.js';
import { findOrphans, removeMrules } from './reaper.js';
import { LOCK_NAME, prepareRuntimeDirectory } from './runtime-directory.js';
import type { GatewaySettings } from './settings.js';
import { agentSocket, spawnAgent } from './spawn.js';
import { Supervisor } from './supervisor.js';
import { serveTables } from './table-service.js';
import { openTablesFile } from './tables-file.js';

export interface SupervisorOptions extends Omit<LaunchContext, 'notifySocketPath' | 'agentGroup'> {
  readonly configuration: Configuration;
  /** What our keeper kept for us. */
  readonly listenFds: readonly ListenFd[];
  readonly notifier: Notifier;
}

export interface RunningSupervisor {
  readonly supervisor: Supervisor;
  readonly gateway: Gateway;
  /** Resolves when everything that was there at the beginning serves, or has failed once. */
  whenBegun(): Promise<void>;
  /** Ends the gateway and the agents, then the service. May be called again, to keep less. */
  stop(options: { readonly keepsForwarding: boolean }): Promise<void>;
}

/** Another supervisor works in the runtime directory. */
export class SupervisorRunsError extends Error {
  readonly code = 'SUPERVISOR_RUNS';
}

/** Limits of the life of an agent or the gateway, in ms. */
const LIMITS = { startMs: 60_000, stopMs: 10_000, abortMs: 5_000, flushMs: 10_000, steadyMs: 60_000 } as const;

/** Starts the agents and serves. What was opened is closed again if a later step fails. */
export async function startSupervisor(options: SupervisorOptions, log: Logger): Promise<RunningSupervisor> {
  const addon = loadAddon();
  const agentGroup = prepareRuntimeDirectory(options.runtimeDirectory, log);
  const lock = takeLock(options.runtimeDirectory, addon);
  const directory = { MCROUTE_RUNTIME_DIRECTORY: options.runtimeDirectory };
  const context: LaunchContext = { ...options, agentGroup, notifySocketPath: notifySocketPath(directory) };
  const store = new DescriptorStore(addon, options.notifier);
  const strangers = store.restore(options.listenFds);
  if (strangers.length > 0) log.warn({ names: strangers }, 'descriptors that are no table of ours were closed');
  const notifications = openNotifications(context.notifySocketPath, addon);
  const supervisor = new Supervisor({
    store,
    notifications,
    log,
    limits: LIMITS,
    spawn: (definition, kept, onExit) => spawnAgent(definition, kept, context, onExit),
    removeMrules: async (tables, netns) => {
      await removeMrules(tables, netns, log);
    },
    findOrphans: (tables) => findOrphans({ tables, runtimeDirectory: options.runtimeDirectory, netns: undefined }, log),
    passLog: (stream, agent) => {
      // It ends with the stream, and fails for nothing.
      void passLog(stream, agent, log);
    },
    socketPath: (table) => agentSocket(context, table),
    tablesFile: openTablesFile(options.stateDirectory, log),
    stateDirectory: options.stateDirectory,
  });
  const onBug = (error: unknown, method: string) => {
    log.error({ err: error, method }, 'a request failed because of a bug');
  };
  /** Without it the gateway serves what agents serve. */
  const openDoor = async (user: number | undefined): Promise<RunningServer | undefined> => {
    try {
      return await serveTables(gatewayDoorPath(directory), supervisor, { onBug, forGateway: { user } });
    } catch (error) {
      log.error({ err: error }, 'the socket of the gateway cannot be served');
      return undefined;
    }
  };
  const prepareGateway = async (settings: GatewaySettings): Promise<PreparedGateway> => {
    const { name, uid } = findGatewayUser(settings.user, log);
    prepareGatewayFolder(options.stateDirectory, uid, log);
    const logs = prepareGatewayFolder(logsDirectory(options.environment), uid, log);
    return {
      spawn: (onExit) => spawnGateway(settings, { user: name, logsDirectory: logs }, context, onExit),
      door: await openDoor(uid),
    };
  };
  const gateway = new Gateway({
    notifications,
    log,
    limits: LIMITS,
    prepare: prepareGateway,
    passLog: (stream, pid) => {
      void passLog(stream, { program: 'gateway', pid }, log);
    },
    closeDescriptor: (fd) => {
      addon.closeDescriptor(fd);
    },
  });
  const closeAll = () => {
    notifications[Symbol.dispose]();
    addon.closeDescriptor(lock);
  };
  try {
    const service = await serveTables(supervisorSocketPath(directory), supervisor, { onBug });
    supervisor.begin(options.configuration.tables);
    const begun = gateway.configure(options.configuration.gateway).then(() => gateway.whenSettled());
    let closing: Promise<void> | undefined;
    return {
      supervisor,
      gateway,
      whenBegun: async () => {
        await Promise.all([supervisor.whenBegun(), begun]);
      },
      stop: async (how) => {
        await Promise.all([supervisor.shutDown(how), gateway.shutDown()]);
        closing ??= service.stop().then(closeAll);
        await closing;
      },
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}

function takeLock(directory: string, addon: RuntimeAddon): number {
  const path = join(directory, LOCK_NAME);
  const lock = addon.lockFile(path);
  if (lock !== undefined) return lock;
  throw new SupervisorRunsError(
    `another supervisor works in ${directory}: stop it, or name another --runtime-directory`,
  );
}
