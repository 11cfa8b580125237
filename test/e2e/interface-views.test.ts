// What `mcctl show` and `smcroutectl show` tell of interfaces that are late, gone, back, renamed, enslaved, or too many.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { projectFile } from '../support/launcher.js';
import { addBridge, plainEnvironment } from '../support/namespaces.js';
import { openTraffic } from '../support/traffic.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { type Router, openRouter } from './router.js';
import { membership, route } from './table-client.js';

/** Of `mcctl -o json show pending`. */
interface PendingDocument {
  readonly state: string;
  readonly missing: readonly { readonly reason: string; readonly interface: string }[];
}

/** Of `mcctl -o json show interfaces`. */
interface InterfaceDocument {
  readonly name: string;
  readonly ifindex: number | null;
  readonly up: boolean;
  readonly ipv4_vif: number | null;
  readonly ipv6_vif: number | null;
  readonly master: string | null;
}

let router: Router;

before(async () => {
  router = await openRouter({ senders: 2, receivers: 2 });
});

after(() => {
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.clear();
  const links = router.namespace.ipJson('link show') as readonly { readonly ifname: string }[];
  for (const { ifname } of links) if (/^(new0|other0|br0|many\d+)$/.test(ifname)) router.namespace.delete(ifname);
});

describe('show, of an interface', () => {
  for (const family of FAMILY_CASES) viewTests(family);

  it('that is the 33rd: it waits for a number, which nobody else loses; the others say which they have', async () => {
    const names = Array.from({ length: 33 }, (_, n) => `many${n}`);
    router.namespace.ip(...names.map((name) => `link add ${name} type bridge`));
    await router.table.put(
      ...FAMILY_CASES.flatMap((family) => names.map((name, n) => route('in0', family.group(n + 1), [name]))),
    );
    // in0 has one of 32, so 31 of the 33 find one.
    const late = names.slice(31);
    assert.deepEqual(
      pending().map((each) => [each.state, each.missing.map((one) => [one.reason, one.interface])]),
      FAMILY_CASES.flatMap(() => late.map((name) => ['pending', [['VIF_LIMIT', name]]])),
    );
    assert.match(router.agent.ctl('show', 'pending'), /many31 .*32/);
    const shown = interfaces();
    const ofAll = names.map((name) => numbersOf(shown.find((each) => each.name === name)));
    assert.deepEqual(ofAll.slice(31), [
      [null, null],
      [null, null],
    ]);
    assert.equal(new Set(ofAll.slice(0, 31).map(String)).size, 31);
    const known = controlInterfaces();
    assert.deepEqual(
      names.map((name) => known.get(name)),
      ofAll,
    );
    const waiting = control('-t', 'show', 'pending');
    for (const name of late) assert.ok(waiting.includes(` to ${name}\n`), waiting);
    // One that goes away keeps its number as long as a rule wants it; without the rule it goes to the next.
    await router.table.delete(...FAMILY_CASES.map((family) => route('in0', family.group(1), ['many0'])));
    assert.deepEqual(pending().length, FAMILY_CASES.length);
    assert.deepEqual(numbersOf(interfaceOf('many31')), ofAll[0]);
  });
});

