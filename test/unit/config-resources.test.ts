import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPrefix } from '../../src/model/address.js';
import { formatResourceKey } from '../../src/model/resource.js';
import { parseConfiguration } from '../../src/agent/config/parse.js';
import { phyintFinder, toResources } from '../../src/agent/config/resources.js';

/** Each resource as a text. */
function resourcesOf(text: string, present: readonly string[] = []): string[] {
  const { statements, diagnostics } = parseConfiguration(text, 'f');
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity === 'error'),
    [],
  );
  return toResources(statements, present).map((resource) => {
    const key = formatResourceKey(resource.key);
    if ('ttlThreshold' in resource) return `${key} ${resource.ttlThreshold}`;
    if (!('oifs' in resource)) return key;
    const oifs = resource.oifs.map(({ interface: name, ttlThreshold }) => `${name}@${ttlThreshold ?? ''}`);
    return [key, '>', ...oifs, ...resource.except.map((prefix) => `!${formatPrefix(prefix)}`)].join(' ');
  });
}

describe('the resources of a configuration', () => {
  it('are rules, memberships and settings', () => {
    const text = `mgroup from a1 source 10.0.0.1 group 239.1.1.1
      mroute from a1 source 10.0.0.9/24 group 239.1.1.1 except 10.0.0.2,10.0.0.1,10.0.0.2 to a3 a2@7
      mroute from a1 group ff3e::/32
      phyint a9 mrdisc
      phyint a2 ttl-threshold 5`;
    assert.deepEqual(resourcesOf(text), [
      'interface a9 1',
      'interface a2 5',
      'mroute (10.0.0.0/24, 239.1.1.1) a1 > a2@7 a3@ !10.0.0.1 !10.0.0.2',
      'mroute (*, ff3e::/32) a1 >',
      'membership (10.0.0.1, 239.1.1.1) a1',
    ]);
  });

  it('have the oifs of lines for the same flows united, with the lowest threshold', () => {
    const text = `mroute from a1 group 239.1.1.1 to c b@5
      mroute from a1 group 239.1.1.2 to z
      mroute from a1 group 239.1.1.1/32 to a b@3 c@9
      mgroup from a1 group 239.1.1.1
      mgroup from a1 group 239.1.1.1`;
    assert.deepEqual(resourcesOf(text), [
      'mroute (*, 239.1.1.1) a1 > a@ b@3 c@9',
      'mroute (*, 239.1.1.2) a1 > z@',
      'membership (*, 239.1.1.1) a1',
    ]);
  });

  it('have the threshold of the last phyint that matches', () => {
    const text = `phyint e0 ttl-threshold 3
      phyint e+ ttl-threshold 5
      phyint e1 enable
      mroute from x group 239.1.1.1 to e2 e+ y`;
    assert.deepEqual(resourcesOf(text, ['e7', 'lo']).slice(0, -1), [
      'interface e0 5',
      'interface e1 1',
      'interface e2 5',
      'interface e7 5',
    ]);
  });

  it('are memberships on every present interface that a wildcard means', () => {
    assert.deepEqual(resourcesOf('mgroup from e+ group 239.1.1.1', ['e1', 'f1', 'e2']), [
      'membership (*, 239.1.1.1) e1',
      'membership (*, 239.1.1.1) e2',
    ]);
    assert.deepEqual(resourcesOf('mgroup from e+ group 239.1.1.1'), []);
  });
});

describe('what holds for an interface', () => {
  const { statements } = parseConfiguration('phyint e1 enable\nphyint + disable\nphyint e1+ mrdisc\nphyint e', 'f');
  const find = phyintFinder(statements);
  for (const [name, pattern] of [
    ['e', 'e'],
    ['e1', 'e1+'],
    ['e12', 'e1+'],
    ['e2', '+'],
  ] as const) {
    it(`${name} by ${pattern}`, () => {
      assert.equal(find(name)?.interface, pattern);
    });
  }

  it('is nothing if no line matches', () => {
    assert.equal(phyintFinder([])('e1'), undefined);
  });
});
