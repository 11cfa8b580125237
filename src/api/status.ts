// Errors as the API sends them: a canonical code, a sentence, and google.rpc.Status details in a trailer.
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import type { Status, Status__Output } from './generated/google/rpc/Status.js';
import { durationOfMs, msOfDuration } from './duration.js';
import { errorMessages } from './load.js';

/** `ErrorReason` of proto/ without its prefix. */
export type Reason =
  | 'INVALID_FIELD'
  | 'TABLE_NOT_FOUND'
  | 'NOT_FOUND'
  | 'RESOURCE_LIMIT'
  | 'WATCHER_TOO_SLOW'
  | 'REVISION_MISMATCH'
  | 'REVISION_COMPACTED'
  | 'WARNINGS'
  | 'KERNEL_ERROR'
  | 'MESSAGE_TOO_LARGE'
  | 'AGENT_UNAVAILABLE'
  | 'TABLE_IN_USE'
  | 'MISSING_CAPABILITY'
  | 'STORAGE'
  | 'TABLE_EXISTS'
  | 'AGENT_FAILED'
  | 'CONFIGURATION'
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
  | 'RATE_LIMIT'
  | 'NOT_PRIMARY'
  | 'UNCONFIRMED'
  | 'LOCKOUT'
  | 'HISTORY_LOST'
  | 'INTERNAL';

/** A field of a request with a value that it cannot have. */
export interface FieldViolation {
  /** Path such as `changes[3].put.mroute.key.group`. */
  readonly field: string;
  /** What is wrong and what would be right. */
  readonly description: string;
}

/** An error of the API, on either side of the wire. */
export class ApiError extends Error {
  readonly code = 'API_ERROR';

  readonly reason: Reason;
  /** Empty unless the reason is INVALID_FIELD. */
  readonly violations: readonly FieldViolation[];
  readonly metadata: Readonly<Record<string, string>>;
  /** When to try again, in ms from now; undefined if nothing is known of that. */
  readonly retryDelayMs: number | undefined;

