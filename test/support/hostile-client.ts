// A client that keeps to no rule: every byte that it sends is the test's own choice, and it reads when it is told to.
import { type Socket, connect as connectSocket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { PREFACE, settingsFrame } from './http2-frames.js';
import { TimeLimitError, WAIT_LIMIT_MS, waitForEvent, within } from './wait.js';

/** Where a gateway listens. */
export type Door = { readonly path: string } | { readonly port: number; readonly host: string };

export interface HostileOptions {
  /** What it shows. Without `tls` it sends its bytes as they are. */
  readonly tls?: { readonly certificate: string; readonly key: string } | 'no certificate';
  /** Where it comes from; all of 127.0.0.0/8 is this host. */
  readonly from?: string;
  /** It takes nothing from the socket. */
  readonly isDeaf?: boolean;
}

/** Bytes that are handed to the socket at once. */
const PIECE_BYTES = 64 * 1024;

/** Time in which nothing was taken that says that nothing will be, in ms. */
const STUCK_MS = 2_000;

/** What has become of bytes: all are on their way, the connection has closed, or the other side takes no more. */
export type Sent = 'sent' | 'closed' | 'stuck';

export class HostileClient implements Disposable {
  readonly socket: Socket;
  /** Resolves when the connection has closed, by whomever. */
  readonly closed: Promise<void>;
  /** Bytes that it got. */
  received = 0;

  private constructor(socket: Socket, isDeaf: boolean) {
    this.socket = socket;
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve();
      });
    });
    if (isDeaf) return;
    socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
    });
  }

  /** Connects. That it gets in is not said: who is closed at once has been connected too. */
  static async open(door: Door, { tls, from, isDeaf = false }: HostileOptions = {}): Promise<HostileClient> {
    const plain = connectSocket({ ...door, ...(from !== undefined && { localAddress: from }) });
    if (tls === undefined) {
      const client = new HostileClient(plain, isDeaf);
      await Promise.race([waitForEvent(plain, 'connect'), client.closed]);
      return client;
    }
    plain.on('error', () => undefined);
    const secure = connectTls({
      socket: plain,
      ALPNProtocols: ['h2'],
      // It is the other side that is tested.
      rejectUnauthorized: false,
      ...(tls !== 'no certificate' && { cert: tls.certificate, key: tls.key }),
    });
    const client = new HostileClient(secure, isDeaf);
    await Promise.race([waitForEvent(secure, 'secureConnect'), client.closed]);
    return client;
  }

  /** Connects, and says that it speaks HTTP/2. */
  static async openHttp2(
    door: Door,
    options: HostileOptions & { readonly settings?: ReadonlyMap<number, number> } = {},
  ): Promise<HostileClient> {
    const client = await HostileClient.open(door, options);
    await client.send(Buffer.concat([PREFACE, settingsFrame(options.settings)]));
    return client;
  }

  get isClosed(): boolean {
    return this.socket.destroyed;
  }

  /** Sends the bytes, as fast as they are taken. */
  async send(bytes: Buffer): Promise<Sent> {
    if (this.isClosed) return 'closed';
    if (this.socket.write(bytes)) return 'sent';
    const drained = new Promise<void>((resolve) => this.socket.once('drain', resolve));
    try {
      await within(Promise.race([drained, this.closed]), 'the bytes are taken', STUCK_MS);
    } catch (error) {
      if (error instanceof TimeLimitError) return 'stuck';
      throw error;
    }
    return this.socket.destroyed ? 'closed' : 'sent';
  }

  /** Sends the bytes again and again, up to so many of them. */
  async flood(bytes: Buffer, max: number): Promise<Sent> {
    const piece = Buffer.concat(new Array<Buffer>(Math.max(1, Math.floor(PIECE_BYTES / bytes.length))).fill(bytes));
    for (let count = 0; count < max; count += piece.length) {
      const sent = await this.send(piece);
      if (sent !== 'sent') return sent;
    }
    return 'sent';
  }

  /** Sends the bytes one by one, with a pause after each, until the connection closes. */
  async trickle(bytes: Buffer, pauseMs: number): Promise<void> {
    for (const byte of bytes) {
      if ((await this.send(Buffer.of(byte))) !== 'sent') return;
      await pause(pauseMs);
    }
  }

  /** Waits until the other side has closed. */
  async untilClosed(limitMs = WAIT_LIMIT_MS): Promise<void> {
    await within(this.closed, 'the connection is closed', limitMs);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Clients that stay until the end of a test. */
export class HostileClients implements Disposable {
  readonly #all: HostileClient[] = [];

  add(client: HostileClient): HostileClient {
    this.#all.push(client);
    return client;
  }

  /** Those that the other side has not closed. */
  get open(): number {
    return this.#all.filter(({ isClosed }) => !isClosed).length;
  }

  /** Waits until the other side has closed them all. */
  async untilClosed(limitMs: number): Promise<void> {
    await Promise.all(this.#all.map((client) => client.untilClosed(limitMs)));
  }

  [Symbol.dispose](): void {
    for (const client of this.#all) client[Symbol.dispose]();
  }
}
