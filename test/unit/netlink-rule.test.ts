import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { encodeAttributes, u32Attribute } from '../../src/agent/netlink/attribute.js';
import { type MruleNews, addMruleRequest, deleteMruleRequest } from '../../src/agent/netlink/rule.js';
import { mruleDumpRequest, parseMrule, plainMrule } from '../../src/agent/netlink/rule.js';
import { FAMILIES, type Family } from '../../src/model/address.js';
import type { Mrule } from '../../src/model/mrule.js';
import { message, parseRecorded, skipRecorded } from '../support/netlink.js';

const anyMrule: fc.Arbitrary<Mrule> = fc.record(
  {
    family: fc.constantFrom<Family>(...FAMILIES),
    direction: fc.constantFrom('iif' as const, 'oif' as const),
    interface: fc.stringMatching(/^[a-z0-9.+-]{1,15}$/),
    table: fc.integer({ min: 1, max: 99_999_999 }),
    priority: fc.integer({ min: 1, max: 0xffffffff }),
    protocol: fc.nat(0xff),
  },
  { noNullPrototype: true },
);

function describe({ event, rule }: MruleNews): string {
  const said = [
    ...(rule.isInverted ? ['not'] : []),
    ...(rule.iif === undefined ? [] : [`iif ${rule.iif}`]),
    ...(rule.oif === undefined ? [] : [`oif ${rule.oif}`]),
    ...(rule.isDetached ? ['[detached]'] : []),
    ...rule.otherSelectors,
    ...(rule.isL3mdev ? ['l3mdev'] : []),
  ];
  return [event, `${rule.priority}:`, ...said, rule.action, rule.table, `proto ${rule.protocol}`].join(' ');
}

void it('a rule is read as it was written', () => {
  fc.assert(
    fc.property(anyMrule, (rule) => {
      for (const [request, event] of [
        [addMruleRequest(rule), 'mrule'],
        [deleteMruleRequest(rule), 'mrule-gone'],
      ] as const) {
        const news = parseMrule(message(request.type, request.payload));
        assert.equal(news?.event, event);
        assert.deepEqual(plainMrule(news.rule), rule);
      }
    }),
  );
});

void it('adding refuses a rule that is there already', () => {
  const rule: Mrule = { family: 'ipv4', direction: 'iif', interface: 'e', table: 1, priority: 1, protocol: 1 };
  // NLM_F_CREATE, NLM_F_EXCL
  assert.equal(addMruleRequest(rule).flags, 0x600);
  assert.equal(deleteMruleRequest(rule).flags, 0);
});

for (const family of FAMILIES) {
  void it(`a dump tells plain rules from odd ones, ${family}`, { skip: skipRecorded }, () => {
    const news = parseRecorded(`mrule-dump-${family}`, parseMrule);
    assert.ok(news.every(({ rule }) => rule.family === family));
    const table = family === 'ipv4' ? 253 : 254;
    assert.deepEqual(news.map(describe), [
      'mrule 1000: l3mdev to-table 0 proto 0',
      'mrule 4000: iif eth0 to-table 123 proto 77',
      'mrule 4000: oif eth0 to-table 123 proto 77',
      'mrule 4001: iif gone0 [detached] to-table 123 proto 0',
      'mrule 4002: iif eth1 oif eth2 to-table 123 proto 0',
      'mrule 4003: iif eth1 fwmark fwmask to-table 123 proto 0',
      'mrule 4004: to-table 123 proto 0',
      'mrule 4006: not iif eth1 to-table 123 proto 0',
      `mrule 32767: to-table ${table} proto 2`,
    ]);
    const own = { family, table: 123, priority: 4000, protocol: 77 };
    assert.deepEqual(
      news.map(({ rule }) => plainMrule(rule)).filter((rule) => rule !== undefined),
      [
        { ...own, direction: 'iif', interface: 'eth0' },
        { ...own, direction: 'oif', interface: 'eth0' },
        { ...own, direction: 'iif', interface: 'gone0', priority: 4001, protocol: 0 },
        { ...own, direction: 'iif', interface: '', priority: 4004, protocol: 0 },
        { ...own, direction: 'iif', interface: '', table, priority: 32767, protocol: 2 },
      ],
    );
  });
}

void it('changes are told for both families, those of unicast rules left out', { skip: skipRecorded }, () => {
  const news = parseRecorded('mrule-changes', parseMrule);
  for (const family of FAMILIES) {
    const told = news.filter(({ rule }) => rule.family === family).map(describe);
    assert.equal(told.length, 10);
    assert.equal(told[0], 'mrule 4000: iif eth0 to-table 123 proto 77');
    assert.equal(told.at(-1), 'mrule-gone 4005: iif eth1 prohibit 0 proto 0');
  }
  assert.equal(news.length, 20);
});

void it('a rule that looks at more than an interface is not plain', () => {
  const rule: Mrule = { family: 'ipv4', direction: 'iif', interface: 'eth0', table: 1, priority: 1, protocol: 1 };
  const { payload } = addMruleRequest(rule);
  const plainWith = (type: number) => {
    const more = Buffer.concat([payload, encodeAttributes([u32Attribute(type, 1)])]);
    const news = parseMrule(message(32, Uint8Array.from(more)));
    return news === undefined ? undefined : plainMrule(news.rule);
  };
  // FRA_DST, FRA_SRC, FRA_FWMARK, FRA_TUN_ID, FRA_FWMASK, FRA_L3MDEV, FRA_UID_RANGE, FRA_IP_PROTO, the ports
  for (const type of [1, 2, 10, 12, 16, 19, 20, 22, 23, 24]) assert.equal(plainWith(type), undefined, `FRA ${type}`);
  // FRA_SUPPRESS_PREFIXLEN is in every dump; the last is of a kernel to come.
  for (const type of [14, 60]) assert.deepEqual(plainWith(type), rule, `FRA ${type}`);
  for (const offset of [1, 2, 3]) {
    const narrowed = Uint8Array.from(payload);
    narrowed[offset] = 8;
    const news = parseMrule(message(32, narrowed));
    assert.ok(news !== undefined);
    assert.equal(plainMrule(news.rule), undefined, `byte ${offset} of the header`);
  }
});

void it('a rule of an action without a table is not plain', () => {
  const rule: Mrule = { family: 'ipv4', direction: 'iif', interface: 'eth0', table: 1, priority: 1, protocol: 1 };
  const { payload } = addMruleRequest(rule);
  // fib_rule_hdr.action: FR_ACT_BLACKHOLE, then one that does not exist.
  for (const [action, name] of [
    [6, 'blackhole'],
    [99, 'unknown'],
  ] as const) {
    const changed = Uint8Array.from(payload);
    changed[7] = action;
    const news = parseMrule(message(32, changed));
    assert.equal(news?.rule.action, name);
    assert.equal(plainMrule(news.rule), undefined);
  }
});

void it('a request names its family', () => {
  assert.deepEqual([...mruleDumpRequest('ipv4').payload], [128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...mruleDumpRequest('ipv6').payload], [129, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
});
