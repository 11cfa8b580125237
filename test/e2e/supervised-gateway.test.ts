// The supervisor with a gateway that does what it is told: its life, its door to the tables, and that no agent notices.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { connectToSupervisor, deadlineAfter, unary } from '../../src/api/client.js';
import type { ListTablesResponse__Output } from '../../src/api/generated/mcroute/v1/ListTablesResponse.js';
import { TARGET_ID, isRootless, itAsRoot } from '../support/launcher.js';
import { SupervisorHost, type SupervisorProcess, TOLD_AGENTS, type ToldLife, isAlive } from '../support/supervisor.js';
import { WAIT_LIMIT_MS } from '../support/wait.js';

const TABLE = 5;

let host: SupervisorHost;

beforeEach(() => {
  host = new SupervisorHost();
  host.configure([`id: ${TABLE}`], '');
  host.tell(TABLE, 'ready');
  host.tell('gateway', 'ready');
});

afterEach(() => {
  host[Symbol.dispose]();
});

function lastLife(): ToldLife {
  return host.lives('gateway').at(-1) ?? assert.fail('there was no gateway');
}

function doorPath(): string {
  return join(host.runtimeDirectory, 'supervisor-gateway.sock');
}

/** Waits until the keeper is told that the gateway is so. */
async function untilTold(supervisor: SupervisorProcess, state: string, since = 0): Promise<void> {
  const line = `STATUS=1 table, 1 ready; gateway ${state}`;
  await supervisor.eventually(() => host.saidSince(since).includes(line), line);
}

/** Waits until another gateway than the one with the pid serves. */
async function untilReplaced(supervisor: SupervisorProcess, pid: number): Promise<ToldLife> {
  await supervisor.eventually(() => host.lives('gateway').length > 0 && lastLife().pid !== pid, 'there is another');
  await supervisor.order('gateway');
  return lastLife();
}

/** Something happens to the gateway, and the agent of the table has not noticed. */
async function whileTableServes(supervisor: SupervisorProcess, body: () => Promise<void>): Promise<void> {
  const before = await supervisor.table(TABLE);
  await body();
  const { pid, state, restarts } = await supervisor.table(TABLE);
  assert.deepEqual([pid, state, restarts], [before.pid, 'STATE_READY', 0]);
}

