// Whoever is told of every status that may have changed knows every status.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { Fib } from '../../src/agent/fib/fib.js';
import type { Mrule } from '../../src/model/mrule.js';
import type { Status, Warning } from '../../src/model/resource.js';
import { settle } from '../support/fib-turns.js';
import { World, refusals, steps } from '../support/fib-world.js';
import { INTERFACES, families } from '../support/rule-arbitraries.js';

const RUNS = Number(process.env['FIB_PROPERTY_RUNS'] ?? 100);

/** What the engine finds out beside rules and links. */
type Finding =
  | { readonly finding: 'warnings'; readonly name: string; readonly warnings: readonly Warning[] }
  | { readonly finding: 'mrules'; readonly foreign: readonly string[] }
  | { readonly finding: 'retry' };

const findings: fc.Arbitrary<Finding> = fc.oneof(
  fc.record({
    finding: fc.constant('warnings' as const),
    name: fc.constantFrom(...INTERFACES),
    warnings: fc.subarray<Warning>([
      { code: 'RP_FILTER', text: 'filters' },
      { code: 'IPV6_DISABLED', text: 'off' },
    ]),
  }),
  fc.record({ finding: fc.constant('mrules' as const), foreign: fc.subarray([...INTERFACES]) }),
  fc.record({ finding: fc.constant('retry' as const) }),
);

function find(world: World, finding: Finding): void {
  switch (finding.finding) {
    case 'warnings':
      world.fib.setInterfaceWarnings(finding.name, finding.warnings);
      return;
    case 'mrules': {
      const foreign = finding.foreign.map((name): Mrule => {
        const { family } = world;
        return { family, direction: 'iif', interface: name, table: 9, priority: 1, protocol: 3 };
      });
      world.fib.setActualMrules([...world.kernel.listMrules(), ...foreign]);
      return;
    }
    case 'retry':
      world.fib.retryFailed();
  }
}

function learn(fib: Fib, told: Map<string, Status>): void {
  for (const id of fib.takeChangedStatuses()) if (typeof id === 'string') told.set(id, fib.status(id));
}

/** Has all that is remembered of statuses found out again: a warning comes at each interface, and goes. */
function forget({ fib }: World, known: ReadonlyMap<string, readonly Warning[]>): void {
  for (const { name } of fib.interfaces()) {
    const warnings = known.get(name) ?? [];
    fib.setInterfaceWarnings(name, [...warnings, { code: 'SHADOWS', text: 'nothing' }]);
    fib.setInterfaceWarnings(name, warnings);
  }
}

it('no status changes without that its id is told', () => {
  const turns = families.chain((family) =>
    fc.record({
      family: fc.constant(family),
      options: fc.record({
        starG: fc.constantFrom('kernel' as const, 'learn' as const),
        makesMrules: fc.boolean(),
        enablesInterfaces: fc.boolean(),
        vifLimit: fc.constantFrom(2, 32),
      }),
      turns: fc.array(
        fc.array(
          fc.oneof(
            { weight: 12, arbitrary: steps(family) },
            { weight: 2, arbitrary: refusals },
            { weight: 3, arbitrary: findings },
          ),
          { maxLength: 4 },
        ),
        { maxLength: 10 },
      ),
    }),
  );
  fc.assert(
    fc.property(turns, ({ family, options, turns: all }) => {
      const world = new World(family, options);
      const told = new Map<string, Status>();
      const found = new Map<string, readonly Warning[]>();
      const check = (message: string) => {
        for (const id of [...world.rules.keys(), ...world.settings.keys()]) {
          assert.deepEqual(world.fib.status(id), told.get(id), `${message} ${id}`);
        }
      };
      for (const turn of all) {
        for (const each of turn) {
          if (!('finding' in each)) world.take(each);
          else {
            if (each.finding === 'warnings') found.set(each.name, each.warnings);
            find(world, each);
          }
        }
        settle(world.fib, world.kernel);
        learn(world.fib, told);
        check('told');
      }
      forget(world, found);
      check('found out again');
    }),
    { numRuns: RUNS },
  );
});
