// Changes that stand for themselves.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ChangeError, planChanges, planEach } from '../../src/agent/rib/apply.js';
import { Rib } from '../../src/agent/rib/rib.js';
import type { Change } from '../../src/model/change.js';
import { formatResourceKey } from '../../src/model/resource.js';
import { mroute } from '../support/fib-turns.js';

const OWNER = 'cli';

const rules = fc
  .tuple(fc.nat(3), fc.nat(2))
  .map(([group, oif]) => mroute(`(*, 239.1.0.${group}) eth0 > eth${oif + 1}`));
const changes: fc.Arbitrary<Change> = fc.oneof(
  rules.map((resource): Change => ({ action: 'put', resource })),
  fc.tuple(rules, fc.boolean()).map(([{ key }, mustExist]): Change => ({ action: 'delete', key, mustExist })),
  rules.map((rule): Change => ({ action: 'add-oifs', mroute: rule })),
  rules.map((rule): Change => ({ action: 'remove-oifs', mroute: rule })),
);

/** What the owner wants, by key. */
function wishes(rib: Rib): ReadonlyMap<string, unknown> {
  return new Map(Array.from(rib.ofOwner(OWNER), ({ slot, resource }) => [formatResourceKey(slot.key), resource]));
}

describe('changes that stand for themselves', () => {
  it('come to what they come to one by one, and those that are refused have no part in it', () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 20 }), fc.array(changes, { maxLength: 20 }), (first, second) => {
        const [each, single] = [new Rib(), new Rib()];
        for (const batch of [first, second]) {
          const { step, results } = planEach(each, OWNER, batch, () => undefined);
          each.commit(step);
          const expected = batch.map((change, index) => {
            try {
              const planned = planChanges(single, OWNER, [change]);
              single.commit(planned.step);
              return planned.results[0]?.effect;
            } catch (error) {
              assert.ok(error instanceof ChangeError);
              return [error.code, index];
            }
          });
          const found = results.map((result) => {
            if (result === undefined || 'effect' in result) return result?.effect;
            return result.error instanceof ChangeError ? [result.error.code, result.error.index] : assert.fail();
          });
          assert.deepEqual(found, expected);
          assert.deepEqual(wishes(each), wishes(single));
          assert.equal(each.keyCount, single.keyCount);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are refused one by one by whoever looks at them, with what was before', () => {
    const rib = new Rib();
    const put = (group: number): Change => ({ action: 'put', resource: mroute(`(*, 239.1.0.${group}) eth0 > eth1`) });
    const seen: unknown[] = [];
    const { step, results } = planEach(
      rib,
      OWNER,
      [put(1), put(2), undefined, put(1), put(3)],
      (before, after, grown) => {
        seen.push([before === undefined, after === undefined, grown]);
        return seen.length === 2 ? 'no' : undefined;
      },
    );
    assert.deepEqual(seen, [
      [true, false, 1],
      [true, false, 2],
      [false, false, 1],
      [true, false, 2],
    ]);
    assert.deepEqual(
      results.map((result) => result && ('effect' in result ? result.effect : result.error)),
      ['added', 'no', undefined, 'unchanged', 'added'],
    );
    assert.equal(step.differences.length, 2);
    rib.drop(step);
    assert.equal(rib.find(mroute('(*, 239.1.0.2) eth0 > eth1').key), undefined);
  });
});
