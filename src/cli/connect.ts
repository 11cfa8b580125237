// Which agent is meant, and how it is reached.
import { readdirSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { connectToSocket } from '../api/client.js';
import type { RoutingServiceClient } from '../api/generated/mcroute/v1/RoutingService.js';
import { ApiError } from '../api/status.js';
import { TABLE_ID_MAX, TABLE_ID_MIN } from '../model/limits.js';
import { isTableName, parseTableId } from '../model/table.js';
import { type Channel, openChannel } from './channel.js';
import { CliError, type Complaint } from './errors.js';

/** The socket of an agent, and the table that is meant. */
export interface Endpoint {
  readonly path: string;
  /** 0: the table of whoever answers at the socket. */
  readonly table: number;
  /** Where the agents of this host have their sockets. */
  readonly directory: string;
}

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** An agent that can be asked. */
export interface Agent extends Channel<RoutingServiceClient> {
  /** Field 1 of every request. */
  readonly table: number;
}

/** Where agents have their sockets unless MCROUTE_RUNTIME_DIRECTORY says otherwise. */
const RUNTIME_DIRECTORY = '/run/mcroute';

/** Longest path of a unix socket (`sun_path` less the final zero), in bytes. */
const SOCKET_PATH_MAX = 107;

/** Sockets that a message lists. */
const SOCKETS_LISTED_MAX = 20;

/**
 * Finds the socket. A table that is named by its name has been looked up before (`tables.ts`). Options go before the environment, and a path before a table's number.
 *
 * @throws CliError USAGE or BAD_ENVIRONMENT if a value cannot be; ApiError AGENT_UNAVAILABLE if nothing tells the agent.
 */
export function findEndpoint(
  options: { readonly socket?: string; readonly table?: number },
  environment: Environment,
): Endpoint {
  const directory = runtimeDirectory(environment);
  const socketOf = (table: number) => socketOfTable(directory, table);
  if (options.socket !== undefined) {
    return { path: checkSocketPath(options.socket, '--socket', 'USAGE'), table: options.table ?? 0, directory };
  }
  if (options.table !== undefined) {
    const path = checkSocketPath(socketOf(options.table), 'MCROUTE_RUNTIME_DIRECTORY', 'BAD_ENVIRONMENT');
    return { path, table: options.table, directory };
  }
  const table = parseTableId(valueOf(environment, 'MCROUTE_TABLE') ?? '');
  const socket = valueOf(environment, 'MCROUTE_SOCKET') ?? (table === undefined ? undefined : socketOf(table));
  if (socket === undefined) {
    throw new ApiError('AGENT_UNAVAILABLE', 'no table is given', {
      metadata: { cure: `give one with --table N, or a socket with --socket PATH\n${presentText(directory)}` },
    });
  }
  return { path: checkSocketPath(socket, 'MCROUTE_SOCKET', 'BAD_ENVIRONMENT'), table: table ?? 0, directory };
}

/** Where the sockets of this host are. */
export function runtimeDirectory(environment: Environment): string {
  return valueOf(environment, 'MCROUTE_RUNTIME_DIRECTORY') ?? RUNTIME_DIRECTORY;
}

/** Where the agent of a table serves unless it was told otherwise. */
export function socketOfTable(directory: string, table: number): string {
  return join(directory, `${table}.sock`);
}

/** Opens the connection; the socket is tried with the first call. */
export function openAgent(endpoint: Endpoint, timeoutMs: number): Agent {
  const server = {
    path: endpoint.path,
    noun: 'an agent',
    lateCure: 'the agent is busy or hangs: try again, with more time (--timeout SECONDS), and see its log',
    unavailable: (why: string, cause: ApiError) => unavailable(endpoint, why, cause),
  };
  return { table: endpoint.table, ...openChannel(connectToSocket(endpoint.path), server, timeoutMs) };
}

/** The table that the environment names, by its id or its name. @throws CliError BAD_ENVIRONMENT */
export function tableOfEnvironment(environment: Environment): number | string | undefined {
  const text = valueOf(environment, 'MCROUTE_TABLE');
  if (text === undefined) return undefined;
  const table = parseTableWord(text);
  if (table !== undefined) return table;
  throw new CliError(
    'BAD_ENVIRONMENT',
    `MCROUTE_TABLE: '${text}' is not a table: ${TABLE_ID_MIN} to ${TABLE_ID_MAX}, or a name`,
  );
}

/** Reads what stands for a table: its id, or its name; undefined if the text can be neither. */
export function parseTableWord(text: string): number | string | undefined {
  return parseTableId(text) ?? (isTableName(text) ? text : undefined);
}

/** A variable's value; undefined where it is empty, which unsets it. */
export function valueOf(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}

/** @throws CliError if no socket can have the path. */
export function checkSocketPath(path: string, origin: string, complaint: Complaint): string {
  const length = Buffer.byteLength(path);
  if (path === '') throw new CliError(complaint, `${origin}: the path of the socket is empty`);
  if (length > SOCKET_PATH_MAX) {
    throw new CliError(complaint, `${origin}: '${path}' has ${length} bytes`, [
      `the path of a unix socket has ${SOCKET_PATH_MAX} at most: use a shorter one, such as a symbolic link to its folder`,
    ]);
  }
  // A second slash at the start would be read as an authority in unix:PATH.
  return normalize(path);
}

/** Key in the metadata of the error that tells that no agent answers: the table whose agent was sought. */
const ABSENT = 'absent_table';

/** The table whose agent was sought and did not answer; undefined for any other error, or without a table. */
export function absentTable(error: unknown): number | undefined {
  const text = error instanceof ApiError ? error.metadata[ABSENT] : undefined;
  return text === undefined ? undefined : parseTableId(text);
}

/** The error, with the table whose agent was sought. */
export function withAbsentTable({ reason, message, metadata, cause }: ApiError, table: number): ApiError {
  return new ApiError(reason, message, { metadata: { ...metadata, [ABSENT]: String(table) }, cause });
}

function unavailable(endpoint: Endpoint, why: string, cause: ApiError): ApiError {
  const { path, table, directory } = endpoint;
  const start =
    table === 0 ? 'start the agent' : `start the agent of table ${table}: systemctl start mcroute-agent@${table}`;
  return new ApiError('AGENT_UNAVAILABLE', `no agent answers at ${path}: ${why}`, {
    metadata: { cure: `${start}\n${presentText(directory)}`, [ABSENT]: String(table) },
    cause,
  });
}

/** The tables whose sockets are in the directory, as options. */
function presentText(directory: string): string {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return `no agent runs on this host: there is no ${directory}`;
  }
  const tables = names.flatMap((name) => {
    const table = /^(\d{1,8})\.sock$/.exec(name)?.[1];
    return table === undefined ? [] : [Number(table)];
  });
  if (tables.length === 0) return `there is no socket in ${directory}`;
  const shown = tables.sort((a, b) => a - b).slice(0, SOCKETS_LISTED_MAX);
  const others = tables.length > shown.length ? ` and ${tables.length - shown.length} more` : '';
  return `sockets in ${directory}: ${shown.map((table) => `--table ${table}`).join(', ')}${others}`;
}
