import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FibOptions } from '../../src/agent/fib/fib.js';
import { parseAddress } from '../../src/model/address.js';
import type { InterfaceSettings, Link } from '../../src/model/interface.js';
import { FakeKernel, fakeLink } from '../support/fake-kernel.js';
import { interfaceSettings } from '../support/interface-conditions.js';
import { describeOperations, mroute, openFib, settle, settleLinks } from '../support/fib-turns.js';

const S = parseAddress('10.0.0.1');
const G = parseAddress('239.1.0.1');
const LINKS = [1, 2, 3, 4].map((n) => fakeLink(n, `eth${n}`));

function open(rules: Record<string, string> = {}, options: Partial<FibOptions> = {}, links: readonly Link[] = LINKS) {
  const kernel = new FakeKernel({ links });
  const fib = openFib({ makesMrules: false, ...options });
  kernel.addMrule({ family: 'ipv4', direction: 'iif', interface: '', table: 123, priority: 1, protocol: 0 });
  kernel.addMrule({ family: 'ipv6', direction: 'iif', interface: '', table: 123, priority: 1, protocol: 0 });
  const set = (id: string, text: string | undefined) => {
    fib.setWish(id, text === undefined ? undefined : mroute(text));
  };
  for (const [id, text] of Object.entries(rules)) set(id, text);
  const links_ = () => describeOperations(settleLinks(fib, kernel));
  return {
    kernel,
    fib,
    set,
    settle: () => describeOperations(settle(fib, kernel)),
    settleLinks: links_,
    first: links_(),
  };
}

function thresholdOf(name: string, ttlThreshold: number): InterfaceSettings {
  return interfaceSettings(name, { ttlThreshold });
}

describe('vifs', () => {
  it('are made before the entries that name them and deleted after the last was rewritten', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2' });
    assert.deepEqual(table.first, ['add-vif 0', 'add-vif 1', 'put-proxy 0>1']);
    table.set('a', '(*, 239.1.0.1) eth1 > eth3');
    assert.deepEqual(table.settle(), ['add-vif 2', 'put-proxy 0>2', 'delete-vif 1']);
  });

  it('are kept by their names while interfaces are away, without an operation for what the kernel does itself', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2 eth3' });
    table.kernel.removeLink(2);
    assert.deepEqual(table.settleLinks(), ['put-proxy 0>2']);
    assert.equal(table.fib.vifName('ipv4', 1), 'eth2');
    table.kernel.setLink(fakeLink(22, 'eth2'));
    assert.deepEqual(table.settleLinks(), ['add-vif 1', 'put-proxy 0>1,2']);
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2', 'eth3']);
  });

  it('of an interface that returns before anyone looks are made again, with the entries that may lack them', () => {
    const table = open({ a: '(*, 239.1.0.0/24) eth1 > eth2' });
    table.kernel.removeLink(2);
    // The upcall thread does not know yet, and the kernel leaves the oif out of what it makes now.
    assert.deepEqual(table.kernel.send('eth1', S, G), []);
    table.kernel.setLink(fakeLink(22, 'eth2'));
    assert.deepEqual(table.settleLinks(), ['add-vif 1', 'put-mfc 0>1']);
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2']);
  });

  it('are in the rules of the upcall thread only when the kernel has them', () => {
    const table = open({ a: '(*, 239.1.0.0/24) eth1 > eth2 eth9' });
    table.kernel.setLink(fakeLink(9, 'eth9'));
    table.fib.setLinks(table.kernel.listLinks());
    assert.deepEqual(table.fib.takeUpcallGroups(), [], 'the vif of eth9 is not there yet');
    const operations = table.fib.plan();
    table.fib.commit(operations, table.kernel.apply(operations));
    const [told] = table.fib.takeUpcallGroups();
    assert.deepEqual(
      told?.groups[0]?.rules[0]?.oifs.map(({ vif }) => vif),
      [1, 2],
    );
  });

  it('follow a rename: the old number goes, the new name gets its own', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2', b: '(*, 239.1.0.2) eth1 > wan0' });
    table.kernel.renameLink(2, 'wan0');
    const done = table.settleLinks();
    assert.deepEqual(done.slice(0, 2), ['delete-vif 1', 'add-vif 2']);
    assert.deepEqual([...done.slice(2)].sort(), ['delete-proxy 0', 'put-proxy 0>2']);
  });

  it('that exchange their names exchange their numbers', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2', b: '(*, 239.1.0.2) eth1 > eth3' });
    table.kernel.renameLink(2, 'tmp');
    table.kernel.renameLink(3, 'eth2');
    table.kernel.renameLink(2, 'eth3');
    const done = table.settleLinks();
    assert.deepEqual(done.slice(0, 4), ['delete-vif 1', 'delete-vif 2', 'add-vif 1', 'add-vif 2']);
    assert.deepEqual([...table.kernel.vifs('ipv4')].sort(), [
      [0, 1],
      [1, 3],
      [2, 2],
    ]);
  });

  it('that run out leave the rule waiting, and go to it once the entries of a name that is away are rewritten', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2', b: '(*, 239.1.0.2) eth1 > eth3' }, { vifLimit: 2 });
    assert.deepEqual(table.fib.status('b').missing, [{ reason: 'VIF_LIMIT', interface: 'eth3' }]);
    assert.equal(table.fib.status('b').state, 'pending');
    table.kernel.removeLink(2);
    const done = table.settleLinks();
    assert.deepEqual(done, ['delete-proxy 0', 'add-vif 1', 'put-proxy 0>1']);
    assert.equal(table.fib.vifName('ipv4', 1), 'eth3');
    assert.equal(table.fib.status('b').state, 'programmed');
  });

  it('are not given to another name while an entry that names them could not be rewritten', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2', b: '(*, 239.1.0.2) eth1 > eth3' }, { vifLimit: 2 });
    table.kernel.removeLink(2);
    table.kernel.failNext('delete-proxy', 'ENOMEM');
    table.settleLinks();
    assert.equal(table.fib.vifName('ipv4', 1), 'eth2');
    table.fib.retryFailed();
    table.settle();
    assert.equal(table.fib.vifName('ipv4', 1), 'eth3');
    assert.deepEqual(table.kernel.send('eth1', S, G), []);
  });
});

