import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import { api } from '../../src/api/load.js';
import { Violations, parseChanges, parseResources } from '../../src/api/parse.js';
import { parseOwner } from '../../src/api/parse-header.js';
import { renderResource } from '../../src/api/render.js';
import { ApiError, toStatusObject } from '../../src/api/status.js';
import type { Change as ModelChange } from '../../src/model/change.js';
import type { Interface } from '../../src/api/generated/mcroute/v1/Interface.js';
import type { Mroute } from '../../src/api/generated/mcroute/v1/Mroute.js';
import { BOUNDARIES_PER_INTERFACE_MAX } from '../../src/model/limits.js';

const { Apply } = api().mcroute.v1.RoutingService.service;

/** Changes as the agent gets them, over the wire. */
function parse(changes: readonly Change[]): ModelChange[] {
  const violations = new Violations();
  const parsed = parseChanges(
    Apply.requestDeserialize(Apply.requestSerialize({ changes: [...changes] })).changes,
    violations,
  );
  violations.throwIfAny();
  return parsed;
}

/** The fields of what is refused. */
function fieldsOf(changes: readonly Change[]): string[] {
  return violationsOf(() => parse(changes)).violations.map(({ field }) => field);
}

function violationsOf(attempt: () => unknown): ApiError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'INVALID_FIELD') return error;
    throw error;
  }
  return assert.fail('nothing was refused');
}

function put(mroute: Mroute): Change {
  return { put: { mroute } };
}

/** The rule that a change puts, rendered again. */
function canonical(mroute: Mroute): Mroute | null | undefined {
  const [change] = parse([put(mroute)]);
  if (change?.action !== 'put') return assert.fail('not a put');
  return renderResource(change.resource).mroute;
}

describe('a rule is brought into one form', () => {
  it('host bits are cleared, addresses written as RFC 5952 has them, oifs and excepts ordered and once', () => {
    const found = canonical({
      key: { iif: 'eth0', source: '10.1.2.3/8', group: '239.1.2.3/16' },
      oifs: [{ interface: 'eth2', ttlThreshold: 9 }, { interface: 'eth1' }, { interface: 'eth2', ttlThreshold: 3 }],
      except: ['10.9.0.1', '10.1.1.1/16', '10.9.0.1'],
    });
    assert.deepEqual(found, {
      key: { iif: 'eth0', source: '10.0.0.0/8', group: '239.1.0.0/16' },
      oifs: [{ interface: 'eth1' }, { interface: 'eth2', ttlThreshold: 3 }],
      except: ['10.1.0.0/16', '10.9.0.1'],
      deny: false,
      label: '',
    });
    assert.equal(canonical({ key: { iif: 'a', group: 'FF1E:0::0:1' } })?.key?.group, 'ff1e::1');
    assert.equal(canonical({ key: { iif: 'a', source: '::/0', group: 'ff1e::1' } })?.key?.source, '');
  });

  it('which it keeps', () => {
    const rules = fc.record({
      key: fc.record({
        iif: fc.constantFrom('eth0', 'eth+', '+'),
        source: fc.constantFrom('', '10.0.0.1', '10.0.0.0/8'),
        group: fc.constantFrom('239.1.1.1', '239.0.0.0/8', '224.0.0.0/4'),
      }),
      oifs: fc.array(
        fc.record({ interface: fc.constantFrom('a', 'b', 'c+'), ttlThreshold: fc.integer({ min: 1, max: 254 }) }),
      ),
      except: fc.array(fc.constantFrom('10.0.0.1', '10.1.0.0/16', '192.0.2.0/24')),
      deny: fc.boolean(),
      label: fc.string({ maxLength: 50 }),
    });
    fc.assert(
      fc.property(rules, (rule) => {
        const once = canonical(rule) ?? assert.fail('no rule');
        assert.deepEqual(canonical(once), once);
      }),
    );
  });
});

/** The settings that a change puts, rendered again; of `eth0`. */
function canonicalSettings(settings: Omit<Interface, 'key'>): Interface | null | undefined {
  const [change] = parse([putSettings(settings)]);
  if (change?.action !== 'put') return assert.fail('not a put');
  return renderResource(change.resource).interface;
}

