// Values that the API does not take: each is refused with its field and a sentence that has the cure, and does no harm.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import { apply, list, put, refused, replace, route } from '../support/calls.js';
import { ServingAgent } from '../support/unharmed.js';

let serving: ServingAgent;

before(async () => {
  serving = await ServingAgent.start(201);
});

after(async () => {
  await serving.assertNothingLost();
  await serving[Symbol.asyncDispose]();
});

afterEach(() => serving.assertUnharmed());

/** What is refused: the change, the path of the field below `changes[0]`, and what the sentence says. */
interface Case {
  readonly name: string;
  readonly change: Change;
  readonly field: string;
  readonly says: RegExp;
}

const GROUP = '.put.mroute.key.group';
const SOURCE = '.put.mroute.key.source';

const mrouteCases: readonly Case[] = [
  ...['', 'x', '239.1.1', '239.1.1.1.1', '239.1.1.256', '239.01.1.1', '239.1.1.1 ', 'ff1e::1::1', 'ff1e::1%in0'].map(
    (group) => ({
      name: `a group '${group}' that is none`,
      change: put(route(group)),
      field: GROUP,
      says: /an IPv4 or IPv6 address.*239\.1\.1\.1 or ff3e::\/32|an IPv4 or IPv6 address or prefix/,
    }),
  ),
  ...['10.0.0.1', '223.255.255.255', '240.0.0.1', '0.0.0.0', '2001:db8::1', '::', 'fe80::1'].map((group) => ({
    name: `a unicast group ${group}`,
    change: put(route(group)),
    field: GROUP,
    says: group.includes(':')
      ? /not a multicast group: use .* ff00::\/8/
      : /not a multicast group: use .* 224\.0\.0\.0\/4/,
  })),
  ...['239.1.1.1/33', '239.1.1.1/-1', '239.1.1.1/', '239.1.1.1/08', 'ff1e::1/129', 'ff1e::1/x'].map((group) => ({
    name: `a prefix length out of range, ${group}`,
    change: put(route(group)),
    field: GROUP,
    says: /has no prefix length from 0 to (32|128): use ADDRESS or ADDRESS\/LENGTH/,
  })),
  ...['224.0.0.0/3', 'fe00::/7', '0.0.0.0/0'].map((group) => ({
    name: `a group prefix ${group} that is not all multicast`,
    change: put(route(group)),
    field: GROUP,
    says: /not a multicast group/,
  })),
  ...['239.1.1.2', 'ff02::1', '224.0.0.0/4'].map((source) => ({
    name: `a multicast source ${source}`,
    change: put({ key: { iif: 'in0', source, group: source.includes(':') ? 'ff1e::1' : '239.1.1.1' } }),
    field: SOURCE,
    says: /is a multicast group; a source is the address of a sender/,
  })),
  // To the kernel it is the source of a (*,G) entry, which such a rule would overwrite.
  ...['0.0.0.0', '::'].map((source) => ({
    name: `the source ${source}, which no sender has`,
    change: put({ key: { iif: 'in0', source, group: source.includes(':') ? 'ff1e::1' : '239.1.1.1' } }),
    field: SOURCE,
    says: /no sender's address: leave the source empty for any/,
  })),
  ...[
    ['10.0.0.1', 'ff1e::1'],
    ['2001:db8::1', '239.1.1.1'],
    ['::ffff:10.0.0.1', '239.1.1.1'],
  ].map(([source = '', group = '']) => ({
    name: `a source ${source} and a group ${group} of different families`,
    change: put({ key: { iif: 'in0', source, group } }),
    field: SOURCE,
    says: /of different families: both must be IPv4 or both IPv6/,
  })),
  ...[0, 255, 256, 4_294_967_295].map((ttlThreshold) => ({
    name: `a TTL threshold ${ttlThreshold}`,
    change: put(route('239.1.1.1', { oifs: [{ interface: 'out1', ttlThreshold }] })),
    field: '.put.mroute.oifs[0].ttl_threshold',
    says: /not a TTL threshold: 1 to 254, or unset/,
  })),
  ...['a/b', 'a b', '.', '..', 'tab\tbed', 'sixteen-bytes-xx', 'ümlautümlautüm'].map((iif) => ({
    name: `an iif '${iif}' that cannot be a name`,
    change: put({ key: { iif, group: '239.1.1.1' } }),
    field: '.put.mroute.key.iif',
    says: /cannot be the name of an interface: 1 to 15 bytes without '\/', ':' and spaces/,
  })),
  {
    name: 'no iif',
    change: put({ key: { group: '239.1.1.1' } }),
    field: '.put.mroute.key.iif',
    says: /is required: the name of an interface/,
  },
  {
    name: 'an alias as iif',
    change: put({ key: { iif: 'eth0:1', group: '239.1.1.1' } }),
    field: '.put.mroute.key.iif',
    says: /'eth0:1' is an alias: use the interface itself, 'eth0'/,
  },
  {
    name: 'an alias as oif',
    change: put(route('239.1.1.1', { oifs: [{ interface: 'out1' }, { interface: 'out2:0' }] })),
    field: '.put.mroute.oifs[1].interface',
    says: /'out2:0' is an alias: use the interface itself, 'out2'/,
  },
  {
    name: 'an oif without a name',
    change: put(route('239.1.1.1', { oifs: [{}] })),
    field: '.put.mroute.oifs[0].interface',
    says: /is required/,
  },
  {
    name: '65 oifs',
    change: put(route('239.1.1.1', { oifs: Array.from({ length: 65 }, (_, n) => ({ interface: `out${n}` })) })),
    field: '.put.mroute.oifs',
    says: /has 65 oifs; at most 64/,
  },
  {
    name: '257 excepted prefixes',
    change: put(route('239.1.1.1', { except: Array.from({ length: 257 }, (_, n) => `10.0.${n % 256}.${n >> 8}`) })),
    field: '.put.mroute.except',
    says: /has 257 prefixes; at most 256/,
  },
  {
    name: 'an excepted prefix of the other family',
    change: put(route('239.1.1.1', { except: ['10.0.0.0/8', '2001:db8::/32'] })),
    field: '.put.mroute.except[1]',
    says: /not of the group's family, IPv4/,
  },
  {
    name: 'a label of 257 bytes',
    change: put(route('239.1.1.1', { label: `${'ü'.repeat(128)}x` })),
    field: '.put.mroute.label',
    says: /longer than 256 bytes/,
  },
  { name: 'a rule without a key', change: put({}), field: '.put.mroute.key', says: /is required/ },
];

