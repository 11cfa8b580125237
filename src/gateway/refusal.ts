// Why a client's certificate is not taken, with the cure. Pure.
import type { X509Certificate } from 'node:crypto';
import { quote } from '../api/parse.js';

/**
 * Explains why a certificate is refused.
 *
 * @param authorizationError of the TLSSocket: a name of OpenSSL's X509_V_ERR_*, without that beginning.
 * @param certificate undefined: the client has shown none.
 */
export function explainRefusal(
  authorizationError: string,
  certificate: X509Certificate | undefined,
  now: Date,
): string {
  if (certificate === undefined) {
    return 'no client certificate was shown: name one that the client CA of this gateway has signed, and its key';
  }
  const explain = Object.hasOwn(EXPLANATIONS, authorizationError) ? EXPLANATIONS[authorizationError] : undefined;
  const why = explain?.(certificate, now) ?? `it is not valid (${quote(authorizationError)})`;
  return `the client certificate${subjectOf(certificate)} is refused: ${why}`;
}

type Explanation = (certificate: X509Certificate, now: Date) => string;

const UNKNOWN_CA: Explanation = ({ issuer }) =>
  `it is signed by ${nameOf(issuer)}, which is no client CA of this gateway (and no intermediate of one was sent): ` +
  'have it signed by one, or send the intermediates after it';

const SELF_SIGNED: Explanation = () => 'it is signed by itself: have it signed by the client CA of this gateway';

/** OpenSSL seeks the list of who has signed itself before it says that. */
const NO_CRL: Explanation = (certificate, now) =>
  hasSignedItself(certificate) ? SELF_SIGNED(certificate, now) : noListOf(certificate);

/** Whether or not it may sign, of which checkIssued asks. */
function hasSignedItself(certificate: X509Certificate): boolean {
  return certificate.issuer === certificate.subject && certificate.verify(certificate.publicKey);
}

const noListOf = ({ issuer }: X509Certificate): string =>
  `the gateway's file of revoked certificates has no list of ${nameOf(issuer)} or of the CAs above it: add one of each`;

/** A certificate's dates are read from itself; that of a CA above it is meant where its own are right. */
const EXPIRED: Explanation = ({ validTo }, now) =>
  Date.parse(validTo) < now.getTime()
    ? `it expired on ${dayOf(validTo)} (here it is ${now.toISOString()}): issue a new one`
    : 'the certificate of a CA above it has expired: renew that';

const NOT_YET_VALID: Explanation = ({ validFrom }, now) =>
  Date.parse(validFrom) > now.getTime()
    ? `it is not valid before ${dayOf(validFrom)}, and here it is ${now.toISOString()}: see to the clocks of both`
    : "the certificate of a CA above it is not valid yet: see to this host's clock";

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CA,
  CERT_UNTRUSTED: UNKNOWN_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: SELF_SIGNED,
  SELF_SIGNED_CERT_IN_CHAIN: ({ issuer }) =>
    `it comes with a CA, of which it is (${nameOf(issuer)}), that is no client CA of this gateway: have it signed by one`,
  CERT_HAS_EXPIRED: EXPIRED,
  CERT_NOT_YET_VALID: NOT_YET_VALID,
  CERT_SIGNATURE_FAILURE: ({ issuer }) =>
    `its signature is not by the key of ${nameOf(issuer)}: there are two CAs of that name; have it signed by the one that this gateway has`,
  INVALID_PURPOSE: () => 'it, or a CA above it, is not for clients: issue one with the extended key usage clientAuth',
  INVALID_CA: ({ issuer }) => `who has signed it (${nameOf(issuer)}) is no CA: sign it with one (CA:TRUE)`,
  PATH_LENGTH_EXCEEDED: () => 'there are more CAs between it and the client CA than that allows (pathlen)',
  // What Node has no name for.
  UNSPECIFIED: () =>
    'it, or a CA above it, breaks a rule, such as that only CAs sign: ' +
    "'openssl verify -purpose sslclient -CAfile CLIENT-CA CERTIFICATE' says which",
  CERT_CHAIN_TOO_LONG: () => 'there are too many CAs between it and the client CA',
  CERT_REVOKED: () => 'it, or a CA above it, is revoked: issue a new one',
  UNABLE_TO_GET_CRL: NO_CRL,
  CRL_HAS_EXPIRED: () => "the gateway's list of revoked certificates (CRL) has expired: put a new one in its place",
  CRL_NOT_YET_VALID: () => "the gateway's list of revoked certificates (CRL) is not valid yet: see to its clock",
  CRL_SIGNATURE_FAILURE: ({ issuer }) =>
    `the gateway's list of revoked certificates (CRL) is not signed by ${nameOf(issuer)}: put the right one in its place`,
};

/** What an error may repeat of the subject: it was written by whom we do not trust. */
function subjectOf(certificate: X509Certificate): string {
  // Node gives undefined where there is none.
  const subject = certificate.subject as string | undefined;
  return subject === undefined || subject === '' ? '' : ` ${nameOf(subject)}`;
}

/** A distinguished name in one line. */
function nameOf(name: string | undefined): string {
  return quote((name ?? '').replaceAll('\n', ', '));
}

function dayOf(date: string): string {
  return new Date(date).toISOString();
}