function putSettings(settings: Omit<Interface, 'key'>): Change {
  return { put: { interface: { key: { name: 'eth0' }, ...settings } } };
}

describe('settings of an interface', () => {
  const plain = { key: { name: 'eth0' }, ttlThreshold: 1, querier: false, mrdisc: false, boundaries: [] };

  it('that are left out are plain', () => {
    assert.deepEqual(canonicalSettings({}), plain);
  });

  it('are brought into one form: boundaries without host bits, in order and once', () => {
    const found = canonicalSettings({
      ttlThreshold: 9,
      enabled: false,
      querier: true,
      mrdisc: true,
      boundaries: ['ff15::1', '239.255.7.0/16', '239.1.1.1', '239.255.0.0/16'],
    });
    assert.deepEqual(found, {
      ...plain,
      ttlThreshold: 9,
      enabled: false,
      querier: true,
      mrdisc: true,
      boundaries: ['239.1.1.1', '239.255.0.0/16', 'ff15::1'],
    });
  });

  it('come through the wire as they went in, an enabled that is false or not said too', () => {
    const group = fc.constantFrom('239.1.1.1', '239.0.0.0/8', '224.0.0.0/4', 'ff15::/16', 'ff3e::1');
    const settings = fc.record({
      ttlThreshold: fc.integer({ min: 1, max: 254 }),
      enabled: fc.constantFrom(true, false, undefined),
      querier: fc.boolean(),
      mrdisc: fc.boolean(),
      boundaries: fc.uniqueArray(group),
    });
    fc.assert(
      fc.property(settings, ({ enabled, ...others }) => {
        const wanted = { ...others, ...(enabled === undefined ? {} : { enabled }) };
        const once = canonicalSettings(wanted) ?? assert.fail('no settings');
        assert.deepEqual(
          { ...once, boundaries: [...(once.boundaries ?? [])].sort() },
          { key: { name: 'eth0' }, ...wanted, boundaries: [...others.boundaries].sort() },
        );
        assert.deepEqual(canonicalSettings(once), once);
      }),
    );
  });

  it('are refused with a boundary that is no group', () => {
    assert.deepEqual(
      violationsOf(() =>
        parse([putSettings({ boundaries: ['239.1.1.1', '10.0.0.0/8', 'fe80::1', '239.1.1.1/3', 'x', ''] })]),
      ).violations.map(({ field, description }) =>
        `${field}: ${description}`.replace(/^changes\[0\]\.put\.interface\./, ''),
      ),
      [
        "boundaries[1]: '10.0.0.0/8' is not a multicast group: use an address or prefix of 224.0.0.0/4",
        "boundaries[2]: 'fe80::1' is not a multicast group: use an address or prefix of ff00::/8",
        "boundaries[3]: '239.1.1.1/3' is not a multicast group: use an address or prefix of 224.0.0.0/4",
        "boundaries[4]: 'x' is not an IPv4 or IPv6 address: use ADDRESS or ADDRESS/LENGTH, such as 239.1.1.1 or ff3e::/32",
        'boundaries[5]: is required: an IPv4 or IPv6 address or prefix',
      ],
    );
  });

  it('are refused with more boundaries than an interface may have, and taken with as many', () => {
    const groups = (count: number) => Array.from({ length: count }, (_, n) => `239.1.1.${n}`);
    const most = canonicalSettings({ boundaries: groups(BOUNDARIES_PER_INTERFACE_MAX) });
    assert.equal(most?.boundaries?.length, 64);
    const { violations } = violationsOf(() => parse([putSettings({ boundaries: groups(65) })]));
    assert.deepEqual(violations, [
      { field: 'changes[0].put.interface.boundaries', description: 'has 65 prefixes; at most 64 are allowed' },
    ]);
  });

  it('are refused with a threshold out of range', () => {
    assert.deepEqual(fieldsOf([putSettings({ ttlThreshold: 255 })]), ['changes[0].put.interface.ttl_threshold']);
  });
});

