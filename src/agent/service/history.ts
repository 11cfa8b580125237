// Confirm, Rollback and ListHistory of RoutingService.
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ConfirmRequest__Output } from '../../api/generated/mcroute/v1/ConfirmRequest.js';
import type { ConfirmResponse } from '../../api/generated/mcroute/v1/ConfirmResponse.js';
import type { HistoryEntry } from '../../api/generated/mcroute/v1/HistoryEntry.js';
import type { ListHistoryRequest__Output } from '../../api/generated/mcroute/v1/ListHistoryRequest.js';
import type { ListHistoryResponse } from '../../api/generated/mcroute/v1/ListHistoryResponse.js';
import type { RollbackRequest__Output } from '../../api/generated/mcroute/v1/RollbackRequest.js';
import type { RollbackResponse } from '../../api/generated/mcroute/v1/RollbackResponse.js';
import { timestampOfMs } from '../../api/duration.js';
import { Violations } from '../../api/parse.js';
import { parseOwner } from '../../api/parse-header.js';
import { renderDifference, renderWarning } from '../../api/render.js';
import { ApiError } from '../../api/status.js';
import { type Scope, scopeHasOwner } from '../../model/scope.js';
import type { ListedEntry } from '../history/entry.js';
import type { SafeChanges } from '../history/safe-changes.js';
import { Reply, type ServiceOptions, refuseFileOwner } from './call.js';
import type { Caller } from './caller.js';
import { changesTrailer, nothingChanged } from './changes-trailer.js';
import type { DoneRequest, DoneRequests } from './done-requests.js';
import { deadlineOf } from './replace.js';
import { requestDigest } from './request-digest.js';
import { writeAll } from './stream.js';
import { DIFFERENCES_MAX, WARNINGS_MAX, parseWriteHeader, writeOptions } from './write-options.js';

/** Entries in one message. */
const ENTRIES_PER_MESSAGE = 256;

/** Keeps what waits for confirmation. @throws ApiError, StorageError */
export async function confirm(
  options: ServiceOptions,
  request: ConfirmRequest__Output,
  caller: Caller,
): Promise<Reply<ConfirmResponse>> {
  const owner = checkedOwner(request.owner);
  checkScope(caller, owner);
  // What may still be taken back cannot be kept.
  await options.settled();
  const revision = options.changes.confirm(owner);
  if (revision === undefined) {
    throw new ApiError(
      'NOT_FOUND',
      `no change of '${owner}' waits for confirmation: it was confirmed, or rolled back when its time was over; see 'mcctl history'`,
    );
  }
  return new Reply({ revision: revision.toString() }, changesTrailer(caller, nothingChanged(revision)));
}

/** @throws ApiError and what `SafeChanges.rollback` throws; nothing has changed then. */
export async function rollback(
  options: ServiceOptions,
  requests: DoneRequests,
  request: RollbackRequest__Output,
  caller: Caller,
): Promise<Reply<RollbackResponse>> {
  refuseFileOwner(options, request.owner);
  const { engine, changes } = options;
  const { validateOnly, strict, comment, requestId } = request;
  const confirmWithin = request.confirmWithin ?? undefined;
  const expectedRevision =
    request._expectedRevision === undefined ? undefined : BigInt(request.expectedRevision ?? '0');
  const violations = new Violations();
  const owner = parseOwner(request.owner, violations);
  const wire = { owner, validateOnly, strict, expectedRevision, confirmWithin, comment, requestId };
  const header = parseWriteHeader(wire, violations);
  const toRevision = BigInt(request.toRevision);
  if (toRevision > engine.revision) {
    violations.add(
      'to_revision',
      `${toRevision.toString()} is yet to come: the table is at ${engine.revision.toString()}`,
    );
  }
  violations.throwIfAny();
  checkScope(caller, owner);
  const { confirmWithinMs = 0 } = header;
  const digest = requestDigest(['Rollback', toRevision.toString(), confirmWithinMs], []);
  const identity = { owner, requestId: header.requestId, requestDigest: digest };
  const repeat = ({ revision, effects, restoredRevision = toRevision }: DoneRequest): Reply<RollbackResponse> => {
    const { added, changed, removed } = effects;
    const counts = { added, changed, removed, restoredRevision: restoredRevision.toString() };
    return new Reply(
      { revision: revision.toString(), ...counts, ...deadlineOf(options, owner), repeatedRequest: true },
      changesTrailer(caller, nothingChanged(revision)),
    );
  };
  return requests.once(identity, repeat, async () => {
    const result = await changes.rollback(owner, toRevision, writeOptions('Rollback', caller, wire, header, identity));
    const { revision, step, effects, warnings, restoredRevision } = result;
    if (!validateOnly) requests.note(identity, { revision, effects, restoredRevision });
    const { added, changed, removed } = effects;
    const response = {
      revision: revision.toString(),
      ...{ added, changed, removed },
      restoredRevision: restoredRevision.toString(),
      differences: validateOnly ? step.differences.slice(0, DIFFERENCES_MAX).map(renderDifference) : [],
      warnings: warnings.slice(0, WARNINGS_MAX).map(renderWarning),
      ...(validateOnly ? {} : deadlineOf(options, owner)),
    };
    return new Reply(response, changesTrailer(caller, validateOnly ? nothingChanged(revision) : result));
  });
}

/** Sends the changes, the newest first, at the pace of the reader. @throws ApiError */
export async function listHistory(
  { changes }: ServiceOptions,
  { owner, limit }: ListHistoryRequest__Output,
  { scope }: Caller,
  call: ServerWritableStream<ListHistoryRequest__Output, ListHistoryResponse>,
): Promise<void> {
  const entries = changes.history.list(owner === '' ? undefined : checkedOwner(owner));
  await writeAll(call, historyMessages(changes, entries, scope, limit === 0 ? Infinity : limit));
}

function* historyMessages(
  changes: SafeChanges,
  entries: Iterable<ListedEntry>,
  scope: Scope | undefined,
  limit: number,
): Generator<ListHistoryResponse> {
  let message: HistoryEntry[] = [];
  let count = 0;
  for (const entry of entries) {
    if (count >= limit) break;
    if (scope !== undefined && !scopeHasOwner(scope, entry.owner)) continue;
    count++;
    message.push(renderEntry(changes, entry));
    if (message.length < ENTRIES_PER_MESSAGE) continue;
    yield { entries: message };
    message = [];
  }
  if (message.length > 0) yield { entries: message };
}

function renderEntry(changes: SafeChanges, entry: ListedEntry): HistoryEntry {
  const { revision, timeMs, owner, author, method, comment, effects, canBeUndone, requestId } = entry;
  const { added, changed, removed } = effects;
  const unconfirmed = changes.unconfirmed(owner);
  const waits = unconfirmed !== undefined && revision > unconfirmed.base && revision <= unconfirmed.revision;
  return {
    revision: revision.toString(),
    time: timestampOfMs(timeMs),
    ...{ owner, author, method, comment, added, changed, removed, canBeUndone, requestId },
    ...(waits ? { confirmDeadline: timestampOfMs(unconfirmed.deadlineMs) } : {}),
  };
}

function checkedOwner(text: string): string {
  const violations = new Violations();
  const owner = parseOwner(text, violations);
  violations.throwIfAny();
  return owner;
}

function checkScope({ scope, author }: Caller, owner: string): void {
  if (scope === undefined || scopeHasOwner(scope, owner)) return;
  throw new ApiError('PERMISSION_DENIED', `you may not change resources of the owner '${owner}'`, {
    metadata: { identity: author },
  });
}
