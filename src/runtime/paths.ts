import { join } from 'node:path';

/** Directory of the agents' sockets: MCROUTE_RUNTIME_DIRECTORY, that of the unit (RUNTIME_DIRECTORY), or /run/mcroute. */
export function runtimeDirectory(environment: NodeJS.ProcessEnv): string {
  return environment['MCROUTE_RUNTIME_DIRECTORY'] ?? environment['RUNTIME_DIRECTORY'] ?? '/run/mcroute';
}

/** The socket on which the agent of a table serves. */
export function agentSocketPath(environment: NodeJS.ProcessEnv, table: number): string {
  return join(runtimeDirectory(environment), `${table}.sock`);
}
