// mcroute-launch against the real kernel: what it opens, what it keeps, what it gives up, and how it says no.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  LAUNCH,
  NET_ADMIN_ONLY,
  itAsRoot,
  PROBE,
  TARGET,
  TARGET_ID,
  expectedId,
  isRootless,
  launchProbe,
  parseProbe,
  projectFile,
  run,
  whileOwned,
} from '../support/launcher.js';

const NO_CAPABILITY = '0000000000000000';
const CAPABILITY_LINES = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'] as const;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_RAW = 3;
const IPPROTO_IGMP = 2;
const IPPROTO_ICMPV6 = 58;
const SCHED_RR = 2;

/** Prints the status of each thread of a Node process. */
const NODE_THREADS = `
  const { readFileSync, readdirSync } = require('node:fs');
  const threads = readdirSync('/proc/self/task').map((tid) => readFileSync('/proc/self/task/' + tid + '/status', 'utf8'));
  console.log(JSON.stringify(threads.map((text) => Object.fromEntries(
    text.trim().split('\\n').map((line) => [line.split(':')[0], line.split(':')[1].trim().split(/\\s+/)])))));`;

/** Owns the default tables of both families (MRT_INIT without MRT_TABLE), if nobody else does. */
const OWN_DEFAULT_TABLES = `
import socket
for family, protocol, level in ((socket.AF_INET, 2, 0), (socket.AF_INET6, 58, 41)):
    socket.socket(family, socket.SOCK_RAW, protocol).setsockopt(level, 200, 1)
print("owned")`;

