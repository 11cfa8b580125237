// The supervisor of this host, and what it knows of tables.
import { join } from 'node:path';
import { connectToSupervisor } from '../api/client.js';
import type { ListTablesResponse__Output } from '../api/generated/mcroute/v1/ListTablesResponse.js';
import type { TableEntry__Output } from '../api/generated/mcroute/v1/TableEntry.js';
import type { TableServiceClient } from '../api/generated/mcroute/v1/TableService.js';
import { ApiError, type Reason } from '../api/status.js';
import { TABLE_ID_MAX, TABLE_ID_MIN } from '../model/limits.js';
import { nearestName } from '../model/spelling.js';
import { type Channel, openChannel } from './channel.js';
import { type Environment, checkSocketPath, parseTableWord, runtimeDirectory } from './connect.js';
import { CliError } from './errors.js';

/** The supervisor, as a program that can be asked. */
export type Supervisor = Channel<TableServiceClient>;

/**
 * Finds the supervisor's socket.
 *
 * @throws CliError if no socket can have the path.
 */
export function supervisorPath(socket: string | undefined, environment: Environment): string {
  if (socket !== undefined) return checkSocketPath(socket, '--socket', 'USAGE');
  const path = join(runtimeDirectory(environment), 'supervisor.sock');
  return checkSocketPath(path, 'MCROUTE_RUNTIME_DIRECTORY', 'BAD_ENVIRONMENT');
}

/** Opens the connection; the socket is tried with the first call. */
export function openSupervisor(path: string, timeoutMs: number): Supervisor {
  const server = {
    path,
    noun: 'a supervisor',
    lateCure: "the supervisor goes on with it: 'mcctl table list' tells how far it is; --timeout SECONDS waits longer",
    unavailable: (why: string, cause: ApiError) =>
      new ApiError('AGENT_UNAVAILABLE', `no supervisor answers at ${path}: ${why}`, {
        metadata: { cure: 'start it: systemctl start mcroute' },
        cause,
      }),
    explain,
  };
  return openChannel(connectToSupervisor(path), server, timeoutMs);
}

/** All tables, or the one. */
export async function listTables(supervisor: Supervisor, table = 0): Promise<readonly TableEntry__Output[]> {
  const { entries } = await supervisor.ask<ListTablesResponse__Output>((client, options, callback) =>
    client.listTables({ table }, options, callback),
  );
  return entries;
}

/**
 * The id that a person means: the id itself, or the name of a table.
 *
 * @throws CliError USAGE if it can be neither; ApiError TABLE_NOT_FOUND if no table has the name.
 */
export async function findTable(supervisor: Supervisor, word: string): Promise<number> {
  const meaning = parseTableWord(word);
  if (meaning === undefined) {
    throw new CliError('USAGE', `'${word}' is not a table: ${TABLE_ID_MIN} to ${TABLE_ID_MAX}, or a name`);
  }
  return typeof meaning === 'number' ? meaning : findNamed(supervisor, meaning);
}

/** The table with the name. @throws ApiError TABLE_NOT_FOUND */
export async function findNamed(supervisor: Supervisor, name: string): Promise<number> {
  const entries = await listTables(supervisor);
  const found = entries.find(({ settings }) => settings?.name === name);
  if (found !== undefined) return found.table;
  const names = entries.flatMap(({ settings }) => settings?.name ?? []).filter((other) => other !== '');
  const nearest = nearestName(name, names);
  const hint =
    nearest === undefined ? "'mcctl table list' has the tables and their names" : `did you mean '${nearest}'?`;
  throw new ApiError('TABLE_NOT_FOUND', `no table has the name '${name}'`, { metadata: { cure: hint } });
}

/** Cures of what the supervisor answers, where those of an agent's answers do not fit; '' where its sentence has one. */
const CURES: Readonly<Partial<Record<Reason, string>>> = {
  TABLE_NOT_FOUND: '',
  RESOURCE_LIMIT: "'mcctl table list' has the tables; delete what is no longer needed",
  AGENT_UNAVAILABLE: 'see whether the supervisor runs: systemctl status mcroute',
  MISSING_CAPABILITY: 'the supervisor needs to be root, or CAP_NET_ADMIN: start it by its service',
  INTERNAL: 'the log of the supervisor has more: journalctl -u mcroute',
};

function explain(error: ApiError): ApiError {
  const cure = CURES[error.reason];
  if (cure === undefined || error.metadata['cure'] !== undefined) return error;
  const { message, violations, metadata, cause } = error;
  return new ApiError(error.reason, message, { violations, metadata: { ...metadata, cure }, cause });
}
