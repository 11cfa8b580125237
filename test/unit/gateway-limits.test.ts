// What one identity may use of a gateway.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { IDENTITIES_MAX, IdentityLimits } from '../../src/gateway/limits.js';

const SETTINGS = { writesPerSecond: 10, writeBurst: 3, streamsPerIdentity: 2 };

/** Limits with a clock that stands still unless it is moved. */
function limitsOf(settings = SETTINGS) {
  const clock = { ms: 1_000 };
  return { clock, limits: new IdentityLimits(settings, () => clock.ms) };
}

describe('writes', () => {
  it('may come at once as many as the burst, then at the rate', () => {
    const { clock, limits } = limitsOf();
    assert.deepEqual(
      [1, 2, 3, 4].map(() => limits.takeWrite('a')),
      [0, 0, 0, 100],
    );
    clock.ms += 60;
    assert.equal(limits.takeWrite('a'), 40);
    clock.ms += 40;
    assert.deepEqual([limits.takeWrite('a'), limits.takeWrite('a')], [0, 100]);
  });

  it('of one identity leave those of another alone', () => {
    const { limits } = limitsOf();
    for (let i = 0; i < 5; i++) limits.takeWrite('a');
    assert.equal(limits.takeWrite('b'), 0);
  });

  it('are not saved up beyond the burst', () => {
    const { clock, limits } = limitsOf();
    limits.takeWrite('a');
    clock.ms += 1e9;
    assert.deepEqual(
      [1, 2, 3, 4].map(() => limits.takeWrite('a') === 0),
      [true, true, true, false],
    );
  });

  it('are not limited by 0', () => {
    const { limits } = limitsOf({ ...SETTINGS, writesPerSecond: 0 });
    for (let i = 0; i < 1_000; i++) assert.equal(limits.takeWrite('a'), 0);
  });

  it('can always be taken when the time has passed that was told, and never more than the rate allows', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 20 }), (waits, rate, burst) => {
        const { clock, limits } = limitsOf({ ...SETTINGS, writesPerSecond: rate, writeBurst: burst });
        const start = clock.ms;
        let taken = 0;
        for (const wait of waits) {
          clock.ms += wait;
          const left = limits.takeWrite('a');
          if (left === 0) taken++;
          else {
            clock.ms += left;
            assert.equal(limits.takeWrite('a'), 0);
            taken++;
          }
        }
        assert.ok(taken <= burst + ((clock.ms - start) / 1_000) * rate + 1e-6);
      }),
    );
  });

  it('follow other limits from then on', () => {
    const { limits } = limitsOf();
    for (let i = 0; i < 3; i++) limits.takeWrite('a');
    limits.change({ ...SETTINGS, writesPerSecond: 1_000 });
    assert.equal(limits.takeWrite('a'), 1);
  });
});

describe('streams', () => {
  it('are counted until they end, each once', () => {
    const { limits } = limitsOf();
    const first = limits.openStream('a') ?? assert.fail();
    assert.notEqual(limits.openStream('a'), undefined);
    assert.equal(limits.openStream('a'), undefined);
    assert.notEqual(limits.openStream('b'), undefined);
    first();
    first();
    assert.notEqual(limits.openStream('a'), undefined);
    assert.equal(limits.openStream('a'), undefined);
  });

  it('are not limited by 0', () => {
    const { limits } = limitsOf({ ...SETTINGS, streamsPerIdentity: 0 });
    for (let i = 0; i < 1_000; i++) assert.notEqual(limits.openStream('a'), undefined);
  });
});

describe('identities', () => {
  it('are forgotten when there are too many, but not those with streams', () => {
    const { limits } = limitsOf();
    limits.openStream('reader');
    limits.openStream('reader');
    for (let i = 0; i < 3 * IDENTITIES_MAX; i++) {
      limits.takeWrite(`id-${i}`);
      assert.ok(limits.size <= IDENTITIES_MAX);
    }
    assert.equal(limits.openStream('reader'), undefined);
  });

  it('are forgotten first if nothing is lost with them', () => {
    const { clock, limits } = limitsOf({ ...SETTINGS, writesPerSecond: 1 });
    for (let i = 0; i < IDENTITIES_MAX / 2; i++) limits.takeWrite(`idle-${i}`);
    clock.ms += 10_000;
    for (let i = 0; i < 3; i++) limits.takeWrite('greedy');
    for (let i = 0; i < IDENTITIES_MAX / 2; i++) limits.takeWrite(`new-${i}`);
    assert.ok(limits.takeWrite('greedy') > 0);
  });
});
