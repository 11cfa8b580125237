// The engine over the fake kernel: what is done about the kernel's news, its refusals and its silence.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Operation } from '../../src/agent/kernel/port.js';
import { FAMILIES, formatAddress } from '../../src/model/address.js';
import { type Resource, formatResourceKey } from '../../src/model/resource.js';
import { APPLY, entriesOf, keyOf, openEngine, putOf, settle } from '../support/engine-bench.js';
import { fakeLink } from '../support/fake-kernel.js';
import { membership, mroute, testGroup, testSource } from '../support/fib-turns.js';

const G = '239.1.0.1';
const OTHER_G = '239.1.0.2';
const S = '10.0.0.1';

describe('news of interfaces', () => {
  it('make rules active that wait, and tell of those only', async () => {
    const { engine, put, kernel, send, state, changes } = openEngine();
    put('cli', `(*, ${G}) eth0 > late0`, `(*, ${OTHER_G}) eth0 > eth1`);
    assert.equal(state(`(*, ${G}) eth0 >`), 'pending');
    changes.length = 0;
    kernel.setLink(fakeLink(9, 'late0'));
    await settle();
    assert.equal(state(`(*, ${G}) eth0 >`), 'programmed');
    assert.deepEqual(send('eth0'), ['late0']);
    assert.deepEqual(changes, [{ revision: 3n, keys: [keyOf(`(*, ${G}) eth0 >`)] }]);
    kernel.removeLink(9);
    await settle();
    assert.equal(state(`(*, ${G}) eth0 >`), 'pending');
    assert.equal(engine.revision, 4n);
    kernel.setLink(fakeLink(10, 'nobody0'));
    await settle();
    assert.equal(engine.revision, 4n);
  });

  it('are followed when they come all at once', async () => {
    const { put, kernel, send, notes } = openEngine();
    put('cli', `(*, ${G}) eth0 > eth1 eth2`);
    kernel.removeLink(2);
    kernel.renameLink(3, 'eth1');
    kernel.setLink(fakeLink(20, 'eth2'));
    await settle();
    assert.deepEqual(send('eth0'), ['eth1', 'eth2']);
    assert.deepEqual(kernel.vifs('ipv4').size, 3);
    assert.deepEqual(notes, []);
  });

  it('that are lost are read again, and so is all else', async () => {
    const { put, kernel, send, state, notes } = openEngine();
    put('cli', `(*, ${G}) eth0 > late0`, `(${S}, ${OTHER_G}) eth0 > eth1`);
    kernel.loseNews(() => {
      kernel.setLink(fakeLink(9, 'late0'));
      kernel.deleteMfc(testSource('ipv4', 1), testGroup('ipv4', 2));
      for (const rule of kernel.listMrules()) kernel.deleteMrule(rule);
    });
    await settle();
    assert.equal(state(`(*, ${G}) eth0 >`), 'programmed');
    assert.deepEqual(send('eth0'), ['late0']);
    assert.deepEqual(send('eth0', 1, 'ipv4', 2), ['eth1']);
    assert.deepEqual(notes[0], { note: 'events were lost', from: 'netlink' });
  });
});

