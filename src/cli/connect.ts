// Which agent is meant, and calls to it: every failure becomes an error that says what to do.
import { readdirSync, statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import type { CallOptions, ClientReadableStream, ClientWritableStream, ServiceError } from '@grpc/grpc-js';
import { connectToSocket, deadlineAfter, messages, unary } from '../api/client.js';
import type { RoutingServiceClient } from '../api/generated/mcroute/v1/RoutingService.js';
import { ApiError, DETAILS_TRAILER } from '../api/status.js';
import { TABLE_ID_MAX, TABLE_ID_MIN } from '../model/limits.js';
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

/** What a unary call and an upload are ended with. */
export type Callback<Reply> = (error: ServiceError | null, reply?: Reply) => void;

/** Starts a unary call. */
export type Ask<Reply> = (client: RoutingServiceClient, options: CallOptions, callback: Callback<Reply>) => unknown;

/** An agent that can be asked. */
export interface Agent extends Disposable {
  /** Field 1 of every request. */
  readonly table: number;
  /** Calls a unary method. */
  ask<Reply>(start: Ask<Reply>): Promise<Reply>;
  /** Reads a server stream that ends. */
  read<Message>(
    start: (client: RoutingServiceClient, options: CallOptions) => ClientReadableStream<Message>,
  ): AsyncGenerator<Message>;
  /** Reads a server stream that does not end, without a deadline, until the signal. */
  follow<Message>(
    start: (client: RoutingServiceClient) => ClientReadableStream<Message>,
    signal: AbortSignal,
  ): AsyncGenerator<Message>;
  /** Sends a client stream with back pressure. */
  send<Request, Reply>(
    start: (
      client: RoutingServiceClient,
      options: CallOptions,
      callback: Callback<Reply>,
    ) => ClientWritableStream<Request>,
    requests: Iterable<Request>,
  ): Promise<Reply>;
}

/** Where agents have their sockets unless MCROUTE_RUNTIME_DIRECTORY says otherwise. */
const RUNTIME_DIRECTORY = '/run/mcroute';

/** Longest path of a unix socket (`sun_path` less the final zero), in bytes. */
const SOCKET_PATH_MAX = 107;

/** Sockets that a message lists. */
const SOCKETS_LISTED_MAX = 20;

/**
 * Finds the socket. Options go before the environment, and a path before a table's number.
 *
 * @throws CliError USAGE or BAD_ENVIRONMENT if a value cannot be; ApiError AGENT_UNAVAILABLE if nothing tells the agent.
 */
export function findEndpoint(
  options: { readonly socket?: string; readonly table?: number },
  environment: Environment,
): Endpoint {
  const directory = valueOf(environment, 'MCROUTE_RUNTIME_DIRECTORY') ?? RUNTIME_DIRECTORY;
  const socketOf = (table: number) => join(directory, `${table}.sock`);
  if (options.socket !== undefined) {
    return { path: checkSocketPath(options.socket, '--socket', 'USAGE'), table: options.table ?? 0, directory };
  }
  if (options.table !== undefined) {
    const path = checkSocketPath(socketOf(options.table), 'MCROUTE_RUNTIME_DIRECTORY', 'BAD_ENVIRONMENT');
    return { path, table: options.table, directory };
  }
  const table = tableOfEnvironment(environment);
  const socket = valueOf(environment, 'MCROUTE_SOCKET') ?? (table === undefined ? undefined : socketOf(table));
  if (socket === undefined) {
    throw new ApiError('AGENT_UNAVAILABLE', 'no table is given', {
      metadata: { cure: `give one with --table N, or a socket with --socket PATH\n${presentText(directory)}` },
    });
  }
  return { path: checkSocketPath(socket, 'MCROUTE_SOCKET', 'BAD_ENVIRONMENT'), table: table ?? 0, directory };
}

/** Parses a table's number; undefined if the text is none. */
export function parseTable(text: string): number | undefined {
  const value = /^\d{1,8}$/.test(text) ? Number(text) : 0;
  return value >= TABLE_ID_MIN && value <= TABLE_ID_MAX ? value : undefined;
}

/** Opens the connection; the socket is tried with the first call. Every call but `follow` takes `timeoutMs` at most. */
export function openAgent(endpoint: Endpoint, timeoutMs: number): Agent {
  const connection = connectToSocket(endpoint.path);
  const { client } = connection;
  const options = (): CallOptions => ({ deadline: deadlineAfter(timeoutMs) });
  const explain = (error: unknown) => explainFailure(error, endpoint, timeoutMs);
  return {
    table: endpoint.table,
    ask: async <Reply>(start: Ask<Reply>) => {
      try {
        return await unary<Reply>((callback) => start(client, options(), callback));
      } catch (error) {
        throw explain(error);
      }
    },
    read: (start) => explained(messages(start(client, options())), explain),
    follow: (start, signal) => explained(followed(start(client), signal), explain),
    send: async (start, requests) => {
      try {
        return await upload((callback) => start(client, options(), callback), requests);
      } catch (error) {
        throw explain(error);
      }
    },
    [Symbol.dispose]: () => {
      connection[Symbol.dispose]();
    },
  };
}

// Canonical codes (google.rpc.Code) that have no reason of the API.
const CODE_CANCELLED = 1;
const CODE_DEADLINE_EXCEEDED = 4;
const CODE_PERMISSION_DENIED = 7;
const CODE_UNAUTHENTICATED = 16;

function tableOfEnvironment(environment: Environment): number | undefined {
  const text = valueOf(environment, 'MCROUTE_TABLE');
  if (text === undefined) return undefined;
  const table = parseTable(text);
  if (table !== undefined) return table;
  throw new CliError('BAD_ENVIRONMENT', `MCROUTE_TABLE: '${text}' is not a table: ${TABLE_ID_MIN} to ${TABLE_ID_MAX}`);
}

/** A variable's value; undefined where it is empty, which unsets it. */
function valueOf(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}

function checkSocketPath(path: string, origin: string, complaint: Complaint): string {
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

async function* explained<Message>(
  stream: AsyncGenerator<Message>,
  explain: (error: unknown) => unknown,
): AsyncGenerator<Message> {
  try {
    yield* stream;
  } catch (error) {
    throw explain(error);
  }
}

async function* followed<Message>(stream: ClientReadableStream<Message>, signal: AbortSignal): AsyncGenerator<Message> {
  const cancel = () => {
    stream.cancel();
  };
  signal.addEventListener('abort', cancel);
  try {
    yield* messages(stream);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

async function upload<Request, Reply>(
  start: (callback: Callback<Reply>) => ClientWritableStream<Request>,
  requests: Iterable<Request>,
): Promise<Reply> {
  const { stream, reply } = begin(start);
  // A call that has failed makes no more room: without this the loop would wait for ever.
  const progress = { isOver: false };
  const end = () => {
    progress.isOver = true;
  };
  const over = reply.then(end, end);
  for (const request of requests) {
    if (!stream.write(request)) await Promise.race([drained(stream), over]);
    if (progress.isOver) break;
  }
  stream.end();
  return reply;
}

/** Starts an upload; `unary` calls its function at once. */
function begin<Request, Reply>(
  start: (callback: Callback<Reply>) => ClientWritableStream<Request>,
): { readonly stream: ClientWritableStream<Request>; readonly reply: Promise<Reply> } {
  const streams: ClientWritableStream<Request>[] = [];
  const reply = unary<Reply>((callback) => streams.push(start(callback)));
  const [stream] = streams;
  if (stream === undefined) throw new Error('the upload was not started');
  return { stream, reply };
}

function drained<Request>(stream: ClientWritableStream<Request>): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve);
  });
}

