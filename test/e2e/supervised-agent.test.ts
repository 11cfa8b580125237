// A supervisor with a real agent: what the kernel holds while one dies, is replaced, or is told to end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type AgentConnection, connectToSocket } from '../../src/api/client.js';
import { apply, list, put } from '../support/calls.js';
import { itAsRoot } from '../support/launcher.js';
import { SupervisorHost, type SupervisorProcess, isAlive } from '../support/supervisor.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';

const TABLE = 5;
const GROUPS = ['239.7.1.1', 'ff1e::7:1:1'];

/** Real agents; told ones are for the other tests of the supervisor. */
const REAL_AGENTS: NodeJS.ProcessEnv = {};

let topology: RouterTopology;
let host: SupervisorHost;

beforeEach(() => {
  topology = routerTopology();
  host = new SupervisorHost();
  host.configure([`id: ${TABLE}, netns: ${topology.router.netns}`]);
});

afterEach(() => {
  host[Symbol.dispose]();
  topology[Symbol.dispose]();
});

function socketPath(): string {
  return join(host.runtimeDirectory, `${TABLE}.sock`);
}

async function withAgent<T>(body: (client: AgentConnection['client']) => Promise<T>): Promise<T> {
  using connection = connectToSocket(socketPath());
  return await body(connection.client);
}

/** Gives the agent a rule and a membership of each family. */
async function addWishes(): Promise<void> {
  const changes = GROUPS.flatMap((group) => [
    put({ key: { iif: 'in0', group }, oifs: [{ interface: 'out1' }] }),
    { put: { membership: { key: { interface: 'in0', group } } } },
  ]);
  const { results } = await withAgent((client) => apply(client, { changes }));
  assert.deepEqual(
    results.map(({ entry }) => entry?.state),
    results.map(() => 'STATE_PROGRAMMED'),
  );
}

/** States of what the agent lists. */
async function states(): Promise<readonly unknown[]> {
  const { entries } = await withAgent((client) => list(client));
  return entries.map(({ state }) => state);
}

/** What the kernel has of the table: entries, mrules and joins, of both families. */
function kernelState(): { readonly entries: string; readonly mrules: readonly string[]; readonly joins: number } {
  const ip = (...words: string[]) => topology.router.run('ip', words);
  return {
    entries: ['-4', '-6'].map((family) => ip(family, 'mroute', 'show', 'table', String(TABLE))).join(''),
    mrules: ['-4', '-6'].flatMap((family) =>
      ip(family, 'mrule', 'show')
        .split('\n')
        .filter((line) => line.includes(`lookup ${TABLE}`)),
    ),
    joins: GROUPS.filter((group) => ip('maddress', 'show', 'dev', 'in0').includes(group)).length,
  };
}

const NOTHING = { entries: '', mrules: [], joins: 0 };

/** Starts a supervisor whose agent has its wishes in the kernel. */
async function startWithWishes(): Promise<SupervisorProcess> {
  const supervisor = await host.start(REAL_AGENTS);
  const { state, lastError } = await supervisor.table(TABLE);
  assert.equal(state, 'STATE_READY', `${lastError?.message ?? ''}\n${supervisor.log}`);
  await addWishes();
  const { entries, mrules, joins } = kernelState();
  for (const group of GROUPS) assert.ok(entries.includes(group), entries);
  assert.ok(mrules.length >= 2, mrules.join('\n'));
  assert.equal(joins, 2);
  return supervisor;
}

/** Waits until another agent than the one with the pid serves. */
async function untilReplaced(supervisor: SupervisorProcess, pid: number): Promise<void> {
  await supervisor.eventually(async () => {
    const entry = await supervisor.table(TABLE);
    return entry.state === 'STATE_READY' && entry.pid !== pid;
  }, 'another agent serves');
}

