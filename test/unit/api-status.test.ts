import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { errorMessages } from '../../src/api/load.js';
import {
  ApiError,
  DETAILS_TRAILER,
  type Reason,
  fromServiceError,
  fromStatusMessage,
  toStatusMessage,
  toStatusObject,
} from '../../src/api/status.js';

const REASONS: readonly Reason[] = [
  'INVALID_FIELD',
  'TABLE_NOT_FOUND',
  'NOT_FOUND',
  'RESOURCE_LIMIT',
  'WATCHER_TOO_SLOW',
  'REVISION_MISMATCH',
  'REVISION_COMPACTED',
  'WARNINGS',
  'KERNEL_ERROR',
  'MESSAGE_TOO_LARGE',
  'AGENT_UNAVAILABLE',
  'TABLE_IN_USE',
  'MISSING_CAPABILITY',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
  'RATE_LIMIT',
  'NOT_PRIMARY',
  'UNCONFIRMED',
  'LOCKOUT',
  'HISTORY_LOST',
  'INTERNAL',
];

/** What a client's library makes of the status that a server ended a call with. */
function received({ code, details, metadata }: Partial<StatusObject>): ServiceError {
  return Object.assign(new Error(`${String(code)} ${details ?? ''}`), {
    code: code ?? status.UNKNOWN,
    details: details ?? '',
    metadata: metadata ?? new Metadata(),
  });
}

const texts = fc.string({ unit: 'grapheme', maxLength: 40 });
const errors = fc
  .record({
    reason: fc.constantFrom(...REASONS),
    message: texts,
    violations: fc.array(fc.record({ field: texts, description: texts }, { noNullPrototype: true }), { maxLength: 4 }),
    metadata: fc.dictionary(texts, texts, { maxKeys: 4, noNullPrototype: true }),
  })
  .map(({ reason, message, ...details }) => new ApiError(reason, message, details));

function assertSame(found: ApiError, expected: ApiError): void {
  assert.equal(found.reason, expected.reason);
  assert.equal(found.message, expected.message);
  assert.deepEqual(
    found.violations.map(({ field, description }) => ({ field, description })),
    expected.violations,
  );
  assert.deepEqual({ ...found.metadata }, expected.metadata);
}

describe('an error of the API', () => {
  it('is on the other side of the wire what it was: reason, sentence, violations, metadata', () => {
    fc.assert(
      fc.property(errors, (error) => {
        const found = fromServiceError(received(toStatusObject(error)));
        assertSame(found, error);
        assert.equal(found.status, error.status);
      }),
    );
  });

  it('is the same in the google.rpc.Status of an entry', () => {
    const { status: message } = errorMessages();
    fc.assert(
      fc.property(errors, (error) => {
        assertSame(fromStatusMessage(message.deserialize(message.serialize(toStatusMessage(error)))), error);
      }),
    );
  });

  it('has the canonical code that goes with its reason', () => {
    const codes = REASONS.map((reason) => [reason, status[toStatusObject(new ApiError(reason, '')).code]]);
    assert.deepEqual(Object.fromEntries(codes), {
      INVALID_FIELD: 'INVALID_ARGUMENT',
      TABLE_NOT_FOUND: 'NOT_FOUND',
      NOT_FOUND: 'NOT_FOUND',
      RESOURCE_LIMIT: 'RESOURCE_EXHAUSTED',
      WATCHER_TOO_SLOW: 'RESOURCE_EXHAUSTED',
      REVISION_MISMATCH: 'ABORTED',
      REVISION_COMPACTED: 'OUT_OF_RANGE',
      WARNINGS: 'FAILED_PRECONDITION',
      KERNEL_ERROR: 'FAILED_PRECONDITION',
      MESSAGE_TOO_LARGE: 'RESOURCE_EXHAUSTED',
      AGENT_UNAVAILABLE: 'UNAVAILABLE',
      TABLE_IN_USE: 'FAILED_PRECONDITION',
      MISSING_CAPABILITY: 'FAILED_PRECONDITION',
      UNAUTHENTICATED: 'UNAUTHENTICATED',
      PERMISSION_DENIED: 'PERMISSION_DENIED',
      RATE_LIMIT: 'RESOURCE_EXHAUSTED',
      NOT_PRIMARY: 'FAILED_PRECONDITION',
      UNCONFIRMED: 'FAILED_PRECONDITION',
      LOCKOUT: 'FAILED_PRECONDITION',
      HISTORY_LOST: 'OUT_OF_RANGE',
      INTERNAL: 'INTERNAL',
    });
  });
});

describe('an error that is not ours', () => {
  it('gets the reason that its code has', () => {
    const cases: readonly (readonly [status, Reason])[] = [
      [status.UNAVAILABLE, 'AGENT_UNAVAILABLE'],
      [status.INVALID_ARGUMENT, 'INVALID_FIELD'],
      [status.NOT_FOUND, 'NOT_FOUND'],
      [status.RESOURCE_EXHAUSTED, 'RESOURCE_LIMIT'],
      [status.UNIMPLEMENTED, 'INTERNAL'],
    ];
    for (const [code, reason] of cases) {
      const cause = received({ code, details: 'text' });
      const error = fromServiceError(cause);
      assert.equal(error.reason, reason);
      assert.equal(error.message, 'text');
      assert.equal(error.cause, cause);
    }
  });

  it('is MESSAGE_TOO_LARGE where grpc-js refuses a message by its size', () => {
    const details = 'Received message larger than max (16777217 vs 16777216)';
    assert.equal(fromServiceError(received({ code: status.RESOURCE_EXHAUSTED, details })).reason, 'MESSAGE_TOO_LARGE');
  });

  it('keeps its code and text when its details cannot be read', () => {
    const metadata = new Metadata();
    metadata.set(DETAILS_TRAILER, Buffer.from([0xff, 0xff, 0xff]));
    const error = fromServiceError(received({ code: status.NOT_FOUND, details: 'text', metadata }));
    assert.deepEqual([error.reason, error.message], ['NOT_FOUND', 'text']);
  });

  it('of a newer agent, with a reason that this client does not know, has that of its code', () => {
    const { status: message, errorInfo } = errorMessages();
    const value = errorInfo.serialize({ reason: 'OUT_OF_PAPER', domain: 'mcroute' });
    const details = [{ type_url: 'type.googleapis.com/google.rpc.ErrorInfo', value }];
    const bytes = message.serialize({ code: status.RESOURCE_EXHAUSTED, message: 'text', details });
    assert.equal(fromStatusMessage(message.deserialize(bytes)).reason, 'RESOURCE_LIMIT');
  });
});
