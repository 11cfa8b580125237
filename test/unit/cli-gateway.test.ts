// mcctl whoami, show gateway, audit and policy.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { timestampOfMs } from '../../src/api/duration.js';
import type { GetGatewayResponse } from '../../src/api/generated/mcroute/v1/GetGatewayResponse.js';
import { gatewayDefinition } from '../../src/api/load.js';
import { ApiError } from '../../src/api/status.js';
import { answerOf } from '../support/messages.js';
import { gatewayText } from '../../src/cli/output/gateway.js';
import { FakeGateway } from '../support/fake-gateway.js';
import { runMcctl } from '../support/mcctl.js';

const NOW = Date.UTC(2026, 0, 2);
const DAY = 86_400_000;

const STATUS: GetGatewayResponse = {
  serverVersion: '0.9.0',
  startTime: timestampOfMs(NOW - 2 * DAY),
  listeners: [{ address: '192.0.2.1:7790', tls: true, connections: 3 }],
  certificates: [
    {
      use: 'USE_SERVER',
      file: '/etc/gw.crt',
      subject: 'CN=gw',
      names: ['DNS:gw.example'],
      notAfter: timestampOfMs(NOW + 13 * DAY),
      daysLeft: 13,
      fingerprint: 'ab',
    },
    { use: 'USE_CLIENT_CA', file: '/etc/ca.crt', subject: 'CN=ca', notAfter: timestampOfMs(NOW - DAY), daysLeft: -1 },
    {
      use: 'USE_CLIENT_CA',
      file: '/etc/far.crt',
      subject: 'CN=far',
      notAfter: timestampOfMs(NOW + 99 * DAY),
      daysLeft: 99,
    },
  ],
  certificateError: 'the key does not fit',
  policyFile: '/etc/policy.yaml',
  policyRules: 4,
  audit: { file: '/var/log/audit.log', written: '10', lost: '2', error: 'ENOSPC' },
  connections: 3,
  connectionsWithoutIdentity: 1,
  calls: 5,
  callsTotal: '900',
  refusedConnections: '7',
  refusedCalls: '8',
  identities: [{ identity: 'spiffe://a/b', connections: 3, calls: 5 }],
};

const host = (gateway: FakeGateway, words: string) => runMcctl([...words.split(' '), '--host', `unix:${gateway.path}`]);

