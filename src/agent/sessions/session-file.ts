// The file of what the table remembers of sessions. It is replaced as a whole, and durably.
import { join } from 'node:path';
import type { Disk } from '../store/disk.js';
import { linuxDisk } from '../store/linux-disk.js';
import { asStorageError, errnoOf } from '../store/storage-error.js';
import {
  EMPTY_RECORD,
  RECORD_BYTES_MAX,
  type SessionRecord,
  SessionRecordError,
  decodeRecord,
  encodeRecord,
} from './record.js';

/** Something worth a line in the log. */
export interface SessionFileNote {
  readonly note: 'a damaged record of sessions was set aside';
  readonly path: string;
  readonly text: string;
}

export interface SessionFileOptions {
  /** The state directory of the table; nobody else writes there. */
  readonly directory: string;
  readonly table: number;
  readonly onNote: (note: SessionFileNote) => void;
  readonly disk?: Disk;
}

/** Where sessions are remembered. */
export interface SessionStore {
  /**
   * Resolves when the record is where a power cut leaves it. One call at a time.
   *
   * @throws StorageError (rejects); that record is there then, or the one before.
   */
  save(record: SessionRecord): Promise<void>;
}

/**
 * Reads what an earlier agent saved. A damaged record is set aside: its ids are forgotten then, and who comes first with
 * any id is the primary.
 *
 * @throws StorageError if there is one that cannot be read.
 */
export function openSessionFile(options: SessionFileOptions): {
  readonly record: SessionRecord;
  readonly store: SessionStore;
} {
  const { directory, table, onNote, disk = linuxDisk } = options;
  const path = join(directory, 'sessions');
  return {
    record: read(disk, path, table, onNote),
    store: { save: (record) => save(disk, directory, path, encodeRecord(table, record)) },
  };
}

function read(disk: Disk, path: string, table: number, onNote: SessionFileOptions['onNote']): SessionRecord {
  try {
    return decodeRecord(table, disk.readSync(path, RECORD_BYTES_MAX));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return EMPTY_RECORD;
    if (!(error instanceof SessionRecordError)) throw asStorageError(error, path, 'read');
    const aside = `${path}.damaged`;
    try {
      disk.renameSync(path, aside);
    } catch (failure) {
      // The next one that is saved takes its place.
      asStorageError(failure, path, 'saved');
    }
    onNote({ note: 'a damaged record of sessions was set aside', path: aside, text: error.message });
    return EMPTY_RECORD;
  }
}

async function save(disk: Disk, directory: string, path: string, bytes: Buffer): Promise<void> {
  const fresh = `${path}.tmp`;
  try {
    const file = disk.openSync(fresh, 'create');
    try {
      await file.write(bytes, 0);
      await file.datasync();
    } finally {
      file.closeSync();
    }
    await disk.rename(fresh, path);
    await disk.syncDirectory(directory);
  } catch (error) {
    throw asStorageError(error, path, 'saved');
  }
}
