import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readHost, writePrefix, PREFIX_TEXT_MAX } from '../../src/agent/store/address-bytes.js';
import { checkedLine } from '../../src/agent/store/checked-line.js';
import { JsonBytes } from '../../src/agent/store/json-bytes.js';
import { KeyTable } from '../../src/agent/store/key-table.js';
import { StepWriter, readStep } from '../../src/agent/store/step-lines.js';
import { writeOwnedResource, writeResource, writeResourceKey } from '../../src/agent/store/wish-bytes.js';
import { WishReader } from '../../src/agent/store/wish-reader.js';
import { WishTextError, decodeResource, encodeResource, encodeResourceKey } from '../../src/agent/rib/wish-text.js';
import { FAMILIES, AddressError, formatPrefix, isHost, parsePrefix } from '../../src/model/address.js';
import { type Resource, type ResourceKey, formatResourceKey } from '../../src/model/resource.js';
import { mroute } from '../support/fib-turns.js';
import { prefixes, resources } from '../support/wish-arbitraries.js';

const owners = fc.oneof(fc.constantFrom('cli', 'config'), fc.string({ unit: 'binary', minLength: 1 }));
const anyPrefixes = fc.constantFrom(...FAMILIES).chain(prefixes);

interface AnyStep {
  readonly owner: string;
  readonly puts: readonly Resource[];
  readonly deletes: readonly ResourceKey[];
}

const steps: fc.Arbitrary<AnyStep> = fc.record({
  owner: owners,
  puts: fc.array(resources, { maxLength: 5 }),
  deletes: fc.array(
    resources.map(({ key }) => key),
    { maxLength: 5 },
  ),
});

/** As `JSON.stringify` has it. */
function lineOf({ owner, puts, deletes }: AnyStep, revision: bigint, crc: number): string {
  const put = puts.map(encodeResource);
  const value = { revision: revision.toString(), owner, put, delete: deletes.map(encodeResourceKey) };
  return checkedLine(JSON.stringify(value), crc).line;
}

function written({ owner, puts, deletes }: AnyStep, revision: bigint, crc: number): string {
  const all = [
    ...puts.map((after) => ({ key: after.key, before: undefined, after })),
    ...deletes.map((key) => ({ key, before: undefined, after: undefined })),
  ];
  const lines: string[] = [];
  new StepWriter().write({ owner, differences: all }, revision, crc, (line) => lines.push(line.toString()));
  return lines.join('');
}

function bytesOf(write: (json: JsonBytes) => void): string {
  const json = new JsonBytes();
  write(json);
  return json.bytes.toString();
}

