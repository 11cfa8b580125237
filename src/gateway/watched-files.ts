// Files that others replace: a change is seen at once where the kernel tells of it, and some seconds later where it does not.
import { type BigIntStats, type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Time between looks at the files, in ms: a folder of another host, or one that was not there, tells of nothing. */
const LOOK_MS = 10_000;

/** Time after a notice until the files are looked at, in ms: several are often replaced together. */
const SETTLE_MS = 50;

export interface WatchedFiles extends Disposable {
  /** What is seen now is no change later on: to be called before the files are read. */
  see(): void;
}

/**
 * Watches files until it is disposed of.
 *
 * @param onLook is called some time after a change, and now and then without one.
 */
export function watchFiles(
  files: readonly string[],
  onLook: (hasChanged: boolean) => void,
  lookMs: number = LOOK_MS,
): WatchedFiles {
  return new FileWatch(files, onLook, lookMs);
}

class FileWatch implements WatchedFiles {
  readonly #files: readonly string[];
  readonly #onLook: (hasChanged: boolean) => void;
  readonly #interval: NodeJS.Timeout;
  #settling: NodeJS.Timeout | undefined;
  /** By folder; with the identity of the folder that is watched, since another may come under its name. */
  readonly #watchers = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>();
  #seen: string;

  constructor(files: readonly string[], onLook: (hasChanged: boolean) => void, lookMs: number) {
    this.#files = files;
    this.#onLook = onLook;
    this.#watchFolders();
    this.#seen = this.#state();
    this.#interval = setInterval(() => {
      this.#look();
    }, lookMs);
    this.#interval.unref();
  }

  see(): void {
    this.#seen = this.#state();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#interval);
    clearTimeout(this.#settling);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #look(): void {
    this.#watchFolders();
    const state = this.#state();
    const hasChanged = state !== this.#seen;
    this.#seen = state;
    this.#onLook(hasChanged);
  }

  /** Not the files themselves: those that replace them would not be watched. */
  #watchFolders(): void {
    for (const folder of new Set(this.#files.map((file) => dirname(file)))) {
      const identity = identityOf(folder, false);
      const before = this.#watchers.get(folder);
      if (before?.identity === identity) continue;
      before?.watcher.close();
      this.#watchers.delete(folder);
      try {
        const watcher = watch(folder, { persistent: false }, () => {
          this.#settle();
        });
        // The looks go on.
        watcher.on('error', () => {
          watcher.close();
          this.#watchers.delete(folder);
        });
        this.#watchers.set(folder, { watcher, identity });
      } catch {
        // It is not there, or there are no watches left (fs.inotify.max_user_watches): the looks go on.
      }
    }
  }

  #settle(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#look();
    }, SETTLE_MS);
    this.#settling.unref();
  }

  #state(): string {
    return this.#files.map((file) => identityOf(file, true)).join(' ');
  }
}

/** What tells a file from one that has replaced it, and with `withContent` also from itself after it was written to. */
function identityOf(path: string, withContent: boolean): string {
  let stat: BigIntStats;
  try {
    // Of what a symbolic link leads to (folders of Kubernetes).
    stat = statSync(path, { bigint: true });
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
  const { dev, ino, mtimeNs, ctimeNs, size } = stat;
  return (withContent ? [dev, ino, mtimeNs, ctimeNs, size] : [dev, ino]).join(':');
}
