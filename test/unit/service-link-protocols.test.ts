// What the API tells of queriers and router discovery.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LinkProtocols } from '../../src/agent/link-protocols.js';
import { defaultQuerier } from '../../src/agent/querier/querier.js';
import { encodeQuery } from '../../src/agent/querier/query.js';
import { renderInterfaces } from '../../src/agent/service/kernel-views.js';
import { renderLinkProtocols } from '../../src/agent/service/link-protocol-views.js';
import { FAMILIES, type Family, anyPrefix, parseAddress } from '../../src/model/address.js';
import { openEngine } from '../support/engine-bench.js';
import { HandClock, Wire } from '../support/signalling-world.js';

const OWN: Readonly<Record<Family, string>> = { ipv4: '10.0.0.5', ipv6: 'fe80::5' };
const LOWER: Readonly<Record<Family, string>> = { ipv4: '10.0.0.1', ipv6: 'fe80::1' };
const FAMILY = { ipv4: 'FAMILY_IPV4', ipv6: 'FAMILY_IPV6' } as const;
const VERSION = { ipv4: 3, ipv6: 2 } as const;

const LINK = { name: 'eth0', ifindex: 7, isUp: true, addresses: FAMILIES.map((family) => parseAddress(OWN[family])) };

function world() {
  const clock = new HandClock();
  const wire = new Wire(clock);
  return { clock, wire, protocols: new LinkProtocols({ sockets: wire, clock, random: () => 0.5 }) };
}

function discovery(family: Family) {
  return { family, intervalS: 20, queryIntervalS: 125, robustness: 2 };
}

describe('what is told of an interface', () => {
  for (const family of FAMILIES) {
    it(`is that this agent asks, from where and in which version (${family})`, () => {
      const { protocols } = world();
      protocols.setQueriers([{ ...LINK, settings: defaultQuerier(family) }]);
      protocols.setAdvertisers([{ ...LINK, settings: discovery(family) }]);
      assert.deepEqual(renderLinkProtocols(protocols).get('eth0'), {
        queriers: [
          {
            family: FAMILY[family],
            role: 'ROLE_QUERIER',
            source: OWN[family],
            querier: OWN[family],
            version: VERSION[family],
            error: '',
          },
        ],
        mrdisc: [{ family: FAMILY[family], source: OWN[family], interval: 20, error: '' }],
      });
    });

    it(`is who asks in its place, in the version of that one (${family})`, () => {
      const { wire, protocols } = world();
      protocols.setQueriers([{ ...LINK, settings: defaultQuerier(family) }]);
      const group = anyPrefix(family).address;
      const version = VERSION[family] - 1;
      const query = { family, version, group, maxResponseMs: 10_000, robustness: 2, intervalS: 125 };
      wire.bring(7, LOWER[family], encodeQuery(query));
      assert.deepEqual(renderLinkProtocols(protocols).get('eth0')?.queriers, [
        {
          family: FAMILY[family],
          role: 'ROLE_NON_QUERIER',
          source: OWN[family],
          querier: LOWER[family],
          version,
          error: '',
        },
      ]);
    });

    it(`is what it waits for (${family})`, () => {
      const { protocols } = world();
      const down = { ...LINK, isUp: false };
      protocols.setQueriers([{ ...down, settings: defaultQuerier(family) }]);
      protocols.setAdvertisers([{ ...LINK, addresses: [], settings: discovery(family) }]);
      assert.deepEqual(renderLinkProtocols(protocols).get('eth0'), {
        queriers: [{ family: FAMILY[family], waitingFor: 'WAITING_FOR_UP', version: VERSION[family] }],
        mrdisc: [{ family: FAMILY[family], waitingFor: 'WAITING_FOR_ADDRESS', interval: 20 }],
      });
    });
  }

  it('is why nothing can be sent', () => {
    const { wire, protocols } = world();
    wire.refusal = Object.assign(new Error('sendmsg: ENETDOWN'), { errno: 100 });
    protocols.setQueriers([{ ...LINK, settings: defaultQuerier('ipv4') }]);
    assert.equal(renderLinkProtocols(protocols).get('eth0')?.queriers[0]?.error, 'sendmsg: ENETDOWN');
  });

  it('stands with its status, for both families, and nowhere else', () => {
    const { protocols } = world();
    const { engine } = openEngine();
    protocols.setQueriers(FAMILIES.map((family) => ({ ...LINK, settings: defaultQuerier(family) })));
    const told = renderInterfaces(engine, protocols);
    assert.deepEqual(
      told.map(({ name, queriers = [], mrdisc = [] }) => [name, queriers.length, mrdisc.length]),
      engine.interfaces().map(({ name }) => [name, name === 'eth0' ? 2 : 0, 0]),
    );
    assert.ok(told.some(({ name }) => name === 'eth0'));
    assert.ok(renderInterfaces(engine, undefined).every(({ queriers }) => queriers === undefined));
  });
});
