// The line that runs the gateway, and its start.
import { launchCommand, launchEnvironment, userOption, type LaunchContext } from './launch.js';
import { type ProcessExit, type StartedProcess, startProcess } from './process.js';
import type { GatewaySettings } from './settings.js';

/** Beside what all programs get. */
export interface GatewayPlace {
  /** Who it runs as; undefined: who the launcher chooses, where that is not root. */
  readonly user: string | undefined;
  /** Where it writes its audit log. */
  readonly logsDirectory: string;
}

/**
 * Starts the gateway.
 *
 * @param onExit called once, later.
 */
export function spawnGateway(
  settings: GatewaySettings,
  place: GatewayPlace,
  context: LaunchContext,
  onExit: (exit: ProcessExit) => void,
): StartedProcess {
  const environment = {
    ...launchEnvironment(context, settings.watchdogS, []),
    MCROUTE_LOGS_DIRECTORY: place.logsDirectory,
  };
  return startProcess(gatewayCommand(settings, place, context), environment, [], onExit);
}

/** The line that runs the gateway. */
export function gatewayCommand(
  { configFile, logLevel }: GatewaySettings,
  { user }: GatewayPlace,
  context: LaunchContext,
): readonly string[] {
  const program = context.environment['MCROUTE_GATEWAY'];
  const options = ['--unprivileged', ...(user === undefined ? [] : userOption(user, context.agentGroup))];
  return [
    ...(program === undefined || program === '' ? launchCommand(context.tree, options, GATEWAY) : [program]),
    // Without a word of it, the default file may be missing.
    ...(configFile === undefined ? [] : ['--config', configFile]),
    ...['--runtime-directory', context.runtimeDirectory],
    ...['--log-level', logLevel ?? context.logLevel],
  ];
}

/** The name by which start.cjs and bin/ know the program. */
const GATEWAY = 'mcroute-gateway';
