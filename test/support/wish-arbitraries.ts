// Any resource that a file may have to hold, of both families.
import fc from 'fast-check';
import { type Family, type Prefix, addressLength, anyPrefix, maskAddress } from '../../src/model/address.js';
import { isInterfaceName } from '../../src/model/interface.js';
import type { Resource } from '../../src/model/resource.js';
import { families, mroutes } from './rule-arbitraries.js';

const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 15 }).filter(isInterfaceName);
const labels = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\ud800', '"\n\\', '}]', '\\"'));
const thresholds = fc.integer({ min: 1, max: 254 });
/** Zeros are what the text of IPv6 is about. */
const words = fc.oneof(fc.nat({ max: 0xffff_ffff }), fc.constantFrom(0, 1, 0xffff, 0x1_0000, 0xffff_0000));

export function prefixes(family: Family): fc.Arbitrary<Prefix> {
  const longest = addressLength(family);
  const size = longest / 32;
  const lengths = fc.oneof(fc.constant(longest), fc.nat({ max: longest }));
  return fc
    .tuple(fc.array(words, { minLength: size, maxLength: size }), lengths)
    .map(([all, length]) => ({ address: maskAddress({ family, words: all }, length), length }));
}

function flows(family: Family): fc.Arbitrary<{ source: Prefix; group: Prefix }> {
  return fc.record({ source: fc.oneof(fc.constant(anyPrefix(family)), prefixes(family)), group: prefixes(family) });
}

export const resources: fc.Arbitrary<Resource> = families
  .chain((family) =>
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
  )
  // Random objects may have no prototype.
  .map((resource) => structuredClone(resource));
