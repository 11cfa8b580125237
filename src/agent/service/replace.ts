// Replace of RoutingService: collects what the client sends; the wish takes effect as a whole when it half-closes.
import type { ServerReadableStream, sendUnaryData } from '@grpc/grpc-js';
import type { ReplaceResponse } from '../../api/generated/mcroute/v1/ReplaceResponse.js';
import { timestampOfMs } from '../../api/duration.js';
import { Violations } from '../../api/parse.js';
import { parseOwner } from '../../api/parse-header.js';
import { EMPTY_HEADER } from '../../api/request-decoder.js';
import { renderDifference, renderWarning } from '../../api/render.js';
import type { ReplaceMessage } from '../../api/requests.js';
import { ApiError, toStatusObject } from '../../api/status.js';
import { RESOURCES_PER_TABLE_MAX } from '../../model/limits.js';
import type { Resource } from '../../model/resource.js';
import type { Engine } from '../engine.js';
import { Reply, type ServiceOptions, checkTable, failure, refuseFileOwner } from './call.js';
import { type Caller, callerOf } from './caller.js';
import { changesTrailer, nothingChanged } from './changes-trailer.js';
import type { DoneRequest, DoneRequests } from './done-requests.js';
import { requestDigest } from './request-digest.js';
import { type CheckedHeader, DIFFERENCES_MAX, WARNINGS_MAX, parseWriteHeader, writeOptions } from './write-options.js';

/** The first message, which says what is asked for. */
interface FirstMessage {
  readonly request: ReplaceMessage;
  readonly header: CheckedHeader;
}

export function replace(
  options: ServiceOptions,
  requests: DoneRequests,
  call: ServerReadableStream<ReplaceMessage, ReplaceResponse>,
  callback: sendUnaryData<ReplaceResponse>,
): void {
  const violations = new Violations();
  const resources: Resource[] = [];
  let received = 0;
  let first: FirstMessage | undefined;
  let isAnswered = false;
  let author = '';
  const refuse = (error: unknown) => {
    if (isAnswered) return;
    isAnswered = true;
    resources.length = 0;
    callback(toStatusObject(failure(options, 'Replace', error, author)));
  };
  call.on('data', (request: ReplaceMessage) => {
    if (isAnswered) return;
    try {
      const { refusal, size } = request;
      if (refusal !== undefined) throw refusal;
      first ??= checkFirst(options.engine, request, violations);
      if (received + size > RESOURCES_PER_TABLE_MAX) {
        throw new ApiError(
          'RESOURCE_LIMIT',
          `more than ${RESOURCES_PER_TABLE_MAX} resources are more than a table holds`,
        );
      }
      // Not spread into one push: arguments are on the stack, which takes some hundred thousand.
      for (const resource of request.parse(received, violations)) resources.push(resource);
      received += size;
    } catch (error) {
      refuse(error);
    }
  });
  const finish = async () => {
    if (isAnswered) return;
    try {
      first ??= checkFirst(options.engine, NO_MESSAGE, violations);
      checkCount(first.request, received, violations);
      violations.throwIfAny();
      refuseFileOwner(options, first.request.owner);
      const caller = callerOf(call);
      ({ author } = caller);
      const { response, trailer } = await replaceOwner(options, requests, first, resources, caller);
      isAnswered = true;
      callback(null, response, trailer);
    } catch (error) {
      refuse(error);
    }
  };
  // A stream that is reset, or loses its connection, ends too; `cancelled` comes in a later tick of the same turn.
  call.on('end', () =>
    setImmediate(() => {
      // finish() catches everything itself.
      void finish();
    }),
  );
  call.on('cancelled', () => {
    isAnswered = true;
    resources.length = 0;
  });
  // A broken stream is the client's affair; what it had sent has no effect.
  call.on('error', () => undefined);
}

/** What a client that half-closes at once has asked for: nothing, for nobody. */
const NO_MESSAGE: ReplaceMessage = {
  ...EMPTY_HEADER,
  resourceCount: undefined,
  refusal: undefined,
  size: 0,
  parse: () => [],
};

function checkFirst(engine: Engine, request: ReplaceMessage, violations: Violations): FirstMessage {
  checkTable(engine, request.table);
  parseOwner(request.owner, violations);
  return { request, header: parseWriteHeader(request, violations) };
}

/** A client that gave up in the middle may look like one that is done. */
function checkCount({ resourceCount: announced }: ReplaceMessage, received: number, violations: Violations): void {
  if (announced === undefined || announced === received) return;
  violations.add(
    'resource_count',
    `${announced} resources were announced and ${received} came: send all of them again`,
  );
}

async function replaceOwner(
  options: ServiceOptions,
  requests: DoneRequests,
  { request, header }: FirstMessage,
  resources: readonly Resource[],
  caller: Caller,
): Promise<Reply<ReplaceResponse>> {
  const { owner, validateOnly } = request;
  const { requestId, confirmWithinMs = 0 } = header;
  const identity = {
    owner,
    requestId,
    requestDigest: requestId === '' ? '' : requestDigest(['Replace', confirmWithinMs], resources),
  };
  const repeat = ({ revision, effects }: DoneRequest): Reply<ReplaceResponse> =>
    new Reply(
      { revision: revision.toString(), ...effects, ...deadlineOf(options, owner), repeatedRequest: true },
      changesTrailer(caller, nothingChanged(revision)),
    );
  return requests.once(identity, repeat, async () => {
    const replaced = options.engine.replace(
      owner,
      resources,
      writeOptions('Replace', caller, request, header, identity),
    );
    const { revision, step, effects, warnings } = replaced;
    requests.note(identity, { revision, effects, restoredRevision: undefined });
    const response = {
      revision: revision.toString(),
      ...effects,
      differences: validateOnly ? step.differences.slice(0, DIFFERENCES_MAX).map(renderDifference) : [],
      warnings: warnings.slice(0, WARNINGS_MAX).map(renderWarning),
      ...(validateOnly ? {} : deadlineOf(options, owner)),
    };
    await options.settled();
    return new Reply(response, changesTrailer(caller, validateOnly ? nothingChanged(revision) : replaced));
  });
}

/** When what the owner has changed is taken back unless it is confirmed. */
export function deadlineOf({ changes }: ServiceOptions, owner: string): Pick<ReplaceResponse, 'confirmDeadline'> {
  const unconfirmed = changes.unconfirmed(owner);
  return unconfirmed === undefined ? {} : { confirmDeadline: timestampOfMs(unconfirmed.deadlineMs) };
}
