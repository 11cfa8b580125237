// smcrouted: the agent under the name of smcroute's daemon, started by a script, controlled by signals and smcroutectl,
// with real packets. Where smcroute is installed its own programs are asked the same.
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { loadAddon } from '../../src/runtime/native.js';
import { threadsOf } from '../support/agent.js';
import { NET_ADMIN_ONLY, TARGET_ID, itAsRoot, projectFile } from '../support/launcher.js';
import { type PacketExchange, openPackets } from '../support/packets.js';
import {
  type Daemon,
  type DaemonOptions,
  PEER,
  complaints,
  isAlive,
  noPeer,
  run,
  start,
  startDaemon,
  startInForeground,
} from '../support/smcrouted.js';
import { areDefaultTablesFree } from '../support/start.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { eventually, waitForExit, waitForLine } from '../support/wait.js';
import { FAMILY_CASES } from './families.js';

const FOLDER = '/run/smcrouted-test';
const FILE = join(FOLDER, 'smcroute.conf');

let topology: RouterTopology;
let packets: PacketExchange;

before(async () => {
  topology = routerTopology({ senders: 2 });
  mkdirSync(FOLDER);
  packets = await openPackets(
    [...topology.senders, ...topology.receivers].map((host) => ({
      router: topology.router,
      routerInterface: host.routerInterface,
      host: host.namespace,
      hostInterface: host.interface,
    })),
  );
});

after(() => {
  packets[Symbol.dispose]();
  topology[Symbol.dispose]();
});

beforeEach(() => {
  write();
});

function write(...lines: readonly string[]): void {
  writeFileSync(FILE, lines.map((line) => `${line}\n`).join(''), { mode: 0o644 });
}

let daemons = 0;

/** Options of a daemon with an identity of its own and the file. */
function options(...args: readonly string[]): DaemonOptions {
  return { identity: `lab${++daemons}`, args: ['-f', FILE, ...args] };
}

const open = (...args: readonly string[]): Promise<Daemon> => startDaemon(topology.router, options(...args));

interface MrouteJson {
  readonly state?: string;
}

/** Sends one packet, waits until its flow is no longer unresolved, and tells by which interfaces it left. */
async function send(iif: string, source: string, group: string, table = 'default'): Promise<readonly string[]> {
  const isIpv6 = group.includes(':');
  const name = isIpv6 && table === 'default' ? 'main' : table;
  const left = await packets.exchange([{ id: 0, iif, source, group }], {
    answered: async () => {
      await eventually(() => {
        const words = `${isIpv6 ? '-6' : '-4'} mroute show table ${name}`;
        const entries = topology.router.ipJson(words) as readonly MrouteJson[];
        return entries.every(({ state }) => state !== 'unresolved') || undefined;
      }, 'all upcalls are answered');
    },
  });
  return left.get(0) ?? [];
}

/** Rows of `show`, without headings. */
const rows = (daemon: Daemon, noun = 'routes'): string[] =>
  daemon
    .ask(`-t show ${noun}`)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/ +/g, ' '));