describe('a change', () => {
  it('that changes nothing gives no operation', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2' });
    table.set('a', '(*, 239.1.0.1) eth1 > eth2');
    table.set('b', '(*, 239.1.0.1) eth1 > eth2');
    assert.deepEqual(table.settle(), []);
    table.set('a', undefined);
    assert.deepEqual(table.settle(), [], 'the other owner still wants it');
    assert.deepEqual(
      [...table.fib.mfc('ipv4')].map(({ ids }) => ids),
      [['b']],
    );
  });

  it('of a prefix rule reaches the groups it covers and what was learned of them, and no others', () => {
    const table = open({
      a: '(*, 239.1.0.1) eth1 > eth2',
      b: '(*, 239.2.0.1) eth1 > eth2',
      c: '(*, 239.1.0.0/16) eth1 > eth2',
    });
    const learned = parseAddress('239.1.7.7');
    assert.deepEqual(table.kernel.send('eth1', S, learned), ['eth2']);
    table.set('c', '(*, 239.1.0.0/16) eth1 > eth2 eth3');
    table.settle();
    assert.deepEqual(table.kernel.send('eth1', S, learned), ['eth2', 'eth3']);
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2', 'eth3']);
    assert.deepEqual(table.kernel.send('eth1', S, parseAddress('239.2.0.1')), ['eth2']);
  });

  it('of an interface threshold rewrites the IPv4 entries that use it; the highest of the owners counts', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2', b: '(*, ff1e::1) eth1 > eth2' });
    table.fib.setWish('t', thresholdOf('eth2', 5));
    table.fib.setWish('u', thresholdOf('eth2', 3));
    assert.deepEqual(table.settle(), ['put-proxy 0>1']);
    assert.deepEqual(table.kernel.send('eth1', S, G, 5), []);
    assert.deepEqual(table.kernel.send('eth1', S, G, 6), ['eth2']);
    assert.equal(table.fib.status('t').state, 'programmed');
  });
});

