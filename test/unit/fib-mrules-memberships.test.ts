import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MRULE_PROTOCOL, type Mrule } from '../../src/model/mrule.js';
import { FakeKernel, fakeLink } from '../support/fake-kernel.js';
import { describeOperations, membership, mroute, openFib, settle, settleLinks } from '../support/fib-turns.js';

const LINKS = [1, 2].map((n) => fakeLink(n, `eth${n}`));

function mrule(differing: Partial<Mrule>): Mrule {
  const rule = { family: 'ipv4', direction: 'iif', interface: 'eth1', table: 123, priority: 4000 } as const;
  return { ...rule, protocol: MRULE_PROTOCOL, ...differing };
}

function open() {
  const kernel = new FakeKernel({ links: LINKS });
  const fib = openFib();
  const read = () => {
    fib.setActualMrules(kernel.listMrules());
    return describeOperations(settle(fib, kernel));
  };
  fib.setLinks(kernel.listLinks());
  return { kernel, fib, read, settleLinks: () => describeOperations(settleLinks(fib, kernel)) };
}

describe('mrules', () => {
  const RULE = mroute('(*, 239.1.0.1) eth1 > eth2');
  const ADDED = ['add-mrule iif eth1', 'add-mrule oif eth1', 'add-mrule iif eth2', 'add-mrule oif eth2'];

  it('lead both directions of each interface in use to the table, and go with its use', () => {
    const table = open();
    table.fib.setWish('a', RULE);
    assert.deepEqual(table.read(), ['add-vif 0', 'add-vif 1', 'put-proxy 0>1', ...ADDED]);
    table.fib.setWish('a', undefined);
    const gone = table.read();
    assert.deepEqual(
      gone.filter((each) => each.startsWith('delete-mrule')).sort(),
      ADDED.map((each) => each.replace('add', 'delete')).sort(),
    );
    assert.deepEqual(table.kernel.listMrules(), []);
  });

  it('that are there already are let alone, and those of others too', () => {
    const table = open();
    const others = [mrule({ interface: 'eth9', protocol: 4 }), mrule({ table: 7, interface: 'eth9' })];
    for (const rule of [mrule({}), ...others]) table.kernel.addMrule(rule);
    table.fib.setWish('a', RULE);
    assert.deepEqual(
      table.read().filter((each) => each.includes('mrule')),
      ADDED.slice(1),
    );
  });

  it('of ours that nobody wants any more go, such as those of an earlier priority', () => {
    const table = open();
    table.kernel.addMrule(mrule({ interface: 'old0' }));
    assert.deepEqual(table.read(), ['delete-mrule iif old0']);
  });

  it('that someone deleted are made again, those that someone made meanwhile are taken as ours', () => {
    const table = open();
    table.fib.setWish('a', RULE);
    table.read();
    table.kernel.deleteMrule(mrule({}));
    assert.deepEqual(table.fib.setActualMrules(table.kernel.listMrules()), [mrule({})]);
    assert.deepEqual(table.fib.setActualMrules(table.kernel.listMrules()), [], 'told once');
    assert.deepEqual(table.read(), ['add-mrule iif eth1']);
    table.kernel.failNext('add-mrule', 'EEXIST');
    table.kernel.deleteMrule(mrule({}));
    table.read();
    assert.equal(table.fib.status('a').state, 'programmed');
  });

  it('stay while the interface is away', () => {
    const table = open();
    table.fib.setWish('a', RULE);
    table.read();
    table.kernel.removeLink(1);
    assert.deepEqual(
      table.settleLinks().filter((each) => each.includes('mrule')),
      [],
    );
  });

  it('that the kernel refuses fail the rules whose packets do not come', () => {
    const table = open();
    table.kernel.failNext('add-mrule', 'EPERM');
    table.fib.setWish('a', RULE);
    table.read();
    assert.equal(table.fib.status('a').failure?.code, 'EPERM');
    table.fib.retryFailed();
    settle(table.fib, table.kernel);
    assert.equal(table.fib.status('a').state, 'programmed');
  });

  it('of other tables on an interface in use are a warning with the cure', () => {
    const table = open();
    table.fib.setWish('a', RULE);
    table.fib.setWish('b', mroute('(*, 239.1.0.1) eth2 > eth1'));
    table.read();
    table.fib.takeChangedStatuses();
    table.kernel.addMrule(mrule({ table: 7, priority: 9, protocol: 4 }));
    table.read();
    const [warning] = table.fib.status('a').warnings;
    assert.equal(warning?.code, 'IIF_CONFLICT');
    assert.match(warning.text, /ip mrule del pref 9 iif eth1 table 7$/);
    assert.deepEqual(table.fib.status('b').warnings, []);
    assert.ok(table.fib.takeChangedStatuses().includes('a'));
    const states = table.fib.mrules().map(({ rule, state }) => `${rule.table} ${rule.direction} ${state}`);
    assert.ok(states.includes('7 iif conflict') && states.includes('123 iif programmed'));
  });

  it('of everything are a conflict only if they are asked first', () => {
    const table = open();
    table.fib.setWish('a', RULE);
    table.kernel.addMrule(mrule({ table: 253, interface: '', priority: 32767, protocol: 2 }));
    table.kernel.addMrule(mrule({ table: 0, interface: '', priority: 1000, protocol: 2 }));
    table.read();
    assert.deepEqual(table.fib.status('a').warnings, []);
    table.kernel.addMrule(mrule({ table: 9, interface: '', priority: 4000, protocol: 4 }));
    table.read();
    assert.deepEqual(
      table.fib.status('a').warnings.map(({ code }) => code),
      ['IIF_CONFLICT'],
    );
  });

  it('are all removed at the end', () => {
    const table = open();
    table.fib.setWish('a', RULE);
    table.read();
    table.kernel.apply(table.fib.removal());
    assert.deepEqual(table.kernel.listMrules(), []);
  });
});

