// The bytes of Modify, the fast way and the generated one.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { api } from '../../src/api/load.js';
import { ModifyWriter } from '../../src/api/modify-encoder.js';
import { type ModifyMessage, modifyReader } from '../../src/api/modify-requests.js';
import { Violations, parseChange } from '../../src/api/parse.js';
import { EFFECTS, renderEntry, renderWarning } from '../../src/api/render.js';
import { ApiError, toStatusMessage } from '../../src/api/status.js';
import type { Effect } from '../../src/model/change.js';
import { CHANGES_PER_APPLY_MAX, ELEMENTS_MAX } from '../../src/model/limits.js';
import type { Warning } from '../../src/model/resource.js';
import { entries } from '../support/entry-arbitraries.js';
import { requests } from '../support/request-arbitraries.js';

const { Modify } = api().mcroute.v1.RoutingService.service;
const read = modifyReader(Modify.requestDeserialize, ELEMENTS_MAX);

/** A reader that has no generated decoder to ask. */
const readFast = modifyReader(() => {
  throw new Error('it is asked');
}, ELEMENTS_MAX);

/** What the generated decoder and parse.ts make of the bytes. */
function plain(bytes: Buffer): unknown {
  const { table, changes } = Modify.requestDeserialize(bytes);
  return {
    table,
    ids: changes?.changes.map(({ id }) => BigInt(id)),
    changes: changes?.changes.map((change, index) => {
      const violations = new Violations();
      const parsed = parseChange(change, `changes[${index}]`, violations);
      return violations.error?.message ?? parsed;
    }),
  };
}

function found(message: ModifyMessage): unknown {
  assert.equal(message.kind, 'changes');
  const { table, batch } = message;
  return {
    table,
    ids: batch.ids.map(BigInt),
    changes: batch.changes.map((change) => (change instanceof ApiError ? change.message : change)),
  };
}

describe('a batch of a session', () => {
  it('is read to what the generated decoder and the parser make of each change', () => {
    let fast = 0;
    fc.assert(
      fc.property(requests, fc.nat(300), ({ apply: { changes = [] } }, table) => {
        const bytes = Modify.requestSerialize({ table, changes: { changes } });
        assert.deepEqual(found(read(bytes)), plain(bytes));
        try {
          assert.deepEqual(found(readFast(bytes)), plain(bytes));
          fast++;
        } catch (error) {
          if (!(error instanceof Error) || error.message !== 'it is asked') throw error;
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(fast > 100, `only ${fast} batches were read the fast way`);
  });

  it('is refused as a whole where it has too many changes, or too many elements', () => {
    const changes = Array.from({ length: CHANGES_PER_APPLY_MAX + 1 }, (_, id) => ({ id }));
    const tooMany = read(Modify.requestSerialize({ changes: { changes } }));
    assert.ok(tooMany.kind === 'refused' && tooMany.error.reason === 'RESOURCE_LIMIT');
    assert.equal(tooMany.changeCount, changes.length);
    const limited = modifyReader(Modify.requestDeserialize, 1_000)(Modify.requestSerialize({ changes: { changes } }));
    assert.ok(limited.kind === 'refused' && limited.error.reason === 'RESOURCE_LIMIT');
    assert.equal(limited.changeCount, changes.length);
  });

  it('has a thousand changes at most whose errors are told', () => {
    const message = read(
      Modify.requestSerialize({ changes: { changes: Array.from({ length: 1_002 }, (_, id) => ({ id })) } }),
    );
    assert.equal(message.kind, 'changes');
    const reasons = message.batch.changes.map((change) => (change instanceof ApiError ? change.reason : undefined));
    assert.deepEqual(reasons.slice(998), ['INVALID_FIELD', 'INVALID_FIELD', 'RESOURCE_LIMIT', 'RESOURCE_LIMIT']);
  });

  it('is none where the message is empty', () => {
    const message = read(Buffer.alloc(0));
    assert.ok(message.kind === 'refused' && message.error.reason === 'INVALID_FIELD');
    assert.equal(message.changeCount, undefined);
  });
});

const ids = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
const errors = fc.constantFrom(
  new ApiError('NOT_PRIMARY', 'another is', { metadata: { role: 'r' } }),
  new ApiError('INVALID_FIELD', 'wrong', { violations: [{ field: 'a', description: 'b' }] }),
);
const results = fc.oneof(
  fc.record({
    id: ids,
    effect: fc.constantFrom<Effect>('unchanged', 'added', 'changed', 'removed'),
    warnings: fc.array<Warning>(fc.record({ code: fc.constantFrom('LOOP' as const), text: fc.string() })),
    entry: fc.option(entries, { nil: undefined }),
  }),
  fc.record({ id: ids, error: errors }),
);
const headers = fc.record({
  revision: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  session: fc.option(
    fc.record({
      isPrimary: fc.boolean(),
      highest: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      hasPrimary: fc.boolean(),
    }),
    { nil: undefined },
  ),
  batch: fc.oneof(fc.nat(3), fc.maxSafeNat()),
  effects: fc.record({ unchanged: fc.nat(), added: fc.nat(3), changed: fc.nat(200), removed: fc.nat(100_000) }),
  refused: fc.nat(2),
  error: fc.option(errors, { nil: undefined }),
});

describe('a response of a session', () => {
  it('is encoded to what is decoded as what proto-loader makes', () => {
    const writer = new ModifyWriter();
    fc.assert(
      fc.property(headers, fc.array(results, { maxLength: 5 }), (header, some) => {
        for (const result of some) {
          if ('error' in result) writer.refusal(result.id, result.error);
          else writer.result(result);
        }
        const { revision, session, batch, effects, refused, error } = header;
        const bytes = writer.take({
          revision,
          batch,
          effects,
          refused,
          ...(session && { session }),
          ...(error && { error }),
        });
        const message = {
          revision: String(revision),
          session: session
            ? {
                isPrimary: session.isPrimary,
                highestElectionId: String(session.highest),
                hasPrimary: session.hasPrimary,
              }
            : null,
          batch: String(batch),
          ...effects,
          refused,
          error: error ? toStatusMessage(error) : null,
          results: some.map((result) =>
            'error' in result
              ? { id: String(result.id), error: toStatusMessage(result.error) }
              : {
                  id: String(result.id),
                  effect: EFFECTS[result.effect],
                  warnings: result.warnings.map(renderWarning),
                  entry: result.entry
                    ? renderEntry(result.entry.resource, result.entry.owners, result.entry.status)
                    : null,
                },
          ),
        };
        assert.deepEqual(
          Modify.responseDeserialize(bytes),
          Modify.responseDeserialize(Modify.responseSerialize(message)),
        );
      }),
      { numRuns: 300 },
    );
  });
});