describe('smcrouted', () => {
  it('becomes a daemon that is ready when its starter returns, with CAP_NET_ADMIN alone', async () => {
    const { identity, args = [] } = options();
    const started = start(topology.router, { identity, args });
    assert.deepEqual([started.status, started.stdout, complaints(started)], [0, '', '']);
    using daemon = await startDaemon(topology.router, options('-t', '55'));
    for (const name of [identity, daemon.identity]) assert.ok(statSync(`/run/${name}.sock`).isSocket());
    const { pid } = daemon;
    assert.equal(readFileSync(`/proc/${pid}/comm`, 'latin1'), 'smcrouted\n');
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/');
    for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), '/dev/null');
    // Fields 5 and 6 of proc_pid_stat(5) are group and session; a daemon leads both and has no terminal (7).
    const [, , group, session, terminal] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    assert.deepEqual([group, session, terminal], [String(pid), String(pid), '0']);
    for (const thread of threadsOf(pid)) {
      assert.equal(thread.get('Uid')?.split('\t')[0], '0');
      for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb']) assert.equal(thread.get(set), NET_ADMIN_ONLY);
    }
    assert.equal(statSync(daemon.pidFile).mode & 0o777, 0o644);
    process.kill(Number(readFileSync(`/run/${identity}.pid`, 'latin1')));
    await eventually(() => !existsSync(`/run/${identity}.sock`) || undefined, 'the end of the first');
    await daemon.stop();
    assert.ok(!existsSync(daemon.socket));
  });

  for (const family of FAMILY_CASES) {
    const [group, source] = [family.group(1), family.source(1)];

    it(`forwards ${family.family} by the default table, makes no mrules, and learns (*,G) flow by flow`, async () => {
      write(
        `mroute from in0 group ${group} to out1 out2`,
        `mroute from in1 source ${source} group ${family.group(2)} to out2`,
      );
      const rules = topology.router.run('ip', [family.ipOption, 'mrule']);
      using daemon = await open();
      assert.deepEqual(await send('in0', source, group), ['out1', 'out2']);
      assert.deepEqual(await send('in0', family.source(2), group), ['out1', 'out2']);
      assert.deepEqual(await send('in0', family.source(2), group), ['out1', 'out2']);
      assert.deepEqual(await send('in1', source, family.group(2)), ['out2']);
      assert.deepEqual(await send('in1', family.source(3), group), []);
      const counted = daemon
        .ask('-d -t show')
        .split('\n')
        .map((line) => line.replace(/ +/g, ' '));
      assert.ok(
        counted.some((line) => line.startsWith(`(${source}, ${group}) in0 1 `)),
        counted.join('\n'),
      );
      assert.ok(
        counted.some((line) => line.startsWith(`(${family.source(2)}, ${group}) in0 2 `)),
        counted.join('\n'),
      );
      assert.equal(topology.router.run('ip', [family.ipOption, 'mrule']), rules);
      await daemon.stop();
      assert.deepEqual(await send('in0', source, group), []);
    });
  }

  it('touches its pid file when the configuration was read again, by SIGHUP or smcroutectl, and only then', async () => {
    using daemon = await open();
    const touched = () => statSync(daemon.pidFile).mtimeMs > 1_000;
    const age = () => {
      utimesSync(daemon.pidFile, 1, 1);
    };
    age();
    write('mroute from in0 group 239.7.7.1 to out1');
    daemon.signal('SIGHUP');
    await eventually(() => touched() || undefined, 'the pid file is touched');
    assert.deepEqual(rows(daemon), ['(*, 239.7.7.1) in0 out1']);
    age();
    daemon.ask('reload');
    await eventually(() => touched() || undefined, 'the pid file is touched');
    age();
    write('bogus');
    assert.equal(daemon.control('reload').status, 1);
    assert.deepEqual(rows(daemon), ['(*, 239.7.7.1) in0 out1']);
    assert.equal(touched(), false);
    await daemon.stop();
  });

  it('has commands change what the file says, until it is read again', async () => {
    write('mroute from in0 group 239.7.8.1 to out1', 'mgroup from in0 group 239.7.8.9');
    using daemon = await open();
    const rules = () => rows(daemon).filter((row) => row.startsWith('(*'));
    daemon.ask('remove in0 239.7.8.1');
    daemon.ask('add in0 239.7.8.2 out2');
    daemon.ask('leave in0 239.7.8.9');
    assert.deepEqual(rows(daemon), ['(*, 239.7.8.2) in0 out2']);
    assert.deepEqual(rows(daemon, 'groups'), []);
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.8.1'), []);
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.8.2'), ['out2']);
    // An interface comes, and nothing is taken back by that.
    topology.router.ip('link add new0 type veth peer name new1');
    await eventually(() => daemon.ask('show interfaces').includes('new0') || undefined, 'the interface is seen');
    assert.deepEqual(rules(), ['(*, 239.7.8.2) in0 out2']);
    topology.router.delete('new0');
    daemon.ask('reload');
    assert.deepEqual(rules(), ['(*, 239.7.8.1) in0 out1']);
    assert.deepEqual(rows(daemon, 'groups'), ['(*, 239.7.8.9) in0']);
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.8.1'), ['out1']);
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.8.2'), []);
    daemon.ask('add in0 239.7.8.1 out2');
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.8.1'), ['out1', 'out2']);
    await daemon.stop();
  });

  it('runs beside others of another identity and table, to which mrules made by hand lead', async () => {
    write('mroute from in0 group 239.7.9.1 to out1', 'mroute from in1 group 239.7.9.1 to out1');
    const other = join(FOLDER, 'other.conf');
    writeFileSync(other, 'mroute from in1 group 239.7.9.1 to out2\n');
    using first = await open();
    using second = await startDaemon(topology.router, { identity: `lab${++daemons}`, args: ['-f', other, '-t', '71'] });
    topology.router.ip('mrule add iif in1 lookup 71');
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.9.1'), ['out1']);
    assert.deepEqual(await send('in1', '10.50.0.2', '239.7.9.1', '71'), ['out2']);
    assert.deepEqual(rows(first).slice(0, 2), ['(*, 239.7.9.1) in0 out1', '(*, 239.7.9.1) in1 out1']);
    assert.deepEqual(rows(second).slice(0, 1), ['(*, 239.7.9.1) in1 out2']);
    await second.stop();
    assert.deepEqual(await send('in0', '10.50.0.3', '239.7.9.1'), ['out1']);
    topology.router.ip('mrule del iif in1 lookup 71');
    await first.stop();
    rmSync(other);
  });

  it('refuses to be started twice, and does no harm to the one that runs', async () => {
    write('mroute from in0 group 239.7.10.1 to out1');
    using daemon = await open();
    const before = [daemon.pidFile, daemon.socket].map((path) => statSync(path, { bigint: true }));
    const again = (...args: readonly string[]) =>
      start(topology.router, { identity: daemon.identity, args: ['-f', FILE, ...args] });
    const sameTable = again();
    assert.equal(sameTable.status, 69);
    assert.match(sameTable.stderr, new RegExp(`^${daemon.identity}: the default table \\(IPv4\\) is owned by `));
    const sameName = again('-t', '72');
    assert.equal(sameName.status, 69);
    assert.match(sameName.stderr, new RegExp(`^${daemon.identity}: another daemon serves on ${daemon.socket}: `));
    const foreground = startInForeground(topology.router, { identity: daemon.identity, args: ['-t', '72'] });
    assert.equal(await waitForExit(foreground), 69);
    const after = [daemon.pidFile, daemon.socket].map((path) => statSync(path, { bigint: true }));
    const identityOf = ({ ino, mtimeNs }: { ino: bigint; mtimeNs: bigint }) => [ino, mtimeNs];
    assert.deepEqual(after.map(identityOf), before.map(identityOf));
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.10.1'), ['out1']);
    await daemon.stop();
  });

  it('leaves nothing behind, however it ends', async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
      using daemon = await open();
      await daemon.stop(signal);
      await eventually(() => !existsSync(daemon.socket) || undefined, 'the socket is removed');
      assert.ok(areDefaultTablesFree(topology.router));
    }
    using daemon = await open();
    const { pid } = daemon;
    daemon.ask('kill');
    await eventually(() => (isAlive(pid) || daemon.isRunning ? undefined : true), 'the end after kill');
  });

  it('removes no file of a daemon that has come after it', async () => {
    using daemon = await open();
    const { pid } = daemon;
    writeFileSync(daemon.pidFile, '1\n');
    process.kill(pid);
    await eventually(() => (isAlive(pid) || existsSync(daemon.socket) ? undefined : true), 'the end');
    assert.equal(readFileSync(daemon.pidFile, 'latin1'), '1\n');
    rmSync(daemon.pidFile);
  });

  it('is not harmed by SIGUSR1', async () => {
    using daemon = await open();
    const { pid } = daemon;
    daemon.signal('SIGUSR1');
    daemon.ask('show');
    // Handled in order with what is asked.
    daemon.signal('SIGUSR1');
    daemon.ask('reload');
    assert.ok(isAlive(pid));
    assert.doesNotMatch(topology.router.run('ss', ['-Hltn']), /:9229/);
    await daemon.stop();
  });

  it('starts without its file, and takes it when it is told', async () => {
    rmSync(FILE);
    using daemon = await open();
    assert.deepEqual(rows(daemon), []);
    write('mroute from in0 group 239.7.11.1 to out1');
    daemon.ask('reload');
    assert.deepEqual(rows(daemon), ['(*, 239.7.11.1) in0 out1']);
    await daemon.stop();
  });

  it('opens nothing before its delay is over', async () => {
    const { identity, args } = options('-d', '3600');
    const waiting = startInForeground(topology.router, { identity, args: args ?? [] });
    const { pid = 0 } = waiting;
    // proc_pid_stat(5): the launcher sleeps.
    await eventually(
      () => readFileSync(`/proc/${pid}/stat`, 'latin1').includes('(mcroute-launch) S') || undefined,
      'the delay',
    );
    assert.ok(areDefaultTablesFree(topology.router));
    assert.ok(!existsSync(`/run/${identity}.sock`));
    waiting.kill('SIGTERM');
    assert.equal(await waitForExit(waiting), 'SIGTERM');
    using daemon = await open('-d', '1');
    daemon.ask('show');
    await daemon.stop();
  });

  it('logs to stderr in the foreground, lines for people', async () => {
    write('mroute from in0 group 239.7.12.1 to in0');
    const { identity, args } = options('-l', 'info');
    const process = startInForeground(topology.router, { identity, args: args ?? [] });
    assert.ok(process.stderr);
    const [line] = await waitForLine(process.stderr, /: loaded \(/);
    assert.ok(line);
    await eventually(() => existsSync(`/run/${identity}.pid`) || undefined, 'the pid file');
    assert.equal(Number(readFileSync(`/run/${identity}.pid`, 'latin1')), process.pid);
    const stopping = waitForLine(
      process.stderr,
      new RegExp(`^${identity}\\[${process.pid}\\]: stopping \\(signal=SIGINT`),
    );
    process.kill('SIGINT');
    await stopping;
    assert.equal(await waitForExit(process), 0);
  });

  it('logs to the system’s log, with its identity', async () => {
    const devices = join(FOLDER, 'dev');
    mkdirSync(devices);
    const names = ['null', 'urandom', 'random', 'tty'];
    for (const name of names) writeFileSync(join(devices, name), '');
    const receiver = loadAddon().openNotifyReceiver(join(devices, 'log'));
    try {
      const { identity } = options();
      const binds = names.map((name) => `mount --bind /dev/${name} ${devices}/${name}`).join(' && ');
      const script = `${binds} && mount --rbind ${devices} /dev && exec "$@"`;
      const command = [projectFile('bin/smcrouted'), '-i', identity, '-f', FILE, '-l', 'info'];
      const started = run(topology.router, ['unshare', '--mount', 'sh', '-c', script, 'sh', ...command]);
      assert.deepEqual([started.status, complaints(started)], [0, '']);
      const pid = readFileSync(`/run/${identity}.pid`, 'latin1').trim();
      const lines = await eventually(() => {
        const all: string[] = [];
        for (let message = receiver.receive(); message !== undefined; message = receiver.receive())
          all.push(message.state);
        return all.length > 0 ? all : undefined;
      }, 'lines in the log');
      for (const line of lines) {
        assert.match(
          line,
          new RegExp(`^<(30|28)>[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d ${identity}\\[${pid}\\]: \\S`),
        );
      }
      assert.ok(
        lines.some((line) => line.includes(': loaded (')),
        lines.join('\n'),
      );
      process.kill(Number(pid));
      await eventually(() => !isAlive(Number(pid)) || undefined, 'its end');
    } finally {
      receiver.close();
    }
  });

  it('runs the command of -e when the configuration was loaded', async () => {
    const told = join(FOLDER, 'told');
    const script = join(FOLDER, 'script');
    writeFileSync(script, `#!/bin/sh\necho "$1 $source $group" >>${told}\n`, { mode: 0o755 });
    writeFileSync(told, '', { mode: 0o666 });
    write('mroute from in0 group 239.7.13.1 to out1');
    using daemon = await open('-e', script);
    await eventually(() => readFileSync(told, 'utf8').includes('reload') || undefined, 'reload is told');
    await send('in0', '10.50.0.1', '239.7.13.1');
    await eventually(
      () => readFileSync(told, 'utf8').includes('install 10.50.0.1 239.7.13.1\n') || undefined,
      'install is told',
    );
    await daemon.stop();
  });

  itAsRoot('runs as another user, and its files in /run are kept all the same', async () => {
    write('mroute from in0 group 239.7.14.1 to out1');
    using daemon = await open('-p', `${TARGET_ID}:${TARGET_ID}`);
    for (const thread of threadsOf(daemon.pid)) {
      assert.equal(thread.get('Uid'), Array.from({ length: 4 }, () => TARGET_ID).join('\t'));
      assert.equal(thread.get('CapEff'), NET_ADMIN_ONLY);
    }
    // Root alone controls it, and its pid file is no file of the user's, who could name another process in it.
    for (const path of [daemon.pidFile, daemon.socket]) assert.equal(statSync(path).uid, 0);
    utimesSync(daemon.pidFile, 1, 1);
    daemon.signal('SIGHUP');
    await eventually(() => statSync(daemon.pidFile).mtimeMs > 1_000 || undefined, 'the pid file is touched');
    assert.deepEqual(await send('in0', '10.50.0.1', '239.7.14.1'), ['out1']);
    await daemon.stop();
    await eventually(() => !existsSync(daemon.socket) || undefined, 'the socket is removed');
  });

  it('has only the interfaces take part that phyint lines enable, with -N', async () => {
    write(
      'phyint in0 enable',
      'phyint out1 enable',
      'mroute from in0 group 239.7.16.1 to out1 out2',
      'mroute from in1 group 239.7.16.2 to out1',
    );
    const shots = async () => [
      await send('in0', '10.50.0.1', '239.7.16.1'),
      await send('in1', '10.50.0.1', '239.7.16.2'),
    ];
    using some = await open('-N');
    assert.deepEqual(await shots(), [['out1'], []]);
    await some.stop();
    using all = await open();
    assert.deepEqual(await shots(), [['out1', 'out2'], ['out1']]);
    await all.stop();
  });

  it('takes other paths for its pid file and its socket', async () => {
    const socket = join(FOLDER, 'x.sock');
    const pidFile = join(FOLDER, 'x.pid');
    const started = start(topology.router, options('-P', pidFile, '-u', socket));
    assert.deepEqual([started.status, complaints(started)], [0, '']);
    assert.ok(statSync(socket).isSocket());
    process.kill(Number(readFileSync(pidFile, 'latin1')));
    await eventually(() => !existsSync(pidFile) || undefined, 'its end');
    // A name alone is one in /run.
    assert.equal(start(topology.router, options('-P', 'by-name')).status, 0);
    process.kill(Number(readFileSync('/run/by-name.pid', 'latin1')));
    await eventually(() => !existsSync('/run/by-name.pid') || undefined, 'its end');
  });
});

