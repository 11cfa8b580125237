// Replaces a file as a whole: whenever the power goes, it is the one before or the new one.
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What a file may be read and written by that was not there before. */
const NEW_FILE_MODE = 0o640;

/**
 * Writes the text to the file, which keeps its mode, its group where that is allowed, and its place where it is a
 * symbolic link. Rejects with the system's error; nothing is left behind then.
 */
export async function replaceFile(file: string, text: string): Promise<void> {
  const path = await realpath(file).catch(() => file);
  const before = await stat(path).catch(() => undefined);
  const fresh = `${path}.tmp`;
  // One that a killed program left.
  await rm(fresh, { force: true });
  const handle = await open(fresh, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(text);
      // Whoever is not in the group cannot give the file to it, and then leaves it to its own.
      if (before !== undefined) await handle.chown(-1, before.gid).catch(() => undefined);
      await handle.chmod(before === undefined ? NEW_FILE_MODE : before.mode & 0o777);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } finally {
    await handle?.close();
  }
}
