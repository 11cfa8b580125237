import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAMILIES } from '../../src/model/address.js';
import { fakeLink } from '../support/fake-kernel.js';
import { mroute, openFib, settle, settleLinks, testGroup, testSource } from '../support/fib-turns.js';
import { openTable } from '../support/fib-table.js';
import { interfaceSettings } from '../support/interface-conditions.js';

const S = testSource('ipv4', 1);
const G = testGroup('ipv4', 1);

const DISABLED = { isEnabled: false } as const;

describe('an interface that takes no part', () => {
  it('gets no vif and no mrule in either family, and the other oifs are served', () => {
    const table = openTable();
    table.setInterface('eth2', DISABLED);
    table.put('4', '(*, 239.1.0.1) eth1 > eth2 eth3');
    table.put('6', '(*, ff1e::1) eth1 > eth2 eth3');
    table.settle();
    for (const family of FAMILIES) {
      assert.deepEqual([...table.kernel.vifs(family).values()], [1, 3]);
      assert.deepEqual(table.kernel.send('eth1', testSource(family, 1), testGroup(family, 1)), ['eth3']);
    }
    const names = table.kernel.listMrules().map((rule) => rule.interface);
    assert.deepEqual([...new Set(names)].sort(), ['eth1', 'eth3']);
    for (const id of ['4', '6']) assert.equal(table.progress(id), 'partial, INTERFACE_DISABLED eth2');
  });

  it('leaves a rule waiting of which it is the only oif, or the iif', () => {
    const table = openTable();
    table.setInterface('eth2', DISABLED);
    table.put('to', '(*, 239.1.0.1) eth1 > eth2');
    table.put('from', '(*, 239.1.0.2) eth2 > eth1');
    table.settle();
    for (const id of ['to', 'from']) assert.equal(table.progress(id), 'pending, INTERFACE_DISABLED eth2');
    assert.deepEqual(table.kernel.send('eth1', S, G), []);
    assert.deepEqual(table.kernel.send('eth2', S, testGroup('ipv4', 2)), []);
  });

  it('is left out of wildcards, which miss something only if nothing else is left for them', () => {
    const table = openTable();
    table.setInterface('eth3', DISABLED);
    table.put('some', '(*, 239.1.0.1) eth1 > eth+');
    table.put('from', '(*, 239.1.0.2) eth+ > eth1');
    table.put('all', '(*, 239.1.0.3) eth1 > eth3+');
    table.put('iif', '(*, 239.1.0.4) eth3+ > eth1');
    table.settle();
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2', 'eth4']);
    assert.equal(table.progress('some'), 'programmed');
    assert.equal(table.progress('from'), 'programmed');
    assert.equal(table.progress('all'), 'pending, INTERFACE_DISABLED eth3+');
    assert.equal(table.progress('iif'), 'pending, INTERFACE_DISABLED eth3+');
    for (const name of ['eth2', 'eth4']) table.setInterface(name, DISABLED);
    table.settle();
    assert.equal(table.progress('some'), 'pending, INTERFACE_DISABLED eth+', 'the iif alone is left');
  });

  it('has groups joined on it', () => {
    const table = openTable();
    table.setInterface('eth2', DISABLED);
    table.join('m', '(*, 239.1.0.1) eth2');
    table.settle();
    assert.equal(table.kernel.joins().length, 1);
    assert.equal(table.progress('m'), 'programmed');
    table.setInterface('eth2');
    assert.deepEqual(table.settle(), [], 'nothing of the join changes');
  });

  it('is not found as long as it is away, and then disabled', () => {
    const table = openTable();
    table.setInterface('wan0', DISABLED);
    table.put('a', '(*, 239.1.0.1) eth1 > wan0');
    table.settle();
    assert.equal(table.progress('a'), 'pending, INTERFACE_NOT_FOUND wan0');
    table.fib.takeChangedStatuses();
    table.kernel.setLink(fakeLink(9, 'wan0'));
    table.settleLinks();
    assert.ok(table.fib.takeChangedStatuses().includes('a'));
    assert.equal(table.progress('a'), 'pending, INTERFACE_DISABLED wan0');
  });

  it('is nothing to a wildcard until it is up, and then disabled', () => {
    const table = openTable();
    table.kernel.setLink(fakeLink(9, 'wan0', { isUp: false }));
    table.setInterface('wan0', DISABLED);
    table.put('a', '(*, 239.1.0.1) eth1 > wan+');
    table.settleLinks();
    assert.equal(table.progress('a'), 'pending, NO_INTERFACE_MATCHES wan+');
    table.fib.takeChangedStatuses();
    table.kernel.setLink(fakeLink(9, 'wan0'));
    table.settleLinks();
    assert.ok(table.fib.takeChangedStatuses().includes('a'));
    assert.equal(table.progress('a'), 'pending, INTERFACE_DISABLED wan+');
  });

  it('loses its vif, mrules and entries by difference when it is disabled, and has them again with its number', () => {
    const table = openTable({ a: '(*, 239.1.0.1) eth1 > eth2 eth3', b: '(*, 239.1.0.2) eth1 > eth3' });
    table.setInterface('eth2', DISABLED);
    assert.deepEqual(table.settle(), [
      'put-proxy 0>2',
      'delete-mrule iif eth2',
      'delete-mrule oif eth2',
      'delete-vif 1',
    ]);
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth3']);
    table.put('c', '(*, 239.1.0.3) eth1 > eth4');
    table.settle();
    table.setInterface('eth2', { isEnabled: true });
    assert.deepEqual(table.settle(), ['add-vif 1', 'put-proxy 0>1,2', 'add-mrule iif eth2', 'add-mrule oif eth2']);
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2', 'eth3']);
    assert.equal(table.progress('a'), 'programmed');
  });

  it('as an iif loses its learned flows, which come again when it is enabled', () => {
    const table = openTable({ a: '(*, 239.1.0.0/24) eth1 > eth2' });
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2']);
    table.setInterface('eth1', DISABLED);
    table.settle();
    assert.deepEqual(table.kernel.send('eth1', S, G), []);
    table.setInterface('eth1');
    table.settle();
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2']);
  });

  it('keeps no mrule while it is away', () => {
    const table = openTable({ a: '(*, 239.1.0.1) eth1 > eth2' });
    table.kernel.removeLink(2);
    table.settleLinks();
    assert.ok(table.kernel.listMrules().some((rule) => rule.interface === 'eth2'));
    table.setInterface('eth2', DISABLED);
    table.settle();
    assert.ok(!table.kernel.listMrules().some((rule) => rule.interface === 'eth2'));
  });

  it('is not one as soon as no owner says so any more', () => {
    const table = openTable({ a: '(*, 239.1.0.1) eth1 > eth2' });
    table.setInterface('eth2', DISABLED, 'config');
    table.setInterface('eth2', { isEnabled: true }, 'cli');
    table.settle();
    assert.equal(table.progress('a'), 'pending, INTERFACE_DISABLED eth2');
    table.setInterface('eth2', undefined, 'config');
    table.settle();
    assert.equal(table.progress('a'), 'programmed');
  });

  it('is each of which nobody says otherwise, if the agent says so', () => {
    const table = openTable({ a: '(*, 239.1.0.1) eth1 > eth2 eth3' }, { enablesInterfaces: false });
    assert.equal(
      table.progress('a'),
      ['pending', ...['eth1', 'eth2', 'eth3'].map((name) => `INTERFACE_DISABLED ${name}`)].join(', '),
    );
    table.setInterface('eth1', { isEnabled: true });
    table.setInterface('eth3', { isEnabled: true });
    table.setInterface('eth2', { ttlThreshold: 2 });
    table.settle();
    assert.equal(table.progress('a'), 'partial, INTERFACE_DISABLED eth2');
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth3']);
  });

  it('has no vif among what people are shown', () => {
    const table = openTable({ a: '(*, 239.1.0.1) eth1 > eth2' });
    const vifOf = (name: string) => table.fib.interfaces().find((each) => each.name === name)?.vifs.ipv4;
    assert.equal(vifOf('eth2'), 1);
    table.setInterface('eth2', DISABLED);
    table.settle();
    assert.equal(vifOf('eth2'), undefined);
  });

  it('gives up what an earlier agent has left on it', () => {
    const table = openTable({ a: '(*, 239.1.0.1) eth1 > eth2 eth3' });
    const { kernel } = table;
    kernel.close();
    const fib = openFib();
    fib.setWish('a', mroute('(*, 239.1.0.1) eth1 > eth2 eth3'));
    fib.setWish('cli eth2', interfaceSettings('eth2', DISABLED));
    const held = kernel.readHeldState();
    fib.adoptVifs(held, new Map(kernel.listLinks().map((link) => [link.ifindex, link])));
    fib.setActualMrules(kernel.listMrules());
    fib.setLinks(kernel.listLinks());
    kernel.adoptLearned(fib.adopt(held));
    settle(fib, kernel);
    kernel.answerUpcalls();
    assert.deepEqual([...kernel.vifs('ipv4').values()], [1, 3]);
    assert.deepEqual(kernel.send('eth1', S, G), ['eth3']);
    assert.deepEqual(settleLinks(fib, kernel), []);
  });
});
