import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Prefix,
  anyPrefix,
  maskAddress,
  parsePrefix,
  addressLength,
  type Family,
} from '../../src/model/address.js';
import { isInterfaceName } from '../../src/model/interface.js';
import type { Resource } from '../../src/model/resource.js';
import {
  WishTextError,
  decodeResource,
  decodeResourceKey,
  encodeResource,
  encodeResourceKey,
} from '../../src/agent/rib/wish-text.js';
import { families, mroutes } from '../support/rule-arbitraries.js';

const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 15 }).filter(isInterfaceName);
const labels = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', '"\n\\'));
const thresholds = fc.integer({ min: 1, max: 254 });

function prefixes(family: Family): fc.Arbitrary<Prefix> {
  const word = fc.nat({ max: 0xffff_ffff });
  const size = addressLength(family) / 32;
  return fc
    .tuple(fc.array(word, { minLength: size, maxLength: size }), fc.nat({ max: 32 * size }))
    .map(([words, length]) => ({ address: maskAddress({ family, words }, length), length }));
}

function flows(family: Family): fc.Arbitrary<{ source: Prefix; group: Prefix }> {
  return fc.record({ source: fc.oneof(fc.constant(anyPrefix(family)), prefixes(family)), group: prefixes(family) });
}

const resources: fc.Arbitrary<Resource> = families.chain((family) =>
  fc.oneof(
    mroutes(family),
    fc.record({
      key: fc.tuple(flows(family), names).map(([flow, iif]) => ({ kind: 'mroute' as const, iif, ...flow })),
      oifs: fc.array(fc.record({ interface: names, ttlThreshold: fc.option(thresholds, { nil: undefined }) })),
      except: fc.array(prefixes(family)),
      deny: fc.boolean(),
      label: labels,
    }),
    fc.record({
      key: fc.tuple(flows(family), names).map(([flow, name]) => ({
        kind: 'membership' as const,
        interface: name,
        ...flow,
      })),
      label: labels,
    }),
    fc.record({
      key: fc.record({ kind: fc.constant('interface' as const), name: names }),
      ttlThreshold: thresholds,
      isEnabled: fc.option(fc.boolean(), { nil: undefined }),
      isQuerier: fc.boolean(),
      isAdvertised: fc.boolean(),
      boundaries: fc.array(prefixes(family)),
    }),
  ),
);

describe('the text of wishes', () => {
  it('stands for just the resource and the key that it was made of', () => {
    fc.assert(
      fc.property(resources, (random) => {
        // Random objects may have no prototype.
        const resource = structuredClone(random);
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
