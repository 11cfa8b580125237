// The line that runs the agent of a table, and its start.
import { join } from 'node:path';
import type { ListenFd } from '../runtime/listen-fds.js';
import { type LaunchContext, launchCommand, launchEnvironment, userOption } from './launch.js';
import { type ProcessExit, type StartedProcess, startProcess } from './process.js';
import type { TableDefinition } from './table.js';

/**
 * Starts an agent with duplicates of the descriptors, from 3 on.
 *
 * @param onExit called once, later.
 */
export function spawnAgent(
  definition: TableDefinition,
  kept: readonly ListenFd[],
  context: LaunchContext,
  onExit: (exit: ProcessExit) => void,
): StartedProcess {
  return startProcess(
    agentCommand(definition, context),
    launchEnvironment(context, definition.settings.watchdogS, kept),
    kept.map(({ fd }) => fd),
    onExit,
  );
}

/** The line that runs the agent of a table. */
export function agentCommand({ table, settings }: TableDefinition, context: LaunchContext): readonly string[] {
  const { user, netns, configFile, families, logLevel } = settings;
  const enter = netns === undefined ? [] : ['nsenter', `--net=/run/netns/${netns}`, '--'];
  const program = context.environment['MCROUTE_AGENT'];
  return [
    ...enter,
    ...(program === undefined || program === '' ? launchCommand(context.tree, LAUNCH_OPTIONS, AGENT) : [program]),
    ...['--table', String(table)],
    ...['--socket', agentSocket(context, table)],
    ...['--state-directory', context.stateDirectory],
    ...(configFile === undefined ? [] : ['--file', configFile]),
    ...(user === undefined ? [] : userOption(user, context.agentGroup)),
    ...(families.length === 0 ? [] : ['--families', families.join(',')]),
    ...['--cache-timeout', String(settings.cacheTimeoutS)],
    ...['--star-g', settings.starG],
    ...(settings.makesMrules ? [] : ['--no-mrules']),
    ...['--mrule-priority', String(settings.mrulePriority)],
    ...(settings.wantsRealtime ? [] : ['--no-realtime']),
    ...['--log-level', logLevel ?? context.logLevel],
  ];
}

/** The socket on which the agent of the table serves. */
export function agentSocket(context: Pick<LaunchContext, 'runtimeDirectory'>, table: number): string {
  return join(context.runtimeDirectory, `${table}.sock`);
}

/** The name by which start.cjs and bin/ know the program. */
const AGENT = 'mcroute-agent';

const LAUNCH_OPTIONS = ['--from-arguments', '--signalling'] as const;
