import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { nestedAttribute, textAttribute, u32Attribute } from '../../src/agent/netlink/attribute.js';
import { LITTLE_ENDIAN, NetlinkFormatError } from '../../src/agent/netlink/bytes.js';
import { linkDumpRequest, parseLink } from '../../src/agent/netlink/link.js';
import { type NetlinkMessage, encodePayload } from '../../src/agent/netlink/message.js';
import { parseVifs, vifDumpRequest } from '../../src/agent/netlink/vif.js';
import type { Link } from '../../src/model/interface.js';
import { message, parseRecorded, readMessages, skipRecorded } from '../support/netlink.js';

/** What IFLA_LINKINFO says: VRFs alone have a table. */
const anyLinkInfo = fc.oneof(
  fc.record({ kind: fc.constantFrom(undefined, 'veth', 'bridge'), vrfTable: fc.constant(undefined) }),
  fc.record({ kind: fc.constant('vrf'), vrfTable: fc.option(fc.nat(0xffffffff), { nil: undefined }) }),
);

const anyPlainLink: fc.Arbitrary<Omit<Link, 'kind' | 'vrfTable'>> = fc.record(
  {
    ifindex: fc.integer({ min: 1, max: 0x7fffffff }),
    name: fc.stringMatching(/^[a-z0-9.é-]{1,7}$/),
    isUp: fc.boolean(),
    isLoopback: fc.boolean(),
    hasMulticast: fc.boolean(),
    hasCarrier: fc.boolean(),
    masterIfindex: fc.option(fc.integer({ min: 1, max: 0x7fffffff }), { nil: undefined }),
    mtu: fc.nat(0xffffffff),
  },
  { noNullPrototype: true },
);

const anyLink: fc.Arbitrary<Link> = fc
  .tuple(anyPlainLink, anyLinkInfo)
  .map(([link, { kind, vrfTable }]) => ({ ...link, kind, vrfTable }));

function linkMessage(type: number, link: Link, family = 0): NetlinkMessage {
  const header = new Uint8Array(16);
  const view = new DataView(header.buffer);
  view.setUint8(0, family);
  view.setInt32(4, link.ifindex, LITTLE_ENDIAN);
  const flags = [link.isUp && 1, link.isLoopback && 8, link.hasMulticast && 0x1000, link.hasCarrier && 0x10000];
  view.setUint32(
    8,
    flags.reduce<number>((sum, flag) => sum + Number(flag), 0x40),
    LITTLE_ENDIAN,
  );
  const attributes = [textAttribute(3, link.name), u32Attribute(4, link.mtu)];
  if (link.masterIfindex !== undefined) attributes.push(u32Attribute(10, link.masterIfindex));
  if (link.kind !== undefined) attributes.push(nestedAttribute(18, linkInfo(link.kind, link.vrfTable)));
  return message(type, encodePayload(header, attributes));
}

/** The attribute 1 of other kinds' data means something else. */
function linkInfo(kind: string, vrfTable: number | undefined) {
  const data = vrfTable ?? (kind === 'vrf' ? undefined : 7);
  return [textAttribute(1, kind), ...(data === undefined ? [] : [nestedAttribute(2, [u32Attribute(1, data)])])];
}

void it('a link is read as it was written', () => {
  fc.assert(
    fc.property(anyLink, (link) => {
      assert.deepEqual(parseLink(linkMessage(16, link)), { event: 'link', link });
      assert.deepEqual(parseLink(linkMessage(17, link)), { event: 'link-gone', ifindex: link.ifindex });
    }),
  );
});