describe('smcrouted that cannot start', () => {
  const CASES: readonly (readonly [why: string, args: readonly string[], status: number, message: RegExp])[] = [
    ['has a wrong option', ['-x'], 64, /^smcrouted: invalid option -- 'x'\nUsage: /],
    ['has a value out of range', ['-m', '3'], 64, /^smcrouted: -m '3' is not a whole number from 4 to 180\n/],
    ['has no such user', ['-p', 'nobody-at-all'], 64, /^\S+: there is no user "nobody-at-all": .*-p\n$/],
    ['has no folder for its socket', ['-u', '/nowhere/x.sock'], 71, /^\S+: cannot make the control socket .*-u\n$/],
  ];
  for (const [why, args, status, message] of CASES) {
    for (const mode of [[], ['-n']]) {
      it(`${why}${mode.length > 0 ? ', in the foreground' : ''}`, () => {
        const { identity, args: file = [] } = options();
        const finished = start(topology.router, { identity, args: [...file, ...mode, ...args] });
        assert.equal(finished.status, status, finished.stderr);
        assert.match(complaints(finished), message);
        assert.deepEqual(
          ['pid', 'sock'].filter((suffix) => existsSync(`/run/${identity}.${suffix}`)),
          [],
        );
      });
    }
  }

  it('has wrong lines in its file: it starts without them, tells of them, and refuses them on a reload', async () => {
    write('mroute from in0 group 239.7.15.1 to out1', 'bogus', 'mroute from in0 source x group 239.7.15.2 to out1');
    const [{ identity, args = [] }, messages] = [options(), [] as string[]];
    const child = startInForeground(topology.router, { identity, args });
    child.stderr?.on('data', (chunk: Buffer) => messages.push(chunk.toString()));
    await eventually(() => existsSync(`/run/${identity}.pid`) || undefined, 'it is ready');
    assert.match(messages.join(''), new RegExp(`left out.*${FILE}:2:1: error: 'bogus' is not a statement`));
    assert.match(messages.join(''), new RegExp(`${FILE}:3:\\d+: error: 'x' `));
    const control = (words: string) =>
      run(topology.router, [projectFile('bin/smcroutectl'), '-i', identity, ...words.split(' ')]);
    assert.match(control('-t show').stdout, /^\(\*, 239\.7\.15\.1\) +in0 +out1$/m);
    assert.doesNotMatch(control('-t show').stdout, /239\.7\.15\.2/);
    assert.equal(control('reload').status, 1);
    assert.equal(control('kill').status, 0);
    await waitForExit(child, 20_000);
  });

  it('has a file that is none: the starter has the daemon’s message and status', async () => {
    write('mroute from in0 group 239.7.15.1 to out1', '\0');
    const { identity, args = [] } = options();
    const finished = start(topology.router, { identity, args });
    assert.equal(finished.status, 78);
    assert.match(complaints(finished), new RegExp(`^${identity}: ${FILE}: error: has zero bytes`));
    await eventually(() => !existsSync(`/run/${identity}.sock`) || undefined, 'the socket is removed');
    assert.ok(!existsSync(`/run/${identity}.pid`));
    assert.ok(areDefaultTablesFree(topology.router));
  });

  it('has no folder for its pid file, and runs without, as that of smcroute', async () => {
    const { identity, args = [] } = options('-P', '/nowhere/x.pid');
    const started = start(topology.router, { identity, args });
    assert.equal(started.status, 0);
    assert.match(complaints(started), new RegExp(`^${identity}: warning: cannot write the pid file /nowhere/x\\.pid`));
    assert.equal(run(topology.router, [projectFile('bin/smcroutectl'), '-i', identity, 'kill']).status, 0);
    await eventually(() => !existsSync(`/run/${identity}.sock`) || undefined, 'its end');
  });

  itAsRoot('is not started by root', () => {
    const command = [
      'setpriv',
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      projectFile('bin/smcrouted'),
      '-n',
    ];
    const { status, stderr } = run(topology.router, command);
    assert.equal(status, 77);
    assert.match(stderr, /^smcroute: the program needs CAP_NET_ADMIN and CAP_NET_RAW: start it as root/);
  });
});

