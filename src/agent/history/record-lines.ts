// The lines of a file of history: a header, then records. A record is a line that tells of a change and, if it can be taken
// back, those of a step that does it, as a journal has them.
import type { Effect } from '../../model/change.js';
import type { Step } from '../rib/rib.js';
import type { Undo } from '../rib/restore.js';
import type { Encoded } from '../rib/wish-text.js';
import { checkedLine, lineValue, readCheckedLine } from '../store/checked-line.js';
import { FORMAT_VERSION, parseRevision } from '../store/header.js';
import { type StepWriter, readStep } from '../store/step-lines.js';
import type { WishReader } from '../store/wish-reader.js';
import type { HistoryEntry } from './entry.js';

/** A place between two lines. */
export interface LineEnd {
  /** Bytes before it. */
  readonly size: number;
  /** Checksum of the line before it. */
  readonly crc: number;
}

export interface HistoryHeader {
  readonly table: number;
  readonly owner: string;
  /** The number in the file's name. */
  readonly generation: number;
}

/** A record as it stands in a file. */
export interface ReadRecord {
  readonly entry: HistoryEntry;
  /** Where it begins. */
  readonly start: LineEnd;
  /** Where the lines of its step begin; undefined if it has none. */
  readonly undo: LineEnd | undefined;
  /** Where the next one begins. */
  readonly end: LineEnd;
}

const FORMAT = 'mcroute history';
const MORE = Buffer.from(',"more":true}');

export function historyHeaderLine(header: HistoryHeader): ReturnType<typeof checkedLine> {
  return checkedLine(JSON.stringify({ format: FORMAT, version: FORMAT_VERSION, ...header }), 0);
}

/** Where the records begin; undefined if the file is not what it should be. */
export function readHistoryHeader(
  bytes: Buffer,
  expected: Omit<HistoryHeader, 'owner'>,
): (LineEnd & Pick<HistoryHeader, 'owner'>) | undefined {
  const line = readCheckedLine(bytes, 0, 0);
  const value = line && lineValue(bytes, line);
  if (line === undefined || typeof value !== 'object' || value === null) return undefined;
  const { format, version, table, owner, generation } = value as Encoded;
  const isExpected =
    format === FORMAT && version === FORMAT_VERSION && table === expected.table && generation === expected.generation;
  return isExpected && typeof owner === 'string' ? { owner, size: line.end, crc: line.crc } : undefined;
}

/**
 * Makes the lines of a record that comes after a line with the checksum `crc`.
 *
 * @param undone the step whose reverse is to be in it; undefined: it cannot be taken back
 * @param onLines gets them in one or several pieces, good until it returns
 */
export function writeRecord(
  writer: StepWriter,
  entry: HistoryEntry,
  undone: Step | undefined,
  crc: number,
  onLines: (lines: Buffer) => void,
): { readonly crc: number; readonly undo: LineEnd | undefined } {
  const { line, crc: undoCrc } = checkedLine(JSON.stringify(encodeEntry(entry, undone !== undefined)), crc);
  const first = Buffer.from(line);
  if (undone === undefined) {
    onLines(first);
    return { crc: undoCrc, undo: undefined };
  }
  let isFirst = true;
  // Most records are short, and one write(2).
  const last = writer.write(
    undone,
    entry.revision,
    undoCrc,
    (lines) => {
      onLines(isFirst ? Buffer.concat([first, lines]) : lines);
      isFirst = false;
    },
    'before',
  );
  return { crc: last, undo: { size: first.length, crc: undoCrc } };
}

/** The record that begins there; undefined if it is not whole or not as it was written. */
export function readRecord(bytes: Buffer, start: LineEnd, owner: string): ReadRecord | undefined {
  const line = readCheckedLine(bytes, start.size, start.crc);
  const decoded = line && decodeEntry(lineValue(bytes, line), owner);
  if (line === undefined || decoded === undefined) return undefined;
  const { entry, hasUndo } = decoded;
  let end = { size: line.end, crc: line.crc };
  if (!hasUndo) return { entry, start, undo: undefined, end };
  const undo = end;
  for (let goesOn = true; goesOn;) {
    const next = readCheckedLine(bytes, end.size, end.crc);
    if (next === undefined) return undefined;
    goesOn = bytes.subarray(next.to - MORE.length, next.to).equals(MORE);
    end = { size: next.end, crc: next.crc };
  }
  return { entry, start, undo, end };
}

/** The step of a record; undefined if it is not as it was written. */
export function readUndo(reader: WishReader, bytes: Buffer, { size, crc }: LineEnd): Undo | undefined {
  return readStep(reader, bytes, size, crc);
}

/** What is empty is left out. */
function encodeEntry(entry: HistoryEntry, hasUndo: boolean): Encoded {
  const { revision, after, timeMs, author, method, comment, effects, requestId, requestDigest, restoredRevision } =
    entry;
  return {
    revision: revision.toString(),
    after: after.toString(),
    time: timeMs,
    method,
    effects: EFFECTS.map((effect) => effects[effect]),
    ...(author === '' ? {} : { author }),
    ...(comment === '' ? {} : { comment }),
    ...(requestId === '' ? {} : { request: requestId, digest: requestDigest }),
    ...(restoredRevision === undefined ? {} : { restored: restoredRevision.toString() }),
    ...(hasUndo ? { undo: true } : {}),
  };
}

const EFFECTS = ['added', 'changed', 'removed', 'unchanged'] as const satisfies readonly Effect[];

function decodeEntry(
  value: unknown,
  owner: string,
): { readonly entry: HistoryEntry; readonly hasUndo: boolean } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const encoded = value as Encoded;
  const revision = parseRevision(encoded['revision']);
  const after = parseRevision(encoded['after']);
  const { time: timeMs, effects } = encoded;
  if (revision === undefined || after === undefined || typeof timeMs !== 'number' || !Array.isArray(effects)) return;
  const [added, changed, removed, unchanged] = effects.map(Number);
  const entry = {
    revision,
    after,
    timeMs,
    owner,
    author: textOf(encoded['author']),
    method: textOf(encoded['method']),
    comment: textOf(encoded['comment']),
    effects: { added: added ?? 0, changed: changed ?? 0, removed: removed ?? 0, unchanged: unchanged ?? 0 },
    requestId: textOf(encoded['request']),
    requestDigest: textOf(encoded['digest']),
    restoredRevision: parseRevision(encoded['restored']),
  };
  return { entry, hasUndo: encoded['undo'] === true };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
