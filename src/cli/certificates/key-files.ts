// Certificates, keys and lists on the disk. A key that is there is never lost without a word.
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors.js';

/** Where a certificate and its key are. */
export interface KeyFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Where they are in a folder, by what they are called. */
export function keyFilesIn(folder: string, name: string): KeyFiles {
  return { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}

/** Says no where one of them is there already. @throws CliError NOT_WRITTEN */
export function refuseExisting({ certificate, key }: KeyFiles): void {
  const found = [key, certificate].find((path) => existsSync(path));
  if (found === undefined) return;
  throw new CliError('NOT_WRITTEN', `${found} is there already`, [
    '--force makes new ones, and keeps these as .old; or choose another folder with --out',
  ]);
}

/** Writes both, the key for its owner alone; gives the files that were put aside for them. @throws CliError NOT_WRITTEN */
export function writeKeyFiles(
  files: KeyFiles,
  content: { readonly certificate: string; readonly key: string },
): string[] {
  const { certificate, key } = files;
  try {
    mkdirSync(join(key, '..'), { recursive: true, mode: 0o700 });
    // Both are on the disk before either takes its place, and a new key never stands beside an old certificate for long.
    writeFresh(`${key}.new`, content.key, 0o600);
    writeFresh(`${certificate}.new`, content.certificate, 0o644);
    const aside = [key, certificate].filter((path) => existsSync(path));
    for (const path of aside) renameSync(path, `${path}.old`);
    renameSync(`${key}.new`, key);
    renameSync(`${certificate}.new`, certificate);
    return aside;
  } catch (error) {
    for (const path of [key, certificate]) rmSync(`${path}.new`, { force: true });
    const text = error instanceof Error ? error.message : String(error);
    throw new CliError('NOT_WRITTEN', `${key} cannot be written: ${text}`, ['choose another folder with --out'], error);
  }
}

/** Writes a list of what was revoked, which everybody may read. @throws CliError NOT_WRITTEN */
export function writeList(path: string, text: string): void {
  try {
    writeFresh(`${path}.new`, text, 0o644);
    renameSync(`${path}.new`, path);
  } catch (error) {
    rmSync(`${path}.new`, { force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError('NOT_WRITTEN', `${path} cannot be written: ${why}`, ['choose another folder with --out'], error);
  }
}

function writeFresh(path: string, text: string, mode: number): void {
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
