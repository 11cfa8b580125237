import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  type Attribute,
  encodeAttributes,
  listAttributes,
  nestedAttribute,
} from '../../src/agent/netlink/attribute.js';
import {
  parseAttributes,
  readAddress,
  readText,
  readU16,
  readU32,
  readU64,
} from '../../src/agent/netlink/attribute.js';
import { readU8, textAttribute, u16Attribute, u32Attribute } from '../../src/agent/netlink/attribute.js';
import { addressAttribute, u64Attribute, u8Attribute } from '../../src/agent/netlink/attribute.js';
import { NetlinkFormatError } from '../../src/agent/netlink/bytes.js';
import { type NetlinkMessage, encodeMessage, encodePayload } from '../../src/agent/netlink/message.js';
import { parseAcknowledgement, parseDatagram } from '../../src/agent/netlink/message.js';
import { parseAddress } from '../../src/model/address.js';
import { message, readMessages, skipRecorded } from '../support/netlink.js';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Uint8Array.from(value));

const anyMessage: fc.Arbitrary<NetlinkMessage> = fc.record(
  {
    type: u16,
    flags: u16,
    sequence: u32,
    portId: u32,
    payload: bytes,
  },
  { noNullPrototype: true },
);

const anyAttribute: fc.Arbitrary<Attribute> = fc.record(
  { type: fc.nat(0x3fff), value: bytes },
  { noNullPrototype: true },
);

function only(name: string): NetlinkMessage {
  const [first, ...rest] = readMessages(name);
  assert.ok(first !== undefined && rest.length === 0);
  return first;
}

void it('messages of a datagram come out as they went in', () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 5 }), (messages) => {
      assert.deepEqual(parseDatagram(Uint8Array.from(Buffer.concat(messages.map(encodeMessage)))), messages);
    }),
  );
});

void it('attributes come out as they went in, nested ones without their flag', () => {
  fc.assert(
    fc.property(fc.array(anyAttribute, { maxLength: 5 }), fc.nat(0x3fff), (attributes, type) => {
      assert.deepEqual(listAttributes(encodeAttributes(attributes)), attributes);
      const [outer] = listAttributes(encodeAttributes([nestedAttribute(type, attributes)]));
      assert.equal(outer?.type, type);
      assert.deepEqual(listAttributes(outer.value), attributes);
    }),
  );
});

void it('values of every kind come out as they went in', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(u8, u16, u32, fc.bigInt(0n, 0xffffffffffffffffn), text, (a, b, c, d, e) => {
      assert.equal(readU8(u8Attribute(1, a).value), a);
      assert.equal(readU16(u16Attribute(1, b).value), b);
      assert.equal(readU32(u32Attribute(1, c).value), c);
      assert.equal(readU64(u64Attribute(1, d).value), d);
      assert.equal(readText(textAttribute(1, e).value), e);
    }),
  );
});

void it('addresses are in network byte order', () => {
  const ipv4 = parseAddress('239.1.2.3');
  assert.deepEqual([...addressAttribute(1, ipv4).value], [239, 1, 2, 3]);
  assert.deepEqual(readAddress(Uint8Array.of(239, 1, 2, 3), 'ipv4'), ipv4);
  const ipv6 = parseAddress('ff1e::1:2');
  assert.deepEqual([...addressAttribute(1, ipv6).value.subarray(0, 2)], [0xff, 0x1e]);
  assert.deepEqual(readAddress(addressAttribute(1, ipv6).value, 'ipv6'), ipv6);
});

void it('of several attributes of one type the last counts', () => {
  const parsed = parseAttributes(encodeAttributes([u8Attribute(3, 1), u8Attribute(3, 2)]));
  assert.deepEqual([...parsed], [[3, Uint8Array.of(2)]]);
});

void it('attributes begin after a fixed part that is padded to four', () => {
  const payload = encodePayload(Uint8Array.of(9), [u8Attribute(3, 7)]);
  assert.equal(payload.length, 12);
  assert.deepEqual(listAttributes(payload, 4), [{ type: 3, value: Uint8Array.of(7) }]);
});

void it('lengths that do not fit are refused', () => {
  const whole = encodeMessage(message(16, Uint8Array.of(1, 2, 3, 4)));
  for (let length = 1; length < whole.length; length++) {
    assert.throws(() => parseDatagram(whole.subarray(0, length)), NetlinkFormatError, `${length} bytes of a message`);
  }
  const attributes = encodeAttributes([textAttribute(3, 'eth0')]);
  // Padding may be missing; what it would follow may not.
  for (const length of [1, 2, 3, 4, 8]) {
    assert.throws(() => listAttributes(attributes.subarray(0, length)), NetlinkFormatError, `${length} bytes of them`);
  }
  assert.deepEqual(listAttributes(attributes.subarray(0, 9)), listAttributes(attributes));
  assert.throws(() => listAttributes(Uint8Array.of(0, 0, 0, 0)), NetlinkFormatError);
});

void it('values shorter than their type are refused', () => {
  assert.throws(() => readU8(new Uint8Array(0)), NetlinkFormatError);
  assert.throws(() => readU16(new Uint8Array(1)), NetlinkFormatError);
  assert.throws(() => readU32(new Uint8Array(3)), NetlinkFormatError);
  assert.throws(() => readU64(new Uint8Array(7)), NetlinkFormatError);
  assert.throws(() => readAddress(new Uint8Array(15), 'ipv6'), NetlinkFormatError);
});

void it('an ack without error is a success', { skip: skipRecorded }, () => {
  const success = { errno: 0, text: undefined, offset: undefined };
  assert.deepEqual(parseAcknowledgement(only('mrule-accepted')), success);
  assert.deepEqual(parseAcknowledgement(message(3)), success);
});

void it('a refusal has its errno and what the extended ack adds', { skip: skipRecorded }, () => {
  const exists = { errno: 17, text: undefined, offset: undefined };
  assert.deepEqual(parseAcknowledgement(only('mrule-exists')), exists);
  // FRA_IIFNAME, the fourth attribute of that request, stands 52 bytes from its header.
  const refused = { errno: 34, text: 'Error parsing msg', offset: 52 };
  assert.deepEqual(parseAcknowledgement(only('mrule-refused')), refused);
  assert.deepEqual(parseAcknowledgement(only('mrule-refused-whole')), refused, 'after the request itself');
});

void it('the end of a dump may be a refusal', { skip: skipRecorded }, () => {
  const missing = { errno: 2, text: 'ipv4: MR table does not exist', offset: undefined };
  assert.deepEqual(parseAcknowledgement(only('mfc-dump-missing-ipv4')), missing);
});

void it('a message of an answer is not its end', { skip: skipRecorded }, () => {
  const ends = readMessages('mrule-dump-ipv4').map((part) => parseAcknowledgement(part)?.errno);
  assert.equal(ends.pop(), 0);
  assert.ok(ends.length > 5 && ends.every((end) => end === undefined));
});

void it('an ack that is cut short is refused', () => {
  for (let length = 0; length < 20; length++) {
    assert.throws(() => parseAcknowledgement(message(2, new Uint8Array(length))), NetlinkFormatError);
  }
  assert.throws(() => parseAcknowledgement(message(3, new Uint8Array(3))), NetlinkFormatError);
});
