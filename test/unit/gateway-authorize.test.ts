// Who may do what: every method of every service, for every role; and what holds for all policies.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SERVICES } from '../../src/api/generated/codec.js';
import { authorize, grantsOf, mayChangePolicy } from '../../src/gateway/authorize.js';
import { namedPeer, unixPeer } from '../../src/gateway/peer.js';
import { type Policy, builtInPolicy, parsePolicy } from '../../src/gateway/policy.js';
import { RIGHTS, ROLES, type Role, isForAll } from '../../src/gateway/rights.js';
import { projectFile } from '../support/launcher.js';

const ROUTING = 'mcroute.v1.RoutingService';
const TABLE = 'mcroute.v1.TableService';
const GATEWAY = 'mcroute.v1.GatewayService';

const ALICE = namedPeer('spiffe://lab/alice', '192.0.2.7:4711');

const nobody = { uidOf: () => undefined, gidOf: () => undefined };

function policyOf(...rules: readonly string[]): Policy {
  return parsePolicy(`rules: [${rules.map((rule) => `{ ${rule} }`).join(', ')}]`, 'p', nobody).policy;
}

/** A rule for alice. */
function alice(role: Role, restriction = ''): string {
  return `identity: spiffe://lab/alice, role: ${role}${restriction === '' ? '' : `, ${restriction}`}`;
}

function mayCall(policy: Policy, service: string, method: string, table: number, peer = ALICE): boolean {
  return authorize(policy, { peer, service, method, table }).isAllowed;
}

function whyNot(policy: Policy, method: string, table = 5, service = ROUTING): string {
  const decision = authorize(policy, { peer: ALICE, service, method, table });
  return decision.isAllowed ? assert.fail('it is allowed') : decision.why;
}

const METHODS = Object.entries(SERVICES).flatMap(([service, methods]) =>
  Object.keys(methods).map((method) => ({ service, method })),
);

// What each role may call, as people are told; a method that is in no line fails the test.
const ALLOWED: Record<Role, Readonly<Record<string, readonly string[]>>> = {
  viewer: {
    [ROUTING]: ['GetCapabilities', 'ListHistory', 'List', 'Watch', 'ListMfc', 'ListInterfaces', 'ListMrules'],
    [TABLE]: ['ListTables', 'WatchTables'],
    [GATEWAY]: ['GetGateway', 'WhoAmI'],
  },
  operator: { [ROUTING]: ['Apply', 'Replace', 'Modify', 'Confirm', 'Rollback', 'Flush'] },
  admin: {
    [ROUTING]: ['Reload', 'Stop'],
    [TABLE]: ['CreateTable', 'DeleteTable', 'StartTable', 'StopTable', 'RestartTable'],
    [GATEWAY]: ['WatchAudit', 'GetPolicy', 'SetPolicy'],
  },
};

// What rules for some groups, interfaces or owners do not grant.
const UNSCOPED = new Set(
  ['Flush', 'Reload', 'Stop', 'CreateTable', 'DeleteTable', 'StartTable', 'StopTable', 'RestartTable'].concat([
    'GetGateway',
    'WatchAudit',
    'GetPolicy',
    'SetPolicy',
  ]),
);

// What is of the whole host, whatever table the request names.
const OF_HOST = new Set(['GetGateway', 'GetPolicy', 'SetPolicy']);

function leastRole(service: string, method: string): Role {
  const role = ROLES.find((one) => ALLOWED[one][service]?.includes(method));
  return role ?? assert.fail(`${service}/${method} has no role: give it one in rights.ts and here`);
}

