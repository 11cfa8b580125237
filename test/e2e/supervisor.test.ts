// The supervisor with agents that do what they are told: their lives, their descriptors, and its own ends.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { projectFile, run } from '../support/launcher.js';
import { SupervisorHost, type SupervisorProcess, TOLD_AGENTS, isAlive } from '../support/supervisor.js';
import { waitForExit } from '../support/wait.js';

const TABLE = 5;
const OTHER = 6;

let host: SupervisorHost;

beforeEach(() => {
  host = new SupervisorHost();
});

afterEach(() => {
  host[Symbol.dispose]();
});

/** The last life of a table's agent. */
function lastLife(table = TABLE): ReturnType<SupervisorHost['lives']>[number] {
  return host.lives(table).at(-1) ?? assert.fail(`table ${table} had no agent`);
}

/** Kills the agent of the table and waits until the next one serves. */
async function killAgent(supervisor: SupervisorProcess, table = TABLE): Promise<void> {
  const { pid } = await supervisor.until(table, 'STATE_READY');
  process.kill(pid, 'SIGKILL');
  await supervisor.eventually(async () => {
    const entry = await supervisor.table(table);
    return entry.state === 'STATE_READY' && entry.pid !== pid;
  }, `another agent of table ${table} serves`);
}

describe('a supervisor', () => {
  it('starts an agent for each table of its file, and is ready when all have been', async () => {
    host.configure([`id: ${TABLE}, name: studio`, `id: ${OTHER}, options: { star-g: learn, mrules: false }`]);
    host.tell(TABLE, 'ready');
    host.tell(OTHER, 'ready');
    const supervisor = await host.start();
    assert.ok(host.keeper.said.includes('STATUS=2 tables, 2 ready'), host.keeper.said.join(', '));
    const entries = await supervisor.list();
    assert.deepEqual(
      entries.map(({ table, origin, state, status, restarts }) => [table, origin, state, status, restarts]),
      [
        [TABLE, 'ORIGIN_CONFIGURATION', 'STATE_READY', `Serving table ${TABLE}`, 0],
        [OTHER, 'ORIGIN_CONFIGURATION', 'STATE_READY', `Serving table ${OTHER}`, 0],
      ],
    );
    assert.deepEqual(
      entries.map(({ pid }) => pid),
      [lastLife(TABLE).pid, lastLife(OTHER).pid],
    );
    assert.ok(lastLife(OTHER).arguments.join(' ').includes('--star-g learn --no-mrules'));
    assert.equal(await supervisor.end('SIGTERM'), 0);
  });

  it('without a table is ready at once, and so is one whose agents fail', async () => {
    const empty = await host.start();
    assert.ok(host.keeper.said.includes('STATUS=0 tables, 0 ready'));
    assert.equal(await empty.end('SIGTERM'), 0);
    host.configure([`id: ${TABLE}`]);
    host.tell(TABLE, 'say mcroute-agent: the state is damaged\nexit 78');
    const supervisor = await host.start();
    const entry = await supervisor.table(TABLE);
    assert.equal(entry.state, 'STATE_FAILED');
    assert.match(entry.lastError?.message ?? '', /^the agent of table 5 ended with 78: the state is damaged$/);
    assert.ok(host.keeper.said.includes('STATUS=1 table, 0 ready, 1 failed'), host.keeper.said.join(', '));
    assert.equal(host.lives(TABLE).length, 1);
    assert.equal(await supervisor.end('SIGTERM'), 0);
  });

  it('is alone in its runtime directory', async () => {
    await host.start();
    const second = host.run();
    assert.equal(await waitForExit(second.process), 69);
    assert.match(second.log, /mcroute-supervisor: another supervisor works in /);
  });

  it('runs without any keeper', async () => {
    host.configure([`id: ${TABLE}`]);
    host.tell(TABLE, 'keep mrt4\nready');
    using supervisor = host.run({ ...TOLD_AGENTS, NOTIFY_SOCKET: '' });
    await supervisor.eventually(() => existsSync(join(host.runtimeDirectory, 'supervisor.sock')), 'it serves');
    await supervisor.until(TABLE, 'STATE_READY');
    await killAgent(supervisor);
    assert.equal(lastLife().kept.length, 1);
    assert.equal(await supervisor.end('SIGTERM'), 0);
    assert.deepEqual(host.keeper.said, []);
  });

  for (const [what, words, status, text] of [
    ['a file that is fine', [], 0, /: 1 table\n$/],
    ['a file that is not there', ['--config', '/nowhere.yaml'], 78, /nowhere\.yaml: there is no such file/],
    ['an option that is unknown', ['--colour'], 64, /unknown option '--colour'/],
  ] as const) {
    it(`checks ${what} and ends with ${status}`, () => {
      host.configure([`id: ${TABLE}`]);
      const supervisor = projectFile('bin/mcroute-supervisor');
      const finished = run([supervisor, '--check', '--config', host.configuration, ...words]);
      assert.equal(finished.status, status, finished.stderr);
      assert.match(finished.stdout + finished.stderr, text);
    });
  }
});

