// Groups that the router itself joins, as the kernel has them.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { fromStatusMessage } from '../../src/api/status.js';
import { FAMILY_CASES, type FamilyCase, IPV4 } from './families.js';
import * as kernel from './kernel-joins.js';
import { type Router, openRouter } from './router.js';
import { membership } from './table-client.js';
import { type TableWatch, openWatch } from './table-watch.js';

/** A membership is restored, and many of them are made, within this time. */
const LIMIT_MS = 1_000;

let router: Router;
let watch: TableWatch;

before(async () => {
  router = await openRouter({ senders: 2, receivers: 1 });
  // As in a kernel that nobody has tuned.
  router.namespace.setSysctls({ 'net/ipv4/igmp_max_memberships': 20, 'net/ipv4/igmp_max_msf': 10 });
  watch = openWatch(router.agent);
  await watch.synced();
});

after(() => {
  watch[Symbol.dispose]();
  router[Symbol.dispose]();
});

afterEach(async () => {
  for (const owner of ['cli', 'controller']) await router.table.as(owner).replace([]);
});

for (const family of FAMILY_CASES) {
  describe(`joins of ${family.family}`, () => {
    joinTests(family);
  });
}

function joinTests(family: FamilyCase): void {
  const group = family.group(1);
  const source = family.source(1);

  it('are any-source or source-specific, and both for one group', async () => {
    const entries = await router.table.put(
      membership('in0', group),
      membership('in1', group),
      membership('in0', family.group(2), source),
      membership('in0', family.group(2), family.source(2)),
    );
    assert.deepEqual(new Set(entries.map(({ state }) => state)), new Set(['STATE_PROGRAMMED']));
    assert.deepEqual(groupsOn('in0', family), [group, family.group(2)]);
    assert.deepEqual(groupsOn('in1', family), [group]);
    assert.deepEqual(sourcesOn('in0', family), [
      [family.group(2), source],
      [family.group(2), family.source(2)],
    ]);
    const both = await router.table.put(membership('in0', group, source));
    assert.equal(both[0]?.state, 'STATE_PROGRAMMED');
    assert.deepEqual(groupsOn('in0', family), [group, family.group(2)]);
  });

  it('end with leave, and with the last of two owners', async () => {
    const [first, second] = [membership('in0', group), membership('in0', family.group(2))];
    const controller = router.table.as('controller');
    await router.table.put(first, second);
    await controller.put(first);
    await router.table.delete(first, second);
    assert.deepEqual(groupsOn('in0', family), [group]);
    await controller.delete(first);
    assert.deepEqual(groupsOn('in0', family), []);
  });

  it('may be more groups and more sources than one socket takes', async () => {
    const groups = Array.from({ length: 300 }, (_, n) => nth(family, n));
    const sources = Array.from({ length: SOURCES[family.family] }, (_, n) => family.source(n + 1));
    const sourced = groups.slice(0, 3);
    const entries = await router.table.put(
      ...groups.slice(3).map((each) => membership('in0', each)),
      ...sourced.flatMap((each) => sources.map((one) => membership('in0', each, one))),
    );
    assert.deepEqual(new Set(entries.map(({ state }) => state)), new Set(['STATE_PROGRAMMED']));
    assert.deepEqual(groupsOn('in0', family), [...groups].sort());
    assert.deepEqual(sourcesOn('in0', family), sourced.flatMap((each) => sources.map((one) => [each, one])).sort());
    await router.table.replace([]);
    assert.deepEqual(groupsOn('in0', family), []);
  });

  it('of a prefix are each of its groups, within a second', async () => {
    const started = performance.now();
    const [entry] = await router.table.put(membership('in0', PREFIX[family.family]));
    assert.ok(performance.now() - started < LIMIT_MS);
    assert.equal(entry?.state, 'STATE_PROGRAMMED');
    assert.equal(groupsOn('in0', family).length, 256);
    await router.table.delete(membership('in0', PREFIX[family.family]));
    assert.deepEqual(groupsOn('in0', family), []);
  });

  it('wait for their interface, and are restored when it returns', async () => {
    const [any, specific] = [membership('in1', group), membership('in1', family.group(2), source)];
    const entries = await router.table.put(any, specific, membership('in9', group));
    assert.deepEqual(
      entries.map(({ state, missing }) => [state, missing[0]?.interface]),
      [
        ['STATE_PROGRAMMED', undefined],
        ['STATE_PROGRAMMED', undefined],
        ['STATE_PENDING', 'in9'],
      ],
    );
    for (let round = 0; round < 2; round++) {
      router.namespace.delete('in1');
      await untilAll([any, specific], 'STATE_PENDING');
      router.plug(router.topology.sender(1));
      await untilAll([any, specific], 'STATE_PROGRAMMED');
      assert.deepEqual(groupsOn('in1', family), [group, family.group(2)]);
      // The kernel has joined groups of its own since, so one with a source must be the newest again.
      const newest = membership('in1', family.group(3), source);
      await router.table.put(newest);
      assert.deepEqual(sourcesOn('in1', family), [
        [family.group(2), source],
        [family.group(3), source],
      ]);
      await router.table.delete(newest);
    }
  });

  it('may be 2,000, and all are restored when their interface was deleted and is back', async () => {
    const groups = Array.from({ length: 2_000 }, (_, n) => nth(family, n)).sort();
    const memberships = groups.map((each) => membership('in1', each));
    const entries = await router.table.put(...memberships);
    assert.deepEqual(new Set(entries.map(({ state }) => state)), new Set(['STATE_PROGRAMMED']));
    assert.deepEqual(groupsOn('in1', family), groups);
    router.namespace.delete('in1');
    await untilAll(memberships, 'STATE_PENDING');
    router.plug(router.topology.sender(1));
    await untilAll(memberships, 'STATE_PROGRAMMED');
    assert.deepEqual(groupsOn('in1', family), groups);
  });

  it('that the kernel refuses for good are failed with the errno and the cure', async () => {
    const optionMemory = router.namespace.sysctl('net/core/optmem_max');
    // Less than one join takes: no number of sockets helps.
    router.namespace.setSysctls({ 'net/core/optmem_max': 1 });
    const [entry] = await router.table.put(membership('in0', group));
    router.namespace.setSysctls({ 'net/core/optmem_max': optionMemory });
    assert.equal(entry?.state, 'STATE_FAILED');
    assert.ok(entry.error);
    const { reason, message, metadata } = fromStatusMessage(entry.error);
    assert.equal(reason, 'KERNEL_ERROR');
    assert.equal(metadata['errno'], REFUSAL[family.family].errno);
    assert.match(metadata['syscall'] ?? '', /MCAST_JOIN_GROUP/);
    assert.match(message, REFUSAL[family.family].cure);
    await router.table.delete(membership('in0', group));
    const [again] = await router.table.put(membership('in0', group));
    assert.equal(again?.state, 'STATE_PROGRAMMED');
  });
}

