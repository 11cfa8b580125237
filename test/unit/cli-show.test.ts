// mcctl show as a program, against an agent without a kernel.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { openHost, startMcctl } from '../support/mcctl.js';
import { waitForEvent } from '../support/wait.js';

describe('mcctl show', { concurrency: 2 }, () => {
  it('lists routes, groups and what is pending, by any abbreviation', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.table.absent.add('wg0');
    await mcctl('add eth0 239.1.1.1 eth1 wg0');
    await mcctl('join wg0 239.2.2.2');
    assert.equal(
      (await mcctl('show')).stdout,
      'ROUTE           IIF   OIFS      STATE    OWNERS\n(*, 239.1.1.1)  eth0  eth1 wg0  partial  cli\n',
    );
    assert.equal(
      (await mcctl('sh g')).stdout,
      'GROUP           INTERFACE  STATE    OWNERS\n(*, 239.2.2.2)  wg0        pending  cli\n',
    );
    const pending = (await mcctl('show pend')).stdout.split('\n');
    assert.equal(pending.length, 4);
    assert.match(
      pending[1] ?? '',
      /^join \(\*, 239\.2\.2\.2\) wg0 +wg0 +pending +cli +there is no interface 'wg0' now/,
    );
  });

  it('lists interfaces, rules and the forwarding cache', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.interfaces = [
      {
        name: 'eth0',
        ifindex: 2,
        up: true,
        carrier: true,
        multicast: true,
        ipv4Vif: 0,
        mtu: 1500,
        kind: 'veth',
        queriers: [
          { family: 'FAMILY_IPV4', role: 'ROLE_QUERIER', source: '10.0.0.1', querier: '10.0.0.1', version: 3 },
          { family: 'FAMILY_IPV6', waitingFor: 'WAITING_FOR_ADDRESS', version: 2 },
        ],
        mrdisc: [{ family: 'FAMILY_IPV6', source: 'fe80::1', interval: 20 }],
      },
      { name: 'lo', ifindex: 1, up: true, carrier: true, mtu: 65536 },
    ];
    agent.mrules = [
      { family: 'FAMILY_IPV6', iif: 'eth0', table: 5, priority: 4000, protocol: 77, state: 'STATE_MISSING' },
    ];
    const counters = { packets: '9007199254740993', bytes: 5, wrongIf: 0 };
    agent.mfc = [
      { source: '10.0.0.5', group: '239.1.1.1', iif: 'eth0', oifs: [{ interface: 'eth1' }], learned: true, counters },
      { source: '', group: 'ff3e::1', iif: 'eth2', oifs: [] },
    ];
    await mcctl('interface eth0 --ttl-threshold 7 --querier');
    await mcctl('interface wg0 --disable --boundary 239.255.0.1/16 --owner other');
    const interfaces = (await mcctl('show interfaces')).stdout;
    assert.match(interfaces, /^eth0 +2 +0 +- +up +1500 +- +veth$/m);
    assert.match(interfaces, /^lo +1 +- +- +up,no-multicast/m);
    assert.ok(
      interfaces.includes(`
  settings: ttl-threshold 7 querier (cli)
  querier: 10.0.0.1 (us), IGMPv3
  querier: MLDv2 waits for a link-local address
  mrdisc: fe80::1, every 20 s
`),
      interfaces,
    );
    assert.match(
      interfaces,
      /^wg0 .* absent .*\n {2}settings: ttl-threshold 1 disabled boundary 239\.255\.0\.0\/16 \(other\)$/m,
    );
    assert.match((await mcctl('show i -o wide')).stdout, /KIND +WARNINGS\n/);
    assert.doesNotMatch((await mcctl('show interfaces --interface eth+')).stdout, /^lo/m);
    assert.match((await mcctl('show rules')).stdout, /^ipv6 +4000 +iif eth0 +5 +mcroute +this agent's +missing$/m);
    assert.match(
      (await mcctl('show mfc')).stdout,
      /^\(10\.0\.0\.5, 239\.1\.1\.1\) +eth0 +eth1 +learned +9007199254740993/m,
    );
    const mfc = JSON.parse((await mcctl('show mfc -o json')).stdout) as { mfc: { counters: unknown }[] };
    assert.deepEqual(mfc.mfc[0]?.counters, { packets: '9007199254740993', bytes: 5, wrong_if: 0 });
    assert.doesNotMatch((await mcctl('show mfc --group 239.0.0.0/8')).stdout, /ff3e/);
    assert.doesNotMatch((await mcctl('show mfc --interface eth2')).stdout, /239/);
  });

  it('asks for counters only where it shows them', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.packets = '12345';
    await mcctl('add eth0 239.1.1.1 eth1 --label news');
    assert.match((await mcctl('show -o wide')).stdout, /any-source \(no-source-is-special\) +12345 +64 +1 +news/);
    assert.doesNotMatch((await mcctl('show')).stdout, /12345/);
    assert.equal((parse((await mcctl('show -o yaml')).stdout) as { revision: number }).revision, 2);
  });

  it('filters by owner, group and interface', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    await mcctl('add eth0 239.1.1.1 eth1');
    await mcctl('add eth0 239.2.2.2 eth2 --owner other');
    assert.doesNotMatch((await mcctl('show --owner-only other')).stdout, /239\.1/);
    assert.doesNotMatch((await mcctl('show --group 239.1.0.0/16')).stdout, /239\.2/);
    assert.doesNotMatch((await mcctl('show --interface eth2')).stdout, /239\.1/);
    const wrong = await mcctl('show --group nonsense');
    assert.equal(wrong.status, 65);
    assert.match(wrong.stderr, /^mcctl: --group: 'nonsense' is not an IPv4 or IPv6 address/);
    assert.equal((await mcctl('show mfc --group nonsense')).status, 64);
    assert.match((await mcctl('show rules --group 239.1.1.1')).stderr, /--group is not for rules/);
    assert.match((await mcctl('show mfc --owner-only x')).stderr, /--owner-only is not for mfc/);
  });

  it('says on stderr that there is nothing', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    const nothing = ['no routes', 'no groups', 'nothing is pending', 'no interfaces', 'no rules', 'no entries'];
    for (const [index, noun] of ['routes', 'groups', 'pending', 'interfaces', 'rules', 'mfc'].entries()) {
      const ended = await mcctl(`show ${noun}`);
      assert.deepEqual([ended.status, ended.stderr], [0, `${nothing[index] ?? ''}\n`]);
    }
    assert.deepEqual(JSON.parse((await mcctl('show pending -o json')).stdout), { revision: 1, pending: [] });
  });

  it('ends quietly when nobody reads on', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const routes = Array.from({ length: 5_000 }, (_unused, i) => ({
      iif: 'eth0',
      group: `239.1.${i >> 8}.${i & 255}`,
      oifs: ['eth1'],
    }));
    assert.equal((await mcctl('apply -f -', { stdin: JSON.stringify({ routes }) })).status, 0);
    const child = startMcctl(['-u', agent.path, 'show']);
    child.stdout.once('data', () => child.stdout.destroy());
    const stderr: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    await waitForEvent(child, 'close');
    assert.deepEqual([child.exitCode, Buffer.concat(stderr).toString()], [0, '']);
  });
});