describe('what others change', () => {
  for (const family of FAMILIES) {
    const group = testGroup(family, 1);
    const source = testSource(family, 1);
    const text = formatAddress(group);

    it(`is repaired and noted: entries, ${family}`, async () => {
      const { put, kernel, send, notes } = openEngine();
      const named = testGroup(family, 2);
      put('cli', `(*, ${text}) eth0 > eth1`, `(*, ${text}) eth2 > eth3`);
      put('cli', `(${formatAddress(source)}, ${formatAddress(named)}) eth0 > eth3`);
      kernel.deleteMfc(source, named);
      await settle();
      assert.deepEqual(send('eth0', 1, family, 2), ['eth3']);
      kernel.deleteMfc(undefined, group);
      await settle();
      assert.deepEqual(send('eth0', 2, family), ['eth1']);
      assert.deepEqual(send('eth2', 2, family), ['eth3']);
      assert.deepEqual(notes, [
        { note: 'entry was changed by another program', flow: `(${formatAddress(source)}, ${formatAddress(named)})` },
        { note: 'entry was changed by another program', flow: `(*, ${text})` },
      ]);
    });

    it(`is found by the audit without news: entries lost, changed and foreign, ${family}`, () => {
      const { engine, put, kernel, send, notes } = openEngine();
      put(
        'cli',
        `(${formatAddress(source)}, ${text}) eth0 > eth1`,
        `(*, ${formatAddress(testGroup(family, 2))}) eth0 > eth1`,
      );
      put('cli', `(*, ${formatAddress(testGroup(family, 3))}) eth0 > eth1 eth2`);
      const foreign = testGroup(family, 9);
      kernel.loseNews(() => {
        kernel.deleteMfc(source, group);
        kernel.apply([
          { op: 'delete-proxy', group: testGroup(family, 2), iif: 0 },
          { op: 'put-proxy', group: testGroup(family, 3), iif: 0, oifs: [] },
          { op: 'put-mfc', source, group: foreign, iif: 0, oifs: [{ vif: 1, ttlThreshold: 1 }], isLearned: false },
        ]);
      });
      notes.length = 0;
      engine.audit();
      assert.deepEqual(send('eth0', 1, family), ['eth1']);
      assert.deepEqual(send('eth0', 1, family, 2), ['eth1']);
      assert.deepEqual(send('eth0', 1, family, 3), ['eth1', 'eth2']);
      assert.equal(kernel.readCounters(family, [{ source, group: foreign }])[0], undefined);
      assert.deepEqual(
        notes.map((note) => (note.note === 'entry was changed by another program' ? note.flow : note)).sort(),
        [
          `(${formatAddress(source)}, ${text})`,
          `(*, ${formatAddress(testGroup(family, 2))})`,
          `(*, ${formatAddress(testGroup(family, 3))})`,
          `(${formatAddress(source)}, ${formatAddress(foreign)})`,
        ].sort(),
      );
      notes.length = 0;
      engine.audit();
      assert.deepEqual(notes, []);
    });

    it(`is told from what went with an interface, ${family}`, async () => {
      const { engine, put, remove, kernel, send, notes } = openEngine();
      const prefix = family === 'ipv4' ? '239.1.0.0/24' : 'ff1e::/16';
      put('cli', `(*, ${prefix}) eth0 > eth1 eth2`, `(*, ${formatAddress(testGroup(family, 2))}) eth2 > eth1`);
      send('eth0', 1, family);
      await settle();
      notes.length = 0;
      kernel.removeLink(3);
      engine.audit();
      await settle();
      assert.deepEqual(notes, []);
      assert.deepEqual(send('eth0', 1, family), ['eth1']);
      remove('cli', `(*, ${prefix}) eth0 >`);
      await settle();
      assert.deepEqual(send('eth0', 1, family), []);
    });

    it(`that is written over is deleted once nobody wants it, ${family}`, async () => {
      const { engine, put, remove, kernel, send } = openEngine();
      const prefix = family === 'ipv4' ? '239.1.0.0/24' : 'ff1e::/16';
      put('cli', `(*, ${prefix}) eth0 > eth1 eth2`);
      send('eth0', 1, family);
      await settle();
      kernel.loseNews(() => {
        const oifs = [{ vif: 1, ttlThreshold: 1 }];
        kernel.apply([{ op: 'put-mfc', source, group, iif: 0, oifs, isLearned: false }]);
      });
      engine.audit();
      assert.deepEqual(send('eth0', 1, family), ['eth1', 'eth2']);
      remove('cli', `(*, ${prefix}) eth0 >`);
      await settle();
      assert.deepEqual(send('eth0', 1, family), []);
    });

    it(`is found by the audits of a large table one after the other, ${family}`, () => {
      const { engine, put, kernel, notes } = openEngine({ entriesPerAudit: 3 });
      const groups = [1, 2, 3, 4, 5, 6, 7].map((n) => testGroup(family, n));
      put('cli', ...groups.map((each) => `(${formatAddress(source)}, ${formatAddress(each)}) eth0 > eth1`));
      put('cli', `(*, ${formatAddress(testGroup(family, 8))}) eth0 > eth1`);
      const counters = () => kernel.readCounters(family, [...groups.map((each) => ({ source, group: each }))]);
      kernel.loseNews(() => {
        for (const each of groups) kernel.deleteMfc(source, each);
        kernel.apply([{ op: 'delete-proxy', group: testGroup(family, 8), iif: 0 }]);
      });
      notes.length = 0;
      for (const found of [3, 6, 8]) {
        engine.audit();
        assert.equal(notes.length, found);
      }
      assert.ok(counters().every((each) => each !== undefined));
      notes.length = 0;
      for (let audit = 0; audit < 6; audit++) engine.audit();
      assert.deepEqual(notes, []);
    });

    it(`is repaired and noted: mrules, ${family}`, async () => {
      const { put, kernel, send, notes } = openEngine();
      put('cli', `(*, ${text}) eth0 > eth1`);
      const rule = kernel.listMrules().find(({ direction, interface: name }) => direction === 'iif' && name === 'eth0');
      assert.ok(rule !== undefined);
      kernel.deleteMrule(rule);
      assert.deepEqual(send('eth0', 1, family), []);
      await settle();
      assert.deepEqual(send('eth0', 1, family), ['eth1']);
      assert.deepEqual(notes, [{ note: 'mrule was removed by another program', rule }]);
    });
  }

  it('is told from what the engine does itself', async () => {
    const { put, remove, engine, kernel, notes } = openEngine();
    for (let round = 0; round < 3; round++) {
      put('cli', `(*, ${G}) eth0 > eth1`, `(*, ${G}) eth2 > eth3`, `(${S}, ${OTHER_G}) eth0 > eth2`);
      remove('cli', `(*, ${G}) eth0 >`);
      remove('cli', `(${S}, ${OTHER_G}) eth0 >`);
      engine.replace('cli', [], APPLY);
      put('cli', `(*, ${G}) eth2 > eth3`);
      await settle();
    }
    kernel.setLink(fakeLink(9, 'nobody0'));
    engine.audit();
    await settle();
    assert.deepEqual(notes, []);
  });
});

