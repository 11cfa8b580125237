// The first line of each file: what the file is, for whom, and where it stands among the others.
import type { Encoded } from '../rib/wish-text.js';
import { type CheckedLine, checkedLine, lineValue, readCheckedLine } from './checked-line.js';
import { StorageError } from './storage-error.js';

/** What this program writes, and the newest that it reads. The header's form is the same in all versions. */
export const FORMAT_VERSION = 1;

/** Bytes in which a header finds room. */
export const HEADER_MAX = 4_096;

export interface Header {
  readonly kind: 'snapshot' | 'journal';
  readonly table: number;
  /** The number in the file's name. */
  readonly generation: number;
  /**
   * Steps that were taken before the file's first: steps are counted without gaps from file to file, so that a missing
   * one is known. A snapshot has the state after so many. A journal takes back what earlier ones have beyond that.
   */
  readonly after: number;
  /**
   * Checksum of the last of those steps; 0 if there is none. A step that was taken back and one that was taken later have
   * the same number, so the count does not say whether it is these that are there.
   */
  readonly afterCrc: number;
  /** Highest revision until then. */
  readonly revision: bigint;
}

export function headerLine(header: Header): ReturnType<typeof checkedLine> {
  const { kind, table, generation, after, afterCrc, revision } = header;
  const format = `mcroute ${kind}`;
  return checkedLine(
    JSON.stringify({
      format,
      version: FORMAT_VERSION,
      table,
      generation,
      after,
      afterCrc,
      revision: revision.toString(),
    }),
    0,
  );
}

/**
 * The header of a file and the line it stands in; undefined if it is damaged.
 *
 * @throws StorageError if a newer program wrote the file, or one of another table: it must not be touched.
 */
export function readHeader(
  bytes: Buffer,
  expected: Pick<Header, 'kind' | 'table' | 'generation'>,
  path: string,
): { readonly header: Header; readonly line: CheckedLine } | undefined {
  const line = readCheckedLine(bytes, 0, 0);
  const value = line && lineValue(bytes, line);
  if (typeof value !== 'object' || value === null) return undefined;
  const { format, version, table, generation, after, afterCrc, revision } = value as Encoded;
  if (format !== `mcroute ${expected.kind}` || typeof version !== 'number') return undefined;
  if (version > FORMAT_VERSION) {
    throw new StorageError(
      'ENOTSUP',
      path,
      `'${path}' was written by a newer mcroute (format ${version}, this one reads up to ${FORMAT_VERSION}): ` +
        'install that one again, or move the directory away to begin with nothing',
    );
  }
  if (table !== expected.table) {
    throw new StorageError(
      'EINVAL',
      path,
      `'${path}' belongs to table ${String(table)} and not to table ${expected.table}: move it back, ` +
        "or use 'mcctl export' and 'mcctl apply' to copy a table",
    );
  }
  if (generation !== expected.generation || typeof after !== 'number' || typeof afterCrc !== 'number') return undefined;
  const parsed = parseRevision(revision);
  if (parsed === undefined) return undefined;
  return line && { header: { ...expected, after, afterCrc, revision: parsed }, line };
}

/** A revision as it stands in files; undefined if it is none. */
export function parseRevision(value: unknown): bigint | undefined {
  return typeof value === 'string' && /^\d{1,20}$/.test(value) ? BigInt(value) : undefined;
}