describe('learned flows', () => {
  it('expire when told', () => {
    const table = open({ a: '(*, 239.1.0.0/24) eth1 > eth2' });
    table.kernel.send('eth1', S, G);
    table.settle();
    assert.equal([...table.fib.learnedFlows('ipv4')].length, 1);
    table.fib.expire([{ source: S, group: G }]);
    assert.deepEqual(table.settle(), ['delete-mfc']);
    assert.deepEqual([...table.fib.learnedFlows('ipv4')], []);
  });

  it('are followed to another iif where upcalls serve them', () => {
    const table = open({ a: '(*, 239.1.0.0/24) eth+ > eth4' });
    assert.equal(table.fib.needsWrongVifUpcalls('ipv4'), true);
    assert.equal(table.fib.needsWrongVifUpcalls('ipv6'), false);
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth4']);
    assert.deepEqual(table.kernel.send('eth2', S, G), [], 'the packet that shows the move');
    assert.deepEqual(table.kernel.send('eth2', S, G), ['eth4']);
    assert.deepEqual(table.settle(), []);
  });

  it('that the upcall thread could not make fail the rules they belong to', () => {
    const table = open({ a: '(*, 239.1.0.0/24) eth1 > eth2', b: '(10.0.0.2, 239.1.0.0/24) eth1 > eth2' });
    const failure = { code: 'ENOMEM', syscall: 'setsockopt', text: 'no memory' };
    table.fib.onUpcalls([{ event: 'failed', source: S, group: G, failure }]);
    assert.equal(table.fib.status('a').failure, failure);
    assert.equal(table.fib.status('b').state, 'programmed');
    table.fib.retryFailed();
    table.settle();
    assert.equal(table.fib.status('a').state, 'programmed');
  });

  it('that were made by rules of before are put right', () => {
    const table = open({ a: '(*, 239.1.0.0/24) eth1 > eth2' });
    table.kernel.apply([{ op: 'put-mfc', source: S, group: G, iif: 0, oifs: [], isLearned: true }]);
    const flow = { source: S, group: G, iif: 0, oifs: [] };
    table.fib.onUpcalls([{ event: 'learned', flow, arrival: 0 }]);
    assert.deepEqual(table.settle(), ['put-mfc 0>1']);
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2']);
  });

  it('of a source that is to be made beforehand are made again when they are evicted', () => {
    const table = open({ a: '(*, 239.1.0.0/24) eth1 > eth2' });
    table.kernel.send('eth1', S, G);
    table.set('b', '(10.0.0.1, 239.1.0.1) eth1 > eth3');
    assert.deepEqual(table.settle(), ['add-vif 2', 'put-mfc 0>1,2', 'put-proxy 0>1']);
    table.kernel.evict(S, G);
    assert.deepEqual(table.settle(), ['put-mfc 0>1,2']);
    assert.deepEqual([...table.fib.learnedFlows('ipv4')], []);
  });
});

describe('entries of others', () => {
  it('that went are made again', () => {
    const table = open({ a: '(10.0.0.1, 239.1.0.1) eth1 > eth2' });
    table.kernel.deleteMfc(S, G);
    assert.ok(table.fib.hasMfc(S, G));
    table.fib.onMfcGone(S, G);
    assert.ok(!table.fib.hasMfc(S, G));
    assert.deepEqual(table.settle(), ['put-mfc 0>1']);
  });

  it('that went are made again, also if it is not known which went, and deleting the others was refused', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2' });
    table.kernel.failNext('delete-proxy', 'ENOMEM');
    table.set('a', undefined);
    table.settle();
    table.kernel.deleteMfc(undefined, G);
    table.fib.onMfcGone(undefined, G);
    table.kernel.failNext('delete-proxy', 'ENOMEM');
    table.settle();
    table.set('a', '(*, 239.1.0.1) eth1 > eth2');
    table.settle();
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2']);
    assert.deepEqual(table.kernel.proxyOrder(G).length, 1);
  });

  it('that came are written over or deleted', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2' });
    table.kernel.apply([
      { op: 'put-mfc', source: S, group: G, iif: 1, oifs: [], isLearned: false },
      { op: 'put-proxy', group: G, iif: 1, oifs: [{ vif: 0, ttlThreshold: 1 }] },
    ]);
    assert.deepEqual(table.kernel.send('eth1', S, G), []);
    table.fib.onForeignMfc([
      { source: S, group: G, iif: 2 },
      { source: undefined, group: G, iif: 2 },
    ]);
    table.settle();
    assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2']);
    assert.equal(table.kernel.listMfc('ipv4').length, 1);
  });
});

