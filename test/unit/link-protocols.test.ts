import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AdvertiserLink, LinkProtocols, type QuerierLink } from '../../src/agent/link-protocols.js';
import { encodeAdvertisement, isSolicitation } from '../../src/agent/mrdisc/message.js';
import { defaultQuerier } from '../../src/agent/querier/querier.js';
import { encodeQuery } from '../../src/agent/querier/query.js';
import { internetChecksum } from '../../src/agent/signalling/checksum.js';
import { type Family, FAMILIES, anyPrefix, formatAddress, parseAddress } from '../../src/model/address.js';
import { HandClock, Wire } from '../support/signalling-world.js';

const ADDRESSES = ['10.0.0.5', '10.0.1.5', '2001:db8::5', 'fe80::5'];
const LOWER: Readonly<Record<Family, string>> = { ipv4: '10.0.0.1', ipv6: 'fe80::1' };
const HIGHER: Readonly<Record<Family, string>> = { ipv4: '10.0.0.9', ipv6: 'fe80::9' };
const OWN: Readonly<Record<Family, string>> = { ipv4: '10.0.0.5', ipv6: 'fe80::5' };
const GENERAL: Readonly<Record<Family, string>> = { ipv4: '224.0.0.1 11', ipv6: 'ff02::1 82' };
const SNOOPERS: Readonly<Record<Family, string>> = { ipv4: '224.0.0.106', ipv6: 'ff02::6a' };
const ADVERTISEMENT: Readonly<Record<Family, string>> = { ipv4: '30', ipv6: '97' };
const TERMINATION: Readonly<Record<Family, string>> = { ipv4: '32', ipv6: '99' };
const SOLICITATION: Readonly<Record<Family, Uint8Array>> = {
  ipv4: Uint8Array.of(0x31, 0, 0xce, 0xff),
  ipv6: Uint8Array.of(152, 0, 0, 0),
};