describe('an agent that dies', () => {
  beforeEach(() => {
    host.configure([`id: ${TABLE}`]);
  });

  it('has a successor with its descriptors, in a stable order, from 3 on, and no others', async () => {
    host.tell(TABLE, 'keep asm4 2\nkeep vifs\nkeep mrt6\nkeep mrt4\nready', 'ready');
    const supervisor = await host.start();
    assert.equal((await supervisor.table(TABLE)).descriptors, 5);
    await killAgent(supervisor);
    const { kept, environment, open } = lastLife();
    const names = kept.map((each) => each.split(':')[0]);
    assert.deepEqual(names, ['mrt4', 'mrt6', 'vifs', 'asm4', 'asm4']);
    assert.equal(new Set(kept).size, 5);
    assert.equal(environment['LISTEN_FDNAMES'], 'mrt4:mrt6:vifs:asm4:asm4');
    // Then the lock and the file of the lives of the told agent, and the folder of the list itself.
    assert.deepEqual(open.slice(0, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.ok(open.length <= 11, String(open));
    const entry = await supervisor.table(TABLE);
    assert.equal(entry.restarts, 1);
    assert.match(entry.lastError?.message ?? '', /was killed by SIGKILL/);
    await killAgent(supervisor);
    assert.deepEqual(lastLife().kept, kept);
  });

  it('loses nothing that it had sent just before', async () => {
    host.tell(TABLE, 'ready\nkeep mrt4\nkeep asm4 600\nkill', 'ready');
    const supervisor = await host.start();
    await supervisor.eventually(() => host.lives(TABLE).length === 2, 'there is a second life');
    assert.equal(lastLife().kept.length, 601);
  });

  it('has what it sends twice kept once, and what it releases no longer', async () => {
    host.tell(TABLE, 'keep mrt4\nkeep asm4 3\nready');
    const supervisor = await host.start();
    await supervisor.order(TABLE, 'again asm4', 'again mrt4');
    assert.equal((await supervisor.table(TABLE)).descriptors, 4);
    assert.deepEqual(host.keeper.names, ['5.asm4', '5.asm4', '5.asm4', '5.mrt4']);
    await supervisor.order(TABLE, 'release asm4');
    assert.equal((await supervisor.table(TABLE)).descriptors, 1);
    assert.deepEqual(host.keeper.names, ['5.mrt4']);
  });

  it('a hundred times leaves no descriptor open in the supervisor', async () => {
    host.tell(TABLE, 'keep mrt4\nkeep asm4 20\nready', 'again mrt4\nagain asm4\nready');
    const supervisor = await host.start();
    await killAgent(supervisor);
    const before = supervisor.openDescriptors;
    for (let deaths = 0; deaths < 100; deaths++) {
      const { pid } = await supervisor.table(TABLE);
      process.kill(pid, 'SIGKILL');
      // Who asks does not wait for the back-off.
      await supervisor.eventually(async () => (await supervisor.table(TABLE)).pid !== pid, 'its death is seen');
      await supervisor.startTable(TABLE);
    }
    assert.equal(supervisor.openDescriptors, before);
    assert.equal(lastLife().kept.length, 21);
    assert.equal(host.lives(TABLE).length, 102);
  });

  it('is not waited for when a process of its own holds its log', async () => {
    host.tell(TABLE, 'child\nsay mcroute-agent: out of luck\nexit 70', 'ready');
    const supervisor = await host.start();
    const entry = await supervisor.until(TABLE, 'STATE_READY');
    assert.match(entry.lastError?.message ?? '', /ended with 70: out of luck$/);
  });

  it('or hangs is replaced, where a watchdog is asked for', async () => {
    host.configure([`id: ${TABLE}, options: { watchdog: 1 }`]);
    host.tell(TABLE, 'keep mrt4\nready', 'ready');
    const supervisor = await host.start();
    // One that lives is left alone for longer than that.
    const { pid } = await supervisor.table(TABLE);
    void supervisor.order(TABLE, 'hang').catch(() => undefined);
    await supervisor.eventually(async () => {
      const entry = await supervisor.table(TABLE);
      return entry.state === 'STATE_READY' && entry.pid !== pid;
    }, 'another agent serves');
    assert.match((await supervisor.table(TABLE)).lastError?.message ?? '', /gave no sign of life/);
    assert.equal(lastLife().kept.length, 1);
  });

  it('cannot be spoken for by another process', async () => {
    host.tell(TABLE, 'ready');
    const supervisor = await host.start();
    await supervisor.table(TABLE);
    const before = supervisor.openDescriptors;
    const script = [
      'import os, socket, sys',
      's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
      's.connect(sys.argv[1])',
      "socket.send_fds(s, [b'FDSTORE=1\\nFDNAME=mrt4'], [0, 0])",
      "s.send(b'STATUS=stolen')",
    ].join('\n');
    const path = join(host.runtimeDirectory, 'notify.sock');
    assert.equal(run(['python3', '-c', script, path]).status, 0);
    // What comes after it in the socket.
    await supervisor.order(TABLE, 'tell STATUS=own');
    const entry = await supervisor.table(TABLE);
    assert.equal(entry.status, 'own');
    assert.equal(entry.descriptors, 0);
    assert.equal(supervisor.openDescriptors, before);
  });
});

describe('a table', () => {
  it('is created, survives the supervisor, and is deleted with all that was kept, its wishes on request', async () => {
    host.tell(TABLE, 'keep mrt4\nready');
    const first = await host.start();
    await first.create(TABLE, { name: 'studio', mrulePriority: 77 });
    await first.create(TABLE, { name: 'studio', mrulePriority: 77 });
    assert.equal(host.lives(TABLE).length, 1);
    await assert.rejects(first.create(TABLE, { name: 'other' }), /table 5 is there with other settings/);
    await assert.rejects(first.create(OTHER, { name: 'studio' }), /table 5 has the name studio/);
    assert.equal(await first.end('SIGTERM'), 0);

    const second = await host.start();
    assert.equal((await second.table(TABLE)).settings?.mrulePriority, 77);
    const wishes = join(host.stateDirectory, String(TABLE));
    const { pid } = lastLife();
    await second.delete(TABLE);
    assert.deepEqual(await second.list(), []);
    assert.ok(!isAlive(pid));
    assert.deepEqual(host.keeper.names, []);
    await assert.rejects(second.delete(TABLE), /there is no table 5/);
    await second.create(TABLE);
    await second.delete(TABLE, true);
    assert.ok(!existsSync(wishes));
    assert.equal(await second.end('SIGTERM'), 0);
    const third = await host.start();
    assert.deepEqual(await third.list(), []);
  });

  it('whose agent fails at the creation is there, and the caller is told why', async () => {
    host.tell(TABLE, 'say mcroute-launch: TABLE_IN_USE: table 5 is owned by another program\nexit 69');
    const supervisor = await host.start();
    await assert.rejects(supervisor.create(TABLE), /TABLE_IN_USE|table 5 is owned by another program/);
    assert.equal((await supervisor.table(TABLE)).state, 'STATE_BACKING_OFF');
    await supervisor.delete(TABLE);
  });

  it('that is stopped is flushed, stays stopped over a restart of the supervisor, and starts when told', async () => {
    host.configure([`id: ${TABLE}`]);
    host.tell(TABLE, 'keep mrt4\nkeep asm4 3\nready');
    const first = await host.start();
    await first.stopTable(TABLE);
    const stopped = await first.table(TABLE);
    assert.deepEqual([stopped.state, stopped.pid, stopped.descriptors], ['STATE_STOPPED', 0, 0]);
    assert.deepEqual(host.keeper.names, []);
    assert.equal(await first.end('SIGTERM'), 0);
    const second = await host.start();
    assert.equal((await second.table(TABLE)).state, 'STATE_STOPPED');
    await second.startTable(TABLE);
    assert.equal((await second.table(TABLE)).state, 'STATE_READY');
    assert.deepEqual(lastLife().kept, []);
    assert.equal(host.lives(TABLE).length, 2);
  });

  it('that is stopped with its forwarding kept gives its sockets to the next agent, or lets them go by a plain stop', async () => {
    host.configure([`id: ${TABLE}`]);
    host.tell(TABLE, 'keep mrt4\nready', 'ready');
    const supervisor = await host.start();
    await supervisor.stopTable(TABLE, true);
    assert.equal((await supervisor.table(TABLE)).descriptors, 1);
    await supervisor.startTable(TABLE);
    assert.equal(lastLife().kept.length, 1);
    await supervisor.stopTable(TABLE, true);
    await supervisor.stopTable(TABLE);
    assert.equal((await supervisor.table(TABLE)).descriptors, 0);
    assert.deepEqual(host.keeper.names, []);
  });

  it('is restarted by a new process that has the sockets of the old one', async () => {
    host.configure([`id: ${TABLE}`]);
    host.tell(TABLE, 'keep mrt4\nready', 'ready');
    const supervisor = await host.start();
    const [first] = host.lives(TABLE);
    await supervisor.restartTable(TABLE);
    const entry = await supervisor.table(TABLE);
    assert.equal(entry.state, 'STATE_READY');
    assert.notEqual(entry.pid, first?.pid);
    assert.equal(entry.lastError, null);
    assert.equal(lastLife().kept.length, 1);
  });

  it('of the configuration file is not deleted by the API', async () => {
    host.configure([`id: ${TABLE}`]);
    host.tell(TABLE, 'ready');
    const supervisor = await host.start();
    await assert.rejects(supervisor.delete(TABLE), /table 5 is of the configuration file/);
  });
});

describe('a supervisor that ends', () => {
  beforeEach(() => {
    host.configure([`id: ${TABLE}`, `id: ${OTHER}`]);
    for (const table of [TABLE, OTHER]) host.tell(table, 'keep mrt4\nkeep asm4 2\nready', 'ready');
  });

  it('by SIGTERM stops every agent, and leaves no process, socket or descriptor', async () => {
    const supervisor = await host.start();
    const pids = [TABLE, OTHER].map((table) => lastLife(table).pid);
    assert.equal(host.keeper.names.length, 6);
    assert.equal(await supervisor.end('SIGTERM'), 0);
    assert.ok(!pids.some(isAlive));
    assert.deepEqual(host.keeper.names, []);
    assert.deepEqual(readdirSync(host.runtimeDirectory), ['supervisor.lock']);
    assert.ok(host.keeper.said.includes('STOPPING=1'));
  });

  for (const signal of ['SIGUSR2', 'SIGKILL'] as const) {
    it(`by ${signal} leaves all descriptors to its keeper, and its successor's agents have them`, async () => {
      const first = await host.start();
      const pids = [TABLE, OTHER].map((table) => lastLife(table).pid);
      await first.end(signal);
      await first.eventually(() => !pids.some(isAlive), 'the agents are gone too');
      assert.deepEqual(host.keeper.names, ['5.asm4', '5.asm4', '5.mrt4', '6.asm4', '6.asm4', '6.mrt4']);
      const second = await host.start();
      for (const table of [TABLE, OTHER]) {
        assert.deepEqual(
          lastLife(table).kept.map((each) => each.split(':')[0]),
          ['mrt4', 'asm4', 'asm4'],
        );
      }
      assert.equal(host.keeper.names.length, 6);
      assert.equal(await second.end('SIGTERM'), 0);
      assert.deepEqual(host.keeper.names, []);
    });
  }

  it('by SIGUSR2 and then SIGTERM keeps nothing', async () => {
    host.tell(TABLE, 'keep mrt4\nready\nignore SIGUSR2');
    const supervisor = await host.start();
    supervisor.process.kill('SIGUSR2');
    await supervisor.until(OTHER, 'STATE_STOPPED');
    supervisor.process.kill('SIGTERM');
    process.kill(lastLife(TABLE).pid, 'SIGKILL');
    assert.equal(await waitForExit(supervisor.process), 0);
    assert.deepEqual(host.keeper.names, []);
  });

  it('lets its successor close what is kept of tables that nobody wants any more', async () => {
    const first = await host.start();
    await first.end('SIGKILL');
    host.configure([`id: ${TABLE}`]);
    const second = await host.start();
    assert.deepEqual(host.keeper.names, ['5.asm4', '5.asm4', '5.mrt4']);
    assert.match(second.log, /"tables":\[6\].*"msg":"what was kept of tables that nobody wants is closed"/);
  });
});

describe('a supervisor that reads its file again', () => {
  /** Sends SIGHUP and waits until that is done. */
  async function reload(supervisor: SupervisorProcess): Promise<void> {
    const said = host.keeper.said.length;
    supervisor.process.kill('SIGHUP');
    await supervisor.eventually(() => host.saidSince(said).includes('READY=1'), 'the file was read');
    assert.ok(host.saidSince(said).includes('RELOADING=1'));
  }

  it('starts what is new, stops and flushes what is gone, replaces what has changed, and leaves the rest', async () => {
    const [same, changed, gone, fresh] = [5, 6, 7, 8];
    for (const table of [same, changed, gone, fresh]) host.tell(table, 'keep mrt4\nready', 'ready');
    host.configure([`id: ${same}`, `id: ${changed}`, `id: ${gone}`]);
    const supervisor = await host.start();
    host.configure([`id: ${same}, name: renamed`, `id: ${changed}, options: { star-g: learn }`, `id: ${fresh}`]);
    await reload(supervisor);
    for (const table of [same, changed, fresh]) await supervisor.until(table, 'STATE_READY');
    assert.deepEqual(
      [same, changed, gone, fresh].map((table) => host.lives(table).length),
      [1, 2, 1, 1],
    );
    assert.deepEqual(
      (await supervisor.list()).map(({ table }) => table),
      [same, changed, fresh],
    );
    assert.equal((await supervisor.table(same)).settings?.name, 'renamed');
    assert.equal(lastLife(changed).kept.length, 1);
    assert.ok(lastLife(changed).arguments.includes('learn'));
    assert.ok(!isAlive(lastLife(gone).pid));
    assert.ok(!host.keeper.names.includes('7.mrt4'));
  });

  it('gives a table other families by stopping it and starting anew', async () => {
    host.tell(TABLE, 'keep mrt4\nready', 'ready');
    host.configure([`id: ${TABLE}`]);
    const supervisor = await host.start();
    host.configure([`id: ${TABLE}, options: { families: [ipv4] }`]);
    await reload(supervisor);
    await supervisor.eventually(() => host.lives(TABLE).length === 2, 'there is a second life');
    assert.deepEqual(lastLife().kept, []);
  });

  it('changes nothing when the file is broken, and says so until it is not', async () => {
    host.tell(TABLE, 'ready');
    host.configure([`id: ${TABLE}`]);
    const supervisor = await host.start();
    const { pid } = lastLife();
    writeFileSync(host.configuration, 'tables: [{ id: none }]\n');
    await reload(supervisor);
    assert.equal((await supervisor.table(TABLE)).pid, pid);
    assert.match(supervisor.log, /the configuration file cannot be used: nothing has changed/);
    assert.match(host.keeper.said.join('\n'), /STATUS=1 table, 1 ready; the configuration file cannot be used/);
    host.configure([`id: ${TABLE}`]);
    await reload(supervisor);
    assert.equal(host.keeper.said.filter((line) => line.startsWith('STATUS=')).at(-1), 'STATUS=1 table, 1 ready');
    assert.equal((await supervisor.table(TABLE)).pid, pid);
  });
});
