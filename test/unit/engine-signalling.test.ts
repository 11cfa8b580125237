// What the engine tells of the interfaces on which protocols of links are wanted, and what it joins for them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Engine, type EngineOptions } from '../../src/agent/engine.js';
import { ADVERTISEMENT_INTERVAL_S } from '../../src/agent/mrdisc/advertiser.js';
import { advertisersOf, queriersOf } from '../../src/agent/link-wishes.js';
import { FAMILIES, formatAddress, parseAddress } from '../../src/model/address.js';
import { type InterfaceSettings, PLAIN_INTERFACE } from '../../src/model/interface.js';
import type { Resource } from '../../src/model/resource.js';
import { FakeKernel, fakeLink } from '../support/fake-kernel.js';

const OPTIONS: EngineOptions = {
  table: 123,
  mrulePriority: 1_000,
  makesMrules: true,
  starG: 'kernel',
  cacheTimeoutMs: 0,
};

const wanted = (name: string, differing: Partial<InterfaceSettings>): Resource => ({
  ...PLAIN_INTERFACE,
  ...differing,
  key: { kind: 'interface', name },
});

function world(options: Partial<EngineOptions> = {}) {
  const kernel = new FakeKernel({ links: [fakeLink(1, 'eth1'), fakeLink(2, 'eth2', { isUp: false })] });
  kernel.setAddresses([
    { ifindex: 1, address: parseAddress('10.0.0.1') },
    { ifindex: 2, address: parseAddress('fe80::2') },
    { ifindex: 1, address: parseAddress('fe80::1') },
  ]);
  const engine = new Engine(kernel, { ...OPTIONS, ...options });
  let calls = 0;
  engine.onInterfaces(() => {
    calls++;
  });
  engine.start();
  const put = (owner: string, resource: Resource) =>
    engine.apply(owner, [{ action: 'put', resource }], {
      validateOnly: false,
      strict: false,
      expectedRevision: undefined,
    });
  const wishes = () =>
    engine
      .signallingLinks()
      .map(({ name, isUp, addresses, isQuerier, isAdvertised }) =>
        [
          name,
          isUp ? 'up' : 'down',
          ...(isQuerier ? ['querier'] : []),
          ...(isAdvertised ? ['mrdisc'] : []),
          ...addresses.map(formatAddress),
        ].join(' '),
      );
  return { kernel, engine, put, wishes, calls: () => calls };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('interfaces with protocols of links', () => {
  it('are those of all owners together, with their own addresses', () => {
    const { put, wishes } = world();
    assert.deepEqual(wishes(), []);
    put('a', wanted('eth1', { isQuerier: true }));
    put('b', wanted('eth1', { isAdvertised: true }));
    put('b', wanted('eth2', { isQuerier: true }));
    put('b', wanted('away0', { isQuerier: true }));
    put('b', wanted('eth3', {}));
    assert.deepEqual(wishes(), ['eth1 up querier mrdisc 10.0.0.1 fe80::1', 'eth2 down querier fe80::2']);
  });

  it('of which one takes no part are not advertised', () => {
    const { put, wishes } = world();
    put('a', wanted('eth1', { isQuerier: true, isAdvertised: true, isEnabled: false }));
    assert.deepEqual(wishes(), ['eth1 up querier 10.0.0.1 fe80::1']);
    const other = world({ enablesInterfaces: false });
    other.put('a', wanted('eth1', { isAdvertised: true }));
    assert.deepEqual(other.wishes(), []);
  });

  it('are told of when wishes, links or addresses change, and not for rules', async () => {
    const { kernel, engine, put, calls } = world();
    const atFirst = calls();
    assert.equal(atFirst, 1);
    put('a', wanted('eth1', { isQuerier: true }));
    assert.equal(calls(), 2);
    kernel.setAddresses([]);
    await turn();
    assert.equal(calls(), 3);
    kernel.setLink(fakeLink(3, 'eth3'));
    await turn();
    assert.equal(calls(), 4);
    engine.apply(
      'a',
      [
        {
          action: 'put',
          resource: {
            key: {
              kind: 'membership',
              interface: 'eth1',
              group: { address: parseAddress('239.1.1.1'), length: 32 },
              source: { address: parseAddress('0.0.0.0'), length: 0 },
            },
            label: '',
          },
        },
      ],
      { validateOnly: false, strict: false, expectedRevision: undefined },
    );
    await turn();
    assert.equal(calls(), 4);
  });
});

describe('groups that the agent itself joins', () => {
  const joins = (kernel: FakeKernel) =>
    kernel
      .readHeldState()
      .flatMap((state) => state.joins.map(({ ifindex, group }) => `${ifindex} ${formatAddress(group)}`))
      .sort();

  it('are joined and left beside those of owners, who see nothing of them', async () => {
    const { kernel, engine } = world();
    const revision = engine.revision;
    engine.setOwnJoins([
      { interface: 'eth1', group: parseAddress('224.0.0.2') },
      { interface: 'eth1', group: parseAddress('ff02::2') },
    ]);
    await turn();
    assert.deepEqual(joins(kernel), ['1 224.0.0.2', '1 ff02::2']);
    engine.setOwnJoins([{ interface: 'eth1', group: parseAddress('ff02::2') }]);
    await turn();
    assert.deepEqual(joins(kernel), ['1 ff02::2']);
    assert.deepEqual([...engine.slots()], []);
    assert.equal(engine.revision, revision);
  });
});

describe('the settings of the protocols', () => {
  const link = { name: 'eth1', ifindex: 1, isUp: true, addresses: [] };

  it('are the defaults of the RFCs, for each family that is routed', () => {
    const wish = { ...link, isQuerier: true, isAdvertised: false };
    assert.deepEqual(
      queriersOf([wish], FAMILIES).map(({ settings }) => settings),
      [
        { family: 'ipv4', version: 3, robustness: 2, intervalS: 125, responseMs: 10_000 },
        { family: 'ipv6', version: 2, robustness: 2, intervalS: 125, responseMs: 10_000 },
      ],
    );
    assert.deepEqual(advertisersOf([wish], FAMILIES, 20), []);
    assert.equal(queriersOf([wish], ['ipv6']).length, 1);
  });

  it('advertisements tell of the querier on the same link', () => {
    const { default: intervalS } = ADVERTISEMENT_INTERVAL_S;
    const settingsOf = (isQuerier: boolean) =>
      advertisersOf([{ ...link, isQuerier, isAdvertised: true }], ['ipv4'], intervalS).map(({ settings }) => settings);
    assert.deepEqual(settingsOf(true), [{ family: 'ipv4', intervalS: 20, queryIntervalS: 125, robustness: 2 }]);
    assert.deepEqual(settingsOf(false), [{ family: 'ipv4', intervalS: 20, queryIntervalS: 0, robustness: 0 }]);
    assert.equal(queriersOf([{ ...link, isQuerier: false, isAdvertised: true }], FAMILIES).length, 0);
  });
});
