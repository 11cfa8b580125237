// Entries by hand against the generated functions, which have what `renderEntry` makes of the model.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formsOf } from '../../src/api/codec.js';
import { decodeListResponse } from '../../src/api/entry-decoder.js';
import { type ListedMfcEntry, writeEntry, writeMfcEntry, writeResourceKey } from '../../src/api/entry-encoder.js';
import { MESSAGES } from '../../src/api/generated/codec.js';
import type { ListResponse } from '../../src/api/generated/mcroute/v1/ListResponse.js';
import { renderEntry, renderMrouteKey, renderResourceKey } from '../../src/api/render.js';
import { WireWriter, lengthTag, varintTag, wordsOf } from '../../src/api/wire-writer.js';
import { formatAddress, formatPrefix } from '../../src/model/address.js';
import {
  type AnyEntry,
  addresses,
  counterWords,
  counters,
  entries,
  prefixes,
  resources,
} from '../support/entry-arbitraries.js';
import { families } from '../support/rule-arbitraries.js';

const plain = formsOf<ListResponse, object>(codec('mcroute.v1.ListResponse'));
const mfcEntry = formsOf(codec('mcroute.v1.MfcEntry'));
const resourceKey = formsOf(codec('mcroute.v1.ResourceKey'));

function codec(name: string) {
  return MESSAGES[name] ?? assert.fail(`there is no ${name}`);
}

const listed = fc.record({ entry: entries, counts: fc.option(counters, { nil: undefined }) });
type Listed = typeof listed extends fc.Arbitrary<infer Value> ? Value : never;
const lists = fc.record({
  revision: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  some: fc.array(listed, { maxLength: 4 }),
});

function writeList(revision: bigint, some: readonly Listed[]): Buffer {
  const writer = new WireWriter();
  writer.uint64(varintTag(1), ...wordsOf(revision));
  for (const { entry, counts } of some) {
    writeEntry(writer, lengthTag(2), entry, counts && { words: counterWords([7n, ...counts]), at: 2 });
  }
  return writer.take();
}

function rendered(revision: bigint, some: readonly Listed[]): ListResponse {
  return { revision: String(revision), entries: some.map(({ entry, counts }) => renderListed(entry, counts)) };
}

function renderListed({ resource, owners, status }: AnyEntry, counts: readonly bigint[] | undefined) {
  const [packets, bytes, wrongIf] = counts?.map(String) ?? [];
  const isCounted = packets !== undefined && bytes !== undefined && wrongIf !== undefined;
  return { ...renderEntry(resource, owners, status), counters: isCounted ? { packets, bytes, wrongIf } : null };
}

/** The message, or that there is none. */
function attempt(decode: (bytes: Buffer) => object, bytes: Buffer): object | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}

describe('what is written by hand', () => {
  it('is a list as the generated functions write it', () => {
    fc.assert(
      fc.property(lists, ({ revision, some }) => {
        const expected = plain.deserialize(plain.serialize(rendered(revision, some)));
        assert.deepEqual(plain.deserialize(writeList(revision, some)), expected);
      }),
      { numRuns: 500 },
    );
  });

  it('has every key', () => {
    fc.assert(
      fc.property(resources, ({ key }) => {
        const writer = new WireWriter();
        writeResourceKey(writer, lengthTag(1), key);
        const expected = resourceKey.deserialize(resourceKey.serialize(renderResourceKey(key)));
        assert.deepEqual(resourceKey.deserialize(unwrapped(writer.take())), expected);
      }),
    );
  });

  it('has entries of the forwarding cache, and of their thresholds those that hold packets back', () => {
    const mfcEntries = families.chain((family) =>
      fc.record({
        source: fc.option(addresses(family), { nil: undefined }),
        group: addresses(family),
        iif: fc.constantFrom('', 'eth0'),
        oifs: fc.array(fc.record({ interface: fc.constant('eth1'), ttlThreshold: fc.constantFrom(1, 2, 254) })),
        isLearned: fc.boolean(),
        rules: fc.array(
          fc.record({
            kind: fc.constant('mroute' as const),
            iif: fc.constantFrom('eth0', 'eth+'),
            source: prefixes(family),
            group: prefixes(family),
          }),
        ),
      }),
    );
    fc.assert(
      fc.property(mfcEntries, fc.option(counters, { nil: undefined }), (entry, counts) => {
        const writer = new WireWriter();
        writeMfcEntry(writer, lengthTag(1), entry, counts && { words: counterWords(counts), at: 0 });
        const expected = mfcEntry.deserialize(mfcEntry.serialize(renderMfc(entry, counts)));
        assert.deepEqual(mfcEntry.deserialize(unwrapped(writer.take())), expected);
      }),
    );
  });

  it('has addresses and prefixes as they are formatted', () => {
    const anyPrefixes = families.chain(prefixes);
    fc.assert(
      fc.property(anyPrefixes, (prefix) => {
        const writer = new WireWriter();
        writer.address(lengthTag(1), prefix.address);
        assert.equal(unwrapped(writer.take()).toString(), formatAddress(prefix.address));
        writer.prefix(lengthTag(1), prefix);
        assert.equal(unwrapped(writer.take()).toString(), formatPrefix(prefix));
      }),
      { numRuns: 1_000 },
    );
  });

  it('may be longer than any buffer before', () => {
    const writer = new WireWriter();
    const outer = writer.begin(lengthTag(1));
    for (let count = 0; count < 100_000; count++) writer.string(lengthTag(1), 'in the message');
    writer.end(outer);
    writer.string(lengthTag(2), 'x'.repeat(300_000));
    const bytes = writer.take();
    const size = 100_000 * (2 + 'in the message'.length);
    assert.equal(bytes.length, 1 + 3 + size + 1 + 3 + 300_000);
    assert.equal(bytes.subarray(4, 4 + 2 + 'in the message'.length).toString(), '\n\u000ein the message');
    assert.equal(writer.take().length, 0);
  });

  it('is not written over when more is written', () => {
    const writer = new WireWriter();
    writer.string(lengthTag(1), 'x'.repeat(60_000));
    const [long, short] = [writer.take(), (writer.string(lengthTag(1), 'first'), writer.take())];
    writer.string(lengthTag(1), 'second');
    assert.deepEqual([long.subarray(4).toString(), short.subarray(2).toString()], ['x'.repeat(60_000), 'first']);
  });
});

