import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Step } from '../../src/agent/rib/rib.js';
import { freezeWishes } from '../../src/agent/store/frozen-wishes.js';
import type { OwnedResource } from '../../src/agent/store/wishes.js';
import { formatResourceKey } from '../../src/model/resource.js';
import { Random } from '../support/random.js';
import { SavedRib } from '../support/saved-rib.js';
import { EMPTY_STATE, type TableState, randomStep, wishesText } from '../support/store-history.js';

/** Steps before the moment, and reads while others follow. */
const STEPS_BEFORE = 12;

describe('frozen wishes', () => {
  it('are those of the moment, whatever steps come while they are read or are taken back', () => {
    let touched = 0;
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat({ max: 9 }), { maxLength: 60 }), (seed, actions) => {
        const random = new Random(seed);
        const rib = new SavedRib({ append: () => undefined });
        let state: TableState = EMPTY_STATE;
        const take = (): { readonly step: Step; readonly before: TableState } => {
          const before = state;
          const { step, after } = randomStep(state, random);
          rib.take(step);
          state = after;
          return { step, before };
        };
        for (let step = 0; step < STEPS_BEFORE; step++) take();
        const expected = wishesText(state.wanted.values());
        const frozen = freezeWishes(rib.resources());
        const reading = frozen[Symbol.iterator]();
        const read = new Map<string, OwnedResource>();
        const readOne = (): boolean => {
          const next = reading.next();
          if (next.done === true) return false;
          read.set(`${next.value.owner} ${formatResourceKey(next.value.resource.key)}`, next.value);
          return true;
        };
        for (const action of actions) {
          if (action < 5) readOne();
          else {
            const { step, before } = take();
            touched++;
            if (action < 7) {
              rib.takeBack([step]);
              state = before;
            }
          }
        }
        while (readOne());
        assert.equal(wishesText(read.values()), expected);
      }),
      { numRuns: 500 },
    );
    assert.ok(touched > 500, `only ${touched} steps`);
  });
});
