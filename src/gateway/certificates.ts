// The certificates that a gateway shows and trusts, read again when their files change. New ones that cannot be used change
// nothing.
import { statSync } from 'node:fs';
import { ConfigurationError } from '../configuration/configuration-error.js';
import { readConfigurationText } from '../configuration/read-text.js';
import type { Logger } from '../runtime/log.js';
import {
  CertificateError,
  type CertificateFiles,
  type CertificateTexts,
  type CheckedCertificates,
  type KnownCertificate,
  type ServerContext,
  checkCertificates,
  nameOf,
  subjectOf,
} from './certificate-check.js';
import { alternativeNames } from './identity.js';
import { type WatchedFiles, watchFiles } from './watched-files.js';

export { CertificateError, type CertificateFiles } from './certificate-check.js';

/** A certificate as people see it. */
export interface CertificateView {
  readonly use: 'server' | 'client-ca';
  readonly file: string;
  readonly subject: string;
  /** Such as "DNS:gw.example". */
  readonly names: readonly string[];
  /** ms after 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whole days until it expires; negative ones since then. */
  readonly daysLeft: number;
  /** SHA-256 of its DER, in hexadecimal. */
  readonly fingerprint: string;
}

export interface Certificates extends Disposable {
  /** For a TLS server; as it was when all files could be used the last time. */
  readonly context: ServerContext;
  /** Why the files as they are now cannot be used; undefined if they are in use. */
  readonly error: string | undefined;
  list(): readonly CertificateView[];
  /** Reads the files now. */
  reload(): void;
}

export interface CertificateOptions {
  readonly log: Logger;
  /** Is told of the context that takes the place of the one before. */
  readonly onChange: (context: ServerContext) => void;
  readonly now?: () => Date;
  /** Time between looks at the files, in ms. */
  readonly lookMs?: number;
}

/** Days before the end of a certificate in which the log warns of it. */
export const EXPIRY_WARNING_DAYS = 14;

const DAY_MS = 86_400_000;

/**
 * Reads the files, and follows them from then on.
 *
 * @throws CertificateError if they cannot be used.
 */
export function openCertificates(files: CertificateFiles, options: CertificateOptions): Certificates {
  return new FollowedCertificates(files, options);
}

class FollowedCertificates implements Certificates {
  readonly #files: CertificateFiles;
  readonly #log: Logger;
  readonly #onChange: (context: ServerContext) => void;
  readonly #now: () => Date;
  readonly #watch: WatchedFiles;
  #checked: CheckedCertificates;
  #error: string | undefined;
  /** When the log was last told what expires soon, in ms after 1970. */
  #warnedAt = -Infinity;

  constructor(files: CertificateFiles, { log, onChange, now = () => new Date(), lookMs }: CertificateOptions) {
    this.#files = files;
    this.#log = log;
    this.#onChange = onChange;
    this.#now = now;
    // Watched before they are read: what comes in between is seen.
    this.#watch = watchFiles(
      pathsOf(files),
      (hasChanged) => {
        // What could not be used may have become so without a trace, such as by a permission of a folder.
        if (hasChanged || this.#error !== undefined) this.#read();
        this.#warnOfExpiry();
      },
      lookMs,
    );
    try {
      this.#checked = readFiles(files);
    } catch (error) {
      this.#watch[Symbol.dispose]();
      throw error;
    }
    this.#warnOfKey();
    this.#warnOfExpiry();
  }

  get context(): ServerContext {
    return this.#checked.context;
  }

  get error(): string | undefined {
    return this.#error;
  }

  list(): readonly CertificateView[] {
    const now = this.#now().getTime();
    return this.#checked.certificates.map((known) => viewOf(known, now));
  }

