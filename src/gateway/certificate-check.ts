// Whether files of certificates can serve, and what a TLS server makes of them. Pure, but for the checks of OpenSSL.
import { type KeyObject, X509Certificate, constants, createPrivateKey } from 'node:crypto';
import { type SecureContextOptions, createSecureContext } from 'node:tls';
import { quote } from '../api/parse.js';

/** The files of a TLS listener. */
export interface CertificateFiles {
  /** The gateway's certificate, and intermediates after it. */
  readonly certificate: string;
  /** Its private key. */
  readonly key: string;
  /** The CAs of which clients' certificates must be. */
  readonly clientCa: string;
  /** What these CAs have revoked. */
  readonly crl: string | undefined;
}

/** The texts of the files. */
export interface CertificateTexts {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string;
  readonly crl: string | undefined;
}

/** A certificate, and where it is from. */
export interface KnownCertificate {
  readonly use: 'server' | 'client-ca';
  readonly file: string;
  readonly certificate: X509Certificate;
}

/** What a TLS server is given. */
export interface ServerContext extends SecureContextOptions {
  /** Of clients, in PEM, one each. */
  readonly ca: string[];
  /** Lists of what they have revoked, in PEM, one each. */
  readonly crl?: string[];
}

/** Files that fit together. */
export interface CheckedCertificates {
  readonly context: ServerContext;
  /** That of the gateway first. */
  readonly certificates: readonly KnownCertificate[];
}

/** Files of certificates cannot be used; the message has a line for each thing that is wrong, with its cure. */
export class CertificateError extends Error {
  readonly code = 'CERTIFICATE';
  readonly findings: readonly string[];

  constructor(findings: readonly string[], cause?: unknown) {
    super(findings.join('\n'), { cause });
    this.findings = findings;
  }
}

/** @throws CertificateError with all that is wrong. */
export function checkCertificates(texts: CertificateTexts, files: CertificateFiles): CheckedCertificates {
  const findings: string[] = [];
  const chain = readCertificates(texts.certificate, files.certificate, findings);
  const key = readKey(texts.key, files.key, findings);
  const cas = readCertificates(texts.clientCa, files.clientCa, findings);
  const crls = texts.crl === undefined ? undefined : pemBlocks(texts.crl).filter(({ label }) => label === CRL_LABEL);
  if (crls?.length === 0) findings.push(`'${files.crl ?? ''}': ${whatIsMissing(texts.crl ?? '', CRL_LABEL)}`);
  findings.push(...complaintsAboutChain(chain, key, files));
  findings.push(...complaintsAboutCas(cas, files.clientCa));
  if (findings.length > 0) throw new CertificateError(findings);
  const context: ServerContext = {
    cert: chain.map(String).join(''),
    key: texts.key,
    ca: cas.map(String),
    ...(crls && { crl: crls.map(({ text }) => text) }),
    minVersion: 'TLSv1.3',
    // A session that is taken up again brings the verdict on its certificate along, from before it expired or was revoked.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  try {
    createSecureContext(context);
  } catch (error) {
    throw new CertificateError([`${listOf(files)}: OpenSSL refuses them: ${messageOf(error)}`], error);
  }
  return {
    context,
    certificates: [
      ...chain.map((certificate) => ({ use: 'server' as const, file: files.certificate, certificate })),
      ...cas.map((certificate) => ({ use: 'client-ca' as const, file: files.clientCa, certificate })),
    ],
  };
}

/** A part of a PEM file (RFC 7468). */
export interface PemBlock {
  /** Such as `CERTIFICATE`. */
  readonly label: string;
  /** With its first and last lines. */
  readonly text: string;
}

/** The parts of a PEM file; what is between them is a comment. */
export function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  let open: { readonly label: string; readonly lines: string[] } | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, edge, label = ''] = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*$/.exec(line) ?? [];
    if (edge === 'BEGIN') open = { label, lines: [] };
    open?.lines.push(line);
    if (edge !== 'END' || open?.label !== label) continue;
    blocks.push({ label, text: `${open.lines.join('\n')}\n` });
    open = undefined;
  }
  return blocks;
}

const CERTIFICATE_LABEL = 'CERTIFICATE';
const CRL_LABEL = 'X509 CRL';

