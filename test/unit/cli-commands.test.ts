// mcctl as a program: what all commands have in common.
import assert from 'node:assert/strict';
import { linkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { parse } from 'yaml';
import { ApiError, type Reason, toStatusObject } from '../../src/api/status.js';
import { openHost, runMcctl } from '../support/mcctl.js';
import { waitForEvent } from '../support/wait.js';

const FILE = `
routes:
  - { iif: eth0, group: 239.1.1.1, oifs: [eth1] }
  - { iif: eth0, source: 10.0.0.5, group: 239.1.1.2, oifs: [{ interface: eth1, ttl_threshold: 9 }], label: news }
joins:
  - { interface: eth0, group: 239.1.1.1 }
interfaces:
  - { name: eth1, ttl_threshold: 16 }
`;

describe('mcctl flush, capabilities, version, help', { concurrency: 2 }, () => {
  it('tell what was dropped, what the agent can do and the versions', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.mfc = [{ source: '10.0.0.5', group: '239.1.1.1', iif: 'eth0', learned: true }];
    assert.equal((await mcctl('flush')).stdout, '1 learned flow dropped\n');
    assert.deepEqual(JSON.parse((await mcctl('flush -o json')).stdout), { dropped: 1 });
    const text = (await mcctl('cap')).stdout;
    assert.match(text, /^table +5$/m);
    assert.match(text, /^families +ipv4 ipv6$/m);
    const document = parse((await mcctl('capabilities -o yaml')).stdout) as Record<string, unknown>;
    assert.equal(document['changes_per_apply'], 100_000);
    assert.match((await mcctl('version')).stdout, /^mcctl \d+\.\d+\.\d+\nagent 0\.9\.0 \(API 1\.1\.0\)\n$/);
    assert.match((await runMcctl(['version'])).stdout, /^mcctl \d+\.\d+\.\d+\n$/);
    assert.equal((JSON.parse((await runMcctl(['version', '-o', 'json'])).stdout) as { agent: null }).agent, null);
    assert.match((await runMcctl(['-V'])).stdout, /^mcctl \d+\.\d+\.\d+\n$/);
  });

  it('reload tells what the file has changed, and its warnings on stderr', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.reloaded = { added: 2, changed: 1, unchanged: 3, warnings: ['a.conf:3:1: phyint eth0 is there twice'] };
    const ended = await mcctl('reload');
    assert.deepEqual([ended.status, ended.stdout], [0, '2 added, 1 changed, 0 removed, 3 unchanged\n']);
    assert.equal(ended.stderr, 'warning: a.conf:3:1: phyint eth0 is there twice\n');
    const document = JSON.parse((await mcctl('reload -o json')).stdout) as Record<string, unknown>;
    assert.deepEqual([document['added'], document['removed']], [2, 0]);
  });

  it('kill asks the agent to end', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const stopped = new Promise((resolve) => agent.events.once('stopped', resolve));
    assert.deepEqual(await mcctl('kill'), { status: 0, stdout: '', stderr: '' });
    await stopped;
  });

  it('give help with examples for every command', async () => {
    const { status: code, stdout } = await runMcctl(['--help']);
    assert.equal(code, 0);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) {2,}[a-z]/gm)].map(([, name = '']) => name);
    assert.ok(commands.length >= 13, stdout);
    for (const command of commands.filter((name) => name !== 'help' && name !== 'mcctl')) {
      const help = await runMcctl(['help', command]);
      assert.equal(help.status, 0, command);
      assert.match(help.stdout, new RegExp(`^Usage: mcctl ${command} `), command);
      assert.match(help.stdout, /\nExamples:\n {2}mcctl /, command);
    }
    const nothing = await runMcctl([]);
    assert.deepEqual([nothing.status, nothing.stdout], [64, '']);
    assert.match(nothing.stderr, /^Usage: mcctl/);
  });
});

