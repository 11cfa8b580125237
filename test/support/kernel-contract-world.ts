// The part of the kernels' contract that is about what surrounds a table: mrules, interfaces, joins.
import assert from 'node:assert/strict';
import type { Operation } from '../../src/agent/kernel/port.js';
import type { Mrule } from '../../src/model/mrule.js';
import { sameAddress } from '../../src/model/address.js';
import type { TableUnderTest, Test } from './kernel-bench.js';

export function describeMrules(test: Test): void {
  test('packets come to the table by its mrules', async (table) => {
    table.do(table.put(0, [1]), table.put(1, [0], 2));
    table.do({ op: 'delete-mrule', rule: table.mrule('eth0') });
    assert.deepEqual(await table.send('eth0'), []);
    assert.deepEqual(await table.send('eth1', 64, 2), ['eth0']);
  });

  test('an mrule that is there already, or gone already, is as it was wanted', (table) => {
    const rule = table.mrule('eth0');
    assert.deepEqual(table.do({ op: 'add-mrule', rule }, { op: 'add-mrule', rule }), ['done', 'done']);
    assert.equal(table.bench.kernel.listMrules().filter((each) => isSame(each, rule)).length, 1);
    assert.deepEqual(table.do({ op: 'delete-mrule', rule }, { op: 'delete-mrule', rule }), ['done', 'done']);
    assert.deepEqual(
      table.bench.kernel.listMrules().filter((each) => isSame(each, rule)),
      [],
    );
  });

  test('an mrule may name an interface that is not there', (table) => {
    const rule = table.mrule('away0');
    assert.deepEqual(table.do({ op: 'add-mrule', rule }, { op: 'delete-mrule', rule }), ['done', 'done']);
  });

  test('mrules that come and go are told, those of others and our own', async ({ heard, ...table }) => {
    const rule: Mrule = { ...table.mrule('away1'), table: 99, priority: 77, protocol: 0, direction: 'oif' };
    table.bench.addMrule(rule);
    await heard.wait('mrule', (event) => isSame(event.rule, rule));
    assert.ok(table.bench.kernel.listMrules().some((each) => isSame(each, rule)));
    table.bench.deleteMrule(rule);
    await heard.wait('mrule-gone', (event) => isSame(event.rule, rule));
    const own = table.mrule('away2');
    table.do({ op: 'add-mrule', rule: own });
    await heard.wait('mrule', (event) => isSame(event.rule, own));
    table.do({ op: 'delete-mrule', rule: own });
    await heard.wait('mrule-gone', (event) => isSame(event.rule, own));
  });
}

export function describeLinks(test: Test): void {
  test('interfaces that come, change and go are told and listed', async ({ heard, ...table }) => {
    const { bench } = table;
    await bench.addLink('new0');
    const { link } = await heard.wait('link', (event) => event.link.name === 'new0' && event.link.isUp);
    assert.equal(link.ifindex, table.ifindex('new0'));
    assert.equal(link.hasMulticast, true);
    assert.equal(link.isLoopback, false);
    bench.setDown('new0');
    await heard.wait('link', (event) => event.link.ifindex === link.ifindex && !event.link.isUp);
    bench.renameLink('new0', 'other0');
    await heard.wait('link', (event) => event.link.ifindex === link.ifindex && event.link.name === 'other0');
    assert.equal(table.ifindex('other0'), link.ifindex);
    bench.removeLink('other0');
    await heard.wait('link-gone', (event) => event.ifindex === link.ifindex);
    assert.equal(
      bench.kernel.listLinks().find((each) => each.ifindex === link.ifindex),
      undefined,
    );
  });

  test('settings of interfaces can be read, and that they change is told', async ({ heard, ...table }) => {
    const { bench } = table;
    assert.equal(bench.kernel.readSetting('ipv4', 'eth0', 'rp_filter'), 0);
    bench.setRpFilter('eth0', 1);
    await heard.wait('settings');
    assert.equal(bench.kernel.readSetting('ipv4', 'eth0', 'rp_filter'), 1);
    bench.setRpFilter('eth0', 0);
    assert.equal(bench.kernel.readSetting(table.family, 'away0', 'disable_ipv6'), undefined);
  });
}

