// Random rules over a few interfaces, sources and groups, so that they meet often.
import fc from 'fast-check';
import {
  type Address,
  FAMILIES,
  type Family,
  type Prefix,
  anyPrefix,
  canonicalPrefixes,
  hostPrefix,
  maskAddress,
} from '../../src/model/address.js';
import type { InterfaceSettings } from '../../src/model/interface.js';
import type { Mroute } from '../../src/model/mroute.js';
import { testGroup, testSource } from './fib-turns.js';
import { interfaceSettings } from './interface-conditions.js';

/** The interfaces that rules name; the wildcard `eth+` stands for all but the last. */
export const INTERFACES = ['eth0', 'eth1', 'eth2', 'wan0'] as const;

/** Numbers for `testSource`: 1 to 3 share a prefix that 4 is outside of. */
export const SOURCES = [1, 2, 3, 4] as const;

/** Numbers for `testGroup`: 3 is in no rule but by prefix. */
export const GROUPS = [1, 2, 3] as const;

export const families = fc.constantFrom<Family>(...FAMILIES);

/** Rules of one family: all that a rule can have, and interfaces that are not there. */
export function mroutes(family: Family): fc.Arbitrary<Mroute> {
  return fc.record({
    key: fc.record({
      kind: fc.constant('mroute' as const),
      iif: patterns,
      source: sources(family),
      group: groups(family),
    }),
    oifs: fc.array(fc.record({ interface: patterns, ttlThreshold: fc.constantFrom(undefined, undefined, 1, 20) }), {
      maxLength: 3,
    }),
    except: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(sources(family), { maxLength: 2 }) },
    ),
    deny: fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    label: fc.constant(''),
  });
}

/** Settings of an interface that change where packets of the family go. */
export function settingsOf(family: Family, ttlThresholds: readonly number[]): fc.Arbitrary<InterfaceSettings> {
  const settings = fc.record({
    ttlThreshold: fc.constantFrom(...ttlThresholds),
    isEnabled: fc.constantFrom(undefined, undefined, undefined, undefined, true, false),
    boundaries: fc.array(boundaries(family), { maxLength: 2 }).map(canonicalPrefixes),
  });
  return fc
    .tuple(fc.constantFrom<string>(...INTERFACES, 'away0'), settings)
    .map(([name, differing]) => interfaceSettings(name, differing));
}

const patterns = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<string>(...INTERFACES) },
  { weight: 1, arbitrary: fc.constantFrom('eth+', '+', 'away0') },
);

/** Any, an exact source, or a prefix of two sizes. */
function sources(family: Family): fc.Arbitrary<Prefix> {
  const exact = fc.constantFrom(...SOURCES).map((n) => hostPrefix(testSource(family, n)));
  const wide = fc
    .constantFrom(1, 2, 4)
    .chain((n) => fc.constantFrom(1, 2).map((b) => prefixOf(testSource(family, n), b)));
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(anyPrefix(family)) },
    { weight: 3, arbitrary: exact },
    { weight: 1, arbitrary: wide },
  );
}

function groups(family: Family): fc.Arbitrary<Prefix> {
  const exact = fc.constantFrom(1, 2).map((n) => hostPrefix(testGroup(family, n)));
  const wide = fc.constantFrom(1, 2).map((bits) => prefixOf(testGroup(family, 2), bits));
  return fc.oneof({ weight: 5, arbitrary: exact }, { weight: 1, arbitrary: wide });
}

/** Like the groups of rules, and the group that is in no rule but by prefix. */
function boundaries(family: Family): fc.Arbitrary<Prefix> {
  return fc.oneof(groups(family), fc.constant(hostPrefix(testGroup(family, 3))));
}

function prefixOf(address: Address, hostBits: number): Prefix {
  const length = hostPrefix(address).length - hostBits;
  return { address: maskAddress(address, length), length };
}
