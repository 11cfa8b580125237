// Reads plain values with the keys and types that are expected, and collects all that is wrong. Pure.
import { nearestName } from '../../model/spelling.js';
import { CliError } from '../errors.js';
import { type Path, type SourceText, pathText } from './source-text.js';

/** Problems that one error tells; a file with more of them says how many there are. */
const PROBLEMS_SHOWN_MAX = 100;

/** An object of the file, at its place. */
export interface Section {
  readonly path: Path;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Reads one file; what is wrong does not stop it, so that all is told at once. */
export class Reader {
  readonly #source: SourceText;
  readonly #problems: string[] = [];
  #count = 0;

  constructor(source: SourceText) {
    this.#source = source;
  }

  /** Adds a problem; `atKey` where the key is what is wrong. */
  refuse(path: Path, text: string, atKey = false): void {
    if (++this.#count > PROBLEMS_SHOWN_MAX) return;
    const where = this.#source.locate(path, atKey);
    this.#problems.push(path.length === 0 ? `${where}: ${text}` : `${where}: ${pathText(path)}: ${text}`);
  }

  /** @throws CliError BAD_FILE with all that was found, if anything was. */
  throwIfAny(): void {
    const [first, ...others] = this.#problems;
    if (first === undefined) return;
    const hidden = this.#count - this.#problems.length;
    throw new CliError('BAD_FILE', first, hidden > 0 ? [...others, `(and ${hidden} more)`] : others);
  }

  /** An object that has no other keys than these. */
  section(value: unknown, path: Path, keys: readonly string[]): Section | undefined {
    if (!isRecord(value)) {
      this.refuse(path, `must be an object with ${keys.join(', ')}`);
      return undefined;
    }
    for (const key of Object.keys(value)) {
      if (keys.includes(key)) continue;
      const nearest = nearestName(key, keys);
      const hint = nearest === undefined ? `known are ${keys.join(', ')}` : `did you mean '${nearest}'?`;
      this.refuse([...path, key], `is not known here: ${hint}`, true);
    }
    return { path, values: value };
  }

  /** A text; null and a missing key are the empty text, unless it is required. */
  text(section: Section, key: string, isRequired: boolean): string {
    const value = section.values[key] ?? undefined;
    if (value === undefined) {
      if (isRequired) this.refuse([...section.path, key], 'is required');
      return '';
    }
    return this.textValue(value, [...section.path, key]);
  }

  textValue(value: unknown, path: Path): string {
    if (typeof value === 'string') return value;
    const shown = isScalarValue(value) ? `, not the ${typeof value} ${value}: put it in quotes` : '';
    this.refuse(path, `must be a text${shown}`);
    return '';
  }

  /** True or false; undefined where it is missing. */
  boolean(section: Section, key: string): boolean | undefined {
    const value = section.values[key] ?? undefined;
    if (value === undefined || typeof value === 'boolean') return value;
    this.refuse([...section.path, key], 'must be true or false');
    return undefined;
  }

  /** A whole number that a uint32 holds; undefined where it is missing. */
  number(section: Section, key: string): number | undefined {
    const value = section.values[key] ?? undefined;
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) return value;
    this.refuse([...section.path, key], 'must be a whole number');
    return undefined;
  }

  /** The values of an object with keys of any kind; none where it is missing. */
  record(section: Section, key: string): Readonly<Record<string, unknown>> {
    const value = section.values[key] ?? {};
    if (isRecord(value)) return value;
    this.refuse([...section.path, key], 'must be an object');
    return {};
  }

  /** The items of a list; none where it is missing. */
  list(section: Section, key: string): readonly unknown[] {
    const value = section.values[key] ?? [];
    if (Array.isArray(value)) return value;
    this.refuse([...section.path, key], 'must be a list');
    return [];
  }

  /** The items of a list with their paths; none where it is missing. */
  items(section: Section, key: string): { readonly value: unknown; readonly path: Path }[] {
    const path = [...section.path, key];
    return this.list(section, key).map((value, index) => ({ value, path: [...path, index] }));
  }

  /** The texts of a list; none where it is missing. */
  texts(section: Section, key: string): string[] {
    return this.items(section, key).map(({ value, path }) => this.textValue(value, path));
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalarValue(value: unknown): value is number | boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}
