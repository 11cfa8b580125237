// Starts: what is refused, with which exit code and which cure, and what a refused start leaves behind: nothing.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { deadlineAfter, unary } from '../../src/api/client.js';
import { startAgent } from '../support/agent.js';
import { installTree } from '../support/install-tree.js';
import { apply, list, put, route } from '../support/calls.js';
import { expectedId, itAsRoot } from '../support/launcher.js';
import { type Namespace, openNamespace } from '../support/namespaces.js';
import { AGENT, WITHOUT_IPV6, areDefaultTablesFree, ownTable, runtimeDirectory, start } from '../support/start.js';
import { waitForExit } from '../support/wait.js';

const HAND_OVER = join(installTree(), 'test/support/hand-over.py');

let namespace: Namespace;

before(() => {
  namespace = openNamespace('start');
});

after(() => {
  namespace[Symbol.dispose]();
});

/** The mrules and the owned sockets that are there; a refused start must leave none. */
function leftovers(): string {
  const mrules = ['-4', '-6'].map((family) => namespace.run('ip', [family, 'mrule', 'show']));
  return mrules.join('').replaceAll(/^32767:.*\n/gm, '');
}

describe('a start is refused as a usage error (64)', () => {
  const cases: readonly (readonly [name: string, words: readonly string[], says: RegExp])[] = [
    ...['0', '100000000', 'x', '-1', '1.5', '0x10', ''].map(
      (table) => [`for table '${table}'`, [`--table=${table}`], /INVALID_FIELD: .*from 1 to 99999999/] as const,
    ),
    ['for want of a table', [], /INVALID_FIELD: the table id is missing: add --table ID/],
    ['for an option that is none', ['--table', '301', '--tabel', '5'], /unknown option '--tabel'/],
    ['for a word that is no option', ['--table', '301', 'now'], /too many arguments/],
    ['for a family that is none', ['--table', '301', '--families', 'ipx'], /INVALID_FIELD: --families "ipx"/],
    ['for a user that is none', ['--table', '301', '--user', 'no-such'], /UNKNOWN_USER: .*useradd --system no-such/],
    ['for a timeout that is none', ['--table', '301', '--cache-timeout', '-5'], /whole number, 0 to 86400/],
    ['for a log level that is none', ['--table', '301', '-l', 'loud'], /Allowed choices are none, err/],
    ['for a priority that is none', ['--table', '301', '--mrule-priority', '32767'], /whole number, 1 to 32766/],
    ['for a socket path over 107 bytes', ['--table', '301', '-u', `/run/${'x'.repeat(103)}`], /longer than 107 bytes/],
  ];
  for (const [name, words, says] of cases) {
    it(name, () => {
      const { status, stdout, stderr } = start(namespace, [AGENT, ...words]);
      assert.equal(status, 64, stderr);
      assert.match(stderr, says);
      assert.equal(stdout, '');
      assert.equal(leftovers(), '');
      assert.ok(areDefaultTablesFree(namespace));
    });
  }
});

describe('a start is refused where a table is owned (69)', () => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    it(`by another program, of ${family}`, async () => {
      using owner = await ownTable(namespace, 302, family);
      assert.ok(owner);
      const { status, stderr } = start(namespace, [AGENT, '--table', '302']);
      assert.equal(status, 69);
      const title = family === 'ipv4' ? 'IPv4' : 'IPv6';
      assert.match(stderr, new RegExp(`TABLE_IN_USE: table 302 \\(${title}\\) is owned .*ss -awp.*another --table`));
      assert.equal(leftovers(), '');
      assert.ok(areDefaultTablesFree(namespace));
    });
  }

  it('by another agent, which goes on', async () => {
    using agent = await startAgent(namespace, { table: 303 });
    await apply(agent.client, { changes: [put(route('239.1.1.1'))] });
    const before = await list(agent.client);
    const { status, stderr } = start(namespace, [AGENT, '--table', '303']);
    assert.equal(status, 69);
    assert.match(stderr, /TABLE_IN_USE: table 303/);
    assert.deepEqual(await list(agent.client), before);
    assert.ok(areDefaultTablesFree(namespace), 'nor does a living agent own the default tables');
    assert.equal(await agent.stop(), 0);
  });
});