describe('mcctl', { concurrency: 2 }, () => {
  it('suggests the nearest command, option and noun', async () => {
    const cases: [string, RegExp][] = [
      ['shwo', /^mcctl: there is no command 'shwo'\n {2}did you mean 'show'\?\n/],
      ['zebra', /^mcctl: there is no command 'zebra'\n {2}'mcctl help' lists them\n$/],
      ['a', /^mcctl: 'a' may be add or apply or audit\n$/],
      ['show r', /^mcctl: show: 'r' may be routes or rules\n$/],
      ['show ruotes', /did you mean 'routes'\?/],
      ['show zebra', /there are routes, groups, interfaces, pending, rules, mfc, gateway/],
      ['show --ownr-only x', /unknown option '--ownr-only'\n.*--owner-only/],
      ['flush now', /^mcctl: too many arguments for 'flush'/],
      ['add eth0', /^mcctl: add: GROUP is missing after 'eth0'\n {2}usage: mcctl add IIF \[SOURCE/],
      ['-t 0 show', /A table is 1 to 99999999/],
      ['--timeout 0 show', /more than 0/],
      ['-o xml show', /Allowed choices are table, wide, json, yaml/],
      ['interface eth0 --ttl-threshold 255', /A TTL threshold is 1 to 254/],
    ];
    for (const [words, pattern] of cases) {
      const ended = await runMcctl(words.split(' '));
      assert.deepEqual([ended.status, ended.stdout], [64, ''], words);
      assert.match(ended.stderr, pattern);
    }
  });

  it('takes options before and after the command, and those of the command line before the environment', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const socket = agent.path;
    const environment = { MCROUTE_SOCKET: '/nonexistent', MCROUTE_TABLE: '9' };
    for (const words of [
      ['-u', socket, 'show'],
      ['show', '-u', socket],
      ['show', '--socket', socket, '--table', '5'],
    ]) {
      assert.equal((await runMcctl(words, { environment })).status, 0, words.join(' '));
    }
    assert.equal((await mcctl('show --table 5', { environment })).status, 0);
    assert.equal((await runMcctl(['show'], { environment: { MCROUTE_SOCKET: socket } })).status, 0);
    const other = await mcctl(`show -u ${socket} -t 7`);
    assert.equal(other.status, 69);
    assert.match(other.stderr, /^mcctl: this agent serves table 5, not 7\n {2}give the table/);
  });

  it('says where an agent was sought that is not there, and which are', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const ended = await mcctl('-t 6 show');
    assert.equal(ended.status, 69);
    const expected = [
      `mcctl: no agent answers at ${agent.path.replace('5.sock', '6.sock')}: there is no such socket`,
      '  start the agent of table 6: systemctl start mcroute-agent@6',
      `  sockets in ${host.directory}: --table 5`,
    ];
    assert.equal(ended.stderr, `${expected.join('\n')}\n`);
    const none = await mcctl('show', { environment: { MCROUTE_TABLE: '' } });
    assert.equal(none.status, 69);
    assert.match(
      none.stderr,
      /^mcctl: no table is given\n {2}give one with --table N.*\n {2}sockets in .*: --table 5\n$/,
    );
    const nowhere = await runMcctl(['show', '-t', '5'], { environment: { MCROUTE_RUNTIME_DIRECTORY: '/nonexistent' } });
    assert.match(nowhere.stderr, /no agent runs on this host: there is no \/nonexistent\n$/);
  });

  it('tells a socket that was left over, and what is no socket', async () => {
    await using host = await openHost();
    const { directory } = host;
    const stale = join(directory, 'stale.sock');
    const server = createServer().listen(stale);
    await waitForEvent(server, 'listening');
    // A link keeps the socket's name when its server removes its own.
    const left = join(directory, 'left.sock');
    linkSync(stale, left);
    server.close();
    await waitForEvent(server, 'close');
    const ended = await runMcctl(['-u', left, 'show']);
    assert.equal(ended.status, 69);
    assert.match(
      ended.stderr,
      /left\.sock: the socket is left over from an agent that has ended\n {2}start the agent\n/,
    );
    const file = join(directory, 'file.sock');
    writeFileSync(file, '');
    assert.match((await runMcctl(['-u', file, 'show'])).stderr, /file\.sock: this is not a socket\n/);
  });

  it('refuses the path of a socket that is too long, and a wrong environment', async () => {
    const long = `/tmp/${'x'.repeat(103)}`;
    const ended = await runMcctl(['-u', long, 'show']);
    assert.equal(ended.status, 64);
    assert.match(ended.stderr, /^mcctl: --socket: '.*' has 108 bytes\n {2}the path of a unix socket has 107 at most/);
    assert.equal((await runMcctl(['-u', '', 'show'])).status, 64);
    assert.equal((await runMcctl(['show'], { environment: { MCROUTE_SOCKET: long } })).status, 78);
    const table = await runMcctl(['show'], { environment: { MCROUTE_TABLE: 'five!' } });
    assert.deepEqual(
      [table.status, table.stderr],
      [78, "mcctl: MCROUTE_TABLE: 'five!' is not a table: 1 to 99999999, or a name\n"],
    );
    const directories = { MCROUTE_RUNTIME_DIRECTORY: long };
    assert.equal((await runMcctl(['-t', '5', 'show'], { environment: directories })).status, 78);
  });

  it('gives up when the agent does not answer in time', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    agent.isSilent = true;
    for (const words of ['add eth0 239.1.1.1 eth1', 'show', 'flush', 'apply --prune -f -']) {
      const ended = await mcctl(`--timeout 0.2 ${words}`, { stdin: FILE });
      assert.equal(ended.status, 75, `${words}: ${ended.stderr}`);
      assert.match(ended.stderr, /^mcctl: no answer from .*5\.sock within 0\.2 s\n {2}the agent is busy or hangs/);
    }
  });

  it('ends with the status of every error that an agent tells', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const expected: Record<Reason, number> = {
      INVALID_FIELD: 65,
      TABLE_NOT_FOUND: 69,
      NOT_FOUND: 1,
      RESOURCE_LIMIT: 1,
      WATCHER_TOO_SLOW: 75,
      REVISION_MISMATCH: 75,
      REVISION_COMPACTED: 75,
      WARNINGS: 1,
      KERNEL_ERROR: 1,
      MESSAGE_TOO_LARGE: 65,
      AGENT_UNAVAILABLE: 69,
      TABLE_IN_USE: 69,
      MISSING_CAPABILITY: 77,
      STORAGE: 73,
      TABLE_EXISTS: 65,
      AGENT_FAILED: 69,
      CONFIGURATION: 78,
      UNAUTHENTICATED: 77,
      PERMISSION_DENIED: 77,
      RATE_LIMIT: 75,
      NOT_PRIMARY: 1,
      UNCONFIRMED: 1,
      LOCKOUT: 1,
      HISTORY_LOST: 1,
      INTERNAL: 70,
    };
    for (const [reason, code] of Object.entries(expected)) {
      agent.failure = new ApiError(reason as Reason, `the sentence of ${reason}`);
      const ended = await mcctl(reason === 'WATCHER_TOO_SLOW' ? 'watch' : 'join eth0 239.1.1.1');
      assert.deepEqual([ended.status, ended.stdout], [code, ''], reason);
      assert.ok(ended.stderr.startsWith(`mcctl: the sentence of ${reason}\n`), ended.stderr);
    }
  });

  it('ends with the status of canonical codes that have no reason', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const { metadata } = toStatusObject(new ApiError('INTERNAL', 'x'));
    metadata.remove('grpc-status-details-bin');
    for (const [code, expected] of [
      [status.PERMISSION_DENIED, 77],
      [status.UNAUTHENTICATED, 77],
      [status.INVALID_ARGUMENT, 65],
      [status.INTERNAL, 70],
      [status.CANCELLED, 69],
      [status.UNIMPLEMENTED, 70],
      [status.UNAVAILABLE, 69],
    ] as const) {
      agent.failure = { code, details: 'no', metadata };
      assert.equal((await mcctl('flush')).status, expected, `code ${code}`);
    }
  });

  it('tells that the socket may not be used', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const { metadata } = toStatusObject(new ApiError('INTERNAL', 'x'));
    metadata.remove('grpc-status-details-bin');
    agent.failure = { code: status.UNAVAILABLE, details: 'Last error: connect EACCES /run/mcroute/5.sock', metadata };
    const ended = await mcctl('show');
    assert.equal(ended.status, 77);
    assert.match(ended.stderr, /5\.sock: no permission to use this socket\n {2}use sudo/);
  });

  it('has colours only on a terminal', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    await mcctl('add eth0 239.1.1.1 eth1');
    assert.ok(!(await mcctl('show')).stdout.includes('\u001b'));
  });
});
