// Writes a snapshot beside the work of the event loop, and removes what it makes unnecessary.
import type { Disk } from './disk.js';
import { type StoreFile, sortNames, unfinishedPath } from './files.js';

/** Files that were set aside; the oldest of more than these are removed. */
const SET_ASIDE_MAX = 16;

/**
 * Bytes after which the disk is to have them, so that a sync of the journal never waits for more: a file system may
 * write all that is pending with it (ext4, data=ordered). Pages of the kernel that wait to be written stay few as well.
 */
const SYNC_EVERY = 8 << 20;

/**
 * Writes the chunks to a file that has its name only when it is whole and durable, and when `mayBeSeen` resolves.
 * Between two chunks the event loop has its turn. If it fails, what was written is removed as far as the disk lets it.
 *
 * @returns the size of the file.
 */
export async function writeSnapshotFile(
  disk: Disk,
  directory: string,
  file: StoreFile,
  chunks: Iterable<Buffer>,
  mayBeSeen: Promise<void>,
): Promise<number> {
  const path = unfinishedPath(file);
  try {
    const size = await writeChunks(disk, path, chunks);
    await mayBeSeen;
    await disk.rename(path, file.path);
    await disk.syncDirectory(directory);
    return size;
  } catch (error) {
    // The reason of the failure counts; what stays is removed at the next start.
    await disk.remove(path).catch(() => undefined);
    throw error;
  }
}

/** Files that are older than a generation, and those set aside that are too many. */
export function unnecessaryFiles(directory: string, names: readonly string[], oldest: number): string[] {
  const { snapshots, journals, setAside } = sortNames(directory, names);
  const old = [...snapshots, ...journals].filter(({ generation }) => generation < oldest);
  return [...old.map(({ path }) => path), ...setAside.slice(0, -SET_ASIDE_MAX)];
}

async function writeChunks(disk: Disk, path: string, chunks: Iterable<Buffer>): Promise<number> {
  const open = disk.openSync(path, 'create');
  try {
    let size = 0;
    let synced = 0;
    for (const chunk of chunks) {
      await open.write(chunk, size);
      size += chunk.length;
      if (size - synced < SYNC_EVERY) continue;
      await open.datasync();
      synced = size;
    }
    await open.datasync();
    return size;
  } finally {
    open.closeSync();
  }
}
