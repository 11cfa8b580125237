// Calls to a program, on this host or another: every failure becomes an error that says what to do.
import { statSync } from 'node:fs';
import type { CallOptions, ClientReadableStream, ClientWritableStream, ServiceError } from '@grpc/grpc-js';
import { deadlineAfter, messages, unary } from '../api/client.js';
import { ApiError, DETAILS_TRAILER } from '../api/status.js';
import { CliError } from './errors.js';

/** What a unary call and an upload are ended with. */
export type Callback<Reply> = (error: ServiceError | null, reply?: Reply) => void;

/** Starts a unary call. */
export type Ask<Client, Reply> = (client: Client, options: CallOptions, callback: Callback<Reply>) => unknown;

/** A program that can be asked. Every call but `follow` has a deadline. */
export interface Channel<Client> extends Disposable {
  /** Calls a unary method. */
  ask<Reply>(start: Ask<Client, Reply>): Promise<Reply>;
  /** Reads a server stream that ends. */
  read<Message>(
    start: (client: Client, options: CallOptions) => ClientReadableStream<Message>,
  ): AsyncGenerator<Message>;
  /** Reads a server stream that does not end, without a deadline, until the signal. */
  follow<Message>(
    start: (client: Client) => ClientReadableStream<Message>,
    signal: AbortSignal,
  ): AsyncGenerator<Message>;
  /** Sends a client stream with back pressure. */
  send<Request, Reply>(
    start: (client: Client, options: CallOptions, callback: Callback<Reply>) => ClientWritableStream<Request>,
    requests: Iterable<Request>,
  ): Promise<Reply>;
}

/** Who is at the other end, for the words of errors. */
export interface Server {
  /** Where it is, for people: the path of a socket, or a host. */
  readonly path: string;
  /** Such as `an agent`. */
  readonly noun: string;
  /** What to do when it does not answer in time. */
  readonly lateCure: string;
  /** The error when nobody answers; `why` is a part of a sentence. */
  readonly unavailable: (why: string, cause: ApiError) => ApiError;
  /** Changes what the program itself answered. */
  readonly explain?: (error: ApiError) => ApiError;
  /** Set for a program on another host, which no socket here tells of. */
  readonly remote?: {
    /** Connects, before each call. @throws what to say of a host that cannot be reached. */
    readonly connect: () => Promise<void>;
    /** Looks why calls fail; undefined if nothing is wrong with the way. */
    readonly diagnose: () => Promise<Error | undefined>;
  };
}

/** Makes calls over a connection. */
export function openChannel<Client>(
  connection: { readonly client: Client } & Disposable,
  server: Server,
  timeoutMs: number,
): Channel<Client> {
  const { client } = connection;
  const options = (): CallOptions => ({ deadline: deadlineAfter(timeoutMs) });
  const connect = async () => {
    await server.remote?.connect();
  };
  const explain = (error: unknown) => explainFailure(error, server, timeoutMs);
  return {
    ask: async <Reply>(start: Ask<Client, Reply>) => {
      await connect();
      try {
        return await unary<Reply>((callback) => start(client, options(), callback));
      } catch (error) {
        throw await explain(error);
      }
    },
    read: (start) => explained(connect, () => messages(start(client, options())), explain),
    follow: (start, signal) => explained(connect, () => followed(start(client), signal), explain),
    send: async (start, requests) => {
      await connect();
      try {
        return await upload((callback) => start(client, options(), callback), requests);
      } catch (error) {
        throw await explain(error);
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

async function* explained<Message>(
  connect: () => Promise<void>,
  start: () => AsyncGenerator<Message>,
  explain: (error: unknown) => Promise<unknown>,
): AsyncGenerator<Message> {
  await connect();
  try {
    yield* start();
  } catch (error) {
    throw await explain(error);
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

/** Says where the program was sought and how it can be reached; leaves what it itself answered as it is. */
async function explainFailure(error: unknown, server: Server, timeoutMs: number): Promise<unknown> {
  if (!(error instanceof ApiError)) return error;
  const { cause } = error;
  // What the program itself says has details.
  if (!isServiceError(cause) || cause.metadata.get(DETAILS_TRAILER).length > 0) {
    return server.explain?.(error) ?? error;
  }
  switch (cause.code as number) {
    case CODE_DEADLINE_EXCEEDED:
      return (
        (await server.remote?.diagnose()) ??
        new CliError('TIMEOUT', `no answer from ${server.path} within ${timeoutMs / 1000} s`, [server.lateCure], error)
      );
    case CODE_PERMISSION_DENIED:
    case CODE_UNAUTHENTICATED:
      return new CliError('PERMISSION', error.message, ['ask who runs this host for the right to do this'], error);
    case CODE_CANCELLED:
      // This side cancels only what it no longer reads: the program has ended.
      return server.unavailable('it has ended the call', error);
    default:
      if (error.reason !== 'AGENT_UNAVAILABLE') return server.explain?.(error) ?? error;
      if (server.remote === undefined) return explainUnreachable(server, cause.details, error);
      return (await server.remote.diagnose()) ?? server.unavailable(cause.details, error);
  }
}

function explainUnreachable(server: Server, details: string, cause: ApiError): unknown {
  if (/EACCES|EPERM/.test(details)) {
    return new CliError(
      'PERMISSION',
      `${server.path}: no permission to use this socket`,
      ['use sudo, or let an administrator add you to the group of the socket (see `ls -l`)'],
      cause,
    );
  }
  return server.unavailable(stateOfSocket(server, details), cause);
}

function stateOfSocket({ path, noun }: Server, details: string): string {
  try {
    if (!statSync(path).isSocket()) return 'this is not a socket';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'there is no such socket' : message;
  }
  return details.includes('ECONNREFUSED') ? `the socket is left over from ${noun} that has ended` : details;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'metadata' in error && 'details' in error && 'code' in error;
}
