// What the table remembers of sessions, as one line with a checksum. Pure.
import { ROLES_PER_TABLE_MAX } from '../../model/limits.js';
import { checkedLine, lineValue, readCheckedLine } from '../store/checked-line.js';
import type { SavedAbsence } from './absence.js';

/** What is saved. */
export interface SessionRecord {
  /** Highest election id of each role. */
  readonly roles: ReadonlyMap<string, bigint>;
  /** The owners whose resources are to go when they stay away. */
  readonly owners: ReadonlyMap<string, SavedAbsence>;
}

export const EMPTY_RECORD: SessionRecord = { roles: new Map(), owners: new Map() };

/** Bytes of the longest record: names of 64 bytes and numbers, twice as many as there are. */
export const RECORD_BYTES_MAX = 2 * ROLES_PER_TABLE_MAX * 256;

/** The bytes are no record of this table. */
export class SessionRecordError extends Error {
  readonly code = 'SESSION_RECORD';
}

const VERSION = 1;

export function encodeRecord(table: number, { roles, owners }: SessionRecord): Buffer {
  const value = {
    kind: 'sessions',
    version: VERSION,
    table,
    roles: Object.fromEntries([...roles].map(([role, highest]) => [role, String(highest)])),
    owners: Object.fromEntries(owners),
  };
  return Buffer.from(checkedLine(JSON.stringify(value), 0).line);
}

/**
 * The record of these bytes.
 *
 * @throws SessionRecordError
 */
export function decodeRecord(table: number, bytes: Buffer): SessionRecord {
  const line = readCheckedLine(bytes, 0, 0);
  if (line?.end !== bytes.length) throw new SessionRecordError('its checksum is wrong');
  const { kind, version, table: ofTable, roles, owners } = objectOf(lineValue(bytes, line));
  if (kind !== 'sessions' || version !== VERSION) throw new SessionRecordError('it is of another version');
  if (ofTable !== table) throw new SessionRecordError(`it is of table ${String(ofTable)}`);
  return {
    roles: new Map(Object.entries(objectOf(roles)).map(([role, highest]) => [role, idOf(highest)])),
    owners: new Map(Object.entries(objectOf(owners)).map(([owner, saved]) => [owner, absenceOf(saved)])),
  };
}

function absenceOf(value: unknown): SavedAbsence {
  const { holdTimeMs, deadlineMs } = objectOf(value);
  return { holdTimeMs: msOf(holdTimeMs), deadlineMs: deadlineMs === undefined ? undefined : msOf(deadlineMs) };
}

function msOf(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new SessionRecordError('a time is none');
}

function idOf(value: unknown): bigint {
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return BigInt(value);
  throw new SessionRecordError('an election id is none');
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  throw new SessionRecordError('a part of it is missing');
}
