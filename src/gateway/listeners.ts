// Listens on unix sockets and TCP ports, finds out who connects, and makes connections of them.
import { X509Certificate } from 'node:crypto';
import { constants } from 'node:crypto';
import { chmodSync, statSync } from 'node:fs';
import { type Server, type Socket, createServer } from 'node:net';
import { type TLSSocket, type Server as TlsServer, createServer as createTls } from 'node:tls';
import { setImmediate } from 'node:timers/promises';
import { clearStaleSocket } from '../api/unix-server.js';
import type { Logger } from '../runtime/log.js';
import { loadAddon } from '../runtime/native.js';
import type { Admission, Admitted } from './admission.js';
import type { ServerContext } from './certificate-check.js';
import { type ClientCheck, acceptsOthers, openClientCheck } from './client-check.js';
import { type ListenerConfiguration, listenerName } from './configuration.js';
import { type Caller, Connection, type ConnectionContext } from './connection.js';
import { type IdentitySource, identityOf } from './identity.js';
import { LOOPBACK_IDENTITY, namedPeer, unixPeer } from './peer.js';
import { explainRefusal } from './refusal.js';
import type { Strangers } from './strangers.js';

/** Time that a TLS handshake may take, in ms. */
const HANDSHAKE_MS = 5_000;

/** How clients' certificates are asked for. */
export interface TlsSettings {
  readonly context: ServerContext;
  readonly sources: readonly IdentitySource[];
}

export interface ListenerContext {
  readonly log: Logger;
  readonly admission: Admission;
  readonly strangers: Strangers;
  readonly connectionContext: ConnectionContext;
}

interface Listener {
  readonly configuration: ListenerConfiguration;
  readonly server: Server;
  readonly tls: TlsServer | undefined;
  readonly connections: Set<Connection>;
}

/** A listener as people are told of it. */
export interface ListenerView {
  readonly address: string;
  readonly tls: boolean;
  readonly connections: number;
}

/** Extended TLS options: nothing is resumed, so that each connection is checked by the CAs and lists of now. */
const TLS_OPTIONS = {
  minVersion: 'TLSv1.3',
  ALPNProtocols: ['h2'],
  requestCert: true,
  // Who shows no good certificate is told why, in the answer to its call.
  rejectUnauthorized: false,
  handshakeTimeout: HANDSHAKE_MS,
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
} as const;

export class Listeners {
  readonly #context: ListenerContext;
  readonly #listeners = new Map<string, Listener>();
  /** Also those of listeners that are there no more. */
  readonly #connections = new Set<Connection>();
  #tls: TlsSettings | undefined;
  /** For those who began their handshake before the last change of who is let in; undefined if there are none of them. */
  #lateCheck: Promise<ClientCheck> | undefined;

  constructor(context: ListenerContext) {
    this.#context = context;
  }

