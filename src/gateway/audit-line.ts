// A line of the audit file. Pure.

/** Something that was done, or refused. */
export interface AuditRecord {
  /** ms after 1970. */
  readonly time: number;
  /** Empty: nobody knows who it was. */
  readonly identity: string;
  readonly address: string;
  /** Such as "RoutingService.Apply"; empty for a connection that was refused. */
  readonly method: string;
  /** 0: none, or all. */
  readonly table: number;
  /** "OK", or the name of a canonical code such as "PERMISSION_DENIED". */
  readonly outcome: string;
  /** A value of ErrorReason. */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly revision?: string | undefined;
  readonly added?: number | undefined;
  readonly changed?: number | undefined;
  readonly removed?: number | undefined;
  /** Keys of the first changes, as people read them. */
  readonly first?: readonly string[] | undefined;
  /** Refusals like this one that were not written down each by itself. */
  readonly others?: number | undefined;
  readonly durationMs: number;
}

// Characters of what others have written; what is longer is cut. A line has no more than some 8 KiB.
const IDENTITY_CHARACTERS = 256;
const ADDRESS_CHARACTERS = 128;
const WORD_CHARACTERS = 128;
const MESSAGE_CHARACTERS = 512;
const KEY_CHARACTERS = 256;
const KEYS = 10;

/** The record as a line of JSON, without its end. What is not known is left out. */
export function formatAuditRecord(record: AuditRecord): string {
  return JSON.stringify({
    time: timeOf(record.time),
    identity: cut(record.identity, IDENTITY_CHARACTERS),
    address: cut(record.address, ADDRESS_CHARACTERS),
    method: cut(record.method, WORD_CHARACTERS),
    table: record.table,
    outcome: cut(record.outcome, WORD_CHARACTERS),
    reason: cut(record.reason, WORD_CHARACTERS),
    message: cut(record.message, MESSAGE_CHARACTERS),
    revision: cut(record.revision, WORD_CHARACTERS),
    added: record.added,
    changed: record.changed,
    removed: record.removed,
    first: record.first?.slice(0, KEYS).map((key) => cut(key, KEY_CHARACTERS)),
    others: record.others,
    durationMs: Math.round(record.durationMs * 1_000) / 1_000,
  });
}

/** The line that stands where lines were lost. */
export function formatLoss(time: number, lost: number): string {
  return JSON.stringify({ time: timeOf(time), lost, message: `${lost} lines were lost` });
}

function timeOf(time: number): string {
  return new Date(time).toISOString();
}

function cut<Text extends string | undefined>(text: Text, characters: number): Text | string {
  return text !== undefined && text.length > characters ? `${text.slice(0, characters)}...` : text;
}
