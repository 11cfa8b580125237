import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Now,
  type Presence,
  RETURN_MIN_MS,
  UNKNOWN_OWNER,
  agree,
  arrive,
  depart,
  isForgotten,
  isOver,
  restore,
  savedAbsence,
} from '../../src/agent/sessions/absence.js';

const HOLD_MS = 60_000;

/** A moment of an agent that started at 1,000 s on the clock of the wall. */
function at(ms: number): Now {
  return { steadyMs: ms, wallMs: 1_000_000 + ms };
}

function present(...sessions: readonly number[]): Presence {
  return sessions.reduce((owner, session) => arrive(owner, session), agree(UNKNOWN_OWNER, HOLD_MS));
}

describe('an absence', () => {
  it('begins with the end of the last session, and is over after the hold time', () => {
    const one = depart(present(1, 2), 1, at(10));
    assert.equal(one.deadline, undefined);
    const none = depart(one, 2, at(20));
    assert.ok(!isOver(none, at(20 + HOLD_MS - 1)));
    assert.ok(isOver(none, at(20 + HOLD_MS)));
  });

  it('ends when a session comes', () => {
    const back = arrive(depart(present(1), 1, at(0)), 2);
    assert.ok(!isOver(back, at(10 * HOLD_MS)));
    assert.deepEqual(savedAbsence(back), { holdTimeMs: HOLD_MS, deadlineMs: undefined });
  });

  it('is nothing where the resources stay', () => {
    const owner = depart(arrive(UNKNOWN_OWNER, 1), 1, at(0));
    assert.ok(isForgotten(owner));
    assert.equal(savedAbsence(owner), undefined);
  });

  it('is not begun anew by the end of a session that is gone', () => {
    const gone = depart(present(1), 1, at(0));
    assert.deepEqual(depart(gone, 1, at(500)), gone);
  });

  it('has the rest of its time with the next agent, never more than the hold time', () => {
    fc.assert(
      fc.property(fc.nat(HOLD_MS), fc.integer({ min: -10 * HOLD_MS, max: 10 * HOLD_MS }), (holdTimeMs, passedMs) => {
        const away = depart(agree(present(1), holdTimeMs), 1, at(0));
        const saved = savedAbsence(away) ?? assert.fail();
        // The clock of the wall may have gone back or forth, and the steady one begins anew.
        const restored = restore(saved, { steadyMs: 5, wallMs: 1_000_000 + passedMs });
        const restMs = (restored.deadline?.steadyMs ?? assert.fail()) - 5;
        assert.equal(restMs, Math.max(0, Math.min(holdTimeMs, holdTimeMs - passedMs)));
      }),
    );
  });

  it('of an owner that was there when the agent ended gives it time to come back', () => {
    for (const holdTimeMs of [0, HOLD_MS]) {
      const saved = savedAbsence(agree(present(1), holdTimeMs)) ?? assert.fail();
      const { deadline } = restore(saved, at(7));
      assert.equal(deadline?.steadyMs, 7 + Math.max(holdTimeMs, RETURN_MIN_MS));
    }
  });
});