describe('the querier', () => {
  for (const family of FAMILIES) {
    it(`asks at the start more often, then at its interval (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setQueriers([querierLink(family)]);
      clock.pass(300_000);
      const at = [0, 31_250, 156_250, 281_250];
      assert.deepEqual(
        wire.take(),
        at.map((time) => `${time} 7 ${OWN[family]} > ${GENERAL[family]}`),
      );
    });

    it(`is silent while a lower address asks, and takes its place when that is gone (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setQueriers([querierLink(family)]);
      clock.pass(1_000);
      wire.take();
      wire.bring(7, LOWER[family], query(family));
      // 2 * 125 s + 5 s after the last query of the other (RFC 3376, 8.5).
      clock.pass(200_000);
      wire.bring(7, LOWER[family], query(family));
      clock.pass(254_999);
      assert.deepEqual(wire.take(), []);
      assert.equal(protocols.queriers()[0]?.kind, 'talking');
      clock.pass(1);
      assert.deepEqual(wire.take(), [`456000 7 ${OWN[family]} > ${GENERAL[family]}`]);
    });

    it(`counts another as gone by what that says of itself (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setQueriers([querierLink(family)]);
      wire.take();
      wire.bring(7, LOWER[family], query(family, { robustness: 3, intervalS: 10, maxResponseMs: 4_000 }));
      clock.pass(31_999);
      assert.deepEqual(wire.take(), []);
      clock.pass(1);
      assert.equal(wire.take().length, 1);
    });

    it(`is not silenced by a higher address, itself, a damaged query or one from beyond the link (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setQueriers([querierLink(family)]);
      wire.take();
      wire.bring(7, HIGHER[family], query(family));
      wire.bring(7, OWN[family], query(family));
      wire.bring(7, LOWER[family], query(family).subarray(0, 7));
      wire.bring(7, LOWER[family], query(family), 2);
      wire.bring(8, LOWER[family], query(family));
      clock.pass(31_250);
      assert.equal(wire.take().length, 1);
    });

    it(`follows the lowest of several others (${family})`, () => {
      const { wire, protocols } = world();
      const link = querierLink(family);
      const highest = parseAddress(family === 'ipv4' ? '10.0.0.200' : 'fe80::200');
      protocols.setQueriers([{ ...link, addresses: [highest] }]);
      const other = () => {
        const [view] = protocols.queriers();
        assert.ok(view?.kind === 'talking' && view.state.role === 'listener');
        return formatAddress(view.state.querier);
      };
      wire.bring(7, HIGHER[family], query(family));
      assert.equal(other(), HIGHER[family]);
      wire.bring(7, LOWER[family], query(family));
      assert.equal(other(), LOWER[family]);
      wire.bring(7, HIGHER[family], query(family));
      assert.equal(other(), LOWER[family]);
    });
  }

  it('asks from 0.0.0.0 where there is no address, and yields to every address then', () => {
    const { clock, wire, protocols } = world();
    protocols.setQueriers([{ ...querierLink('ipv4'), addresses: [] }]);
    assert.deepEqual(wire.take(), ['0 7 0.0.0.0 > 224.0.0.1 11']);
    wire.bring(7, '10.0.0.200', query('ipv4'));
    clock.pass(200_000);
    assert.deepEqual(wire.take(), []);
  });

  it('does not yield to 0.0.0.0', () => {
    const { clock, wire, protocols } = world();
    protocols.setQueriers([querierLink('ipv4')]);
    wire.take();
    wire.bring(7, '0.0.0.0', query('ipv4'));
    clock.pass(31_250);
    assert.equal(wire.take().length, 1);
  });

  it('of IPv6 yields only to a link-local address, and waits until it has one', () => {
    const { clock, wire, protocols } = world();
    const link = querierLink('ipv6');
    protocols.setQueriers([{ ...link, addresses: [parseAddress('2001:db8::5')] }]);
    assert.deepEqual(
      protocols.queriers().map((view) => view.kind === 'waiting' && view.for),
      ['address'],
    );
    clock.pass(1_000);
    assert.deepEqual(wire.take(), []);
    protocols.setQueriers([link]);
    assert.deepEqual(wire.take(), ['1000 7 fe80::5 > ff02::1 82']);
    wire.bring(7, '2001:db8::1', query('ipv6'));
    clock.pass(31_250);
    assert.equal(wire.take().length, 1);
  });

  it('waits for an interface that is down, and begins anew when it is up', () => {
    const { clock, wire, protocols } = world();
    const link = querierLink('ipv4');
    protocols.setQueriers([link]);
    clock.pass(100_000);
    wire.take();
    protocols.setQueriers([{ ...link, isUp: false }]);
    clock.pass(300_000);
    assert.deepEqual(wire.take(), []);
    assert.equal(clock.timers, 0);
    protocols.setQueriers([link]);
    clock.pass(31_250);
    assert.equal(wire.take().length, 2);
  });

  it('goes on undisturbed on links that stay, with their new address', () => {
    const { clock, wire, protocols } = world();
    const link = querierLink('ipv4');
    protocols.setQueriers([link]);
    clock.pass(200_000);
    wire.take();
    const second = { ...querierLink('ipv4'), name: 'eth1', ifindex: 8 };
    protocols.setQueriers([{ ...link, addresses: [parseAddress('10.0.0.77')] }, second]);
    assert.deepEqual(wire.take(), ['200000 8 10.0.0.5 > 224.0.0.1 11']);
    clock.pass(81_250);
    assert.deepEqual(wire.take(), ['231250 8 10.0.0.5 > 224.0.0.1 11', '281250 7 10.0.0.77 > 224.0.0.1 11']);
  });

  it('is not silenced by a query from another address of its own, such as that of another table', () => {
    const { clock, wire, protocols } = world();
    protocols.setQueriers([{ ...querierLink('ipv4'), addresses: ['10.0.0.5', '10.0.0.2'].map(parseAddress) }]);
    wire.take();
    wire.bring(7, '10.0.0.2', query('ipv4'));
    clock.pass(31_250);
    assert.equal(wire.take().length, 1);
  });

  it('begins anew with other settings', () => {
    const { clock, wire, protocols } = world();
    const link = querierLink('ipv4');
    protocols.setQueriers([link]);
    clock.pass(40_000);
    wire.take();
    protocols.setQueriers([{ ...link, settings: { ...link.settings, version: 2 } }]);
    assert.equal(wire.take().length, 1);
    assert.equal(wire.payloads.at(-1)?.length, 8);
  });

  it('tries again what the kernel refused, and loses no startup query by it', () => {
    const { clock, wire, protocols } = world();
    wire.refusal = Object.assign(new Error('ENETDOWN'), { errno: -100 });
    protocols.setQueriers([querierLink('ipv4')]);
    const [view] = protocols.queriers();
    assert.ok(view?.kind === 'talking' && view.error === wire.refusal);
    clock.pass(3_500);
    wire.refusal = undefined;
    clock.pass(40_000);
    assert.deepEqual(
      wire.take().map((line) => line.split(' ')[0]),
      ['4000', '35250'],
    );
  });

  it('lets an error of its own through', () => {
    const { wire, protocols } = world();
    wire.refusal = new Error('a bug');
    assert.throws(() => {
      protocols.setQueriers([querierLink('ipv4')]);
    }, /a bug/);
  });
});

