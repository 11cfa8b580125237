// Certificates for tests: CAs, servers, clients, and all that a gateway must refuse.
import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';

/** A certificate with its key. */
export interface Issued {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
  /** Distinguished name. */
  readonly subject: string;
  readonly serialNumber: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** A name of subjectAltName. Nothing is checked: the bytes of the text are what stands in the certificate. */
export interface AlternativeNameWish {
  readonly kind: 'uri' | 'dns' | 'email' | 'ip';
  /** Of an IP address its bytes. */
  readonly value: string | Buffer;
}

export interface CertificateWish {
  /** Distinguished name, such as `CN=mixer`; none: an empty one. */
  readonly subject?: string;
  readonly names?: readonly AlternativeNameWish[];
  /** Who signs it; none: itself. */
  readonly issuer?: Issued;
  readonly isCa?: boolean;
  /** In hexadecimal; none: one that no other has. */
  readonly serialNumber?: string;
  /** Extended key usage; none: no such extension. */
  readonly usage?: 'client' | 'server' | 'both';
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Keys that are there already, such as for a second certificate of a CA. */
  readonly keys?: webcrypto.CryptoKeyPair;
  readonly extensions?: readonly Extension[];
}

const DAY_MS = 86_400_000;

/** The moment so many days from now. */
export function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

/** Makes a certificate and signs it. */
export async function issue(wish: CertificateWish): Promise<Issued> {
  const { subject = '', issuer, isCa = false, usage, names = [] } = wish;
  const keys = wish.keys ?? (await makeKeys());
  const extensions: Extension[] = [
    new BasicConstraintsExtension(isCa, undefined, true),
    new KeyUsagesExtension(isCa ? CA_FLAGS : KeyUsageFlags.digitalSignature, true),
    ...(usage === undefined ? [] : [new ExtendedKeyUsageExtension(USAGES[usage])]),
    ...(names.length === 0 ? [] : [alternativeNamesExtension(names)]),
    ...(wish.extensions ?? []),
  ];
  // The first byte is not zero and not negative, so that the number is written as it is read.
  const serialNumber = wish.serialNumber ?? `1${randomBytes(8).toString('hex').slice(1)}`;
  const certificate = await X509CertificateGenerator.create({
    serialNumber,
    subject,
    issuer: issuer?.subject ?? subject,
    notBefore: wish.notBefore ?? daysFromNow(-1),
    notAfter: wish.notAfter ?? daysFromNow(365),
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    signingAlgorithm: SIGNING,
    extensions,
  });
  return {
    certificate: `${certificate.toString('pem')}\n`,
    key: await pemOf(keys.privateKey),
    subject,
    serialNumber,
    keys,
  };
}

/** A list, in PEM, of what the CA has revoked. */
export async function revocationList(
  ca: Issued,
  revoked: readonly Issued[],
  nextUpdate: Date = daysFromNow(30),
): Promise<string> {
  const list = await X509CrlGenerator.create({
    issuer: ca.subject,
    thisUpdate: daysFromNow(-2),
    nextUpdate,
    entries: revoked.map(({ serialNumber }) => ({ serialNumber, revocationDate: daysFromNow(-1) })),
    signingAlgorithm: SIGNING,
    signingKey: ca.keys.privateKey,
  });
  // The library's own label is one that OpenSSL does not know.
  return `${PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

/** What a host's gateway and those who call it have. */
export interface Lab {
  /** Signs all that is right. */
  readonly ca: Issued;
  /** For localhost, 127.0.0.1 and ::1. */
  readonly server: Issued;
  /** A client with one URI. */
  readonly client: (uri: string) => Promise<Issued>;
}

export async function makeLab(): Promise<Lab> {
  const ca = await issue({ subject: 'CN=Lab CA', isCa: true });
  const server = await issue({
    subject: 'CN=gateway',
    issuer: ca,
    usage: 'server',
    names: [
      { kind: 'dns', value: 'localhost' },
      { kind: 'ip', value: Buffer.from([127, 0, 0, 1]) },
      { kind: 'ip', value: Buffer.concat([Buffer.alloc(15), Buffer.of(1)]) },
    ],
  });
  return { ca, server, client: (uri) => issue(clientWish(ca, uri)) };
}

/** Clients that a gateway refuses, by what is wrong with them. */
export const BAD_CLIENTS = [
  'expired',
  'not yet valid',
  'self-signed',
  'two URIs',
  'no name',
  'wrong CA',
  'CA of the same name',
  'not for clients',
  'unknown intermediate',
  'signed by a client',
] as const;
export type BadClient = (typeof BAD_CLIENTS)[number];

/** A certificate that is not to be taken, though the CA has signed it where that is not what is wrong. */
export async function badClient(ca: Issued, what: BadClient): Promise<Issued> {
  const wish = clientWish(ca, 'spiffe://lab/bad');
  switch (what) {
    case 'expired':
      return issue({ ...wish, notBefore: daysFromNow(-30), notAfter: daysFromNow(-1) });
    case 'not yet valid':
      return issue({ ...wish, notBefore: daysFromNow(1) });
    case 'self-signed':
      return issue({ subject: 'CN=client', usage: 'client', names: wish.names ?? [] });
    case 'two URIs':
      return issue({ ...wish, names: ['spiffe://lab/a', 'spiffe://lab/b'].map((value) => ({ kind: 'uri', value })) });
    case 'no name':
      return issue({ ...wish, names: [] });
    case 'wrong CA':
      return issue({ ...wish, issuer: await issue({ subject: 'CN=Other CA', isCa: true }) });
    case 'CA of the same name':
      return issue({ ...wish, issuer: await issue({ subject: ca.subject, isCa: true }) });
    case 'not for clients':
      return issue({ ...wish, usage: 'server' });
    case 'unknown intermediate':
      // It is not sent along.
      return issue({ ...wish, issuer: await makeIntermediate(ca) });
    case 'signed by a client':
      return withIssuer(wish, await issue(wish));
  }
}

/** A CA that another has signed. */
export function makeIntermediate(ca: Issued): Promise<Issued> {
  return issue({ subject: 'CN=Intermediate CA', issuer: ca, isCa: true });
}

function clientWish(ca: Issued, uri: string): CertificateWish {
  return { subject: 'CN=client', issuer: ca, usage: 'client', names: [{ kind: 'uri', value: uri }] };
}

/** Sends along who has signed it. */
async function withIssuer(wish: CertificateWish, issuer: Issued): Promise<Issued> {
  const issued = await issue({ ...wish, subject: 'CN=second', issuer });
  return { ...issued, certificate: issued.certificate + issuer.certificate };
}

/** It signs certificates and lists of those that are revoked. */
const CA_FLAGS: KeyUsageFlags = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;

const EC: webcrypto.EcKeyGenParams = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' };

const { clientAuth, serverAuth } = ExtendedKeyUsage;
const USAGES = { client: [clientAuth], server: [serverAuth], both: [clientAuth, serverAuth] };

export function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

/** RFC 5280 section 4.2.1.6, as bytes: the library would refuse what tests need. */
export function alternativeNamesExtension(names: readonly AlternativeNameWish[]): Extension {
  const items = names.map(({ kind, value }) => der(GENERAL_NAME_TAGS[kind], Buffer.from(value as string)));
  return new Extension('2.5.29.17', false, der(0x30, Buffer.concat(items)));
}

/** Context tags of GeneralName. */
const GENERAL_NAME_TAGS = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 };

/** A tag, a length of up to three bytes, and the content. */
export function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 128 ? [length] : long)]), content]);
}
