// The client side: one connection to an agent, calls as promises, streams as async iterables.
import {
  type ChannelCredentials,
  type ChannelOptions,
  type ClientReadableStream,
  type ServiceError,
  credentials,
} from '@grpc/grpc-js';
import { MESSAGE_MAX } from '../model/limits.js';
import type { GatewayServiceClient } from './generated/mcroute/v1/GatewayService.js';
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

/** A connection to a gateway, which serves all services; dispose of it to let the program end. */
export interface GatewayConnection extends Disposable {
  readonly routing: RoutingServiceClient;
  readonly tables: TableServiceClient;
  readonly gateway: GatewayServiceClient;
}

/** Connects to a gateway: `unix:PATH` or `dns:HOST:PORT`. Connecting happens with the first call. */
export function connectToGateway(
  target: string,
  channelCredentials: ChannelCredentials,
  options: ChannelOptions = {},
): GatewayConnection {
  const { RoutingService, TableService, GatewayService } = api().mcroute.v1;
  const allOptions: ChannelOptions = {
    ...CHANNEL_OPTIONS,
    // Nobody keeps settings of clients in the DNS, and hosts of a studio are behind no proxy.
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_http_proxy': 0,
    // A watch hears nothing for long: finds out that the other side is gone without a word.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    ...options,
  };
  const routing = new RoutingService(target, channelCredentials, allOptions);
  const shared = { channelOverride: routing.getChannel() };
  return {
    routing,
    tables: new TableService(target, channelCredentials, shared),
    gateway: new GatewayService(target, channelCredentials, shared),
    [Symbol.dispose]: () => {
      routing.close();
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
