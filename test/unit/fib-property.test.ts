import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Operation } from '../../src/agent/kernel/port.js';
import { type Address, formatAddress, maskAddress, sameAddress } from '../../src/model/address.js';
import {
  TTL,
  World,
  build,
  checkAll,
  checkWithFlows,
  dumped,
  expected,
  histories,
  mirrored,
  only,
  packets,
  refusals,
  steps,
} from '../support/fib-world.js';
import { settle } from '../support/fib-turns.js';
import { conditionsOf } from '../support/interface-conditions.js';
import { families, mroutes, settingsOf } from '../support/rule-arbitraries.js';

const RUNS = Number(process.env['FIB_PROPERTY_RUNS'] ?? 100);

describe('the compiled rules', () => {
  for (const starG of ['kernel', 'learn'] as const) {
    it(`deliver what the rules say, (*,G) by ${starG}`, () => {
      const cases = families.chain((family) =>
        fc.record({
          family: fc.constant(family),
          rules: fc.array(mroutes(family), { maxLength: 8 }),
          settings: fc.array(settingsOf(family, [1, 20]), { maxLength: 3 }),
        }),
      );
      fc.assert(
        fc.property(cases, ({ family, rules, settings }) => {
          const { kernel, fib } = build(rules, settings, { starG });
          checkAll(fib, kernel, { rules, conditions: conditionsOf(settings) }, family);
        }),
        { numRuns: RUNS },
      );
    });
  }
});

describe('after any history', () => {
  it('packets go where they would in a kernel built from scratch, the mirror is right and nothing is left to do', () => {
    fc.assert(
      fc.property(histories, ({ family, turns }) => {
        const world = new World(family);
        for (const turn of turns) {
          for (const step of turn) world.take(step);
          settle(world.fib, world.kernel);
          assert.deepEqual(world.fib.plan(), []);
          assert.deepEqual(mirrored(world), dumped(world));
          checkWithFlows(world);
        }
        checkAll(world.fib, world.kernel, world.wished, family);
      }),
      { numRuns: RUNS },
    );
  });

  it('the same where interfaces take part only if someone says so', () => {
    fc.assert(
      fc.property(histories, ({ family, turns }) => {
        const world = new World(family, { enablesInterfaces: false });
        for (const turn of turns) {
          for (const step of turn) world.take(step);
          settle(world.fib, world.kernel);
          assert.deepEqual(mirrored(world), dumped(world));
        }
        checkAll(world.fib, world.kernel, world.wished, family);
        for (const name of world.wished.conditions.disabled) {
          const rules = world.kernel.listMrules().filter((rule) => rule.interface === name);
          assert.deepEqual(rules, [], `no mrule of ${name}`);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('what the kernel refused is made good when it is tried again', () => {
    const cases = families.chain((family) =>
      fc.record({
        family: fc.constant(family),
        turns: fc.array(fc.array(fc.oneof(steps(family), steps(family), refusals), { maxLength: 5 }), { maxLength: 8 }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ family, turns }) => {
        const world = new World(family);
        for (const turn of turns) {
          for (const step of turn) world.take(step);
          settle(world.fib, world.kernel);
          assert.deepEqual(world.fib.plan(), [], 'what was refused is not asked for again by itself');
        }
        world.kernel.failNone();
        world.fib.retryFailed();
        settle(world.fib, world.kernel);
        assert.deepEqual(mirrored(world), dumped(world));
        checkAll(world.fib, world.kernel, world.wished, family);
      }),
      { numRuns: RUNS },
    );
  });

  it('with too few vif numbers no packet leaves where no rule sends it', () => {
    fc.assert(
      fc.property(histories, ({ family, turns }) => {
        const world = new World(family, { vifLimit: 2 });
        for (const turn of turns) {
          for (const step of turn) world.take(step);
          settle(world.fib, world.kernel);
          assert.deepEqual(mirrored(world), dumped(world));
          for (const packet of packets(family)) {
            const allowed = expected(world.wished, world.kernel, packet);
            const leaving = world.kernel.send(...packet, TTL);
            assert.deepEqual(
              leaving.filter((name) => !allowed.includes(name)),
              [],
              'allowed are only ' + allowed.join(),
            );
            settle(world.fib, world.kernel);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('the order of the changes makes no difference to where packets go', () => {
    const cases = families.chain((family) =>
      fc.array(mroutes(family), { minLength: 2, maxLength: 6 }).chain((rules) =>
        fc.record({
          family: fc.constant(family),
          rules: fc.constant(rules),
          order: fc.shuffledSubarray([...rules.keys()], { minLength: rules.length }),
        }),
      ),
    );
    fc.assert(
      fc.property(cases, ({ family, rules, order }) => {
        const world = new World(family);
        for (const index of order) {
          fc.pre(rules[index] !== undefined);
          world.take({ step: 'set', id: `w${index}`, rule: rules[index] });
          settle(world.fib, world.kernel);
        }
        checkAll(world.fib, world.kernel, only(rules), family);
      }),
      { numRuns: RUNS },
    );
  });

  it('a change gives no operation to a group that its rule does not cover', () => {
    const cases = families.chain((family) =>
      fc.record({ rules: fc.array(mroutes(family), { maxLength: 6 }), added: mroutes(family) }),
    );
    fc.assert(
      fc.property(cases, ({ rules, added }) => {
        const { kernel, fib } = build(rules);
        fib.setWish('added', added);
        const operations = settle(fib, kernel);
        for (const group of groupsOf(operations)) {
          const touched = { ...added.key.group };
          assert.ok(
            sameAddress(maskAddress(group, touched.length), touched.address),
            `${formatAddress(group)} is not of the changed rule`,
          );
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('an agent that takes over what another has left gives the kernel nothing to do', () => {
    fc.assert(
      fc.property(histories, ({ family, turns }) => {
        const world = new World(family);
        for (const turn of turns) {
          for (const step of turn) world.take(step);
          settle(world.fib, world.kernel);
          checkWithFlows(world);
          const before = world.kernel.applied.length;
          world.take({ step: 'restart', unseen: [] });
          assert.deepEqual(world.kernel.applied.slice(before), []);
          assert.deepEqual(mirrored(world), dumped(world));
        }
        checkAll(world.fib, world.kernel, world.wished, family);
      }),
      { numRuns: RUNS },
    );
  });
});

function groupsOf(operations: readonly Operation[]): Address[] {
  // A join has a group too, but no rule makes one.
  return operations.flatMap((operation) => ('group' in operation ? [operation.group] : []));
}