export function describeJoins(test: Test): void {
  test('a group is joined until it is left, both as often as one likes', (table) => {
    const ifindex = table.ifindex('eth0');
    const key = { ifindex, group: table.group, source: undefined };
    assert.deepEqual(table.do({ op: 'join', ...key }, { op: 'join', ...key }), ['done', 'done']);
    assert.equal(table.bench.isJoined(ifindex, table.group), true);
    assert.deepEqual(table.do({ op: 'leave', ...key }, { op: 'leave', ...key }), ['done', 'done']);
    assert.equal(table.bench.isJoined(ifindex, table.group), false);
  });

  test('joins of one group from any source and from some stand beside each other', (table) => {
    const ifindex = table.ifindex('eth0');
    const joins = [undefined, table.sources[1], table.sources[2]].map((source) => ({
      ifindex,
      group: table.group,
      source,
    }));
    assert.deepEqual(table.do(...joins.map((key): Operation => ({ op: 'join', ...key }))), ['done', 'done', 'done']);
    for (const key of joins) {
      assert.equal(table.bench.isJoined(ifindex, table.group), true);
      assert.deepEqual(table.do({ op: 'leave', ...key }), ['done']);
    }
    assert.equal(table.bench.isJoined(ifindex, table.group), false);
  });

  test('joins go with their interface and are made again on the one that returns', async (table) => {
    const { bench, group } = table;
    await bench.addLink('extra0');
    const old = table.ifindex('extra0');
    assert.deepEqual(table.do({ op: 'join', ifindex: old, group, source: undefined }), ['done']);
    bench.removeLink('extra0');
    assert.deepEqual(table.do({ op: 'join', ifindex: 9_999, group, source: undefined }), ['ENODEV']);
    await bench.addLink('extra0');
    const ifindex = table.ifindex('extra0');
    assert.equal(bench.isJoined(ifindex, group), false);
    assert.deepEqual(table.do({ op: 'leave', ifindex: old, group, source: undefined }), ['done']);
    assert.deepEqual(table.do({ op: 'join', ifindex, group, source: undefined }), ['done']);
    assert.equal(bench.isJoined(ifindex, group), true);
    bench.removeLink('extra0');
  });
}

/** What an agent finds that comes after another. */
export function describeHeldState(test: Test): void {
  const held = ({ bench, family }: TableUnderTest) =>
    bench.kernel.readHeldState().find((state) => state.family === family) ?? assert.fail(`nothing of ${family}`);

  test('the vifs that are there are told with their interfaces, holes or not', async ({ family, ...table }) => {
    const { bench } = table;
    await bench.addLink('extra0');
    table.do({ op: 'add-vif', family, vif: 9, ifindex: table.ifindex('extra0') }, { op: 'delete-vif', family, vif: 1 });
    const vifs = () => new Map([...held({ family, ...table }).vifs].filter(([vif]) => vif < 10));
    const expected = [0, 2].map((vif) => [vif, table.ifindex(`eth${vif}`)] as const);
    assert.deepEqual(vifs(), new Map([...expected, [9, table.ifindex('extra0')]]));
    bench.removeLink('extra0');
    assert.deepEqual(vifs(), new Map(expected));
  });

  test('the (*,G) entries of a group are told from the oldest to the newest, with what they were changed to', (table) => {
    table.do(table.putProxy(2, [1]), table.putProxy(0, [1]), table.putProxy(1, [2]), table.putProxy(2, [0]));
    const iifs = () =>
      held(table).entries.flatMap(({ source, group, iif }) =>
        source === undefined && sameAddress(group, table.group) ? [iif] : [],
      );
    assert.deepEqual(
      iifs(),
      [2, 0, 1].map((vif) => table.ifindex(`eth${vif}`)),
    );
    table.do(table.deleteProxy(0), table.putProxy(0, [1]));
    assert.deepEqual(
      iifs(),
      [2, 1, 0].map((vif) => table.ifindex(`eth${vif}`)),
    );
  });

  test('joins are told, and those of others are not', (table) => {
    const { group, sources } = table;
    const ifindex = table.ifindex('eth1');
    const joins = [undefined, sources[1], sources[3]].map((source) => ({ ifindex, group, source }));
    table.do(...joins.map((key): Operation => ({ op: 'join', ...key })));
    const found = () => held(table).joins.map((join) => JSON.stringify({ ...join }));
    assert.deepEqual(found().sort(), joins.map((join) => JSON.stringify(join)).sort());
    table.do(...joins.map((key): Operation => ({ op: 'leave', ...key })));
    assert.deepEqual(found(), []);
  });

  test('the names of vif numbers are as they were noted last', ({ family, ...table }) => {
    const { kernel } = table.bench;
    const names = new Map([
      [0, { name: 'eth0', isUnused: false }],
      [31, { name: 'a-long-name-123', isUnused: true }],
    ]);
    kernel.noteVifNames(family, names);
    assert.deepEqual(held({ family, ...table }).vifNames, names);
    kernel.noteVifNames(family, new Map());
    assert.deepEqual(held({ family, ...table }).vifNames, new Map());
  });
}

function isSame(a: Mrule, b: Mrule): boolean {
  return JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
}
