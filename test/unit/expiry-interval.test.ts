import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { IdleFlows, idleCheckIntervalMs } from '../../src/agent/fib/idle.js';
import { parseAddress } from '../../src/model/address.js';

const FLOW = { source: parseAddress('10.0.0.1'), group: parseAddress('239.1.1.1'), iif: 0, oifs: [] };

/** Timers of Node are early by less than this, and late by what else goes on. */
const EARLY_MS = 1;
const LATE_MS = 20;

/**
 * When the flow goes, in ms after its last packet, if the counters are looked at whenever a timer fires.
 *
 * @param packets times of its packets, ascending.
 * @param deviations of the timer from its interval, used in turn.
 */
function lifeAfter(packets: readonly number[], timeoutMs: number, deviations: readonly number[]): number {
  const flows = new IdleFlows();
  const last = packets.at(-1) ?? 0;
  let now = 0;
  for (let look = 0; look < LOOKS_MAX; look++) {
    now += idleCheckIntervalMs(timeoutMs) + (deviations[look % deviations.length] ?? 0);
    const count = packets.filter((at) => at <= now).length;
    // The upcall thread makes the entry at the first packet.
    if (count === 0) continue;
    const counters = [{ packets: BigInt(count), bytes: 0n, wrongIf: 0n }];
    if (flows.inspect([FLOW], counters, now, timeoutMs).idle.length > 0) return now - last;
  }
  throw new Error('it never goes');
}

const LOOKS_MAX = 1_000;

describe('an idle flow', () => {
  it('goes between a timeout and one look more after its last packet, however exact the timers are', () => {
    const timeouts = fc.integer({ min: 1, max: 86_400 }).map((seconds) => seconds * 1_000);
    // Gaps of less than the timeout: the flow is busy until its last packet.
    const gaps = fc.array(fc.double({ min: 0, max: 0.9, noNaN: true }), { minLength: 1, maxLength: 20 });
    const deviations = fc.array(fc.double({ min: -EARLY_MS, max: LATE_MS, noNaN: true }), {
      minLength: 1,
      maxLength: 7,
    });
    fc.assert(
      fc.property(timeouts, gaps, deviations, (timeoutMs, steps, timerDeviations) => {
        let at = 0;
        const life = lifeAfter(
          steps.map((step) => (at += step * timeoutMs)),
          timeoutMs,
          timerDeviations,
        );
        assert.ok(life >= timeoutMs, `${life} ms of ${timeoutMs}`);
        // Up to five timers are between the last packet and the look at which it goes.
        const limit = timeoutMs + idleCheckIntervalMs(timeoutMs) + 5 * (LATE_MS + 5);
        assert.ok(life <= limit, `${life} ms of ${timeoutMs}, above ${limit}`);
      }),
    );
  });

  it('is looked for four times per timeout, also the shortest one', () => {
    for (const timeoutMs of [1_000, 2_000, 60_000, 86_400_000]) {
      assert.ok(idleCheckIntervalMs(timeoutMs) <= timeoutMs / 4 + 5);
    }
  });
});
