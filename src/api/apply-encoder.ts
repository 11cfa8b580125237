// Replies of Apply from the model straight to their bytes; see entry-encoder.ts.
import type { Effect } from '../model/change.js';
import type { Resource, Status, Warning } from '../model/resource.js';
import { writeEntry, writeResource, writeWarning } from './entry-encoder.js';
import type { WireId } from './request-decoder.js';
import { WireWriter, lengthTag, varintTag } from './wire-writer.js';

/** What became of a change. */
export interface AppliedResult {
  readonly id: WireId;
  readonly effect: Effect;
  readonly warnings: readonly Warning[];
  readonly entry:
    { readonly resource: Resource; readonly owners: readonly string[]; readonly status: Status } | undefined;
}

/** Encodes an `ApplyResponse`. */
export function encodeApplyResponse(
  revision: bigint,
  results: Iterable<AppliedResult>,
  effects: Readonly<Record<Effect, number>>,
  { differences = [], confirmDeadlineMs, isRepeated = false }: ApplyExtras = {},
): Buffer {
  const writer = new WireWriter();
  writeId(writer, REVISION, revision);
  for (const result of results) writeResult(writer, RESULTS, result);
  for (const [effect, tag] of COUNTS) if (effects[effect] > 0) writer.uint32(tag, effects[effect]);
  for (const { before, after } of differences) {
    const start = writer.begin(DIFFERENCES);
    if (before !== undefined) writeResource(writer, BEFORE, before);
    if (after !== undefined) writeResource(writer, AFTER, after);
    writer.end(start);
  }
  if (confirmDeadlineMs !== undefined) writeTimestamp(writer, CONFIRM_DEADLINE, confirmDeadlineMs);
  if (isRepeated) writer.uint32(REPEATED_REQUEST, 1);
  return writer.take();
}

/** What few replies have. */
export interface ApplyExtras {
  readonly differences?: Iterable<{ readonly before: Resource | undefined; readonly after: Resource | undefined }>;
  /** ms after 1970. */
  readonly confirmDeadlineMs?: number | undefined;
  readonly isRepeated?: boolean;
}

/** Writes a `ChangeResult` as the field of the tag. */
export function writeResult(writer: WireWriter, tag: number, { id, effect, warnings, entry }: AppliedResult): void {
  const start = writer.begin(tag);
  writeId(writer, ID, id);
  writer.uint32(EFFECT, EFFECTS[effect]);
  if (entry !== undefined) writeEntry(writer, ENTRY, entry, undefined);
  for (const warning of warnings) writeWarning(writer, WARNINGS, warning);
  writer.end(start);
}

/** Writes the `ChangeResult` of a change that was refused; `error` is an encoded google.rpc.Status. */
export function writeRefusal(writer: WireWriter, tag: number, id: WireId, error: Uint8Array): void {
  const start = writer.begin(tag);
  writeId(writer, ID, id);
  writer.bytes(ERROR, error);
  writer.end(start);
}

// Tags, by the numbers of routing_service.proto: ApplyResponse.
const REVISION = varintTag(1);
const RESULTS = lengthTag(2);
const COUNTS = [
  ['added', varintTag(3)],
  ['changed', varintTag(4)],
  ['removed', varintTag(5)],
  ['unchanged', varintTag(6)],
] as const satisfies readonly (readonly [Effect, number])[];

const DIFFERENCES = lengthTag(7);
const CONFIRM_DEADLINE = lengthTag(8);
const REPEATED_REQUEST = varintTag(9);

// Difference.
const BEFORE = lengthTag(1);
const AFTER = lengthTag(2);

// google.protobuf.Timestamp.
const SECONDS = varintTag(1);
const NANOS = varintTag(2);

// ChangeResult.
const ID = varintTag(1);
const EFFECT = varintTag(2);
const ENTRY = lengthTag(3);
const WARNINGS = lengthTag(4);
const ERROR = lengthTag(5);

const EFFECTS = { unchanged: 1, added: 2, changed: 3, removed: 4 } as const satisfies Record<Effect, number>;

/** Values of the lower word of 64 bits. */
const WORD = 2 ** 32;

function writeTimestamp(writer: WireWriter, tag: number, ms: number): void {
  const seconds = Math.floor(ms / 1_000);
  const start = writer.begin(tag);
  writeId(writer, SECONDS, seconds);
  if (ms > seconds * 1_000) writer.uint32(NANOS, Math.round((ms - seconds * 1_000) * 1e6));
  writer.end(start);
}

function writeId(writer: WireWriter, tag: number, id: WireId): void {
  if (typeof id === 'number') {
    if (id !== 0) writer.uint64(tag, id % WORD, Math.floor(id / WORD));
  } else {
    writer.uint64(tag, Number(id & 0xffff_ffffn), Number(id >> 32n));
  }
}