const otherCases: readonly Case[] = [
  { name: 'a change without an action', change: { id: 7 }, field: '', says: /no action.*set put, delete/ },
  { name: 'an empty resource', change: { put: {} }, field: '.put', says: /is empty.*set mroute, membership or/ },
  { name: 'an empty key', change: { delete: {} }, field: '.delete', says: /is empty.*set mroute, membership or/ },
  {
    name: 'a wildcard in a membership',
    change: { put: { membership: { key: { interface: 'in+', group: '239.1.1.1' } } } },
    field: '.put.membership.key.interface',
    says: /'in\+' is a wildcard; here the name of one interface is needed/,
  },
  ...[
    { interface: 'in0', group: '239.0.0.0/15' },
    { interface: 'in0', group: 'ff3e::/111' },
    { interface: 'in0', group: '239.1.1.1', source: '10.0.0.0/15' },
    { interface: 'in0', group: '239.1.0.0/20', source: '10.0.0.0/19' },
    { interface: 'in0', group: 'ff00::/8', source: '2001:db8::/32' },
  ].map((key) => ({
    name: `a membership in ${key.group} from ${key.source ?? 'any'}, which are too many joins`,
    change: { put: { membership: { key } } },
    field: '.put.membership.key.group',
    says: /more than 65536 joins: use longer prefixes/,
  })),
  {
    name: 'an interface without a name',
    change: { put: { interface: { key: {}, ttlThreshold: 2 } } },
    field: '.put.interface.key.name',
    says: /is required/,
  },
  {
    name: 'an interface with a TTL threshold of 255',
    change: { put: { interface: { key: { name: 'in0' }, ttlThreshold: 255 } } },
    field: '.put.interface.ttl_threshold',
    says: /not a TTL threshold: 1 to 254/,
  },
];

