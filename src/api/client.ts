// The client side: one connection to an agent, calls as promises, streams as async iterables.
import { type ChannelOptions, type ClientReadableStream, type ServiceError, credentials } from '@grpc/grpc-js';
import { MESSAGE_MAX } from '../model/limits.js';
import type { RoutingServiceClient } from './generated/mcroute/v1/RoutingService.js';
import type { TableServiceClient } from './generated/mcroute/v1/TableService.js';
import { api } from './load.js';
import { ApiError, fromServiceError } from './status.js';

/** Replies may be larger than requests: an Apply of the most changes answers with as many entries. */
const REPLY_MAX = 16 * MESSAGE_MAX;

/** Channel options of every client. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.max_receive_message_length': REPLY_MAX,
  'grpc.max_send_message_length': -1,
  // A socket of this host answers or refuses at once: nothing is spared by waiting for long, as it is for hosts far away.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

/** A connection to an agent; dispose of it to let the program end. */
export interface AgentConnection extends Disposable {
  readonly client: RoutingServiceClient;
}

/** Connects to an agent's unix socket. Connecting happens with the first call. */
export function connectToSocket(path: string): AgentConnection {
  const { RoutingService } = api().mcroute.v1;
  const client = new RoutingService(`unix:${path}`, credentials.createInsecure(), CHANNEL_OPTIONS);
  return {
    client,
    [Symbol.dispose]: () => {
      client.close();
    },
  };
}

/** A connection to a supervisor; dispose of it to let the program end. */
export interface SupervisorConnection extends Disposable {
  readonly client: TableServiceClient;
}

/** Connects to the supervisor's unix socket. Connecting happens with the first call. */
export function connectToSupervisor(path: string): SupervisorConnection {
  const { TableService } = api().mcroute.v1;
  const client = new TableService(`unix:${path}`, credentials.createInsecure(), CHANNEL_OPTIONS);
  return {
    client,
    [Symbol.dispose]: () => {
      client.close();
    },
  };
}

/** The moment at which a call that takes this long gives up. */
export function deadlineAfter(ms: number): Date {
  return new Date(Date.now() + ms);
}

/** Turns a unary call into a promise; a failure is an ApiError. */
export function unary<Reply>(
  start: (callback: (error: ServiceError | null, reply?: Reply) => void) => unknown,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    start((error, reply) => {
      if (error !== null) reject(fromServiceError(error));
      else if (reply === undefined) reject(new ApiError('INTERNAL', 'the reply was empty'));
      else resolve(reply);
    });
  });
}

/** Reads a server stream with back pressure; a failure is an ApiError. Leaving the loop cancels the call. */
export async function* messages<Message>(stream: ClientReadableStream<Message>): AsyncGenerator<Message> {
  try {
    for await (const message of stream) yield message as Message;
  } catch (error) {
    throw isServiceError(error) ? fromServiceError(error) : error;
  } finally {
    stream.cancel();
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'metadata' in error && 'details' in error && 'code' in error;
}
