// Random requests of Apply and Replace on the wire: mostly valid ones, with all that they can have.
import fc from 'fast-check';
import type { ApplyRequest } from '../../src/api/generated/mcroute/v1/ApplyRequest.js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { Mroute } from '../../src/api/generated/mcroute/v1/Mroute.js';
import type { Oif } from '../../src/api/generated/mcroute/v1/Oif.js';
import type { ReplaceRequest } from '../../src/api/generated/mcroute/v1/ReplaceRequest.js';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';

/** Mostly the first, now and then something that is refused. */
function mostly<Value>(valid: fc.Arbitrary<Value>, wrong: fc.Arbitrary<Value>): fc.Arbitrary<Value> {
  return fc.oneof({ weight: 60, arbitrary: valid }, { weight: 1, arbitrary: wrong });
}

const names = mostly(
  fc.constantFrom<string>('in0', 'out1', 'eth0.100', 'é0', 'a-fifteen-bytes', '日本'),
  fc.constantFrom<string>('', 'a-sixteen-bytes!', 'eth0:1', 'a b', '.', '..', 'a/b', '日本日本日本'),
);
const patterns = fc.oneof({ weight: 5, arbitrary: names }, fc.constantFrom<string>('eth+', '+'));
const groups4 = fc.constantFrom<string>('239.1.1.1', '239.1.1.2', '232.0.0.0/8', '224.0.0.0/4', '239.1.2.3/16');
const sources4 = fc.constantFrom<string>('', '10.0.0.1', '10.0.0.2', '10.1.2.3/8', '0.0.0.0/0', '192.0.2.0/24');
const groups6 = fc.constantFrom<string>('ff3e::1', 'FF3E::0001', 'ff3e:0:0::/48', 'ff00::/8', 'ff05::1:3');
const sources6 = fc.constantFrom<string>(
  '',
  '2001:db8::1',
  '2001:db8:0:0::2',
  '2001:db8::/32',
  '::/0',
  '::ffff:10.0.0.1',
);
const wrongPrefixes = fc.constantFrom<string>(
  '',
  'x',
  '10.0.0.1',
  '0.0.0.0',
  '::',
  '239.1.1.1',
  '239.1.1.1/33',
  'ff3e::1',
  '::1',
);

const flows = fc.oneof(
  fc.record({ source: mostly(sources4, wrongPrefixes), group: mostly(groups4, wrongPrefixes) }),
  fc.record({ source: mostly(sources6, wrongPrefixes), group: mostly(groups6, wrongPrefixes) }),
);
const labels = mostly(
  fc.oneof(fc.constantFrom<string>('', '', 'studio 1', 'Küche'), fc.string({ maxLength: 20 })),
  fc.constant('x'.repeat(257)),
);
const thresholds = mostly(fc.integer({ min: 1, max: 254 }), fc.constantFrom(0, 255, 300, 4_294_967_295));
const oifs: fc.Arbitrary<Oif[]> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<Oif[]>([{ interface: 'out1' }], [{ interface: 'out1' }, { interface: 'out2' }]),
  },
  {
    weight: 2,
    arbitrary: fc.array(fc.record({ interface: patterns, ttlThreshold: thresholds }, { requiredKeys: ['interface'] })),
  },
);
const mrouteKeys = fc.tuple(patterns, flows).map(([iif, flow]) => ({ iif, ...flow }));
const mroutes: fc.Arbitrary<Mroute> = mrouteKeys.chain((key) => {
  const excepts = key.group.includes(':') ? sources6 : sources4;
  return fc.record(
    {
      key: fc.constant(key),
      oifs,
      except: fc.oneof(
        { weight: 5, arbitrary: fc.constant<string[]>([]) },
        fc.array(
          mostly(
            excepts.filter((text) => text !== ''),
            wrongPrefixes,
          ),
          { maxLength: 4 },
        ),
      ),
      deny: fc.boolean(),
      label: labels,
    },
    { requiredKeys: ['key'] },
  );
});
const membershipKeys = fc.tuple(names, flows).map(([name, flow]) => ({ interface: name, ...flow }));
const hostKeys = fc.record({
  interface: names,
  group: fc.constantFrom<string>('239.1.1.1', '239.1.0.0/16'),
  source: fc.constant(''),
});
const memberships = fc.record({ key: fc.oneof(hostKeys, membershipKeys), label: labels }, { requiredKeys: ['key'] });
const interfaces = fc.record(
  {
    key: fc.record({ name: names }),
    ttlThreshold: fc.oneof(fc.constant(0), thresholds),
    enabled: fc.boolean(),
    querier: fc.boolean(),
    mrdisc: fc.boolean(),
    boundaries: fc.array(mostly(fc.oneof(groups4, groups6), wrongPrefixes), { maxLength: 4 }),
  },
  { requiredKeys: ['key'] },
);

/** Resources of all kinds, and now and then one of none. */
const resources: fc.Arbitrary<Resource> = fc.oneof(
  { weight: 12, arbitrary: mroutes.map((mroute): Resource => ({ mroute })) },
  { weight: 3, arbitrary: memberships.map((membership): Resource => ({ membership })) },
  { weight: 3, arbitrary: interfaces.map((settings): Resource => ({ interface: settings })) },
  fc.constantFrom<Resource>({}, { mroute: {} }, { membership: {} }, { interface: {} }),
);

const keys = fc.oneof(
  mrouteKeys.map((mroute) => ({ mroute })),
  hostKeys.map((membership) => ({ membership })),
  names.map((name) => ({ interface: { name } })),
);
const ids = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String));

const changes: fc.Arbitrary<Change> = fc
  .tuple(
    fc.option(ids, { nil: undefined }),
    fc.oneof(
      { weight: 6, arbitrary: resources.map((put): Change => ({ put })) },
      keys.map((key): Change => ({ delete: key })),
      keys.map((key): Change => ({ deleteExisting: key })),
      mroutes.map((mroute): Change => ({ addOifs: mroute })),
      mroutes.map((mroute): Change => ({ removeOifs: mroute })),
    ),
  )
  .map(([id, action]) => (id === undefined ? action : { id, ...action }));

const header = {
  table: fc.constantFrom(0, 5, 99_999_999),
  owner: fc.constantFrom('cli', '', 'controller-1', 'ö'),
  validateOnly: fc.boolean(),
  expectedRevision: fc.oneof(fc.nat(5), fc.constant('18446744073709551615')),
  strict: fc.boolean(),
  comment: fc.constantFrom('', 'hall 2', 'Küche'),
  requestId: fc.constantFrom('', '7f1c', 'x'.repeat(200)),
};

/** A request of either method. */
export const requests: fc.Arbitrary<{ readonly apply: ApplyRequest; readonly replace: ReplaceRequest }> = fc.record({
  apply: fc.record(
    {
      ...header,
      changes: fc.array(changes, { maxLength: 6 }),
      results: fc.constantFrom('RESULT_VIEW_UNSPECIFIED', 'RESULT_VIEW_ALL', 'RESULT_VIEW_NOTABLE'),
    },
    { requiredKeys: [] },
  ),
  replace: fc.record(
    { ...header, resources: fc.array(resources, { maxLength: 6 }), resourceCount: fc.nat(300) },
    { requiredKeys: [] },
  ),
});
