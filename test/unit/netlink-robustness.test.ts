import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { parseInterfaceAddress } from '../../src/agent/netlink/address.js';
import { NetlinkFormatError } from '../../src/agent/netlink/bytes.js';
import { parseLink } from '../../src/agent/netlink/link.js';
import { type NetlinkMessage, parseAcknowledgement, parseDatagram } from '../../src/agent/netlink/message.js';
import { parseMfcEntry } from '../../src/agent/netlink/mroute.js';
import { parseNetconf } from '../../src/agent/netlink/netconf.js';
import { parseMrule } from '../../src/agent/netlink/rule.js';
import { parseVifs } from '../../src/agent/netlink/vif.js';
import { message, readDatagrams } from '../support/netlink.js';

const RUNS = 10_000;

const PARSERS: readonly ((message: NetlinkMessage) => unknown)[] = [
  parseAcknowledgement,
  parseLink,
  parseVifs,
  parseInterfaceAddress,
  parseMrule,
  parseMfcEntry,
  parseNetconf,
];

const RECORDED = [
  'address-changes',
  'link-rename',
  'mfc-changes',
  'mfc-dump-ipv4',
  'mfc-dump-ipv6',
  'mfc-dump-missing-ipv4',
  'mrule-changes',
  'mrule-dump-ipv4',
  'mrule-refused',
  'mrule-refused-whole',
  'netconf-changes',
  'netconf-dump-ipv4',
  'vif-dump',
].flatMap(readDatagrams);

/** Types that some parser reads. */
const TYPES = [2, 3, 16, 17, 20, 21, 24, 25, 32, 33, 80];

/** What the parsers make of a message, or the text of the error. */
function outcomes(part: NetlinkMessage): readonly unknown[] {
  return PARSERS.map((parse) => formatErrorText(() => parse(part)));
}

function datagramOutcomes(datagram: Uint8Array): unknown {
  return formatErrorText(() => parseDatagram(datagram).map(outcomes));
}

function formatErrorText(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (error instanceof NetlinkFormatError) return error.message;
    throw error;
  }
}

/** The same bytes amid others, where a read that goes too far finds the filling. */
function amid(bytes: Uint8Array, filling: number): Uint8Array {
  const around = new Uint8Array(bytes.length + 64).fill(filling);
  around.set(bytes, 32);
  return around.subarray(32, 32 + bytes.length);
}

const mutations = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    value: fc.oneof(fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff), fc.nat(0xff)),
  }),
  { maxLength: 6 },
);

/** How much of the bytes is kept: often all. */
const share = fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true }));

function mutate(bytes: Uint8Array, changes: readonly { at: number; value: number }[], kept: number): Uint8Array {
  const mutated = Uint8Array.from(bytes).subarray(0, Math.ceil(bytes.length * kept));
  for (const { at, value } of changes) mutated[Math.floor(at * mutated.length)] = value;
  return mutated;
}

void it('mutated datagrams are split or refused, and nothing beyond them is read', () => {
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...RECORDED), mutations, share, (original, changes, kept) => {
      const mutated = mutate(original, changes, kept);
      const outcome = datagramOutcomes(amid(mutated, 0));
      assert.deepEqual(datagramOutcomes(amid(mutated, 0xff)), outcome);
      if (typeof outcome === 'string') refused++;
    }),
    { numRuns: RUNS },
  );
  assert.ok(refused > RUNS / 20 && refused < RUNS - RUNS / 20, `${refused} refused: too much the same`);
});

void it('mutated messages are parsed or refused, and nothing beyond them is read', () => {
  const original = fc.constantFrom(...RECORDED.flatMap(parseDatagram));
  const tally = { refused: 0, parsed: 0 };
  fc.assert(
    fc.property(original, mutations, share, (whole, changes, kept) => {
      const payload = mutate(whole.payload, changes, kept);
      const outcome = outcomes({ ...whole, payload: amid(payload, 0) });
      assert.deepEqual(outcomes({ ...whole, payload: amid(payload, 0xff) }), outcome);
      if (outcome.some((each) => typeof each === 'string')) tally.refused++;
      else if (outcome.some((each) => each !== undefined)) tally.parsed++;
    }),
    { numRuns: RUNS },
  );
  assert.ok(tally.refused > RUNS / 20 && tally.parsed > RUNS / 20, `${JSON.stringify(tally)}: too much the same`);
});

void it('random payloads of every type are parsed or refused, and nothing beyond them is read', () => {
  // Bytes that are likely to be a family or a length, so that some get past the first check.
  const byte = fc.oneof(fc.constantFrom(0, 2, 4, 8, 10, 128, 129), fc.nat(0xff));
  const payload = fc.array(byte, { maxLength: 80 }).map((value) => Uint8Array.from(value));
  fc.assert(
    fc.property(fc.constantFrom(...TYPES), payload, fc.nat(0xffff), (type, bytes, flags) => {
      assert.deepEqual(
        outcomes(message(type, amid(bytes, 0xff), flags)),
        outcomes(message(type, amid(bytes, 0), flags)),
      );
    }),
    { numRuns: RUNS },
  );
});
