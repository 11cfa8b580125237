import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parsePrefix } from '../../src/model/address.js';
import type { Resource } from '../../src/model/resource.js';
import {
  WishTextError,
  decodeResource,
  decodeResourceKey,
  encodeResource,
  encodeResourceKey,
} from '../../src/agent/rib/wish-text.js';
import { resources } from '../support/wish-arbitraries.js';

describe('the text of wishes', () => {
  it('stands for just the resource and the key that it was made of', () => {
    fc.assert(
      fc.property(resources, (resource) => {
        assert.deepEqual(decodeResource(JSON.parse(JSON.stringify(encodeResource(resource)))), resource);
        assert.deepEqual(decodeResourceKey(JSON.parse(JSON.stringify(encodeResourceKey(resource.key)))), resource.key);
      }),
    );
  });

  it('is for people', () => {
    const resource: Resource = {
      key: { kind: 'mroute', iif: 'in0', source: parsePrefix('::/0'), group: parsePrefix('FF05:0::1') },
      oifs: [
        { interface: 'out1', ttlThreshold: undefined },
        { interface: 'out2', ttlThreshold: 5 },
      ],
      except: [],
      deny: false,
      label: 'hall 2',
    };
    assert.equal(
      JSON.stringify(encodeResource(resource)),
      '{"kind":"mroute","source":"*","group":"ff05::1","iif":"in0",' +
        '"oifs":["out1",{"interface":"out2","ttlThreshold":5}],"label":"hall 2"}',
    );
  });

  it('is refused with its own error, whatever it is', () => {
    const almost = fc.record(
      {
        kind: fc.constantFrom<unknown>('mroute', 'membership', 'interface', 'route', 1),
        source: fc.constantFrom<unknown>('*', '10.0.0.1', '10.0.0.300', 7),
        group: fc.constantFrom<unknown>('239.1.1.1', 'x', null),
        iif: fc.constantFrom<unknown>('in0', null),
        oifs: fc.constantFrom<unknown>(['out1'], [1], [null], {}, [{ interface: 'out1', ttlThreshold: '1' }]),
        ttlThreshold: fc.constantFrom<unknown>(1, 1.5, 'x'),
        enabled: fc.constantFrom<unknown>(true, 1, null),
        boundaries: fc.constantFrom<unknown>(['239.255.0.0/16'], ['x'], 'x', [1]),
        label: fc.constantFrom<unknown>('', 1),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(almost, fc.jsonValue()), (value) => {
        try {
          decodeResource(value);
        } catch (error) {
          assert.ok(error instanceof WishTextError, String(error));
        }
      }),
    );
    assert.throws(() => decodeResource({ kind: 'route' }), WishTextError);
  });
});