describe('under a supervisor an agent', () => {
  it('that is killed, or restarted, has a successor that leaves the kernel as it is', async () => {
    const supervisor = await startWithWishes();
    const before = kernelState();
    const { pid, descriptors } = await supervisor.table(TABLE);
    process.kill(pid, 'SIGKILL');
    await untilReplaced(supervisor, pid);
    assert.deepEqual(kernelState(), before);
    assert.deepEqual(await states(), Array(4).fill('STATE_PROGRAMMED'));
    await supervisor.restartTable(TABLE);
    assert.deepEqual(kernelState(), before);
    assert.deepEqual(await states(), Array(4).fill('STATE_PROGRAMMED'));
    assert.equal((await supervisor.table(TABLE)).descriptors, descriptors);
    assert.equal(await supervisor.end('SIGTERM'), 0, supervisor.log);
    assert.deepEqual(kernelState(), NOTHING);
  });

  itAsRoot('runs as the user of its table, with the group that may talk to agents', async () => {
    host.configure([`id: ${TABLE}, user: daemon, netns: ${topology.router.netns}`]);
    const supervisor = await host.start(REAL_AGENTS);
    const { pid, lastError } = await supervisor.table(TABLE);
    assert.notEqual(pid, 0, lastError?.message);
    const { uid } = statSync(`/proc/${pid}`);
    assert.equal(uid, Number(execFileSync('id', ['-u', 'daemon'], { encoding: 'utf8' })));
    assert.equal(statSync(socketPath()).gid, statSync(host.runtimeDirectory).gid);
    await addWishes();
  });

  it('reads its configuration file again when the supervisor does', async () => {
    const file = join(host.root, 'studio.conf');
    const write = (group: string) => {
      writeFileSync(file, `mroute from in0 group ${group} to out1\n`, { mode: 0o644 });
    };
    write('239.7.2.1');
    host.configure([`id: ${TABLE}, netns: ${topology.router.netns}, config: ${file}`]);
    const supervisor = await host.start(REAL_AGENTS);
    const { pid, lastError } = await supervisor.table(TABLE);
    assert.notEqual(pid, 0, lastError?.message);
    assert.match(kernelState().entries, /239\.7\.2\.1/);
    write('239.7.2.2');
    supervisor.process.kill('SIGHUP');
    await supervisor.eventually(() => kernelState().entries.includes('239.7.2.2'), 'the new rule is there');
    assert.doesNotMatch(kernelState().entries, /239\.7\.2\.1/);
    assert.equal((await supervisor.table(TABLE)).pid, pid);
  });

  it('that is stopped leaves nothing in the kernel, and comes back with its wishes', async () => {
    const supervisor = await startWithWishes();
    const { pid } = await supervisor.table(TABLE);
    await supervisor.stopTable(TABLE);
    assert.deepEqual(kernelState(), NOTHING);
    assert.ok(!isAlive(pid));
    assert.ok(!existsSync(socketPath()));
    assert.deepEqual(host.keeper.names, []);
    await supervisor.startTable(TABLE);
    assert.deepEqual(await states(), Array(4).fill('STATE_PROGRAMMED'));
  });

  it('that was stopped with its forwarding kept is flushed by a plain stop', async () => {
    const supervisor = await startWithWishes();
    await supervisor.stopTable(TABLE, true);
    assert.notEqual(kernelState().entries, '');
    await supervisor.stopTable(TABLE);
    assert.deepEqual(kernelState(), NOTHING);
  });

  it('dies with its supervisor, and both have successors that leave the kernel as it is', async () => {
    const first = await startWithWishes();
    const before = kernelState();
    const { pid } = await first.table(TABLE);
    await first.end('SIGKILL');
    await first.eventually(() => !isAlive(pid), 'the agent is gone too');
    assert.deepEqual(kernelState(), before);
    const second = await host.start(REAL_AGENTS);
    assert.equal((await second.table(TABLE)).state, 'STATE_READY', second.log);
    assert.deepEqual(kernelState(), before);
    assert.equal(await second.end('SIGUSR2'), 0);
    assert.deepEqual(kernelState(), before);
    const third = await host.start(REAL_AGENTS);
    assert.deepEqual(await states(), Array(4).fill('STATE_PROGRAMMED'));
    assert.equal(await third.end('SIGTERM'), 0, third.log);
    assert.deepEqual(kernelState(), NOTHING);
    assert.deepEqual(host.keeper.names, []);
    assert.deepEqual(topology.router.pids(), []);
  });
});
