// Makes certificates into files, and reads the authority's from files.
import { join } from 'node:path';
import type { Authority } from '../certificates/authority.js';
import type { Issued, Subject } from '../certificates/issue.js';
import { type KeyFiles, keyFilesIn, refuseExisting, writeKeyFiles, writeList } from '../certificates/key-files.js';
import { CliError, EXIT_OK } from '../errors.js';
import { readText } from '../file/read-text.js';
import type { LocalBody } from '../session.js';

interface FileOptions {
  readonly days: number;
  readonly out: string;
  readonly force?: boolean;
}

/** Of `cert ca`. */
export interface AuthorityOptions extends FileOptions {
  readonly name: string;
}

/** Where the authority is, if not in the folder. */
interface AuthorityFiles {
  readonly ca?: string;
  readonly caKey?: string;
}

/** Of `cert server` and `cert client`. */
export type SignedOptions = FileOptions & AuthorityFiles;

/** Of `cert revoke`. */
export type RevokeOptions = Omit<FileOptions, 'force'> & AuthorityFiles;

type LocalSession = Parameters<LocalBody>[0];

/** Makes an authority. */
export async function makeAuthority(session: LocalSession, options: AuthorityOptions): Promise<number> {
  const { name, days, out } = options;
  const files = keyFilesIn(out, 'ca');
  prepare(files, options);
  const { issueAuthority } = await import('../certificates/pki.js');
  return finish(session, files, await issueAuthority(name, days, new Date()));
}

/** Makes a certificate that the authority signs. */
export async function makeSigned(
  session: LocalSession,
  subject: Subject,
  name: string,
  options: SignedOptions,
): Promise<number> {
  const { days, out } = options;
  if (name === 'ca') {
    throw new CliError('USAGE', `cert ${subject.kind}: the files would have the names of the authority's`, [
      'choose another name',
    ]);
  }
  const files = keyFilesIn(out, name);
  prepare(files, options);
  const now = new Date();
  const authority = await openAuthority(session, `cert ${subject.kind}`, options, now);
  const { issueCertificate } = await import('../certificates/pki.js');
  const issued = await issueCertificate(authority, subject, days, now);
  if (issued.validTo.getTime() < now.getTime() + (days - 1) * 86_400_000) {
    session.terminal.note(`it ends with its authority, at ${issued.validTo.toISOString()}`);
  }
  return finish(session, files, issued);
}

/** Adds to the list of what the authority has taken back. */
export async function revokeCertificates(
  session: LocalSession,
  paths: readonly string[],
  options: RevokeOptions,
): Promise<number> {
  const { stdin, printer } = session;
  const { days, out } = options;
  const now = new Date();
  const authority = await openAuthority(session, 'cert revoke', options, now);
  const certificates = await Promise.all(paths.map(async (path) => ({ path, pem: await readText(path, stdin) })));
  const path = join(out, 'ca.crl');
  const pem = await readIfThere(path, session);
  const { revoke } = await import('../certificates/pki.js');
  const made = await explained(
    revoke(authority, certificates, pem === undefined ? undefined : { path, pem }, days, now),
  );
  writeList(path, made.list);
  const until = made.nextUpdate.toISOString();
  await printer.result(
    () => ({ list: path, revoked: made.count, next_update: until }),
    () =>
      `${path} has ${made.count} ${made.count === 1 ? 'certificate' : 'certificates'}, and is to be made again before ${until.slice(0, 10)}\n`,
  );
  return EXIT_OK;
}

async function openAuthority(
  session: LocalSession,
  command: string,
  { ca, caKey, out }: AuthorityFiles & Pick<FileOptions, 'out'>,
  now: Date,
): Promise<Authority> {
  if ((ca === undefined) !== (caKey === undefined)) {
    throw new CliError('USAGE', `${command}: --ca and --ca-key go together`, ['give both, or none']);
  }
  const files = { certificate: ca ?? join(out, 'ca.crt'), key: caKey ?? join(out, 'ca.key') };
  const [certificatePem = '', keyPem = ''] = await Promise.all(
    [files.certificate, files.key].map((path) => readAuthorityFile(path, session)),
  );
  const { readAuthority } = await import('../certificates/pki.js');
  const authority = await explained(readAuthority(certificatePem, keyPem, files));
  if (authority.certificate.notAfter <= now) {
    throw new CliError('BAD_FILE', `${files.certificate} has expired`, ["'mcctl cert ca --force' makes a new one"]);
  }
  return authority;
}

/** What is wrong with a file is told as all else is. */
async function explained<Made>(work: Promise<Made>): Promise<Made> {
  try {
    return await work;
  } catch (error) {
    const { AuthorityError } = await import('../certificates/pki.js');
    if (!(error instanceof AuthorityError)) throw error;
    throw new CliError('BAD_FILE', error.message, [error.cure], error);
  }
}

async function readAuthorityFile(path: string, { stdin }: LocalSession): Promise<string> {
  try {
    return await readText(path, stdin);
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== 'NO_FILE') throw error;
    throw new CliError(
      'NO_FILE',
      error.message,
      ["'mcctl cert ca' makes an authority; --ca and --ca-key name another"],
      error,
    );
  }
}

function prepare(files: KeyFiles, { force = false }: FileOptions): void {
  if (!force) refuseExisting(files);
}

async function finish({ printer, terminal }: LocalSession, files: KeyFiles, issued: Issued): Promise<number> {
  const aside = writeKeyFiles(files, issued);
  for (const path of aside) terminal.note(`what was in ${path} is now in ${path}.old`);
  await printer.result(
    () => ({ certificate: files.certificate, key: files.key, not_after: issued.validTo.toISOString() }),
    () =>
      `${files.certificate} and ${files.key} are made, and hold until ${issued.validTo.toISOString().slice(0, 10)}\n`,
  );
  return EXIT_OK;
}

async function readIfThere(path: string, { stdin }: LocalSession): Promise<string | undefined> {
  try {
    return await readText(path, stdin);
  } catch (error) {
    if (error instanceof CliError && error.code === 'NO_FILE') return undefined;
    throw error;
  }
}
