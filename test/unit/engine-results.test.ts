// Which results of an Apply are told.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Change } from '../../src/model/change.js';
import { APPLY, openEngine, putOf } from '../support/engine-bench.js';
import { membership, mroute } from '../support/fib-turns.js';

const fine = '(10.0.0.1, 239.1.0.1) eth0 > eth1';
const fineToo = '(10.0.0.2, 239.1.0.1) eth0 > eth1';
const looping = '(10.0.0.3, 239.1.0.1) eth0 > eth0';
const waiting = '(10.0.0.4, 239.1.0.1) away0 > eth1';
const partial = '(10.0.0.5, 239.1.0.1) eth0 > away0 eth1';

function puts(...rules: readonly string[]): Change[] {
  return rules.map((rule) => putOf(mroute(rule)));
}

function removal(rule: string): Change {
  return { action: 'delete', key: mroute(rule).key, mustExist: false };
}

/** Steps of one owner: something of each effect and of each state. */
const STEPS: readonly (readonly Change[])[] = [
  [...puts(fine, looping, waiting, partial, fineToo), putOf(membership('(*, 239.1.0.1) away0'))],
  [...puts(fine, looping, waiting), removal(fineToo), removal(fineToo)],
  [...puts('(10.0.0.1, 239.1.0.1) eth0 > eth0'), removal(waiting), ...puts(waiting, fineToo)],
];

describe('the notable results of an Apply', () => {
  for (const validateOnly of [false, true]) {
    it(`are those with warnings and those that are not programmed${validateOnly ? ', of a dry run too' : ''}`, () => {
      const [all, notable] = [openEngine(), openEngine()];
      let told = 0;
      for (const step of STEPS) {
        const options = { ...APPLY, validateOnly };
        const expected = all.engine.apply('cli', step, options);
        const found = notable.engine.apply('cli', step, { ...options, results: 'notable' });
        assert.deepEqual(
          found.results,
          expected.results.filter(
            ({ warnings, entry }) =>
              warnings.length > 0 ||
              (entry !== undefined && (entry.status.state !== 'programmed' || entry.status.warnings.length > 0)),
          ),
        );
        const counts = { added: 0, changed: 0, removed: 0, unchanged: 0 };
        for (const { effect } of expected.results) counts[effect]++;
        assert.deepEqual([found.effects, expected.effects], [counts, counts]);
        assert.deepEqual(
          expected.results.map(({ index }) => index),
          [...step.keys()],
        );
        told += found.results.length;
        assert.ok(found.results.length < step.length, 'all of them are told');
      }
      assert.ok(told > 0, 'none of them is told');
    });
  }

  it('are none where all is well', () => {
    const { engine } = openEngine();
    const options = { ...APPLY, results: 'notable' } as const;
    assert.deepEqual(engine.apply('cli', puts(fine, fineToo), options).results, []);
    assert.deepEqual(engine.apply('cli', [removal(fine)], options).results, []);
  });
});
