import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Address,
  AddressError,
  type Prefix,
  addressKey,
  addressLength,
  comparePrefixes,
  covers,
  formatAddress,
  formatPrefix,
  holds,
  isLinkLocalGroup,
  isMulticastPrefix,
  maskAddress,
  overlaps,
  parseAddress,
  parsePrefix,
  sameAddress,
} from '../../src/model/address.js';

const word = fc.oneof(fc.nat(0xffff), fc.constant(0), fc.integer({ min: 0, max: 0xffffffff }));
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.tuple(word).map((words): Address => ({ family: 'ipv4', words })),
  fc.tuple(word, word, word, word).map((words): Address => ({ family: 'ipv6', words })),
);
const prefix: fc.Arbitrary<Prefix> = address.chain((of) =>
  fc.nat(addressLength(of.family)).map((length) => ({ address: maskAddress(of, length), length })),
);

describe('addresses', () => {
  it('are the same after formatting and parsing', () => {
    fc.assert(
      fc.property(address, (of) => {
        const text = formatAddress(of);
        assert.equal(isIP(text), of.family === 'ipv4' ? 4 : 6);
        assert.ok(sameAddress(parseAddress(text), of));
      }),
    );
  });

  it('are taken exactly when Node takes them', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.stringMatching(/^[0-9.]{1,16}$/),
      fc.stringMatching(/^[0-9a-f:.]{1,42}$/),
      fc.string(),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        // Node takes zones, which name an interface and have no place here.
        fc.pre(!candidate.includes('%'));
        if (isIP(candidate) === 0) assert.throws(() => parseAddress(candidate), AddressError);
        else assert.equal(parseAddress(candidate).words.length, isIP(candidate) === 4 ? 1 : 4);
      }),
      { numRuns: 2_000 },
    );
  });

  it('have equal keys only if they are equal', () => {
    fc.assert(
      fc.property(address, address, (a, b) => {
        fc.pre(a.family === b.family);
        assert.equal(addressKey(a) === addressKey(b), sameAddress(a, b));
      }),
    );
  });

  it('of IPv6 are shown as RFC 5952 recommends', () => {
    for (const [text, shown] of [
      ['2001:DB8:0:0:0:0:2:1', '2001:db8::2:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['0::0', '::'],
      ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
      ['ff3e::8000:1', 'ff3e::8000:1'],
    ] as const) {
      assert.equal(formatAddress(parseAddress(text)), shown);
    }
  });
});

describe('prefixes', () => {
  it('are the same after formatting and parsing', () => {
    fc.assert(
      fc.property(prefix, (of) => {
        assert.equal(comparePrefixes(parsePrefix(formatPrefix(of)), of), 0);
      }),
    );
  });

  it('clear the host bits', () => {
    assert.equal(formatPrefix(parsePrefix('239.1.2.3/16')), '239.1.0.0/16');
    assert.equal(formatPrefix(parsePrefix('ff3e:1::5/33')), 'ff3e:1::/33');
  });

  it('refuse lengths that are none', () => {
    for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/-1', '::/129', '::/1e1', '10.0.0.0/8/8']) {
      assert.throws(() => parsePrefix(text), AddressError, text);
    }
  });

  it('hold an address exactly when its first bits are theirs', () => {
    const bits = (of: Address) => of.words.map((value) => value.toString(2).padStart(32, '0')).join('');
    fc.assert(
      fc.property(prefix, address, fc.boolean(), (of, other, isNear) => {
        fc.pre(of.address.family === other.family);
        const candidate = isNear ? of.address : other;
        const expected = bits(candidate).startsWith(bits(of.address).slice(0, of.length));
        assert.equal(holds(of, candidate), expected);
      }),
    );
  });

  it('overlap exactly when one covers the other', () => {
    fc.assert(
      fc.property(prefix, prefix, (a, b) => {
        assert.equal(overlaps(a, b), covers(a, b) || covers(b, a));
      }),
    );
  });

  it('of groups are told from others', () => {
    for (const text of ['224.0.0.0/4', '239.255.0.0/16', 'ff00::/8', 'ff3e::1']) {
      assert.ok(isMulticastPrefix(parsePrefix(text)), text);
    }
    for (const text of ['224.0.0.0/3', '223.0.0.1', '0.0.0.0/0', '::/0', 'fe00::/7', 'fe80::1']) {
      assert.ok(!isMulticastPrefix(parsePrefix(text)), text);
    }
  });

  it('of link-local groups are told from others', () => {
    for (const text of ['224.0.0.251', '224.0.0.0/16', 'ff02::1', 'ff12::5', 'ff01::/16', 'ff00::/8']) {
      assert.ok(isLinkLocalGroup(parsePrefix(text)), text);
    }
    for (const text of ['224.0.1.1', '239.0.0.1', 'ff05::1', 'ff3e::/32']) {
      assert.ok(!isLinkLocalGroup(parsePrefix(text)), text);
    }
  });
});