describe('every method', () => {
  it('has a role, and only those that are there have', () => {
    const known = Object.entries(RIGHTS).flatMap(([service, methods]) =>
      Object.keys(methods).map((method) => ({ service, method })),
    );
    const named = (list: readonly { service: string; method: string }[]) =>
      list.map(({ service, method }) => `${service}/${method}`).sort();
    assert.deepEqual(named(known), named(METHODS.filter(({ service, method }) => !isForAll(service, method))));
  });

  it('is of viewers if it has no side effects, but for what only admins may see', () => {
    for (const { service, method } of METHODS) {
      const file = service
        .slice('mcroute.v1.'.length)
        .replace(/([a-z])([A-Z])/g, '$1_$2')
        .toLowerCase();
      const proto = readFileSync(projectFile(`proto/mcroute/v1/${file}.proto`), 'utf8');
      const [, body = ''] = new RegExp(`rpc ${method}\\(.*\\) returns \\(.*\\)( \\{[^}]*\\}|;)`).exec(proto) ?? [];
      assert.notEqual(body, '', `${service}/${method}`);
      const isSecret = method === 'GetPolicy' || method === 'WatchAudit';
      assert.equal(
        leastRole(service, method) === 'viewer',
        body.includes('NO_SIDE_EFFECTS') && !isSecret,
        `${service}/${method}`,
      );
    }
  });

  for (const role of ROLES) {
    for (const { service, method } of METHODS) {
      it(`${role}: ${service}/${method}`, () => {
        const isOfRole = ROLES.indexOf(role) >= ROLES.indexOf(leastRole(service, method));
        const isOfHost = OF_HOST.has(method);
        const forAll = method === 'WhoAmI';
        const all = policyOf(alice(role));
        const some = policyOf(alice(role, 'tables: [5, 100-199]'));
        for (const table of [0, 5, 6, 150, 4_294_967_295]) {
          assert.equal(mayCall(all, service, method, table), isOfRole, `all tables, ${table}`);
          const isIn = !isOfHost && (table === 5 || table === 150);
          assert.equal(mayCall(some, service, method, table), forAll || (isOfRole && isIn), `some tables, ${table}`);
        }
        for (const restriction of ['groups: [239.0.0.0/8]', 'interfaces: [eth+]', 'owners: [studio-*]']) {
          const scoped = policyOf(alice(role, restriction));
          assert.equal(mayCall(scoped, service, method, 5), isOfRole && !UNSCOPED.has(method), restriction);
        }
        const others = policyOf(alice(role, `methods: [${method === 'List' ? 'Apply' : 'List'}]`));
        assert.equal(mayCall(others, service, method, 5), forAll, 'a rule for another method');
        if (!forAll) {
          const only = policyOf(alice(role, `methods: [${method}]`));
          assert.equal(mayCall(only, service, method, 5), isOfRole, 'a rule for this method');
        }
        assert.equal(mayCall({ rules: [] }, service, method, 5), forAll, 'no rules');
        assert.equal(mayCall(policyOf(`identity: spiffe://lab/bob, role: ${role}`), service, method, 5), forAll, 'bob');
      });
    }
  }

  it('is denied if it is not there', () => {
    for (const [service, method] of [
      [ROUTING, 'Nothing'],
      ['mcroute.v1.Other', 'List'],
      ['constructor', 'name'],
      [ROUTING, 'toString'],
    ] as const) {
      assert.equal(mayCall(policyOf(alice('admin')), service, method, 5), false);
    }
  });
});

describe('health and reflection', () => {
  it('are for everybody whom a rule names', () => {
    for (const service of ['grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection']) {
      assert.equal(mayCall(policyOf(alice('viewer', 'tables: [5]')), service, 'Check', 0), true);
      assert.equal(mayCall(policyOf('identity: spiffe://lab/bob, role: admin'), service, 'Check', 0), false);
    }
  });
});

