// mcctl table, and tables by name: against the supervisor's service, with tables that have no agents.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { ApiError } from '../../src/api/status.js';
import { runProgram } from '../../src/cli/program.js';
import { DEFAULT_SETTINGS } from '../../src/supervisor/settings.js';
import type { TableView } from '../../src/supervisor/table.js';
import { FakeAgent } from '../support/fake-agent.js';
import { type SupervisorHost, openSupervisorHost, readyTable } from '../support/fake-tables.js';
import { type Ended, runMcctl, startMcctl } from '../support/mcctl.js';
import { waitForEvent, waitForExit, waitForLine } from '../support/wait.js';

interface Host extends SupervisorHost {
  mcctl(words: string, environment?: Readonly<Record<string, string>>): Promise<Ended>;
}

async function openHost(): Promise<Host> {
  const host = await openSupervisorHost();
  return {
    ...host,
    mcctl: (words, environment = {}) =>
      runMcctl(words.split(' '), { environment: { MCROUTE_RUNTIME_DIRECTORY: host.directory, ...environment } }),
  };
}

const STUDIO = { ...DEFAULT_SETTINGS, name: 'studio' };

describe('mcctl table create', { concurrency: 2 }, () => {
  it('tells all settings', async () => {
    await using host = await openHost();
    const called = waitForEvent<unknown[]>(host.tables.events, 'call');
    const ended = await host.mcctl(
      'table create 123 --name studio --user a:b --netns blue --config /etc/a/../b.conf --families ipv6,ipv4 --cache-timeout 0 --star-g learn ' +
        '--no-mrules --mrule-priority 7 --no-realtime --log-level debug --watchdog 0',
    );
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
    assert.match(ended.stdout, /^table 123 \(studio\) created in \d\.\d s \(process 1123\)\n$/);
    assert.deepEqual(await called, [
      'create',
      123,
      {
        name: 'studio',
        user: 'a:b',
        netns: 'blue',
        configFile: '/etc/b.conf',
        families: ['ipv4', 'ipv6'],
        cacheTimeoutS: 0,
        starG: 'learn',
        makesMrules: false,
        mrulePriority: 7,
        wantsRealtime: false,
        logLevel: 'debug',
        watchdogS: 0,
      },
    ]);
  });

  it('leaves the defaults to the supervisor', async () => {
    await using host = await openHost();
    const called = waitForEvent<unknown[]>(host.tables.events, 'call');
    assert.match((await host.mcctl('tab cr 5')).stdout, /^table 5 created in/);
    assert.deepEqual((await called)[2], DEFAULT_SETTINGS);
  });

  it('names what is wrong as the command line has it', async () => {
    await using host = await openHost();
    const ended = await host.mcctl('table create 5 --name 5 --log-level warn --cache-timeout 90000 --netns /');
    assert.equal(ended.status, 65);
    assert.match(
      ended.stderr,
      /^mcctl: --name: '5' is not a name for a table: .*\n {2}--netns: .*\n {2}--cache-timeout: /,
    );
    assert.match(ended.stderr, /^ {2}--log-level: 'warn' is not a log level/m);
    const wrong: [string, RegExp][] = [
      ['table create studio', /A table is made with its id, 1 to 99999999/],
      ['table create', /missing required argument 'table'/],
      ['table create 5 --families ipx', /Families are ipv4, ipv6 or ipv4,ipv6/],
      ['table create 5 --star-g x', /Allowed choices are kernel, learn/],
      ['table create 5 --mrule-priority 0', /It is a whole number, at least 1/],
      ['table create 5 --watchdog 4294967296', /It is a whole number, at least 0/],
      [
        'table lst',
        /^mcctl: there is no command 'lst'\n {2}did you mean 'list'\?\n {2}'mcctl help table' lists them\n$/,
      ],
      ['table st 5', /^mcctl: 'st' may be start or stop\n$/],
      ['table show a/b', /^mcctl: 'a\/b' is not a table: 1 to 99999999, or a name\n$/],
      ['table stop --all', /unknown option '--all'/],
    ];
    for (const [words, expected] of wrong) {
      const refused = await host.mcctl(words);
      assert.deepEqual([refused.status, refused.stdout], [64, ''], words);
      assert.match(refused.stderr, expected);
    }
    assert.deepEqual(host.tables.list(), []);
  });

  it('tells what the supervisor says, with a cure and a status', async () => {
    await using host = await openHost();
    const { tables } = host;
    const cases: [ApiError, number, string][] = [
      [
        new ApiError('STORAGE', 'the tables cannot be saved', { metadata: { errno: 'ENOSPC', syscall: 'write' } }),
        73,
        'mcctl: the tables cannot be saved (write: ENOSPC)\n  nothing was changed: make room or mend the disk of the state directory, then repeat\n',
      ],
      [
        new ApiError('TABLE_EXISTS', 'table 5 is there with other settings'),
        65,
        "mcctl: table 5 is there with other settings\n  'mcctl table show TABLE' tells what it is\n",
      ],
      [
        new ApiError('AGENT_FAILED', 'the agent of table 5 ended with 78'),
        69,
        "mcctl: the agent of table 5 ended with 78\n  cure it, then 'mcctl table start TABLE'; the log has more ('journalctl -u mcroute')\n",
      ],
      [
        new ApiError('RESOURCE_LIMIT', 'there are 1024 tables'),
        1,
        "mcctl: there are 1024 tables\n  'mcctl table list' has the tables; delete what is no longer needed\n",
      ],
    ];
    for (const [failure, status, stderr] of cases) {
      tables.failure = failure;
      assert.deepEqual(await host.mcctl('table create 5'), { status, stdout: '', stderr });
    }
  });
});

