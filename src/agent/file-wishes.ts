// The wishes of the configuration file: the owner `config`, made exactly what the file says, at the start and when asked.
import type { Change, Effect } from '../model/change.js';
import { CONFIG_OWNER } from '../model/owner.js';
import { type Resource, type Warning, formatResourceKey } from '../model/resource.js';
import type { Scope } from '../model/scope.js';
import type { ChangeOrigin, Engine } from './engine.js';
import { type OwnedResource, type Step, effectOf } from './rib/rib.js';

/** What a file says. */
export interface FileContent {
  /**
   * What it asks for; `present` are the names of the interfaces that are there, for which wildcards of `phyint` and
   * `mgroup` stand.
   */
  readonly resources: (present: Iterable<string>) => readonly Resource[];
  /** As people read them, with file, line and column. */
  readonly errors: readonly string[];
  /** Each error is of a line, and `resources` are those of the other lines. */
  readonly isWithoutWrongLines: boolean;
  readonly warnings: readonly string[];
  /** There is no such file. */
  readonly isMissing: boolean;
}

/** The file has errors, one a line of the message; nothing was changed. */
export class ConfigurationError extends Error {
  readonly code = 'CONFIGURATION';
}

/** Who asks for a reload. */
export interface ReloadOptions {
  readonly origin: ChangeOrigin;
  /** What may be changed; undefined: everything. */
  readonly scope: Scope | undefined;
}

/** What a reload has done. */
export interface ReloadResult {
  readonly revision: bigint;
  readonly step: Step;
  readonly effects: Readonly<Record<Effect, number>>;
  readonly warnings: readonly Warning[];
  /** Of the file itself. */
  readonly fileWarnings: readonly string[];
  readonly isMissing: boolean;
}

export interface FileWishesOptions {
  /** At the start, lines with errors are left out, as smcrouted does; otherwise the file is refused, as by a reload. */
  readonly skipsWrongLines?: boolean;
}

export class FileWishes {
  readonly path: string;
  readonly #read: (path: string) => FileContent;
  readonly #skipsWrongLines: boolean;
  /** What the engine has. */
  #content: FileContent | undefined;
  /** What the file came to when its wildcards were last looked at. */
  #resources: readonly Resource[] = [];

  constructor(path: string, read: (path: string) => FileContent, { skipsWrongLines = false }: FileWishesOptions = {}) {
    this.path = path;
    this.#read = read;
    this.#skipsWrongLines = skipsWrongLines;
  }

  /**
   * What the file says at the start; nothing if it is not there, which is no error: it may come later.
   *
   * @throws ConfigurationError
   */
  load(): FileContent {
    const content = this.#read(this.path);
    if (!(this.#skipsWrongLines && content.isWithoutWrongLines)) refuseErrors(content);
    this.#content = content;
    return content;
  }

  /** What was loaded, as the engine is given it at the start. */
  owned(present: Iterable<string>): OwnedResource[] {
    this.#resources = this.#content?.resources(present) ?? [];
    return this.#resources.map((resource) => ({ owner: CONFIG_OWNER, resource }));
  }

  /**
   * Makes the owner's resources what the file says now, by difference.
   *
   * @throws ConfigurationError, EngineError, RibFullError, and what the journal throws; nothing has changed then.
   */
  reload(engine: Pick<Engine, 'replace' | 'interfaces'>, options: ReloadOptions = RELOADED): ReloadResult {
    const content = this.#read(this.path);
    refuseErrors(content);
    const resources = content.resources(presentNames(engine));
    const { revision, step, effects, warnings } = engine.replace(CONFIG_OWNER, resources, { ...PLAIN, ...options });
    this.#content = content;
    this.#resources = resources;
    return { revision, step, effects, warnings, fileWarnings: content.warnings, isMissing: content.isMissing };
  }

  /**
   * Other interfaces are there than before: wildcards stand for these. The file is not read, and what commands have
   * changed of the owner's resources since stays, where that is allowed.
   */
  refresh(engine: Pick<Engine, 'apply' | 'interfaces'>): void {
    if (this.#content === undefined) return;
    const resources = this.#content.resources(presentNames(engine));
    if (resources === this.#resources) return;
    const changes = changesBetween(byKey(this.#resources), byKey(resources));
    if (changes.length > 0) engine.apply(CONFIG_OWNER, changes, { ...PLAIN, origin: REFRESHED });
    this.#resources = resources;
  }
}

function refuseErrors({ errors }: FileContent): void {
  if (errors.length > 0) throw new ConfigurationError(errors.join('\n'));
}

type Resources = ReadonlyMap<string, Resource>;

const RELOADED: ReloadOptions = { origin: { method: 'Reload' }, scope: undefined };

const REFRESHED: ChangeOrigin = { method: 'Reload', comment: 'other interfaces are there', isAutomatic: true };

const PLAIN = { validateOnly: false, strict: false, expectedRevision: undefined };

function byKey(resources: readonly Resource[]): Resources {
  return new Map(resources.map((resource) => [formatResourceKey(resource.key), resource]));
}

function changesBetween(before: Resources, after: Resources): Change[] {
  const gone = [...before].filter(([key]) => !after.has(key));
  const other = [...after].filter(([key, resource]) => effectOf(before.get(key), resource) !== 'unchanged');
  return [
    ...gone.map(([, { key }]): Change => ({ action: 'delete', key, mustExist: false })),
    ...other.map(([, resource]): Change => ({ action: 'put', resource })),
  ];
}

function presentNames(engine: Pick<Engine, 'interfaces'>): string[] {
  return engine
    .interfaces()
    .filter(({ link }) => link !== undefined)
    .map(({ name }) => name);
}