describe('a value that the API does not take is refused, with its field and the cure', () => {
  for (const { name, change, field, says } of [...mrouteCases, ...otherCases]) {
    it(name, async () => {
      const error = await refused(apply(serving.client, { changes: [change] }), 'INVALID_FIELD');
      assert.deepEqual(
        error.violations.map((violation) => violation.field),
        [`changes[0]${field}`],
      );
      assert.match(error.violations[0]?.description ?? '', says);
      assert.match(error.message, says, 'the sentence alone is enough for a person');
    });
  }

  for (const owner of ['', ' ', 'a b', 'ü', 'a\nb', 'x'.repeat(65), 'x'.repeat(1_000_000)]) {
    it(`the owner '${owner.length > 65 ? 'a million bytes' : owner}'`, async () => {
      for (const call of [() => apply(serving.client, { owner }), () => replace(serving.client, [{ owner }])]) {
        const error = await refused(call(), 'INVALID_FIELD');
        assert.deepEqual(
          error.violations.map(({ field }) => field),
          ['owner'],
        );
        assert.match(error.message, /not an owner's name: 1 to 64 of letters, digits and \. _ - @ \//);
      }
    });
  }
});

describe('all that is wrong is told at once', () => {
  it('with the path of each field, the owner among them', async () => {
    const changes: Change[] = [
      put(route('239.1.1.1')),
      put({
        key: { iif: 'a/b', source: '239.0.0.1', group: '10.0.0.1' },
        oifs: [{ interface: 'x:1', ttlThreshold: 0 }],
      }),
      {},
      { deleteExisting: { membership: { interface: 'in+', group: 'x' } } },
    ];
    const error = await refused(apply(serving.client, { owner: '', changes }), 'INVALID_FIELD');
    assert.deepEqual(error.violations.map(({ field }) => field).sort(), [
      'changes[1].put.mroute.key.group',
      'changes[1].put.mroute.key.iif',
      'changes[1].put.mroute.key.source',
      'changes[1].put.mroute.oifs[0].interface',
      'changes[1].put.mroute.oifs[0].ttl_threshold',
      'changes[2]',
      'changes[3].delete_existing.membership.group',
      'changes[3].delete_existing.membership.interface',
      'owner',
    ]);
    assert.match(error.message, /^owner: .* \(and 8 more\)$/);
  });

  it('as far as it fits into a trailer that every client takes; the sentence has the number', async () => {
    for (const text of ['x', 'x'.repeat(60), 'x'.repeat(10_000), '\u001b[2J\n'.repeat(20)]) {
      const changes = Array.from({ length: 1_000 }, () => put(route(text)));
      const error = await refused(apply(serving.client, { changes }), 'INVALID_FIELD');
      assert.match(error.message, /\(and 999 more\)$/);
      assert.ok(error.violations.length >= 10, String(error.violations.length));
      const bytes = JSON.stringify(error.violations).length * (4 / 3);
      assert.ok(bytes < 8_192, `${bytes} bytes`);
      assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
    }
  });
});

describe('a value at its limit is taken', () => {
  const group = '239.1.1.1';
  const longest = 'fifteen-bytes-x';
  const cases = {
    'a label of 256 bytes': route(group, { label: 'ü'.repeat(128) }),
    'an interface name of 15 bytes, as written by the kernel': {
      key: { iif: longest, group },
      oifs: [{ interface: longest }],
    },
    'TTL thresholds 1 and 254': route(group, {
      oifs: [1, 254].map((n) => ({ interface: `out${n}`, ttlThreshold: n })),
    }),
    '64 oifs': route(group, { oifs: Array.from({ length: 64 }, (_, n) => ({ interface: `x${n}` })) }),
    '256 excepted prefixes': route(group, { except: Array.from({ length: 256 }, (_, n) => `10.0.${n}.0/24`) }),
    'an IPv6 group with every word written out': route('FF1E:0:0:0:0:0:239.1.1.1'),
  };
  for (const [name, mroute] of Object.entries(cases)) {
    it(name, async () => {
      const owner = 'a-name.of_64@bytes/'.padEnd(64, 'x');
      const { results } = await apply(serving.client, { owner, changes: [put(mroute)] });
      assert.equal(results[0]?.effect, 'EFFECT_ADDED');
      const { entries } = await list(serving.client, { filter: { owner } });
      assert.equal(entries.length, 1);
      assert.equal(entries[0]?.resource?.mroute?.oifs.length, mroute.oifs?.length);
      assert.equal(entries[0]?.resource?.mroute?.label, 'label' in mroute ? mroute.label : '');
      await replace(serving.client, [{ owner }]);
    });
  }

  it('a membership of 65,536 joins, which the kernel may refuse', async () => {
    const key = { interface: 'no-such', group: '239.0.0.0/16' };
    const { results } = await apply(serving.client, { changes: [{ put: { membership: { key } } }] });
    assert.equal(results[0]?.entry?.state, 'STATE_PENDING');
    await replace(serving.client, [{ owner: 'test' }]);
  });
});
