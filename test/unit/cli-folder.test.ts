// A folder of files as one wish.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openHost } from '../support/mcctl.js';

const route = (group: string) => `routes: [{ iif: eth0, group: ${group}, oifs: [eth1] }]\n`;

describe('a folder of files', { concurrency: 2 }, () => {
  it('is one wish, in the order of the names', async () => {
    await using host = await openHost();
    const { mcctl, agent } = host;
    const folder = join(host.directory, 'net.d');
    mkdirSync(folder);
    writeFileSync(join(folder, '10.yaml'), route('239.1.1.1'));
    writeFileSync(join(folder, '9.json'), '{"joins":[{"interface":"eth0","group":"239.1.1.1"}]}');
    writeFileSync(join(folder, 'b.yml'), route('239.1.1.2'));
    writeFileSync(join(folder, '.swp.yaml'), 'nonsense');
    writeFileSync(join(folder, 'README'), 'nonsense');
    await mcctl('add eth0 239.1.1.9 eth1');
    const diff = await mcctl(`diff -f ${folder} --prune`);
    assert.deepEqual([diff.status, diff.stdout.split('\n').length], [1, 5]);
    assert.equal(
      (await mcctl(`apply -f ${folder}`)).stdout,
      '3 added, 0 changed, 0 removed, 0 unchanged (revision 3)\n',
    );
    const pruned = await mcctl(`apply -f ${folder} --prune`);
    assert.equal(pruned.stdout, '0 added, 0 changed, 1 removed, 3 unchanged (revision 4)\n');
    assert.equal(agent.table.entries().length, 3);
  });

  it('says in which file something is wrong', async () => {
    await using host = await openHost();
    const folder = join(host.directory, 'net.d');
    mkdirSync(folder);
    writeFileSync(join(folder, 'a.yaml'), route('239.1.1.1') + 'joins: [{ interface: eth0, group: 239.1.1.1 }]\n');
    writeFileSync(join(folder, 'b.yaml'), `\n${route('10.1.1.1')}`);
    for (const words of ['apply', 'apply --prune']) {
      const ended = await host.mcctl(`${words} -f ${folder}`);
      assert.equal(ended.status, 65);
      assert.ok(ended.stderr.startsWith(`mcctl: ${folder}/b.yaml:2: routes[0].group: '10.1.1.1'`), ended.stderr);
    }
    writeFileSync(join(folder, 'b.yaml'), 'rutes: []');
    assert.ok((await host.mcctl(`apply -f ${folder}`)).stderr.startsWith(`mcctl: ${folder}/b.yaml:1: rutes: `));
  });

  it('without a file is no wish for nothing', async () => {
    await using host = await openHost();
    const folder = join(host.directory, 'net.d');
    mkdirSync(folder);
    await host.mcctl('add eth0 239.1.1.9 eth1');
    const ended = await host.mcctl(`apply --prune -f ${folder}`);
    assert.equal(ended.status, 66);
    assert.match(ended.stderr, /net\.d: has no file \*\.yaml, \*\.yml or \*\.json\n {2}a file with `routes: \[\]`/);
    assert.equal(host.agent.table.entries().length, 1);
  });
});