describe('smcrouted -F', () => {
  /** Each with the status that smcroute gives too; 2.5 asks for a `phyint` line of each interface of a route. */
  const FILES: readonly (readonly [text: string, status: number])[] = [
    ['', 0],
    ['# nothing\n', 0],
    ['phyint in0 enable\nphyint out1 enable\nmroute from in0 group 225.1.1.1 to out1\n', 0],
    ['mgroup from in0 group 225.1.1.1\n', 0],
    ['phyint in0 enable\n', 0],
    ['include /nowhere/*.conf\n', 0],
    ['bogus\n', 78],
    ['phyint\n', 78],
    ['phyint in+ enable\n', 0],
    ['phyint away0 enable\n', 78],
    ['phyint away+ enable\n', 78],
    ['mroute from in0 group 10.0.0.1 to out1\n', 78],
    ['mroute from in0 to out1\n', 78],
  ];
  const check = (program: string, file: string) => run(topology.router, [program, '-F', file]);

  for (const [text, status] of FILES) {
    it(`gives ${status} for ${JSON.stringify(text)}`, () => {
      writeFileSync(FILE, text);
      const finished = check(projectFile('bin/smcrouted'), FILE);
      assert.equal(finished.status, status, finished.stderr);
      if (status !== 0) assert.match(finished.stderr, new RegExp(`^${FILE} line 1: `));
      if (noPeer === false) assert.equal(check(PEER.daemon, FILE).status, status);
    });
  }

  it('gives 0 for routes and groups whose interfaces do not exist yet', () => {
    write('mroute from away0 group 225.1.1.1 to away1', 'mgroup from away0 group 225.1.1.1');
    assert.equal(check(projectFile('bin/smcrouted'), FILE).status, 0);
  });

  it('gives 78 for a file that does not exist', () => {
    assert.equal(check(projectFile('bin/smcrouted'), '/nowhere/x.conf').status, 78);
  });

  itAsRoot('needs no privilege', () => {
    write('phyint in0 enable', 'phyint away0 enable');
    const command = [
      'setpriv',
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      projectFile('bin/smcrouted'),
      '-F',
      FILE,
    ];
    const { status, stderr } = run(topology.router, command);
    assert.deepEqual([status, stderr], [78, `${FILE} line 2: phyint away0 does not exist on this system\n`]);
  });
});