describe('a gateway under a supervisor', () => {
  it('is started with what it needs, and nothing that is kept for tables', async () => {
    const file = join(host.root, 'gateway.yaml');
    host.configure([`id: ${TABLE}`], `config: ${file}, log-level: debug, watchdog: 7`);
    host.tell(TABLE, 'keep mrt4\nready');
    const supervisor = await host.start();
    assert.ok(host.keeper.said.includes('STATUS=1 table, 1 ready; gateway ready'), host.keeper.said.join(', '));
    const { arguments: words, environment, open, kept } = lastLife();
    assert.deepEqual(words, [
      ...['--config', file, '--runtime-directory', host.runtimeDirectory, '--log-level', 'debug'],
    ]);
    assert.equal(environment['MCROUTE_LOGS_DIRECTORY'], join(host.logsDirectory, 'gateway'));
    assert.equal(environment['WATCHDOG_USEC'], '7000000');
    assert.deepEqual(kept, []);
    // Then the lock and the file of the lives, and the folder of the list itself.
    assert.ok(open.length <= 6, String(open));
    assert.equal(await supervisor.end('SIGTERM'), 0);
    assert.ok(!existsSync(doorPath()));
  });

  it('is not there without its section', async () => {
    host.configure([`id: ${TABLE}`]);
    await host.start();
    assert.ok(host.keeper.said.includes('STATUS=1 table, 1 ready'), host.keeper.said.join(', '));
    assert.ok(!existsSync(doorPath()));
    assert.ok(!existsSync(join(host.logsDirectory, 'gateway')));
    assert.deepEqual(host.lives('gateway'), []);
  });

  it('has a door to the tables that is its alone, as its folders are', async () => {
    await host.start();
    const paths = [doorPath(), join(host.logsDirectory, 'gateway'), join(host.stateDirectory, 'gateway')];
    const uid = isRootless ? 0 : TARGET_ID;
    assert.deepEqual(
      paths.map((path) => [statSync(path).uid, statSync(path).mode & 0o777]),
      [
        [uid, 0o600],
        [uid, 0o700],
        [uid, 0o700],
      ],
    );
    for (const folder of [host.logsDirectory, host.stateDirectory]) assert.equal(statSync(folder).uid, 0);
    using door = connectToSupervisor(doorPath());
    const { entries } = await unary<ListTablesResponse__Output>((callback) =>
      door.client.ListTables({}, { deadline: deadlineAfter(WAIT_LIMIT_MS) }, callback),
    );
    assert.deepEqual(
      entries.map(({ table }) => table),
      [TABLE],
    );
  });

  it('that is killed has a successor', async () => {
    const supervisor = await host.start();
    await whileTableServes(supervisor, async () => {
      const { pid } = lastLife();
      process.kill(pid, 'SIGKILL');
      await untilReplaced(supervisor, pid);
    });
    assert.match(supervisor.log, /the gateway was killed by SIGKILL/);
  });

  it('that hangs is replaced', async () => {
    host.configure([`id: ${TABLE}`], 'watchdog: 1');
    host.tell('gateway', 'ready\nhang', 'ready');
    const supervisor = await host.start();
    await whileTableServes(supervisor, async () => {
      await untilReplaced(supervisor, lastLife().pid);
    });
    assert.match(supervisor.log, /the gateway gave no sign of life/);
  });

  it('that cannot start is not tried again, and the tables serve', async () => {
    host.tell('gateway', 'say mcroute-gateway: gateway.yaml:1:1: what is this\nexit 78', 'ready');
    const supervisor = await host.start();
    await untilTold(supervisor, 'failed: see the log');
    assert.match(supervisor.log, /the gateway ended with 78: gateway.yaml:1:1: what is this/);
    assert.equal((await supervisor.table(TABLE)).state, 'STATE_READY');
    assert.equal(host.lives('gateway').length, 1);
    // Its cause may be gone.
    supervisor.process.kill('SIGHUP');
    await untilTold(supervisor, 'ready');
  });

  it('reads its files again, or is replaced, or goes, as the file of the supervisor says', async () => {
    const supervisor = await host.start();
    const { pid } = lastLife();
    await whileTableServes(supervisor, async () => {
      supervisor.process.kill('SIGHUP');
      await supervisor.eventually(() => supervisor.log.includes('it reads its files again'), 'it reads its files');
      assert.equal(lastLife().pid, pid);
      host.configure([`id: ${TABLE}`], 'log-level: info');
      supervisor.process.kill('SIGHUP');
      const { pid: second } = await untilReplaced(supervisor, pid);
      assert.ok(!isAlive(pid));
      host.configure([`id: ${TABLE}`]);
      supervisor.process.kill('SIGHUP');
      await supervisor.eventually(() => !isAlive(second) && !existsSync(doorPath()), 'it is gone');
      const said = host.saidSince(0).length;
      host.configure([`id: ${TABLE}`], '');
      supervisor.process.kill('SIGHUP');
      await untilTold(supervisor, 'ready', said);
      assert.equal(host.lives('gateway').length, 3);
    });
  });

  it('stays as it is when the file of the supervisor is broken', async () => {
    const supervisor = await host.start();
    const { pid } = lastLife();
    writeFileSync(host.configuration, 'gateway: { config: 5 }\n');
    supervisor.process.kill('SIGHUP');
    const status = 'STATUS=1 table, 1 ready; gateway ready; the configuration file cannot be used: see the log';
    await supervisor.eventually(() => host.saidSince(0).includes(status), status);
    assert.equal(lastLife().pid, pid);
  });

  for (const signal of ['SIGTERM', 'SIGUSR2'] as const) {
    it(`ends with a supervisor that gets ${signal}, and the next one has its own`, async () => {
      const first = await host.start();
      const { pid } = lastLife();
      assert.equal(await first.end(signal), 0, first.log);
      assert.ok(!isAlive(pid));
      assert.ok(!existsSync(doorPath()));
      const second = await host.start();
      await untilReplaced(second, pid);
      assert.equal(host.lives('gateway').length, 2);
    });
  }

  it('dies with a supervisor that is killed, and the next one has its own', async () => {
    const first = await host.start();
    const { pid } = lastLife();
    await first.end('SIGKILL');
    await first.eventually(() => !isAlive(pid), 'the gateway is gone too');
    const second = await host.start();
    await untilReplaced(second, pid);
    assert.equal(statSync(doorPath()).mode & 0o777, 0o600);
  });

  it('that will not end does not keep the supervisor from it', async () => {
    host.tell('gateway', 'ignore SIGUSR2\nready');
    const supervisor = await host.start();
    const { pid } = lastLife();
    assert.equal(await supervisor.end('SIGTERM'), 0, supervisor.log);
    assert.ok(!isAlive(pid));
  });

  itAsRoot('whose user is not there is not started as another', async () => {
    host.configure([`id: ${TABLE}`], 'user: no-such-user');
    const supervisor = await host.start({ ...TOLD_AGENTS, MCROUTE_GATEWAY: '' });
    await untilTold(supervisor, 'failed: see the log');
    assert.match(supervisor.log, /there is no user \\"no-such-user\\"/);
    assert.deepEqual(host.lives('gateway'), []);
  });
});

