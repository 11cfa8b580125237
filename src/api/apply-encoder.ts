// Replies of Apply from the model straight to their bytes; see entry-encoder.ts.
import type { Effect } from '../model/change.js';
import type { Resource, Status, Warning } from '../model/resource.js';
import { writeEntry, writeWarning } from './entry-encoder.js';
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
): Buffer {
  const writer = new WireWriter();
  writeId(writer, REVISION, revision);
  for (const { id, effect, warnings, entry } of results) {
    const start = writer.begin(RESULTS);
    writeId(writer, ID, id);
    writer.uint32(EFFECT, EFFECTS[effect]);
    if (entry !== undefined) writeEntry(writer, ENTRY, entry, undefined);
    for (const warning of warnings) writeWarning(writer, WARNINGS, warning);
    writer.end(start);
  }
  for (const [effect, tag] of COUNTS) if (effects[effect] > 0) writer.uint32(tag, effects[effect]);
  return writer.take();
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

// ChangeResult.
const ID = varintTag(1);
const EFFECT = varintTag(2);
const ENTRY = lengthTag(3);
const WARNINGS = lengthTag(4);

const EFFECTS = { unchanged: 1, added: 2, changed: 3, removed: 4 } as const satisfies Record<Effect, number>;

/** Values of the lower word of 64 bits. */
const WORD = 2 ** 32;

function writeId(writer: WireWriter, tag: number, id: WireId): void {
  if (typeof id === 'number') {
    if (id !== 0) writer.uint64(tag, id % WORD, Math.floor(id / WORD));
  } else {
    writer.uint64(tag, Number(id & 0xffff_ffffn), Number(id >> 32n));
  }
}
