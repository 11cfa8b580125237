// What the core may rely on, whatever kernel is behind the port: one suite for the fake kernel and the real one.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { Operation } from '../../src/agent/kernel/port.js';
import { type Address, FAMILIES, sameAddress } from '../../src/model/address.js';
import {
  type EventOf,
  Heard,
  type KernelBench,
  type TableUnderTest,
  type Test,
  tableUnderTest,
} from './kernel-bench.js';
import { describeHeldState, describeJoins, describeLinks, describeMrules } from './kernel-contract-world.js';

/** Declares the suite. `open` is called once for each family. */
export function describeKernelContract(name: string, open: () => Promise<KernelBench>): void {
  for (const family of FAMILIES) {
    describe(`${name}, ${family}`, () => {
      let bench: KernelBench;
      let heard: Heard;
      let table: TableUnderTest;

      before(async () => {
        bench = await open();
        heard = new Heard();
        bench.kernel.onEvent((event) => {
          heard.hear(event);
        });
      });
      after(() => {
        bench[Symbol.dispose]();
      });
      beforeEach(() => {
        table = tableUnderTest(bench, family, heard);
        table.addVifs();
        table.do(...table.mrules().map((rule): Operation => ({ op: 'add-mrule', rule })));
      });
      afterEach(() => {
        table.do(...table.mrules().map((rule): Operation => ({ op: 'delete-mrule', rule })));
        table.setUpcallRules([]);
        bench.kernel.setWrongVifUpcalls(family, false);
        bench.kernel.flush();
        bench.kernel.drainUpcalls();
      });

      const test: Test = (promise, run) => {
        it(promise, async () => {
          await run(table);
        });
      };
      describeVifs(test);
      describeSourceEntries(test);
      describeProxies(test);
      describeUpcalls(test);
      describeMrules(test);
      describeLinks(test);
      describeJoins(test);
      describeHeldState(test);
      describeWhole(test);
    });
  }
}

function describeVifs(test: Test): void {
  test('a vif number is taken once, by an interface that is there', ({ family, ...table }) => {
    const add = (vif: number, ifindex: number): Operation => ({ op: 'add-vif', family, vif, ifindex });
    assert.deepEqual(table.do(add(0, table.ifindex('eth1'))), ['EADDRINUSE']);
    assert.deepEqual(table.do(add(7, 9_999)), ['EADDRNOTAVAIL']);
    assert.deepEqual(table.do(add(7, table.ifindex('eth1'))), ['done']);
  });

  test('deleting a vif that is not there is done', ({ family, ...table }) => {
    const remove: Operation = { op: 'delete-vif', family, vif: 1 };
    assert.deepEqual(table.do(remove, remove), ['done', 'done']);
    assert.deepEqual(table.do({ op: 'add-vif', family, vif: 1, ifindex: table.ifindex('eth1') }), ['done']);
  });

  test('a vif goes with its interface, and its number serves the one that returns', async ({ family, ...table }) => {
    const { bench } = table;
    table.do(table.put(0, [2]));
    await bench.addLink('extra0');
    const added: Operation = { op: 'add-vif', family, vif: 8, ifindex: table.ifindex('extra0') };
    assert.deepEqual(table.do(added), ['done']);
    table.do(table.put(0, [2, 8]));
    assert.deepEqual(await table.send('eth0'), ['eth2', 'extra0']);
    bench.removeLink('extra0');
    assert.deepEqual(await table.send('eth0'), ['eth2']);
    await bench.addLink('extra0');
    assert.deepEqual(await table.send('eth0'), ['eth2']);
    assert.deepEqual(table.do({ ...added, ifindex: table.ifindex('extra0') }), ['done']);
    // The entry names the number still.
    assert.deepEqual(await table.send('eth0'), ['eth2', 'extra0']);
    bench.removeLink('extra0');
  });
}

