// Who signs: an authority's certificate and its key, as they are read from files.
import 'reflect-metadata';
import { type KeyObject, createPrivateKey, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
} from '@peculiar/x509';

/** A file that cannot serve. */
export class AuthorityError extends Error {
  override readonly name = 'AuthorityError';
  /** What to do. */
  readonly cure: string;

  constructor(message: string, cure: string, cause?: unknown) {
    super(message, { cause });
    this.cure = cure;
  }
}

/** Who signs. */
export interface Authority {
  readonly certificate: X509Certificate;
  readonly key: webcrypto.CryptoKey;
  readonly algorithm: SigningAlgorithm;
}

/** Reads who signs. @throws AuthorityError if it cannot. */
export async function readAuthority(
  certificatePem: string,
  keyPem: string,
  files: { readonly certificate: string; readonly key: string },
): Promise<Authority> {
  const key = readKey(keyPem, files.key);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(certificatePem);
  } catch (error) {
    throw new AuthorityError(`${files.certificate} has no certificate that can be read`, MAKE_CA, error);
  }
  if (certificate.getExtension(BasicConstraintsExtension)?.ca !== true) {
    throw new AuthorityError(`${files.certificate} is not the certificate of an authority`, MAKE_CA);
  }
  const algorithm = signingAlgorithm(key, files.key);
  const der = key.export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
  if (!(await hasKey(certificate, signingKey, algorithm))) {
    throw new AuthorityError(
      `the key ${files.key} is not that of the certificate ${files.certificate}`,
      'give the two files that were made together (--ca, --ca-key)',
    );
  }
  return { certificate, key: signingKey, algorithm };
}

/** Algorithms of a signature and of its key, as WebCrypto has them. */
export type SigningAlgorithm =
  | { readonly name: 'ECDSA'; readonly namedCurve: string; readonly hash: string }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string };

/** What new keys sign with. */
export const SIGNING = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

const MAKE_CA = "'mcctl cert ca' makes one";

/** As the authority's own certificate has it, however that was reckoned. */
export async function authorityKey(issuer: X509Certificate): Promise<AuthorityKeyIdentifierExtension> {
  const own = issuer.getExtension(SubjectKeyIdentifierExtension);
  return own === null
    ? AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto)
    : new AuthorityKeyIdentifierExtension(own.keyId);
}

function readKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new AuthorityError(`${path} has no key that can be read`, 'one with a passphrase is not read', error);
  }
}

function signingAlgorithm(key: KeyObject, path: string): SigningAlgorithm {
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const found = key.asymmetricKeyType === 'ec' ? CURVES.get(key.asymmetricKeyDetails?.namedCurve ?? '') : undefined;
  if (found !== undefined) return found;
  throw new AuthorityError(
    `${path} has a key of a kind that mcctl does not sign with`,
    'RSA, and EC with P-256, P-384 or P-521, it does',
  );
}

/** By OpenSSL's names. */
const CURVES = new Map<string, SigningAlgorithm>([
  ['prime256v1', SIGNING],
  ['secp384r1', { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }],
  ['secp521r1', { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }],
]);

/** Whether the certificate's key takes what this one has signed. */
async function hasKey(
  certificate: X509Certificate,
  key: webcrypto.CryptoKey,
  algorithm: SigningAlgorithm,
): Promise<boolean> {
  const text = Buffer.from('mcroute');
  try {
    const der = Buffer.from(certificate.publicKey.rawData);
    const publicKey = await webcrypto.subtle.importKey('spki', der, algorithm, false, ['verify']);
    const signature = await webcrypto.subtle.sign(algorithm, key, text);
    return await webcrypto.subtle.verify(algorithm, publicKey, signature, text);
  } catch {
    // A key of another kind.
    return false;
  }
}
