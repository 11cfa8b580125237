// A gRPC service on a unix socket, with health and reflection: what an agent and the supervisor have in common.
import { chmodSync, chownSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { dirname } from 'node:path';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { MESSAGE_MAX } from '../model/limits.js';
import { Health, addReflection } from './standard-services.js';

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

/** Where a service is: the path of its socket, or a socket that listens already and that somebody else removes. */
export type ServedSocket = string | { readonly fd: number };

/** What is served. */
export interface SocketService {
  /** Such as `mcroute.v1.RoutingService`; its health has this name. */
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  /** Left out: its user and group. */
  readonly access?: SocketAccess | undefined;
  /** How another socket is chosen, such as `choose another --socket`. */
  readonly cure: string;
  /** Ends the streams that would not end by themselves; called when the server stops. */
  readonly endStreams: () => void;
}

/** Who may use a socket that is made. */
export interface SocketAccess {
  /** Its owner, by id; undefined: the user of this process. The group has no access. */
  readonly onlyUser: number | undefined;
}

export interface RunningServer {
  /** Stops taking calls, gives those that are open a moment, and removes the socket. */
  stop(): Promise<void>;
}

/**
 * Serves on a unix socket. One that is made gets mode 0660, or 0600 for one user, and a socket that a dead program left is removed first.
 *
 * @throws SocketError
 */
export async function serveOnSocket(socket: ServedSocket, service: SocketService): Promise<RunningServer> {
  const { name, cure } = service;
  if (typeof socket === 'string') await clearStaleSocket(socket, cure);
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_MAX,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': 1_024,
    // Finds clients that are gone without a word, so that their watches end.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
  });
  server.addService(service.definition, service.handlers);
  const health = new Health();
  for (const service of ['', name]) health.set(service, 'SERVING');
  health.addTo(server);
  addReflection(server);
  const stopListening = typeof socket === 'string' ? await bind(server, socket, service) : await accept(server, socket);
  return {
    stop: async () => {
      stopListening();
      for (const service of ['', name]) health.set(service, 'NOT_SERVING');
      service.endStreams();
      await shutDown(server);
    },
  };
}

/** Whether a program takes connections at the socket. */
export function answersAt(path: string): Promise<boolean> {
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

/** Gives what ends the listening before the server stops. */
type StopListening = () => void;

async function bind(server: Server, path: string, { cure, access }: SocketService): Promise<StopListening> {
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(bindError(path, cure, error));
    });
  });
  try {
    // In this order: without CAP_FOWNER root cannot change the mode of another's socket.
    chmodSync(path, access === undefined ? 0o660 : 0o600);
    if (access?.onlyUser !== undefined) chownSync(path, access.onlyUser, -1);
  } catch (error) {
    server.forceShutdown();
    throw error;
  }
  // The server closes what it has bound.
  return () => undefined;
}

/** grpc-js binds paths only, but takes connections that others have accepted. */
async function accept(server: Server, { fd }: { readonly fd: number }): Promise<StopListening> {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = createServer((connection) => {
    injector.injectConnection(connection);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ fd }, resolve);
  });
  return () => {
    listener.close();
  };
}

function bindError(path: string, cure: string, error: Error): SocketError {
  return new SocketError(
    'SOCKET_PERMISSION',
    `cannot serve on '${path}' (${error.message}): is '${dirname(path)}' there, and may this user write there? Make it, or ${cure}`,
    error,
  );
}

/** Removes the socket of a program that was killed, as grpc-js and Node do not. One that answers is in use. @throws SocketError */
export async function clearStaleSocket(path: string, cure: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) {
    throw new SocketError('SOCKET_PATH', `'${path}' is longer than ${SOCKET_PATH_MAX} bytes: ${cure}, a shorter one`);
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new SocketError('SOCKET_PATH', `'${path}' is there and not a socket: remove it, or ${cure}`);
  }
  if (await answersAt(path)) {
    throw new SocketError('SOCKET_IN_USE', `another program serves on '${path}': stop it, or ${cure}`);
  }
  try {
    unlinkSync(path);
  } catch (error) {
    throw new SocketError('SOCKET_PERMISSION', `cannot remove the old socket '${path}': remove it as root`, error);
  }
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