function viewTests(family: FamilyCase): void {
  const group = family.group(1);
  const shot = { iif: 'in0', source: family.source(1), group };
  const rule = route('in0', group, ['new0']);
  const join = membership('new0', group);
  const vif = `${family.family}_vif` as const;

  /** Makes `new0`, as a link that something else is behind. */
  const addLate = (name = 'new0') => {
    router.namespace.ip(`link add ${name} type veth peer name its-peer`, 'link set its-peer up');
    router.namespace.setUp(name);
  };

  it(`that is late: named in pending by all that waits for it, and absent; then it has a number (${family.family})`, async () => {
    await router.table.put(rule, join);
    await untilPending([rule, join], 'new0');
    const text = router.agent.ctl('show', 'pending');
    assert.ok(text.includes(`route (*, ${group}) in0`), text);
    assert.ok(text.includes(`join (*, ${group}) new0`), text);
    assert.deepEqual([interfaceOf('new0')?.ifindex, interfaceOf('new0')?.[vif]], [null, null]);
    assert.match(router.agent.ctl('show', 'interfaces'), /^new0 .*absent/m);
    assert.equal(
      control('-t', 'show', 'pending'),
      `mgroup  from new0 group ${group}\nmroute  from in0 group ${group} to new0\n\n`,
    );
    assert.equal(controlInterface('new0'), undefined);

    addLate();
    await untilNothingPending();
    const { ifindex, up } = interfaceOf('new0') ?? {};
    assert.deepEqual([ifindex, up], [router.namespace.ifindex('new0'), true]);
    assert.equal(typeof interfaceOf('new0')?.[vif], 'number');
    assert.deepEqual(controlInterface('new0'), numbersOf(interfaceOf('new0')));
    assert.match(control('-t', 'show', 'pending'), /^No pending/);
  });

  it(`that is removed and made again: pending meanwhile, then with a new index and its number (${family.family})`, async () => {
    addLate();
    await router.table.put(rule, join);
    await untilNothingPending();
    const before = interfaceOf('new0');
    router.namespace.delete('new0');
    await untilPending([rule, join], 'new0');
    assert.match(router.agent.ctl('show', 'interfaces'), /^new0 .*absent/m);
    addLate();
    await untilNothingPending();
    const now = interfaceOf('new0');
    assert.notEqual(now?.ifindex, before?.ifindex);
    assert.deepEqual(numbersOf(now), numbersOf(before));
  });

  it(`that is renamed: its old name is waited for, the new one has what is wanted of it (${family.family})`, async () => {
    addLate();
    const ofNew = route('in0', family.group(2), ['other0']);
    await router.table.put(rule, ofNew);
    await untilPending([ofNew], 'other0');
    router.namespace.rename('new0', 'other0');
    await untilPending([rule], 'new0');
    assert.equal(typeof interfaceOf('other0')?.[vif], 'number');
    assert.equal(interfaceOf('new0')?.ifindex, null);
    assert.equal(control('-t', 'show', 'pending'), `mroute  from in0 group ${group} to new0\n\n`);
    router.namespace.rename('other0', 'new0');
    await untilPending([ofNew], 'other0');
    assert.equal(typeof interfaceOf('new0')?.[vif], 'number');
  });

  it(`that is enslaved to a bridge: its master, and no iif any more until it leaves it (${family.family})`, async () => {
    const fromPort = route('in0', family.group(2), ['out1']);
    await router.table.put(route('br0', group, ['out2']), fromPort);
    await untilPending([route('br0', group, [])], 'br0');
    assert.deepEqual(await router.send({ ...shot, group: family.group(2) }), ['out1']);
    addBridge(router.namespace, 'br0', ['in0'], { snooping: false });
    await untilPending([fromPort], 'in0', 'BRIDGE_PORT');
    assert.match(
      router.agent.ctl('show', 'pending'),
      /in0 is a port of the bridge br0, which takes its packets: use br0 as iif/,
    );
    assert.equal(control('-t', 'show', 'pending'), `mroute  from in0 group ${family.group(2)} to out1\n\n`);
    assert.equal(interfaceOf('in0')?.master, 'br0');
    assert.match(router.agent.ctl('show', 'interfaces'), /^in0 .* br0 .*veth/m);
    assert.deepEqual([interfaceOf('in0')?.[vif], controlInterface('in0')], [null, numbersOf(interfaceOf('in0'))]);
    assert.deepEqual(await router.send(shot), ['out2'], 'they arrive on the bridge');
    assert.deepEqual(await router.send({ ...shot, group: family.group(2) }), []);
    router.namespace.delete('br0');
    await untilPending([route('br0', group, [])], 'br0');
    assert.equal(interfaceOf('in0')?.master, null);
    assert.deepEqual(await router.send({ ...shot, group: family.group(2) }), ['out1']);
  });

  it(`that is enslaved to a bridge and freed again: flows from others lose nothing (${family.family})`, async () => {
    const groups = [group, family.group(2)];
    const fromPort = route('in0', group, ['out1', 'out2']);
    await router.table.put(fromPort, route('in1', group, ['out1']), route('in+', family.groupPrefix, ['out1']));
    using from = openTraffic(router.topology.sender(1).namespace);
    using to = openTraffic(router.topology.receiver(1).namespace);
    const receiver = await to.receive({ interface: 'eth0', groups });
    const sender = await from.send({ interface: 'eth0', groups, rate: 1_000 });
    await receiver.awaitPackets(10);
    for (let times = 0; times < 3; times++) {
      addBridge(router.namespace, 'br0', ['in0'], { snooping: false });
      await untilPending([fromPort], 'in0', 'BRIDGE_PORT');
      router.namespace.delete('br0');
      await untilNothingPending();
    }
    const { streams } = await receiver.collect(await sender.stop());
    const losses = streams.map(({ lost, duplicated }) => [lost, duplicated]);
    assert.deepEqual(losses, [
      [0, 0],
      [0, 0],
    ]);
  });

  it(`that is a port of a bridge and an oif: as any other oif (${family.family})`, async () => {
    await router.table.put(route('in0', group, ['out1', 'out2']));
    addBridge(router.namespace, 'br0', ['out1'], { snooping: false });
    await eventually(() => (interfaceOf('out1')?.master === 'br0' ? true : undefined), 'out1 is shown with its master');
    assert.deepEqual(pending(), []);
    assert.equal(typeof interfaceOf('out1')?.[vif], 'number');
    assert.deepEqual(await router.send(shot), ['out1', 'out2']);
  });

  it(`that is down: said so, and not pending (${family.family})`, async () => {
    await router.table.put(route('in0', group, ['out1']));
    router.namespace.setDown('out1');
    await eventually(() => (interfaceOf('out1')?.up === false ? true : undefined), 'out1 is shown as down');
    assert.match(router.agent.ctl('show', 'interfaces'), /^out1 .* down/m);
    assert.deepEqual(pending(), []);
    router.namespace.setUp('out1');
    await eventually(() => (interfaceOf('out1')?.up === true ? true : undefined), 'out1 is shown as up');
  });
}