describe('mcctl show gateway', { concurrency: 2 }, () => {
  it('tells all of it, with certificates that end soon in colour', () => {
    const text = gatewayText(answerOf(gatewayDefinition().GetGateway, STATUS), NOW, true);
    const lines = text.split('\n');
    const line = (start: string) => lines.find((one) => one.includes(start)) ?? assert.fail(text);
    assert.match(line('CN=gw'), /\u001b\[33mCN=gw, DNS:gw\.example: 13 days left, until 2026-01-15T00:00:00\.000Z/);
    assert.match(line('CN=ca'), /\u001b\[31mclients are signed by CN=ca: expired 1 days ago/);
    assert.ok(!line('CN=far').includes('\u001b'));
    assert.match(line('certificate error'), /\u001b\[31mthe key does not fit/);
    assert.match(line('audit'), /10 lines, 2 lost \(ENOSPC\)/);
    assert.match(line('gateway  '), /0\.9\.0, since 2025-12-31T00:00:00\.000Z, 2d0h$/);
    assert.match(line('connected'), /spiffe:\/\/a\/b \(3 connections, 5 calls\)/);
    const plain = gatewayText(answerOf(gatewayDefinition().GetGateway, STATUS), NOW, false);
    assert.ok(!plain.includes('\u001b'));
  });

  it('asks the gateway that is named, or that of this host', async () => {
    using gateway = await FakeGateway.listen();
    gateway.status = STATUS;
    const named = await host(gateway, 'show gateway -o json');
    const document = JSON.parse(named.stdout) as { certificates: { days_left: number }[]; calls_total: number };
    assert.deepEqual([document.certificates.map((one) => one.days_left), document.calls_total], [[13, -1, 99], 900]);
    const environment = { MCROUTE_RUNTIME_DIRECTORY: gateway.directory };
    const here = await runMcctl(['show', 'ga'], { environment });
    assert.match(here.stdout, /^gateway +0\.9\.0, since/);
    const nobody = await runMcctl(['show', 'gateway'], { environment: { MCROUTE_RUNTIME_DIRECTORY: '/nonexistent' } });
    assert.equal(nobody.status, 69);
    assert.match(
      nobody.stderr,
      /^mcctl: no gateway answers at \/nonexistent\/gateway\.sock: there is no such socket\n {2}see/,
    );
    assert.equal((await host(gateway, 'show gateway --group 239.0.0.0/8')).status, 64);
  });
});

describe('mcctl whoami', { concurrency: 2 }, () => {
  it('tells who calls and what that may do', async () => {
    using gateway = await FakeGateway.listen();
    gateway.caller = {
      identity: 'spiffe://studio/mixer',
      address: '192.0.2.9:5',
      grants: [{ role: 'operator', tables: ['5', '100-199'], groups: ['239.1.0.0/16'] }, { role: 'viewer' }],
    };
    assert.deepEqual(await host(gateway, 'whoami'), {
      status: 0,
      stderr: '',
      stdout:
        'identity  spiffe://studio/mixer\naddress   192.0.2.9:5\n' +
        'may do    operator: tables 5, 100-199; groups 239.1.0.0/16\nmay do    viewer\n',
    });
    gateway.caller = { identity: 'uid:7', address: 'unix' };
    assert.match((await host(gateway, 'whoami')).stdout, /may do +nothing/);
  });

  it('shows the sentence of a gateway that does not know the caller, or does not let it', async () => {
    using gateway = await FakeGateway.listen();
    gateway.failure = new ApiError('UNAUTHENTICATED', 'the certificate has two URIs');
    const unknown = await host(gateway, 'whoami');
    assert.deepEqual(
      [unknown.status, unknown.stderr],
      [
        77,
        'mcctl: the certificate has two URIs\n  show another certificate (--cert, --key), or ask who runs the host for one\n',
      ],
    );
    gateway.failure = new ApiError('PERMISSION_DENIED', 'uid:7 may not call GetPolicy');
    const refused = await host(gateway, 'policy show');
    assert.equal(refused.status, 77);
    assert.match(refused.stderr, /^mcctl: uid:7 may not call GetPolicy\n {2}'mcctl whoami' tells what/);
  });
});

describe('mcctl audit', { concurrency: 2 }, () => {
  const RECORD = {
    time: 'T',
    identity: 'uid:0',
    address: 'unix',
    method: 'RoutingService.Apply',
    table: 5,
    outcome: 'OK',
  };

  it('shows lines as they come, and how many were missed', async () => {
    using gateway = await FakeGateway.listen();
    gateway.audit = [
      { line: JSON.stringify({ ...RECORD, added: 1, changed: 0, removed: 2, first: ['+mroute x', '-join y'] }) },
      {
        missed: 3,
        line: JSON.stringify({ ...RECORD, outcome: 'PERMISSION_DENIED', reason: 'R', message: 'no \u001b[1m' }),
      },
      { line: 'not JSON' },
    ];
    const ended = await host(gateway, 'audit -o wide -t 5');
    assert.equal(ended.status, 69);
    assert.match(ended.stderr, /the gateway has ended the audit/);
    assert.deepEqual(ended.stdout.split('\n'), [
      'T uid:0 unix RoutingService.Apply table 5 OK +1 ~0 -2: +mroute x; -join y',
      '(3 lines were missed)',
      'T uid:0 unix RoutingService.Apply table 5 PERMISSION_DENIED R: no \\x1b[1m',
      'not JSON',
      '',
    ]);
    const json = (await host(gateway, 'audit -o json')).stdout.split('\n').slice(0, -1);
    assert.equal((JSON.parse(json[0] ?? '') as { added: number }).added, 1);
    assert.deepEqual(JSON.parse(json[1] ?? ''), { missed: 3 });
    assert.deepEqual(gateway.auditTables, [5, 0]);
  });
});

describe('mcctl policy', { concurrency: 2 }, () => {
  it('prints, checks and sets the policy', async () => {
    using gateway = await FakeGateway.listen();
    const empty = await host(gateway, 'policy show');
    assert.deepEqual([empty.status, empty.stdout], [0, '']);
    assert.match(empty.stderr, /there is no policy file/);
    gateway.policy = 'rules: []';
    assert.equal((await host(gateway, 'policy show')).stdout, 'rules: []\n');
    const file = join(gateway.directory, 'policy.yaml');
    writeFileSync(file, 'rules: [1]\n');
    gateway.policyAnswer = { rules: 1, warnings: ['rule 1 matches nobody'] };
    const checked = await host(gateway, `policy check ${file}`);
    assert.deepEqual(
      [checked.stdout, checked.stderr],
      [`${file} can be used: 1 rule\n`, 'warning: rule 1 matches nobody\n'],
    );
    assert.equal((await host(gateway, `policy set ${file} --allow-lockout`)).stdout, `${file} is in force: 1 rule\n`);
    assert.deepEqual(
      gateway.policies.map(({ policy, validateOnly, allowLockout }) => [policy, validateOnly, allowLockout]),
      [
        ['rules: [1]\n', true, false],
        ['rules: [1]\n', false, true],
      ],
    );
    gateway.failure = new ApiError('LOCKOUT', 'you would be locked out');
    const locked = await host(gateway, `policy set ${file}`);
    assert.match(locked.stderr, /^mcctl: you would be locked out\n {2}.*--allow-lockout/);
    assert.equal(locked.status, 1);
    assert.equal((await host(gateway, 'policy set /nonexistent')).status, 66);
  });
});
