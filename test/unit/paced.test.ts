import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { paced } from '../../src/agent/paced.js';

/** Runs an action that takes some time at each interval of an hour. Returns how often it ran. */
function runs(intervalMs: number, tookMs: number): number {
  let [time, count] = [0, 0];
  const action = paced(
    () => {
      count++;
      time += tookMs;
    },
    () => time,
  );
  while (time < 3_600_000) {
    const due = time + intervalMs;
    action();
    time = Math.max(time, due);
  }
  return count;
}

describe('a paced action', () => {
  it('is done each time while it is short', () => {
    assert.equal(runs(60_000, 10), 60);
  });

  it('takes no more than about a twentieth of the time, however long it takes', () => {
    for (const tookMs of [3_000, 30_000, 100_000]) {
      const count = runs(60_000, tookMs);
      assert.ok(count >= 1 && (count - 1) * tookMs <= 3_600_000 / 20, `${count} times ${tookMs} ms`);
    }
  });
});
