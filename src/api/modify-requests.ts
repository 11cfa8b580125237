// Messages of Modify: batches the fast way where the bytes are as usual and all changes are valid, and otherwise by the
// generated decoder and parse.ts, each change for itself.
import type { Change } from '../model/change.js';
import { CHANGES_PER_APPLY_MAX } from '../model/limits.js';
import { ChangeDecoder, type WireId } from './change-decoder.js';
import { MODIFY_CHANGES, MODIFY_REQUEST, countElements } from './element-limit.js';
import type { Change__Output } from './generated/mcroute/v1/Change.js';
import type { ModifyRequest__Output } from './generated/mcroute/v1/ModifyRequest.js';
import type { Session__Output } from './generated/mcroute/v1/Session.js';
import { Violations, parseChange } from './parse.js';
import { ApiError } from './status.js';
import { UNUSUAL } from './wire-cursor.js';
import { lengthTag, varintTag } from './wire-writer.js';

/** Changes, each with its id, or with what is wrong with it. */
export interface ModifyBatch {
  readonly ids: readonly WireId[];
  readonly changes: readonly (Change | ApiError)[];
}

/** A message of the request stream. */
export type ModifyMessage =
  | { readonly kind: 'session'; readonly table: number; readonly session: Session__Output }
  | { readonly kind: 'changes'; readonly table: number; readonly batch: ModifyBatch }
  /** Refused as a whole. */
  | {
      readonly kind: 'refused';
      readonly table: number;
      readonly error: ApiError;
      /** Of the batch that it is; undefined if it is none. */
      readonly changeCount: number | undefined;
    };

/** Reads messages from their bytes; throws what the generated decoder throws. */
export type ModifyReader = (bytes: Buffer) => ModifyMessage;

/**
 * @param plain the generated decoder
 * @param elementsMax of one message; what has more is refused and not decoded.
 */
export function modifyReader(plain: (bytes: Buffer) => ModifyRequest__Output, elementsMax: number): ModifyReader {
  const decoder = new BatchDecoder(elementsMax);
  return (bytes) => {
    const decoded = decoder.batch(bytes);
    if (decoded !== undefined) return withinLimit(decoded.table, decoded.batch.ids.length, () => decoded.batch);
    const elements = countElements(bytes, MODIFY_REQUEST);
    if (elements > elementsMax) {
      const text = `the message has ${elements} elements, more than the ${elementsMax} of one message: send it in several`;
      const error = new ApiError('RESOURCE_LIMIT', text);
      return { kind: 'refused', table: 0, error, changeCount: countElements(bytes, MODIFY_CHANGES) - 1 };
    }
    return plainMessage(plain(bytes));
  };
}

function plainMessage({ table, session, changes: batch }: ModifyRequest__Output): ModifyMessage {
  if (session) return { kind: 'session', table, session };
  if (batch) return withinLimit(table, batch.changes.length, () => parseBatch(batch.changes));
  const error = new ApiError('INVALID_FIELD', 'message: is none that this agent knows: set session or changes');
  return { kind: 'refused', table, error, changeCount: undefined };
}

function withinLimit(table: number, changeCount: number, batch: () => ModifyBatch): ModifyMessage {
  if (changeCount <= CHANGES_PER_APPLY_MAX) return { kind: 'changes', table, batch: batch() };
  const error = new ApiError(
    'RESOURCE_LIMIT',
    `${changeCount} changes are more than the ${CHANGES_PER_APPLY_MAX} of one batch: send them in several`,
  );
  return { kind: 'refused', table, error, changeCount };
}

/** Wrong changes of one batch whose errors are told; each costs as much as several that are right. */
const WRONG_MAX = 1_000;

function parseBatch(wire: readonly Change__Output[]): ModifyBatch {
  const unread = new ApiError(
    'RESOURCE_LIMIT',
    `was not looked at: ${WRONG_MAX} changes of this batch are wrong already`,
  );
  let wrong = 0;
  const changes = wire.map((change, index) => {
    if (wrong === WRONG_MAX) return unread;
    const parsed = parseAlone(change, index);
    if (parsed instanceof ApiError) wrong++;
    return parsed;
  });
  return { ids: wire.map(({ id }) => BigInt(id)), changes };
}

function parseAlone(wire: Change__Output, index: number): Change | ApiError {
  const violations = new Violations();
  const change = parseChange(wire, `changes[${index}]`, violations);
  return violations.error ?? change ?? new ApiError('INTERNAL', 'bug: a change is neither valid nor wrong');
}

const MODIFY_FIELDS = { table: varintTag(1), changes: lengthTag(3), known: 3 } as const;
const CHANGES_FIELDS = { changes: lengthTag(1), known: 1 } as const;

/** Decodes one batch after the other; gives undefined where something is unusual or wrong. */
class BatchDecoder {
  readonly #elementsMax: number;
  readonly #changes = new ChangeDecoder();

  /** @param elementsMax as element-limit.ts counts them; a message that has more is left to it. */
  constructor(elementsMax: number) {
    this.#elementsMax = elementsMax;
  }

  batch(bytes: Buffer): { readonly table: number; readonly batch: ModifyBatch } | undefined {
    this.#changes.resources.begin(bytes);
    try {
      return this.#message();
    } finally {
      // The bytes of a large message are not kept until the next one comes.
      this.#changes.resources.begin(NO_BYTES);
    }
  }

  #message(): { readonly table: number; readonly batch: ModifyBatch } | undefined {
    const { keys } = this.#changes.resources;
    const { cursor } = keys;
    const end = cursor.bytes.length;
    let table = 0;
    let batch: ModifyBatch | undefined;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag === MODIFY_FIELDS.table) {
        table = cursor.varint(end);
        if (table === UNUSUAL) return undefined;
      } else if (tag === MODIFY_FIELDS.changes) {
        keys.elements++;
        const next = cursor.endOfBytes(end);
        if (next === UNUSUAL || batch !== undefined) return undefined;
        batch = this.#batch(next);
        if (batch === undefined) return undefined;
      } else if (!cursor.skip(tag, MODIFY_FIELDS.known, end)) return undefined;
    }
    return batch && { table, batch };
  }

  #batch(end: number): ModifyBatch | undefined {
    const { keys } = this.#changes.resources;
    const { cursor } = keys;
    const ids: WireId[] = [];
    const changes: Change[] = [];
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag !== CHANGES_FIELDS.changes) {
        if (!cursor.skip(tag, CHANGES_FIELDS.known, end)) return undefined;
        continue;
      }
      keys.elements++;
      const next = cursor.endOfBytes(end);
      const change = next === UNUSUAL ? undefined : this.#changes.change(next);
      if (change === undefined || keys.elements > this.#elementsMax) return undefined;
      changes.push(change);
      ids.push(this.#changes.id);
    }
    return { ids, changes };
  }
}

const NO_BYTES = Buffer.alloc(0);
