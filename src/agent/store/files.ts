// Names of the files in a table's directory.
import { join } from 'node:path';

/** A snapshot or a journal. */
export interface StoreFile {
  readonly kind: 'snapshot' | 'journal';
  readonly generation: number;
  readonly path: string;
}

/** What a directory has, in order of generations. */
export interface Listing {
  readonly snapshots: readonly StoreFile[];
  readonly journals: readonly StoreFile[];
  /** Snapshots that were not finished. */
  readonly unfinished: readonly string[];
  /** What was set aside, the oldest first. */
  readonly setAside: readonly string[];
  /** No file has this generation or a later one. */
  readonly nextGeneration: number;
  /** No file that was set aside has this number or a later one. */
  readonly nextSetAside: number;
}

export function storeFile(directory: string, kind: StoreFile['kind'], generation: number): StoreFile {
  return { kind, generation, path: join(directory, `${kind}.${generation}`) };
}

/** The name under which a snapshot is written. */
export function unfinishedPath(snapshot: StoreFile): string {
  return `${snapshot.path}.tmp`;
}

/** The name under which a damaged file, or the rest of one, is kept for a person. */
export function setAsidePath(file: StoreFile, number: number): string {
  return `${file.path}.damaged-${number}`;
}

/** Sorts names; those that are not of the store are left out. */
export function sortNames(directory: string, names: readonly string[]): Listing {
  const found: StoreFile[] = [];
  const unfinished: string[] = [];
  const setAside: { path: string; number: number }[] = [];
  let nextGeneration = 1;
  for (const name of names) {
    const [, kind, digits, damaged, tmp] = NAME.exec(name) ?? [];
    if (kind === undefined) continue;
    const generation = Number(digits);
    nextGeneration = Math.max(nextGeneration, generation + 1);
    if (tmp !== undefined) unfinished.push(join(directory, name));
    else if (damaged !== undefined) setAside.push({ path: join(directory, name), number: Number(damaged) });
    else found.push(storeFile(directory, kind === 'snapshot' ? 'snapshot' : 'journal', generation));
  }
  found.sort((a, b) => a.generation - b.generation);
  setAside.sort((a, b) => a.number - b.number);
  return {
    snapshots: found.filter(({ kind }) => kind === 'snapshot'),
    journals: found.filter(({ kind }) => kind === 'journal'),
    unfinished,
    setAside: setAside.map(({ path }) => path),
    nextGeneration,
    nextSetAside: (setAside.at(-1)?.number ?? 0) + 1,
  };
}

/** Fifteen digits are less than 2^53. */
const NAME = /^(snapshot|journal)\.([1-9]\d{0,14})(?:\.damaged-([1-9]\d{0,14})|(\.tmp))?$/;
