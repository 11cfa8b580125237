// Why a gateway cannot be reached: connects once more, step by step, and looks at what comes back. gRPC tells that nobody
// answers, and little of why.
import type { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP } from 'node:net';
import { type TLSSocket, checkServerIdentity, connect as connectTls } from 'node:tls';
import { authorityOf } from './host-address.js';
import type { TlsMaterial } from './tls-files.js';

/** A certificate as far as people are told of it. */
export interface ShownCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** Its own key has signed it. */
  readonly isSelfSigned: boolean;
  /** Such as `DNS:gw.example` or `IP Address:192.0.2.1`. */
  readonly names: readonly string[];
  readonly validFrom: Date;
  readonly validTo: Date;
}

/** What was found. */
export type Finding =
  /** Everything is as it should be: it may have been for a moment only. */
  | { readonly kind: 'fine' }
  | { readonly kind: 'no-name'; readonly isTemporary: boolean }
  | { readonly kind: 'no-connection'; readonly code: string }
  | { readonly kind: 'no-answer'; readonly step: 'connect' | 'tls' }
  | { readonly kind: 'no-tls' }
  | { readonly kind: 'old-tls' }
  /** The other side ended the connection with this alert of TLS; empty: without a word. */
  | { readonly kind: 'refused'; readonly alert: string; readonly isAfterHandshake: boolean }
  /** The certificate of the other side: OpenSSL's word for what is wrong, or a name it does not have. */
  | { readonly kind: 'untrusted'; readonly error: string; readonly certificate: ShownCertificate | undefined }
  | { readonly kind: 'wrong-name'; readonly wanted: string; readonly certificate: ShownCertificate };

/** The host, and the name that its certificate is to have. */
export interface ProbeTarget {
  readonly name: string;
  readonly port: number;
  /** Undefined: without TLS. */
  readonly tls: TlsMaterial | undefined;
}

/** Looks; never throws, and takes no longer than the limit. */
export async function probe(target: ProbeTarget, limitMs: number): Promise<Finding> {
  if (isIP(target.name) === 0) {
    try {
      await lookup(target.name);
    } catch (error) {
      return { kind: 'no-name', isTemporary: (error as NodeJS.ErrnoException).code === 'EAI_AGAIN' };
    }
  }
  return target.tls === undefined ? probeTcp(target, limitMs) : probeTls(target, target.tls, limitMs);
}

/** The name that the certificate must have. */
export function wantedName({ name, tls }: Pick<ProbeTarget, 'name' | 'tls'>): string {
  return tls?.serverName ?? name;
}

/** An SNI can be a name only (RFC 6066, 3). */
export function sniOf(name: string): string | undefined {
  return isIP(name) === 0 ? name : undefined;
}

function probeTcp({ name, port }: ProbeTarget, limitMs: number): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: name, port, autoSelectFamily: true });
    const end = (finding: Finding) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(finding);
    };
    const timer = setTimeout(() => {
      end({ kind: 'no-answer', step: 'connect' });
    }, limitMs);
    socket.once('connect', () => {
      end({ kind: 'fine' });
    });
    socket.on('error', (error) => {
      end({ kind: 'no-connection', code: codeOf(error) });
    });
  });
}

function probeTls(target: ProbeTarget, tls: TlsMaterial, limitMs: number): Promise<Finding> {
  const { ca, cert, key } = tls;
  const wanted = wantedName(target);
  const servername = sniOf(wanted);
  return new Promise((resolve) => {
    const tcp = connectTcp({ host: target.name, port: target.port, autoSelectFamily: true });
    let secure: TLSSocket | undefined;
    const end = (finding: Finding) => {
      clearTimeout(timer);
      secure?.destroy();
      tcp.destroy();
      resolve(finding);
    };
    const timer = setTimeout(() => {
      // One that has shown a good certificate and says nothing is not what this looks for.
      if (secure?.authorized === true) end({ kind: 'fine' });
      else end({ kind: 'no-answer', step: secure === undefined ? 'connect' : 'tls' });
    }, limitMs);
    tcp.on('error', (error) => {
      if (secure === undefined) end({ kind: 'no-connection', code: codeOf(error) });
    });
    tcp.once('connect', () => {
      secure = connectTls({
        socket: tcp,
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(servername !== undefined && { servername }),
        minVersion: 'TLSv1.3',
        ALPNProtocols: ['h2'],
        checkServerIdentity: (_host, certificate) => checkServerIdentity(wanted, certificate),
        // Looked at below, so that what is wrong can be told together with the certificate.
        rejectUnauthorized: false,
      });
      const tlsSocket = secure;
      tlsSocket.once('secureConnect', () => {
        const finding = judge(tlsSocket, wanted);
        if (finding !== undefined) end(finding);
        // What the other side thinks of our certificate comes after its handshake is over (RFC 8446, 4.4.2.4).
      });
      tlsSocket.once('data', () => {
        end({ kind: 'fine' });
      });
      tlsSocket.once('end', () => {
        end({ kind: 'refused', alert: '', isAfterHandshake: tlsSocket.authorized });
      });
      tlsSocket.once('close', () => {
        end({ kind: 'refused', alert: '', isAfterHandshake: tlsSocket.authorized });
      });
      tlsSocket.on('error', (error: Error) => {
        end(findingOf(error, tlsSocket.authorized));
      });
    });
  });
}

/** What is wrong with the certificate of the other side; undefined if nothing is. */
function judge(socket: TLSSocket, wanted: string): Finding | undefined {
  if (socket.authorized) return undefined;
  const x509 = socket.getPeerX509Certificate();
  const certificate = x509 === undefined ? undefined : shown(x509);
  // @types/node has an Error here; of a chain it is OpenSSL's word.
  const reason = socket.authorizationError as unknown;
  const error = typeof reason === 'string' ? reason : codeOf(reason);
  if (error === 'ERR_TLS_CERT_ALTNAME_INVALID' && certificate !== undefined) {
    return { kind: 'wrong-name', wanted, certificate };
  }
  return { kind: 'untrusted', error, certificate };
}

function shown(certificate: X509Certificate): ShownCertificate {
  const names = certificate.subjectAltName?.split(', ') ?? [];
  return {
    subject: lineOf(certificate.subject),
    issuer: lineOf(certificate.issuer),
    isSelfSigned: certificate.checkIssued(certificate),
    names,
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
  };
}

/** Node has a line for each part. */
function lineOf(name: string): string {
  return name.split('\n').join(', ');
}

function findingOf(error: Error, isAfterHandshake: boolean): Finding {
  const code = codeOf(error);
  const alert = /^ERR_SSL_(?:TLSV1|TLSV13|SSLV3)_ALERT_(.+)$/.exec(code)?.[1];
  if (alert === 'PROTOCOL_VERSION' || code === 'ERR_SSL_UNSUPPORTED_PROTOCOL') return { kind: 'old-tls' };
  if (alert !== undefined) return { kind: 'refused', alert, isAfterHandshake };
  if (code.startsWith('ERR_SSL_')) return { kind: 'no-tls' };
  return code === 'ECONNRESET' || code === 'EPIPE'
    ? { kind: 'refused', alert: '', isAfterHandshake }
    : { kind: 'no-connection', code };
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0] as unknown);
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? String(error);
}

/** For messages. */
export function targetText(target: Pick<ProbeTarget, 'name' | 'port'>): string {
  return authorityOf(target);
}
