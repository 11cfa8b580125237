import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MESSAGES } from '../../src/api/generated/codec.js';
import type { ApplyRequest } from '../../src/api/generated/mcroute/v1/ApplyRequest.js';
import type { ReplaceRequest } from '../../src/api/generated/mcroute/v1/ReplaceRequest.js';
import { api } from '../../src/api/load.js';
import { encodeApply, encodeReplace } from '../../src/api/request-encoder.js';
import { requests } from '../support/request-arbitraries.js';

const { Apply, Replace } = api().mcroute.v1.RoutingService.service;

/** The bytes that the generated encoder makes. */
function generated(name: 'ApplyRequest' | 'ReplaceRequest', request: object): Buffer {
  const codec = MESSAGES[`mcroute.v1.${name}`] ?? assert.fail(name);
  return codec.encode(codec.fromObject(request)).finish() as Buffer;
}

/** Whether the request has what is left to the generated encoder. */
function hasRareFields({ comment = '', requestId = '' }: ApplyRequest | ReplaceRequest): boolean {
  return comment !== '' || requestId !== '';
}

function assertSameApply(request: ApplyRequest): void {
  if (hasRareFields(request)) {
    assert.equal(encodeApply(request), undefined);
    return;
  }
  const bytes = encodeApply(request) ?? assert.fail('it was not encoded');
  assert.deepEqual(Apply.requestDeserialize(bytes), Apply.requestDeserialize(generated('ApplyRequest', request)));
}

function assertSameReplace(request: ReplaceRequest): void {
  if (hasRareFields(request)) {
    assert.equal(encodeReplace(request), undefined);
    return;
  }
  const bytes = encodeReplace(request) ?? assert.fail('it was not encoded');
  assert.deepEqual(Replace.requestDeserialize(bytes), Replace.requestDeserialize(generated('ReplaceRequest', request)));
}

/** Whether all ids and revisions are what a number holds; others are left to the generated encoder. */
function hasSmallNumbers(request: object): boolean {
  return !/"\d{16,}"|:\d{16,}/.test(JSON.stringify(request));
}

describe('requests are encoded', () => {
  it('to what is decoded as what the generated encoder makes', () => {
    fc.assert(
      fc.property(requests, ({ apply, replace }) => {
        if (hasSmallNumbers(apply)) assertSameApply(apply);
        if (hasSmallNumbers(replace)) assertSameReplace(replace);
      }),
      { numRuns: 500 },
    );
  });

  it('with texts and lists of any length', () => {
    const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }));
    const list = fc.array(text, { maxLength: 40 });
    fc.assert(
      fc.property(text, list, list, (label, except, names) => {
        const oifs = names.map((name) => ({ interface: name }));
        assertSameReplace({ owner: label, resources: [{ mroute: { except, oifs, label } }, { interface: {} }] });
      }),
    );
    for (const length of [39, 40, 127, 128, 16_383, 16_384, 40_000, 2_097_152]) {
      assertSameReplace({ resources: [{ mroute: { label: 'x'.repeat(length), key: { group: 'ü'.repeat(length) } } }] });
    }
  });

  it('with numbers of any size', () => {
    for (const id of [0, 1, 127, 128, 16_384, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, '0', '999999999999999']) {
      assertSameApply({ changes: [{ id, delete: {} }], expectedRevision: id });
    }
    for (const table of [0, 1, 0x7fff_ffff, 0xffff_ffff]) assertSameReplace({ table, resourceCount: table });
  });

  it('the other way where something is not plain', () => {
    const texts: unknown = 5;
    const odd: object[] = [
      { table: -1 },
      { table: 1.5 },
      { table: '5' },
      { owner: texts },
      { strict: 1 },
      { results: 'NO_VIEW' },
      { expectedRevision: '9007199254740993' },
      { changes: { length: 1 } },
      { changes: [null] },
      { changes: [5] },
      { changes: [{ id: 1n }] },
      { changes: [{ id: -1 }] },
      { changes: [{ put: 'x' }] },
      { changes: [{ put: { mroute: { key: 5 } } }] },
      { changes: [{ put: { mroute: { oifs: 'eth0' } } }] },
      { changes: [{ put: { mroute: { oifs: [5] } } }] },
      { changes: [{ put: { mroute: { except: [5] } } }] },
      { changes: [{ put: { mroute: { deny: 'no' } } }] },
      { changes: [{ delete: { interface: { name: texts } } }] },
    ];
    for (const [index, request] of odd.entries()) assert.equal(encodeApply(request), undefined, `odd[${index}]`);
    assert.equal(encodeReplace({ resources: [{ interface: { ttlThreshold: -5 } }] }), undefined);
    // What the generated encoder converts is converted.
    const bytes = Apply.requestSerialize({ changes: [{ id: '18446744073709551615' }] });
    assert.equal(Apply.requestDeserialize(bytes).changes[0]?.id, '18446744073709551615');
    assert.throws(() => Apply.requestSerialize({ changes: 5 } as object), TypeError);
  });
});
