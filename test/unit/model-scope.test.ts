import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePrefix } from '../../src/model/address.js';
import type { Resource } from '../../src/model/resource.js';
import {
  type Scope,
  scopeAllows,
  scopeHasOwner,
  scopeIsWhole,
  scopeShows,
  scopeShowsFlow,
  scopeShowsInterface,
  scopeShowsKey,
} from '../../src/model/scope.js';
import { membership, mroute } from '../support/fib-turns.js';
import { interfaceSettings } from '../support/interface-conditions.js';

/** A scope of grants as `groups interfaces owners`, each list with commas or `-` for none. */
function scope(...grants: readonly string[]): Scope {
  return {
    grants: grants.map((text) => {
      const [groups = [], interfaces = [], owners = []] = text
        .split(' ')
        .map((list) => (list === '-' ? [] : list.split(',')));
      return { groups: groups.map(parsePrefix), interfaces, owners };
    }),
    resourcesPerOwner: 0,
  };
}

const SETTINGS = interfaceSettings('eth0', {});

describe('a scope', () => {
  const cases: readonly (readonly [string, string, Resource, boolean])[] = [
    ['- - -', 'cli', mroute('(*, 239.1.0.1) in0 > out0'), true],
    ['239.1.0.0/16 - -', 'cli', mroute('(*, 239.1.0.1) in0 > out0'), true],
    ['239.1.0.0/16 - -', 'cli', mroute('(*, 239.1.0.0/16) in0 > out0'), true],
    ['239.1.0.0/16 - -', 'cli', mroute('(*, 239.0.0.0/8) in0 > out0'), false],
    ['239.1.0.0/16 - -', 'cli', mroute('(*, 239.2.0.1) in0 > out0'), false],
    ['239.1.0.0/16 - -', 'cli', mroute('(*, ff1e::1) in0 > out0'), false],
    ['ff1e::/16 - -', 'cli', mroute('(*, ff1e::1) in0 > out0'), true],
    ['239.1.0.0/16,239.2.0.0/16 - -', 'cli', membership('(*, 239.2.0.1) in0'), true],
    ['239.1.0.0/16 - -', 'cli', SETTINGS, false],
    ['- in0,out0 -', 'cli', mroute('(*, 239.1.0.1) in0 > out0'), true],
    ['- in0,out0 -', 'cli', mroute('(*, 239.1.0.1) in0 > out0 out1'), false],
    ['- in0 -', 'cli', mroute('(*, 239.1.0.1) in1 >'), false],
    ['- in0 -', 'cli', membership('(*, 239.1.0.1) in0'), true],
    ['- in0 -', 'cli', membership('(*, 239.1.0.1) in1'), false],
    ['- eth0 -', 'cli', SETTINGS, true],
    ['- eth1 -', 'cli', SETTINGS, false],
    ['- eth+ -', 'cli', mroute('(*, 239.1.0.1) eth0 > eth+'), true],
    ['- eth+ -', 'cli', mroute('(*, 239.1.0.1) eth0 > eth1+'), true],
    ['- eth1+ -', 'cli', mroute('(*, 239.1.0.1) eth10 > eth+'), false],
    ['- eth0,eth1 -', 'cli', mroute('(*, 239.1.0.1) eth0 > eth+'), false],
    ['- + -', 'cli', mroute('(*, 239.1.0.1) eth0 > +'), true],
    ['- - cli', 'cli', SETTINGS, true],
    ['- - cli', 'cli2', SETTINGS, false],
    ['- - studio-*', 'studio-7/a', SETTINGS, true],
    ['- - *-7', 'studio-7', SETTINGS, true],
    ['- - s*o*7', 'studio-7', SETTINGS, true],
    ['- - s*7*7', 'studio-7', SETTINGS, false],
    ['- - aa*a', 'aa', SETTINGS, false],
    // What one grant has of each must be of one and the same.
    ['239.1.0.0/16 in0,out0 -', 'cli', mroute('(*, 239.1.0.1) in0 > out0'), true],
  ];
  for (const [text, owner, resource, isAllowed] of cases) {
    it(`'${text}' ${isAllowed ? 'has' : 'does not have'} ${JSON.stringify(resource.key)} of ${owner}`, () => {
      assert.equal(scopeAllows(scope(text), owner, resource), isAllowed);
    });
  }

  it('allows what one grant allows, and not what two do together', () => {
    const two = scope('239.1.0.0/16 in0 a', '239.2.0.0/16 in1 b');
    assert.ok(scopeAllows(two, 'b', mroute('(*, 239.2.0.1) in1 >')));
    assert.ok(!scopeAllows(two, 'a', mroute('(*, 239.2.0.1) in1 >')));
    assert.ok(!scopeAllows(two, 'a', mroute('(*, 239.1.0.1) in1 >')));
    assert.ok(scopeHasOwner(two, 'b'));
    assert.ok(!scopeHasOwner(two, 'c'));
  });

  it('allows nothing without grants', () => {
    const none = scope();
    assert.ok(!scopeAllows(none, 'cli', SETTINGS));
    assert.ok(!scopeShowsInterface(none, 'eth0'));
    assert.ok(!scopeIsWhole(none));
  });

  it('does not ask for owners where something is read', () => {
    const own = scope('239.1.0.0/16 in0 a');
    const rule = mroute('(*, 239.1.0.1) in0 > out0');
    assert.ok(!scopeShows(own, rule));
    assert.ok(scopeShows(own, { ...rule, oifs: [] }));
    assert.ok(scopeShowsKey(own, rule.key));
    assert.ok(!scopeShowsKey(own, mroute('(*, 239.1.0.1) in1 >').key));
    assert.ok(scopeShowsFlow(own, parsePrefix('239.1.0.1'), ['in0']));
    assert.ok(!scopeShowsFlow(own, parsePrefix('239.1.0.1'), ['in0', 'out0']));
    assert.ok(!scopeShowsFlow(own, parsePrefix('239.2.0.1'), ['in0']));
  });

  it('is whole with a grant that restricts nothing', () => {
    assert.ok(scopeIsWhole(scope('239.1.0.0/16 - -', '- - -')));
    for (const part of ['239.1.0.0/16 - -', '- in0 -', '- - cli']) assert.ok(!scopeIsWhole(scope(part)));
  });
});
