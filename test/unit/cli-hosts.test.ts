// mcctl for several hosts at once: fake agents and supervisors behind TLS.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { HostResults } from '../../src/cli/host-results.js';
import type { ListView } from '../../src/cli/output/list.js';
import { openTerminal } from '../../src/cli/terminal.js';
import { FakeAgent } from '../support/fake-agent.js';
import { openSupervisorHost, readyTable } from '../support/fake-tables.js';
import { type Ended, runMcctl, startMcctl } from '../support/mcctl.js';
import { Pki, type TlsFront, openTlsFront } from '../support/tls-front.js';
import { waitForExit, waitForLine } from '../support/wait.js';
import { PassThrough } from 'node:stream';

interface Hosts extends AsyncDisposable {
  readonly agents: readonly FakeAgent[];
  /** As they are named: `127.0.0.1:PORT`. */
  readonly names: readonly string[];
  mcctl(words: string, stdin?: string): Promise<Ended>;
}

const pki = new Pki();
const TLS = ['--ca', pki.path('ca.crt'), '--cert', pki.path('mixer.crt'), '--key', pki.path('mixer.key')];

async function openHosts(count: number): Promise<Hosts> {
  const directory = mkdtempSync(join(tmpdir(), 'mcctl-hosts-'));
  const agents: FakeAgent[] = [];
  const fronts: TlsFront[] = [];
  for (let index = 0; index < count; index++) {
    const agent = await FakeAgent.listen(join(directory, `${index}.sock`));
    agents.push(agent);
    fronts.push(await openTlsFront(agent.path, pki, 'server', { requestCert: true, ca: pki.text('ca.crt') }));
  }
  const names = fronts.map(({ port }) => `127.0.0.1:${port}`);
  return {
    agents,
    names,
    mcctl: (words, stdin = '') =>
      runMcctl(['--host', names.join(','), '-t', '5', ...TLS, ...words.split(' ')], { stdin }),
    [Symbol.asyncDispose]: async () => {
      for (const one of [...fronts, ...agents]) await one[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
}

describe('mcctl for several hosts', { concurrency: 2 }, () => {
  before(async () => {
    await pki.addAuthority('ca');
    await pki.add('server', 'ca', { kind: 'server', names: ['127.0.0.1'] });
    await pki.add('mixer', 'ca', { kind: 'client', identity: 'spiffe://studio.example/mixer', name: 'mixer' });
  });
  after(() => {
    pki[Symbol.dispose]();
  });

  it('changes all of them, and shows them in one list', async () => {
    await using hosts = await openHosts(2);
    const [a = '', b = ''] = hosts.names;
    const added = await hosts.mcctl('add eth0 239.1.1.1 eth1');
    assert.deepEqual([added.status, added.stdout, added.stderr], [0, '', '']);
    const lines = (await hosts.mcctl('show')).stdout.split('\n');
    assert.match(lines[0] ?? '', /^HOST +ROUTE +IIF/);
    assert.ok(lines[1]?.startsWith(`${a}  (*, 239.1.1.1)`) === true && lines[2]?.startsWith(`${b}  `) === true);
    const json = JSON.parse((await hosts.mcctl('show -o json')).stdout) as {
      routes: { host: string; group: string }[];
    };
    assert.deepEqual(
      json.routes.map(({ host, group }) => [host, group]),
      [
        [a, '239.1.1.1'],
        [b, '239.1.1.1'],
      ],
    );
    const yaml = parse((await hosts.mcctl('show groups -o yaml')).stdout) as unknown;
    assert.deepEqual(yaml, { groups: [] });
    assert.equal((await hosts.mcctl('show groups')).stderr, `${a}: no groups\n${b}: no groups\n`);
  });

  it('tells what each host answers, in the order in which they were named', async () => {
    await using hosts = await openHosts(2);
    const [a = '', b = ''] = hosts.names;
    const file = 'routes: [{ iif: eth0, group: 239.1.1.1, oifs: [eth1] }]';
    await runMcctl(['--host', b, '-t', '5', ...TLS, 'join', 'eth0', '239.2.2.2']);
    const applied = await hosts.mcctl('apply -f - --prune', file);
    assert.equal(
      applied.stdout,
      `${a}: 1 added, 0 changed, 0 removed, 0 unchanged (revision 2)\n${b}: 1 added, 0 changed, 1 removed, 0 unchanged (revision 3)\n`,
    );
    const document = JSON.parse((await hosts.mcctl('flush -o json')).stdout) as unknown;
    assert.deepEqual(document, [
      { host: a, dropped: 0 },
      { host: b, dropped: 0 },
    ]);
    assert.equal(
      (await hosts.mcctl('capabilities')).stdout.split('\n').filter((line) => new RegExp(`^${b}: table +5$`).test(line))
        .length,
      1,
    );
    const loop = await hosts.mcctl('add eth0 239.3.3.3 eth0');
    assert.match(loop.stderr, new RegExp(`^${a}: warning: LOOP.*\\n${b}: warning: LOOP`));
  });

  it('tells which have failed and why, shows the others, and ends with the worst status', async () => {
    await using hosts = await openHosts(2);
    const [a = ''] = hosts.names;
    const words = ['--host', `${a},127.0.0.1:1`, '-t', '5', ...TLS];
    const shown = await runMcctl([...words, 'show', '-o', 'json']);
    assert.equal(shown.status, 69);
    assert.deepEqual(JSON.parse(shown.stdout), { routes: [] });
    assert.match(
      shown.stderr,
      /^mcctl: 127\.0\.0\.1:1: no gateway answers at 127\.0\.0\.1:1: the host refuses the connection\n {2}/,
    );
    const diff = await runMcctl([...words, 'diff', '-f', '-'], {
      stdin: 'routes: [{ iif: a, group: 239.1.1.1, oifs: [b] }]',
    });
    assert.deepEqual([diff.status, diff.stdout], [69, `${a}: + route (*, 239.1.1.1) a -> b\n`]);
  });

  it('is refused for what is of one host', async () => {
    await using hosts = await openHosts(2);
    const ended = await hosts.mcctl('export');
    assert.deepEqual(
      [ended.status, ended.stderr],
      [64, 'mcctl: this is for one host, and 2 are meant\n  name one with --host\n'],
    );
    const [only = ''] = hosts.names;
    assert.equal((await runMcctl(['--host', only, '-t', '5', ...TLS, 'export'])).status, 0);
  });

  it('watches all of them', async () => {
    await using hosts = await openHosts(2);
    const [a = '', b = ''] = hosts.names;
    const child = startMcctl(['--host', hosts.names.join(), '-t', '5', ...TLS, 'watch']);
    child.stdout.setEncoding('utf8');
    await Promise.all([a, b].map((name) => waitForLine(child.stdout, new RegExp(`^${name}: = synced`))));
    const line = waitForLine(child.stdout, /^(\S+): \+ route \(\*, 239\.1\.1\.1\)/);
    await runMcctl(['--host', b, '-t', '5', ...TLS, 'add', 'eth0', '239.1.1.1', 'eth1']);
    assert.equal((await line)[1], b);
    child.kill('SIGINT');
    assert.equal(await waitForExit(child), 130);
  });

  it('lists the tables of all, and finds tables by name on each', async () => {
    await using host = await openSupervisorHost();
    host.tables.put(readyTable(5, { settings: { ...readyTable(5).settings, name: 'studio' } }));
    await using front = await openTlsFront(host.path, pki, 'server');
    const words = ['--host', `127.0.0.1:${front.port}`, ...TLS];
    assert.match((await runMcctl([...words, 'table', 'list'])).stdout, /^TABLE .*\n +5  studio/);
    assert.equal((await runMcctl([...words, 'table', 'stop', 'studio'])).status, 0);
    const named = await runMcctl([...words, '-t', 'stduio', 'show']);
    assert.equal(named.status, 69);
    assert.match(named.stderr, /^mcctl: no table has the name 'stduio'\n {2}did you mean 'studio'\?/);
    const none = await runMcctl([...words, 'show']);
    assert.match(
      none.stderr,
      /^mcctl: no table of 127\.0\.0\.1:\d+ is given\n {2}give one with --table N; 'mcctl table list'/,
    );
  });

  it('takes hosts, certificates and the table from a context', async () => {
    await using hosts = await openHosts(2);
    const home = mkdtempSync(join(tmpdir(), 'mcctl-home-'));
    const environment = { XDG_CONFIG_HOME: home };
    try {
      const context = ['--host', hosts.names.join(), '-t', '5', '--owner', 'mixer', ...TLS];
      assert.equal((await runMcctl(['context', 'add', 'studio', ...context], { environment })).status, 0);
      assert.equal((await runMcctl(['context', 'use', 'studio'], { environment })).status, 0);
      const added = await runMcctl(['add', 'eth0', '239.1.1.1', 'eth1'], { environment });
      assert.deepEqual([added.status, added.stderr], [0, '']);
      for (const agent of hosts.agents) assert.deepEqual(agent.table.entries()[0]?.owners, ['mixer']);
      const other = await runMcctl(['-t', '6', '--owner', 'x', 'show'], { environment });
      assert.match(other.stderr, /this agent serves table 5, not 6/);
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  it('lets a reconnecting watch go on when the gateway comes back', async () => {
    await using hosts = await openHosts(1);
    const [agent] = hosts.agents;
    assert.ok(agent);
    const child = startMcctl(['--host', hosts.names.join(), '-t', '5', ...TLS, 'watch', '--reconnect']);
    child.stdout.setEncoding('utf8');
    child.stderr.setEncoding('utf8');
    await waitForLine(child.stdout, /^= synced/);
    const gone = waitForLine(child.stderr, /the agent has gone; waiting for it/);
    agent.stop();
    await gone;
    const back = waitForLine(child.stdout, /^= synced/);
    const [again] = await Promise.all([back, agent.start()]);
    assert.ok(again);
    child.kill('SIGINT');
    assert.equal(await waitForExit(child), 130);
  });
});

describe('what several hosts answer', () => {
  const view: ListView<number> = {
    name: 'numbers',
    columns: [{ title: 'N', cell: String, isNumber: true }],
    wideColumns: [],
    document: (n) => ({ n }),
    json: (n) => `{"n":${n}}`,
  };
  const rows = async function* (list: readonly number[]) {
    yield await Promise.resolve({ revision: '7', rows: list });
  };

  it('is put in the order of the hosts, whoever is first', async () => {
    const results = new HostResults(['a', 'b']);
    await results.printerOf('b', 'json').list(view, rows([2]), '');
    await results.printerOf('a', 'json').list(view, rows([1, 10]), '');
    const stdout = new PassThrough();
    await results.print(openTerminal(stdout, new PassThrough(), false), 'json');
    stdout.end();
    await once(stdout, 'readable');
    const text = String(stdout.read());
    assert.deepEqual(JSON.parse(text), {
      numbers: [
        { host: 'a', n: 1 },
        { host: 'a', n: 10 },
        { host: 'b', n: 2 },
      ],
    });
  });

  it('has a limit', async () => {
    const results = new HostResults(['a']);
    const many = async function* () {
      for (let page = 0; page <= 10; page++) yield await Promise.resolve({ rows: new Array<number>(100_000).fill(1) });
    };
    await assert.rejects(results.printerOf('a', 'json').list(view, many(), ''), /more than 1000000 rows together/);
  });
});