function describeSourceEntries(test: Test): void {
  test('an (S,G) entry forwards from its iif only, and counts the rest', async (table) => {
    table.do(table.put(0, [1, 2]));
    assert.deepEqual(await table.send('eth0'), ['eth1', 'eth2']);
    assert.deepEqual(await table.send('eth1'), []);
    assert.deepEqual(table.counts(table.source), { packets: 2n, wrongIf: 1n });
  });

  test('an entry is changed in place: it keeps its counters, also with another iif', async (table) => {
    table.do(table.put(0, [1]));
    await table.send('eth0');
    table.do(table.put(2, [0, 1]));
    assert.deepEqual(await table.send('eth2'), ['eth0', 'eth1']);
    assert.deepEqual(table.counts(table.source), { packets: 2n, wrongIf: 0n });
    assert.deepEqual(table.entries(), ['S eth2 > eth0@1 eth1@1']);
  });

  test('packets go back where they came from if the iif is among the oifs', async (table) => {
    table.do(table.put(0, [0, 1]));
    assert.deepEqual(await table.send('eth0'), ['eth0', 'eth1']);
  });

  test('packets leave with a TTL above the threshold only; IPv6 has none', async (table) => {
    table.do({ ...table.put(0, []), oifs: [{ vif: 1, ttlThreshold: table.family === 'ipv4' ? 9 : 1 }] });
    assert.deepEqual(await table.send('eth0', 9), table.family === 'ipv4' ? [] : ['eth1']);
    assert.deepEqual(await table.send('eth0', 10), ['eth1']);
  });

  test('an oif whose vif is not there is left out, until the entry is put again', async ({ family, ...table }) => {
    table.do({ op: 'delete-vif', family, vif: 2 });
    table.do(table.put(0, [1, 2]));
    table.do({ op: 'add-vif', family, vif: 2, ifindex: table.ifindex('eth2') });
    assert.deepEqual(await table.send('eth0'), ['eth1']);
    table.do(table.put(0, [1, 2]));
    assert.deepEqual(await table.send('eth0'), ['eth1', 'eth2']);
  });

  test('an entry that is deleted is gone; what is not there is answered with ENOENT', (table) => {
    table.do(table.put(0, [1]));
    assert.deepEqual(table.do(table.delete(), table.delete()), ['done', 'ENOENT']);
    assert.equal(table.counts(table.source), undefined);
    assert.deepEqual(table.entries(), []);
  });

  test('that an entry is deleted is told, whoever does it', async ({ heard, ...table }) => {
    table.do(table.put(0, [1]));
    table.bench.deleteMfc(table.source, table.group, 0);
    await heard.wait('mfc-gone', (event) => isOf(event, table.source, table.group));
    assert.equal(table.counts(table.source), undefined);
    // So are deletions of our own.
    table.do(table.put(0, [1]), table.delete());
    await heard.wait('mfc-gone', (event) => isOf(event, table.source, table.group));
  });
}