void it('a dump lists every interface with kind, master and flags', { skip: skipRecorded }, () => {
  const links = parseRecorded('link-dump', parseLink).map((news) => (news.event === 'link' ? news.link : news));
  const veth = { isUp: true, isLoopback: false, hasMulticast: true, hasCarrier: true, kind: 'veth', mtu: 1500 };
  const port = (ifindex: number, name: string) => ({
    ifindex,
    name,
    masterIfindex: undefined,
    vrfTable: undefined,
    ...veth,
  });
  const expected: readonly Link[] = [
    {
      ifindex: 1,
      name: 'lo',
      isUp: true,
      isLoopback: true,
      hasMulticast: false,
      hasCarrier: true,
      masterIfindex: undefined,
      kind: undefined,
      vrfTable: undefined,
      mtu: 65536,
    },
    port(10, 'eth0'),
    port(11, 'eth1'),
    port(12, 'eth2'),
    port(20, 'peer0'),
    port(21, 'peer1'),
    { ...port(22, 'peer2'), masterIfindex: 30 },
    { ...port(30, 'br0'), isUp: false, hasCarrier: false, kind: 'bridge' },
  ];
  assert.deepEqual(links, expected);
});

void it('an interface that comes and goes is told of', { skip: skipRecorded }, () => {
  const news = parseRecorded('link-add-delete', parseLink);
  const told = news.map((each) => (each.event === 'link' ? `${each.link.name} ${each.link.mtu}` : each.ifindex));
  assert.deepEqual(new Set(told), new Set(['veth9 1500', 'veth8 1400', 80, 90]));
  assert.deepEqual(told.slice(-2).sort(), [80, 90]);
});

void it('a rename keeps the ifindex', { skip: skipRecorded }, () => {
  const news = parseRecorded('link-rename', parseLink).filter((each) => each.event === 'link');
  const names = news.map(({ link }) => [link.ifindex, link.name]);
  assert.deepEqual(names.at(0), [30, 'br1']);
  assert.deepEqual(names.at(-1), [30, 'br0']);
});

void it('an interface that leaves a bridge is not gone', { skip: skipRecorded }, () => {
  const families = readMessages('bridge-port').map(({ type, payload }) => `${type} ${payload[0] ?? ''}`);
  assert.ok(families.includes('17 7'), 'the recording has an RTM_DELLINK of AF_BRIDGE');
  const news = parseRecorded('bridge-port', parseLink);
  assert.deepEqual(new Set(news.map(({ event }) => event)), new Set(['link']));
  const masters = news.flatMap((each) =>
    each.event === 'link' && each.link.name === 'peer2' ? [each.link.masterIfindex] : [],
  );
  assert.ok(masters.includes(30), 'it joined');
  assert.equal(masters.at(-1), undefined, 'it left');
  assert.ok(
    news.every((each) => each.event === 'link' && each.link.kind !== undefined),
    'none is half a description',
  );
});

void it('a message of the wireless extensions is not taken for a description of the interface', () => {
  const header = new Uint8Array(16);
  const wireless = encodePayload(header, [textAttribute(3, 'wlan0'), { type: 11, value: new Uint8Array(8) }]);
  assert.equal(parseLink(message(16, wireless)), undefined);
  assert.throws(() => parseLink(message(16, encodePayload(header, [textAttribute(3, 'wlan0')]))), NetlinkFormatError);
});

void it('counters are not asked for', () => {
  const { payload, flags } = linkDumpRequest();
  assert.equal(flags, 0x300);
  assert.deepEqual(payload, encodePayload(new Uint8Array(16), [u32Attribute(29, 8)]));
});

void it('the vif dump tells table, number, interface and counters', { skip: skipRecorded }, () => {
  const vifs = parseRecorded('vif-dump', parseVifs).flat();
  const none = { table: 123, flags: 8, packetsIn: 0n, bytesIn: 0n, packetsOut: 0n, bytesOut: 0n };
  assert.deepEqual(vifs, [
    { ...none, vif: 0, ifindex: 10, packetsIn: 1n, bytesIn: 32n },
    { ...none, vif: 1, ifindex: 11, packetsOut: 1n, bytesOut: 32n },
    { ...none, vif: 2, ifindex: 12, packetsOut: 1n, bytesOut: 32n },
  ]);
});

void it('vifs are not links and links are not vifs', { skip: skipRecorded }, () => {
  assert.deepEqual(parseRecorded('vif-dump', parseLink), []);
  assert.deepEqual(parseRecorded('link-dump', parseVifs), []);
  assert.equal(vifDumpRequest().payload[0], 128);
});
