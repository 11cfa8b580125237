// Interfaces that are enslaved to another one: what they are to rules, as iif and as oif.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FibOptions } from '../../src/agent/fib/fib.js';
import { FAMILIES } from '../../src/model/address.js';
import type { Link } from '../../src/model/interface.js';
import { fakeLink } from '../support/fake-kernel.js';
import { TABLE_LINKS, openTable } from '../support/fib-table.js';
import { TEST_TABLE, testGroup, testSource } from '../support/fib-turns.js';

const MASTER = 9;

/** A master named `master0`. It is down, so that no wildcard stands for it. */
function master(kind: string, differing: Partial<Link> = {}): Link {
  return fakeLink(MASTER, 'master0', { kind, isUp: false, ...differing });
}

/** A table whose `eth1` to `eth4` can be enslaved. */
function openWith(its: Link, rules: Readonly<Record<string, string>>, options: Partial<FibOptions> = {}) {
  const table = openTable({}, options);
  const setMaster = (name: string, masterIfindex: number | undefined) => {
    const link = TABLE_LINKS.find((each) => each.name === name);
    assert.ok(link);
    table.kernel.setLink({ ...link, masterIfindex });
    return table.settleLinks();
  };
  table.kernel.setLink(its);
  for (const [id, text] of Object.entries(rules)) table.put(id, text);
  table.settleLinks();
  return {
    ...table,
    enslave: (name: string) => setMaster(name, MASTER),
    free: (name: string) => setMaster(name, undefined),
    mruleNames: () => [...new Set(table.kernel.listMrules().map((rule) => rule.interface))].sort(),
    missing: (id: string) => table.fib.status(id).missing,
  };
}

for (const kind of ['bridge', 'bond', 'team']) {
  describe(`a port of a ${kind}`, () => {
    const rules = { '4': '(*, 239.1.0.1) eth1 > eth2', '6': '(*, ff1e::1) eth1 > eth2' };

    it('is no iif: its rules wait and say which one to use, the others are not touched', () => {
      const table = openWith(master(kind), { ...rules, other: '(*, 239.1.0.2) eth2 > eth3' });
      assert.deepEqual(table.enslave('eth1'), [
        'delete-proxy 0',
        'delete-proxy 0',
        ...FAMILIES.flatMap(() => ['delete-mrule iif eth1', 'delete-mrule oif eth1']),
        'delete-vif 0',
        'delete-vif 0',
      ]);
      for (const [index, family] of FAMILIES.entries()) {
        const id = Object.keys(rules)[index] ?? '';
        assert.equal(table.fib.status(id).state, 'pending');
        assert.deepEqual(table.missing(id), [
          { reason: 'BRIDGE_PORT', interface: 'eth1', master: 'master0', masterKind: kind },
        ]);
        assert.deepEqual(table.kernel.send('eth1', testSource(family, 1), testGroup(family, 1)), []);
      }
      assert.equal(table.progress('other'), 'programmed');
    });

    it('is one, with the number it had, as soon as it is free', () => {
      const table = openWith(master(kind), rules);
      table.enslave('eth1');
      table.put('late', '(*, 239.1.0.9) eth3 > eth4');
      table.settle();
      assert.deepEqual(table.free('eth1'), [
        ...['add-vif 0', 'add-vif 0', 'put-proxy 0>1', 'put-proxy 0>1'],
        ...FAMILIES.flatMap(() => ['add-mrule iif eth1', 'add-mrule oif eth1']),
      ]);
      for (const family of FAMILIES) {
        assert.deepEqual(table.kernel.send('eth1', testSource(family, 1), testGroup(family, 1)), ['eth2']);
      }
    });

    it('is an oif as any other, and keeps what it has as one', () => {
      const table = openWith(master(kind), rules);
      assert.deepEqual(table.enslave('eth2'), []);
      for (const id of Object.keys(rules)) assert.equal(table.progress(id), 'programmed');
      assert.deepEqual(table.kernel.send('eth1', testSource('ipv4', 1), testGroup('ipv4', 1)), ['eth2']);
      assert.deepEqual(table.free('eth2'), []);
    });
  });
}