describe('the scope of a call', () => {
  const scopeOf = (policy: Policy, method: string, table = 5) => {
    const decision = authorize(policy, { peer: ALICE, service: ROUTING, method, table });
    return decision.isAllowed ? decision.scope : assert.fail(decision.why);
  };

  it('is what the rules that grant it allow together', () => {
    const policy = policyOf(
      alice('operator', 'groups: [239.1.0.0/16], owners: [a]'),
      alice('operator', 'interfaces: [eth0]'),
      alice('operator', 'groups: [239.9.0.0/16], tables: [6]'),
      alice('viewer', 'groups: [239.2.0.0/16]'),
    );
    const first = { groups: ['239.1.0.0/16'], interfaces: [], owners: ['a'] };
    const second = { groups: [], interfaces: ['eth0'], owners: [] };
    assert.deepEqual(scopeOf(policy, 'Apply'), { grants: [first, second] });
    const third = { groups: ['239.2.0.0/16'], interfaces: [], owners: [] };
    assert.deepEqual(scopeOf(policy, 'List'), { grants: [first, second, third] });
  });

  it('is everything as soon as one of them is without restriction', () => {
    const policy = policyOf(alice('operator', 'groups: [239.1.0.0/16]'), alice('viewer'));
    assert.equal(scopeOf(policy, 'List'), undefined);
    assert.notEqual(scopeOf(policy, 'Apply'), undefined);
  });
});

describe('who is refused', () => {
  it('is told what is missing, and nothing of the rules of others', () => {
    const others = 'identity: spiffe://lab/secret, role: admin, tables: [5]';
    const cases: [string[], string, number, RegExp][] = [
      [[], 'List', 5, /^no rule of the policy is for spiffe:\/\/lab\/alice$/],
      [
        [alice('admin', 'tables: [6]')],
        'List',
        5,
        /^no rule of the policy gives spiffe:\/\/lab\/alice a right on table 5$/,
      ],
      [[alice('admin', 'tables: [6]')], 'List', 0, /a right on all tables$/],
      [
        [alice('viewer'), alice('operator', 'tables: [5]')],
        'Stop',
        5,
        /^spiffe:\/\/lab\/alice is operator of table 5, and Stop needs the role admin$/,
      ],
      [[alice('viewer')], 'Apply', 5, /is viewer of table 5, and Apply needs the role operator$/],
      [[alice('operator', 'methods: [List]')], 'Apply', 5, /name their methods, and Apply is not among them$/],
      [[alice('operator', 'groups: [239.0.0.0/8]')], 'Flush', 5, /Flush needs one without such a restriction$/],
    ];
    for (const [rules, method, table, expected] of cases) {
      const why = whyNot(policyOf(others, ...rules), method, table);
      assert.match(why, expected);
      assert.doesNotMatch(why, /secret/);
    }
    assert.match(whyNot(policyOf(alice('admin', 'tables: [5]')), 'SetPolicy', 5, GATEWAY), /a right on all tables/);
  });
});

describe('a process of this host', () => {
  it('has the rights of its user and of its groups', () => {
    const policy = policyOf('identity: "gid:7", role: viewer', 'identity: "uid:1000", role: operator');
    assert.equal(mayCall(policy, ROUTING, 'List', 5, unixPeer(1_001, [6, 7])), true);
    assert.equal(mayCall(policy, ROUTING, 'Apply', 5, unixPeer(1_001, [6, 7])), false);
    assert.equal(mayCall(policy, ROUTING, 'Apply', 5, unixPeer(1_000, [])), true);
    assert.equal(mayCall(policy, ROUTING, 'List', 5, unixPeer(7, [1_000])), false);
  });

  it('may do everything without a policy file if it is root, or in the group of the socket', () => {
    const policy = builtInPolicy(7);
    assert.equal(mayChangePolicy(policy, unixPeer(0, [])), true);
    assert.equal(mayChangePolicy(policy, unixPeer(1_000, [7])), true);
    assert.equal(mayCall(policy, ROUTING, 'List', 5, unixPeer(1_000, [8])), false);
    assert.equal(mayCall(builtInPolicy(undefined), ROUTING, 'List', 5, unixPeer(1_000, [7])), false);
    assert.equal(mayCall(policy, ROUTING, 'List', 5), false);
  });
});