function describeProxies(test: Test): void {
  test('a (*,G) entry forwards every source from its iif, from the first packet on', async (table) => {
    table.do(table.putProxy(0, [1, 2]));
    assert.deepEqual(await table.send('eth0'), ['eth1', 'eth2']);
    assert.deepEqual(await table.send('eth0', 64, 2), ['eth1', 'eth2']);
    // An oif is not an iif.
    assert.deepEqual(await table.send('eth1'), []);
    assert.deepEqual(table.counts(undefined), { packets: 3n, wrongIf: 1n });
    assert.deepEqual(table.entries(), ['* eth0 > eth1@1 eth2@1']);
  });

  test('of the (*,G) entries that name a vif the newest decides', async (table) => {
    table.do(table.putProxy(0, [1]), table.putProxy(1, [0]));
    assert.deepEqual(await table.send('eth0'), []);
    assert.deepEqual(await table.send('eth1'), ['eth0']);
  });

  test('a (*,G) entry that is put again keeps its place, and is the newest after it was deleted', async (table) => {
    table.do(table.putProxy(0, [1]), table.putProxy(1, [0]), table.putProxy(0, [1, 2]));
    assert.deepEqual(await table.send('eth0'), []);
    table.do(table.deleteProxy(0), table.putProxy(0, [1, 2]));
    assert.deepEqual(await table.send('eth0'), ['eth1', 'eth2']);
    assert.deepEqual(await table.send('eth1'), []);
  });

  test('an (S,G) entry comes before all (*,G) entries, also on another iif', async (table) => {
    table.do(table.putProxy(0, [2]), table.put(1, [0]));
    assert.deepEqual(await table.send('eth0'), []);
    assert.deepEqual(await table.send('eth0', 64, 2), ['eth2']);
    table.do(table.delete());
    assert.deepEqual(await table.send('eth0'), ['eth2']);
  });

  test('a (*,G) entry is deleted by its iif; what is not there is answered with ENOENT', (table) => {
    table.do(table.putProxy(0, [1]));
    assert.deepEqual(table.do(table.deleteProxy(1), table.deleteProxy(0), table.deleteProxy(0)), [
      'ENOENT',
      'done',
      'ENOENT',
    ]);
    assert.equal(table.counts(undefined), undefined);
  });

  test('someone else deleting a (*,G) entry is told, without its iif', async ({ heard, ...table }) => {
    table.do(table.putProxy(0, [1]));
    table.bench.deleteMfc(undefined, table.group, 0);
    await heard.wait('mfc-gone', (event) => isOf(event, undefined, table.group));
    assert.equal(table.counts(undefined), undefined);
  });
}

function describeUpcalls(test: Test): void {
  test('the first packet of a flow that a rule wants is delivered, and the flow learned', async ({
    heard,
    ...table
  }) => {
    table.setUpcallRules([table.rule(0, [1])]);
    assert.deepEqual(await table.send('eth0'), ['eth1']);
    await heard.wait('upcalls');
    const flow = { source: table.source, group: table.group, iif: 0, oifs: table.oifs([1]) };
    assert.deepEqual(table.drain(), [{ event: 'learned', flow, arrival: 0 }]);
    assert.deepEqual(table.drain(), []);
    assert.deepEqual(await table.send('eth0'), ['eth1']);
    assert.deepEqual(table.counts(table.source), { packets: 2n, wrongIf: 0n });
  });

  test('a flow that no rule wants is learned without oifs', async (table) => {
    table.setUpcallRules([table.rule(1, [2])]);
    assert.deepEqual(await table.send('eth0'), []);
    assert.deepEqual(table.learned(), [{ source: table.source, group: table.group, iif: 1, oifs: table.oifs([2]) }]);
    table.setUpcallRules([]);
    assert.deepEqual(await table.send('eth0', 64, 2), []);
    assert.deepEqual(table.learned(), [{ source: table.sources[2], group: table.group, iif: 0, oifs: [] }]);
  });

  test('the rules of the last call are those that answer', async (table) => {
    table.setUpcallRules([table.rule(0, [1])]);
    table.setUpcallRules([table.rule(0, [2])]);
    assert.deepEqual(await table.send('eth0'), ['eth2']);
    table.setUpcallRules([]);
    assert.deepEqual(await table.send('eth0', 64, 2), []);
  });

  test('a flow that is left alone has an answer when other rules come', async (table) => {
    // No iif is for upcalls: an entry for one of the two that the source may use could be in the way of the other.
    table.setUpcallRules([table.rule(0, [2]), table.rule(1, [2])], 0);
    assert.deepEqual(await table.send('eth2'), []);
    assert.deepEqual(table.learned(), []);
    assert.equal(table.counts(table.source), undefined);
    table.setUpcallRules([table.rule(0, [1])]);
    assert.deepEqual(table.learned(), [{ source: table.source, group: table.group, iif: 0, oifs: table.oifs([1]) }]);
  });

  test('a learned entry can be changed and deleted; then the flow is learned again', async (table) => {
    table.setUpcallRules([table.rule(0, [1])]);
    await table.send('eth0');
    table.drain();
    table.do({ ...table.put(0, [2]), isLearned: true });
    assert.deepEqual(await table.send('eth0'), ['eth2']);
    assert.deepEqual(table.drain(), []);
    table.bench.kernel.touchLearned([
      { source: table.source, group: table.group },
      { source: table.sources[2], group: table.group },
    ]);
    const remove: Operation = { ...table.delete(), isLearned: true };
    assert.deepEqual(table.do(remove, remove), ['done', 'ENOENT']);
    assert.deepEqual(await table.send('eth0'), ['eth1']);
    assert.equal(table.drain()[0]?.event, 'learned');
  });

  test('a source that moves is followed if that is asked for', async (table) => {
    table.setUpcallRules([table.rule(0, [2]), table.rule(1, [2])]);
    assert.deepEqual(await table.send('eth0'), ['eth2']);
    assert.deepEqual(await table.send('eth1'), []);
    assert.deepEqual(await table.send('eth1'), []);
    table.drain();
    table.bench.kernel.setWrongVifUpcalls(table.family, true);
    table.bench.kernel.setWrongVifUpcalls(table.family, true);
    assert.deepEqual(await table.send('eth1'), []);
    const flow = { source: table.source, group: table.group, iif: 1, oifs: table.oifs([2]) };
    assert.deepEqual(table.drain(), [{ event: 'moved', flow, arrival: 1 }]);
    assert.deepEqual(await table.send('eth1'), ['eth2']);
  });
}

