// Has the configuration file read again, and tells of it in the log and by the hook.
import type { Logger } from '../runtime/log.js';
import type { Engine } from './engine.js';
import type { FileContent, FileWishes, ReloadOptions, ReloadResult } from './file-wishes.js';
import type { Hook } from './hook/hook.js';

/** Who is told of each reload. */
export interface ReloadFollowers {
  readonly hook: Hook | undefined;
  readonly onReloaded: (() => void) | undefined;
}

export class FileReload {
  readonly #file: FileWishes;
  readonly #engine: Engine;
  readonly #log: Logger;
  readonly #followers: ReloadFollowers;

  constructor(file: FileWishes, engine: Engine, log: Logger, followers: ReloadFollowers) {
    this.#file = file;
    this.#engine = engine;
    this.#log = log;
    this.#followers = followers;
  }

  /**
   * Makes the table what the file says.
   *
   * @throws what FileWishes.reload throws; nothing has changed then.
   */
  reload(options?: ReloadOptions): ReloadResult {
    const result = this.#file.reload(this.#engine, options);
    const { added, changed, removed, unchanged } = result.effects;
    this.#logFile({ ...result, errors: [], warnings: result.fileWarnings });
    this.#log.info({ file: this.#file.path, added, changed, removed, unchanged }, 'reloaded');
    this.#followers.hook?.onReload();
    this.#followers.onReloaded?.();
    return result;
  }

  /** The same for someone who waits for no answer: what is wrong is told in the log. Returns whether it was used. */
  tryReload(): boolean {
    try {
      this.reload();
      return true;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#log.error({ file: this.#file.path, text }, 'the configuration file cannot be used; nothing was changed');
      return false;
    }
  }

  /** Tells of the file with which the agent began. */
  logContent(content: FileContent, resources: number): void {
    this.#logFile(content);
    this.#log.info({ file: this.#file.path, resources }, 'loaded');
  }

  #logFile({ isMissing, errors, warnings }: Pick<FileContent, 'isMissing' | 'errors' | 'warnings'>): void {
    for (const text of errors) this.#log.error({ text }, 'a line of the configuration file is left out');
    if (isMissing) this.#log.warn({ file: this.#file.path }, 'the configuration file is not there');
    for (const text of warnings) this.#log.warn({ text }, 'the configuration file has a warning');
  }
}
