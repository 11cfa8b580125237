import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Attribute, addressAttribute, nestedAttribute } from '../../src/agent/netlink/attribute.js';
import { u32Attribute, u64Attribute } from '../../src/agent/netlink/attribute.js';
import { LITTLE_ENDIAN, NetlinkFormatError } from '../../src/agent/netlink/bytes.js';
import { type NetlinkMessage, encodePayload } from '../../src/agent/netlink/message.js';
import { type MfcEntry, type MfcOif, mfcDumpRequest, mfcGetRequest } from '../../src/agent/netlink/mroute.js';
import { parseMfcEntry } from '../../src/agent/netlink/mroute.js';
import { type Address, FAMILIES, type Family, formatAddress, parseAddress } from '../../src/model/address.js';
import { message, parseRecorded, skipRecorded } from '../support/netlink.js';

const counter = fc.bigInt(0n, 0xffffffffffffffffn);
const ifindex = fc.integer({ min: 1, max: 1000 });
const oif: fc.Arbitrary<MfcOif> = fc.record(
  { ifindex, ttlThreshold: fc.integer({ min: 1, max: 254 }) },
  { noNullPrototype: true },
);

function address(family: Family): fc.Arbitrary<Address> {
  const length = family === 'ipv4' ? 1 : 4;
  const words = fc.array(fc.integer({ min: 1, max: 0xffffffff }), { minLength: length, maxLength: length });
  return words.map((list) => ({ family, words: list }));
}

const anyEntry: fc.Arbitrary<MfcEntry> = fc.constantFrom<Family>(...FAMILIES).chain((family) =>
  fc.record(
    {
      table: fc.nat(99_999_999),
      source: fc.option(address(family), { nil: undefined }),
      group: address(family),
      iif: fc.option(ifindex, { nil: undefined }),
      oifs: fc.array(oif, { maxLength: 4 }),
      packets: counter,
      bytes: counter,
      wrongIf: counter,
      lastUsedMs: fc.nat(1_000_000).map((ticks) => ticks * 10),
      isUnresolved: fc.boolean(),
      protocol: fc.nat(0xff),
    },
    { noNullPrototype: true },
  ),
);

function nexthop({ ifindex: index, ttlThreshold }: MfcOif): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 8, LITTLE_ENDIAN);
  view.setUint8(3, ttlThreshold);
  view.setInt32(4, index, LITTLE_ENDIAN);
  return bytes;
}

function entryMessage(type: number, entry: MfcEntry): NetlinkMessage {
  const family = entry.group.family;
  const header = new Uint8Array(12);
  header.set([family === 'ipv4' ? 128 : 129, 0, 0, 0, 252, entry.protocol]);
  new DataView(header.buffer).setUint32(8, entry.isUnresolved ? 0x20 : 0, LITTLE_ENDIAN);
  const zero: Address = { family, words: entry.group.words.map(() => 0) };
  const stats = BigUint64Array.of(entry.packets, entry.bytes, entry.wrongIf);
  const attributes: Attribute[] = [
    u32Attribute(15, entry.table),
    addressAttribute(2, entry.source ?? zero),
    addressAttribute(1, entry.group),
    { type: 9, value: Uint8Array.from(Buffer.concat(entry.oifs.map(nexthop))) },
    { type: 17, value: new Uint8Array(stats.buffer) },
    u64Attribute(23, BigInt((entry.lastUsedMs ?? 0) / 10)),
  ];
  if (entry.iif !== undefined) attributes.push(u32Attribute(3, entry.iif));
  return message(type, encodePayload(header, attributes));
}

/** `(S, G) iif > oif/ttl ...` with what is special. */
function describe(entry: MfcEntry): string {
  const flow = `(${entry.source === undefined ? '*' : formatAddress(entry.source)}, ${formatAddress(entry.group)})`;
  const oifs = entry.oifs.map(({ ifindex: index, ttlThreshold }) => `${index}/${ttlThreshold}`);
  return [flow, entry.iif ?? '-', '>', ...oifs, ...(entry.isUnresolved ? ['unresolved'] : [])].join(' ');
}

