// mcctl add, remove, join, leave and interface as programs, against an agent without a kernel.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parsePrefix } from '../../src/model/address.js';
import { PLAIN_INTERFACE } from '../../src/model/interface.js';
import { type Ended, openHost } from '../support/mcctl.js';

function expectQuiet(ended: Ended): void {
  assert.deepEqual(ended, { status: 0, stdout: '', stderr: '' });
}

describe('mcctl add, remove, join, leave, interface', { concurrency: 2 }, () => {
  it('change what the agent holds, and say nothing', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    expectQuiet(await mcctl('add eth0 239.1.1.1 eth1'));
    expectQuiet(await mcctl('add eth0 239.1.1.1 eth2@9'));
    expectQuiet(await mcctl('remove eth0 239.1.1.1 eth1'));
    expectQuiet(await mcctl('join eth0 10.0.0.5 232.1.1.1 --label tv'));
    expectQuiet(await mcctl('inter eth1 --ttl-threshold 16 --owner other'));
    assert.deepEqual(agent.table.keys(), [
      'interface eth1',
      'membership (10.0.0.5, 232.1.1.1) eth0',
      'mroute (*, 239.1.1.1) eth0',
    ]);
    const [entry] = agent.table.entriesOf('mroute (*, 239.1.1.1) eth0');
    assert.ok(entry !== undefined && 'oifs' in entry.resource);
    assert.deepEqual(entry.resource.oifs, [{ interface: 'eth2', ttlThreshold: 9 }]);
    assert.deepEqual(entry.owners, ['cli']);
    expectQuiet(await mcctl('del eth0 239.1.1.1'));
    expectQuiet(await mcctl('leave eth0 10.0.0.5 232.1.1.1'));
    expectQuiet(await mcctl('--owner other interface eth1 --unset'));
    assert.deepEqual(agent.table.keys(), []);
  });

  it('put all settings of an interface, and forget those that are not said again', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const settings = () => agent.table.entries().map(({ resource }) => resource);
    const plain = { key: { kind: 'interface', name: 'eth0' }, ...PLAIN_INTERFACE };
    expectQuiet(
      await mcctl('interface eth0 --disable --querier --mrdisc --boundary 239.255.0.0/16 --boundary ff15::/16'),
    );
    const boundaries = ['239.255.0.0/16', 'ff15::/16'].map(parsePrefix);
    assert.deepEqual(settings(), [{ ...plain, isEnabled: false, isQuerier: true, isAdvertised: true, boundaries }]);
    expectQuiet(await mcctl('interface eth0 --enable'));
    assert.deepEqual(settings(), [{ ...plain, isEnabled: true }]);
    expectQuiet(await mcctl('interface eth0 --ttl-threshold 1'));
    assert.deepEqual(settings(), [plain]);
    const both = await mcctl('interface eth0 --enable --disable');
    assert.equal(both.status, 64);
    assert.match(
      both.stderr,
      /^mcctl: interface: --enable and --disable exclude each other\n {2}usage: mcctl interface/,
    );
    assert.match((await mcctl('interface eth0')).stderr, /nothing is said of 'eth0'.*\n {2}usage: /);
    const unicast = await mcctl('interface eth0 --boundary 239.1.1.1 --boundary 10.0.0.1');
    assert.equal(unicast.status, 65);
    assert.match(unicast.stderr, /^mcctl: --boundary 2: '10\.0\.0\.1' is not a multicast group/);
    assert.deepEqual(settings(), [plain]);
  });

  it('put the whole rule with its options', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    expectQuiet(await mcctl('add eth0 239.1.1.1 eth1 --except 10.0.0.0/8,192.0.2.1 --except 10.9.9.9 --label x'));
    const [entry] = agent.table.entries();
    assert.ok(entry !== undefined && 'oifs' in entry.resource);
    assert.equal(entry.resource.except.length, 3);
    assert.equal(entry.resource.label, 'x');
    expectQuiet(await mcctl('add eth0 239.1.1.1 --deny'));
    assert.match((await mcctl('show')).stdout, /\(\*, 239\.1\.1\.1\) +eth0 +\(deny\) +programmed +cli/);
  });

  it('tell of warnings and of what is pending on stderr', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.table.absent.add('wg0');
    const ended = await mcctl('add eth0 239.1.1.1 eth0 wg0');
    assert.deepEqual([ended.status, ended.stdout], [0, '']);
    assert.match(ended.stderr, /^warning: LOOP: packets go back to 'eth0'/m);
    assert.match(ended.stderr, /^pending: route \(\*, 239\.1\.1\.1\) eth0: there is no interface 'wg0' now/m);
  });

  it('end with 1 when the kernel refuses', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.table.refused.add('eth0');
    const ended = await mcctl('add eth0 239.1.1.1 eth1');
    assert.equal(ended.status, 1);
    assert.match(
      ended.stderr,
      /^failed: route .*: the kernel has no memory for it \(setsockopt\(MRT_ADD_MFC\): ENOBUFS\)/,
    );
    const shown = JSON.parse((await mcctl('show -o json')).stdout) as { routes: { error: unknown }[] };
    assert.deepEqual(shown.routes[0]?.error, {
      reason: 'KERNEL_ERROR',
      text: 'the kernel has no memory for it',
      errno: 'ENOBUFS',
      syscall: 'setsockopt(MRT_ADD_MFC)',
    });
  });

  it('change nothing with --dry-run, nor with --strict and a warning', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const dry = await mcctl('add --dry-run eth0 239.1.1.1 eth0');
    assert.deepEqual([dry.status, dry.stdout], [0, 'would be added\n']);
    assert.match(dry.stderr, /^warning: LOOP/);
    const strict = await mcctl('add --strict eth0 239.1.1.1 eth0');
    assert.equal(strict.status, 1);
    assert.match(strict.stderr, /^mcctl: LOOP: .*\n {2}nothing was changed; without --strict it is accepted/);
    assert.equal(agent.table.revision, 1);
    await mcctl('add eth0 239.1.1.1 eth1');
    assert.equal((await mcctl('add eth0 239.1.1.1 eth1 --dry-run')).stdout, 'already so: nothing would change\n');
  });

  it('print the reply as a document when asked to', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    const json = JSON.parse((await mcctl('add eth0 239.1.1.1 eth1 -o json')).stdout) as Record<string, unknown>;
    assert.equal(json['revision'], 2);
    const [result] = json['results'] as Record<string, unknown>[];
    assert.equal(result?.['effect'], 'added');
    assert.equal((result['entry'] as Record<string, unknown>)['state'], 'programmed');
    const yaml = parse((await mcctl('-o yaml join eth0 239.1.1.1')).stdout) as { revision: number };
    assert.equal(yaml.revision, 3);
  });

  it('name the field, the value and the cure of what is wrong', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    const ended = await mcctl('add a/b 239.1.1.300 eth1');
    assert.equal(ended.status, 64, 'an address where the interface stands');
    const wrong = await mcctl('add waytoolongforaname 10.1.1.1 eth1');
    assert.equal(wrong.status, 65);
    assert.match(wrong.stderr, /^mcctl: iif: 'waytoolongforaname' cannot be the name of an interface: 1 to 15 bytes/);
    assert.match(wrong.stderr, /^ {2}group: '10\.1\.1\.1' is not a multicast group: use an address/m);
    const owner = await mcctl('--owner a:b join eth0 239.1.1.1');
    assert.match(owner.stderr, /^mcctl: --owner: 'a:b' is not an owner's name/);
    const absent = await mcctl('remove eth0 239.1.1.1');
    assert.deepEqual([absent.status, absent.stdout], [1, '']);
    assert.match(absent.stderr, /^mcctl: there is no mroute \(\*, 239\.1\.1\.1\) eth0\n {2}'mcctl show' lists/);
  });
});