describe('what is wrong', () => {
  it('is told for every action by the path that the client sent it in', () => {
    const mroute = { key: { iif: 'a/b', group: '239.1.1.1' } };
    const key = { mroute: { iif: 'a', group: '10.0.0.1' } };
    assert.deepEqual(
      fieldsOf([
        put(mroute),
        { addOifs: mroute },
        { removeOifs: mroute },
        { delete: key },
        { deleteExisting: key },
        {},
      ]),
      [
        'changes[0].put.mroute.key.iif',
        'changes[1].add_oifs.key.iif',
        'changes[2].remove_oifs.key.iif',
        'changes[3].delete.mroute.group',
        'changes[4].delete_existing.mroute.group',
        'changes[5]',
      ],
    );
  });

  it('is counted on over the messages of a Replace', () => {
    const violations = new Violations();
    assert.deepEqual(parseResources([{}], 7, violations), []);
    assert.deepEqual(
      violationsOf(() => {
        violations.throwIfAny();
      }).violations.map(({ field }) => field),
      ['resources[7]'],
    );
  });

  it('never takes more of a trailer than every client takes, 8 KiB, whatever was sent', () => {
    const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constant('x'.repeat(100_000)));
    fc.assert(
      fc.property(fc.array(texts, { minLength: 1, maxLength: 200 }), texts, (groups, owner) => {
        const violations = new Violations();
        parseOwner(`${owner} `, violations);
        parseChanges(
          Apply.requestDeserialize(
            Apply.requestSerialize({ changes: groups.map((group) => put({ key: { iif: '', group } })) }),
          ).changes,
          violations,
        );
        const { metadata, details } = toStatusObject(
          violationsOf(() => {
            violations.throwIfAny();
          }),
        );
        const [trailer] = metadata.get('grpc-status-details-bin');
        assert.ok(Buffer.isBuffer(trailer));
        const bytes = trailer.toString('base64').length + encodeURI(details).length;
        assert.ok(bytes < 8_192, String(bytes));
      }),
      { numRuns: 50 },
    );
  });

  it('is repeated short, and without what moves a terminal’s cursor', () => {
    const { message } = violationsOf(() =>
      parse([put({ key: { iif: '\u001b[2J\n', group: `${'x'.repeat(60)}\u0000${'y'.repeat(60)}` } })]),
    );
    assert.match(message, /'\\u\{1b\}\[2J\\u\{a\}' cannot be the name/);
    const { violations } = violationsOf(() =>
      parse([put({ key: { iif: 'a', group: `${'x'.repeat(60)}\u0000${'y'.repeat(60)}` } })]),
    );
    assert.match(violations[0]?.description ?? '', /^'x{60}\\u\{0\}yyy\.\.\.' is not an address or prefix/);
  });

  it('never makes the parser fail otherwise', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('239.1.1.1', 'ff1e::1', '10.0.0.1/8', 'eth0', 'eth+', 'eth0:1'));
    const mroute = fc.record(
      {
        key: fc.record({ iif: text, source: text, group: text }, { requiredKeys: [] }),
        oifs: fc.array(fc.record({ interface: text, ttlThreshold: fc.nat(300) }, { requiredKeys: [] })),
        except: fc.array(text),
        deny: fc.boolean(),
        label: text,
      },
      { requiredKeys: [] },
    );
    const key = fc.record({ interface: text, group: text, source: text }, { requiredKeys: [] });
    const resource = fc.oneof(
      fc.record({ mroute }),
      fc.record({ membership: fc.record({ key, label: text }, { requiredKeys: [] }) }),
      fc.record({
        interface: fc.record({
          key: fc.record({ name: text }),
          ttlThreshold: fc.nat(300),
          enabled: fc.boolean(),
          boundaries: fc.array(text, { maxLength: 70 }),
        }),
      }),
      fc.constant({}),
    );
    const change = fc.oneof(
      resource.map((put) => ({ put })),
      mroute.map((addOifs) => ({ addOifs })),
      mroute.map((removeOifs) => ({ removeOifs })),
      key.map((membership) => ({ delete: { membership } })),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 5 }), (changes: readonly Change[]) => {
        try {
          assert.equal(parse(changes).length, changes.length);
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          assert.equal(error.reason, 'INVALID_FIELD');
          assert.ok(error.violations.length > 0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
