import { join } from 'node:path';

/** Directory of sockets: MCROUTE_RUNTIME_DIRECTORY, that of the unit (RUNTIME_DIRECTORY), or /run/mcroute. */
export function runtimeDirectory(environment: NodeJS.ProcessEnv): string {
  return directoryOf(environment, 'RUNTIME_DIRECTORY') ?? '/run/mcroute';
}

/** Directory of what outlives the machine's sleep: MCROUTE_STATE_DIRECTORY, or that of the unit (STATE_DIRECTORY). */
export function stateDirectory(environment: NodeJS.ProcessEnv): string | undefined {
  return directoryOf(environment, 'STATE_DIRECTORY');
}

/** Directory of logs that are files: MCROUTE_LOGS_DIRECTORY, that of the unit (LOGS_DIRECTORY), or /var/log/mcroute. */
export function logsDirectory(environment: NodeJS.ProcessEnv): string {
  return directoryOf(environment, 'LOGS_DIRECTORY') ?? '/var/log/mcroute';
}

/** The socket on which the agent of a table serves. */
export function agentSocketPath(environment: NodeJS.ProcessEnv, table: number): string {
  return join(runtimeDirectory(environment), `${table}.sock`);
}

/** The socket on which the supervisor serves. */
export function supervisorSocketPath(environment: NodeJS.ProcessEnv): string {
  return join(runtimeDirectory(environment), 'supervisor.sock');
}

/** The socket on which the supervisor serves the gateway. */
export function gatewayDoorPath(environment: NodeJS.ProcessEnv): string {
  return join(runtimeDirectory(environment), 'supervisor-gateway.sock');
}

/** The socket to which agents and the gateway tell the supervisor how they are. */
export function notifySocketPath(environment: NodeJS.ProcessEnv): string {
  return join(runtimeDirectory(environment), 'notify.sock');
}

/** systemd separates several by colons (systemd.exec(5)); the first is meant. */
function directoryOf(environment: NodeJS.ProcessEnv, name: string): string | undefined {
  const own = environment[`MCROUTE_${name}`];
  if (own !== undefined && own !== '') return own;
  const [first] = (environment[name] ?? '').split(':');
  return first === '' ? undefined : first;
}