/** What the extended key usage of a server's certificate must have, if there is one (RFC 5280 section 4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

function readCertificates(text: string, file: string, findings: string[]): readonly X509Certificate[] {
  const blocks = pemBlocks(text).filter(({ label }) => label === CERTIFICATE_LABEL);
  if (blocks.length === 0) findings.push(`'${file}': ${whatIsMissing(text, CERTIFICATE_LABEL)}`);
  return blocks.flatMap((block, index) => {
    try {
      return new X509Certificate(block.text);
    } catch (error) {
      findings.push(
        `'${file}': the certificate no. ${index + 1} in it cannot be read (${messageOf(error)}): copy it again`,
      );
      return [];
    }
  });
}

function readKey(text: string, file: string, findings: string[]): KeyObject | undefined {
  const blocks = pemBlocks(text);
  const keys = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const [key] = keys;
  if (key === undefined) {
    findings.push(`'${file}': ${whatIsMissing(text, 'PRIVATE KEY')}`);
  } else if (key.label.startsWith('ENCRYPTED') || key.text.includes('Proc-Type: 4,ENCRYPTED')) {
    findings.push(
      `'${file}': the key has a passphrase, and nobody is there to type it: openssl pkey -in FILE -out FILE takes it off`,
    );
  } else {
    try {
      return createPrivateKey(key.text);
    } catch (error) {
      findings.push(`'${file}': the key cannot be read (${messageOf(error)}): copy it again`);
    }
  }
  return undefined;
}

function whatIsMissing(text: string, label: string): string {
  const found = [...new Set(pemBlocks(text).map((block) => block.label))];
  if (found.length > 0) return `has no ${label}, but ${found.join(', ')}: are two files mixed up?`;
  if (text.trim() === '') return 'is empty';
  if (text.includes('-----BEGIN '))
    return `has the beginning of a ${label} but not its end: it is being written, or was cut off`;
  return `has no ${label} in PEM (-----BEGIN ${label}-----): openssl can convert it from DER`;
}

/** What is wrong with the gateway's own certificate and those after it. */
function complaintsAboutChain(
  chain: readonly X509Certificate[],
  key: KeyObject | undefined,
  files: CertificateFiles,
): readonly string[] {
  const [own] = chain;
  const complaints: string[] = [];
  if (own !== undefined && key !== undefined && !own.checkPrivateKey(key)) {
    complaints.push(
      `'${files.key}': the key is not that of the first certificate in '${files.certificate}' ${nameOf(own)}`,
    );
  }
  // Node names the extended key usage so, and gives undefined where there is none.
  const usages = own?.keyUsage as readonly string[] | undefined;
  if (own !== undefined && usages !== undefined && !usages.includes(SERVER_AUTH)) {
    complaints.push(
      `'${files.certificate}': ${nameOf(own)} is not for servers: its extended key usage has no serverAuth`,
    );
  }
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1];
    if (issuer === undefined || (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey))) continue;
    complaints.push(
      `'${files.certificate}': ${ordinal(index + 1, issuer)} has not signed the one before it: put the gateway's first, then who has signed it, and so on`,
    );
  }
  return complaints;
}

/** What is wrong with the CAs of clients. */
function complaintsAboutCas(cas: readonly X509Certificate[], file: string): readonly string[] {
  return cas.flatMap((ca, index) => {
    const who = `'${file}': ${ordinal(index, ca)}`;
    if (!ca.ca) return [`${who} is no CA: put those here that sign clients' certificates`];
    // OpenSSL goes on to one that has signed itself; tls.Server has no option to end before (X509_V_FLAG_PARTIAL_CHAIN).
    if (cas.some((issuer) => ca.checkIssued(issuer))) return [];
    return [
      `${who} is signed by ${quote(oneLine(ca.issuer))}, which is not here: add it, up to the one that has signed itself`,
    ];
  });
}

function ordinal(index: number, certificate: X509Certificate): string {
  return `the certificate no. ${index + 1} ${nameOf(certificate)}`;
}

/** The subject in one line, quoted. */
export function nameOf(certificate: X509Certificate): string {
  return quote(subjectOf(certificate));
}

/** The subject in one line; a certificate may have none. */
export function subjectOf(certificate: X509Certificate): string {
  return oneLine(certificate.subject);
}

/** A distinguished name as Node has it; undefined where it is empty. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ');
}

function listOf({ certificate, key, clientCa, crl }: CertificateFiles): string {
  return [certificate, key, clientCa, ...(crl === undefined ? [] : [crl])].map((file) => `'${file}'`).join(', ');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
