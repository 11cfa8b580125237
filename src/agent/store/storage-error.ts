/** The disk does not take, or does not give, what was asked. */
export class StorageError extends Error {
  readonly code = 'STORAGE';
  /** Such as `ENOSPC`. */
  readonly errno: string;
  readonly path: string;

  constructor(errno: string, path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.errno = errno;
    this.path = path;
  }
}

/** The errno of a system error; undefined for any other, which is a bug. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof StorageError) return error.errno;
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A system error as a StorageError with the cure; anything else, being a bug, is thrown. */
export function asStorageError(error: unknown, path: string, action: 'saved' | 'read'): StorageError {
  if (error instanceof StorageError) return error;
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  const cure = CURES[errno] ?? `the system says ${errno}; see the kernel's log and 'df' for the disk`;
  return new StorageError(errno, path, `'${path}' cannot be ${action}: ${cure}`, { cause: error });
}

const CURES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free some space ('df' shows it), then repeat",
  EDQUOT: "the disk quota is used up; free some space or raise it ('quota'), then repeat",
  EIO: "the disk has an error; see the kernel's log ('dmesg') and replace the disk or move the state directory",
  EROFS: 'the file system is read-only; mount it writable, or name another with --state-directory',
  EACCES: 'it belongs to another user; give the directory and its files to the user of the agent',
  EPERM: 'it may not be changed by this user; give it to the user of the agent and take flags away (lsattr)',
  ENOENT: 'the directory is gone; start the agent again, which makes it',
  EMFILE: 'too many files are open; raise LimitNOFILE',
  ENFILE: 'too many files are open on this machine; raise fs.file-max',
};
