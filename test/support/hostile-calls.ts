// Calls of gRPC with headers and bytes as the test wants them, over HTTP/2 as it should be: what they end with is read.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  connect as connectHttp2,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Door, HostileOptions } from './hostile-client.js';
import { waitForEvent, within } from './wait.js';

/** Longest time until a call has its status, in ms. */
const CALL_LIMIT_MS = 60_000;

/** What a call ended with. */
export interface Ended {
  /** Of HTTP. 0: there was no answer, but the stream was reset. */
  readonly httpStatus: number;
  /** Of gRPC; undefined if there was none. */
  readonly code: number | undefined;
  /** As it is on the wire: percent-encoded. */
  readonly message: string;
  /** Of the messages, with their headers. */
  readonly bytes: number;
  /** What the stream was reset with; 0 if it was not. */
  readonly resetCode: number;
}

export class HostileCalls implements Disposable {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
    // What it does is enough to have it closed.
    session.on('error', () => undefined);
  }

  static async open(door: Door, { tls }: Pick<HostileOptions, 'tls'> = {}): Promise<HostileCalls> {
    const plain = connectSocket(door);
    const socket =
      tls === undefined
        ? plain
        : connectTls({
            socket: plain,
            ALPNProtocols: ['h2'],
            // It is the other side that is tested.
            rejectUnauthorized: false,
            ...(tls !== 'no certificate' && { cert: tls.certificate, key: tls.key }),
          });
    socket.on('error', () => undefined);
    const session = connectHttp2('http://localhost', { createConnection: () => socket, maxSessionMemory: 1_000 });
    const calls = new HostileCalls(session);
    await waitForEvent(session, 'connect');
    return calls;
  }

  get isClosed(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  /** Begins a call; more headers, or others, are taken as they are. */
  begin(path: string, headers: OutgoingHttpHeaders = {}, options: ClientSessionRequestOptions = {}): ClientHttp2Stream {
    const all = {
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    };
    const stream = this.#session.request(all, options);
    stream.on('error', () => undefined);
    return stream;
  }

  /** Makes a whole call with these bytes. */
  call(path: string, bytes: Buffer, headers: OutgoingHttpHeaders = {}): Promise<Ended> {
    const stream = this.begin(path, headers);
    stream.end(bytes);
    return endOf(stream);
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

/** Waits until the call has ended, in whatever way, and reads all of it. */
export async function endOf(stream: ClientHttp2Stream): Promise<Ended> {
  let first: IncomingHttpHeaders = {};
  let last: IncomingHttpHeaders = {};
  let bytes = 0;
  stream.once('response', (headers) => {
    first = headers;
  });
  stream.once('trailers', (headers: IncomingHttpHeaders) => {
    last = headers;
  });
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  const closed = new Promise<void>((resolve) => {
    if (stream.destroyed) resolve();
    else stream.once('close', resolve);
  });
  await within(closed, 'the call ends', CALL_LIMIT_MS);
  const ended = { ...first, ...last };
  const code = ended['grpc-status'];
  return {
    httpStatus: Number(first[':status'] ?? 0),
    code: code === undefined ? undefined : Number(code),
    message: String(ended['grpc-message'] ?? ''),
    bytes,
    resetCode: stream.rstCode,
  };
}

/** A message as gRPC has it on the wire, with a length that is said to be another if the test wants. */
export function grpcMessage(
  message: Uint8Array,
  { isCompressed = false, length = message.length }: { readonly isCompressed?: boolean; readonly length?: number } = {},
): Buffer {
  const header = Buffer.alloc(5);
  header[0] = isCompressed ? 1 : 0;
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, message]);
}
