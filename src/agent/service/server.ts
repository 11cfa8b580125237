// The gRPC server of an agent on its unix socket.
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { api, packageDefinition } from '../../api/load.js';
import { MESSAGE_MAX } from '../../model/limits.js';
import { limitedDefinition, routingService, type ServiceOptions } from './routing-service.js';

/** Bytes of a unix socket's path at most (sun_path less its final zero). */
const SOCKET_PATH_MAX = 107;

/** Time that open calls get to end when the server stops, in ms. */
const SHUTDOWN_MS = 1_000;

/** The socket cannot be served; the message has the cure. */
export class SocketError extends Error {
  readonly code: 'SOCKET_IN_USE' | 'SOCKET_PATH' | 'SOCKET_PERMISSION';

  constructor(code: SocketError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export interface RunningServer {
  /** Stops taking calls, gives those that are open a moment, and removes the socket. */
  stop(): Promise<void>;
}

/**
 * Serves RoutingService, grpc.health.v1 and reflection on a unix socket of mode 0660. A socket that a dead agent left is
 * removed first.
 *
 * @throws SocketError
 */
export async function serve(path: string, options: ServiceOptions): Promise<RunningServer> {
  await clearStaleSocket(path);
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_MAX,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': 1_024,
    // Finds clients that are gone without a word, so that their watches end.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
  });
  server.addService(limitedDefinition(api().mcroute.v1.RoutingService.service), routingService(options));
  const health = new HealthImplementation({ '': 'SERVING', 'mcroute.v1.RoutingService': 'SERVING' });
  health.addToServer(server);
  new ReflectionService(packageDefinition()).addToServer(server);
  await bind(server, path);
  chmodSync(path, 0o660);
  return {
    stop: async () => {
      health.setStatus('', 'NOT_SERVING');
      health.setStatus('mcroute.v1.RoutingService', 'NOT_SERVING');
      options.watchers.close();
      await shutDown(server);
    },
  };
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(bindError(path, error));
    });
  });
}

function bindError(path: string, error: Error): SocketError {
  return new SocketError(
    'SOCKET_PERMISSION',
    `cannot serve on '${path}' (${error.message}): is '${dirname(path)}' there, and may this user write there? Make it, or choose another --socket`,
    error,
  );
}

/** grpc-js does not remove the socket of an agent that was killed. One that answers is in use. */
async function clearStaleSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new SocketError(
      'SOCKET_PATH',
      `'${path}' is longer than ${SOCKET_PATH_MAX} bytes: choose a shorter --socket`,
    );
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new SocketError('SOCKET_PATH', `'${path}' is there and not a socket: remove it, or choose another --socket`);
  }
  if (await answers(path)) {
    throw new SocketError(
      'SOCKET_IN_USE',
      `another program serves on '${path}': stop it, or choose another --table or --socket`,
    );
  }
  try {
    unlinkSync(path);
  } catch (error) {
    throw new SocketError('SOCKET_PERMISSION', `cannot remove the old socket '${path}': remove it as root`, error);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, SHUTDOWN_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
