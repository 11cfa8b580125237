// Lists over the fake kernel: what they tell is what the engine has, entry by entry.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formsOf } from '../../src/api/codec.js';
import { decodeListResponse } from '../../src/api/entry-decoder.js';
import { MESSAGES } from '../../src/api/generated/codec.js';
import type { ListMfcResponse__Output } from '../../src/api/generated/mcroute/v1/ListMfcResponse.js';
import type { EncodedCall } from '../../src/agent/service/encoded.js';
import { Lists, encodeEntries, listMfc } from '../../src/agent/service/list.js';
import type { Engine, WishId } from '../../src/agent/engine.js';
import { type Address, addressKey } from '../../src/model/address.js';
import type { Resource } from '../../src/model/resource.js';
import { APPLY, openEngine, putOf } from '../support/engine-bench.js';
import { PACKET_BYTES } from '../support/fake-kernel.js';
import { membership, mroute, testGroup, testSource } from '../support/fib-turns.js';
import { GROUPS, INTERFACES, SOURCES, families, mroutes, settingsOf } from '../support/rule-arbitraries.js';

interface Counted {
  readonly packets: string;
  readonly bytes: string;
  readonly wrongIf: string;
}

/** What the counters of an entry must be: the sum over the kernel's entries that its rule has a part in, each once. */
function expectedCounters(engine: Engine, id: WishId): Counted | null {
  const flows = new Map<string, { readonly source: Address | undefined; readonly group: Address }>();
  for (const family of engine.families) {
    for (const { source, group, ids } of engine.mfc(family)) {
      if (!ids.includes(id)) continue;
      flows.set(`${source === undefined ? '*' : addressKey(source)} ${addressKey(group)}`, { source, group });
    }
  }
  const sum = { packets: 0n, bytes: 0n, wrongIf: 0n };
  let isThere = false;
  for (const flow of flows.values()) {
    const [counters] = engine.readCounters(flow.group.family, [flow]);
    if (counters === undefined) continue;
    isThere = true;
    sum.packets += counters.packets;
    sum.bytes += counters.bytes;
    sum.wrongIf += counters.wrongIf;
  }
  if (!isThere) return null;
  return { packets: String(sum.packets), bytes: String(sum.bytes), wrongIf: String(sum.wrongIf) };
}

function entriesOf(engine: Engine) {
  return Array.from(engine.slots(), (slot) => engine.entries(slot)).flat();
}

/** A call that takes everything. */
class Reader {
  readonly messages: Buffer[] = [];
  readonly cancelled = false;
  isEnded = false;

  write(message: Buffer): boolean {
    this.messages.push(message);
    return true;
  }

  end(): void {
    this.isEnded = true;
  }

  get call(): EncodedCall {
    return this as unknown as EncodedCall;
  }
}

const BASIC = { table: 0, view: 'VIEW_BASIC', filter: null } as const;
const FULL = { table: 0, view: 'VIEW_FULL', filter: null } as const;

