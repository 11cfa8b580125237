// The wishes of the configuration file: the owner `config`, made exactly what the file says, at the start and when asked.
import type { Effect } from '../model/change.js';
import { CONFIG_OWNER } from '../model/owner.js';
import type { Resource, Warning } from '../model/resource.js';
import type { Engine } from './engine.js';
import type { OwnedResource } from './rib/rib.js';

/** What a file says. */
export interface FileContent {
  /**
   * What it asks for; `present` are the names of the interfaces that are there, for which wildcards of `phyint` and
   * `mgroup` stand.
   */
  readonly resources: (present: Iterable<string>) => readonly Resource[];
  /** As people read them, with file, line and column. */
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  /** There is no such file. */
  readonly isMissing: boolean;
}

/** The file has errors, one a line of the message; nothing was changed. */
export class ConfigurationError extends Error {
  readonly code = 'CONFIGURATION';
}

/** What a reload has done. */
export interface ReloadResult {
  readonly revision: bigint;
  readonly effects: Readonly<Record<Effect, number>>;
  readonly warnings: readonly Warning[];
  /** Of the file itself. */
  readonly fileWarnings: readonly string[];
  readonly isMissing: boolean;
}

export class FileWishes {
  readonly path: string;
  readonly #read: (path: string) => FileContent;
  /** What the engine has. */
  #content: FileContent | undefined;

  constructor(path: string, read: (path: string) => FileContent) {
    this.path = path;
    this.#read = read;
  }

  /**
   * What the file says; nothing if it is not there, which is no error: it may come later.
   *
   * @throws ConfigurationError
   */
  load(): FileContent {
    const content = this.#read(this.path);
    if (content.errors.length > 0) throw new ConfigurationError(content.errors.join('\n'));
    this.#content = content;
    return content;
  }

  /** What was loaded, as the engine is given it at the start. */
  owned(present: Iterable<string>): OwnedResource[] {
    const resources = this.#content?.resources(present) ?? [];
    return resources.map((resource) => ({ owner: CONFIG_OWNER, resource }));
  }

  /**
   * Makes the owner's resources what the file says now, by difference.
   *
   * @throws ConfigurationError, RibFullError; nothing has changed then.
   */
  reload(engine: Pick<Engine, 'replace' | 'interfaces'>): ReloadResult {
    const before = this.#content;
    const content = this.load();
    try {
      const { revision, effects, warnings } = replace(engine, content);
      return { revision, effects, warnings, fileWarnings: content.warnings, isMissing: content.isMissing };
    } catch (error) {
      this.#content = before;
      throw error;
    }
  }

  /** Other interfaces are there than before: wildcards stand for these. The file is not read. */
  refresh(engine: Pick<Engine, 'replace' | 'interfaces'>): void {
    if (this.#content !== undefined) replace(engine, this.#content);
  }
}

function replace(engine: Pick<Engine, 'replace' | 'interfaces'>, { resources }: FileContent) {
  const present = engine.interfaces().filter(({ link }) => link !== undefined);
  const options = { validateOnly: false, strict: false, expectedRevision: undefined };
  return engine.replace(CONFIG_OWNER, resources(present.map(({ name }) => name)), options);
}