describe('router discovery', () => {
  for (const family of FAMILIES) {
    const line = (at: number) => `${at} 7 ${OWN[family]} > ${SNOOPERS[family]} ${ADVERTISEMENT[family]}`;

    it(`advertises three times soon, then at its interval (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setAdvertisers([advertiserLink(family)]);
      clock.pass(45_000);
      // A chance of a half: 1 s before each of the first, and no jitter.
      assert.deepEqual(wire.take(), [1_000, 2_000, 3_000, 23_000, 43_000].map(line));
    });

    it(`answers a solicitation soon, several with one, and keeps its interval (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setAdvertisers([advertiserLink(family)]);
      clock.pass(10_000);
      wire.take();
      for (let count = 0; count < 5; count++) {
        wire.bring(7, HIGHER[family], SOLICITATION[family]);
        clock.pass(10);
      }
      assert.deepEqual(wire.take(), [line(10_050)]);
      wire.bring(7, HIGHER[family], SOLICITATION[family]);
      clock.pass(99);
      assert.deepEqual(wire.take(), []);
      clock.pass(1);
      assert.deepEqual(wire.take(), [line(10_150)]);
      clock.pass(20_000);
      assert.deepEqual(wire.take(), [line(23_000)]);
    });

    it(`does not answer what came from beyond the link or is damaged (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setAdvertisers([advertiserLink(family)]);
      clock.pass(10_000);
      wire.take();
      wire.bring(7, HIGHER[family], SOLICITATION[family], 64);
      wire.bring(7, HIGHER[family], SOLICITATION[family].subarray(0, 3));
      wire.bring(7, HIGHER[family], encodeAdvertisement(family, { intervalS: 20, queryIntervalS: 0, robustness: 0 }));
      clock.pass(5_000);
      assert.deepEqual(wire.take(), []);
    });

    it(`says that it ends, if it has said that it is there (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setAdvertisers([advertiserLink(family)]);
      protocols.setAdvertisers([]);
      assert.deepEqual(wire.take(), []);
      protocols.setAdvertisers([advertiserLink(family)]);
      clock.pass(5_000);
      wire.take();
      protocols.stop();
      assert.deepEqual(wire.take(), [`5000 7 ${OWN[family]} > ${SNOOPERS[family]} ${TERMINATION[family]}`]);
      assert.ok(wire.isClosed);
      assert.equal(clock.timers, 0);
    });

    it(`ends without a word when another agent goes on (${family})`, () => {
      const { clock, wire, protocols } = world();
      protocols.setAdvertisers([advertiserLink(family)]);
      clock.pass(5_000);
      wire.take();
      protocols.close();
      assert.deepEqual(wire.take(), []);
      assert.equal(clock.timers, 0);
    });

    it(`needs the group of all routers joined (${family})`, () => {
      const { protocols } = world();
      protocols.setAdvertisers([advertiserLink(family)]);
      const joins = protocols.neededJoins().map((join) => ({ ...join, group: formatAddress(join.group) }));
      const group = family === 'ipv4' ? '224.0.0.2' : 'ff02::2';
      assert.deepEqual(joins, [{ interface: 'eth0', ifindex: 7, group }]);
    });
  }

  it('perturbs its interval by a fortieth at most', () => {
    const clock = new HandClock();
    const wire = new Wire(clock);
    const chances = [0, 0, 0, 0.999_999, 0, 0.5];
    const protocols = new LinkProtocols({ sockets: wire, clock, random: () => chances.shift() ?? 0.5 });
    protocols.setAdvertisers([advertiserLink('ipv4')]);
    clock.pass(61_000);
    const times = wire.take().map((seen) => Number(seen.split(' ')[0]));
    assert.deepEqual(times, [0, 0, 0, 20_500, 40_000, 60_000]);
  });

  it('waits for an address of IPv4, rather than have none', () => {
    const { clock, wire, protocols } = world();
    protocols.setAdvertisers([{ ...advertiserLink('ipv4'), addresses: [] }]);
    clock.pass(60_000);
    assert.deepEqual(wire.take(), []);
    assert.deepEqual(
      protocols.advertisers().map((view) => view.kind),
      ['waiting'],
    );
  });

  it('says in its advertisement what RFC 4286 asks', () => {
    const { clock, wire, protocols } = world();
    protocols.setAdvertisers([advertiserLink('ipv4')]);
    clock.pass(1_000);
    const [payload] = wire.payloads;
    assert.ok(payload !== undefined);
    assert.equal(internetChecksum(payload), 0);
    assert.equal(
      Buffer.from(payload)
        .toString('hex')
        .replace(/^(....)..../, '$1'),
      '3014007d0002',
    );
  });

  it('knows a solicitation with a wrong checksum', () => {
    assert.ok(isSolicitation('ipv4', SOLICITATION.ipv4));
    assert.ok(!isSolicitation('ipv4', Uint8Array.of(0x31, 0, 0xce, 0xfe)));
  });
});

function world() {
  const clock = new HandClock();
  const wire = new Wire(clock);
  return { clock, wire, protocols: new LinkProtocols({ sockets: wire, clock, random: () => 0.5 }) };
}

function querierLink(family: Family): QuerierLink {
  return { ...LINK, settings: defaultQuerier(family) };
}

function advertiserLink(family: Family): AdvertiserLink {
  return { ...LINK, settings: { family, intervalS: 20, queryIntervalS: 125, robustness: 2 } };
}

const LINK = { name: 'eth0', ifindex: 7, isUp: true, addresses: ADDRESSES.map((text) => parseAddress(text)) };

function query(
  family: Family,
  values: { readonly robustness?: number; readonly intervalS?: number; readonly maxResponseMs?: number } = {},
): Uint8Array {
  const { version } = defaultQuerier(family);
  const usual = { maxResponseMs: 10_000, robustness: 2, intervalS: 125 };
  return encodeQuery({ family, version, group: anyPrefix(family).address, ...usual, ...values });
}