describe('mcctl table list and show', { concurrency: 2 }, () => {
  it('give a table for people, with the reason where an agent is not there', async () => {
    await using host = await openHost();
    const { tables } = host;
    assert.deepEqual(await host.mcctl('table list'), {
      status: 0,
      stdout: 'TABLE  NAME  STATE  PID  UPTIME  RESTARTS  STATUS\n',
      stderr: 'no tables\n',
    });
    tables.put(readyTable(7, { settings: STUDIO, startedAtMs: Date.now() - 93_600_000, restarts: 3 }));
    const lastError = { reason: 'TABLE_IN_USE', message: 'another program owns it\u001b[31m' } as const;
    tables.put(readyTable(5, { state: 'failed', pid: undefined, startedAtMs: undefined, lastError, status: 'old' }));
    const { stdout } = await host.mcctl('table list');
    const lines = stdout.split('\n').map((line) =>
      line
        .split(/ {2,}/)
        .map((cell) => cell.trim())
        .join('|'),
    );
    assert.deepEqual(lines.slice(1), [
      '|5|-|failed|-|-|0|another program owns it\\x1b[31m',
      '|7|studio|ready|1007|1d2h|3|serves',
      '',
    ]);
    const wide = (await host.mcctl('table list -o wide')).stdout;
    assert.match(wide, /USER +NETNS +FAMILIES +SOCKETS KEPT +ORIGIN\n/);
    assert.match(wide, / all +2 +api\n/);
  });

  it('give documents', async () => {
    await using host = await openHost();
    const lastError = { reason: 'AGENT_FAILED', message: 'it ended with 70' } as const;
    host.tables.put(readyTable(7, { settings: STUDIO, lastError }));
    const expected = {
      table: 7,
      name: 'studio',
      state: 'ready',
      origin: 'api',
      pid: 1007,
      restarts: 0,
      start_time: '2026-01-02T03:04:05.678Z',
      next_start_time: null,
      status: 'serves',
      descriptors: 2,
      last_error: { reason: 'AGENT_FAILED', text: 'it ended with 70', errno: null, syscall: null },
      settings: {
        user: null,
        netns: null,
        config: null,
        families: [],
        cache_timeout: 60,
        star_g: 'kernel',
        mrules: true,
        mrule_priority: 4000,
        realtime: true,
        log_level: null,
        watchdog: 60,
      },
    };
    assert.deepEqual(JSON.parse((await host.mcctl('table list -o json')).stdout), { tables: [expected] });
    assert.deepEqual(parse((await host.mcctl('table list -o yaml')).stdout), { tables: [expected] });
    assert.deepEqual(JSON.parse((await host.mcctl('table show studio -o json')).stdout), expected);
    const text = (await host.mcctl('table show 7')).stdout;
    assert.match(text, /^table +7\nname +studio\nstate +ready\n/);
    assert.match(text, /^last error +AGENT_FAILED: it ended with 70$/m);
    assert.match(text, /^watchdog +60 s$/m);
    const missing = await host.mcctl('table show 8');
    assert.deepEqual([missing.status, missing.stdout], [69, '']);
    assert.match(missing.stderr, /^mcctl: there is no table 8: 'mcctl table list' has those that are there\n$/);
  });

  it('go on with changes with --watch, until SIGINT or the end of the supervisor', async () => {
    await using host = await openHost();
    const environment = { MCROUTE_RUNTIME_DIRECTORY: host.directory };
    host.tables.put(readyTable(7, { settings: STUDIO }));
    using child = asDisposable(startMcctl(['table', 'list', '--watch'], { environment }));
    await waitForLine(child.stdout, /^= synced$/);
    const changed = waitForLine(child.stdout, /^~ table 7 \(studio\): backing-off: it ended with 70$/);
    const lastError = { reason: 'AGENT_FAILED', message: 'it ended with 70' } as const;
    host.tables.put(readyTable(7, { settings: STUDIO, state: 'backing-off', pid: undefined, lastError }));
    await changed;
    const gone = waitForLine(child.stdout, /^- table 7$/);
    host.tables.drop(7);
    await gone;
    child.kill('SIGINT');
    assert.equal(await waitForExit(child), 130);

    using other = asDisposable(startMcctl(['table', 'list', '--watch', '-o', 'json'], { environment }));
    const [synced] = await waitForLine(other.stdout, /^.*synced.*$/);
    assert.deepEqual(JSON.parse(synced), { event: 'synced' });
    const said = waitForLine(other.stderr, /^mcctl: the supervisor stops; watch again when it is back$/);
    await host.server.stop();
    await said;
    assert.equal(await waitForExit(other), 69);
  });
});

