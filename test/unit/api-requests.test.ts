import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { api } from '../../src/api/load.js';
import type { ApplyRequest } from '../../src/api/generated/mcroute/v1/ApplyRequest.js';
import type { ReplaceRequest } from '../../src/api/generated/mcroute/v1/ReplaceRequest.js';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { Violations, parseChanges, parseResources } from '../../src/api/parse.js';
import { RequestDecoder, type RequestHeader } from '../../src/api/request-decoder.js';
import { requestReader } from '../../src/api/requests.js';
import { ELEMENTS_MAX, OIFS_PER_MROUTE_MAX } from '../../src/model/limits.js';
import { requests } from '../support/request-arbitraries.js';

const { Apply, Replace } = api().mcroute.v1.RoutingService.service;
const PLAIN = { apply: Apply.requestDeserialize, replace: Replace.requestDeserialize };

/** What either way says of a header. */
function headerOf(header: Omit<RequestHeader, 'expectedRevision' | 'confirmWithin'>): unknown {
  const { table, owner, validateOnly, strict, comment, requestId } = header;
  return { table, owner, validateOnly, strict, comment, requestId };
}

/** What the generated decoder and parse.ts make of bytes; a text if they refuse them. */
function plainApply(bytes: Buffer): unknown {
  return outcomeOf((violations) => {
    const { changes, results, _expectedRevision, expectedRevision = '', ...header } = Apply.requestDeserialize(bytes);
    return {
      header: headerOf(header),
      expectedRevision: _expectedRevision === undefined ? undefined : BigInt(expectedRevision),
      isNotableOnly: results === 'RESULT_VIEW_NOTABLE',
      ids: changes.map(({ id }) => BigInt(id)),
      changes: parseChanges(changes, violations),
    };
  });
}

function fastApply(bytes: Buffer): unknown {
  const decoded = new RequestDecoder(ELEMENTS_MAX).apply(bytes);
  if (decoded === undefined) return undefined;
  const { changes, ids, isNotableOnly, expectedRevision, ...header } = decoded;
  return {
    header: headerOf(header),
    expectedRevision,
    isNotableOnly,
    ids: ids.map(BigInt),
    changes,
  };
}

function plainReplace(bytes: Buffer): unknown {
  return outcomeOf((violations) => {
    const request = Replace.requestDeserialize(bytes);
    const { resources, _resourceCount, resourceCount, _expectedRevision, expectedRevision = '', ...header } = request;
    return {
      header: headerOf(header),
      expectedRevision: _expectedRevision === undefined ? undefined : BigInt(expectedRevision),
      resourceCount: _resourceCount === undefined ? undefined : resourceCount,
      resources: parseResources(resources, 0, violations),
    };
  });
}

function fastReplace(bytes: Buffer): unknown {
  const decoded = new RequestDecoder(ELEMENTS_MAX).replace(bytes);
  if (decoded === undefined) return undefined;
  const { resources, resourceCount, expectedRevision, ...header } = decoded;
  return {
    header: headerOf(header),
    expectedRevision,
    resourceCount,
    resources,
  };
}

function outcomeOf(parse: (violations: Violations) => unknown): unknown {
  const violations = new Violations();
  try {
    const parsed = parse(violations);
    violations.throwIfAny();
    return parsed;
  } catch (error) {
    return `refused: ${String(error)}`;
  }
}

/** Either both ways give the same, or the fast one leaves it to the other. */
function assertSame(fast: unknown, plain: unknown): void {
  if (fast !== undefined) assert.deepEqual(fast, plain);
}