  reload(): void {
    this.#watch.see();
    this.#read();
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #read(): void {
    let checked: CheckedCertificates;
    try {
      checked = readFiles(this.#files);
      this.#refuseExpired(checked);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      // Two files of a pair come one after the other, so that this may be over in a moment.
      if (error.message !== this.#error) {
        this.#log.error({ findings: error.findings }, 'the new certificates cannot be used; those before stay in use');
      }
      this.#error = error.message;
      return;
    }
    const wasRefused = this.#error !== undefined;
    this.#error = undefined;
    const isSame = JSON.stringify(checked.context) === JSON.stringify(this.#checked.context);
    if (isSame && !wasRefused) return;
    this.#log.info({ certificates: checked.certificates.length }, 'the certificates were read again');
    if (isSame) return;
    this.#checked = checked;
    this.#warnedAt = -Infinity;
    this.#warnOfKey();
    this.#warnOfExpiry();
    this.#onChange(checked.context);
  }

  /** One that is over is no good in the place of one that is not. At the start there is nothing better. */
  #refuseExpired(checked: CheckedCertificates): void {
    const [before] = this.#checked.certificates;
    const [after] = checked.certificates;
    if (before === undefined || after === undefined || !this.#isValidNow(before) || this.#isValidNow(after)) return;
    const { validFrom, validTo } = after.certificate;
    throw new CertificateError([
      `'${after.file}': the new certificate ${nameOf(after.certificate)} is valid from ${validFrom} to ${validTo}, which is not now: issue another, or see to this host's clock`,
    ]);
  }

  #isValidNow(known: KnownCertificate): boolean {
    const now = this.#now().getTime();
    const { notBefore, notAfter } = viewOf(known, now);
    return notBefore <= now && now < notAfter;
  }

  /** With each new certificate, and once a day. */
  #warnOfExpiry(): void {
    const now = this.#now().getTime();
    if (now - this.#warnedAt < DAY_MS) return;
    this.#warnedAt = now;
    for (const { use, file, subject, daysLeft, notBefore, notAfter } of this.list()) {
      const fields = { use, file, subject, daysLeft };
      if (notAfter <= now) this.#log.error(fields, 'a certificate has expired; connections by it fail');
      else if (notBefore > now) this.#log.error(fields, 'a certificate is not valid yet; connections by it fail');
      else if (daysLeft < EXPIRY_WARNING_DAYS) this.#log.warn(fields, 'a certificate expires soon');
    }
  }

  #warnOfKey(): void {
    const { key } = this.#files;
    // It has just been read; where it is gone since, the next look tells.
    const mode = statSync(key, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & 0o007) !== 0)
      this.#log.warn({ file: key }, 'the private key can be read by everybody; chmod o= cures that');
  }
}

function pathsOf({ certificate, key, clientCa, crl }: CertificateFiles): readonly string[] {
  return [certificate, key, clientCa, ...(crl === undefined ? [] : [crl])];
}

/** @throws CertificateError */
function readFiles(files: CertificateFiles): CheckedCertificates {
  const findings: string[] = [];
  const read = (file: string): string => {
    try {
      return readConfigurationText(file);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      findings.push(...error.findings.map(({ text }) => `'${file}': ${text}${cureOf(error)}`));
      return '';
    }
  };
  const texts: CertificateTexts = {
    certificate: read(files.certificate),
    key: read(files.key),
    clientCa: read(files.clientCa),
    crl: files.crl === undefined ? undefined : read(files.crl),
  };
  if (findings.length > 0) throw new CertificateError(findings);
  return checkCertificates(texts, files);
}

function cureOf({ cause }: ConfigurationError): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'EACCES')
    return ` (as uid ${process.getuid?.() ?? '?'}): give its group to the gateway's user (chgrp, chmod 640)`;
  // Bytes that are no text.
  return cause instanceof TypeError ? ', as PEM is; openssl can convert it from DER' : '';
}

function viewOf({ use, file, certificate }: KnownCertificate, now: number): CertificateView {
  const notBefore = Date.parse(certificate.validFrom);
  const notAfter = Date.parse(certificate.validTo);
  return {
    use,
    file,
    subject: subjectOf(certificate),
    names: (alternativeNames(certificate) ?? []).map(({ kind, value }) => `${kind}:${value}`),
    notBefore,
    notAfter,
    daysLeft: Math.floor((notAfter - now) / DAY_MS),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}