describe('mcctl table start, stop, restart and delete', { concurrency: 2 }, () => {
  it('take ids and names, and say what became of the table', async () => {
    await using host = await openHost();
    const { tables } = host;
    tables.put(readyTable(7, { settings: STUDIO }));
    const calls: unknown[] = [];
    tables.events.on('call', (words) => calls.push(words));
    const cases: [string, RegExp, unknown][] = [
      [
        'table stop studio --keep-forwarding',
        /^table 7 \(studio\) stopped, and forwards on in \d\.\d s\n$/,
        ['stop', 7, { keepsForwarding: true }],
      ],
      ['table stop 7', /^table 7 \(studio\) stopped in \d\.\d s\n$/, ['stop', 7, { keepsForwarding: false }]],
      ['table start studio', /^table 7 \(studio\) started in \d\.\d s \(process 1007\)\n$/, ['start', 7]],
      ['table restart 7', /^table 7 \(studio\) restarted in \d\.\d s \(process 2007\)\n$/, ['restart', 7]],
      ['table delete studio --forget', /^table 7 deleted\n$/, ['delete', 7, { forgetsWishes: true }]],
    ];
    for (const [words, expected, call] of cases) {
      const ended = await host.mcctl(words);
      assert.deepEqual([ended.status, ended.stderr], [0, ''], words);
      assert.match(ended.stdout, expected);
      assert.deepEqual(calls.pop(), call);
    }
    tables.put(readyTable(8));
    const restarted = JSON.parse((await host.mcctl('table restart 8 -o json')).stdout) as Record<string, unknown>;
    assert.deepEqual([restarted['table'], restarted['pid'], typeof restarted['took_ms']], [8, 2008, 'number']);
    assert.deepEqual(JSON.parse((await host.mcctl('table delete 8 -o json')).stdout), { deleted: 8 });
    assert.deepEqual(calls.pop(), ['delete', 8, { forgetsWishes: false }]);
  });

  it('show that something goes on, on a terminal, after a second', async () => {
    await using host = await openHost();
    host.tables.put(readyTable(7));
    let open: () => void = () => undefined;
    host.tables.gate = new Promise((resolve) => (open = resolve));
    const stdout = new PassThrough();
    const stderr = Object.assign(new PassThrough(), { isTTY: true });
    const shown = new Promise<string>((resolve) =>
      stderr.once('data', (chunk: Buffer) => {
        resolve(chunk.toString());
      }),
    );
    const running = runProgram(['table', 'restart', '7'], {
      environment: { MCROUTE_RUNTIME_DIRECTORY: host.directory },
      stdin: Readable.from([]),
      stdout,
      stderr,
      version: '0',
    });
    assert.equal(await shown, '\r\u001b[Krestarting table 7 ... 1 s');
    open();
    assert.equal(await running, 0);
    // The line is taken away before the result.
    assert.match(String(stderr.read() ?? '\r\u001b[K'), /\r\u001b\[K$/);
    assert.match(String(stdout.read()), /^table 7 restarted in/);
  });

  it('say that the supervisor goes on with it when that takes too long', async () => {
    await using host = await openHost();
    host.tables.put(readyTable(7));
    let open: () => void = () => undefined;
    host.tables.gate = new Promise((resolve) => (open = resolve));
    const ended = await host.mcctl('--timeout 0.5 table restart 7');
    open();
    assert.equal(ended.status, 75);
    assert.match(
      ended.stderr,
      /^mcctl: no answer from .*supervisor\.sock within 0\.5 s\n {2}the supervisor goes on with it/,
    );
  });
});

describe('without a supervisor mcctl table', { concurrency: 2 }, () => {
  it('says how to start it', async () => {
    await using host = await openHost();
    await host.server.stop();
    const ended = await host.mcctl('table list');
    assert.deepEqual(ended, {
      status: 69,
      stdout: '',
      stderr: `mcctl: no supervisor answers at ${host.path}: there is no such socket\n  start it: systemctl start mcroute\n`,
    });
    writeFileSync(host.path, '');
    assert.match((await host.mcctl('table list')).stderr, /: this is not a socket\n/);
    rmSync(host.path);
    const long = await runMcctl(['table', 'list', '-u', `/${'a'.repeat(107)}`]);
    assert.equal(long.status, 64);
  });

  it('takes the socket that is given', async () => {
    await using host = await openHost();
    const ended = await runMcctl(['table', 'list', '-u', host.path], {
      environment: { MCROUTE_SOCKET: '/nonexistent', MCROUTE_TABLE: '9' },
    });
    assert.deepEqual([ended.status, ended.stderr], [0, 'no tables\n']);
  });
});

describe('a table by its name', { concurrency: 2 }, () => {
  it('is looked up for every command that an agent answers', async () => {
    await using host = await openHost();
    await using agent = await FakeAgent.listen(join(host.directory, '7.sock'), 7);
    host.tables.put(readyTable(7, { settings: STUDIO }));
    for (const [words, environment] of [
      ['-t studio capabilities', {}],
      ['capabilities', { MCROUTE_TABLE: 'studio' }],
      [`-t studio -u ${agent.path} capabilities`, {}],
    ] as const) {
      const ended = await host.mcctl(words, environment);
      assert.deepEqual([ended.status, ended.stderr], [0, ''], words);
      assert.match(ended.stdout, /^table +7$/m);
    }
    const unknown = await host.mcctl('-t studoi show');
    assert.equal(unknown.status, 69);
    assert.equal(unknown.stderr, "mcctl: no table has the name 'studoi'\n  did you mean 'studio'?\n");
    assert.match((await host.mcctl('-t zebra show')).stderr, /'mcctl table list' has the tables and their names\n$/);
    await host.server.stop();
    const alone = await host.mcctl('-t studio show');
    assert.equal(alone.status, 69);
    assert.match(
      alone.stderr,
      /^mcctl: 'studio' cannot be looked up: no supervisor answers at .*\n {2}give the table's id instead\n {2}start it: /,
    );
  });
});

describe('where no agent answers mcctl', { concurrency: 2 }, () => {
  it('says what the supervisor knows, and what to do', async () => {
    await using host = await openHost();
    const gone: Partial<TableView> = { settings: STUDIO, pid: undefined };
    const lastError = { reason: 'AGENT_FAILED', message: 'there is no user mcroute' } as const;
    const cases: [Partial<TableView> | undefined, string][] = [
      [undefined, 'table 7: the supervisor has no such table\n  make it: mcctl table create 7\n'],
      [{ ...gone, state: 'stopped' }, 'table 7 (studio): it was told to stop\n  start it: mcctl table start 7\n'],
      [
        { ...gone, state: 'failed', lastError },
        'table 7 (studio): it has failed: there is no user mcroute\n  cure that, then: mcctl table start 7\n',
      ],
      [
        { ...gone, state: 'backing-off', lastError },
        'table 7 (studio): it has ended and is started again: there is no user mcroute\n  try again in a moment',
      ],
      [{ ...gone, state: 'starting' }, 'table 7 (studio): it is starting\n  try again in a moment'],
      [{ ...gone, state: 'stopping' }, 'table 7 (studio): it is stopping\n  start it again when it has stopped'],
      [{ settings: STUDIO }, 'table 7 (studio): the supervisor has it as running, with process 1007\n  replace it'],
    ];
    for (const [view, expected] of cases) {
      if (view !== undefined) host.tables.put(readyTable(7, view));
      const ended = await host.mcctl('-t 7 show');
      assert.deepEqual([ended.status, ended.stdout], [69, '']);
      assert.ok(ended.stderr.startsWith(`mcctl: no agent answers for ${expected}`), ended.stderr);
    }
  });

  it('says what it knows itself of an agent that was sought elsewhere, or without a supervisor', async () => {
    await using host = await openHost();
    host.tables.put(readyTable(7, { state: 'stopped' }));
    const elsewhere = await host.mcctl(`-t 7 -u ${join(host.directory, 'other.sock')} show`);
    assert.match(elsewhere.stderr, /^mcctl: no agent answers at .*other\.sock: there is no such socket\n/);
    await host.server.stop();
    const alone = await host.mcctl('-t 7 show');
    assert.match(
      alone.stderr,
      /^mcctl: no agent answers at .*7\.sock: there is no such socket\n {2}start the agent of table 7/,
    );
  });
});

function asDisposable<Child extends { kill(signal: 'SIGKILL'): unknown }>(child: Child): Child & Disposable {
  return Object.assign(child, {
    [Symbol.dispose]: () => {
      child.kill('SIGKILL');
    },
  });
}
