// The files with which a gateway and mcctl show each other who they are.
import { type KeyObject, X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CliError } from '../errors.js';
import type { TlsSettings } from './contexts.js';

/** What TLS is given. */
export interface TlsMaterial {
  /** PEM; undefined: the certificates that Node brings along. */
  readonly ca: Buffer | undefined;
  /** PEM: the certificate, and others between it and the gateway's `client-ca`. */
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly serverName: string | undefined;
}

/** Reads the files, and looks whether they can serve at all. @throws CliError NO_FILE, PERMISSION or BAD_FILE */
export function readTlsFiles(settings: TlsSettings): TlsMaterial {
  const ca = settings.ca === undefined ? undefined : readPem(settings.ca, 'CERTIFICATE', 'the CA (--ca)');
  const { cert: certPath, key: keyPath, serverName } = settings;
  if (ca !== undefined && settings.ca !== undefined) certificateIn(ca, settings.ca);
  if (certPath === undefined || keyPath === undefined) return { ca, cert: undefined, key: undefined, serverName };
  const cert = readPem(certPath, 'CERTIFICATE', 'the certificate (--cert)');
  const key = readPem(keyPath, 'PRIVATE KEY', 'the key (--key)');
  if (!certificateIn(cert, certPath).checkPrivateKey(keyIn(key, keyPath))) {
    throw new CliError('BAD_FILE', `the key ${keyPath} is not that of the certificate ${certPath}`, [
      'give the two files that were made together (--cert, --key)',
    ]);
  }
  return { ca, cert, key, serverName };
}

/** Largest file of certificates, in bytes; a bundle of all public ones has 250 KB. */
const PEM_MAX = 4 * 1024 * 1024;

function readPem(path: string, kind: 'CERTIFICATE' | 'PRIVATE KEY', what: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw unreadable(path, what, error as NodeJS.ErrnoException);
  }
  const text = bytes.length > PEM_MAX ? '' : bytes.toString('latin1');
  if (new RegExp(`-----BEGIN [A-Z0-9 ]*${kind}-----`).test(text)) return bytes;
  const other = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1];
  const found = other === undefined ? 'has no PEM in it' : `has a ${other}`;
  throw new CliError('BAD_FILE', `${path} is not ${what}: it ${found}`, [
    `a file with -----BEGIN ${kind}----- is wanted`,
  ]);
}

function unreadable(path: string, what: string, error: NodeJS.ErrnoException): CliError {
  if (error.code === 'ENOENT') {
    const cure = "give the path of the file; 'mcctl context show' tells that of a context";
    return new CliError('NO_FILE', `${what}: there is no file ${path}`, [cure], error);
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    const cure = 'it has to be readable for who calls mcctl';
    return new CliError('PERMISSION', `${what}: no permission to read ${path}`, [cure], error);
  }
  return new CliError('NO_FILE', `${what}: ${error.message}`, ['give the path of a file'], error);
}

function certificateIn(pem: Buffer, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new CliError(
      'BAD_FILE',
      `${path} has a certificate that cannot be read`,
      ['it is damaged: copy it again'],
      error,
    );
  }
}

function keyIn(pem: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const isLocked = pem.includes('ENCRYPTED');
    const cure = isLocked
      ? `take the passphrase off: openssl pkey -in ${path} -out KEY`
      : 'it is damaged: copy it again';
    throw new CliError(
      'BAD_FILE',
      `${path} has a key that ${isLocked ? 'is encrypted' : 'cannot be read'}`,
      [cure],
      error,
    );
  }
}
