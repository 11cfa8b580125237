// A batch of a session: its changes to the engine, and what became of each back to the controller.
import type { WireId } from '../../api/change-decoder.js';
import type { ModifyWriter } from '../../api/modify-encoder.js';
import type { ModifyBatch } from '../../api/modify-requests.js';
import { ApiError } from '../../api/status.js';
import type { Effect } from '../../model/change.js';
import type { Scope } from '../../model/scope.js';
import type { Engine } from '../engine.js';
import { toApiError } from './errors.js';
import type { LaterResults } from './later-results.js';

/** Whose changes they are, and what is to be told of them. */
export interface BatchOptions {
  readonly owner: string;
  /** As a gateway knows who calls; empty for a caller of this host. */
  readonly author: string;
  readonly scope: Scope | undefined;
  readonly isNotableOnly: boolean;
  /** Which batch of the stream it is, from 1. */
  readonly number: number;
}

/** Bytes of results in one message, or somewhat more: no client needs to ask for larger ones than usual. */
const MESSAGE_BYTES = 256 * 1024;

/**
 * Applies a batch; gives the messages with its results.
 *
 * @throws only what is a bug.
 */
export function applyBatch(
  engine: Engine,
  { ids, changes }: ModifyBatch,
  { later, writer }: { readonly later: LaterResults; readonly writer: ModifyWriter },
  { owner, author, scope, isNotableOnly, number }: BatchOptions,
): readonly Buffer[] {
  let applied: ReturnType<Engine['applyEach']>;
  try {
    const valid = changes.map((change) => (change instanceof ApiError ? undefined : change));
    applied = engine.applyEach(owner, valid, { scope, origin: { method: 'Modify', author } });
  } catch (error) {
    const refusal = toApiError(error, author);
    if (refusal === undefined) throw error;
    const errors = changes.map((change) => (change instanceof ApiError ? change : refusal));
    return refuseAll(engine.revision, ids, errors, writer, number);
  }
  const { revision, results, effects, warnings } = applied;
  const messages: Buffer[] = [];
  let refused = 0;
  for (const [index, result] of results.entries()) {
    const id = ids[index] ?? 0;
    const error = errorOf(changes[index], result, author);
    if (error !== undefined) {
      refused++;
      writer.refusal(id, error);
    } else if (result !== undefined && 'effect' in result) {
      const { slot, effect } = result;
      later.forget(slot);
      const entry = engine.entryOf(slot, owner);
      const own = warnings.get(slot) ?? [];
      const state = entry?.status.state ?? 'programmed';
      const isNotable = own.length > 0 || state !== 'programmed' || (entry?.status.warnings.length ?? 0) > 0;
      if (isNotable || !isNotableOnly) writer.result({ id, effect, warnings: own, entry });
      if (state !== 'programmed') later.follow(slot, { id, effect, state, batch: number });
    }
    if (writer.length >= MESSAGE_BYTES && index < results.length - 1)
      messages.push(writer.take({ revision, batch: number }));
  }
  messages.push(writer.take({ revision, batch: number, effects, refused }));
  return messages;
}

/** The messages with the results of a batch of which nothing was done. */
export function refuseAll(
  revision: bigint,
  ids: readonly WireId[],
  errors: readonly ApiError[] | ApiError,
  writer: ModifyWriter,
  number: number,
): readonly Buffer[] {
  const messages: Buffer[] = [];
  for (const [index, id] of ids.entries()) {
    const error = errors instanceof ApiError ? errors : errors[index];
    if (error !== undefined) writer.refusal(id, error);
    if (writer.length >= MESSAGE_BYTES && index < ids.length - 1)
      messages.push(writer.take({ revision, batch: number }));
  }
  messages.push(writer.take({ revision, batch: number, effects: NO_EFFECTS, refused: ids.length }));
  return messages;
}

const NO_EFFECTS: Readonly<Record<Effect, number>> = { unchanged: 0, added: 0, changed: 0, removed: 0 };

/** Why a change was refused, by whomever. */
function errorOf(
  change: ModifyBatch['changes'][number] | undefined,
  result: ReturnType<Engine['applyEach']>['results'][number],
  author: string,
): ApiError | undefined {
  if (change instanceof ApiError) return change;
  if (result === undefined || !('error' in result)) return undefined;
  const error = toApiError(result.error, author);
  if (error === undefined) throw result.error;
  return error;
}
