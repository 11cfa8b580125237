// Random entries, with all that each kind of resource and each state can have.
import fc from 'fast-check';
import {
  type Address,
  type Family,
  type Prefix,
  addressLength,
  anyPrefix,
  maskAddress,
} from '../../src/model/address.js';
import type { InterfaceSettings } from '../../src/model/interface.js';
import type { Membership } from '../../src/model/membership.js';
import type { Mroute } from '../../src/model/mroute.js';
import type { Missing, Resource, Status } from '../../src/model/resource.js';
import { families } from './rule-arbitraries.js';

/** A resource as a table holds it. */
export interface AnyEntry {
  readonly resource: Resource;
  readonly owners: readonly string[];
  readonly status: Status;
}

/** Names, labels and sentences: mostly short, of any script, and some too long for a length of one byte. */
const texts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('', 'in0', 'out1', 'eth+', 'operator') },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 300 }) },
);

/** Hextets and words with many zeros, so that runs of them meet. */
const words = fc.oneof(
  fc.constantFrom(0, 0, 1, 0xffff, 0x10000, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);

export function addresses(family: Family): fc.Arbitrary<Address> {
  const size = family === 'ipv4' ? 1 : 4;
  return fc.array(words, { minLength: size, maxLength: size }).map((some) => ({ family, words: some }));
}

export function prefixes(family: Family): fc.Arbitrary<Prefix> {
  const most = addressLength(family);
  const lengths = fc.oneof(fc.constant(most), fc.integer({ min: 0, max: most }));
  return fc.tuple(addresses(family), lengths).map(([address, length]) => ({
    address: maskAddress(address, length),
    length,
  }));
}

const oifs = fc.array(
  fc.record({ interface: texts, ttlThreshold: fc.option(fc.integer({ min: 1, max: 254 }), { nil: undefined }) }),
  { maxLength: 5 },
);

const mroutes: fc.Arbitrary<Mroute> = families.chain((family) =>
  fc.record({
    key: fc.record({
      kind: fc.constant('mroute' as const),
      iif: texts,
      source: fc.oneof(fc.constant(anyPrefix(family)), prefixes(family)),
      group: prefixes(family),
    }),
    oifs,
    except: fc.array(prefixes(family), { maxLength: 12 }),
    deny: fc.boolean(),
    label: texts,
  }),
);

const memberships: fc.Arbitrary<Membership> = families.chain((family) =>
  fc.record({
    key: fc.record({
      kind: fc.constant('membership' as const),
      interface: texts,
      group: prefixes(family),
      source: prefixes(family),
    }),
    label: texts,
  }),
);

const settings: fc.Arbitrary<InterfaceSettings> = fc.record({
  key: fc.record({ kind: fc.constant('interface' as const), name: texts }),
  ttlThreshold: fc.integer({ min: 0, max: 254 }),
  isEnabled: fc.constantFrom(undefined, false, true),
  isQuerier: fc.boolean(),
  isAdvertised: fc.boolean(),
  boundaries: families.chain((family) => fc.array(prefixes(family), { maxLength: 3 })),
});

export const resources: fc.Arbitrary<Resource> = fc.oneof(
  { weight: 3, arbitrary: mroutes },
  { weight: 1, arbitrary: memberships },
  { weight: 1, arbitrary: settings },
);

const missings: fc.Arbitrary<Missing> = fc.oneof(
  fc.record({
    reason: fc.constantFrom(
      'INTERFACE_NOT_FOUND' as const,
      'NO_INTERFACE_MATCHES' as const,
      'INTERFACE_DISABLED' as const,
      'VIF_LIMIT' as const,
      'FAMILY_UNAVAILABLE' as const,
    ),
    interface: texts,
  }),
  fc.record({ reason: fc.constant('BRIDGE_PORT' as const), interface: texts, master: texts, masterKind: texts }),
  fc.record({ reason: fc.constant('VRF_TABLE' as const), interface: texts, vrf: texts, vrfTable: fc.nat() }),
);

const statuses: fc.Arbitrary<Status> = fc.record({
  state: fc.constantFrom('pending' as const, 'programmed' as const, 'partial' as const, 'failed' as const),
  missing: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(missings, { maxLength: 3 })),
  failure: fc.option(fc.record({ code: texts, syscall: texts, text: texts }), { nil: undefined, freq: 4 }),
  warnings: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.array(fc.record({ code: fc.constantFrom('LOOP' as const, 'RP_FILTER' as const), text: texts }), {
      maxLength: 3,
    }),
  ),
  programming: fc.option(
    fc.record({
      kind: fc.constantFrom('source-group' as const, 'any-source' as const, 'learned' as const),
      reason: texts,
    }),
    { nil: undefined },
  ),
});

export const entries: fc.Arbitrary<AnyEntry> = fc.record({
  resource: resources,
  owners: fc.array(texts, { maxLength: 3 }),
  status: statuses,
});

/** Packets, bytes and wrong_if: small ones, those that a number does not hold, and the largest. */
export const counters: fc.Arbitrary<[bigint, bigint, bigint]> = fc.tuple(count(), count(), count());

function count(): fc.Arbitrary<bigint> {
  return fc.oneof(
    fc.constantFrom(0n, 1n, 127n, 128n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 49n - 1n, 2n ** 49n, 2n ** 64n - 2n),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 2n }),
  );
}

/** The words of counters, the lower one of each first. */
export function counterWords(counts: readonly bigint[]): Uint32Array {
  return Uint32Array.from(counts.flatMap((each) => [Number(each & 0xffff_ffffn), Number(each >> 32n)]));
}
