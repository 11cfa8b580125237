// Who a certificate says that its holder is. Pure.
import type { X509Certificate } from 'node:crypto';
import { quote } from '../api/parse.js';
import { IDENTITY_MAX } from '../model/limits.js';

/** Where in a certificate the identity is sought: names of subjectAltName, or the common name of the subject. */
export const IDENTITY_SOURCES = ['uri', 'dns', 'cn'] as const;
export type IdentitySource = (typeof IDENTITY_SOURCES)[number];

export type CertificateIdentity = { readonly identity: string } | { readonly refusal: string };

/**
 * The identity of who holds the certificate: the one name of the first source that the certificate has any of. Whether
 * somebody who is trusted has signed it is another question.
 */
export function identityOf(certificate: X509Certificate, sources: readonly IdentitySource[]): CertificateIdentity {
  const names = alternativeNames(certificate);
  if (names === undefined) return refused('the names (subjectAltName) of the certificate cannot be read');
  for (const source of sources) {
    const found = source === 'cn' ? commonNames(certificate) : valuesOf(names, source);
    const [first] = found;
    if (first === undefined) continue;
    if (found.length > 1) {
      return refused(
        `the certificate has ${found.length} ${WORDS[source]}s, and it must be clear who it names: leave one`,
      );
    }
    const complaint = complaintAbout(source, first);
    return complaint === undefined
      ? { identity: canonicalIdentity(source === 'uri' ? first : `${source}:${first}`) }
      : refused(`the ${WORDS[source]} of the certificate is ${quote(first)}: ${complaint}`);
  }
  const wanted = sources.map((source) => `a ${WORDS[source]}`).join(' or ');
  return refused(`the certificate names nobody: it needs ${wanted}${sources.includes('uri') ? EXAMPLE : ''}`);
}

const WORDS: Readonly<Record<IdentitySource, string>> = {
  uri: 'URI name',
  dns: 'DNS name',
  cn: 'common name',
};
const EXAMPLE = ', such as URI:spiffe://studio.example/mixer';

/** The identity as it is compared: of URIs the scheme and the host, and names of DNS, are the same in any case. */
export function canonicalIdentity(identity: string): string {
  if (identity.startsWith('cn:')) return identity;
  if (/^dns:/i.test(identity)) return identity.toLowerCase().replace(/\.$/, '');
  return identity.replace(/^[^:/]+:(?:\/\/[^/]*)?/, (start) => start.toLowerCase());
}

/** A name of subjectAltName. */
export interface AlternativeName {
  /** As Node writes it: `URI`, `DNS`, `IP Address`, `email`, `DirName`, ... */
  readonly kind: string;
  readonly value: string;
}

/**
 * The names in the certificate's subjectAltName, or undefined if it is not certain what they are.
 *
 * Node joins them by ', ', and writes a value in which a comma, a quote, a backslash or a control character stands as a
 * text of JSON (CVE-2021-44532): so one value cannot pass for two, if the quotes are minded.
 */
export function alternativeNames(certificate: X509Certificate): readonly AlternativeName[] | undefined {
  // OpenSSL would read one of several; RFC 5280 section 4.2 allows one.
  if (certificate.raw.indexOf(OID) !== certificate.raw.lastIndexOf(OID)) return undefined;
  const { subjectAltName: text } = certificate;
  if (text === undefined) return certificate.raw.includes(OID) ? undefined : [];
  return parseAlternativeNames(text);
}

/** 2.5.29.17 in DER. */
const OID = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x11]);

/** Parses `subjectAltName` as Node writes it; undefined if it is written otherwise. */
export function parseAlternativeNames(text: string): readonly AlternativeName[] | undefined {
  const name = /([A-Za-z0-9 ]+):((?:[A-Za-z]+:)?"(?:[^"\\\n]|\\.)*"|[^",\\]*)(?:, |$)/y;
  const names: AlternativeName[] = [];
  while (name.lastIndex < text.length) {
    const start = name.lastIndex;
    const [whole = '', kind = '', written = ''] = name.exec(text) ?? [];
    const value = unquote(written);
    const isLast = start + whole.length === text.length;
    // A separator at the end would begin a name that is not there.
    if (whole === '' || value === undefined || (isLast && whole.endsWith(', '))) return undefined;
    names.push({ kind, value });
  }
  return names;
}

function unquote(written: string): string | undefined {
  const at = written.indexOf('"');
  if (at < 0) return written;
  try {
    return written.slice(0, at) + String(JSON.parse(written.slice(at)));
  } catch {
    return undefined;
  }
}

function valuesOf(names: readonly AlternativeName[], source: 'uri' | 'dns'): readonly string[] {
  const kind = source === 'uri' ? 'URI' : 'DNS';
  return names.flatMap((name) => (name.kind === kind ? [name.value] : []));
}

/** Those of the subject. They are taken from the fields as Node has read them, not from a text that is parsed again. */
function commonNames(certificate: X509Certificate): readonly string[] {
  // Node gives an array where there are several.
  const found = certificate.toLegacyObject().subject.CN;
  return found === undefined ? [] : [found].flat();
}

function complaintAbout(source: IdentitySource, name: string): string | undefined {
  if (name.length > IDENTITY_MAX - source.length - 1) return `it has more than ${IDENTITY_MAX} characters`;
  // It is sent in a header, and in patterns a star is any text.
  if (!/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(name) || name.includes('*')) {
    return "it must be of printable characters of ASCII, without '*'";
  }
  if (source === 'cn') return undefined;
  if (name.includes(' ')) return 'it has a space';
  return source === 'uri' ? complaintAboutUri(name) : undefined;
}

/** Words that begin identities of other kinds: no certificate names a user of this host. */
const RESERVED_SCHEMES: ReadonlySet<string> = new Set(['dns', 'cn', 'uid', 'gid', 'user', 'group']);

function complaintAboutUri(uri: string): string | undefined {
  // RFC 3986 section 3; what follows the authority is compared as it is.
  const [, scheme = '', authority] = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?/.exec(uri) ?? [];
  if (scheme === '') return 'it is no URI with a scheme';
  if (RESERVED_SCHEMES.has(scheme.toLowerCase())) return `the scheme '${scheme}' means something else here`;
  if (authority?.includes('@') === true) return "it has a user before '@'";
  return scheme.toLowerCase() === 'spiffe' ? complaintAboutSpiffeId(uri) : undefined;
}

/** The SPIFFE ID specification, section 2: trust domain and path, of few characters, and nothing else. */
function complaintAboutSpiffeId(uri: string): string | undefined {
  const [, path] = /^spiffe:\/\/[a-z0-9._-]+((?:\/[A-Za-z0-9._-]+)*)$/i.exec(uri) ?? [];
  const isId = path?.split('/').every((segment) => segment !== '.' && segment !== '..') ?? false;
  return isId ? undefined : 'it is no SPIFFE ID: spiffe://TRUST-DOMAIN/PATH, without port, query and empty parts';
}

function refused(refusal: string): CertificateIdentity {
  return { refusal };
}
