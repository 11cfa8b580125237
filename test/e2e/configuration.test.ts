// An agent with a configuration file: at the start, on reload, and beside what it is told over the API.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type Agent, runAgent, startAgent } from '../support/agent.js';
import { apply, list, put, refused } from '../support/calls.js';
import { installTree } from '../support/install-tree.js';
import { openKeeper } from '../support/keeper.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { openTraffic } from '../support/traffic.js';
import { eventually, waitForExit } from '../support/wait.js';

const TABLE = 340;
const FOLDER = '/run/configuration';
const FILE = join(FOLDER, 'mcroute.conf');

let topology: RouterTopology;

before(() => {
  topology = routerTopology();
  mkdirSync(FOLDER);
});

after(() => {
  topology[Symbol.dispose]();
});

beforeEach(() => {
  rmSync(FILE, { force: true });
});

const write = (...lines: readonly string[]) => {
  writeFileSync(FILE, lines.map((line) => `${line}\n`).join(''), { mode: 0o644 });
};

const start = (): Promise<Agent> => startAgent(topology.router, { table: TABLE, args: ['-f', FILE] });

/** Keys of the table's resources with owners and state. */
async function entries(agent: Agent): Promise<readonly string[]> {
  const { entries: all } = await list(agent.client);
  return all
    .map(({ resource, owners, state }) => {
      const { group = '', iif = '' } = resource?.mroute?.key ?? {};
      const { membership, interface: settings } = resource ?? {};
      const what = resource?.mroute
        ? `${iif} ${group} > ${resource.mroute.oifs.map((oif) => oif.interface).join(',')}`
        : membership
          ? `join ${membership.key?.interface ?? ''} ${membership.key?.group ?? ''}`
          : `interface ${settings?.key?.name ?? ''} ${settings?.ttlThreshold ?? 0}`;
      return `${what} ${owners.join()} ${state.replace('STATE_', '').toLowerCase()}`;
    })
    .sort();
}

/** Tells the agent to read its file, and waits for the line of the log that says what came of it. */
async function hangUp(agent: Agent, line: RegExp): Promise<void> {
  const seen = agent.log.length;
  agent.process.kill('SIGHUP');
  await eventually(() => (line.test(agent.log.slice(seen)) ? true : undefined), `the log to have ${String(line)}`);
}