describe('the policy itself', () => {
  it('is changed by admins without any restriction', () => {
    assert.equal(mayChangePolicy(policyOf(alice('admin')), ALICE), true);
    assert.equal(mayChangePolicy(policyOf(alice('admin', 'methods: [SetPolicy]')), ALICE), true);
    for (const rule of [
      alice('operator'),
      alice('admin', 'tables: [5]'),
      alice('admin', 'owners: [a]'),
      alice('admin', 'methods: [GetPolicy]'),
    ]) {
      assert.equal(mayChangePolicy(policyOf(rule), ALICE), false, rule);
    }
  });

  it('is told to those whom it is for, as far as it is', () => {
    const policy = policyOf(
      alice('operator', 'tables: [7, 100-199], methods: [apply, TableService.ListTables], groups: [239.1.2.3/16]'),
      'identity: "**", role: viewer, interfaces: [eth0, vlan+], owners: [studio-*]',
      'identity: spiffe://lab/bob, role: admin',
    );
    const all = { tables: [], methods: [], groups: [], interfaces: [], owners: [] };
    assert.deepEqual(grantsOf(policy, ALICE.subjects), [
      {
        ...all,
        role: 'operator',
        tables: ['7', '100-199'],
        methods: ['Apply', 'TableService.ListTables'],
        groups: ['239.1.0.0/16'],
      },
      { ...all, role: 'viewer', interfaces: ['eth0', 'vlan+'], owners: ['studio-*'] },
    ]);
    assert.deepEqual(grantsOf({ rules: [] }, ALICE.subjects), []);
  });
});

describe('of all policies it holds', () => {
  const restriction = fc
    .record(
      {
        tables: fc.constantFrom('[5]', '[1-9]', '[6, 100-199]'),
        methods: fc.constantFrom('[List, Apply]', '[Flush]', '[SetPolicy, ListTables]'),
        groups: fc.constantFrom('[239.0.0.0/8]', '[ff35::/32]'),
        interfaces: fc.constantFrom('[eth0]', '[vlan+]'),
        owners: fc.constantFrom('[a, b-*]'),
      },
      { requiredKeys: [] },
    )
    .map((lists) =>
      Object.entries(lists)
        .map(([key, list]) => `, ${key}: ${list}`)
        .join(''),
    );
  const identity = fc.constantFrom('spiffe://lab/alice', '"spiffe://lab/*"', '"**"', 'spiffe://lab/bob', 'uid:5');
  const rule = fc
    .tuple(identity, fc.constantFrom(...ROLES), restriction)
    .map(([who, role, others]) => `identity: ${who}, role: ${role}${others}`);
  const request = fc.record({
    peer: fc.constantFrom(ALICE, unixPeer(5, [6]), namedPeer('dns:x', 'y')),
    called: fc.constantFrom(...METHODS),
    table: fc.constantFrom(0, 5, 6, 150),
  });
  const asked = fc.tuple(fc.array(rule, { maxLength: 5 }), rule, request);
  const decide = (
    rules: readonly string[],
    { peer, called, table }: typeof request extends fc.Arbitrary<infer R> ? R : never,
  ) => authorize(policyOf(...rules), { peer, table, ...called });

  it('a rule more takes nothing away', () => {
    fc.assert(
      fc.property(asked, ([rules, more, what]) => {
        const [before, after] = [decide(rules, what), decide([...rules, more], what)];
        if (!before.isAllowed) return true;
        if (!after.isAllowed) return false;
        if (before.scope === undefined || after.scope === undefined) return after.scope === undefined;
        const grants = new Set(after.scope.grants?.map((grant) => JSON.stringify(grant)));
        return before.scope.grants?.every((grant) => grants.has(JSON.stringify(grant))) ?? false;
      }),
    );
  });

  it('their order does not matter', () => {
    const sorted = (decision: ReturnType<typeof decide>) =>
      decision.isAllowed ? decision.scope?.grants?.map((grant) => JSON.stringify(grant)).sort() : decision.why;
    fc.assert(
      fc.property(asked, ([rules, , what]) => {
        assert.deepEqual(sorted(decide(rules, what)), sorted(decide(rules.toReversed(), what)));
      }),
    );
  });

  it('what each rule alone denies is denied', () => {
    fc.assert(
      fc.property(asked, ([rules, , what]) => {
        const isAllowed = rules.some((one) => decide([one], what).isAllowed) || what.called.method === 'WhoAmI';
        return decide(rules, what).isAllowed === isAllowed;
      }),
    );
  });
});
