// Whether a client that is connected would be let in by other CAs and lists of revoked certificates. Pure, but for the checks
// of OpenSSL.
//
// Node verifies a certificate in the handshake and never again, so this does what a handshake does about signatures and
// lists. It knows nothing of lengths of paths and purposes, which the handshake has looked at, nor of dates, which the files
// do not change.
import type { X509Certificate } from 'node:crypto';
import { quote } from '../api/parse.js';
import { subjectOf } from './certificate-check.js';

/** What CAs have taken back. */
export interface RevocationLists {
  /** When this issuer revoked the certificate, which it has signed; undefined if it has not. */
  revokedAt(certificate: X509Certificate, issuer: X509Certificate): Promise<Date | undefined>;
}

/** Whose certificates are taken. */
export interface AcceptedClients {
  /** Each is signed by itself or by another of them. */
  readonly cas: readonly X509Certificate[];
  /** Undefined: nothing is looked up. */
  readonly lists: RevocationLists | undefined;
}

/**
 * Why a client is not accepted any more; undefined if it is.
 *
 * @param leaf its certificate.
 * @param sent the CAs that it sent along, in any order.
 */
export async function whyNotAnyMore(
  leaf: X509Certificate,
  sent: readonly X509Certificate[],
  { cas, lists }: AcceptedClients,
): Promise<string | undefined> {
  const trusted = new Set(cas.map(({ fingerprint256 }) => fingerprint256));
  const known = new Set([leaf.fingerprint256]);
  // From the leaf up, each once: only what has signed one of them is looked at.
  const reached = [leaf];
  let revoked: string | undefined;
  for (const certificate of reached) {
    for (const issuer of [...cas, ...sent]) {
      if (!hasSigned(issuer, certificate)) continue;
      const date = await lists?.revokedAt(certificate, issuer);
      if (date !== undefined) {
        // There may be another way up.
        revoked ??= `${certificate === leaf ? OWN : `the CA ${name(subjectOf(certificate))} above ${OWN}`} was revoked on ${date.toISOString()}`;
        continue;
      }
      const { fingerprint256 } = issuer;
      if (fingerprint256 === certificate.fingerprint256 && trusted.has(fingerprint256)) return undefined;
      if (!known.has(fingerprint256)) reached.push(issuer);
      known.add(fingerprint256);
    }
  }
  if (revoked !== undefined) return `${revoked}: connect with a new one`;
  const top = reached[reached.length - 1] ?? leaf;
  return `${OWN} is signed by ${name(top.issuer)}, which is no client CA of this gateway any more: connect with a new one`;
}

const OWN = 'the certificate of the client';

function hasSigned(issuer: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    // It has a key of a kind that OpenSSL does not know.
    return false;
  }
}

/** A distinguished name in one line; Node gives undefined for one that is empty. */
function name(text: string | undefined): string {
  return quote((text ?? '').replaceAll('\n', ', '));
}
