// Watches of a real agent: what there is, then every change, and how they resume and end.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { HISTORY_MAX, WATCHERS_MAX } from '../../src/model/limits.js';
import { IPV4, IPV6 } from './families.js';
import { type Router, openRouter } from './router.js';
import { isOf, membership, route, threshold } from './table-client.js';
import { type TableWatch, openWatch } from './table-watch.js';

const V4 = route('in0', IPV4.group(1), ['out1']);
const V6 = route('in0', IPV6.group(1), ['out1'], { source: IPV6.source(1) });
const JOIN = membership('in0', IPV4.group(2), IPV4.source(1));
const SETTINGS = threshold('out1', 7);
const KINDS = [V4, V6, JOIN, SETTINGS];

let router: Router;

before(async () => {
  router = await openRouter({ senders: 1, receivers: 2 });
});

after(() => {
  router[Symbol.dispose]();
});

afterEach(async () => {
  for (const owner of ['cli', 'controller']) await router.table.as(owner).replace([]);
});

describe('a watch', () => {
  it('begins with all entries as they are, then says that it is synced', async () => {
    await router.table.put(...KINDS);
    await router.table.as('controller').put(route('in0', IPV4.group(1), ['out2']));
    using watch = openWatch(router.agent);
    await watch.synced();
    assert.deepEqual(
      watch.events.map(({ event }) => event),
      ['put', 'put', 'put', 'put', 'synced'],
    );
    for (const resource of KINDS) {
      const event = watch.events.find(({ put }) => put?.entries.some((entry) => isOf(entry, resource)));
      assert.deepEqual(
        event?.put?.entries.map(({ owners }) => owners),
        // Owners who differ on the content of a key have entries of their own in one event.
        resource === V4 ? [['cli'], ['controller']] : [['cli']],
      );
    }
    const { revision } = await router.table.apply([]);
    assert.equal(watch.revision, revision);
  });

  it('of an empty table is synced at once', async () => {
    using watch = openWatch(router.agent);
    await watch.synced();
    assert.equal(watch.events.length, 1);
  });

  it('tells of what is put, changed and deleted, with the owners that are left', async () => {
    using watch = openWatch(router.agent);
    await watch.synced();
    await router.table.put(V4);
    await watch.until(({ put }) => put?.entries.find((entry) => oifNames(entry.resource) === 'out1'), 'the put');
    await router.table.put(route('in0', IPV4.group(1), ['out1', 'out2']));
    await watch.until(
      ({ put }) => put?.entries.find((entry) => oifNames(entry.resource) === 'out1 out2'),
      'the change',
    );
    await router.table.as('controller').put(route('in0', IPV4.group(1), ['out1', 'out2']));
    await watch.until(({ put }) => put?.entries.find(({ owners }) => owners.length === 2), 'two owners');
    await router.table.delete(V4);
    await watch.until(({ put }) => put?.entries.find(({ owners }) => owners.join() === 'controller'), 'one owner left');
    await router.table.as('controller').delete(V4);
    const deleted = await watch.until((event) => event.delete ?? undefined, 'the delete');
    assert.deepEqual(deleted.mroute, { iif: 'in0', source: '', group: IPV4.group(1) });
  });

  it('sees states change, from pending to programmed and back', async () => {
    const rule = route('in0', IPV4.group(1), ['out2']);
    using watch = openWatch(router.agent);
    await watch.synced();
    await router.table.put(rule);
    await watch.untilState(rule, 'STATE_PROGRAMMED');
    router.namespace.delete('out2');
    const { missing } = await watch.untilState(rule, 'STATE_PENDING');
    assert.deepEqual(
      missing.map((each) => [each.reason, each.interface]),
      [['INTERFACE_NOT_FOUND', 'out2']],
    );
    router.plug(router.topology.receiver(2));
    await watch.untilState(rule, 'STATE_PROGRAMMED');
  });

  it('resumes after a revision with what has changed since, and nothing of before', async () => {
    const [gone, changed, kept, added] = [1, 2, 3, 4].map((n) => route('in0', IPV4.group(n), ['out1']));
    assert.ok(gone && changed && kept && added);
    await router.table.put(gone, changed, kept);
    let revision: string;
    {
      using watch = openWatch(router.agent);
      await watch.synced();
      revision = watch.revision;
    }
    await router.table.delete(gone);
    await router.table.put(route('in0', IPV4.group(2), ['out2']));
    await router.table.put(added);
    using resumed = openWatch(router.agent, revision);
    await resumed.synced();
    const told = resumed.events.flatMap((event) => [
      ...(event.delete?.mroute ? [`- ${event.delete.mroute.group}`] : []),
      ...(event.put?.entries ?? []).map(
        ({ resource }) => `+ ${resource?.mroute?.key?.group ?? ''} ${oifNames(resource)}`,
      ),
    ]);
    assert.deepEqual(told.sort(), [`+ ${IPV4.group(2)} out2`, `+ ${IPV4.group(4)} out1`, `- ${IPV4.group(1)}`]);
    await router.table.delete(kept);
    const later = await resumed.until((event) => event.delete ?? undefined, 'what comes after');
    assert.equal(later.mroute?.group, IPV4.group(3));
  });

  it('at its last revision resumes with nothing', async () => {
    await router.table.put(V4);
    const { revision } = await router.table.apply([]);
    using watch = openWatch(router.agent, revision);
    await watch.synced();
    assert.equal(watch.events.length, 1);
  });

  it('is refused for a revision that is still to come', async () => {
    const { revision } = await router.table.apply([]);
    using watch = openWatch(router.agent, String(BigInt(revision) + 1n));
    const error = await watch.ended;
    assert.deepEqual([error?.reason, error?.status], ['REVISION_COMPACTED', 11]);
  });

  it('is refused for a revision of which too much has changed since', async () => {
    const { revision } = await router.table.apply([]);
    // Of interfaces that are not there: the cheapest of resources.
    const many = Array.from({ length: HISTORY_MAX + 1 }, (_, n) => threshold(`away${n}`, 2));
    for (let start = 0; start < many.length; start += CHANGES_PER_CALL) {
      await router.table.apply(many.slice(start, start + CHANGES_PER_CALL).map((put) => ({ put })));
    }
    using watch = openWatch(router.agent, revision);
    assert.equal((await watch.ended)?.reason, 'REVISION_COMPACTED');
    using anew = openWatch(router.agent);
    await anew.synced();
    assert.equal(anew.events.length, many.length + 1);
  });

  it('is one of many, which all hear of each change', async () => {
    const watches: TableWatch[] = [];
    try {
      for (let n = 0; n < WATCHERS_MAX; n++) watches.push(openWatch(router.agent));
      for (const watch of watches) await watch.synced();
      const oneMore = openWatch(router.agent);
      assert.equal((await oneMore.ended)?.reason, 'RESOURCE_LIMIT');
      await router.table.put(V4, V6);
      for (const watch of watches) {
        await watch.untilState(V4, 'STATE_PROGRAMMED');
        await watch.untilState(V6, 'STATE_PROGRAMMED');
      }
    } finally {
      for (const watch of watches) watch[Symbol.dispose]();
    }
  });

  it('that ends makes room for another', async () => {
    for (let round = 0; round < 2 * WATCHERS_MAX; round += 64) {
      const watches = Array.from({ length: 64 }, () => openWatch(router.agent));
      for (const watch of watches) await watch.synced();
      for (const watch of watches) watch[Symbol.dispose]();
    }
    using watch = openWatch(router.agent);
    await watch.synced();
  });

  it('hears nothing of an interface that has nothing to do with its entries', async () => {
    await router.table.put(...KINDS);
    using watch = openWatch(router.agent);
    await watch.synced();
    const { revision } = watch;
    router.namespace.ip('link add other0 type bridge', 'link set other0 up', 'link delete other0');
    // What follows comes after anything that the interface made.
    await router.table.put(route('in0', IPV4.group(9), ['out1']));
    const marker = await watch.until(({ put }) => put?.entries[0], 'the next change');
    assert.equal(marker.resource?.mroute?.key?.group, IPV4.group(9));
    assert.equal(BigInt(watch.revision), BigInt(revision) + 1n);
  });

  it('ends as unavailable when the agent stops', async () => {
    const agent = await router.startAgent({ table: 124 });
    using watch = openWatch(agent);
    await watch.synced();
    const { ended } = watch;
    agent.process.kill('SIGTERM');
    const error = await ended;
    assert.deepEqual([error?.reason, error?.status], ['AGENT_UNAVAILABLE', 14]);
    assert.match(error?.message ?? '', /the agent stops/);
  });
});

/** So that no call takes long on a loaded machine. */
const CHANGES_PER_CALL = 10_000;

function oifNames(resource: Resource | null | undefined): string {
  return (resource?.mroute?.oifs ?? []).map((oif) => oif.interface).join(' ');
}