describe('what is read by hand', () => {
  it('is as the generated functions read it, whoever wrote it', () => {
    fc.assert(
      fc.property(lists, ({ revision, some }) => {
        const written = writeList(revision, some);
        const expected = plain.deserialize(written);
        assert.deepEqual(decodeListResponse(written), expected);
        assert.deepEqual(decodeListResponse(plain.serialize(rendered(revision, some))), expected);
      }),
      { numRuns: 500 },
    );
  });

  it('is refused, or read as other fields, where the generated functions do', () => {
    const places = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 });
    const lengths = fc.option(fc.nat(), { nil: undefined });
    fc.assert(
      fc.property(lists, places, lengths, ({ revision, some }, changes, length) => {
        const bytes = writeList(revision, some);
        for (const [place, byte] of changes) bytes[place % bytes.length] = byte;
        const cut = length === undefined ? bytes : bytes.subarray(0, length % (bytes.length + 1));
        assert.deepEqual(
          attempt(decodeListResponse, cut),
          attempt((some) => plain.deserialize(some), cut),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it('may have truth in any number but 0', () => {
    const written = plain.serialize({
      entries: [{ resource: { mroute: { key: { iif: 'i', group: 'g' }, deny: true } } }],
    });
    for (const truth of [0, 1, 2, 127]) {
      const bytes = Buffer.from(written);
      bytes[bytes.lastIndexOf(Buffer.from([varintTag(4), 1])) + 1] = truth;
      assert.equal(decodeListResponse(bytes).entries[0]?.resource?.mroute?.deny, truth !== 0);
    }
  });

  it('may have the fields of an entry in any order and more than once', () => {
    fc.assert(
      fc.property(fc.array(listed, { minLength: 2, maxLength: 2 }), ([first, second]) => {
        assert.ok(first && second);
        const fields = [first, second].map((one) => unwrapped(writeList(0n, [one]).subarray(2)));
        for (const order of [fields, fields.toReversed()]) {
          const writer = new WireWriter();
          writer.bytes(lengthTag(2), Buffer.concat(order));
          const bytes = writer.take();
          assert.deepEqual(decodeListResponse(bytes), plain.deserialize(bytes));
        }
      }),
    );
  });
});

/** What is within the only field of a message. */
function unwrapped(bytes: Buffer): Buffer {
  let at = 1;
  while ((bytes[at] ?? 0) > 0x7f) at++;
  return bytes.subarray(at + 1);
}

function renderMfc({ source, group, iif, oifs, isLearned, rules }: ListedMfcEntry, counts?: readonly bigint[]) {
  const [packets, bytes, wrongIf] = counts?.map(String) ?? [];
  return {
    source: source === undefined ? '' : formatAddress(source),
    group: formatAddress(group),
    iif,
    oifs: oifs.map(({ interface: name, ttlThreshold }) => {
      return ttlThreshold === 1 ? { interface: name } : { interface: name, ttlThreshold };
    }),
    learned: isLearned,
    rules: rules.map(renderMrouteKey),
    counters: packets === undefined ? null : { packets, bytes, wrongIf },
  };
}