/** More than one socket takes: igmp_max_msf is 10; mld_max_msf is 64 for all namespaces. */
const SOURCES = { ipv4: 40, ipv6: 100 } as const;

const PREFIX = { ipv4: '239.5.0.0/24', ipv6: 'ff1e::5:0/120' } as const;

const REFUSAL = {
  ipv4: { errno: 'ENOBUFS', cure: /raise net\.ipv4\.igmp_max_memberships/ },
  ipv6: { errno: 'ENOMEM', cure: /raise net\.core\.optmem_max/ },
} as const;

/** One of many groups, apart from those that the kernel joins itself. */
function nth(family: FamilyCase, n: number): string {
  return family === IPV4 ? `239.7.${n >> 8}.${n & 255}` : `ff1e::7:${n.toString(16)}`;
}

const groupsOn = (interfaceName: string, family: FamilyCase) =>
  kernel.groupsOn(router.namespace, interfaceName, family);
const sourcesOn = (interfaceName: string, family: FamilyCase) =>
  kernel.sourcesOn(router.namespace, interfaceName, family);

async function untilAll(resources: readonly Resource[], state: 'STATE_PENDING' | 'STATE_PROGRAMMED'): Promise<void> {
  for (const resource of resources) await watch.untilState(resource, state, LIMIT_MS);
}
