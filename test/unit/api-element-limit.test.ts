import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { APPLY_REQUEST, REPLACE_REQUEST, countElements } from '../../src/api/element-limit.js';
import { api } from '../../src/api/load.js';

const { Apply, Replace } = api().mcroute.v1.RoutingService.service;

const mroute = (n: number, oifs: number) => ({
  key: { iif: 'in0', source: '', group: `239.${n >> 16}.${(n >> 8) & 255}.${n & 255}` },
  oifs: Array.from({ length: oifs }, (_, i) => ({ interface: `out${i}` })),
  except: ['10.0.0.0/8'],
});

describe('elements of a request', () => {
  it('are counted at every depth', () => {
    const changes = Array.from({ length: 2_000 }, (_, n) => ({ id: n, put: { mroute: mroute(n, 3) } }));
    const bytes = Apply.requestSerialize({ owner: 'cli', changes });
    // Change, resource, mroute, key, three oifs, one except.
    assert.equal(countElements(bytes, APPLY_REQUEST), 2_000 * 8);
    const resources = changes.map(({ put }) => put);
    assert.equal(countElements(Replace.requestSerialize({ owner: 'cli', resources }), REPLACE_REQUEST), 2_000 * 7);
  });

  it('are counted of interfaces, with their boundaries', () => {
    const boundaries = Array.from({ length: 60 }, (_, n) => `239.1.1.${n}`);
    const resources = Array.from({ length: 200 }, (_, n) => ({ interface: { key: { name: `eth${n}` }, boundaries } }));
    const bytes = Replace.requestSerialize({ owner: 'cli', resources });
    // Resource, interface, key, boundaries.
    assert.equal(countElements(bytes, REPLACE_REQUEST), 200 * 63);
  });

  it('are counted where they are empty, which is where they cost most for their bytes', () => {
    const empty = Buffer.alloc(200_000);
    for (let at = 0; at < empty.length; at += 2) empty[at] = (3 << 3) | 2;
    assert.equal(countElements(empty, APPLY_REQUEST), 100_000);
  });

  it('of small requests are not counted', () => {
    const bytes = Apply.requestSerialize({ changes: [{ put: { mroute: mroute(1, 60) } }] });
    assert.equal(countElements(bytes, APPLY_REQUEST), 0);
  });

  it('are counted of any bytes without end or error', () => {
    const large = fc.uint8Array({ minLength: 65_536, maxLength: 70_000, size: 'max' });
    fc.assert(
      fc.property(large, (bytes) => {
        const elements = countElements(bytes, APPLY_REQUEST);
        assert.ok(elements >= 0 && elements <= bytes.length * 8);
      }),
      { numRuns: 50 },
    );
  });
});