describe('a port of a bridge', () => {
  it('that is iif of one rule and oif of another keeps its vif for the other', () => {
    const table = openWith(master('bridge'), { from: '(*, 239.1.0.1) eth1 > eth2', to: '(*, 239.1.0.2) eth3 > eth1' });
    assert.deepEqual(table.enslave('eth1'), ['delete-proxy 0']);
    assert.equal(table.progress('from'), 'pending, BRIDGE_PORT eth1');
    assert.equal(table.progress('to'), 'programmed');
    assert.deepEqual(table.free('eth1'), ['put-proxy 0>1']);
    assert.equal(table.progress('from'), 'programmed');
  });

  it('is left out of wildcard iifs, which miss something only if nothing else is left for them', () => {
    const table = openWith(master('bridge'), {
      some: '(*, 239.1.0.1) eth+ > eth2',
      only: '(*, 239.1.0.2) eth1+ > eth2',
      to: '(*, 239.1.0.3) eth3 > eth+',
      away: '(*, 239.1.0.4) eth1 > eth2+',
    });
    table.enslave('eth1');
    assert.equal(table.progress('some'), 'programmed');
    assert.equal(table.progress('only'), 'pending, NO_INTERFACE_MATCHES eth1+');
    assert.equal(table.progress('away'), 'pending, BRIDGE_PORT eth1', 'the oif has nothing to do with it');
    const send = (iif: string, group: number) =>
      table.kernel.send(iif, testSource('ipv4', 1), testGroup('ipv4', group));
    assert.deepEqual(send('eth3', 1), ['eth2']);
    assert.deepEqual(send('eth1', 1), []);
    assert.deepEqual(send('eth3', 3), ['eth1', 'eth2', 'eth4']);
  });

  it('that takes no part says that', () => {
    const table = openWith(master('bridge'), { a: '(*, 239.1.0.1) eth1 > eth2' });
    table.setInterface('eth1', { isEnabled: false });
    table.enslave('eth1');
    assert.equal(table.progress('a'), 'pending, INTERFACE_DISABLED eth1');
    table.setInterface('eth1');
    table.settle();
    assert.equal(table.progress('a'), 'pending, BRIDGE_PORT eth1');
  });

  it('that goes away is not found, and one again when it is back', () => {
    const table = openWith(master('bridge'), { a: '(*, 239.1.0.1) eth1 > eth2' });
    table.enslave('eth1');
    table.fib.takeChangedStatuses();
    table.kernel.removeLink(1);
    table.settleLinks();
    assert.ok(table.fib.takeChangedStatuses().includes('a'));
    assert.equal(table.progress('a'), 'pending, INTERFACE_NOT_FOUND eth1');
    table.kernel.setLink(fakeLink(11, 'eth1', { masterIfindex: MASTER }));
    table.settleLinks();
    assert.ok(table.fib.takeChangedStatuses().includes('a'));
    assert.equal(table.progress('a'), 'pending, BRIDGE_PORT eth1');
  });

  it('is known as one when its bridge is heard of later, and told by the name that this has now', () => {
    const table = openWith(fakeLink(8, 'other0'), { a: '(*, 239.1.0.1) eth1 > eth2' });
    assert.deepEqual(table.enslave('eth1'), []);
    assert.equal(table.progress('a'), 'programmed');
    const masterNow = (name: string) => {
      table.fib.takeChangedStatuses();
      table.kernel.setLink({ ...master('bridge'), name });
      table.settleLinks();
      assert.ok(table.fib.takeChangedStatuses().includes('a'));
      return table.missing('a');
    };
    for (const name of ['master0', 'br7']) {
      const expected = { reason: 'BRIDGE_PORT', interface: 'eth1', master: name, masterKind: 'bridge' };
      assert.deepEqual(masterNow(name), [expected]);
    }
  });

  it('is shown with its master, and with a number only while rules have a use for it', () => {
    const table = openWith(master('bridge'), { a: '(*, 239.1.0.1) eth1 > eth2' });
    table.enslave('eth1');
    table.enslave('eth2');
    const shown = table.fib.interfaces().map(({ name, link, vifs }) => [name, link?.masterIfindex, vifs.ipv4]);
    assert.deepEqual(shown.slice(0, 2), [
      ['eth1', MASTER, undefined],
      ['eth2', MASTER, 1],
    ]);
  });

  it('of a macvlan or VLAN, which have no master, is none', () => {
    const table = openWith(fakeLink(MASTER, 'macvlan0', { kind: 'macvlan' }), { a: '(*, 239.1.0.1) eth1 > eth2' });
    assert.deepEqual(table.enslave('eth1'), []);
    assert.equal(table.progress('a'), 'programmed');
  });
});