void it('an entry is read as it was written, a (*,G) one without its iif among the oifs', () => {
  fc.assert(
    fc.property(anyEntry, (entry) => {
      const oifs = entry.source === undefined ? entry.oifs.filter((each) => each.ifindex !== entry.iif) : entry.oifs;
      const expected = { ...entry, oifs };
      assert.deepEqual(parseMfcEntry(entryMessage(24, entry)), { event: 'mfc', entry: expected });
      assert.deepEqual(parseMfcEntry(entryMessage(25, entry)), { event: 'mfc-gone', entry: expected });
    }),
  );
});

void it('a dump lists (S,G), (*,G) and unresolved entries of the table', { skip: skipRecorded }, () => {
  const ipv4 = parseRecorded('mfc-dump-ipv4', parseMfcEntry).map(({ entry }) => entry);
  assert.deepEqual(ipv4.map(describe), [
    '(10.1.0.5, 239.1.1.1) 10 > 11/1 12/8',
    '(*, 239.1.1.2) 10 > 11/1 12/1',
    '(*, 239.1.1.3) - > 10/1 11/1',
    '(10.1.0.6, 239.1.1.4) 10 >',
    '(10.1.0.9, 239.9.9.9) - > unresolved',
  ]);
  const ipv6 = parseRecorded('mfc-dump-ipv6', parseMfcEntry).map(({ entry }) => entry);
  assert.deepEqual(ipv6.map(describe), [
    '(2001:db8:1::5, ff1e::1) 10 > 11/1 12/1',
    '(*, ff1e::2) 10 > 11/1 12/1',
    '(2001:db8:1::9, ff1e::99) - > unresolved',
  ]);
  for (const entry of [...ipv4, ...ipv6]) {
    assert.equal(entry.table, 123);
    assert.equal(entry.protocol, 17);
    assert.equal(entry.lastUsedMs === undefined, entry.isUnresolved);
  }
  const [counted] = ipv4;
  assert.deepEqual([counted?.packets, counted?.bytes, counted?.wrongIf], [1n, 32n, 0n]);
});

void it('an entry that goes has its last counters', { skip: skipRecorded }, () => {
  const news = parseRecorded('mfc-changes', parseMfcEntry);
  const gone = news.filter(({ event }) => event === 'mfc-gone').map(({ entry }) => entry);
  assert.deepEqual(gone.map(describe), [
    '(10.1.0.5, 239.1.1.1) 10 > 11/1 12/8',
    '(2001:db8:1::5, ff1e::1) 10 > 11/1 12/1',
  ]);
  assert.equal(gone[0]?.packets, 1n);
  assert.equal(news.filter(({ event, entry }) => event === 'mfc' && entry.isUnresolved).length, 2);
});

void it('unicast routes are not mfc entries', () => {
  const header = new Uint8Array(12);
  header[0] = 2;
  assert.equal(parseMfcEntry(message(24, header)), undefined);
});

void it('a nexthop of impossible length is refused', () => {
  const group = parseAddress('239.1.1.1');
  const header = new Uint8Array(12);
  header[0] = 128;
  for (const value of [
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0),
    new Uint8Array(Uint16Array.of(12, 0, 0, 0).buffer),
    new Uint8Array(7),
  ]) {
    const multipath = nestedAttribute(9, []);
    const attributes = [addressAttribute(1, group), addressAttribute(2, group), { ...multipath, value }];
    assert.throws(() => parseMfcEntry(message(24, encodePayload(header, attributes))), NetlinkFormatError);
  }
});

void it('requests name family, table and flow as strict checking wants them', () => {
  const dump = mfcDumpRequest('ipv6', 123);
  assert.equal(dump.flags, 0x300);
  assert.deepEqual(
    dump.payload,
    encodePayload(Uint8Array.of(129, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), [u32Attribute(15, 123)]),
  );
  const source = parseAddress('10.0.0.1');
  const group = parseAddress('239.1.1.1');
  const get = mfcGetRequest(123, source, group);
  assert.equal(get.flags, 0);
  assert.deepEqual(
    get.payload,
    encodePayload(Uint8Array.of(128, 32, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0), [
      u32Attribute(15, 123),
      addressAttribute(2, source),
      addressAttribute(1, group),
    ]),
  );
});