describe('the real gateway under a supervisor', () => {
  const REAL_GATEWAY = { ...TOLD_AGENTS, MCROUTE_GATEWAY: '' };
  const socketPath = () => join(host.runtimeDirectory, 'gateway.sock');
  const limit = () => ({ deadline: deadlineAfter(WAIT_LIMIT_MS) });

  /** The process, which notes nothing of itself. */
  function pidOf(supervisor: SupervisorProcess): number {
    const [, pid] = /"gatewayPid":(\d+),"msg":"the gateway was started"/.exec(supervisor.log) ?? [];
    return Number(pid ?? assert.fail(supervisor.log));
  }

  it('has no capability, and serves the tables that the supervisor has', async () => {
    const supervisor = await host.start(REAL_GATEWAY);
    await untilTold(supervisor, 'ready');
    const status = readFileSync(`/proc/${pidOf(supervisor)}/status`, 'latin1').split('\n');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      assert.ok(status.includes(`${set}:\t${'0'.repeat(16)}`), set);
    }
    using gateway = connectToSupervisor(socketPath());
    const { entries } = await unary<ListTablesResponse__Output>((callback) =>
      gateway.client.ListTables({}, limit(), callback),
    );
    assert.deepEqual(
      entries.map(({ table }) => table),
      [TABLE],
    );
    const refused = unary((callback) =>
      gateway.client.CreateTable({ table: 6, settings: { user: 'root' } }, limit(), callback),
    );
    await assert.rejects(refused, /user of a table can be set only on the host itself/);
  });

  it('dies with a supervisor that is killed, and the next one has its own at the same socket', async () => {
    const first = await host.start(REAL_GATEWAY);
    await untilTold(first, 'ready');
    const pid = pidOf(first);
    await first.end('SIGKILL');
    await first.eventually(() => !isAlive(pid), 'the gateway is gone too');
    const said = host.saidSince(0).length;
    const second = await host.start(REAL_GATEWAY);
    await untilTold(second, 'ready', said);
    assert.equal(await second.end('SIGTERM'), 0, second.log);
    assert.ok(!existsSync(socketPath()));
  });
});
