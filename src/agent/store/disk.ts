// What the store asks of a disk, so that tests can put one in its place that fails or loses power.
//
// Everything throws, or rejects with, errors as Node's: `code` is the errno.

/** A file open for writing. */
export interface DiskFile {
  /** Writes all of it; some of it may be in the file when it throws. */
  writeSync(data: Uint8Array, position: number): void;
  /** As `writeSync`, in the thread pool. */
  write(data: Uint8Array, position: number): Promise<void>;
  truncateSync(size: number): void;
  /** fdatasync(2): returns when the file's bytes are where a power cut leaves them. Its name needs `syncDirectory`. */
  datasyncSync(): void;
  datasync(): Promise<void>;
  closeSync(): void;
}

export interface Disk {
  /** Names in the directory, in no order. */
  listSync(directory: string): readonly string[];
  /** The file's bytes; at most the first `limit` of them. */
  readSync(path: string, limit?: number): Buffer;
  /** `create`: an empty file, readable to its owner only; whatever had the name is gone. `continue`: it is there. */
  openSync(path: string, how: 'create' | 'continue'): DiskFile;
  renameSync(from: string, to: string): void;
  rename(from: string, to: string): Promise<void>;
  removeSync(path: string): void;
  remove(path: string): Promise<void>;
  /** fsync(2) of the directory: names made, changed and removed until now stay so. */
  syncDirectorySync(directory: string): void;
  syncDirectory(directory: string): Promise<void>;
}