describe('what a launched program may do', () => {
  it('gives every thread of Node CAP_NET_ADMIN, the target user, and no way to more', () => {
    const finished = run([LAUNCH, '--table', '1001', ...TARGET, '--', process.execPath, '-e', NODE_THREADS]);
    assert.equal(finished.status, 0, finished.stderr);
    const threads = JSON.parse(finished.stdout) as Record<string, string[]>[];
    assert.ok(threads.length > 1, 'Node has threads from the start');
    for (const thread of threads) {
      for (const line of CAPABILITY_LINES) assert.deepEqual(thread[line], [NET_ADMIN_ONLY], line);
      assert.deepEqual(thread['NoNewPrivs'], ['1']);
      assert.deepEqual(thread['Uid'], Array<string>(4).fill(String(expectedId)));
      assert.deepEqual(thread['Gid'], Array<string>(4).fill(String(expectedId)));
      assert.deepEqual(thread['Groups'], ['']);
    }
  });

  it('refuses it raw sockets, and leaves its files to its user and group', () => {
    const answer = parseProbe(launchProbe(['--table', '1002', ...TARGET]));
    assert.equal(answer.rawSocket, 'EPERM');
    assert.equal(answer.umask, 0o007);
    assert.equal(answer.procOwner, expectedId, 'it is dumpable: /proc/self is its own');
  });

  itAsRoot('takes supplementary groups away', () => {
    const answer = parseProbe(
      run(['setpriv', '--groups', '7,8', LAUNCH, '--table', '1003', ...TARGET, '--', ...PROBE]),
    );
    assert.deepEqual(answer.groups, []);
  });

  it('keeps root only when told to, and then with no other capability', () => {
    const answer = parseProbe(launchProbe(['--table', '1004', '--user', 'root']));
    assert.deepEqual(answer.uids, [0, 0, 0]);
    for (const line of CAPABILITY_LINES) assert.deepEqual(answer.status[line], [NET_ADMIN_ONLY], line);
    assert.equal(answer.rawSocket, 'EPERM');
  });

  itAsRoot('works for an unprivileged user with ambient capabilities, as under systemd, and keeps the user', () => {
    const asUser = ['setpriv', '--reuid', '4242', '--regid', '4243', '--clear-groups'];
    const ambient = ['--inh-caps', '-all,+net_admin,+net_raw', '--ambient-caps', '-all,+net_admin,+net_raw'];
    const bounded = ['--bounding-set', '-all,+net_admin,+net_raw'];
    const finished = run([...asUser, ...ambient, ...bounded, LAUNCH, '--table', '1005', '--', ...PROBE]);
    const answer = parseProbe(finished);
    assert.deepEqual(answer.uids, [4242, 4242, 4242]);
    assert.deepEqual(answer.gids, [4243, 4243, 4243]);
    for (const line of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      assert.deepEqual(answer.status[line], [NET_ADMIN_ONLY]);
    assert.equal(answer.rawSocket, 'EPERM');
    assert.match(finished.stderr, /note: the bounding set stays as it is, because CAP_SETPCAP is missing/);
  });

  it('allows real-time priority 1, or says that it could not', () => {
    const finished = launchProbe(['--table', '1006', ...TARGET]);
    const answer = parseProbe(finished);
    const isAllowed = answer.realtimeLimit.join() === '1,1' || answer.schedulingPolicy === SCHED_RR;
    assert.notEqual(isAllowed, finished.stderr.includes('note: real-time priority is refused'));
  });

  it('says what a user namespace keeps it from dropping, and nothing elsewhere', () => {
    const finished = launchProbe(['--table', '1007', ...TARGET]);
    assert.equal(finished.status, 0);
    if (!isRootless) {
      assert.doesNotMatch(finished.stderr, / stays? /);
      return;
    }
    assert.match(finished.stderr, /the user stays root, because uid 65534 is not mapped in this user namespace/);
    assert.match(finished.stderr, /the group stays root, because gid 65534 is not mapped in this user namespace/);
  });

  itAsRoot('ends when it cannot become the user', () => {
    const finished = run([
      'setpriv',
      '--bounding-set',
      '-setuid',
      LAUNCH,
      '--table',
      '1008',
      ...TARGET,
      '--',
      ...PROBE,
    ]);
    assert.equal(finished.status, 77);
    assert.equal(finished.stdout, '');
    assert.match(
      finished.stderr,
      /^mcroute-launch: MISSING_CAPABILITY: becoming user \w+ is not permitted: .*CAP_SETUID/m,
    );
  });

  it('runs as mcroute where there is such a user, and else as nobody with a note', () => {
    const directory = mkdtempSync(join(tmpdir(), 'launch-'));
    try {
      const file = join(directory, 'passwd');
      const runWith = (entries: string) => {
        writeFileSync(file, entries, { mode: 0o644 });
        const script = 'mount --bind "$1" /etc/passwd && shift && exec "$@"';
        const launch = [LAUNCH, '--table', '1009', '--', ...PROBE];
        return run(['unshare', '--mount', 'sh', '-c', script, 'sh', file, ...launch]);
      };
      const nobody = 'root:x:0:0::/:/bin/sh\nnobody:x:4321:4322::/:/bin/false\n';
      const asNobody = runWith(nobody);
      assert.match(asNobody.stderr, /note: there is no user mcroute, so the program runs as nobody/);
      const asMcroute = runWith(`${nobody}mcroute:x:1234:1235::/:/bin/false\n`);
      assert.doesNotMatch(asMcroute.stderr, /nobody/);
      if (isRootless) {
        assert.match(asMcroute.stderr, /uid 1234 is not mapped/);
      } else {
        assert.deepEqual(parseProbe(asNobody).uids, [4321, 4321, 4321]);
        assert.deepEqual(parseProbe(asMcroute).gids, [1235, 1235, 1235]);
      }
      const unknown = run([LAUNCH, '--table', '1009', '--user', 'no-such-user', '--', ...PROBE]);
      assert.equal(unknown.status, 64);
      assert.match(unknown.stderr, /^mcroute-launch: UNKNOWN_USER: .*no-such-user/m);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe('the sockets', () => {
  it('arrive named from descriptor 3 on, ready for upcalls, reports and queries, with nothing beside them', () => {
    const stray = 'exec 7</dev/null 9</dev/null "$@"';
    const answer = parseProbe(run(['sh', '-c', stray, 'sh', LAUNCH, '--table', '1011', ...TARGET, '--', ...PROBE]));
    assert.deepEqual(Object.keys(answer.fds), ['3', '4']);
    assert.equal(answer.environment['LISTEN_PID'], String(answer.pid));
    assert.equal(answer.environment['LISTEN_FDS'], '2');
    assert.equal(answer.environment['LISTEN_FDNAMES'], 'mrt4:mrt6');
    const common = { type: SOCK_RAW, receiveBuffer: 2 * 1024 * 1024, isBlocking: false, pktinfo: 1 };
    assert.deepEqual(answer.sockets['3'], { ...common, family: AF_INET, protocol: IPPROTO_IGMP });
    assert.deepEqual(answer.sockets['4'], {
      ...common,
      family: AF_INET6,
      protocol: IPPROTO_ICMPV6,
      passed: [130, 131, 132, 143],
      // RFC 2711: option 5 of 2 bytes, value 0 (MLD); padded to 8 bytes.
      hopByHop: '0000050200000100',
    });
  });

  it('own the table: a second launch is refused with the cure until the first program ends', async () => {
    const second = () => launchProbe(['--table', '1012', ...TARGET]);
    await whileOwned(['--table', '1012', ...TARGET], () => {
      assert.equal(launchProbe(['--table', '1112', ...TARGET]).status, 0, 'another table is free');
      const refused = second();
      assert.equal(refused.status, 69);
      assert.equal(refused.stdout, '');
      assert.match(
        refused.stderr,
        /^mcroute-launch: TABLE_IN_USE: table 1012 \(IPv4\) is owned by another program.*ss -awp.*--table/m,
      );
    });
    assert.equal(second().status, 0);
  });

  it('of IPv6 alone are refused by an owner of IPv6 alone', async () => {
    await whileOwned(['--table', '1013', '--families', 'ipv6', ...TARGET], () => {
      assert.match(launchProbe(['--table', '1013', ...TARGET]).stderr, /TABLE_IN_USE: table 1013 \(IPv6\)/);
      const ipv4 = parseProbe(launchProbe(['--table', '1013', '--families', 'ipv4', ...TARGET]));
      assert.equal(ipv4.environment['LISTEN_FDNAMES'], 'mrt4');
    });
  });

  it('that are handed over are kept, with all that is named beside them, and only the missing is opened', () => {
    const kept = ['asm4', 'asm4', 'ssm4', 'asm6', 'ssm6', 'vifs', 'notes'];
    const handOver = ['python3', projectFile('test/support/hand-over.py'), '1014', kept.join(':')];
    const answer = parseProbe(run([...handOver, LAUNCH, '--table', '1014', ...TARGET, '--', ...PROBE]));
    assert.equal(answer.environment['LISTEN_FDNAMES'], ['mrt4', ...kept, 'mrt6'].join(':'));
    assert.equal(answer.environment['LISTEN_FDS'], '9');
    const files = kept.map((name, at) => [String(4 + at), `/memfd:${name} (deleted)`]);
    const { 3: first, 11: last, ...between } = answer.fds;
    assert.deepEqual(between, Object.fromEntries(files));
    assert.ok(first !== undefined && last !== undefined);
    assert.equal(answer.sockets['3']?.family, AF_INET);
    assert.equal(answer.sockets['11']?.family, AF_INET6);
  });

  it('that are handed over need no CAP_NET_RAW', () => {
    const again = [LAUNCH, '--table', '1015', '--user', 'root', '--', ...PROBE];
    const inodes = 'readlink /proc/self/fd/3 /proc/self/fd/4 >&2; exec "$@"';
    const finished = run([LAUNCH, '--table', '1015', '--user', 'root', '--', 'sh', '-c', inodes, 'sh', ...again]);
    const answer = parseProbe(finished);
    assert.equal(answer.environment['LISTEN_FDNAMES'], 'mrt4:mrt6');
    assert.deepEqual(finished.stderr.match(/socket:\[\d+\]/g), [answer.fds['3'], answer.fds['4']]);
  });

  it('that are meant for another process are not taken', () => {
    const answer = parseProbe(
      launchProbe(['--table', '1016', ...TARGET], { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'mrt4' }),
    );
    assert.equal(answer.environment['LISTEN_FDNAMES'], 'mrt4:mrt6');
  });

  it('that are handed over under a wrong name are refused', () => {
    const script = 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=mrt6 exec "$@"';
    const finished = run(['sh', '-c', script, 'sh', LAUNCH, '--table', '1017', ...TARGET, '--', ...PROBE]);
    assert.equal(finished.status, 64);
    assert.match(finished.stderr, /^mcroute-launch: INVALID_FIELD: descriptor 3, handed over as mrt6, is not an IPv6/m);
  });

  it('are of IPv4 alone on a kernel without IPv6, with a warning', () => {
    const withoutIpv6 = ['python3', projectFile('test/support/without-ipv6.py'), LAUNCH];
    const finished = run([...withoutIpv6, '--table', '1018', ...TARGET, '--', ...PROBE]);
    assert.equal(parseProbe(finished).environment['LISTEN_FDNAMES'], 'mrt4');
    assert.match(finished.stderr, /^mcroute-launch: warning: the kernel has no IPv6: .*; going on with IPv4 alone$/m);
    const ipv6Alone = run([...withoutIpv6, '--table', '1018', '--families', 'ipv6', ...TARGET, '--', ...PROBE]);
    assert.equal(ipv6Alone.status, 69);
    assert.match(ipv6Alone.stderr, /^mcroute-launch: KERNEL_UNSUPPORTED: the kernel has no IPv6/m);
  });
});

describe('a launch that is refused', () => {
  for (const table of ['0', '100000000', 'x', '', '-1', '5x']) {
    it(`for table "${table}" says which are allowed`, () => {
      const finished = launchProbe([`--table=${table}`]);
      assert.equal(finished.status, 64);
      assert.equal(finished.stdout, '');
      assert.match(finished.stderr, /^mcroute-launch: INVALID_FIELD: .*from 1 to 99999999/);
    });
  }

  it('takes the largest table that both families have', () => {
    assert.equal(launchProbe(['--table', '99999999', ...TARGET]).status, 0);
  });

  it('for want of a table, of a program, or for an option that is none, is a usage error', () => {
    assert.match(launchProbe([]).stderr, /INVALID_FIELD: the table id is missing: add --table ID/);
    assert.match(run([LAUNCH, '--table', '5']).stderr, /INVALID_FIELD: the program is missing/);
    assert.match(launchProbe(['--tabel', '5']).stderr, /INVALID_FIELD: "--tabel" is not an option/);
    assert.match(launchProbe(['--table', '5', '--families', 'ipv5']).stderr, /INVALID_FIELD: --families "ipv5"/);
    assert.match(launchProbe(['--table']).stderr, /INVALID_FIELD: --table needs a value/);
    assert.equal(launchProbe(['--table']).status, 64);
  });

  // With CAP_NET_RAW alone the socket opens, MRT_TABLE is refused, and MRT_INIT would take the default table.
  for (const bounding of ['-all', '-all,+net_raw']) {
    it(`for want of a capability (bounding set ${bounding}) names the cure and leaves the default tables alone`, () => {
      const without = ['setpriv', '--bounding-set', bounding, '--inh-caps', '-all'];
      const finished = run([...without, LAUNCH, '--table', '1021', ...TARGET, '--', ...PROBE]);
      assert.equal(finished.status, 77);
      assert.equal(finished.stdout, '', 'the program did not run');
      assert.match(
        finished.stderr,
        /^mcroute-launch: MISSING_CAPABILITY: .*CAP_NET_ADMIN and CAP_NET_RAW: start it as root/m,
      );
      assert.equal(run(['python3', '-c', OWN_DEFAULT_TABLES]).stdout, 'owned\n');
    });
  }

  it('for a program that cannot be run is a system error', () => {
    const finished = run([LAUNCH, '--table', '1022', ...TARGET, '--', '/nonexistent']);
    assert.equal(finished.status, 71);
    assert.match(finished.stderr, /^mcroute-launch: EXEC_FAILED: cannot run \/nonexistent as user/m);
  });
});

describe('--from-arguments', () => {
  it('finds the table in every form in which the agent takes it', async () => {
    await whileOwned(['--table', '1031', ...TARGET], () => {
      for (const words of [
        ['--table', '1031'],
        ['--table=1031'],
        ['-t', '1031'],
        ['-t1031'],
        ['-nt1031'],
        ['-t', '1031', '-f', '-t5'],
      ]) {
        const finished = run([LAUNCH, '--from-arguments', ...TARGET, '--', ...PROBE, ...words]);
        assert.match(finished.stderr, /TABLE_IN_USE: table 1031 /, words.join(' '));
      }
    });
  });

  it('finds the user and the families, and leaves the arguments to the program', () => {
    const words = ['-t', '1032', '-p', `${TARGET_ID}:${TARGET_ID}`, '--families', 'ipv6'];
    const answer = parseProbe(run([LAUNCH, '--from-arguments', '--', ...PROBE, ...words]));
    assert.equal(answer.environment['LISTEN_FDNAMES'], 'mrt6');
    assert.deepEqual(answer.uids, Array<number>(3).fill(expectedId));
    const echoed = run([LAUNCH, '--from-arguments', '--', 'echo', 'x', ...words]);
    assert.equal(echoed.stdout, `x ${words.join(' ')}\n`);
  });

  for (const word of ['--help', '--version', '--check', '-h', '-v']) {
    it(`with ${word} opens nothing and needs no table, and drops every privilege`, () => {
      const finished = run([LAUNCH, '--from-arguments', ...TARGET, '--', ...PROBE, word]);
      const answer = parseProbe(finished);
      assert.equal(finished.stderr, '');
      assert.deepEqual(answer.fds, {});
      assert.equal(answer.environment['LISTEN_FDS'], undefined);
      assert.deepEqual(answer.uids, Array<number>(3).fill(expectedId));
      for (const line of CAPABILITY_LINES) assert.deepEqual(answer.status[line], [NO_CAPABILITY], line);
    });
  }
});