describe('a list with counters', () => {
  it('tells for each rule the sum over the entries of the kernel that it has a part in', () => {
    const rules = families.chain((family) =>
      fc.record({
        family: fc.constant(family),
        starG: fc.constantFrom('kernel' as const, 'learn' as const),
        rules: fc.array(fc.tuple(fc.constantFrom('cli', 'controller'), mroutes(family)), { maxLength: 16 }),
        settings: fc.array(settingsOf(family, [1]), { maxLength: 2 }),
        packets: fc.array(
          fc.tuple(fc.constantFrom(...INTERFACES), fc.constantFrom(...SOURCES), fc.constantFrom(...GROUPS)),
          { maxLength: 20 },
        ),
      }),
    );
    fc.assert(
      fc.property(rules, ({ family, starG, rules: owned, settings, packets }) => {
        const { engine, kernel } = openEngine({ starG });
        const put = (owner: string, resource: Resource) => engine.apply(owner, [putOf(resource)], APPLY);
        for (const [owner, resource] of owned) put(owner, resource);
        for (const each of settings) put('cli', each);
        for (const [iif, source, group] of packets) {
          kernel.send(iif, testSource(family, source), testGroup(family, group));
        }
        const all = entriesOf(engine);
        const listed = [...encodeEntries(engine.revision, all, engine)].map(decodeListResponse);
        assert.deepEqual(
          listed.flatMap(({ entries }) => entries.map(({ counters }) => counters)),
          all.map(({ held }) => expectedCounters(engine, held[0] ?? '')),
        );
        engine.stop();
      }),
      { numRuns: 400 },
    );
  });

  it('carries what is more than 32 bits', () => {
    const { engine } = openEngine({}, {});
    engine.apply(
      'cli',
      [putOf(mroute('(*, 239.1.0.1) eth0 > eth1')), putOf(mroute('(10.0.0.0/8, 239.1.0.2) eth0 > eth1'))],
      APPLY,
    );
    const two = [testSource('ipv4', 1), testSource('ipv4', 2)].map((source) => ({
      source,
      group: testGroup('ipv4', 1),
    }));
    const countFlows = (_family: unknown, keys: Uint32Array) => {
      // Each: 2^32 - 1 packets, 2^33 + 2^31 bytes, 2^64 - 2 on wrong interfaces.
      const words = [0xffff_ffff, 0, 2 ** 31, 2, 0xffff_fffe, 0xffff_ffff];
      return Uint32Array.from(Array.from({ length: keys.length / 8 }, () => words).flat());
    };
    const entries = entriesOf(engine);
    const ids = entries.flatMap((entry) => entry.held);
    const own = { of: () => two, shared: () => [] };
    const shared = { of: () => undefined, shared: () => two.map((flow) => ({ ...flow, ids })) };
    for (const flows of [own, shared]) {
      const source = { families: ['ipv4' as const], ruleFlows: () => flows, countFlows };
      const [message] = [...encodeEntries(1n, entries, source)].map(decodeListResponse);
      assert.deepEqual(message?.entries[0]?.counters, {
        packets: String(2n * (2n ** 32n - 1n)),
        bytes: String(2n * (2n ** 33n + 2n ** 31n)),
        // It begins again at 0.
        wrongIf: String((2n * (2n ** 64n - 2n)) % 2n ** 64n),
      });
    }
    engine.stop();
  });
});

