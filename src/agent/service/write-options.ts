// What requests that change something say beside their changes.
import type { Violations } from '../../api/parse.js';
import { parseComment, parseConfirmWithin, parseRequestId } from '../../api/parse-header.js';
import type { RequestHeader } from '../../api/request-decoder.js';
import type { ApplyOptions, ChangeOrigin } from '../engine.js';
import type { Caller } from './caller.js';
import type { RequestIdentity } from './done-requests.js';

/** What Apply, Replace and Rollback have in common. */
export type WriteHeader = Omit<RequestHeader, 'table'>;

/** What the engine is asked for, and who asks. */
export interface WriteOptions extends ApplyOptions {
  readonly origin: ChangeOrigin;
}

/** A header that was checked. */
export interface CheckedHeader {
  readonly confirmWithinMs: number | undefined;
  readonly comment: string;
  /** Empty also for what only looks: that is done again and again. */
  readonly requestId: string;
}

export function parseWriteHeader(header: WriteHeader, violations: Violations): CheckedHeader {
  const requestId = parseRequestId(header.requestId, violations);
  return {
    confirmWithinMs: parseConfirmWithin(header.confirmWithin, violations),
    comment: parseComment(header.comment, violations),
    requestId: header.validateOnly ? '' : requestId,
  };
}

export function writeOptions(
  method: string,
  { author, scope }: Caller,
  { validateOnly, strict, expectedRevision }: WriteHeader,
  { confirmWithinMs, comment }: CheckedHeader,
  { requestId, requestDigest }: Omit<RequestIdentity, 'owner'>,
): WriteOptions {
  const origin = { method, author, comment, requestId, requestDigest, confirmWithinMs };
  return { validateOnly, strict, expectedRevision, scope, origin };
}

/** Differences that a dry run shows at most, and warnings that any reply tells of a whole. */
export const DIFFERENCES_MAX = 10_000;
export const WARNINGS_MAX = 1_000;