describe('smcrouted beside that of smcroute', { skip: noPeer }, () => {
  const CONFIGURATION = [
    'phyint in0 enable',
    'phyint in1 enable ttl-threshold 1',
    'mgroup from in0 group 225.1.2.3',
    'mgroup from in0 source 10.50.0.9 group 232.1.1.1',
    'mroute from in0 group 225.1.1.1 to out1 out2',
    'mroute from in0 group 225.1.4.0/24 to out1',
    'mroute from in0 source 10.50.0.5 group 225.1.5.1 to out2',
    'mroute from in1 group ff2e::42 to out1 out2',
  ];
  const SHOTS = [
    ['in0', '10.50.0.1', '225.1.1.1'],
    ['in0', '10.50.0.2', '225.1.1.1'],
    ['in0', '10.50.0.1', '225.1.4.7'],
    ['in0', '10.50.0.5', '225.1.5.1'],
    ['in0', '10.50.0.6', '225.1.5.1'],
    ['in0', '10.50.0.8', '225.1.9.1'],
    ['in1', '2001:db8:50::1', 'ff2e::42'],
    ['in0', '10.50.0.1', '225.1.1.1'],
  ] as const;
  const SHOWN = ['-p show', '-t show', '-p show groups', '-t show groups'];

  /** What leaves where, and what is shown of it; what was learned has no order. */
  async function observe(programs: DaemonOptions['programs'], ...lines: readonly string[]) {
    write(...lines);
    const { identity, args = [] } = options();
    using daemon = await startDaemon(topology.router, {
      identity,
      args,
      ...(programs === undefined ? {} : { programs }),
    });
    const left: (readonly string[])[] = [];
    for (const [iif, source, group] of SHOTS) left.push(await send(iif, source, group));
    const shown = SHOWN.map((words) => daemon.ask(words).split('\n').sort());
    // Rules of which there are several entries have zeros there, and the sums here.
    const counted = daemon.ask('-t -d show routes').split('\n').sort();
    await daemon.stop();
    return { left, shown, counted: counted.filter((line) => !line.startsWith('(*')) };
  }

  it('lets the same packets through under the same file, and shows the same', async () => {
    const peer = await observe(PEER, ...CONFIGURATION);
    assert.deepEqual(peer.left[0], ['out1', 'out2']);
    assert.deepEqual(await observe(undefined, ...CONFIGURATION), peer);
  });

  it('starts with the same of a file that has wrong lines', async () => {
    const broken = CONFIGURATION.flatMap((line) => [line, 'bogus', 'mroute from in0 group 10.0.0.1 to out1']);
    assert.deepEqual(await observe(undefined, ...broken), await observe(PEER, ...CONFIGURATION));
  });
});
