// mcctl apply, diff and export as programs, against an agent without a kernel.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ApiError } from '../../src/api/status.js';
import { openHost } from '../support/mcctl.js';

const FILE = `
routes:
  - { iif: eth0, group: 239.1.1.1, oifs: [eth1] }
  - { iif: eth0, source: 10.0.0.5, group: 239.1.1.2, oifs: [{ interface: eth1, ttl_threshold: 9 }], label: news }
joins:
  - { interface: eth0, group: 239.1.1.1 }
interfaces:
  - { name: eth1, ttl_threshold: 16 }
`;

describe('mcctl apply, diff, export', { concurrency: 2 }, () => {
  it('export the settings of interfaces so that applying them changes nothing', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    await mcctl('interface eth0 --disable --querier --mrdisc --boundary 239.255.0.0/16 --ttl-threshold 9');
    await mcctl('interface eth1 --enable');
    for (const format of ['yaml', 'json']) {
      const exported = await mcctl(`export -o ${format}`);
      assert.match(exported.stdout, /239\.255\.0\.0\/16/);
      const again = await mcctl('apply -f - --prune', { stdin: exported.stdout });
      assert.match(again.stdout, /^0 added, 0 changed, 0 removed, 2 unchanged/, exported.stdout);
      assert.equal((await mcctl('diff -f -', { stdin: exported.stdout })).stdout, '');
    }
    const changed = 'interfaces: [{ name: eth0, ttl_threshold: 9, boundaries: [239.255.0.0/16] }, { name: eth1 }]';
    assert.equal(
      (await mcctl('diff -f -', { stdin: changed })).stdout,
      '- interface eth0 ttl-threshold 9 disabled querier mrdisc boundary 239.255.0.0/16\n' +
        '+ interface eth0 ttl-threshold 9 boundary 239.255.0.0/16\n' +
        '- interface eth1 ttl-threshold 1 enabled\n' +
        '+ interface eth1 ttl-threshold 1\n',
    );
  });

  it('export in the grammar of smcroute.conf', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    await mcctl('join eth0 10.0.0.5 232.1.1.1');
    await mcctl('add eth0 10.1.2.3/8 239.1.0.0/16 eth1 eth2@9 --except 10.9.0.0/16 --label studio');
    await mcctl('add eth0 ff3e::1 --replace');
    await mcctl('interface eth1 --ttl-threshold 4 --querier');
    assert.equal(
      (await mcctl('export --conf')).stdout,
      'phyint eth1 querier ttl-threshold 4\n' +
        'mroute from eth0 group ff3e::1\n' +
        '# studio\nmroute from eth0 source 10.0.0.0/8 group 239.1.0.0/16 except 10.9.0.0/16 to eth1 eth2@9\n' +
        'mgroup from eth0 source 10.0.0.5 group 232.1.1.1\n',
    );
    const both = await mcctl('export --conf -o json');
    assert.equal(both.status, 64);
    assert.match(both.stderr, /--conf and --output json exclude each other/);
    await mcctl('add eth0 239.7.7.7 --deny');
    const refused = await mcctl('export --conf');
    assert.deepEqual([refused.status, refused.stdout], [65, '']);
    assert.match(
      refused.stderr,
      /\n {2}mroute \(\*, 239\.7\.7\.7\) eth0: a line has no word for 'deny'\n {2}export without/,
    );
  });

  it('put a file, tell its difference and print it again', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    const path = join(host.directory, 'net.yaml');
    writeFileSync(path, FILE);
    const before = await mcctl(`diff -f ${path}`);
    assert.equal(before.status, 1);
    assert.equal(before.stdout.split('\n').filter((line) => line.startsWith('+ ')).length, 4);
    const dry = await mcctl(`apply -f ${path} --dry-run`);
    // What would change is shown with it.
    assert.equal(dry.stdout, `${before.stdout}4 added, 0 changed, 0 removed, 0 unchanged (dry run, revision 1)\n`);
    const applied = await mcctl(`apply -f ${path}`);
    assert.deepEqual([applied.status, applied.stderr], [0, '']);
    assert.equal(applied.stdout, '4 added, 0 changed, 0 removed, 0 unchanged (revision 2)\n');
    assert.deepEqual(await mcctl(`diff -f ${path}`), { status: 0, stdout: '', stderr: '' });
    for (const format of ['yaml', 'json']) {
      const exported = await mcctl(`export -o ${format}`);
      const again = await mcctl('apply -f - --prune', { stdin: exported.stdout });
      assert.equal(again.stdout, '0 added, 0 changed, 0 removed, 4 unchanged (revision 2)\n', exported.stdout);
    }
  });

  it('show what is changed, and with --prune what is removed', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    await mcctl('apply -f -', { stdin: FILE });
    const stdin = 'routes:\n  - { iif: eth0, group: 239.1.1.1/32, oifs: [eth2] }\n';
    const changed = '- route (*, 239.1.1.1) eth0 -> eth1\n+ route (*, 239.1.1.1) eth0 -> eth2\n';
    const plain = await mcctl('diff -f -', { stdin });
    assert.deepEqual(plain, { status: 1, stdout: changed, stderr: '' });
    const pruned = await mcctl('diff -f - --prune', { stdin });
    assert.ok(pruned.stdout.includes(changed), pruned.stdout);
    assert.equal(pruned.stdout.split('\n').filter((line) => line.startsWith('- ')).length, 4);
    const json = JSON.parse((await mcctl('diff -f - -o json', { stdin })).stdout) as { differences: unknown[] };
    assert.equal(json.differences.length, 1);
    assert.match((await mcctl('apply -f - --prune', { stdin })).stdout, /^0 added, 1 changed, 3 removed, 0 unchanged/);
    assert.equal(agent.table.keys().length, 1);
  });

  it('send a file in parts with --prune', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const messages: number[] = [];
    agent.events.on('message', ({ resources }: { resources: unknown[] }) => messages.push(resources.length));
    const routes = Array.from({ length: 2_500 }, (_unused, i) => ({
      iif: 'eth0',
      group: `239.1.${i >> 8}.${i & 255}`,
      oifs: [],
    }));
    const ended = await mcctl('apply -f - --prune -o json', { stdin: JSON.stringify({ routes }) });
    assert.equal((JSON.parse(ended.stdout) as { added: number }).added, 2_500);
    assert.deepEqual(messages, [1_000, 1_000, 500]);
  });

  it('say where in the file something is wrong, whoever finds it', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const path = join(host.directory, 'wrong.yaml');
    writeFileSync(
      path,
      'routes:\n  - iif: eth0\n    group: 239.1.1.1\n    oifs: []\n  - iif: eth0\n    group: 10.1.1.1\n    oifs: []\n',
    );
    for (const words of ['apply', 'apply --prune', 'diff', 'diff --prune']) {
      const ended = await mcctl(`${words} -f ${path}`);
      assert.equal(ended.status, 65, words);
      assert.ok(
        ended.stderr.startsWith(`mcctl: ${path}:6: routes[1].group: '10.1.1.1' is not a multicast group`),
        ended.stderr,
      );
    }
    const unknown = await mcctl('apply -f -', { stdin: 'rutes: []' });
    assert.deepEqual(unknown, {
      status: 65,
      stdout: '',
      stderr: "mcctl: stdin:1: rutes: is not known here: did you mean 'routes'?\n",
    });
    assert.equal(agent.table.revision, 1);
  });

  it('end with 66 without a file, 64 without -f', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    const absent = await mcctl('apply -f /nonexistent/net.yaml');
    assert.deepEqual([absent.status, absent.stderr], [66, 'mcctl: /nonexistent/net.yaml: there is no such file\n']);
    assert.equal((await mcctl(`diff -f ${host.directory}`)).status, 66);
    const without = await mcctl('apply');
    assert.deepEqual(
      [without.status, without.stderr],
      [64, "mcctl: required option '-f, --file <path>' not specified\n"],
    );
  });

  it('change nothing when the revision is another, or with --strict and a warning', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    for (const prune of ['', ' --prune']) {
      const ended = await mcctl(`apply -f - --expected-revision 7${prune}`, { stdin: FILE });
      assert.equal(ended.status, 75);
      assert.match(ended.stderr, /^mcctl: the revision is 1, not 7\n {2}look at what has changed/);
      const loop = 'routes: [{ iif: eth0, group: 239.1.1.1, oifs: [eth0] }]';
      assert.equal((await mcctl(`apply -f - --strict${prune}`, { stdin: loop })).status, 1);
      const dry = await mcctl(`apply -f - --dry-run${prune}`, { stdin: loop });
      assert.match(dry.stderr, /^warning: LOOP/);
    }
    assert.equal((await mcctl('apply -f - --expected-revision x', { stdin: FILE })).status, 64);
    assert.equal(agent.table.revision, 1);
  });

  it('refuse more at once than an Apply takes, and say what to do', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    const joins = new Array(100_001).fill({ interface: 'eth0', group: '239.1.1.1' });
    const ended = await mcctl('apply -f -', { stdin: JSON.stringify({ joins }) });
    assert.equal(ended.status, 65);
    assert.match(ended.stderr, /100001 resources, and 100000 at most take effect at once\n {2}use --prune/);
  });

  it('end with 2 where a difference cannot be told for a reason of no other status', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.failure = new ApiError('RESOURCE_LIMIT', 'too many');
    assert.equal((await mcctl('diff -f -', { stdin: FILE })).status, 2);
    assert.equal((await mcctl('diff -f - --prune', { stdin: FILE })).status, 2);
  });
});
