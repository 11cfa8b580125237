// Connections to those who serve: one for each socket and caller, shared by the calls of that caller, and closed when it is
// idle. Whatever a caller makes of its connection, the calls of others are on others.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type OutgoingHttpHeaders,
  connect,
  constants,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Time without a call after which a connection is closed, in ms. */
const IDLE_MS = 10_000;

/** Bytes of an answer that the server may send before the client has taken what came before. */
const WINDOW_BYTES = 128 * 1024;

/** What Node may hold for one connection, in MB; how much that is at most is for the limits of calls to say. */
const SESSION_MEMORY_MB = 1_024;

/**
 * Calls that may be cancelled on one connection. A server takes a client that cancels many for an attacker and closes its
 * connection (nghttp2, NGHTTP2_DEFAULT_STREAM_RESET_BURST: 1,000), with the calls that are still wanted.
 */
const CANCELS_MAX = 500;

/** Where a call goes: the path of a unix socket, or what opens the connection. */
export type Target = string | { readonly open: () => Duplex };

interface Upstream {
  readonly target: Target;
  readonly caller: string;
  readonly session: ClientHttp2Session;
  /** Why it failed, while or after it was connected. */
  error: Error | undefined;
  calls: number;
  cancels: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** A call that has begun. */
export interface UpstreamCall {
  readonly stream: ClientHttp2Stream;
  /** Why its connection failed, if it did. */
  readonly connectionError: () => Error | undefined;
  /** Ends it without its answer. */
  readonly cancel: () => void;
}

/** All connections. */
export class Upstreams {
  /** Those that take new calls, by target and caller. */
  readonly #upstreams = new Map<Target, Map<string, Upstream>>();
  /** Those too that take no more. */
  readonly #open = new Set<Upstream>();

  /**
   * Begins a call. It ends at once if nobody listens there.
   *
   * @param caller the identity for which it is; empty for the gateway's own
   */
  request(target: Target, caller: string, headers: OutgoingHttpHeaders): UpstreamCall {
    const upstream = this.#upstreams.get(target)?.get(caller) ?? this.#connect(target, caller);
    const stream = upstream.session.request(headers);
    upstream.calls++;
    clearTimeout(upstream.idleTimer);
    stream.once('close', () => {
      upstream.calls--;
      if (upstream.calls === 0) this.#closeWhenIdle(upstream);
    });
    let streamError: Error | undefined;
    stream.on('error', (error: Error) => {
      // The stream's own says that the connection has failed; why is its cause.
      streamError = error.cause instanceof Error ? error.cause : error;
    });
    return {
      stream,
      connectionError: () => upstream.error ?? streamError,
      cancel: () => {
        if (stream.closed || stream.destroyed) return;
        stream.close(constants.NGHTTP2_CANCEL);
        if (++upstream.cancels === CANCELS_MAX) this.#retire(upstream);
      },
    };
  }

  /** Ends all connections, and the calls on them. */
  close(): void {
    for (const { session } of [...this.#open]) session.destroy();
  }

  #connect(target: Target, caller: string): Upstream {
    const open = () => (typeof target === 'string' ? connectSocket(target) : target.open());
    const session = connect('http://localhost', {
      createConnection: open,
      maxSessionMemory: SESSION_MEMORY_MB,
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    const upstream: Upstream = {
      target,
      caller,
      session,
      error: undefined,
      calls: 0,
      cancels: 0,
      idleTimer: undefined,
    };
    const ofTarget = this.#upstreams.get(target) ?? new Map<string, Upstream>();
    this.#upstreams.set(target, ofTarget.set(caller, upstream));
    this.#open.add(upstream);
    session.once('goaway', () => {
      this.#forget(upstream);
    });
    session.once('close', () => {
      this.#open.delete(upstream);
      this.#forget(upstream);
    });
    session.on('error', (error: Error) => {
      upstream.error ??= error;
      this.#forget(upstream);
    });
    return upstream;
  }

  /** No new calls on it; those that are open may end. */
  #forget(upstream: Upstream): void {
    clearTimeout(upstream.idleTimer);
    const { target, caller } = upstream;
    const ofTarget = this.#upstreams.get(target);
    if (ofTarget?.get(caller) !== upstream) return;
    ofTarget.delete(caller);
    if (ofTarget.size === 0) this.#upstreams.delete(target);
  }

  #retire(upstream: Upstream): void {
    this.#forget(upstream);
    upstream.session.close();
  }

  #closeWhenIdle(upstream: Upstream): void {
    clearTimeout(upstream.idleTimer);
    upstream.idleTimer = setTimeout(() => {
      if (upstream.calls === 0) upstream.session.close();
    }, IDLE_MS);
    upstream.idleTimer.unref();
  }
}