describe('a start without privileges is refused (77)', () => {
  // With CAP_NET_RAW alone the socket opens, MRT_TABLE is refused, and MRT_INIT would take the default table.
  for (const bounding of ['-all', '-all,+net_raw', '-net_admin']) {
    it(`with the bounding set ${bounding}`, () => {
      const drop = ['setpriv', '--bounding-set', bounding, '--inh-caps', '-all'];
      const { status, stderr } = start(namespace, [...drop, AGENT, '--table', '304']);
      assert.equal(status, 77, stderr);
      assert.match(
        stderr,
        /MISSING_CAPABILITY: .*CAP_NET_ADMIN and CAP_NET_RAW: start it as root, from its systemd unit/,
      );
      assert.ok(areDefaultTablesFree(namespace));
    });
  }

  itAsRoot('for a user who is not root', () => {
    const drop = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
    const { status, stderr } = start(namespace, [...drop, AGENT, '--table', '304']);
    assert.equal(status, 77, stderr);
    assert.match(stderr, /MISSING_CAPABILITY/);
  });

  it('and not served with more of them than CAP_NET_ADMIN', () => {
    // Started past the launcher, with a table that is owned and all that root may do.
    const program = [process.execPath, join(installTree(), 'dist/src/start/start.cjs'), 'mcroute-agent'];
    // The launcher makes the table's folder.
    const state = join(runtimeDirectory(namespace), 'state');
    mkdirSync(join(state, '304'), { recursive: true });
    const words = [...program, '--table', '304', '--state-directory', state];
    const { status, stderr } = start(namespace, ['python3', HAND_OVER, '304', 'vifs', ...words]);
    assert.equal(status, 77, stderr);
    assert.match(stderr, /a thread has other privileges than CAP_NET_ADMIN: start 'mcroute-agent' from bin/);
    assert.match(stderr, /"findings":\[\{"tid":\d+,"field":"Cap/);
    assert.ok(!existsSync(join(runtimeDirectory(namespace), '304.sock')), 'it never served');
    assert.equal(leftovers(), '');
  });
});

describe('the socket', () => {
  it('is for the agent’s user and group alone', async () => {
    using agent = await startAgent(namespace, { table: 305 });
    const { mode, uid, gid } = statSync(agent.socketPath);
    assert.deepEqual([mode & 0o7777, uid, gid], [0o660, expectedId, expectedId]);
    await agent.stop();
  });

  it('that a killed agent left is replaced', async () => {
    using killed = await startAgent(namespace, { table: 306 });
    killed.process.kill('SIGKILL');
    await waitForExit(killed.process);
    assert.ok(existsSync(killed.socketPath));
    using agent = await startAgent(namespace, { table: 306 });
    assert.deepEqual((await list(agent.client)).entries, []);
    await agent.stop();
  });

  it('of a living agent is not taken (69), and it goes on', async () => {
    using agent = await startAgent(namespace, { table: 307 });
    const refused = start(namespace, [AGENT, '--table', '308', '--socket', agent.socketPath]);
    assert.equal(refused.status, 69, refused.stderr);
    assert.match(refused.stderr, /another program serves on '.*307\.sock': stop it, or choose another --socket/);
    assert.deepEqual((await list(agent.client)).entries, []);
    await agent.stop();
  });

  it('is not made in the place of a plain file or a folder (64), which stays', () => {
    const directory = runtimeDirectory(namespace);
    writeFileSync(join(directory, '309.sock'), 'precious');
    mkdirSync(join(directory, '310.sock'));
    for (const table of ['309', '310']) {
      const { status, stderr } = start(namespace, [AGENT, '--table', table]);
      assert.equal(status, 64, stderr);
      assert.match(stderr, /is there and not a socket: remove it, or choose another --socket/);
    }
    assert.equal(readFileSync(join(directory, '309.sock'), 'utf8'), 'precious');
    assert.equal(leftovers(), '');
  });

  itAsRoot('cannot be made in a folder of others (77), and the sentence has the cure', () => {
    const directory = '/run/of-others';
    mkdirSync(join(directory, 'not-empty'), { recursive: true });
    chmodSync(directory, 0o755);
    const environment = { MCROUTE_RUNTIME_DIRECTORY: directory };
    const { status, stderr } = start(namespace, [AGENT, '--table', '311'], environment);
    assert.equal(status, 77, stderr);
    assert.match(
      stderr,
      /warning: user \S+ cannot make a socket in \/run\/of-others .*`chown \S+:\S+ \/run\/of-others`/,
    );
    assert.match(stderr, /mcroute-agent: cannot serve on '\/run\/of-others\/311\.sock' .*choose another --socket/);
    assert.equal(leftovers(), '');
    chownSync(directory, expectedId, expectedId);
    const { status: cured } = start(namespace, ['timeout', '-s', 'TERM', '5', AGENT, '--table', '311'], environment);
    assert.equal(cured, 124, 'it ran until it was told to end');
  });

  it('cannot be made in a folder that is not there (77)', () => {
    const { status, stderr } = start(namespace, [AGENT, '--table', '312', '--socket', '/run/no/such/312.sock']);
    assert.equal(status, 77, stderr);
    assert.match(stderr, /cannot serve on '\/run\/no\/such\/312\.sock' .*is '\/run\/no\/such' there/);
  });
});

describe('on a kernel without IPv6', () => {
  it('an agent serves IPv4, says so, and lets IPv6 rules wait', async () => {
    using agent = await startAgent(namespace, { table: 313, wrapper: WITHOUT_IPV6 });
    assert.match(agent.log, /warning: the kernel has no IPv6: .*; going on with IPv4 alone/);
    const { families } = await unary<{ families: unknown }>((callback) =>
      agent.client.GetCapabilities({}, { deadline: deadlineAfter(10_000) }, callback),
    );
    assert.deepEqual(families, ['FAMILY_IPV4']);
    const rule = (group: string) => put({ key: { iif: 'lo', group }, oifs: [{ interface: 'lo' }] });
    const membership = { put: { membership: { key: { interface: 'lo', group: 'ff1e::1' } } } };
    const changes = [rule('239.1.1.1'), rule('ff1e::1'), membership];
    const { results } = await apply(agent.client, { changes });
    assert.deepEqual(
      results.map(({ entry }) => [entry?.state, entry?.missing.map(({ reason }) => reason)]),
      [
        ['STATE_PROGRAMMED', []],
        ['STATE_PENDING', ['FAMILY_UNAVAILABLE']],
        ['STATE_PENDING', ['FAMILY_UNAVAILABLE']],
      ],
    );
    assert.match(results[1]?.entry?.missing[0]?.text ?? '', /does not route the family; see the log of the start/);
    assert.equal(await agent.stop(), 0);
  });

  it('an agent for IPv6 alone is refused (69)', () => {
    const { status, stderr } = start(namespace, [...WITHOUT_IPV6, AGENT, '--table', '314', '--families', 'ipv6']);
    assert.equal(status, 69);
    assert.match(stderr, /KERNEL_UNSUPPORTED: the kernel has no IPv6: .*leave the family out of --families/);
  });
});
