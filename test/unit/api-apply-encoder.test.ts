import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeApplyResponse } from '../../src/api/apply-encoder.js';
import { api } from '../../src/api/load.js';
import { timestampOfMs } from '../../src/api/duration.js';
import { EFFECTS, renderDifference, renderEntry, renderWarning } from '../../src/api/render.js';
import type { Effect } from '../../src/model/change.js';
import type { Warning } from '../../src/model/resource.js';
import { entries } from '../support/entry-arbitraries.js';

const { Apply } = api().mcroute.v1.RoutingService.service;

const revisions = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const results = fc.record({
  id: fc.oneof(fc.nat(300), fc.maxSafeNat(), revisions),
  effect: fc.constantFrom<Effect>('unchanged', 'added', 'changed', 'removed'),
  warnings: fc.oneof(
    fc.constant<Warning[]>([]),
    fc.array<Warning>(fc.record({ code: fc.constantFrom('LOOP' as const, 'SHADOWS' as const), text: fc.string() })),
  ),
  entry: fc.option(entries, { nil: undefined }),
});
const counts = fc.record({ unchanged: fc.nat(), added: fc.nat(3), changed: fc.nat(200), removed: fc.nat(100_000) });

const differences = fc.record({
  before: fc.option(
    entries.map(({ resource }) => resource),
    { nil: undefined },
  ),
  after: fc.option(
    entries.map(({ resource }) => resource),
    { nil: undefined },
  ),
});
const extras = fc.record({
  differences: fc.array(differences, { maxLength: 3 }),
  confirmDeadlineMs: fc.option(fc.nat({ max: 4e12 }), { nil: undefined }),
  isRepeated: fc.boolean(),
});

describe('a reply of Apply', () => {
  it('has what would be different, the deadline, and whether it is repeated', () => {
    fc.assert(
      fc.property(revisions, counts, extras, (revision, effects, more) => {
        const { differences: different, confirmDeadlineMs, isRepeated } = more;
        const message = {
          revision: String(revision),
          ...effects,
          differences: different.map(renderDifference),
          confirmDeadline: confirmDeadlineMs === undefined ? null : timestampOfMs(confirmDeadlineMs),
          repeatedRequest: isRepeated,
        };
        assert.deepEqual(
          Apply.responseDeserialize(encodeApplyResponse(revision, [], effects, more)),
          Apply.responseDeserialize(Apply.responseSerialize(message)),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('is encoded to what is decoded as what proto-loader makes', () => {
    fc.assert(
      fc.property(revisions, fc.array(results, { maxLength: 5 }), counts, (revision, some, effects) => {
        const message = {
          revision: String(revision),
          results: some.map(({ id, effect, warnings, entry }) => ({
            id: String(id),
            effect: EFFECTS[effect],
            entry: entry === undefined ? null : renderEntry(entry.resource, entry.owners, entry.status),
            warnings: warnings.map(renderWarning),
          })),
          ...effects,
        };
        assert.deepEqual(
          Apply.responseDeserialize(encodeApplyResponse(revision, some, effects)),
          Apply.responseDeserialize(Apply.responseSerialize(message)),
        );
      }),
      { numRuns: 300 },
    );
  });
});
