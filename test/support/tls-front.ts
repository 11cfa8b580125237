// TLS in front of a socket: what a client meets of a gateway before any call, with certificates of all kinds.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TlsOptions, createServer } from 'node:tls';
import { type Authority, readAuthority } from '../../src/cli/certificates/authority.js';
import { type Subject, issueAuthority, issueCertificate } from '../../src/cli/certificates/issue.js';
import { waitForEvent } from './wait.js';

/** PEM. */
interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** A folder of certificates and keys, by the names that they were given. */
export class Pki implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'mcctl-pki-'));
  readonly #authorities = new Map<string, Authority>();
  readonly #texts = new Map<string, string>();

  /** Makes an authority. */
  async addAuthority(name: string, now = new Date()): Promise<void> {
    await this.putAuthority(name, await issueAuthority(name, 30, now));
  }

  /** Adds one that was made elsewhere. */
  async putAuthority(name: string, { certificate, key }: KeyPair): Promise<void> {
    this.#write(name, certificate, key);
    const files = { certificate: this.path(`${name}.crt`), key: this.path(`${name}.key`) };
    this.#authorities.set(name, await readAuthority(certificate, key, files));
  }

  /** Makes a certificate that the authority signs. */
  async add(name: string, authority: string, subject: Subject, days = 1, now = new Date()): Promise<void> {
    const by = this.#authorities.get(authority);
    if (by === undefined) throw new Error(`there is no authority ${authority}`);
    const { certificate, key } = await issueCertificate(by, subject, days, now);
    this.#write(name, certificate, key);
  }

  /** Adds what was made elsewhere. */
  put(name: string, { certificate, key }: KeyPair): void {
    this.#write(name, certificate, key);
  }

  /** Where a file is, such as `ca.crt`. */
  path(file: string): string {
    return join(this.directory, file);
  }

  text(file: string): string {
    const text = this.#texts.get(file);
    if (text === undefined) throw new Error(`there is no ${file}`);
    return text;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true });
  }

  #write(name: string, certificate: string, key: string): void {
    for (const [file, text] of [
      [`${name}.crt`, certificate],
      [`${name}.key`, key],
    ] as const) {
      this.#texts.set(file, text);
      writeFileSync(this.path(file), text, { mode: 0o600 });
    }
  }
}

/** A TLS server. */
export interface TlsFront extends AsyncDisposable {
  readonly port: number;
}

/** Takes TLS on 127.0.0.1 with a certificate of the folder, and passes what is inside to the socket. */
export async function openTlsFront(
  socketPath: string,
  pki: Pki,
  certificate: string,
  options: TlsOptions = {},
): Promise<TlsFront> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer(
    {
      cert: pki.text(`${certificate}.crt`),
      key: pki.text(`${certificate}.key`),
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
      ...options,
    },
    (outer) => {
      const inner = connect(socketPath);
      for (const socket of [outer, inner]) keep(socket);
      outer.pipe(inner).pipe(outer);
      outer.once('close', () => inner.destroy());
      inner.once('close', () => outer.destroy());
    },
  );
  server.on('connection', keep);
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await waitForEvent(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const closed = waitForEvent(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