describe('a status', () => {
  const stateOf = (rule: string, links?: readonly Link[], options?: Partial<FibOptions>) => {
    const { fib } = open({ a: rule }, options, links);
    const { state, missing } = fib.status('a');
    return [state, ...missing.map(({ reason, interface: name }) => `${reason} ${name}`)];
  };

  it('is programmed when all is there, also without oifs', () => {
    assert.deepEqual(stateOf('(*, 239.1.0.1) eth1 > eth2'), ['programmed']);
    assert.deepEqual(stateOf('(*, 239.1.0.1) eth1 >'), ['programmed']);
    assert.deepEqual(stateOf('(*, 239.1.0.0/24) eth1 > deny'), ['programmed']);
  });

  it('is partial when some oifs are missing, pending when all are or the iif is', () => {
    assert.deepEqual(stateOf('(*, 239.1.0.1) eth1 > eth2 away0'), ['partial', 'INTERFACE_NOT_FOUND away0']);
    assert.deepEqual(stateOf('(*, 239.1.0.1) eth1 > away0'), ['pending', 'INTERFACE_NOT_FOUND away0']);
    assert.deepEqual(stateOf('(*, 239.1.0.1) away0 > eth1'), ['pending', 'INTERFACE_NOT_FOUND away0']);
    assert.deepEqual(stateOf('(*, 239.1.0.1) wan+ > eth1 ppp+'), [
      'pending',
      'NO_INTERFACE_MATCHES wan+',
      'NO_INTERFACE_MATCHES ppp+',
    ]);
    assert.deepEqual(stateOf('(*, 239.1.0.1) eth1 > eth1+'), ['pending', 'NO_INTERFACE_MATCHES eth1+']);
  });

  it('is partial when the vifs run out for some members of a wildcard', () => {
    assert.deepEqual(stateOf('(*, 239.1.0.1) eth1 > eth+', LINKS, { vifLimit: 3 }), ['partial', 'VIF_LIMIT eth4']);
  });

  it('is pending for a family that is not there', () => {
    assert.deepEqual(stateOf('(*, ff1e::1) eth1 > eth2', LINKS, { families: ['ipv4'] }), [
      'pending',
      'FAMILY_UNAVAILABLE eth1',
    ]);
  });

  it('is pending until the kernel has answered, and tells of every change', () => {
    const table = open();
    table.fib.takeChangedStatuses();
    table.set('a', '(*, 239.1.0.1) eth1 > eth2');
    assert.equal(table.fib.status('a').state, 'pending');
    assert.deepEqual(table.fib.takeChangedStatuses(), ['a']);
    table.settle();
    assert.equal(table.fib.status('a').state, 'programmed');
    assert.deepEqual(table.fib.takeChangedStatuses(), ['a']);
    table.kernel.removeLink(2);
    table.settleLinks();
    assert.deepEqual(table.fib.takeChangedStatuses(), ['a']);
    assert.deepEqual(table.fib.takeChangedStatuses(), []);
  });

  for (const [op, rule] of [
    ['add-vif', '(*, 239.1.0.1) eth1 > eth2'],
    ['put-proxy', '(*, 239.1.0.1) eth1 > eth2'],
    ['put-mfc', '(10.0.0.1, 239.1.0.1) eth1 > eth2'],
  ] as const) {
    it(`is failed when the kernel refuses ${op}, until it is tried again`, () => {
      const table = open({ b: '(*, 239.9.0.1) eth3 > eth4' });
      table.kernel.failNext(op, 'ENOMEM');
      table.set('a', rule);
      table.settle();
      assert.equal(table.fib.status('a').state, 'failed');
      assert.equal(table.fib.status('a').failure?.code, 'ENOMEM');
      assert.equal(table.fib.status('b').state, 'programmed');
      assert.deepEqual(table.settle(), []);
      table.fib.retryFailed();
      table.settle();
      assert.equal(table.fib.status('a').state, 'programmed');
      assert.deepEqual(table.kernel.send('eth1', S, G), ['eth2']);
    });
  }

  for (const [op, rule] of [
    ['put-proxy', '(*, 239.1.0.1) eth1 > eth2'],
    ['put-mfc', '(10.0.0.1, 239.1.0.1) eth1 > eth2'],
  ] as const) {
    it(`remembers that ${op} was refused where the entry may lack an interface that has returned`, () => {
      const table = open({ a: rule });
      table.kernel.removeLink(2);
      table.kernel.setLink(fakeLink(22, 'eth2'));
      table.kernel.failNext(op, 'ENOMEM');
      table.settleLinks();
      assert.equal(table.fib.status('a').state, 'failed');
      table.fib.retryFailed();
      assert.ok(table.settle().includes(`${op} 0>1`));
    });
  }

  it('says how packets are recognised, and why', () => {
    const how = (rules: Record<string, string>, options?: Partial<FibOptions>) => {
      const { programming } = open(rules, options).fib.status('a');
      return programming && `${programming.kind} ${programming.reason}`;
    };
    assert.equal(how({ a: '(*, 239.1.0.1) eth1 > eth2' }), 'any-source any-source');
    assert.equal(how({ a: '(10.0.0.1, 239.1.0.1) eth1 > eth2' }), 'source-group exact-source');
    assert.equal(how({ a: '(10.0.0.0/8, 239.1.0.1) eth1 > eth2' }), 'learned source-prefix');
    assert.equal(how({ a: '(*, 239.1.0.0/24) eth1 > eth2' }), 'learned group-prefix');
    assert.equal(how({ a: '(*, 239.1.0.1) eth1 > eth1' }), 'learned hairpin');
    assert.equal(how({ a: '(*, 239.1.0.1) eth1 > eth2' }, { starG: 'learn' }), 'learned learn-requested');
    const pair = { a: '(*, 239.1.0.1) eth1 > eth2', b: '(*, 239.1.0.1) eth2 > eth1' };
    assert.equal(how(pair), 'learned bidirectional');
    const two = { a: '(10.0.0.1, 239.1.0.1) eth1 > eth2', b: '(*, 239.1.0.1) eth3 > eth4' };
    assert.equal(how(two), 'learned several-iifs-for-source');
    assert.equal(how({ a: '(*, 239.1.0.1) away0 > eth2' }), undefined);
  });

  it('changes when another rule changes how packets are recognised', () => {
    const table = open({ a: '(*, 239.1.0.1) eth1 > eth2' });
    table.fib.takeChangedStatuses();
    table.set('b', '(*, 239.1.0.1) eth2 > eth1');
    table.settle();
    assert.deepEqual([...table.fib.takeChangedStatuses()].sort(), ['a', 'b']);
  });
});

