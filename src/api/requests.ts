// Requests of Apply and Replace as the service reads them: the fast way where the bytes are as usual and all is valid, and
// otherwise by the generated decoder and parse.ts, whose errors are the only ones.
import type { Change } from '../model/change.js';
import type { Resource } from '../model/resource.js';
import { APPLY_REQUEST, type MessageShape, REPLACE_REQUEST, countElements } from './element-limit.js';
import type { ApplyRequest__Output } from './generated/mcroute/v1/ApplyRequest.js';
import type { ReplaceRequest__Output } from './generated/mcroute/v1/ReplaceRequest.js';
import { type Violations, parseChanges, parseResources } from './parse.js';
import {
  type DecodedApply,
  type DecodedReplace,
  RequestDecoder,
  type RequestHeader,
  type WireId,
} from './request-decoder.js';
import { ApiError } from './status.js';

/** A request of Apply. */
export interface ApplyCall extends RequestHeader {
  /** Why it was not decoded; undefined if it was. */
  readonly refusal: ApiError | undefined;
  readonly ids: readonly WireId[];
  readonly isNotableOnly: boolean;
  /** Gives the changes; those of which something is wrong are in the violations instead. */
  readonly parse: (violations: Violations) => readonly Change[];
}

/** One message of a request of Replace. */
export interface ReplaceMessage extends RequestHeader {
  readonly refusal: ApiError | undefined;
  readonly resourceCount: number | undefined;
  /** Resources in this message. */
  readonly size: number;
  /** Gives the resources; `offset` is how many came in earlier messages. */
  readonly parse: (offset: number, violations: Violations) => readonly Resource[];
}

/** The generated decoders. */
export interface PlainDecoders {
  readonly apply: (bytes: Buffer) => ApplyRequest__Output;
  readonly replace: (bytes: Buffer) => ReplaceRequest__Output;
}

/** Reads requests from their bytes; throws what the generated decoders throw. */
export interface RequestReader {
  readonly apply: (bytes: Buffer) => ApplyCall;
  readonly replace: (bytes: Buffer) => ReplaceMessage;
}

/** @param elementsMax of one message; what has more is refused and not decoded. */
export function requestReader(plain: PlainDecoders, elementsMax: number): RequestReader {
  const decoder = new RequestDecoder(elementsMax);
  const refusalOf = (bytes: Buffer, shape: MessageShape) => {
    const elements = countElements(bytes, shape);
    return elements > elementsMax ? tooManyElements(elements, elementsMax) : undefined;
  };
  return {
    apply: (bytes) => {
      const decoded = decoder.apply(bytes);
      if (decoded !== undefined) return applyCall(decoded);
      const refusal = refusalOf(bytes, APPLY_REQUEST);
      return plainApplyCall(plain.apply(refusal === undefined ? bytes : NO_BYTES), refusal);
    },
    replace: (bytes) => {
      const decoded = decoder.replace(bytes);
      if (decoded !== undefined) return replaceMessage(decoded);
      const refusal = refusalOf(bytes, REPLACE_REQUEST);
      return plainReplaceMessage(plain.replace(refusal === undefined ? bytes : NO_BYTES), refusal);
    },
  };
}

const NO_BYTES = Buffer.alloc(0);

function applyCall(decoded: DecodedApply): ApplyCall {
  return { ...decoded, refusal: undefined, parse: () => decoded.changes };
}

function plainApplyCall(request: ApplyRequest__Output, refusal: ApiError | undefined): ApplyCall {
  return {
    ...headerOf(request),
    refusal,
    ids: request.changes.map(({ id }) => BigInt(id)),
    isNotableOnly: request.results === 'RESULT_VIEW_NOTABLE',
    parse: (violations) => parseChanges(request.changes, violations),
  };
}

function replaceMessage(decoded: DecodedReplace): ReplaceMessage {
  const { resources } = decoded;
  return { ...decoded, refusal: undefined, size: resources.length, parse: () => resources };
}

function plainReplaceMessage(request: ReplaceRequest__Output, refusal: ApiError | undefined): ReplaceMessage {
  return {
    ...headerOf(request),
    refusal,
    resourceCount: request._resourceCount === undefined ? undefined : (request.resourceCount ?? 0),
    size: request.resources.length,
    parse: (offset, violations) => parseResources(request.resources, offset, violations),
  };
}

function headerOf(request: ApplyRequest__Output | ReplaceRequest__Output): RequestHeader {
  const { table, owner, validateOnly, strict, comment, requestId } = request;
  const expectedRevision =
    request._expectedRevision === undefined ? undefined : BigInt(request.expectedRevision ?? '0');
  const confirmWithin = request.confirmWithin ?? undefined;
  return { table, owner, validateOnly, strict, expectedRevision, confirmWithin, comment, requestId };
}

function tooManyElements(elements: number, limit: number): ApiError {
  return new ApiError(
    'RESOURCE_LIMIT',
    `the message has ${elements} elements, more than the ${limit} of one message: send it in several`,
  );
}
