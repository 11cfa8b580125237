// Reads lists of revoked certificates (RFC 5280, 5). What decodes them is large, so this is a bundle of its own
// (scripts/bundle.mjs), loaded when there is such a list and it has changed: nothing here imports code of the program.
import 'reflect-metadata';
import { type X509Certificate, webcrypto } from 'node:crypto';
import { X509Certificate as DecodedCertificate, PemConverter, PublicKey, X509Crl } from '@peculiar/x509';
import type { RevocationLists } from './revocation.js';

/**
 * Reads lists in PEM.
 *
 * @throws Error if one cannot be decoded.
 */
export function readRevocationLists(pems: readonly string[]): RevocationLists {
  const lists = pems.flatMap((pem) => PemConverter.decode(pem)).map((bytes) => new List(decode(bytes)));
  return {
    async revokedAt(certificate, issuer) {
      const { serialNumber, issuer: issuerName } = new DecodedCertificate(certificate.raw);
      const name = comparable(issuerName);
      for (const list of lists) {
        const date = list.issuer === name ? list.dates.get(serialNumber) : undefined;
        if (date !== undefined && (await list.isSignedBy(issuer))) return date;
      }
      return undefined;
    },
  };
}

/** The library's own limit is met by a list of some thousands; what it reads is bounded by the length of its file. */
function decode(bytes: ArrayBuffer): X509Crl {
  return new X509Crl(bytes, { berOptions: { maxNodes: bytes.byteLength } });
}

class List {
  readonly issuer: string;
  /** When each was revoked, by serial numbers in hexadecimal. */
  readonly dates: ReadonlyMap<string, Date>;
  readonly #list: X509Crl;
  /** The same CAs come again and again. */
  readonly #verdicts = new WeakMap<X509Certificate, Promise<boolean>>();

  constructor(list: X509Crl) {
    this.#list = list;
    this.issuer = comparable(list.issuer);
    this.dates = new Map(list.entries.map(({ serialNumber, revocationDate }) => [serialNumber, revocationDate]));
  }

  /** Two CAs may have one name, and then the same numbers. */
  isSignedBy(issuer: X509Certificate): Promise<boolean> {
    const verdict = this.#verdicts.get(issuer) ?? isSigned(this.#list, issuer);
    this.#verdicts.set(issuer, verdict);
    return verdict;
  }
}

function isSigned(list: X509Crl, issuer: X509Certificate): Promise<boolean> {
  const publicKey = new PublicKey(issuer.publicKey.export({ type: 'spki', format: 'der' }));
  return list.verify({ publicKey }, webcrypto);
}

/** Names are the same in other case and with other spaces (RFC 5280, 7.1). */
function comparable(name: string): string {
  return name.trim().toLowerCase().replace(/\s+/g, ' ');
}
