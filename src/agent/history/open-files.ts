// Files that are written to again and again, open.
import type { Disk, DiskFile } from '../store/disk.js';

/** So many owners change a table at the same time, mostly. */
const OPEN_MAX = 16;

export class OpenFiles {
  readonly #disk: Disk;
  /** The least recently used first. */
  readonly #files = new Map<string, DiskFile>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** A new and empty file. */
  create(path: string): DiskFile {
    this.close(path);
    return this.#add(path, this.#disk.openSync(path, 'create'));
  }

  /** One that is there. */
  get(path: string): DiskFile {
    const file = this.#files.get(path) ?? this.#disk.openSync(path, 'continue');
    this.#files.delete(path);
    return this.#add(path, file);
  }

  close(path: string): void {
    const file = this.#files.get(path);
    this.#files.delete(path);
    file?.closeSync();
  }

  closeAll(): void {
    for (const path of [...this.#files.keys()]) this.close(path);
  }

  #add(path: string, file: DiskFile): DiskFile {
    this.#files.set(path, file);
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= OPEN_MAX) break;
      this.close(oldest);
    }
    return file;
  }
}