  list(): readonly ListenerView[] {
    return [...this.#listeners].map(([address, { tls, connections }]) => ({
      address,
      tls: tls !== undefined,
      connections: connections.size,
    }));
  }

  connections(): Iterable<Connection> {
    return this.#connections;
  }

  /** The group of the first unix socket; undefined if there is none. */
  get socketGroup(): number | undefined {
    for (const { configuration } of this.#listeners.values()) {
      if (configuration.kind === 'unix') return statSync(configuration.path, { throwIfNoEntry: false })?.gid;
    }
    return undefined;
  }

  /**
   * Shows and asks for these certificates from now on. Who is connected may end its calls, and connects again for the next;
   * who would not be let in any more is told so at once.
   */
  setTls(tls: TlsSettings | undefined): void {
    const before = this.#tls;
    this.#tls = tls;
    for (const { tls: server, connections } of this.#listeners.values()) {
      if (server === undefined || tls === undefined) continue;
      server.setSecureContext({ ...TLS_OPTIONS, ...tls.context });
      for (const connection of connections) connection.drain();
    }
    if (before !== undefined && tls !== undefined && acceptsOthers(before.context, tls.context)) {
      void this.#checkAll(openClientCheck(tls.context, this.#context.log));
    }
  }

  /**
   * Listens where the configuration says, and nowhere else. Connections of what is not there any more end when their calls
   * have.
   *
   * @throws SocketError, or the system's error. What listened before goes on.
   */
  async configure(configurations: readonly ListenerConfiguration[]): Promise<void> {
    const wanted = new Map(configurations.map((one) => [keyOf(one), one]));
    for (const [name, listener] of this.#listeners) {
      if (wanted.has(keyOf(listener.configuration))) wanted.delete(keyOf(listener.configuration));
      else this.#close(name, listener);
    }
    for (const configuration of wanted.values()) await this.#open(configuration);
  }

  /** Listens no more; connections take no more calls. */
  stop(): void {
    for (const [name, listener] of this.#listeners) this.#close(name, listener);
  }

  /** Never rejects. */
  async #checkAll(opening: Promise<ClientCheck>): Promise<void> {
    this.#lateCheck = opening;
    setTimeout(() => {
      if (this.#lateCheck === opening) this.#lateCheck = undefined;
    }, HANDSHAKE_MS).unref();
    const connections = [...this.connections()];
    const check = await opening;
    for (const connection of connections) {
      await this.#check(connection, check);
      // Signatures take a while where many are connected, and others wait meanwhile.
      await setImmediate();
    }
  }

  async #check(connection: Connection, check: ClientCheck): Promise<void> {
    const { caller } = connection;
    if ('refusal' in caller || caller.tls === undefined) return;
    const why = await check(caller.tls);
    if (why === undefined) return;
    this.#context.strangers.revoke(caller.peer.address, why, caller.peer.identity);
    connection.revoke(why);
  }

  #close(name: string, { server, connections }: Listener): void {
    this.#listeners.delete(name);
    // Of a unix socket the path goes too.
    server.close();
    for (const connection of connections) connection.drain();
  }

  async #open(configuration: ListenerConfiguration): Promise<void> {
    const isTls = configuration.kind === 'tcp' && !configuration.isPlaintext;
    const tls = isTls ? createTls({ ...TLS_OPTIONS, ...this.#tls?.context }) : undefined;
    // A server is told of connections only by us, who look first whether there are too many.
    const server = createServer({ noDelay: true });
    const listener: Listener = { configuration, server, tls, connections: new Set() };
    if (tls !== undefined) this.#serveTls(tls, listener);
    server.on('connection', (socket) => {
      this.#onConnection(socket, listener);
    });
    await listen(server, configuration);
    server.on('error', (error) => {
      this.#context.log.error({ err: error, listener: listenerName(configuration) }, 'a listener failed');
    });
    this.#listeners.set(listenerName(configuration), listener);
    this.#context.log.info({ listener: listenerName(configuration) }, 'listening');
  }

  #onConnection(socket: Socket, listener: Listener): void {
    // Until somebody else listens.
    socket.on('error', () => undefined);
    const { configuration } = listener;
    const { admission, strangers } = this.#context;
    const isUnix = configuration.kind === 'unix';
    const address = isUnix ? 'unix' : addressOf(socket);
    const admitted = admission.enter(isUnix ? undefined : (socket.remoteAddress ?? ''), () => {
      strangers.fail(socket, new Error('others came, and there are too many connections'));
      socket.destroy();
    });
    if (admitted === undefined) {
      socket.destroy();
      strangers.refuse(address, 'there are too many connections');
      return;
    }
    socket.once('close', () => {
      admitted.leave();
    });
    if (listener.tls !== undefined) {
      strangers.expect(socket, address, admitted);
      listener.tls.emit('connection', socket);
      return;
    }
    const peer = isUnix ? unixPeerOf(socket) : namedPeer(LOOPBACK_IDENTITY, address);
    if (peer !== undefined) this.#connect(socket, { peer, validToMs: undefined }, listener, admitted, address);
    else socket.destroy();
  }

  #serveTls(tls: TlsServer, listener: Listener): void {
    const { strangers } = this.#context;
    tls.on('tlsClientError', (error, socket) => {
      strangers.fail(socket, error);
      // Node closes it after all errors but one: that the handshake takes too long.
      socket.destroy();
    });
    tls.on('secureConnection', (socket) => {
      socket.on('error', () => undefined);
      const stranger = strangers.arrive(socket);
      if (stranger === undefined || socket.alpnProtocol !== 'h2') {
        if (stranger !== undefined) strangers.refuse(stranger.address, 'it does not speak HTTP/2 (ALPN h2)');
        socket.destroy();
        return;
      }
      const caller = this.#callerOf(socket, stranger.address);
      this.#connect(socket, caller, listener, stranger.admitted, stranger.address);
    });
  }

  /** Whose certificate it is, or why it is refused. */
  #callerOf(socket: TLSSocket, address: string): Caller {
    const shown = socket.getPeerX509Certificate();
    const certificate = shown === undefined ? undefined : new X509Certificate(shown.raw);
    if (!socket.authorized || certificate === undefined) {
      // The types have an error here; it is the name of one.
      const reason = String(socket.authorizationError);
      return { refusal: explainRefusal(reason, certificate, new Date()) };
    }
    const found = identityOf(certificate, this.#tls?.sources ?? []);
    if ('refusal' in found) return found;
    return { peer: namedPeer(found.identity, address), validToMs: Date.parse(certificate.validTo), tls: socket };
  }

  #connect(socket: Socket, caller: Caller, listener: Listener, admitted: Admitted, address: string): void {
    const { strangers, connectionContext } = this.#context;
    if ('refusal' in caller) {
      strangers.refuse(address, caller.refusal);
    } else if (!admitted.identify(caller.peer.identity)) {
      strangers.refuse(address, 'there are too many connections', caller.peer.identity);
      socket.destroy();
      return;
    }
    const connection: Connection = new Connection(socket, caller, connectionContext, () => {
      listener.connections.delete(connection);
      this.#connections.delete(connection);
    });
    listener.connections.add(connection);
    this.#connections.add(connection);
    void this.#lateCheck?.then((check) => this.#check(connection, check));
  }
}

function keyOf(configuration: ListenerConfiguration): string {
  return JSON.stringify(configuration);
}

async function listen(server: Server, configuration: ListenerConfiguration): Promise<void> {
  const isUnix = configuration.kind === 'unix';
  if (isUnix) await clearStaleSocket(configuration.path, "name another in 'listen'");
  // Nobody else may connect before the mode is set.
  const umask = isUnix ? process.umask(0o177) : undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(isUnix ? { path: configuration.path } : configuration, () => {
        server.off('error', reject);
        resolve();
      });
      // listen() has bound it by now, though it tells later.
    });
  } finally {
    if (umask !== undefined) process.umask(umask);
  }
  if (isUnix) chmodSync(configuration.path, configuration.mode);
}

function addressOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  const plain = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
  return `${plain.includes(':') ? `[${plain}]` : plain}:${remotePort}`;
}

/** Undefined if it has gone by now. */
function unixPeerOf(socket: Socket): ReturnType<typeof unixPeer> | undefined {
  // Node has no other way to the descriptor of a socket.
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd: number } | null };
  if (handle === null || handle.fd < 0) return undefined;
  const { uid, gids } = loadAddon().peerCredentials(handle.fd);
  return unixPeer(uid, gids);
}
