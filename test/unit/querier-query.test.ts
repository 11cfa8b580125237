import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ethernetGroup, encodeIgmpPacket } from '../../src/agent/signalling/ipv4-packet.js';
import { internetChecksum } from '../../src/agent/signalling/checksum.js';
import { QUERY_VERSIONS, type Query, encodeQuery, isGeneral, parseQuery } from '../../src/agent/querier/query.js';
import { type Family, parseAddress } from '../../src/model/address.js';

const GENERAL: Query = {
  family: 'ipv4',
  version: 3,
  group: parseAddress('0.0.0.0'),
  maxResponseMs: 10_000,
  robustness: 2,
  intervalS: 125,
};

describe('a query as bytes', () => {
  it('of IGMPv3 is as RFC 3376 draws it', () => {
    assert.equal(hex(encodeQuery(GENERAL)), '1164ec1e00000000027d0000');
  });

  it('of IGMPv2 is as RFC 2236 draws it', () => {
    assert.equal(hex(encodeQuery({ ...GENERAL, version: 2 })), '1164ee9b00000000');
  });

  it('of MLDv2 is as RFC 3810 draws it, and the kernel adds the checksum', () => {
    const query: Query = { ...GENERAL, family: 'ipv6', version: 2, group: parseAddress('::') };
    assert.equal(hex(encodeQuery(query)), `8200000027100000${'00'.repeat(16)}027d0000`);
    assert.equal(hex(encodeQuery({ ...query, version: 1 })), `8200000027100000${'00'.repeat(16)}`);
  });

  it('tells long times by exponent and mantissa, never too long', () => {
    // RFC 3376, 4.1.1: (mant | 0x10) << (exp + 3).
    const coded = (intervalS: number) => encodeQuery({ ...GENERAL, intervalS })[9];
    assert.deepEqual([127, 128, 135, 136, 31_744, 99_999].map(coded), [127, 0x80, 0x80, 0x81, 0xff, 0xff]);
    const mld: Query = { ...GENERAL, family: 'ipv6', version: 2, group: parseAddress('::'), maxResponseMs: 32_768 };
    assert.equal(hex(encodeQuery(mld).subarray(4, 6)), '8000');
    assert.equal(hex(encodeQuery({ ...mld, maxResponseMs: 8_387_584 }).subarray(4, 6)), 'ffff');
  });

  it('has no robustness that does not fit', () => {
    assert.equal(encodeQuery({ ...GENERAL, robustness: 8 })[8], 0);
  });

  it('says after parsing what was said, and less only where the code is coarse', () => {
    fc.assert(
      fc.property(queries(), (query) => {
        const parsed = parseQuery(query.family, encodeQuery(query)) ?? assert.fail('it is a query');
        const isNewer = query.version === QUERY_VERSIONS[query.family][1];
        assert.deepEqual(parsed.group, query.group);
        assert.equal(parsed.version, query.version);
        assert.equal(parsed.robustness, isNewer ? query.robustness : 0);
        assert.ok(isNewer ? isJustBelow(parsed.intervalS, query.intervalS) : parsed.intervalS === 0);
        assert.ok(isJustBelow(parsed.maxResponseMs, query.maxResponseMs));
      }),
    );
  });
});

describe('the reader of queries', () => {
  it('knows IGMPv1 by its missing response time', () => {
    assert.equal(parseQuery('ipv4', bytes('1100eeff00000000'))?.version, 1);
  });

  it('knows who is asked', () => {
    const one = parseQuery('ipv4', encodeQuery({ ...GENERAL, group: parseAddress('239.1.1.1') }));
    assert.ok(one !== undefined && !isGeneral(one));
    assert.ok(isGeneral(GENERAL));
  });

  it('ignores wrong checksums, lengths and types', () => {
    const good = encodeQuery(GENERAL);
    assert.equal(
      parseQuery(
        'ipv4',
        Uint8Array.from(good, (byte, at) => (at === 3 ? byte ^ 1 : byte)),
      ),
      undefined,
    );
    for (const length of [0, 7, 9, 11]) assert.equal(parseQuery('ipv4', good.subarray(0, length)), undefined);
    assert.equal(parseQuery('ipv4', bytes('1664e89b00000000')), undefined);
    const mld = encodeQuery({ ...GENERAL, family: 'ipv6', version: 2, group: parseAddress('::') });
    for (const length of [0, 23, 25, 27]) assert.equal(parseQuery('ipv6', mld.subarray(0, length)), undefined);
  });

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.constantFrom<Family>('ipv4', 'ipv6'), fc.uint8Array({ maxLength: 64 }), (family, random) => {
        parseQuery(family, random);
      }),
    );
  });
});

describe('a packet with its own header', () => {
  it('has TTL 1, a router alert and right checksums', () => {
    const payload = encodeQuery(GENERAL);
    const packet = encodeIgmpPacket(parseAddress('0.0.0.0'), parseAddress('224.0.0.1'), payload);
    assert.equal(hex(packet), `46c00024000040000102041300000000e000000194040000${hex(payload)}`);
    assert.equal(internetChecksum(packet.subarray(0, 24)), 0);
  });

  it('goes where Ethernet has the group', () => {
    assert.equal(hex(ethernetGroup(parseAddress('239.255.1.2'))), '01005e7f0102');
  });
});

function queries(): fc.Arbitrary<Query> {
  return fc.constantFrom<Family>('ipv4', 'ipv6').chain((family) =>
    fc.record({
      family: fc.constant(family),
      version: fc.constantFrom(...QUERY_VERSIONS[family]),
      group: fc.constantFrom(
        ...(family === 'ipv4' ? ['0.0.0.0', '239.1.2.3'] : ['::', 'ff3e::1:2']).map((text) => parseAddress(text)),
      ),
      // What the older versions can say too.
      maxResponseMs: fc.integer({ min: 1, max: 255 }).map((tenths) => tenths * 100),
      robustness: fc.integer({ min: 0, max: 7 }),
      intervalS: fc.integer({ min: 0, max: 31_744 }),
    }),
  );
}

/** Within what a mantissa of four bits tells. */
function isJustBelow(told: number, said: number): boolean {
  return told <= said && told > said * (15 / 16) - 1;
}

function hex(of: Uint8Array): string {
  return Buffer.from(of).toString('hex');
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