describe('a warning', () => {
  const codes = (rules: Record<string, string>, links?: readonly Link[]) =>
    open(rules, {}, links)
      .fib.status('a')
      .warnings.map(({ code }) => code);

  it('tells of what a person may regret, and of nothing else', () => {
    assert.deepEqual(codes({ a: '(*, 239.1.0.1) eth1 > eth2@9 eth+' }), []);
    assert.deepEqual(codes({ a: '(*, 239.1.0.1) eth1 > eth1' }), ['LOOP']);
    assert.deepEqual(codes({ a: '(*, 239.1.0.1) eth+ > eth2' }), ['LOOP']);
    assert.deepEqual(codes({ a: '(*, 224.0.0.5) eth1 > eth2' }), ['LINK_LOCAL_GROUP']);
    assert.deepEqual(codes({ a: '(*, ff1e::1) eth1 > eth2@9' }), ['TTL_THRESHOLD_IPV6']);
    const plain = [fakeLink(1, 'eth1'), fakeLink(2, 'eth2', { hasMulticast: false })];
    assert.deepEqual(codes({ a: '(*, 239.1.0.1) eth1 > eth2' }, plain), ['NO_MULTICAST_FLAG']);
  });

  it('tells of a source that shadows the rules of another iif', () => {
    const { fib } = open({ a: '(10.0.0.1, 239.1.0.1) eth1 > eth2', b: '(*, 239.1.0.1) eth3 > eth4' });
    const [warning] = fib.status('a').warnings;
    assert.equal(warning?.code, 'SHADOWS');
    assert.match(warning.text, /eth3/);
    assert.deepEqual(fib.status('b').warnings, []);
  });

  it('of an interface is one of the rules that it concerns', () => {
    const { fib } = open({
      a: '(*, 239.1.0.1) eth1 > eth2',
      b: '(*, 239.1.0.1) eth2 > eth3',
      c: '(*, ff1e::1) eth1 > eth2',
    });
    fib.takeChangedStatuses();
    fib.setInterfaceWarnings('eth1', [
      { code: 'RP_FILTER', text: 'strict' },
      { code: 'IPV6_DISABLED', text: 'off' },
    ]);
    const of = (id: string) => fib.status(id).warnings.map(({ code }) => code);
    assert.deepEqual([of('a'), of('b'), of('c')], [['RP_FILTER'], [], ['IPV6_DISABLED']]);
    assert.deepEqual([...fib.takeChangedStatuses()].sort(), ['a', 'c']);
  });
});

it('interfaces are shown with their vifs, also those that are waited for', () => {
  const { fib } = open({ a: '(*, 239.1.0.1) eth1 > eth2 away0 ppp+', b: '(*, ff1e::1) eth2 > eth1' });
  const shown = fib.interfaces().map(({ name, link, vifs }) => [name, link?.ifindex, vifs.ipv4, vifs.ipv6]);
  assert.deepEqual(shown, [
    ['eth1', 1, 0, 1],
    ['eth2', 2, 1, 0],
    ['eth3', 3, undefined, undefined],
    ['eth4', 4, undefined, undefined],
    ['away0', undefined, undefined, undefined],
  ]);
});