describe('learned flows', () => {
  it('are dropped by a flush, which says how many there were', () => {
    const { engine, put, send, kernel } = openEngine();
    put('cli', '(*, 239.1.0.0/24) eth0 > eth1', '(*, ff1e::/64) eth0 > eth2');
    send('eth0', 1);
    send('eth0', 2);
    send('eth0', 1, 'ipv6');
    assert.equal(engine.flush(), 3);
    assert.deepEqual([...kernel.listMfc('ipv4'), ...kernel.listMfc('ipv6')], []);
    assert.equal(engine.flush(), 0);
    assert.deepEqual(send('eth0', 1), ['eth1']);
  });

  it('go when they have been idle for the timeout, by the clock that the engine is given', () => {
    const { engine, put, send, kernel } = openEngine({ cacheTimeoutMs: 60_000 });
    put('cli', '(*, 239.1.0.0/24) eth0 > eth1', `(${S}, 239.3.0.1) eth0 > eth1`);
    const groups = () => kernel.listMfc('ipv4').map(({ group }) => formatAddress(group));
    send('eth0', 1, 'ipv4', 1);
    send('eth0', 1, 'ipv4', 2);
    engine.expireIdle(1_000);
    send('eth0', 1, 'ipv4', 2);
    engine.expireIdle(31_000);
    engine.expireIdle(60_999);
    assert.deepEqual(groups().sort(), ['239.1.0.1', '239.1.0.2', '239.3.0.1']);
    engine.expireIdle(61_000);
    assert.deepEqual(groups().sort(), ['239.1.0.2', '239.3.0.1']);
    engine.expireIdle(91_000);
    // What a rule names stays.
    assert.deepEqual(groups(), ['239.3.0.1']);
  });

  it('stay for ever with a timeout of 0', () => {
    const { engine, put, send, kernel } = openEngine({ cacheTimeoutMs: 0 });
    put('cli', '(*, 239.1.0.0/24) eth0 > eth1');
    send('eth0');
    for (const now of [0, 1e6, 1e9]) engine.expireIdle(now);
    assert.equal(kernel.listMfc('ipv4').length, 1);
  });

  it('are known again after the events about them were lost', async () => {
    const { engine, put, send, kernel, notes } = openEngine();
    put('cli', '(*, 239.1.0.0/24) eth0 > eth1');
    send('eth0', 1);
    send('eth0', 2);
    kernel.loseUpcalls();
    await settle();
    assert.deepEqual(notes, [{ note: 'events were lost', from: 'upcalls' }]);
    assert.equal(engine.flush(), 2);
  });
});

describe('what the kernel refuses', () => {
  const cases: readonly { readonly op: Operation['op']; readonly code: string; readonly wish: Resource }[] = [
    { op: 'put-proxy', code: 'ENOMEM', wish: mroute(`(*, ${G}) eth0 > eth1`) },
    { op: 'put-mfc', code: 'ENOMEM', wish: mroute(`(${S}, ${G}) eth0 > eth1`) },
    { op: 'add-vif', code: 'EADDRINUSE', wish: mroute(`(*, ${G}) eth0 > eth1`) },
    { op: 'add-mrule', code: 'EPERM', wish: mroute(`(*, ${G}) eth0 > eth1`) },
    { op: 'join', code: 'ENOBUFS', wish: membership(`(*, ${G}) eth0`) },
  ];
  for (const { op, code, wish } of cases) {
    it(`fails its entry with the cause until the audit succeeds: ${op}`, async () => {
      const { engine, kernel, notes, changes } = openEngine();
      const key = formatResourceKey(wish.key);
      const status = () => entriesOf(engine, wish.key)[0]?.status;
      kernel.failNext(op, code);
      const [result] = engine.apply('cli', [putOf(wish)], APPLY).results;
      assert.equal(result?.entry?.status.state, 'failed');
      assert.equal(result.entry.status.failure?.code, code);
      assert.ok(result.entry.status.failure.text.length > 0);
      assert.ok(notes.some((note) => note.note === 'operation failed' && note.failure.code === code));
      changes.length = 0;
      kernel.failNext(op, code);
      engine.audit();
      assert.equal(status()?.state, 'failed');
      engine.audit();
      assert.equal(status()?.state, 'programmed');
      assert.equal(status()?.failure, undefined);
      assert.deepEqual(changes.at(-1)?.keys, [key]);
      await settle();
      assert.equal(status()?.state, 'programmed');
    });
  }

  it('does not keep other entries from the kernel', () => {
    const { put, kernel, state, send } = openEngine();
    kernel.failNext('put-proxy', 'ENOMEM');
    put('cli', `(*, ${G}) eth0 > eth1`, `(*, ${OTHER_G}) eth0 > eth2`);
    assert.equal(state(`(*, ${G}) eth0 >`), 'failed');
    assert.equal(state(`(*, ${OTHER_G}) eth0 >`), 'programmed');
    assert.deepEqual(send('eth0', 1, 'ipv4', 2), ['eth2']);
  });
});
