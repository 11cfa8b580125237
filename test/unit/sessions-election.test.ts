import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Role, changedStandings, claim, emptyRole, leave, standingOf } from '../../src/agent/sessions/election.js';

/** What happens to a role: a session comes or has another id, or goes, or the agent starts anew. */
type Event =
  | { readonly kind: 'claim'; readonly session: number; readonly id: bigint }
  | { readonly kind: 'leave'; readonly session: number }
  | { readonly kind: 'restart' };

const sessions = fc.nat(4);
const ids = fc.oneof(fc.constant(0n), fc.bigInt({ min: 1n, max: 6n }), fc.constant(2n ** 64n - 1n));
const events: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('claim' as const), session: sessions, id: ids }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('leave' as const), session: sessions }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

function step(role: Role, event: Event): Role {
  switch (event.kind) {
    case 'claim':
      return claim(role, event.session, 'owner', event.id);
    case 'leave':
      return leave(role, event.session);
    case 'restart':
      // What is saved is the id.
      return emptyRole(role.highest);
  }
}

describe('an election', () => {
  it('has one primary at most, who has the highest id that was ever heard of', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), (history) => {
        let role = emptyRole();
        let highest = 0n;
        for (const event of history) {
          role = step(role, event);
          if (event.kind === 'claim' && event.id > highest) highest = event.id;
          const standings = [...role.sessions].map(([session, id]) => ({ id, ...standingOf(role, session) }));
          const primaries = standings.filter(({ isPrimary }) => isPrimary);
          const elected = primaries.filter(({ id }) => id !== 0n);
          assert.ok(elected.length <= 1);
          for (const { id } of elected) assert.equal(id, highest);
          // Those without an id are obeyed as long as nobody has one.
          if (standings.some(({ id }) => id !== 0n)) assert.equal(primaries.length, elected.length);
          else assert.equal(primaries.length, standings.length);
          for (const standing of standings) {
            assert.deepEqual([standing.highest, standing.hasPrimary], [highest, primaries.length > 0]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is won by who comes last with the highest id, until that session resigns or goes', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), (history) => {
        let role = emptyRole();
        let highest = 0n;
        let winner: number | undefined;
        for (const event of history) {
          role = step(role, event);
          if (event.kind === 'restart') winner = undefined;
          else if (event.kind === 'claim' && event.id !== 0n && event.id >= highest) {
            highest = event.id;
            winner = event.session;
          } else if (event.session === winner) winner = undefined;
          assert.equal(role.primary, winner);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('ends the same in whatever order the sessions come', () => {
    const distinct = fc.uniqueArray(fc.bigInt({ min: 1n, max: 100n }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(distinct, fc.infiniteStream(fc.nat()), (electionIds, numbers) => {
        const claims = electionIds.map((id, session) => ({ session, id }));
        const shuffled = claims.toSorted(() => (numbers.next().value ?? 0) - (numbers.next().value ?? 0));
        const run = (some: typeof claims) =>
          some.reduce((role, { session, id }) => claim(role, session, 'owner', id), emptyRole());
        const [one, other] = [run(claims), run(shuffled)];
        assert.equal(one.primary, other.primary);
        for (const { session } of claims) assert.deepEqual(standingOf(one, session), standingOf(other, session));
      }),
    );
  });

  it('is told to all whom it makes stand otherwise', () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 30 }), (history) => {
        let role = emptyRole();
        /** What each session was told last. */
        const told = new Map<number, ReturnType<typeof standingOf>>();
        for (const event of history) {
          const before = role;
          role = step(role, event);
          if (event.kind === 'restart') told.clear();
          else {
            if (event.kind === 'leave') told.delete(event.session);
            else told.set(event.session, standingOf(role, event.session));
            for (const [session, standing] of changedStandings(before, role)) {
              if (event.kind === 'claim' && session === event.session) continue;
              assert.notDeepEqual(told.get(session), standing, 'nothing new is told');
              told.set(session, standing);
            }
          }
          for (const session of role.sessions.keys()) assert.deepEqual(told.get(session), standingOf(role, session));
        }
      }),
      { numRuns: 500 },
    );
  });
});