function describeWhole(test: Test): void {
  test('each operation has its own result, and one that fails does not stop the others', async ({
    family,
    ...table
  }) => {
    const results = table.do(
      table.put(0, [1]),
      { op: 'add-vif', family, vif: 0, ifindex: table.ifindex('eth1') },
      table.delete(3),
      table.putProxy(0, [2]),
      { op: 'join', ifindex: 9_999, group: table.group, source: undefined },
      { ...table.put(0, [2], 2), isLearned: true },
    );
    assert.deepEqual(results, ['done', 'EADDRINUSE', 'ENOENT', 'done', 'ENODEV', 'done']);
    assert.deepEqual(await table.send('eth0'), ['eth1']);
    assert.deepEqual(await table.send('eth0', 64, 2), ['eth2']);
    assert.deepEqual(table.bench.kernel.apply([]), []);
  });

  test('a refusal has a code, the call that was refused and a sentence', ({ family, ...table }) => {
    const [failure] = table.bench.kernel.apply([{ op: 'add-vif', family, vif: 7, ifindex: 9_999 }]);
    assert.equal(failure?.code, 'EADDRNOTAVAIL');
    assert.ok(failure.syscall.length > 0);
    assert.match(failure.text, /EADDRNOTAVAIL/);
  });

  test('flush removes entries, vifs and joins, and the table can be filled again', async (table) => {
    const ifindex = table.ifindex('eth0');
    table.do(table.put(0, [1]), table.putProxy(0, [2]), { op: 'join', ifindex, group: table.group, source: undefined });
    table.bench.kernel.flush();
    assert.deepEqual(table.entries(), []);
    assert.equal(table.counts(table.source), undefined);
    assert.equal(table.bench.isJoined(ifindex, table.group), false);
    table.addVifs();
    table.do(table.put(0, [1]));
    assert.deepEqual(await table.send('eth0'), ['eth1']);
  });
}

function isOf(event: EventOf<'mfc-gone'>, source: Address | undefined, group: Address): boolean {
  const isSource =
    source === undefined ? event.source === undefined : event.source !== undefined && sameAddress(event.source, source);
  return isSource && sameAddress(event.group, group);
}
