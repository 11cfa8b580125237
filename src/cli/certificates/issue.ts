// Certificates of a laboratory: an authority, and what it signs (RFC 5280).
import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { type Authority, SIGNING, authorityKey } from './authority.js';

/** A certificate and its key, as the files have them. */
export interface Issued {
  readonly certificate: string;
  /** PKCS #8, not encrypted. */
  readonly key: string;
  readonly validTo: Date;
}

/** What is signed. */
export type Subject =
  | { readonly kind: 'server'; readonly names: readonly string[] }
  | { readonly kind: 'client'; readonly identity: string; readonly name: string };

/** Makes an authority, which signs itself and may sign what signs nothing. */
export async function issueAuthority(name: string, days: number, now: Date): Promise<Issued> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serialNumber(),
      name: nameOf(name),
      ...validity(days, now),
      keys,
      signingAlgorithm: SIGNING,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return issuedOf(certificate, keys.privateKey);
}

/** Makes a certificate that the authority signs; it ends no later than that. */
export async function issueCertificate(
  authority: Authority,
  subject: Subject,
  days: number,
  now: Date,
): Promise<Issued> {
  const { certificate: issuer, key, algorithm } = authority;
  const keys = await generateKeys();
  const { notBefore, notAfter } = validity(days, now);
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: serialNumber(),
      subject: nameOf(subject.kind === 'server' ? (subject.names[0] ?? '') : subject.name),
      issuer: issuer.subjectName,
      notBefore,
      notAfter: notAfter < issuer.notAfter ? notAfter : issuer.notAfter,
      publicKey: keys.publicKey,
      signingKey: key,
      signingAlgorithm: algorithm,
      extensions: [
        ...extensionsOf(subject),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
        await authorityKey(issuer),
      ],
    },
    webcrypto,
  );
  return issuedOf(certificate, keys.privateKey);
}

/** Clocks of hosts differ: a certificate holds from so long before it was made, in ms. */
const CLOCK_SKEW_MS = 5 * 60_000;

const DAY_MS = 86_400_000;

/** Bytes of a serial number, which is not to be guessed (CA/Browser Forum: 64 bits at least; RFC 5280: 20 bytes at most). */
const SERIAL_BYTES = 16;

/** Characters of a common name (RFC 5280, ub-common-name). */
const COMMON_NAME_MAX = 64;

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: SIGNING.name, namedCurve: SIGNING.namedCurve }, true, ['sign', 'verify']);
}

function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  // Positive, and of that length.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

/** Whole seconds, as certificates have them. */
function validity(days: number, now: Date): { readonly notBefore: Date; readonly notAfter: Date } {
  const startMs = Math.floor(now.getTime() / 1_000) * 1_000;
  return { notBefore: new Date(startMs - CLOCK_SKEW_MS), notAfter: new Date(startMs + days * DAY_MS) };
}

/** Names are in the other extension; the common name is for people. */
function nameOf(text: string): JsonName {
  return [{ CN: [text.slice(0, COMMON_NAME_MAX)] }];
}

function extensionsOf(subject: Subject): Extension[] {
  const isServer = subject.kind === 'server';
  const names = isServer
    ? subject.names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }))
    : [{ type: 'url' as const, value: subject.identity }];
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([isServer ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth]),
    new SubjectAlternativeNameExtension(names),
  ];
}

async function issuedOf(certificate: X509Certificate, key: webcrypto.CryptoKey): Promise<Issued> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const object = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: object.export({ type: 'pkcs8', format: 'pem' }).toString(),
    validTo: certificate.notAfter,
  };
}
