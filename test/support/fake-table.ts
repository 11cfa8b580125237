// What the fake agent holds: the wishes of owners, and a state for each by a list of interfaces that are not there.
import { ApiError } from '../../src/api/status.js';
import type { Change, Effect } from '../../src/model/change.js';
import type { Mroute } from '../../src/model/mroute.js';
import {
  type Resource,
  type ResourceKey,
  type Status,
  type Warning,
  formatResourceKey,
  interfaceOf,
  sameResource,
} from '../../src/model/resource.js';

/** A resource with its owners and where it is. */
export interface FakeEntry {
  readonly resource: Resource;
  readonly owners: readonly string[];
  readonly status: Status;
}

/** What became of a change. */
export interface FakeResult {
  readonly effect: Effect;
  readonly warnings: readonly Warning[];
  readonly entry: FakeEntry | undefined;
}

interface Options {
  readonly validateOnly: boolean;
  readonly strict: boolean;
  readonly expectedRevision: number | undefined;
}

type Wishes = Map<string, Resource>;

/** The table of a fake agent. */
export class FakeTable {
  revision = 1;
  /** Interfaces that the host does not have. */
  readonly absent = new Set<string>();
  /** Interfaces on which the kernel refuses rules. */
  readonly refused = new Set<string>();
  /** What came before this revision is forgotten. */
  rememberedFrom = 0;
  /** Called with the keys that have changed. */
  onChange: (keys: readonly string[]) => void = () => undefined;
  readonly #owners = new Map<string, Wishes>();
  readonly #keys = new Map<string, ResourceKey>();
  readonly #changed = new Map<string, number>();

