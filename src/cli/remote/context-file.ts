// The file of contexts on the disk.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Environment, valueOf } from '../connect.js';
import { CliError } from '../errors.js';
import { type Contexts, NO_CONTEXTS, parseContexts, renderContexts } from './contexts.js';

/** Where the contexts of who calls are; undefined where nothing says (XDG base directories). */
export function contextFile(environment: Environment): string | undefined {
  const home = valueOf(environment, 'HOME');
  const folder = valueOf(environment, 'XDG_CONFIG_HOME') ?? (home === undefined ? undefined : join(home, '.config'));
  return folder === undefined ? undefined : join(folder, 'mcroute', 'contexts.yaml');
}

/** Reads them. @throws CliError NO_FILE or BAD_FILE. */
export function readContexts(environment: Environment): Contexts {
  const path = contextFile(environment);
  if (path === undefined) return NO_CONTEXTS;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Nobody has made any; ENOTDIR: there can be none.
    if (code === 'ENOENT' || code === 'ENOTDIR') return NO_CONTEXTS;
    throw new CliError('NO_FILE', `${path}: ${message}`, ['--context local goes on without it'], error);
  }
  return parseContexts(text, path);
}

/** Writes them: what is there stays until all of the new is on the disk. @throws CliError NOT_WRITTEN */
export function writeContexts(environment: Environment, contexts: Contexts): void {
  const path = contextFile(environment);
  if (path === undefined) {
    throw new CliError('BAD_ENVIRONMENT', 'contexts have no place', ['set HOME, or XDG_CONFIG_HOME']);
  }
  const fresh = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(fresh, { force: true });
    const file = openSync(fresh, 'wx', 0o600);
    try {
      writeSync(file, renderContexts(contexts));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    const text = error instanceof Error ? error.message : String(error);
    throw new CliError('NOT_WRITTEN', `${path} cannot be written: ${text}`, ['nothing was changed'], error);
  }
}