/** Says where the agent was sought and how it can be reached; leaves what the agent itself answered as it is. */
function explainFailure(error: unknown, endpoint: Endpoint, timeoutMs: number): unknown {
  if (!(error instanceof ApiError) || !isServiceError(error.cause)) return error;
  const { cause } = error;
  switch (cause.code as number) {
    case CODE_DEADLINE_EXCEEDED:
      return new CliError(
        'TIMEOUT',
        `no answer from ${endpoint.path} within ${timeoutMs / 1000} s`,
        ['the agent is busy or hangs: try again, with more time (--timeout SECONDS), and see its log'],
        error,
      );
    case CODE_PERMISSION_DENIED:
    case CODE_UNAUTHENTICATED:
      return new CliError('PERMISSION', error.message, ['ask who runs this host for the right to do this'], error);
    case CODE_CANCELLED:
      // This side cancels only what it no longer reads: the agent has ended.
      return unavailable(endpoint, 'it has ended the call', error);
    default:
      if (error.reason !== 'AGENT_UNAVAILABLE' || cause.metadata.get(DETAILS_TRAILER).length > 0) return error;
      return explainUnreachable(endpoint, cause.details, error);
  }
}

function explainUnreachable(endpoint: Endpoint, details: string, cause: ApiError): unknown {
  if (/EACCES|EPERM/.test(details)) {
    return new CliError(
      'PERMISSION',
      `${endpoint.path}: no permission to use this socket`,
      ['use sudo, or let an administrator add you to the group of the socket (see `ls -l`)'],
      cause,
    );
  }
  return unavailable(endpoint, stateOfSocket(endpoint.path, details), cause);
}

function unavailable(endpoint: Endpoint, why: string, cause: ApiError): ApiError {
  const { path, table, directory } = endpoint;
  const start =
    table === 0 ? 'start the agent' : `start the agent of table ${table}: systemctl start mcroute-agent@${table}`;
  return new ApiError('AGENT_UNAVAILABLE', `no agent answers at ${path}: ${why}`, {
    metadata: { cure: `${start}\n${presentText(directory)}` },
    cause,
  });
}

function stateOfSocket(path: string, details: string): string {
  try {
    if (!statSync(path).isSocket()) return 'this is not a socket';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'there is no such socket' : message;
  }
  return details.includes('ECONNREFUSED') ? 'the socket is left over from an agent that has ended' : details;
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

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'metadata' in error && 'details' in error && 'code' in error;
}
