// A connection to an agent of which each frame is the test's own choice: to break it off where no client of ours would.
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { type Socket, connect } from 'node:net';
import type { ReplaceRequest } from '../../src/api/generated/mcroute/v1/ReplaceRequest.js';
import type { WatchResponse__Output } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { api } from '../../src/api/load.js';
import { waitForEvent, within } from './wait.js';

/** One HTTP/2 session over a socket that can be cut. */
export class RawConnection implements Disposable {
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;

  private constructor(path: string) {
    this.#socket = connect(path);
    this.#session = connectHttp2('http://localhost', { createConnection: () => this.#socket });
    // What a test cuts off fails here too.
    this.#session.on('error', () => undefined);
  }

  /** Connects to an agent's socket. */
  static async open(path: string): Promise<RawConnection> {
    const connection = new RawConnection(path);
    await waitForEvent(connection.#session, 'connect');
    return connection;
  }

  /** Begins a call of RoutingService. */
  call(method: string): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': `/mcroute.v1.RoutingService/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    return stream;
  }

  /**
   * Makes a call that asks for a stream, and reads nothing of it: clients of grpc-js read ahead without a bound. Resolves
   * when the agent has begun to answer.
   */
  async callWithoutReading(method: string): Promise<ClientHttp2Stream> {
    const stream = this.call(method);
    stream.end(frame(Buffer.alloc(0)));
    await waitForEvent(stream, 'response');
    return stream;
  }

  /** Resolves when the agent has read all that was sent so far. */
  async settle(): Promise<void> {
    const answered = new Promise<void>((resolve, reject) => {
      this.#session.ping((error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    await within(answered, 'an answer to a ping');
  }

  /** Resets the first call, as clients in other languages cancel: a stream of Node would half-close it before. */
  reset(): void {
    const header = [0, 0, 4, RST_STREAM, 0, 0, 0, 0, FIRST_STREAM];
    this.#socket.write(Buffer.from([...header, 0, 0, 0, constants.NGHTTP2_CANCEL]));
  }

  /** Cuts the connection without a word. */
  async cut(): Promise<void> {
    const closed = waitForEvent(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
    this.#socket.destroy();
  }
}

/** A message of Replace as it is sent. */
export function replaceFrame(request: ReplaceRequest): Buffer {
  return frame(api().mcroute.v1.RoutingService.service.Replace.requestSerialize(request));
}

/** A message as it is sent: not compressed, its length, itself. */
export function frame(message: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** The messages of a Watch, in order, as fast as they come. */
export async function* watchMessages(stream: ClientHttp2Stream): AsyncGenerator<WatchResponse__Output> {
  const { responseDeserialize } = api().mcroute.v1.RoutingService.service.Watch;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    while (rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + rest.readUInt32BE(1);
      if (rest.length < end) break;
      yield responseDeserialize(rest.subarray(HEADER_BYTES, end));
      rest = rest.subarray(end);
    }
  }
}

/** Whether it is compressed, and its length (gRPC over HTTP/2, Length-Prefixed-Message). */
const HEADER_BYTES = 5;

/** RFC 9113 section 6.4. */
const RST_STREAM = 3;
const FIRST_STREAM = 1;
