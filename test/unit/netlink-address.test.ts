import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  type AddressNews,
  type AddressScope,
  addressDumpRequest,
  parseInterfaceAddress,
} from '../../src/agent/netlink/address.js';
import { addressAttribute, textAttribute } from '../../src/agent/netlink/attribute.js';
import { LITTLE_ENDIAN, NetlinkFormatError } from '../../src/agent/netlink/bytes.js';
import { encodePayload } from '../../src/agent/netlink/message.js';
import { type Address, formatAddress, parseAddress } from '../../src/model/address.js';
import { message, parseRecorded, skipRecorded } from '../support/netlink.js';

const SCOPES: readonly (readonly [number, AddressScope])[] = [
  [0, 'global'],
  [200, 'site'],
  [253, 'link'],
  [254, 'host'],
  [17, 'other'],
];

const word = fc.nat(0xffffffff);
const anyAddress: fc.Arbitrary<Address> = fc.oneof(
  fc.tuple(word).map((words) => ({ family: 'ipv4' as const, words })),
  fc.tuple(word, word, word, word).map((words) => ({ family: 'ipv6' as const, words })),
);

function header(family: number, prefixLength: number, scope: number, ifindex: number): Uint8Array {
  const bytes = Uint8Array.of(family, prefixLength, 0, scope, 0, 0, 0, 0);
  new DataView(bytes.buffer).setUint32(4, ifindex, LITTLE_ENDIAN);
  return bytes;
}

function describe({ event, address }: AddressNews): string {
  return `${event} ${address.ifindex} ${formatAddress(address.address)}/${address.prefixLength} ${address.scope}`;
}

void it('an address is read as it was written', () => {
  const ifindexes = fc.integer({ min: 1, max: 0x7fffffff });
  fc.assert(
    fc.property(anyAddress, fc.nat(32), fc.constantFrom(...SCOPES), ifindexes, (address, length, scope, ifindex) => {
      const fixed = header(address.family === 'ipv4' ? 2 : 10, length, scope[0], ifindex);
      const payload = encodePayload(fixed, [addressAttribute(1, address), textAttribute(3, 'eth0')]);
      const expected = { ifindex, address, prefixLength: length, scope: scope[1], isUsable: true };
      assert.deepEqual(parseInterfaceAddress(message(20, payload)), { event: 'address', address: expected });
      assert.deepEqual(parseInterfaceAddress(message(21, payload)), { event: 'address-gone', address: expected });
    }),
  );
});

void it("with a peer the address is the interface's own", { skip: skipRecorded }, () => {
  assert.deepEqual(parseRecorded('address-changes', parseInterfaceAddress).map(describe), [
    'address 10 10.0.0.1/24 global',
    'address 11 10.8.0.1/32 global',
    'address 10 2001:db8::1/64 global',
    'address 10 fe80::1/64 link',
    'address-gone 11 10.8.0.1/32 global',
  ]);
});

void it('a dump lists the addresses of a family', { skip: skipRecorded }, () => {
  assert.deepEqual(parseRecorded('address-dump-ipv4', parseInterfaceAddress).map(describe), [
    'address 1 127.0.0.1/8 host',
    'address 10 10.0.0.1/24 global',
  ]);
  assert.deepEqual(parseRecorded('address-dump-ipv6', parseInterfaceAddress).map(describe), [
    'address 1 ::1/128 host',
    'address 10 2001:db8::1/64 global',
    'address 10 fe80::1/64 link',
  ]);
});

void it('a request names its family', () => {
  assert.deepEqual([...addressDumpRequest('ipv4').payload], [2, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...addressDumpRequest('ipv6').payload], [10, 0, 0, 0, 0, 0, 0, 0]);
});

void it('other families are not our business, impossible prefixes are refused', () => {
  assert.equal(parseInterfaceAddress(message(20, header(45, 8, 0, 1))), undefined);
  const address = addressAttribute(1, parseAddress('10.0.0.1'));
  const payload = encodePayload(header(2, 33, 0, 1), [address]);
  assert.throws(() => parseInterfaceAddress(message(20, payload)), NetlinkFormatError);
  assert.throws(() => parseInterfaceAddress(message(20, header(2, 8, 0, 1))), NetlinkFormatError);
});
