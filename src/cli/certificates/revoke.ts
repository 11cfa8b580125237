// The list of certificates that an authority has taken back (RFC 5280, 5).
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  Extension,
  PemConverter,
  X509Certificate,
  X509Crl,
  type X509CrlEntryParams,
  X509CrlGenerator,
  X509CrlReason,
} from '@peculiar/x509';
import { type Authority, AuthorityError, authorityKey } from './authority.js';

/** A file, and where it came from. */
export interface PemFile {
  readonly path: string;
  readonly pem: string;
}

/** A list as its file has it. */
export interface Revoked {
  readonly list: string;
  /** Certificates in it. */
  readonly count: number;
  /** From then on it is refused, and with it everybody. */
  readonly nextUpdate: Date;
}

/**
 * Adds certificates to the list, or to a new one where there is none; without any it is as before, and holds for longer.
 *
 * @throws AuthorityError if one is not the authority's, or a file cannot be read.
 */
export async function revoke(
  authority: Authority,
  certificates: readonly PemFile[],
  list: PemFile | undefined,
  days: number,
  now: Date,
): Promise<Revoked> {
  const { certificate: issuer, key, algorithm } = authority;
  const before = list === undefined ? [] : await readEntries(list, issuer);
  const entries = new Map(before.map((entry) => [entry.serialNumber, entry]));
  for (const file of certificates) {
    const serialNumber = await serialNumberOf(file, issuer);
    // The day on which it was first taken back stays.
    if (!entries.has(serialNumber)) {
      entries.set(serialNumber, { serialNumber, revocationDate: now, reason: X509CrlReason.unspecified });
    }
  }
  const nextUpdate = new Date(Math.floor(now.getTime() / 1_000) * 1_000 + days * DAY_MS);
  const made = await X509CrlGenerator.create(
    {
      issuer: issuer.subjectName,
      thisUpdate: now,
      nextUpdate,
      entries: [...entries.values()],
      extensions: [await authorityKey(issuer), new Extension(CRL_NUMBER, false, crlNumber(now))],
      signingAlgorithm: algorithm,
      signingKey: key,
    },
    webcrypto,
  );
  // The library's own label is one that OpenSSL does not know.
  return { list: `${PemConverter.encode(made.rawData, LABEL)}\n`, count: entries.size, nextUpdate };
}

const DAY_MS = 86_400_000;

const LABEL = 'X509 CRL';

/** RFC 5280, 5.2.3: every list has a higher number than the one before. */
const CRL_NUMBER = '2.5.29.20';

/** The time in ms, as an INTEGER of 6 bytes, which it is until the year 6429. */
function crlNumber(now: Date): Buffer {
  const bytes = Buffer.from([0x02, 6, 0, 0, 0, 0, 0, 0]);
  bytes.writeUIntBE(now.getTime(), 2, 6);
  return bytes;
}

async function readEntries({ path, pem }: PemFile, issuer: X509Certificate): Promise<readonly X509CrlEntryParams[]> {
  let list: X509Crl;
  try {
    const [bytes] = PemConverter.decode(pem);
    if (bytes === undefined) throw new Error('it has no PEM in it');
    // The library's own limit is met by a list of some thousands.
    list = new X509Crl(bytes, { berOptions: { maxNodes: bytes.byteLength } });
  } catch (error) {
    throw new AuthorityError(`${path} has no list that can be read`, 'move it away to begin a new one', error);
  }
  if (!(await list.verify({ publicKey: issuer.publicKey }, webcrypto))) {
    throw new AuthorityError(`${path} is not signed by this authority`, 'each authority has a list of its own');
  }
  return list.entries.map(({ serialNumber, revocationDate, reason }) => ({
    serialNumber,
    revocationDate,
    ...(reason !== undefined && { reason }),
  }));
}

async function serialNumberOf({ path, pem }: PemFile, issuer: X509Certificate): Promise<string> {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (error) {
    throw new AuthorityError(`${path} has no certificate that can be read`, 'give the .crt of who is to go', error);
  }
  if (!(await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true }, webcrypto))) {
    throw new AuthorityError(
      `${path} is not signed by this authority`,
      'only who has signed a certificate takes it back',
    );
  }
  return certificate.serialNumber;
}