describe('an agent with a configuration file', () => {
  it('has what it says in the kernel when it is ready, for the owner config', async () => {
    write(
      'phyint out1 ttl-threshold 7',
      'mgroup from in0 group 239.20.1.1',
      'mroute from in0 group 239.20.1.1 to out1 out2   # a comment',
      'mroute from in0 source 10.0.0.2 group ff1e::20:1 to out1',
      'mroute from in0 group 239.20.0.0/16 to out1',
      'mroute from away0 group 239.20.1.9 to out1',
    );
    // Families do not mix.
    assert.equal(runAgent(topology.router, { table: TABLE, args: ['-f', FILE] }).status, 78);
    write(
      'phyint out1 ttl-threshold 7',
      'mgroup from in0 group 239.20.1.1',
      'mroute from in0 group 239.20.1.1 to out1 out2   # a comment',
      'mroute from in0 group 239.20.0.0/16 to out1',
      'mroute from away0 group 239.20.1.9 to out1',
    );
    using agent = await start();
    assert.deepEqual(await entries(agent), [
      'away0 239.20.1.9 > out1 config pending',
      'in0 239.20.0.0/16 > out1 config programmed',
      'in0 239.20.1.1 > out1,out2 config programmed',
      'interface out1 7 config programmed',
      'join in0 239.20.1.1 config programmed',
    ]);
    assert.match(topology.router.run('ip', ['mroute', 'show', 'table', String(TABLE)]), /239\.20\.1\.1/);
    await agent.stop();
  });

  it('starts without it, and takes it when it is there and the agent is told', async () => {
    using agent = await start();
    assert.match(agent.log, /the configuration file is not there/);
    assert.deepEqual(await entries(agent), []);
    write('mroute from in0 group 239.20.2.1 to out1');
    await hangUp(agent, /"added":1,.*"msg":"reloaded"/);
    assert.deepEqual(await entries(agent), ['in0 239.20.2.1 > out1 config programmed']);
    await agent.stop();
  });

  it('applies the difference on reload: streams that stay lose nothing, other owners’ rules stay', async () => {
    write('mroute from in0 group 239.20.3.1 to out1', 'mroute from in0 group 239.20.3.2 to out1');
    using agent = await start();
    await apply(agent.client, {
      changes: [put({ key: { iif: 'in0', group: '239.20.3.9' }, oifs: [{ interface: 'out2' }] })],
    });
    using from = openTraffic(topology.sender(0).namespace);
    using to = openTraffic(topology.receiver(1).namespace);
    const receiver = await to.receive({ interface: 'eth0', groups: ['239.20.3.1'] });
    const sender = await from.send({ interface: 'eth0', groups: ['239.20.3.1'], rate: 1_000 });
    await receiver.awaitPackets(10);
    for (let times = 0; times < 5; times++) {
      write('mroute from in0 group 239.20.3.1 to out1', `mroute from in0 group 239.20.3.${10 + times} to out1 out2`);
      assert.match(agent.ctl('reload'), /^1 added, 0 changed, 1 removed, 1 unchanged$/m);
    }
    write('mroute from in0 group 239.20.3.1 to out1');
    await hangUp(agent, /"removed":1,.*"msg":"reloaded"/);
    const { streams } = await receiver.collect(await sender.stop());
    assert.deepEqual(
      streams.map(({ lost, duplicated }) => [lost, duplicated]),
      [[0, 0]],
    );
    assert.deepEqual(await entries(agent), [
      'in0 239.20.3.1 > out1 config programmed',
      'in0 239.20.3.9 > out2 test programmed',
    ]);
    await agent.stop();
  });

  it('has wildcards of phyint and mgroup stand for interfaces that come later, without another reload', async () => {
    write('phyint late+ ttl-threshold 5', 'mgroup from late+ group 239.20.8.1');
    using agent = await start();
    assert.deepEqual(await entries(agent), []);
    topology.router.ip('link add late1 type veth peer name its-peer');
    try {
      await eventually(async () => ((await entries(agent)).length === 2 ? true : undefined), 'late1 to be joined on');
      assert.deepEqual(await entries(agent), [
        'interface late1 5 config programmed',
        'join late1 239.20.8.1 config programmed',
      ]);
    } finally {
      topology.router.delete('late1');
    }
    await eventually(async () => ((await entries(agent)).length === 0 ? true : undefined), 'nothing to be left');
    await agent.stop();
  });

  it('goes on with what it has when the file is broken, and tells all that is wrong', async () => {
    write('mroute from in0 group 239.20.4.1 to out1');
    using agent = await start();
    write('mroute from in0 group 10.0.0.1 to out1', 'mroute in0 group 239.20.4.2', 'fnord');
    await hangUp(agent, /mcroute\.conf:1:.*mcroute\.conf:2:.*mcroute\.conf:3:1: error: .*nothing was changed/);
    assert.deepEqual(await entries(agent), ['in0 239.20.4.1 > out1 config programmed']);
    const { status, stderr } = agent.mcctl('reload');
    assert.equal(status, 78);
    assert.match(stderr, /mcroute\.conf:3:1: error: 'fnord'/);
    await agent.stop();
  });

  it('does not start with a broken file, and ends with 78', () => {
    write('mroute from in0 group 239.20.5.1 to', 'nonsense');
    const { status, stderr } = runAgent(topology.router, { table: TABLE, args: ['-f', FILE] });
    assert.equal(status, 78);
    assert.match(stderr, /mcroute\.conf:2:1: error: 'nonsense'/);
  });

  it('lets nobody else change what belongs to the file', async () => {
    write('mroute from in0 group 239.20.6.1 to out1');
    using agent = await start();
    const changes = [put({ key: { iif: 'in0', group: '239.20.6.2' }, oifs: [{ interface: 'out1' }] })];
    const error = await refused(apply(agent.client, { owner: 'config', changes }), 'INVALID_FIELD');
    assert.match(error.message, /change that and reload, or use another owner/);
    await agent.stop();
  });

  it('follows the file and not what was saved when it is started again on kept sockets', async () => {
    using keeper = openKeeper('/run/configuration-keeper');
    const options = { table: TABLE, args: ['-f', FILE], keeper, stateDirectory: '/run/configuration-state' };
    write('mroute from in0 group 239.20.7.1 to out1', 'mroute from in0 group 239.20.7.2 to out1');
    const first = await startAgent(topology.router, options);
    first.process.kill('SIGKILL');
    await waitForExit(first.process);
    first[Symbol.dispose]();
    write('mroute from in0 group 239.20.7.2 to out1');
    using second = await startAgent(topology.router, options);
    assert.deepEqual(await entries(second), ['in0 239.20.7.2 > out1 config programmed']);
    assert.doesNotMatch(topology.router.run('ip', ['mroute', 'show', 'table', String(TABLE)]), /239\.20\.7\.1/);
    await second.stop();
  });

  it('ends when mcctl kill asks it to', async () => {
    using agent = await start();
    agent.ctl('kill');
    assert.equal(await waitForExit(agent.process), 0);
  });
});

describe('mcroute-agent --check', () => {
  const check = (file: string) =>
    spawnSync(join(installTree(), 'bin/mcroute-agent'), ['--check', file], { encoding: 'utf8' });

  it('ends with 0 for a file that can be used, also where interfaces are not there', () => {
    write('phyint nowhere0', 'mroute from nowhere0 group 239.1.1.1 to nowhere1');
    const { status, stderr } = check(FILE);
    assert.equal(status, 0, stderr);
  });

  it('ends with 78 and a line for each error', () => {
    write('mroute from in0 group 300.1.1.1 to out1', 'mroute from in0 group 239.1.1.1 to out1', 'phint eth0');
    const { status, stderr } = check(FILE);
    assert.equal(status, 78);
    assert.match(stderr, /^\/run\/configuration\/mcroute\.conf:1:23: error: '300\.1\.1\.1'/m);
    assert.match(stderr, /^\/run\/configuration\/mcroute\.conf:3:1: error: 'phint' .*phyint/m);
    assert.equal(stderr.match(/: error: /g)?.length, 2);
  });

  it('ends with 78 for a file that is not there', () => {
    const { status, stderr } = check(FILE);
    assert.equal(status, 78);
    assert.match(stderr, /there is no such file/);
  });
});
