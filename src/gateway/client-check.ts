// What clients that are connected are checked by when the files of CAs and lists change.
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { Logger } from '../runtime/log.js';
import type { ServerContext } from './certificate-check.js';
import { type AcceptedClients, whyNotAnyMore } from './revocation.js';

/** Why a client is not accepted any more; undefined if it is, or if it has gone. */
export type ClientCheck = (socket: TLSSocket) => Promise<string | undefined>;

/** CAs that a client sends: no more than this are looked at. OpenSSL takes no longer chain either. */
const CHAIN_MAX = 100;

/** Whether the one lets in others than the other. */
export function acceptsOthers(before: ServerContext, after: ServerContext): boolean {
  return JSON.stringify([before.ca, before.crl]) !== JSON.stringify([after.ca, after.crl]);
}

/** Makes the check that goes with these files. */
export async function openClientCheck({ ca, crl }: ServerContext, log: Logger): Promise<ClientCheck> {
  try {
    const cas = ca.map((pem) => new X509Certificate(pem));
    const lists = crl === undefined ? undefined : await readLists(crl);
    return (socket) => checkClient(socket, { cas, lists }, log);
  } catch (error) {
    // OpenSSL can read them: in new handshakes it finds out who is revoked.
    log.error({ err: error }, 'the list of revoked certificates cannot be compared with clients; all connect again');
    return () => Promise.resolve(CONNECT_AGAIN);
  }
}

const CONNECT_AGAIN = 'the certificate of the client cannot be compared with the list of those revoked: connect again';

async function readLists(crl: readonly string[]): Promise<AcceptedClients['lists']> {
  const { readRevocationLists } = await import('./revocation-lists.js');
  return readRevocationLists(crl);
}

async function checkClient(socket: TLSSocket, accepted: AcceptedClients, log: Logger): Promise<string | undefined> {
  const [leaf, ...sent] = chainOf(socket);
  if (leaf === undefined) return undefined;
  try {
    return await whyNotAnyMore(leaf, sent, accepted);
  } catch (error) {
    log.error({ err: error }, 'the certificate of a client cannot be decoded; it connects again');
    return CONNECT_AGAIN;
  }
}

/** The certificate and those above it; none if the client has gone. They are not kept anywhere else. */
function chainOf(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  // Node's types have neither that there is none, nor that none is above.
  let next = socket.getPeerCertificate(true) as DetailedPeerCertificate | null | undefined;
  for (let last; next?.raw && next !== last && chain.length < CHAIN_MAX; next = next.issuerCertificate) {
    chain.push(new X509Certificate(next.raw));
    // The last may be its own issuer.
    last = next;
  }
  return chain;
}
