// One connection: an HTTP/2 session of a peer, or of one that has to be told why it is refused.
import {
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  constants,
  performServerHandshake,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { ApiError } from '../api/status.js';
import { type CallStatus, endCall, plainStatus, statusOf } from './answer.js';
import { Call, type CallContext } from './call.js';
import { CallRecord } from './call-record.js';
import { METHODS, type Method } from './methods.js';
import type { Peer } from './peer.js';

/**
 * Calls of one connection at once: clients keep more to themselves. There are some more than its identity may have, if that is
 * less, so that a client is told of that limit.
 */
const STREAMS_MAX = 128;
const STREAMS_TOLD = 8;

/** Calls at once of one that is refused. */
const REFUSED_STREAMS_MAX = 4;

/** Time in which one that is refused can hear why, in ms. */
const REFUSED_MS = 5_000;

/** Time in which a client must say that it speaks HTTP/2, in ms. */
const PREFACE_MS = 10_000;

/** Time without a call after which a connection is closed, in ms. Clients connect again when they need to. */
const IDLE_MS = 600_000;

/**
 * Time between two pings to a client that says nothing, and to one that does, and in which the answer must come, in ms. They
 * find clients that are gone without a word, and sessions that nghttp2 has given up: of those Node reads nothing more, not
 * even that the client has gone, and tells nobody (Http2Session::MaybeStopReading).
 */
const PING_MS = 60_000;
const PING_TALKING_MS = 5_000;
const PING_ANSWER_MS = 20_000;

/** Time in which the last bytes must reach a client, when the session has ended, in ms. */
const LAST_WORDS_MS = 5_000;

/** Calls that a client may cancel: at once, and each second. nghttp2 gives a session up that has more than 1,000. */
const CANCELS_AT_ONCE = 500;
const CANCELS_PER_SECOND = 30;

/** Bytes of the headers of a call, as RFC 9113 (6.5.2) counts them, and their number. */
const HEADER_LIST_BYTES = 16 * 1024;
const HEADER_PAIRS = 64;

/** Memory that Node may take for a connection, in MB. */
const SESSION_MEMORY_MB = 10;

/** Bytes that a client may send on all its streams before they are read; of one stream, 64 KiB. */
const WINDOW_BYTES = 1024 * 1024;

/** Frames that break the protocol, and streams over the limit, after which the connection ends. */
const INVALID_FRAMES = 100;
const REJECTED_STREAMS = 100;

/**
 * Bytes that are no messages which a client may send: at once, for each call, for each byte of messages, and for each byte
 * that it gets, which it acknowledges. Pings, settings, resets and empty frames are all that is beyond; a client that sends
 * so many of them wants us to do nothing else.
 */
const IDLE_BYTES = 4 * 1024 * 1024;
const BYTES_PER_CALL = 8 * 1024;
const BYTES_PER_BYTE = 2;

/** Who is at the other end. */
export type Caller =
  | {
      readonly peer: Peer;
      /** ms after 1970 at which its certificate expires; undefined if it has none. */
      readonly validToMs: number | undefined;
      /** By which it has shown a certificate; undefined if it has none. */
      readonly tls?: TLSSocket;
    }
  | { readonly refusal: string };

export interface ConnectionContext extends CallContext {
  /** Calls of one identity at once; 0: any number. */
  readonly streamsPerIdentity: () => number;
  readonly onCall: (ended: CallStatus | undefined) => void;
  /** The connection was closed for what it did. */
  readonly onAbuse: (connection: Connection, what: string) => void;
}

export class Connection {
  readonly caller: Caller;
  /** Resolves when it has closed. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #context: ConnectionContext;
  readonly #calls = new Set<Call>();
  readonly #openedAt: number;
  #isReady = false;
  #lastCallAt: number;
  #pingedAt: number;
  #isPinging = false;
  /** When it was seen that the session has ended, and the socket has not. */
  #endedAt: number | undefined;
  /** Bytes that were sent before the last ping. */
  #bytesAtPing = 0;
  /** Bytes that had come when the last ping was answered. */
  #bytesAtAnswer = 0;
  /** Calls that were cancelled and are not forgiven, as of `cancelledAt`. */
  #cancels = 0;
  #cancelledAt = 0;
  /** Bytes of messages, and calls, since it was opened. */
  #messageBytes = 0;
  #callsTotal = 0;
  /** Since when, and why, its certificate is not taken any more. */
  #revoked: { readonly at: number; readonly why: string } | undefined;

  /** @param onClose called once. */
  constructor(socket: Socket, caller: Caller, context: ConnectionContext, onClose: () => void) {
    this.caller = caller;
    this.#socket = socket;
    this.#context = context;
    this.#openedAt = this.#lastCallAt = this.#pingedAt = performance.now();
    const session = performServerHandshake(socket, {
      maxSessionMemory: SESSION_MEMORY_MB,
      maxHeaderListPairs: HEADER_PAIRS,
      maxSessionInvalidFrames: INVALID_FRAMES,
      maxSessionRejectedStreams: REJECTED_STREAMS,
      settings: {
        maxConcurrentStreams: this.#streamsMax(),
        maxHeaderListSize: HEADER_LIST_BYTES,
      },
    });
    this.#session = session;
    session.setLocalWindowSize(WINDOW_BYTES);
    // What there is to do about it is done when it has closed.
    session.on('error', () => undefined);
    socket.on('error', () => undefined);
    session.once('remoteSettings', () => {
      this.#isReady = true;
    });
    session.on('stream', (stream, headers) => {
      this.#onStream(stream, headers);
    });
    this.closed = new Promise((resolve) => {
      session.once('close', () => {
        socket.destroy();
        onClose();
        resolve();
      });
    });
  }

  /** Calls that are open. */
  get calls(): number {
    return this.#calls.size;
  }

  /** Looks whether it has been idle, silent or a nuisance; called about once a second. */
  sweep(now: number): void {
    if (this.#session.destroyed) {
      // Node waits for the end of the last write, and never hears of it from some who do not read.
      this.#endedAt ??= now;
      if (now - this.#endedAt > LAST_WORDS_MS) this.#socket.destroy();
      return;
    }
    if (this.#overhead > IDLE_BYTES) {
      this.#end('it sent a flood of frames that say nothing');
      return;
    }
    if ('refusal' in this.caller) {
      if (now - this.#openedAt > REFUSED_MS) this.destroy();
      return;
    }
    if (this.#revoked !== undefined && now - this.#revoked.at > REFUSED_MS) {
      this.destroy();
      return;
    }
    if (!this.#isReady) {
      if (now - this.#openedAt > PREFACE_MS) this.destroy();
      return;
    }
    if (this.#calls.size === 0 && now - this.#lastCallAt > IDLE_MS) this.drain();
    this.#keepAlive(now);
  }

  /** Takes no more calls, and closes when those that are open have ended. */
  drain(): void {
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close();
  }

  /** Ends all its calls with an error. */
  refuseCalls(error: ApiError): void {
    for (const call of [...this.#calls]) call.refuse(error);
  }

  /** Its certificate is not taken any more: ends its calls with that reason, and closes when they have. */
  revoke(why: string): void {
    if (this.#revoked !== undefined) return;
    this.#revoked = { at: performance.now(), why };
    this.refuseCalls(new ApiError('UNAUTHENTICATED', why));
    this.drain();
  }

  /** The policy is another: ends the calls that it does not allow. */
  recheck(): void {
    for (const call of [...this.#calls]) call.recheck();
  }

  destroy(): void {
    this.#session.destroy();
    // The session itself waits until its last frames are written, and who reads nothing would keep it for ever.
    setImmediate(() => this.#socket.destroy());
  }

  /** Closes the connection of one that does harm. */
  #end(what: string): void {
    if (this.#session.destroyed) return;
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.destroy();
    this.#context.onAbuse(this, what);
  }

  #onCancelled(): void {
    const now = performance.now();
    const forgiven = ((now - this.#cancelledAt) / 1_000) * CANCELS_PER_SECOND;
    this.#cancels = Math.max(0, this.#cancels - forgiven) + 1;
    this.#cancelledAt = now;
    if (this.#cancels > CANCELS_AT_ONCE) this.#end('it began calls and cancelled them, again and again');
  }

  /** Bytes beyond those that messages and calls need. */
  get #overhead(): number {
    const due = this.#messageBytes * (1 + BYTES_PER_BYTE) + this.#callsTotal * BYTES_PER_CALL;
    return this.#socket.bytesRead - due - this.#socket.bytesWritten;
  }

  #streamsMax(): number {
    if ('refusal' in this.caller) return REFUSED_STREAMS_MAX;
    const limit = this.#context.streamsPerIdentity();
    return limit > 0 ? Math.min(limit + STREAMS_TOLD, STREAMS_MAX) : STREAMS_MAX;
  }

  #keepAlive(now: number): void {
    if (this.#isPinging) {
      if (now - this.#pingedAt > PING_ANSWER_MS || this.#isGivenUp) this.destroy();
      return;
    }
    const pauseMs = this.#socket.bytesRead === this.#bytesAtAnswer ? PING_MS : PING_TALKING_MS;
    if (now - this.#pingedAt < pauseMs) return;
    this.#pingedAt = now;
    this.#bytesAtPing = this.#socket.bytesWritten;
    this.#isPinging = this.#session.ping(() => {
      this.#isPinging = false;
      this.#bytesAtAnswer = this.#socket.bytesRead;
    });
  }

  /** nghttp2 has ended the session: it keeps the ping though the socket would take it. */
  get #isGivenUp(): boolean {
    return this.#socket.bytesWritten === this.#bytesAtPing && unsentBytes(this.#socket) === 0;
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // What there is to do about it is done when it has closed.
    stream.on('error', () => undefined);
    stream.once('aborted', () => {
      this.#onCancelled();
    });
    this.#callsTotal++;
    this.#lastCallAt = performance.now();
    const type = headers['content-type'];
    if (headers[':method'] !== 'POST' || type?.startsWith('application/grpc') !== true) {
      stream.respond({ ':status': constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE }, { endStream: true });
      stream.resume();
      return;
    }
    const { caller } = this;
    if ('refusal' in caller) {
      refuse(stream, caller.refusal);
      return;
    }
    if (this.#revoked !== undefined) {
      refuse(stream, this.#revoked.why);
      return;
    }
    if (caller.validToMs !== undefined && Date.now() > caller.validToMs) {
      refuse(stream, 'the certificate of the client has expired since it connected: connect with a new one');
      return;
    }
    const path = String(headers[':path']);
    const method = METHODS.get(path);
    if (method === undefined) {
      endCall(stream, plainStatus(status.UNIMPLEMENTED, `there is no method ${path}`));
      return;
    }
    const { identity } = caller.peer;
    const closeStream = this.#context.limits.openStream(identity);
    this.#context.onCall(undefined);
    if (closeStream === undefined) {
      this.#refuseCall(stream, method, caller.peer);
      return;
    }
    const call: Call = new Call(this.#context, { stream, headers, method }, caller.peer, {
      onBytes: (count) => {
        this.#messageBytes += count;
      },
      onEnd: (ended) => {
        this.#context.onCall(ended);
      },
    });
    this.#calls.add(call);
    // The stream takes memory until the client has read it.
    stream.once('close', () => {
      closeStream();
      this.#calls.delete(call);
      this.#lastCallAt = performance.now();
    });
  }

  /** Without a look at what it is about: who opens very many calls is not to cost much. */
  #refuseCall(stream: ServerHttp2Stream, method: Method, peer: Peer): void {
    const message = `${peer.identity} has too many calls open: end one, or wait for one`;
    const ended = statusOf(new ApiError('RATE_LIMIT', message, { retryDelayMs: RETRY_MS }));
    endCall(stream, ended);
    new CallRecord(this.#context, method, peer).end(ended);
    this.#context.onCall(ended);
  }
}

/** When one that has too many calls open may try again, in ms. */
const RETRY_MS = 1_000;

/** Bytes that the client has not made room for; undefined if a Node of another day does not tell. */
function unsentBytes(socket: Socket): number | undefined {
  // HTTP/2 writes to what is below the socket, of which the socket itself knows nothing.
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly writeQueueSize?: number } | null };
  return handle?.writeQueueSize;
}

function refuse(stream: ServerHttp2Stream, why: string): void {
  endCall(stream, statusOf(new ApiError('UNAUTHENTICATED', why)));
}
