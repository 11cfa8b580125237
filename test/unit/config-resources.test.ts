import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPrefix } from '../../src/model/address.js';
import type { InterfaceSettings } from '../../src/model/interface.js';
import { formatResourceKey } from '../../src/model/resource.js';
import { formatDiagnostic } from '../../src/agent/config/diagnostic.js';
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
    if ('ttlThreshold' in resource) return [key, ...settingWords(resource)].join(' ');
    if (!('oifs' in resource)) return key;
    const oifs = resource.oifs.map(({ interface: name, ttlThreshold }) => `${name}@${ttlThreshold ?? ''}`);
    return [key, '>', ...oifs, ...resource.except.map((prefix) => `!${formatPrefix(prefix)}`)].join(' ');
  });
}

/** The threshold, and what is not plain. */
function settingWords({ ttlThreshold, isEnabled, isQuerier, isAdvertised, boundaries }: InterfaceSettings): string[] {
  return [
    String(ttlThreshold),
    ...(isEnabled === undefined ? [] : [isEnabled ? 'on' : 'off']),
    ...(isQuerier ? ['querier'] : []),
    ...(isAdvertised ? ['mrdisc'] : []),
    ...boundaries.map(formatPrefix),
  ];
}

describe('the resources of a configuration', () => {
  it('are rules, memberships and settings', () => {
    const text = `mgroup from a1 source 10.0.0.1 group 239.1.1.1
      mroute from a1 source 10.0.0.9/24 group 239.1.1.1 except 10.0.0.2,10.0.0.1,10.0.0.2 to a3 a2@7
      mroute from a1 group ff3e::/32
      phyint a9 mrdisc
      phyint a2 ttl-threshold 5`;
    assert.deepEqual(resourcesOf(text), [
      'interface a9 1 mrdisc',
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
      'interface e1 1 on',
      'interface e2 5',
      'interface e7 5',
    ]);
  });

  it('have every setting of a phyint, and the boundaries each once, in order, without host bits', () => {
    const text = `phyint e0
      phyint e1 enable
      phyint e2 disable mrdisc querier ttl-threshold 7 boundary 239.255.7.7/16 boundary ff15::1 boundary 239.1.1.1
      phyint e3 boundary 239.255.0.0/16 boundary 239.255.1.1/16 boundary 239.255.0.0/16`;
    assert.deepEqual(resourcesOf(text), [
      'interface e0 1',
      'interface e1 1 on',
      'interface e2 7 off querier mrdisc 239.1.1.1 239.255.0.0/16 ff15::1',
      'interface e3 1 239.255.0.0/16',
    ]);
  });

  it('have the settings of the last phyint that matches, as a whole: of earlier ones nothing is left', () => {
    const text = `phyint e0 disable mrdisc querier ttl-threshold 7 boundary 239.1.1.1
      phyint e0 boundary 239.2.2.2
      phyint f+ querier boundary 239.3.3.3 ttl-threshold 9
      phyint f0 mrdisc
      phyint g0 disable boundary 239.4.4.4
      phyint g+ enable`;
    assert.deepEqual(resourcesOf(text, ['f1']), [
      'interface e0 1 239.2.2.2',
      'interface f0 1 mrdisc',
      'interface g0 1 on',
      'interface f1 9 querier 239.3.3.3',
    ]);
  });

  it('have the settings of a wildcard on the interfaces that are there or named, and on no others', () => {
    const text = `phyint e+ disable boundary 239.1.1.1
      mroute from e1 group 239.1.1.1 to e2 x
      mgroup from e3 group 239.1.1.1`;
    const settings = (present: readonly string[]) =>
      resourcesOf(text, present).filter((one) => one.startsWith('interface'));
    assert.deepEqual(
      settings(['lo', 'e4']),
      ['e2', 'e1', 'e3', 'e4'].map((name) => `interface ${name} 1 off 239.1.1.1`),
    );
    assert.equal(settings([]).length, 3);
  });

  it('are refused with more boundaries than an interface may have', () => {
    const phyint = (count: number) =>
      `phyint e0${Array.from({ length: count }, (_, n) => ` boundary 239.1.1.${n}`).join('')}`;
    assert.equal(resourcesOf(phyint(64)).length, 1);
    const { statements, diagnostics } = parseConfiguration(phyint(65), 'f');
    assert.deepEqual(statements, []);
    assert.deepEqual(diagnostics.map(formatDiagnostic), ["f:1:1: error: 'phyint' has more than 64 boundaries"]);
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
