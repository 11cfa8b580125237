// Those who connect and have not said who they are: what comes of their handshakes, and what the audit is told of it.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Admitted } from './admission.js';
import type { AuditLog, AuditRecord } from './audit.js';
import type { RefusalRate } from './refusal-rate.js';

/** One whose handshake goes on. */
export interface Stranger {
  readonly address: string;
  readonly admitted: Admitted;
}

interface Expected extends Stranger {
  /** What went wrong, as OpenSSL tells it. */
  error: Error | undefined;
}

export class Strangers {
  readonly #audit: Pick<AuditLog, 'write'>;
  readonly #rate: RefusalRate;
  /** By both ends of the connection, which is all that a TLS socket and the one below it have in common. */
  readonly #expected = new Map<string, Expected>();
  #refused = 0;

  constructor(audit: Pick<AuditLog, 'write'>, rate: RefusalRate) {
    this.#audit = audit;
    this.#rate = rate;
  }

  /** Connections that were refused since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** A handshake begins. If the connection closes before its end, that is a refusal. */
  expect(socket: Socket, address: string, admitted: Admitted): void {
    const key = keyOf(socket);
    const expected: Expected = { address, admitted, error: undefined };
    this.#expected.set(key, expected);
    socket.once('close', () => {
      if (this.#expected.get(key) !== expected) return;
      this.#expected.delete(key);
      this.refuse(address, `the TLS handshake failed: ${textOf(expected.error)}`);
    });
  }

  /** A handshake goes wrong. */
  fail(socket: Socket, error: Error): void {
    const expected = this.#expected.get(keyOf(socket));
    if (expected !== undefined) expected.error = error;
  }

  /** A handshake has come to its end. Undefined if it was not awaited. */
  arrive(socket: TLSSocket): Stranger | undefined {
    const key = keyOf(socket);
    const expected = this.#expected.get(key);
    this.#expected.delete(key);
    return expected;
  }

  /** Tells the audit that a connection is refused; not of all if there are very many. */
  refuse(address: string, message: string, identity = ''): void {
    this.#refused++;
    const { isTold, untold } = this.#rate.tell(address);
    if (!isTold) return;
    this.#write(address, message, identity, {
      outcome: identity === '' ? 'UNAUTHENTICATED' : 'RESOURCE_EXHAUSTED',
      ...(untold > 0 && { others: untold }),
    });
  }

  /** The same of one that was let in and is not accepted any more. There are as many as connections, and all are told. */
  revoke(address: string, message: string, identity: string): void {
    this.#refused++;
    this.#write(address, message, identity, { outcome: 'UNAUTHENTICATED' });
  }

  #write(address: string, message: string, identity: string, how: Pick<AuditRecord, 'outcome' | 'others'>): void {
    const time = Date.now();
    this.#audit.write({ time, identity, address, method: '', table: 0, message, durationMs: 0, ...how });
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress ?? ''} ${remotePort ?? 0} ${localAddress ?? ''} ${localPort ?? 0}`;
}

/** Errors of OpenSSL have a long text, and a reason; without either the client has gone. */
function textOf(error: Error | undefined): string {
  if (error === undefined) return 'it was broken off';
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}