  constructor(
    reason: Reason,
    message: string,
    details: {
      readonly violations?: readonly FieldViolation[];
      readonly metadata?: Readonly<Record<string, string>>;
      readonly retryDelayMs?: number | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.reason = reason;
    this.violations = details.violations ?? [];
    this.metadata = details.metadata ?? {};
    this.retryDelayMs = details.retryDelayMs;
  }

  /** The canonical gRPC code that goes with the reason. */
  get status(): status {
    return CANONICAL[this.reason];
  }
}

/** Domain of ErrorInfo. */
export const ERROR_DOMAIN = 'mcroute';

/** Name of the trailer that carries google.rpc.Status. */
export const DETAILS_TRAILER = 'grpc-status-details-bin';

/** What a server ends a call with. */
export function toStatusObject(error: ApiError): StatusObject {
  const metadata = new Metadata();
  metadata.set(DETAILS_TRAILER, encodeStatus(error));
  return { code: error.status, details: error.message, metadata };
}

/** google.rpc.Status as a message, for an error that belongs to an entry. */
export function toStatusMessage(error: ApiError): Status {
  const { errorInfo, badRequest, retryInfo } = errorMessages();
  const details: EncodedDetail[] = [
    detail(
      'google.rpc.ErrorInfo',
      errorInfo.serialize({ reason: error.reason, domain: ERROR_DOMAIN, metadata: { ...error.metadata } }),
    ),
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map(({ field, description }) => ({ field, description }));
    details.push(detail('google.rpc.BadRequest', badRequest.serialize({ fieldViolations })));
  }
  if (error.retryDelayMs !== undefined) {
    const retryDelay = durationOfMs(error.retryDelayMs);
    details.push(detail('google.rpc.RetryInfo', retryInfo.serialize({ retryDelay })));
  }
  return { code: error.status, message: error.message, details };
}

/** Reads what a server ended a call with. An error that is not ours becomes one by its canonical code. */
export function fromServiceError(error: ServiceError): ApiError {
  const [bytes] = error.metadata.get(DETAILS_TRAILER);
  if (Buffer.isBuffer(bytes)) {
    try {
      return fromStatusMessage(errorMessages().status.deserialize(bytes), error);
    } catch {
      // Details that cannot be read: the code and the text are left.
    }
  }
  // grpc-js refuses an oversized message itself, with a text alone.
  const isTooLarge = error.code === status.RESOURCE_EXHAUSTED && /larger than max/i.test(error.details);
  const reason = isTooLarge ? 'MESSAGE_TOO_LARGE' : (REASON_OF_CODE.get(error.code) ?? 'INTERNAL');
  return new ApiError(reason, error.details || error.message, { cause: error });
}

/** Reads the google.rpc.Status of an entry or of a trailer. */
export function fromStatusMessage(message: Status__Output, cause?: unknown): ApiError {
  const { errorInfo, badRequest, retryInfo } = errorMessages();
  let reason = REASON_OF_CODE.get(message.code) ?? 'INTERNAL';
  let metadata: Record<string, string> = {};
  let violations: FieldViolation[] = [];
  let retryDelayMs: number | undefined;
  for (const any of message.details) {
    const { type_url: type, value } = any;
    if (type.endsWith('/google.rpc.ErrorInfo')) {
      const info = errorInfo.deserialize(value);
      if (isReason(info.reason)) reason = info.reason;
      metadata = info.metadata;
    } else if (type.endsWith('/google.rpc.BadRequest')) {
      violations = badRequest.deserialize(value).fieldViolations;
    } else if (type.endsWith('/google.rpc.RetryInfo')) {
      const { retryDelay } = retryInfo.deserialize(value);
      if (retryDelay !== null) retryDelayMs = msOfDuration(retryDelay);
    }
  }
  return new ApiError(reason, message.message, { violations, metadata, retryDelayMs, cause });
}

/** google.protobuf.Any as proto-loader takes it. */
interface EncodedDetail {
  type_url: string;
  value: Buffer;
}

const CANONICAL: Record<Reason, status> = {
  INVALID_FIELD: status.INVALID_ARGUMENT,
  TABLE_NOT_FOUND: status.NOT_FOUND,
  NOT_FOUND: status.NOT_FOUND,
  RESOURCE_LIMIT: status.RESOURCE_EXHAUSTED,
  WATCHER_TOO_SLOW: status.RESOURCE_EXHAUSTED,
  REVISION_MISMATCH: status.ABORTED,
  REVISION_COMPACTED: status.OUT_OF_RANGE,
  WARNINGS: status.FAILED_PRECONDITION,
  KERNEL_ERROR: status.FAILED_PRECONDITION,
  MESSAGE_TOO_LARGE: status.RESOURCE_EXHAUSTED,
  AGENT_UNAVAILABLE: status.UNAVAILABLE,
  TABLE_IN_USE: status.FAILED_PRECONDITION,
  MISSING_CAPABILITY: status.FAILED_PRECONDITION,
  STORAGE: status.RESOURCE_EXHAUSTED,
  TABLE_EXISTS: status.ALREADY_EXISTS,
  AGENT_FAILED: status.FAILED_PRECONDITION,
  CONFIGURATION: status.FAILED_PRECONDITION,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  RATE_LIMIT: status.RESOURCE_EXHAUSTED,
  NOT_PRIMARY: status.FAILED_PRECONDITION,
  UNCONFIRMED: status.FAILED_PRECONDITION,
  LOCKOUT: status.FAILED_PRECONDITION,
  HISTORY_LOST: status.OUT_OF_RANGE,
  INTERNAL: status.INTERNAL,
};

const REASON_OF_CODE = new Map<number, Reason>([
  [status.INVALID_ARGUMENT, 'INVALID_FIELD'],
  [status.NOT_FOUND, 'NOT_FOUND'],
  [status.RESOURCE_EXHAUSTED, 'RESOURCE_LIMIT'],
  [status.UNAVAILABLE, 'AGENT_UNAVAILABLE'],
  [status.UNAUTHENTICATED, 'UNAUTHENTICATED'],
  [status.PERMISSION_DENIED, 'PERMISSION_DENIED'],
]);

function isReason(text: string): text is Reason {
  return Object.hasOwn(CANONICAL, text);
}

function detail(type: string, value: Buffer): EncodedDetail {
  return { type_url: `type.googleapis.com/${type}`, value };
}

function encodeStatus(error: ApiError): Buffer {
  return errorMessages().status.serialize(toStatusMessage(error));
}