describe('requests are decoded the fast way', () => {
  it('to what the plain way makes of them, whenever that takes them', () => {
    let taken = 0;
    fc.assert(
      fc.property(requests, ({ apply, replace }) => {
        for (const [fast, plain] of [
          [fastApply(Apply.requestSerialize(apply)), plainApply(Apply.requestSerialize(apply))],
          [fastReplace(Replace.requestSerialize(replace)), plainReplace(Replace.requestSerialize(replace))],
        ]) {
          if (typeof plain === 'string') assert.equal(fast, undefined);
          else assert.deepEqual(fast, plain);
          taken += Number(fast !== undefined);
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(taken > 100, `only ${taken} requests were valid`);
  });

  it('to the same if the bytes are damaged, or not at all', () => {
    const damages = fc.array(
      fc.record({
        at: fc.nat(1_000_000),
        byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 8, 10, 16, 18, 26, 34, 42, 50, 56, 128)),
        kind: fc.constantFrom('set', 'set', 'set', 'insert', 'remove', 'cut', 'repeat'),
      }),
      { minLength: 1, maxLength: 3 },
    );
    let taken = 0;
    fc.assert(
      fc.property(requests, damages, ({ apply, replace }, list) => {
        const applied = damaged(Apply.requestSerialize(apply), list);
        assertSame(fastApply(applied), plainApply(applied));
        const replaced = damaged(Replace.requestSerialize(replace), list);
        assertSame(fastReplace(replaced), plainReplace(replaced));
        taken += Number(fastApply(applied) !== undefined) + Number(fastReplace(replaced) !== undefined);
      }),
      { numRuns: 3_000 },
    );
    assert.ok(taken > 100, `only ${taken} damaged requests were valid`);
  });

  it('not if they are to be confirmed, which the plain way reads', () => {
    const confirmWithin = { seconds: '90', nanos: 0 };
    const bytes = Apply.requestSerialize({ owner: 'cli', confirmWithin });
    assert.equal(fastApply(bytes), undefined);
    assert.deepEqual(requestReader(PLAIN, ELEMENTS_MAX).apply(bytes).confirmWithin, confirmWithin);
    const message = Replace.requestSerialize({ owner: 'cli', confirmWithin });
    assert.deepEqual(requestReader(PLAIN, ELEMENTS_MAX).replace(message).confirmWithin, confirmWithin);
  });

  it('with their addresses, whatever these look like', () => {
    const part = fc.constantFrom(
      '0',
      '1',
      '10',
      '255',
      '256',
      '00',
      'ff3e',
      'FF02',
      '12345',
      '',
      ':',
      '::',
      '.',
      '/',
      'g',
    );
    const address = fc.oneof(
      fc.array(part, { maxLength: 9 }).map((parts) => parts.join(':')),
      fc.array(part, { maxLength: 5 }).map((parts) => parts.join('.')),
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('0.0.0.0', '::', '1::', '::1', '::ffff:1.2.3.4', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:7:1.2.3.4'),
      fc.constantFrom('010.0.0.1', '10.0.0.00', '10.0.01.1', '10.0.0.256', '10.0.0', '10.0.0.1.', '1.2.3.4.5'),
      fc.constantFrom('1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8', '1::3:4:5:6:7:8', '1:2:3:4:5:6:7:8::', ':::', '1.2.3.4::'),
    );
    const length = fc.oneof(
      fc.constant(''),
      fc.integer({ min: 0, max: 130 }).map((bits) => `/${bits}`),
    );
    const odd = fc.constantFrom('', '/', '/00', '/01', '/1000', '/ 1', '%eth0', ' ', '\0');
    const text = fc.tuple(address, fc.oneof({ weight: 4, arbitrary: length }, odd)).map((parts) => parts.join(''));
    let taken = 0;
    fc.assert(
      fc.property(text, (source) => {
        for (const group of ['239.1.1.1', 'ff3e::1']) {
          for (const key of [
            { iif: 'in0', source, group },
            { iif: 'in0', group: source },
          ]) {
            const bytes = Apply.requestSerialize({ changes: [{ put: { mroute: { key } } }] });
            const [fast, plain] = [fastApply(bytes), plainApply(bytes)];
            if (typeof plain === 'string') assert.equal(fast, undefined);
            else assert.deepEqual(fast, plain);
            taken += Number(fast !== undefined);
          }
        }
      }),
      { numRuns: 3_000 },
    );
    assert.ok(taken > 300, `only ${taken} addresses were valid`);
  });

  it('with what they share shared, and nothing mixed up', () => {
    const oifs = [{ interface: 'out1' }, { interface: 'out2', ttlThreshold: 200 }];
    const route = (group: string, ...names: { interface: string }[]): Resource => ({
      mroute: { key: { iif: 'in0', source: '10.0.0.1', group }, oifs: names },
    });
    const request = {
      resources: [
        route('239.1.1.1', ...oifs),
        route('239.1.1.2', ...oifs),
        // What goes on after the oifs of the last is another list.
        route('239.1.1.2', ...oifs, { interface: 'out3' }),
        route('239.1.1.3', ...oifs.slice(0, 1)),
        route('239.1.1.4'),
      ],
    };
    const bytes = Replace.requestSerialize(request);
    assert.deepEqual(fastReplace(bytes), plainReplace(bytes));
    const [first, second] = new RequestDecoder(ELEMENTS_MAX).replace(bytes)?.resources ?? [];
    assert.ok(first !== undefined && second !== undefined && 'oifs' in first && 'oifs' in second);
    assert.equal(first.oifs, second.oifs);
    assert.equal(first.key.source, second.key.source);
  });

  it('one after the other, without what the last one had', () => {
    const decoder = new RequestDecoder(ELEMENTS_MAX);
    const of = (source: string) =>
      Replace.requestSerialize({ resources: [{ mroute: { key: { iif: 'in0', source, group: '239.1.1.1' } } }] });
    const sources = ['10.0.0.1', '10.0.0.2'].map((source) => decoder.replace(of(source))?.resources[0]?.key);
    assert.deepEqual(
      sources.map((key) => key !== undefined && 'source' in key && key.source.address.words),
      [[0x0a00_0001], [0x0a00_0002]],
    );
    const empty = Replace.requestSerialize({ resources: [{ mroute: { key: { iif: 'in0', group: '' } } }] });
    assert.equal(decoder.replace(empty), undefined);
  });

  it('with fields of later versions skipped', () => {
    const known = Apply.requestSerialize({ owner: 'a', changes: [{ id: 7, delete: { interface: { name: 'eth0' } } }] });
    // Field 19 as a varint, 20 as 64 bits, 100 as bytes, 21 as 32 bits.
    const unknown = Buffer.from('9801ff01a1010102030405060708a206026869ad0101020304', 'hex');
    const bytes = Buffer.concat([unknown, known, unknown]);
    assert.notEqual(fastApply(bytes), undefined);
    assert.deepEqual(fastApply(bytes), plainApply(bytes));
    assert.deepEqual(fastApply(bytes), fastApply(known));
  });

  it('with ids of all 64 bits', () => {
    const ids = ['0', '1', '127', '128', '9007199254740991', '9007199254740992', '18446744073709551615'];
    const changes = ids.map((id) => ({ id, delete: { interface: { name: 'eth0' } } }));
    const decoded = new RequestDecoder(ELEMENTS_MAX).apply(Apply.requestSerialize({ changes }));
    assert.deepEqual(decoded?.ids.map(String), ids);
  });
});

describe('a request that is not taken the fast way', () => {
  it('is refused in the words of the plain way', () => {
    const reader = requestReader(PLAIN, ELEMENTS_MAX);
    const request: ApplyRequest = {
      owner: 'cli',
      changes: [
        { id: 1, put: { mroute: { key: { iif: 'in0', group: '239.1.1.1' } } } },
        { id: 2, put: { mroute: { key: { iif: 'in0', group: '10.1.1.1' } } } },
      ],
    };
    const call = reader.apply(Apply.requestSerialize(request));
    assert.deepEqual(call.ids.map(String), ['1', '2']);
    const violations = new Violations();
    call.parse(violations);
    assert.throws(() => {
      violations.throwIfAny();
    }, /changes\[1\]\.put\.mroute\.key\.group: '10\.1\.1\.1' is not a multicast group/);
  });

  it('has its resources counted after those of earlier messages', () => {
    const reader = requestReader(PLAIN, ELEMENTS_MAX);
    const request: ReplaceRequest = { resources: [{ interface: { key: { name: '' } } }] };
    const violations = new Violations();
    reader.replace(Replace.requestSerialize(request)).parse(3, violations);
    assert.throws(() => {
      violations.throwIfAny();
    }, /resources\[3\]\.interface\.key\.name: is required/);
  });

  it('throws where the bytes are no request', () => {
    const reader = requestReader(PLAIN, ELEMENTS_MAX);
    assert.throws(() => reader.apply(Buffer.from([0x1a, 0xff])));
    assert.throws(() => reader.replace(Buffer.from([0x1a, 0x05, 0x0a])));
  });
});

describe('a request with too many elements', () => {
  const changes = (count: number) =>
    Array.from({ length: count }, (_unused, n) => ({
      id: n,
      put: { mroute: { key: { iif: 'in0', group: `239.1.${n >> 8}.${n & 255}` }, oifs: [{ interface: 'out1' }] } },
    }));

  it('is refused and not decoded, and one with as many as there may be is decoded', () => {
    // Change, resource, mroute, key, oif.
    const bytes = Apply.requestSerialize({ table: 5, owner: 'cli', changes: changes(5_000) });
    const refused = requestReader(PLAIN, 24_999).apply(bytes);
    assert.equal(refused.refusal?.reason, 'RESOURCE_LIMIT');
    assert.match(refused.refusal.message, /^the message has 25000 elements, more than the 24999 of one message/);
    assert.deepEqual([refused.ids.length, refused.table], [0, 0]);
    const taken = requestReader(PLAIN, 25_000).apply(bytes);
    assert.deepEqual([taken.refusal, taken.ids.length], [undefined, 5_000]);
    assert.notEqual(new RequestDecoder(25_000).apply(bytes), undefined);
    assert.equal(new RequestDecoder(24_999).apply(bytes), undefined);
  });

  it('is refused of Replace too', () => {
    const resources = changes(5_000).map(({ put }) => put);
    const bytes = Replace.requestSerialize({ resources });
    assert.equal(requestReader(PLAIN, 19_999).replace(bytes).refusal?.reason, 'RESOURCE_LIMIT');
    assert.equal(requestReader(PLAIN, 20_000).replace(bytes).size, 5_000);
  });

  it('is not taken for one with few where a list is shared', () => {
    const oifs = Array.from({ length: OIFS_PER_MROUTE_MAX }, (_unused, n) => ({ interface: `out${n}` }));
    const resources = changes(100).map(({ put: { mroute } }) => ({ mroute: { ...mroute, oifs } }));
    const bytes = Replace.requestSerialize({ resources });
    const elements = 100 * (3 + OIFS_PER_MROUTE_MAX);
    assert.equal(new RequestDecoder(elements - 1).replace(bytes), undefined);
    assert.notEqual(new RequestDecoder(elements).replace(bytes), undefined);
  });
});

interface Damage {
  readonly at: number;
  readonly byte: number;
  readonly kind: string;
}

function damaged(bytes: Buffer, damages: readonly Damage[]): Buffer {
  let result = bytes;
  for (const { at, byte, kind } of damages) {
    const place = result.length === 0 ? 0 : at % result.length;
    const [before, after] = [result.subarray(0, place), result.subarray(place)];
    switch (kind) {
      case 'set':
        result = Buffer.concat([before, Buffer.from([byte]), after.subarray(1)]);
        break;
      case 'insert':
        result = Buffer.concat([before, Buffer.from([byte]), after]);
        break;
      case 'remove':
        result = Buffer.concat([before, after.subarray(1)]);
        break;
      case 'cut':
        result = before;
        break;
      default:
        result = Buffer.concat([result, after]);
    }
  }
  return result;
}