describe('memberships', () => {
  it('join each group of a prefix with each source, and leave what is no longer wanted', () => {
    const table = open();
    table.fib.setWish('a', membership('(10.0.0.0/31, 239.1.0.0/31) eth1'));
    table.read();
    assert.deepEqual(table.kernel.joins(), [
      '1 239.1.0.0 10.0.0.0',
      '1 239.1.0.0 10.0.0.1',
      '1 239.1.0.1 10.0.0.0',
      '1 239.1.0.1 10.0.0.1',
    ]);
    table.fib.setWish('a', membership('(10.0.0.0/31, 239.1.0.1) eth1'));
    assert.deepEqual(table.read(), ['leave 1', 'leave 1']);
    table.fib.setWish('b', membership('(*, ff1e::1) eth1'));
    table.read();
    assert.equal(table.kernel.joins().at(-1), '1 ff1e::1 *');
    assert.equal(table.fib.status('b').state, 'programmed');
  });

  it('that two owners want stay until both have left', () => {
    const table = open();
    for (const id of ['a', 'b']) table.fib.setWish(id, membership('(*, 239.1.0.1) eth1'));
    assert.deepEqual(table.read(), ['join 1']);
    table.fib.setWish('a', undefined);
    assert.deepEqual(table.read(), []);
    table.fib.setWish('b', undefined);
    assert.deepEqual(table.read(), ['leave 1']);
  });

  it('wait for their interface and return with it under its new index', () => {
    const table = open();
    table.fib.setWish('a', membership('(*, 239.1.0.1) eth3'));
    table.read();
    assert.deepEqual(table.fib.status('a').missing, [{ reason: 'INTERFACE_NOT_FOUND', interface: 'eth3' }]);
    table.kernel.setLink(fakeLink(3, 'eth3'));
    assert.deepEqual(table.settleLinks(), ['join 3']);
    table.kernel.removeLink(3);
    table.kernel.setLink(fakeLink(33, 'eth3'));
    assert.deepEqual(table.settleLinks(), ['leave 3', 'join 33'], 'that the leave fails does not matter');
    assert.deepEqual(table.kernel.joins(), ['33 239.1.0.1 *']);
    assert.equal(table.fib.status('a').state, 'programmed');
  });

  it('that the kernel refuses are failed until they are tried again', () => {
    const table = open();
    table.kernel.failNext('join', 'ENOBUFS');
    table.fib.setWish('a', membership('(*, 239.1.0.1) eth1'));
    table.read();
    assert.equal(table.fib.status('a').failure?.code, 'ENOBUFS');
    assert.deepEqual(table.read(), []);
    table.fib.retryFailed();
    assert.deepEqual(describeOperations(settle(table.fib, table.kernel)), ['join 1']);
    assert.equal(table.fib.status('a').state, 'programmed');
  });

  it('take no vifs', () => {
    const table = open();
    table.fib.setWish('a', membership('(*, 239.1.0.1) eth+'));
    assert.deepEqual(table.read(), ['join 1', 'join 2']);
  });
});