describe('a list', () => {
  it('comes in messages that all have its revision, one at least', async () => {
    const { engine } = openEngine();
    const lists = new Lists(engine);
    const empty = new Reader();
    await lists.list(BASIC, undefined, empty.call);
    assert.deepEqual(empty.messages.map(decodeListResponse), [{ revision: '1', entries: [] }]);
    const many = Array.from({ length: 3_000 }, (_, n) =>
      putOf(mroute(`(10.0.0.1, 239.1.${n >> 8}.${n & 255}) eth0 > eth1`)),
    );
    engine.apply('cli', many, APPLY);
    const reader = new Reader();
    await lists.list(FULL, undefined, reader.call);
    const messages = reader.messages.map(decodeListResponse);
    assert.ok(messages.length > 2);
    assert.deepEqual([...new Set(messages.map(({ revision }) => revision))], [String(engine.revision)]);
    assert.deepEqual(
      messages.flatMap(({ entries }) => entries.map(({ resource }) => resource?.mroute?.key?.group)),
      many.map((_, n) => `239.1.${n >> 8}.${n & 255}`),
    );
    assert.ok(reader.isEnded);
    engine.stop();
  });

  it('is of the moment when it began, whatever changes while it is sent', async () => {
    const { engine } = openEngine();
    const lists = new Lists(engine);
    const many = Array.from({ length: 3_000 }, (_, n) => mroute(`(10.0.0.1, 239.1.${n >> 8}.${n & 255}) eth0 > eth1`));
    engine.apply('cli', many.map(putOf), APPLY);
    const revision = String(engine.revision);
    const reader = new Reader();
    const sent = lists.list(FULL, undefined, reader.call);
    engine.apply(
      'cli',
      many.slice(100).map(({ key }) => ({ action: 'delete', key, mustExist: true })),
      APPLY,
    );
    await sent;
    const messages = reader.messages.map(decodeListResponse);
    assert.deepEqual([...new Set(messages.map((message) => message.revision))], [revision]);
    const entries = messages.flatMap((message) => message.entries);
    assert.deepEqual([entries.length, entries.every(({ state }) => state === 'STATE_PROGRAMMED')], [3_000, true]);
    // What was sent after the change has no counters any more.
    assert.equal(entries.at(-1)?.counters, null);
    const after = new Reader();
    await lists.list(FULL, undefined, after.call);
    assert.equal(after.messages.map(decodeListResponse).flatMap((message) => message.entries).length, 100);
    engine.stop();
  });

  it('shows what its filter lets through, also of entries that another list has taken', async () => {
    const { engine } = openEngine();
    const lists = new Lists(engine);
    engine.apply('cli', [putOf(mroute('(*, 239.1.0.1) eth0 > eth1')), putOf(membership('(*, 239.1.0.2) eth0'))], APPLY);
    const groupsOf = async (filter: Parameters<Lists['list']>[0]['filter']) => {
      const reader = new Reader();
      await lists.list({ ...BASIC, filter }, undefined, reader.call);
      const entries = reader.messages.map(decodeListResponse).flatMap((message) => message.entries);
      return entries.map(({ resource }) => (resource?.mroute ?? resource?.membership)?.key?.group);
    };
    const all = { owner: '', kinds: [], states: [], group: '', interface: '' };
    assert.deepEqual(await groupsOf(null), ['239.1.0.1', '239.1.0.2']);
    assert.deepEqual(await groupsOf({ ...all, kinds: ['KIND_MEMBERSHIP'] }), ['239.1.0.2']);
    assert.deepEqual(await groupsOf(all), ['239.1.0.1', '239.1.0.2']);
    engine.stop();
  });
});

describe('a list of the forwarding cache', () => {
  it('has the entries of both families with their rules and counters', async () => {
    const { engine, kernel } = openEngine();
    const rules = ['(10.0.0.1, 239.1.0.1) eth0 > eth1', '(*, 239.1.0.1) eth2 > eth1@7', '(*, ff3e::1) eth0 > eth1'];
    for (const owner of ['cli', 'controller'])
      engine.apply(
        owner,
        rules.map((rule) => putOf(mroute(rule))),
        APPLY,
      );
    kernel.send('eth0', testSource('ipv4', 1), testGroup('ipv4', 1));
    const reader = new Reader();
    await listMfc(engine, { table: 0, view: 'VIEW_FULL' }, undefined, reader.call);
    const { deserialize } = formsOf<object, ListMfcResponse__Output>(codec('mcroute.v1.ListMfcResponse'));
    const entries = reader.messages.flatMap((message) => deserialize(message).entries);
    assert.deepEqual(
      entries.map(({ source, group, iif, rules: made, counters }) => [
        source,
        group,
        iif,
        made.length,
        counters?.bytes,
      ]),
      [
        ['10.0.0.1', '239.1.0.1', 'eth0', 1, String(PACKET_BYTES)],
        ['', '239.1.0.1', 'eth2', 1, '0'],
        ['', 'ff3e::1', 'eth0', 1, '0'],
      ],
    );
    assert.deepEqual(entries[1]?.oifs, [{ interface: 'eth1', ttlThreshold: 7, _ttlThreshold: 'ttlThreshold' }]);
    assert.deepEqual(entries[0]?.rules, [{ iif: 'eth0', source: '10.0.0.1', group: '239.1.0.1' }]);
    engine.stop();
  });
});

function codec(name: string) {
  return MESSAGES[name] ?? assert.fail(`there is no ${name}`);
}
