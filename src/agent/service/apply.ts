// Apply of RoutingService.
import { encodeApplyResponse } from '../../api/apply-encoder.js';
import { Violations } from '../../api/parse.js';
import { parseOwner } from '../../api/parse-header.js';
import type { ApplyCall } from '../../api/requests.js';
import { ApiError } from '../../api/status.js';
import { CHANGES_PER_APPLY_MAX } from '../../model/limits.js';
import { Reply, type ServiceOptions, refuseFileOwner } from './call.js';
import type { Caller } from './caller.js';
import { changesTrailer, nothingChanged } from './changes-trailer.js';
import type { DoneRequest, DoneRequests } from './done-requests.js';
import { requestDigest } from './request-digest.js';
import { DIFFERENCES_MAX, parseWriteHeader, writeOptions } from './write-options.js';

export async function apply(
  options: ServiceOptions,
  requests: DoneRequests,
  request: ApplyCall,
  caller: Caller,
): Promise<Reply<Buffer>> {
  if (request.refusal !== undefined) throw request.refusal;
  refuseFileOwner(options, request.owner);
  const violations = new Violations();
  const owner = parseOwner(request.owner, violations);
  const header = parseWriteHeader(request, violations);
  const { ids, validateOnly } = request;
  if (ids.length > CHANGES_PER_APPLY_MAX) {
    throw new ApiError(
      'RESOURCE_LIMIT',
      `${ids.length} changes are more than the ${CHANGES_PER_APPLY_MAX} of one Apply: use Replace, or several Applies`,
    );
  }
  const changes = request.parse(violations);
  violations.throwIfAny();
  const { engine } = options;
  const confirmDeadline = () => (validateOnly ? undefined : options.changes.unconfirmed(owner)?.deadlineMs);
  const { requestId, confirmWithinMs = 0 } = header;
  const identity = {
    owner,
    requestId,
    requestDigest: requestId === '' ? '' : requestDigest(['Apply', confirmWithinMs], changes),
  };
  const repeat = ({ revision, effects }: DoneRequest) => {
    const extras = { confirmDeadlineMs: confirmDeadline(), isRepeated: true };
    const response = encodeApplyResponse(revision, [], effects, extras);
    return new Reply(response, changesTrailer(caller, nothingChanged(revision)));
  };
  return requests.once(identity, repeat, async () => {
    const applied = engine.apply(owner, changes, {
      ...writeOptions('Apply', caller, request, header, identity),
      results: request.isNotableOnly ? 'notable' : 'all',
    });
    const { revision, results, effects, step } = applied;
    requests.note(identity, { revision, effects, restoredRevision: undefined });
    const told = results.map((result) => ({ ...result, id: ids[result.index] ?? 0 }));
    const differences = validateOnly ? step.differences.slice(0, DIFFERENCES_MAX) : [];
    const response = encodeApplyResponse(revision, told, effects, {
      differences,
      confirmDeadlineMs: confirmDeadline(),
    });
    await options.settled();
    return new Reply(response, changesTrailer(caller, validateOnly ? nothingChanged(revision) : applied));
  });
}