function pending(): readonly PendingDocument[] {
  const { pending: all } = JSON.parse(router.agent.ctl('-o', 'json', 'show', 'pending')) as {
    readonly pending: readonly PendingDocument[];
  };
  return all;
}

/** Waits until exactly these wait, each for the interface and for nothing else. */
async function untilPending(
  resources: readonly Resource[],
  name: string,
  reason = 'INTERFACE_NOT_FOUND',
): Promise<void> {
  const expected = resources.map(() => `${reason} ${name}`);
  await eventually(() => {
    const waiting = pending().map(({ missing }) => missing.map((each) => `${each.reason} ${each.interface}`).join());
    return waiting.join() === expected.join() ? true : undefined;
  }, `these are pending: ${expected.join()}`);
}

async function untilNothingPending(): Promise<void> {
  await eventually(() => (pending().length === 0 ? true : undefined), 'nothing is pending');
}

function interfaces(): readonly InterfaceDocument[] {
  const { interfaces: all } = JSON.parse(router.agent.ctl('-o', 'json', 'show', 'interfaces')) as {
    readonly interfaces: readonly InterfaceDocument[];
  };
  return all;
}

function interfaceOf(name: string): InterfaceDocument | undefined {
  return interfaces().find((each) => each.name === name);
}

/** The VIF and the MIF. */
function numbersOf(document: InterfaceDocument | undefined): (number | null)[] {
  assert.ok(document);
  return [document.ipv4_vif, document.ipv6_vif];
}

/** What smcroutectl prints, which must succeed. */
function control(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(
    projectFile('bin/smcroutectl'),
    ['-u', router.agent.socketPath, ...words],
    { encoding: 'utf8', env: plainEnvironment(), timeout: 60_000 },
  );
  assert.deepEqual([status, stderr], [0, '']);
  return stdout;
}

/** The VIF and the MIF of each interface that smcroutectl knows. */
function controlInterfaces(): ReadonlyMap<string, (number | null)[]> {
  const { interfaces: all } = JSON.parse(control('-j', 'show', 'interfaces')) as {
    readonly interfaces: readonly { readonly name: string; readonly vif: number | null; readonly mif: number | null }[];
  };
  return new Map(all.map(({ name, vif, mif }) => [name, [vif, mif]]));
}

function controlInterface(name: string): (number | null)[] | undefined {
  return controlInterfaces().get(name);
}