  /** Applies all changes, or none. @throws ApiError as proto/ tells. */
  apply(owner: string, changes: readonly Change[], options: Options): FakeResult[] {
    const before: Wishes = new Map(this.#owners.get(owner));
    const wishes: Wishes = new Map(before);
    const touched = changes.map((change) => step(wishes, change));
    const warnings = touched.map((key) => warningsOf(wishes.get(key)));
    this.#check(warnings.flat(), options);
    if (!options.validateOnly) this.#take(owner, wishes);
    return touched.map((key, index) => {
      const wish = wishes.get(key);
      const isHeld = wish !== undefined && !options.validateOnly;
      return {
        effect: effectOf(before.get(key), wish),
        warnings: warnings[index] ?? [],
        entry: isHeld ? this.entriesOf(key).find(({ owners }) => owners.includes(owner)) : undefined,
      };
    });
  }

  /** Makes an owner's wishes exactly these. */
  replace(owner: string, resources: readonly Resource[], options: Options) {
    const before: Wishes = this.#owners.get(owner) ?? new Map<string, Resource>();
    const wishes: Wishes = new Map(resources.map((resource) => [formatResourceKey(resource.key), resource]));
    const counts = { added: 0, changed: 0, removed: 0, unchanged: 0 };
    const differences = [];
    for (const key of new Set([...before.keys(), ...wishes.keys()])) {
      const effect = effectOf(before.get(key), wishes.get(key));
      counts[effect]++;
      if (effect !== 'unchanged') differences.push({ before: before.get(key), after: wishes.get(key) });
    }
    const warnings = differences.flatMap(({ after }) => warningsOf(after));
    this.#check(warnings, options);
    if (!options.validateOnly) this.#take(owner, wishes);
    return { ...counts, differences, warnings };
  }

  /** What an owner wants. */
  resourcesOf(owner: string): Resource[] {
    return [...(this.#owners.get(owner)?.values() ?? [])];
  }

  /** Keys that somebody wants. */
  keys(): string[] {
    return [...new Set([...this.#owners.values()].flatMap((wishes) => [...wishes.keys()]))].sort();
  }

  /** The key of a text, also after nobody wants it any more. */
  keyOf(text: string): ResourceKey | undefined {
    return this.#keys.get(text);
  }

  /** Keys that have changed since; undefined if that is forgotten. */
  changedAfter(revision: number): string[] | undefined {
    if (revision < this.rememberedFrom) return undefined;
    return [...this.#changed].filter(([, last]) => last > revision).map(([key]) => key);
  }

  entries(): FakeEntry[] {
    return this.keys().flatMap((key) => this.entriesOf(key));
  }

  /** One entry for each content that an owner wants of the key. */
  entriesOf(key: string): FakeEntry[] {
    const entries: { resource: Resource; owners: string[]; status: Status }[] = [];
    for (const [owner, wishes] of this.#owners) {
      const wish = wishes.get(key);
      if (wish === undefined) continue;
      const same = entries.find(({ resource }) => sameResource(resource, wish));
      if (same === undefined) entries.push({ resource: wish, owners: [owner], status: this.#statusOf(wish) });
      else same.owners.push(owner);
    }
    return entries;
  }

  #check(warnings: readonly Warning[], { strict, expectedRevision }: Options): void {
    if (expectedRevision !== undefined && expectedRevision !== this.revision) {
      throw new ApiError('REVISION_MISMATCH', `the revision is ${this.revision}, not ${expectedRevision}`);
    }
    const [first] = warnings;
    if (strict && first !== undefined) throw new ApiError('WARNINGS', `${first.code}: ${first.text}`);
  }

  #take(owner: string, wishes: Wishes): void {
    const before: Wishes = this.#owners.get(owner) ?? new Map<string, Resource>();
    const keys = [...new Set([...before.keys(), ...wishes.keys()])].filter(
      (key) => effectOf(before.get(key), wishes.get(key)) !== 'unchanged',
    );
    if (keys.length === 0) return;
    this.#owners.set(owner, wishes);
    this.revision++;
    for (const [key, resource] of wishes) this.#keys.set(key, resource.key);
    for (const key of keys) this.#changed.set(key, this.revision);
    this.onChange(keys);
  }

  #statusOf(resource: Resource): Status {
    const warnings = warningsOf(resource);
    const names = 'oifs' in resource ? resource.oifs.map((oif) => oif.interface) : [];
    const first = interfaceOf(resource.key);
    const missing = [first, ...names]
      .filter((name) => this.absent.has(name))
      .map((name) => ({ reason: 'INTERFACE_NOT_FOUND' as const, interface: name }));
    if (this.refused.has(first)) {
      const failure = { code: 'ENOBUFS', syscall: 'setsockopt(MRT_ADD_MFC)', text: 'the kernel has no memory for it' };
      return { state: 'failed', missing, failure, warnings, programming: undefined };
    }
    if (missing.length > 0) {
      const state = this.absent.has(first) ? 'pending' : 'partial';
      return { state, missing, failure: undefined, warnings, programming: undefined };
    }
    const programming =
      'oifs' in resource ? { kind: 'any-source' as const, reason: 'no-source-is-special' } : undefined;
    return { state: 'programmed', missing, failure: undefined, warnings, programming };
  }
}

/** Takes one step; returns its key. */
function step(wishes: Wishes, change: Change): string {
  switch (change.action) {
    case 'put': {
      const key = formatResourceKey(change.resource.key);
      wishes.set(key, change.resource);
      return key;
    }
    case 'delete': {
      const key = formatResourceKey(change.key);
      if (!wishes.delete(key) && change.mustExist) throw notFound(key);
      return key;
    }
    case 'add-oifs': {
      const key = formatResourceKey(change.mroute.key);
      const held = mrouteOf(wishes.get(key)) ?? { ...change.mroute, oifs: [] };
      const added = new Map([...held.oifs, ...change.mroute.oifs].map((oif) => [oif.interface, oif]));
      wishes.set(key, { ...held, oifs: [...added.values()] });
      return key;
    }
    case 'remove-oifs': {
      const key = formatResourceKey(change.mroute.key);
      const held = mrouteOf(wishes.get(key));
      if (held === undefined) throw notFound(key);
      const gone = new Set(change.mroute.oifs.map((oif) => oif.interface));
      wishes.set(key, { ...held, oifs: held.oifs.filter((oif) => !gone.has(oif.interface)) });
      return key;
    }
  }
}

function mrouteOf(resource: Resource | undefined): Mroute | undefined {
  return resource !== undefined && 'oifs' in resource ? resource : undefined;
}

function notFound(key: string): ApiError {
  return new ApiError('NOT_FOUND', `there is no ${key}`);
}

function effectOf(before: Resource | undefined, after: Resource | undefined): Effect {
  if (before === undefined) return after === undefined ? 'unchanged' : 'added';
  if (after === undefined) return 'removed';
  return sameResource(before, after) ? 'unchanged' : 'changed';
}

function warningsOf(resource: Resource | undefined): Warning[] {
  const mroute = mrouteOf(resource);
  if (mroute?.oifs.some((oif) => oif.interface === mroute.key.iif) !== true) return [];
  return [{ code: 'LOOP', text: `packets go back to '${mroute.key.iif}', where they came from` }];
}