describe('a slave of a VRF', () => {
  const RULES = {
    from: '(*, 239.1.0.1) eth1 > eth2',
    to: '(*, 239.1.0.2) eth3 > eth1',
    from6: '(*, ff1e::1) eth1 > eth2',
  };
  const ofTable = (vrfTable: number) => master('vrf', { vrfTable });

  it('whose table is ours needs no mrule and is an iif as any other', () => {
    const table = openWith(ofTable(TEST_TABLE), RULES);
    const changes = table.enslave('eth1');
    assert.deepEqual(
      changes,
      FAMILIES.flatMap(() => ['delete-mrule iif eth1', 'delete-mrule oif eth1']),
    );
    assert.deepEqual(table.mruleNames(), ['eth2', 'eth3'], 'those outside of the VRF keep theirs');
    for (const id of Object.keys(RULES)) assert.equal(table.progress(id), 'programmed');
    const added = table.free('eth1');
    assert.deepEqual(
      added,
      FAMILIES.flatMap(() => ['add-mrule iif eth1', 'add-mrule oif eth1']),
    );
  });

  it('with another table is no iif and says which table has its packets; as an oif it is one without mrules', () => {
    const table = openWith(ofTable(10), RULES);
    table.enslave('eth1');
    for (const id of ['from', 'from6']) {
      assert.equal(table.fib.status(id).state, 'pending');
      assert.deepEqual(table.missing(id), [{ reason: 'VRF_TABLE', interface: 'eth1', vrf: 'master0', vrfTable: 10 }]);
    }
    assert.equal(table.progress('to'), 'programmed');
    assert.deepEqual(table.mruleNames(), ['eth2', 'eth3']);
    assert.deepEqual(
      table.fib.mrules().filter(({ rule }) => rule.interface === 'eth1'),
      [],
      'none is missing',
    );
    table.free('eth1');
    for (const id of Object.keys(RULES)) assert.equal(table.progress(id), 'programmed');
    assert.deepEqual(table.mruleNames(), ['eth1', 'eth2', 'eth3']);
  });

  it('is an iif in every table to which a person leads packets, who may have an mrule for the VRF', () => {
    for (const vrfTable of [TEST_TABLE, 10]) {
      const table = openWith(ofTable(vrfTable), RULES, { makesMrules: false });
      table.enslave('eth1');
      assert.equal(table.progress('from'), 'programmed');
      assert.deepEqual(table.mruleNames(), []);
    }
  });

  it('is of the default table by the number that the family has for it', () => {
    for (const [vrfTable, from, from6] of [
      [253, 'programmed', 'pending, VRF_TABLE eth1'],
      [254, 'pending, VRF_TABLE eth1', 'programmed'],
    ] as const) {
      const table = openWith(ofTable(vrfTable), RULES, { table: 0 });
      table.enslave('eth1');
      assert.deepEqual([table.progress('from'), table.progress('from6')], [from, from6]);
    }
  });
});
