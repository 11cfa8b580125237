import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Family, FAMILIES, addressLength, formatAddress, parsePrefix } from '../../src/model/address.js';
import { fakeLink } from '../support/fake-kernel.js';
import { testGroup, testSource } from '../support/fib-turns.js';
import { openTable } from '../support/fib-table.js';

/** The groups of tests of a family, as a prefix and one by one. */
const GROUPS = {
  ipv4: { wide: '239.0.0.0/8', prefix: '239.1.0.0/24' },
  ipv6: { wide: 'ff1e::/16', prefix: 'ff1e::/112' },
} as const;

function groupsOf(family: Family) {
  const host = (n: number) => formatAddress(testGroup(family, n));
  return { ...GROUPS[family], host, exact: (n: number) => `${host(n)}/${addressLength(family)}` };
}

function boundary(...groups: readonly string[]) {
  return { boundaries: groups.map(parsePrefix) };
}

for (const family of FAMILIES) {
  const { wide, prefix, host, exact } = groupsOf(family);
  const send = (table: ReturnType<typeof openTable>, iif: string, group: number) =>
    table.kernel.send(iif, testSource(family, 1), testGroup(family, group));

  describe(`a boundary of ${family} groups`, () => {
    for (const [kind, barred] of Object.entries({ 'just the group': exact(1), 'a prefix of it': prefix })) {
      it(`lets nothing in and nothing out of a (*,G) rule, if it is ${kind}`, () => {
        const table = openTable({ a: `(*, ${host(1)}) eth1 > eth2 eth3`, b: `(*, ${host(1)}) eth2 > eth4` });
        table.setInterface('eth2', boundary(barred));
        assert.deepEqual(table.settle(), ['put-proxy 0>2', 'delete-proxy 1']);
        assert.deepEqual(send(table, 'eth1', 1), ['eth3']);
        assert.deepEqual(send(table, 'eth2', 1), []);
        table.setInterface('eth2');
        table.settle();
        assert.deepEqual(send(table, 'eth1', 1), ['eth2', 'eth3']);
      });
    }

    it('holds for (S,G) rules', () => {
      const source = formatAddress(testSource(family, 1));
      const table = openTable({ a: `(${source}, ${host(1)}) eth1 > eth2 eth3` });
      assert.deepEqual(send(table, 'eth1', 1), ['eth2', 'eth3']);
      table.setInterface('eth2', boundary(wide));
      assert.deepEqual(table.settle(), ['put-mfc 0>2']);
      table.setInterface('eth1', boundary(exact(1)));
      table.settle();
      assert.deepEqual(send(table, 'eth1', 1), []);
    });

    it('holds for groups that no rule names exactly, and for no others of the rule', () => {
      const table = openTable({ a: `(*, ${prefix}) eth1 > eth2 eth3` });
      table.setInterface('eth2', boundary(exact(1)));
      table.setInterface('eth1', boundary(exact(2)));
      table.settle();
      assert.deepEqual(send(table, 'eth1', 1), ['eth3']);
      assert.deepEqual(send(table, 'eth1', 2), []);
      assert.deepEqual(send(table, 'eth1', 3), ['eth2', 'eth3']);
    });

    it('corrects learned flows in the turn in which it comes, and in that in which it goes', () => {
      const table = openTable({ a: `(*, ${wide}) eth1 > eth2 eth3` });
      for (const group of [1, 2]) assert.deepEqual(send(table, 'eth1', group), ['eth2', 'eth3']);
      table.setInterface('eth2', boundary(exact(1)));
      assert.deepEqual(table.settle(), ['put-mfc 0>2'], 'the other group is not touched');
      assert.deepEqual(send(table, 'eth1', 1), ['eth3']);
      table.setInterface('eth1', boundary(prefix));
      assert.deepEqual(table.settle(), ['put-mfc 0>', 'put-mfc 0>']);
      assert.deepEqual(send(table, 'eth1', 1), []);
      table.setInterface('eth1');
      assert.deepEqual(table.settle(), ['put-mfc 0>2', 'put-mfc 0>1,2']);
      assert.deepEqual(send(table, 'eth1', 1), ['eth3']);
      assert.deepEqual(send(table, 'eth1', 2), ['eth2', 'eth3']);
    });

    it('leaves a (*,G) entry where it opens a ring', () => {
      const table = openTable({
        a: `(*, ${host(1)}) eth1 > eth2 eth4`,
        b: `(*, ${host(1)}) eth2 > eth3`,
        c: `(*, ${host(1)}) eth3 > eth1`,
      });
      assert.equal(table.fib.status('a').programming?.reason, 'bidirectional');
      table.setInterface('eth3', boundary(wide));
      table.settle();
      assert.equal(table.fib.status('a').programming?.reason, 'any-source');
      for (const id of ['b', 'c']) assert.equal(table.fib.status(id).programming, undefined);
      assert.deepEqual(send(table, 'eth1', 1), ['eth2', 'eth4']);
    });

    it('is that of all owners together', () => {
      const table = openTable({ a: `(*, ${prefix}) eth1 > eth2` });
      table.setInterface('eth2', boundary(exact(1)), 'config');
      table.setInterface('eth2', boundary(exact(2)), 'cli');
      table.settle();
      assert.deepEqual(
        [1, 2, 3].map((group) => send(table, 'eth1', group)),
        [[], [], ['eth2']],
      );
      table.setInterface('eth2', undefined, 'config');
      table.settle();
      assert.deepEqual(
        [1, 2, 3].map((group) => send(table, 'eth1', group)),
        [['eth2'], [], ['eth2']],
      );
    });

    for (const [kind, barred] of Object.entries({ narrower: exact(1), wider: wide })) {
      it(`waits for its interface, and is there with its first packet, if it is ${kind} than the rule`, () => {
        const table = openTable({ a: `(*, ${prefix}) eth1 > eth2 wan0` });
        table.setInterface('wan0', boundary(barred));
        table.settle();
        table.kernel.setLink(fakeLink(9, 'wan0'));
        table.settleLinks();
        assert.deepEqual(send(table, 'eth1', 1), ['eth2']);
        assert.deepEqual(send(table, 'eth1', 2), kind === 'wider' ? ['eth2'] : ['eth2', 'wan0']);
      });
    }

    it('holds again when its interface comes back under the number that it had', () => {
      const table = openTable({ a: `(*, ${prefix}) eth1 > eth2 eth3` });
      table.setInterface('eth2', boundary(wide));
      table.settle();
      table.kernel.removeLink(2);
      table.settleLinks();
      table.kernel.setLink(fakeLink(22, 'eth2'));
      table.settleLinks();
      assert.equal(table.kernel.vifs(family).get(1), 22);
      assert.deepEqual(send(table, 'eth1', 1), ['eth3']);
    });

    it('goes with the name of its interface, not with the vif number', () => {
      const table = openTable({ a: `(*, ${prefix}) eth1 > eth2` }, { vifLimit: 2 });
      table.setInterface('eth2', boundary(prefix));
      table.settle();
      assert.deepEqual(send(table, 'eth1', 1), []);
      table.put('a', `(*, ${prefix}) eth1 > eth3`);
      table.settle();
      assert.deepEqual(table.kernel.vifs(family).get(1), 3, 'the number has another interface');
      assert.deepEqual(send(table, 'eth1', 1), ['eth3']);
    });

    it('is not forgotten with the rules of its prefix, nor these with it', () => {
      const table = openTable({ a: `(*, ${prefix}) eth1 > eth2`, b: `(*, ${wide}) eth1 > eth2 eth3` });
      table.setInterface('eth2', boundary(prefix, exact(1)));
      table.settle();
      table.remove('a');
      table.settle();
      assert.deepEqual(send(table, 'eth1', 2), ['eth3']);
      table.put('a', `(*, ${prefix}) eth1 > eth4`);
      table.setInterface('eth2');
      table.settle();
      assert.deepEqual(send(table, 'eth1', 2), ['eth2', 'eth3', 'eth4']);
      table.remove('a');
      table.remove('b');
      table.settle();
      assert.equal(table.fib.needsWrongVifUpcalls(family), false);
    });

    it('needs no upcalls by itself', () => {
      const table = openTable({ a: `(*, ${host(1)}) eth1 > eth2` });
      table.setInterface('eth2', boundary(prefix));
      table.settle();
      assert.equal(table.fib.needsWrongVifUpcalls(family), false);
    });

    it('is told to the upcall thread before rules that it bounds, and taken back after them', () => {
      const table = openTable({ a: `(*, ${host(9)}) eth1 > eth2` });
      const told = () => table.fib.takeUpcallGroups().flatMap(({ groups }) => groups);
      table.put('b', `(*, ${wide}) eth1 > eth2`);
      table.setInterface('eth2', boundary(prefix));
      assert.deepEqual(
        told().map(({ barredVifs }) => barredVifs),
        [0b10, 0],
      );
      table.remove('b');
      table.setInterface('eth2');
      assert.deepEqual(
        told().map((group) => group.group.length),
        [parsePrefix(wide).length, parsePrefix(prefix).length],
      );
    });

    it('is a warning on each rule that it touches, and on no other', () => {
      const table = openTable({
        out: `(*, ${host(1)}) eth1 > eth2 eth3`,
        in: `(*, ${wide}) eth2 > eth3`,
        wildcard: `(*, ${host(1)}) eth1 > eth+`,
        own: `(*, ${host(1)}) eth2 > eth2+ eth3`,
        other: `(*, ${wide}) eth1 > eth3`,
        deny: `(*, ${host(1)}) eth2 > deny`,
      });
      table.fib.takeChangedStatuses();
      table.setInterface('eth2', boundary(prefix));
      table.settle();
      const changed = table.fib.takeChangedStatuses();
      for (const id of ['out', 'in', 'wildcard', 'own']) assert.ok(changed.includes(id), id);
      const of = (id: string) => table.warnings(id, 'BOUNDARY');
      assert.deepEqual(of('out'), [`${prefix} does not leave eth2`]);
      assert.deepEqual(of('in'), [`${prefix} does not enter eth2`]);
      assert.deepEqual(of('wildcard'), [`${prefix} does not leave eth2`]);
      assert.deepEqual(of('own'), [`${prefix} does not enter eth2`], 'the wildcard does not stand for the iif');
      assert.deepEqual(of('other'), []);
      assert.deepEqual(of('deny'), []);
      assert.equal(table.progress('out'), 'programmed');
      table.setInterface('eth2');
      assert.deepEqual(of('out'), []);
    });
  });
}

it('a boundary of one family says nothing of the other', () => {
  const table = openTable({ a: '(*, 239.1.0.1) eth1 > eth2' });
  table.setInterface('eth2', boundary('ff05::/64'));
  assert.deepEqual(
    table.fib.takeUpcallGroups().map(({ family }) => family),
    [],
    'it bars no vif of IPv6',
  );
  table.put('b', '(*, ff05::/16) eth1 > eth2');
  const told = table.fib.takeUpcallGroups();
  assert.deepEqual(
    told.map(({ family }) => family),
    ['ipv6'],
  );
  table.settle();
  assert.deepEqual(table.warnings('a', 'BOUNDARY'), []);
});
