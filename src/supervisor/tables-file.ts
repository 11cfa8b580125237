// The file of what the supervisor remembers. It is replaced as a whole, and the one before is kept: whatever happens on
// the way, and whatever happens to the file, one of them is whole.
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ApiError } from '../api/status.js';
import type { Logger } from '../runtime/log.js';
import { SavedTablesError, decodeSavedTables, encodeSavedTables } from './saved-tables.js';
import type { SavedTables, TablesFile } from './table.js';

/** Bytes of a file that is read; one of the most tables has a tenth of that. */
const FILE_MAX = 16 * 1024 * 1024;

/** The steps of saving that make it last, so that tests can let each of them fail. */
export interface TablesDisk {
  rename(from: string, to: string): void;
  /** fsync(2) of a directory: the names in it are where a power cut leaves them. */
  syncDirectory(directory: string): void;
}

/**
 * Opens the file `tables.json` in the directory, which is made if it is not there.
 *
 * @throws ApiError STORAGE if the directory cannot be made.
 */
export function openTablesFile(directory: string, log: Logger, disk: TablesDisk = DISK): TablesFile {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw storageError(`the state directory '${directory}' cannot be made`, directory, error);
  }
  const file = join(directory, 'tables.json');
  return {
    load: () => load(file, log),
    save: (tables) => {
      save(file, encodeSavedTables(tables), disk);
    },
  };
}

const DISK: TablesDisk = { rename: renameSync, syncDirectory };

const NOTHING: SavedTables = { created: [], stopped: [] };

function previousOf(file: string): string {
  return `${file}.previous`;
}

function load(file: string, log: Logger): SavedTables {
  const current = read(file, log);
  if (current !== undefined) return current;
  const previous = read(previousOf(file), log);
  if (previous === undefined) return NOTHING;
  // Also after a crash between the two renames of `save`, which had not returned then.
  log.warn({ file: previousOf(file) }, 'the previous tables file is used');
  return previous;
}

/** What a file has; undefined if it is not there, or damaged, and then it is set aside. */
function read(file: string, log: Logger): SavedTables | undefined {
  try {
    const { size } = statSync(file);
    if (size > FILE_MAX) throw new SavedTablesError(`it has more than ${FILE_MAX} bytes`);
    return decodeSavedTables(readFileSync(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof SavedTablesError)) {
      if (codeOf(error) === 'ENOENT') return undefined;
      // To go on without would be to forget the tables with the next change.
      throw storageError(`the tables file '${file}' cannot be read`, file, error);
    }
    const aside = `${file}.damaged`;
    attempt(file, 'the damaged tables file cannot be set aside', () => {
      renameSync(file, aside);
    });
    log.error({ file, aside, reason: error.message }, 'a damaged tables file was set aside');
    return undefined;
  }
}

function save(file: string, text: string, disk: TablesDisk): void {
  const fresh = `${file}.tmp`;
  attempt(fresh, 'the tables cannot be saved', () => {
    writeDurably(fresh, text);
    const hadCurrent = renameIfThere(disk, file, previousOf(file));
    try {
      disk.rename(fresh, file);
      disk.syncDirectory(dirname(file));
    } catch (error) {
      // As it was before, for the caller is told that nothing has changed.
      if (hadCurrent) disk.rename(previousOf(file), file);
      else rmSync(file, { force: true });
      throw error;
    }
  });
}

/** Writes a new file; nothing of it stays if that fails. */
function writeDurably(file: string, text: string): void {
  // One that a killed supervisor left.
  rmSync(file, { force: true });
  const fd = openSync(file, 'wx', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function renameIfThere(disk: TablesDisk, from: string, to: string): boolean {
  try {
    disk.rename(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function attempt(path: string, what: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    throw storageError(what, path, error);
  }
}

function storageError(what: string, path: string, error: unknown): ApiError {
  const errno = codeOf(error) ?? 'unknown';
  const cure = CURES.get(errno) ?? 'mend the disk';
  return new ApiError('STORAGE', `${what}: ${cure}`, {
    metadata: { errno, path, ...(hasSyscall(error) && { syscall: error.syscall }) },
    cause: error,
  });
}

const CURES = new Map([
  ['ENOSPC', 'the disk is full; make room'],
  ['EDQUOT', 'the quota is used up; make room'],
  ['EROFS', 'the file system is read-only; mount it for writing'],
  ['EACCES', 'no permission; run as root, or choose another state directory'],
]);

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function hasSyscall(error: unknown): error is { readonly syscall: string } {
  return error instanceof Error && 'syscall' in error && typeof error.syscall === 'string';
}