describe('wishes as bytes', () => {
  it('are those of their JSON', () => {
    fc.assert(
      fc.property(resources, owners, (resource, owner) => {
        assert.equal(
          bytesOf((json) => {
            writeResource(json, resource);
          }),
          JSON.stringify(encodeResource(resource)),
        );
        assert.equal(
          bytesOf((json) => {
            writeResourceKey(json, resource.key);
          }),
          JSON.stringify(encodeResourceKey(resource.key)),
        );
        assert.equal(
          bytesOf((json) => {
            writeOwnedResource(json, owner, resource);
          }),
          JSON.stringify({ owner, ...encodeResource(resource) }),
        );
      }),
    );
  });

  it('are read as what they were, one after another', () => {
    fc.assert(
      fc.property(fc.array(resources), (all) => {
        const text = all.map((resource) => JSON.stringify(encodeResource(resource))).join('');
        const keys = all.map(({ key }) => JSON.stringify(encodeResourceKey(key))).join('');
        const reader = new WishReader();
        // Twice: the second time texts are known.
        for (let time = 0; time < 2; time++) {
          const bytes = Buffer.from(text);
          reader.open(bytes, 0, bytes.length);
          assert.deepEqual(
            all.map(() => reader.resource()),
            all,
          );
          assert.ok(reader.isAtEnd);
          const keyBytes = Buffer.from(keys);
          reader.open(keyBytes, 0, keyBytes.length);
          assert.deepEqual(
            all.map(() => reader.key()),
            all.map(({ key }) => key),
          );
        }
      }),
    );
  });

  it('are read with what they have in common shared, as there may be half a million', () => {
    const all = ['(10.0.0.1, 239.1.0.1) eth0 > eth1', '(10.0.0.1, 239.1.0.2) eth0 > eth1'].map((rule) => mroute(rule));
    const bytes = Buffer.from(all.map((resource) => JSON.stringify(encodeResource(resource))).join(''));
    const reader = new WishReader();
    reader.open(bytes, 0, bytes.length);
    const [a, b] = [reader.resource(), reader.resource()];
    assert.ok(a !== undefined && 'oifs' in a && b !== undefined && 'oifs' in b);
    assert.equal(a.key.source, b.key.source);
    assert.notEqual(a.key.group, b.key.group);
    assert.equal(a.oifs, b.oifs);
  });

  it('that are damaged are refused or read as JSON.parse does', () => {
    const damages = fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(resources, damages, (resource, all) => {
        const bytes = Buffer.from(JSON.stringify(encodeResource(resource)));
        for (const { at, byte } of all) bytes[at % bytes.length] = byte;
        const reader = new WishReader();
        reader.open(bytes, 0, bytes.length);
        const read = unlessRefused(() => reader.resource());
        if (read === undefined || !reader.isAtEnd) return;
        assert.deepEqual(
          read,
          unlessRefused(() => decodeResource(JSON.parse(bytes.toString()))),
        );
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('prefixes as bytes', () => {
  it('are those of their text, and are read where they are addresses', () => {
    fc.assert(
      fc.property(anyPrefixes, (prefix) => {
        const bytes = Buffer.alloc(PREFIX_TEXT_MAX);
        const end = writePrefix(bytes, 0, prefix);
        assert.equal(bytes.toString('latin1', 0, end), formatPrefix(prefix));
        const read = readHost(bytes, 0, end);
        assert.deepEqual(read, isHost(prefix) ? prefix : undefined);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are never read as others than parsePrefix has', () => {
    const pieces = fc.constantFrom(
      ':',
      '::',
      '.',
      '0',
      '1',
      '10',
      '255',
      '256',
      'f',
      'ffff',
      'A',
      'g',
      '/',
      '01',
      'fffff',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 17 }), (all) => {
        const bytes = Buffer.from(all.join(''));
        const read = readHost(bytes, 0, bytes.length);
        if (read !== undefined) assert.deepEqual(read, parsePrefix(bytes.toString()));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('the lines of a step', () => {
  it('are those that JSON.stringify makes, and are read as the step', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 4 }), fc.nat(), (all, first) => {
        const reader = new WishReader();
        let crc = first;
        for (const step of all) {
          const text = lineOf(step, 7n, crc);
          assert.equal(written(step, 7n, crc), text);
          const read = readStep(reader, Buffer.from(text), 0, crc) ?? assert.fail('it is not read');
          const { owner, puts, deletes, revision } = read;
          assert.deepEqual({ owner, puts, deletes, revision }, { ...structuredClone(step), revision: 7n });
          ({ crc } = read);
        }
      }),
    );
  });

  it('are read in any JSON that says the same', () => {
    fc.assert(
      fc.property(steps, (step) => {
        const { owner, puts, deletes } = step;
        const value = {
          put: puts.map(encodeResource),
          new: 1,
          delete: deletes.map(encodeResourceKey),
          owner,
          revision: '3',
        };
        const { line } = checkedLine(JSON.stringify(value, undefined, ' ').replaceAll('\n', ' '), 0);
        const read = readStep(new WishReader(), Buffer.from(line), 0, 0) ?? assert.fail('it is not read');
        assert.deepEqual({ owner: read.owner, puts: read.puts, deletes: read.deletes }, { owner, puts, deletes });
      }),
    );
  });
});

describe('a table of keys', () => {
  it('is a map of their texts', () => {
    const few = fc.array(resources, { minLength: 1, maxLength: 40 });
    const doings = fc.array(fc.record({ which: fc.nat(), isDeleted: fc.boolean() }), { maxLength: 200 });
    fc.assert(
      fc.property(few, doings, (all, actions) => {
        const table = new KeyTable<{ readonly number: number }>();
        const map = new Map<string, number>();
        for (const [number, { which, isDeleted }] of actions.entries()) {
          const key = all[which % all.length]?.key ?? assert.fail();
          if (isDeleted) {
            table.delete(structuredClone(key));
            map.delete(formatResourceKey(key));
          } else {
            table.set(structuredClone(key), { number });
            map.set(formatResourceKey(key), number);
          }
        }
        assert.deepEqual(
          Array.from(table.values(), ({ number }) => number),
          [...map.values()],
        );
      }),
    );
  });
});

function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof WishTextError || error instanceof SyntaxError || error instanceof AddressError)
      return undefined;
    throw error;
  }
}
