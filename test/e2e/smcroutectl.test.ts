// smcroutectl against a real agent: when it returns, the kernel has what it was asked for. Where smcroute is installed,
// its own programs are asked the same.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Result } from '../support/agent.js';
import { projectFile } from '../support/launcher.js';
import { plainEnvironment } from '../support/namespaces.js';
import { eventually, waitForExit } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { type Router, TABLE, openRouter } from './router.js';

let router: Router;

before(async () => {
  // As smcroute answers for (*,G): by an entry for each flow.
  router = await openRouter({ args: ['--star-g', 'learn'] });
});

after(() => {
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.clear(['cli']);
});

const CONTROL = projectFile('bin/smcroutectl');

function runControl(args: readonly string[], input = '', program = CONTROL): Result {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: plainEnvironment(),
    input,
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

/** Runs smcroutectl for the router's agent; the words stand apart by spaces. */
function control(words: string, input = ''): Result {
  return runControl(['-u', router.agent.socketPath, ...words.split(' ')], input);
}

const DONE: Result = { status: 0, stdout: '', stderr: '' };

interface MrouteJson {
  readonly src: string;
  readonly dst: string;
  readonly iif?: string;
  readonly multipath?: readonly { readonly oif: string }[];
}

/** The kernel's entries of the table, as `(S, G) iif -> oifs`. */
function kernelEntries(family: FamilyCase): string[] {
  const entries = router.namespace.ipJson(`${family.ipOption} mroute show table ${TABLE}`) as readonly MrouteJson[];
  return entries
    .filter(({ iif }) => iif !== undefined && iif !== 'unresolved')
    .map(({ src, dst, iif = '', multipath = [] }) => {
      const oifs = multipath.map(({ oif }) => oif).sort();
      return [`(${src}, ${dst})`, iif, '->', ...oifs].join(' ');
    })
    .sort();
}

for (const family of FAMILY_CASES) {
  const group = family.group(1);
  const source = family.source(1);
  const shot = { iif: 'in0', source, group };

  describe(`smcroutectl with ${family.family}`, () => {
    it('add, extend, trim and remove a route of the kernel', async () => {
      assert.deepEqual(control(`add in0 ${source} ${group} out1`), DONE);
      assert.deepEqual(kernelEntries(family), [`(${source}, ${group}) in0 -> out1`]);
      assert.deepEqual(control(`add in0 ${source} ${group} out2`), DONE);
      assert.deepEqual(kernelEntries(family), [`(${source}, ${group}) in0 -> out1 out2`]);
      assert.deepEqual(await router.send(shot), ['out1', 'out2']);
      assert.deepEqual(control(`remove in0 ${source} ${group} out1`), DONE);
      assert.deepEqual(kernelEntries(family), [`(${source}, ${group}) in0 -> out2`]);
      assert.deepEqual(control(`remove in0 ${source} ${group}`), DONE);
      assert.deepEqual(kernelEntries(family), []);
      assert.equal(control(`remove in0 ${source} ${group}`).status, 1);
    });

    it('show what was learned from packets, counted, until it is flushed', async () => {
      assert.deepEqual(control(`add in0 ${family.groupPrefix} out+`), DONE);
      assert.deepEqual(await router.sendAll([shot, shot, shot]), [
        ['out1', 'out2'],
        ['out1', 'out2'],
        ['out1', 'out2'],
      ]);
      const { status, stdout } = control('-d -t show routes');
      assert.equal(status, 0);
      const [rule = '', learned = ''] = stdout.split('\n');
      assert.ok(rule.startsWith(`(*, ${family.groupPrefix})`), stdout);
      assert.ok(learned.startsWith(`(${source}, ${group})`), stdout);
      assert.match(learned, / in0 +3 +\d{2,}  out1 out2$/);
      assert.deepEqual(control('flush'), DONE);
      assert.deepEqual(kernelEntries(family), []);
    });

    it('join and leave groups', () => {
      const groups = () => JSON.stringify(router.namespace.ipJson('maddress show dev in0'));
      assert.deepEqual(control(`join in0 ${source} ${group}`), DONE);
      assert.ok(groups().includes(`"${group}"`));
      assert.match(control(`join in0 ${source} ${group}`).stderr, /^smcroutectl: Already joined \(.+\) on in0\n$/);
      const [row] = control('-t show groups').stdout.split('\n');
      assert.equal(row, `${`(${source}, ${group})`.padEnd(42)} in0`);
      assert.deepEqual(control(`leave in0 ${source} ${group}`), DONE);
      assert.ok(!groups().includes(`"${group}"`));
    });

    it('keep what waits for an interface, and forward as soon as it is there', async () => {
      assert.deepEqual(control(`add in0 ${source} ${group} late0`), DONE);
      const line = `mroute  from in0 source ${source} group ${group} to late0\n`;
      assert.equal(control('-t show pending').stdout, `${line}\n`);
      router.namespace.ip('link add late0 type veth peer name late1', 'link set late1 up', 'link set late0 up');
      await eventually(
        () => kernelEntries(family).includes(`(${source}, ${group}) in0 -> late0`) || undefined,
        'the entry has the new interface',
      );
      assert.match(control('show pending').stdout, /^No pending/);
      router.namespace.delete('late0');
    });
  });
}

describe('smcroutectl', () => {
  it('shows the numbers of the interfaces that rules use', () => {
    control('add in0 239.1.1.1 out2');
    const { interfaces } = JSON.parse(control('-j show interfaces').stdout) as {
      readonly interfaces: readonly { readonly name: string; readonly vif: number | null }[];
    };
    const vifs = new Map(interfaces.map(({ name, vif }) => [name, vif]));
    assert.equal(vifs.get('lo'), null);
    for (const name of ['in0', 'out2']) assert.equal(typeof vifs.get(name), 'number');
  });

  it('takes a batch, whose bad lines do no harm to the others', async () => {
    const lines = Array.from({ length: 200 }, (_unused, i) => `add in0 10.50.0.1 239.1.1.${i} out1\n`);
    const bad = 'remove in0 239.9.9.9\nadd in0 239.9.9.9\n# end\n';
    const { status, stderr } = control('-b', `${lines.slice(0, 100).join('')}${bad}${lines.slice(100).join('')}`);
    assert.equal(status, 1);
    assert.deepEqual(stderr.split('\n'), [
      'smcroutectl: No route (*,239.9.9.9) from in0 to remove',
      'smcroutectl: Not enough arguments to command add',
      '',
    ]);
    const [family] = FAMILY_CASES;
    assert.ok(family);
    assert.equal(kernelEntries(family).length, 200);
    assert.deepEqual(await router.send({ iif: 'in0', source: '10.50.0.1', group: '239.1.1.199' }), ['out1']);
  });

  it('finds the agent by its identity', () => {
    const link = '/run/testlab.sock';
    symlinkSync(router.agent.socketPath, link);
    try {
      assert.deepEqual(runControl(['-i', 'testlab', 'add', 'in0', '239.1.1.1', 'out1']), DONE);
      assert.match(control('-t show').stdout, /^\(\*, 239\.1\.1\.1\) +in0 +out1\n/);
    } finally {
      rmSync(link);
    }
  });

  it('has an agent read its file again, and says what is wrong with it', async () => {
    const file = `/run/reloaded-${process.pid}.conf`;
    writeFileSync(file, '');
    const agent = await router.startAgent({ table: 124, args: ['-f', file] });
    const atAgent = (...words: readonly string[]) => runControl(['-u', agent.socketPath, ...words]);
    writeFileSync(file, 'mroute from in1 group 239.4.4.4 to out2\n');
    assert.deepEqual(atAgent('reload'), DONE);
    assert.match(atAgent('-t', 'show').stdout, /^\(\*, 239\.4\.4\.4\) +in1 +out2\n/);
    assert.match(atAgent('remove', 'in1', '239.4.4.4').stderr, /it is in the configuration file/);
    writeFileSync(file, 'mroute from in1 group 10.0.0.1 to out2\n');
    const { status, stderr } = atAgent('reload');
    assert.equal(status, 1);
    assert.ok(stderr.startsWith(`smcroutectl: ${file}:1:`), stderr);
    assert.match(atAgent('-t', 'show').stdout, /239\.4\.4\.4/);
    assert.equal(await agent.stop(), 0);
    rmSync(file);
  });

  it('ends the agent', async () => {
    const agent = await router.startAgent({ table: 125 });
    const ended = waitForExit(agent.process);
    assert.deepEqual(runControl(['-u', agent.socketPath, 'kill']), DONE);
    assert.equal(await ended, 0);
    const { status, stderr } = runControl(['-u', agent.socketPath, 'kill']);
    assert.equal(status, 1);
    assert.match(stderr, /^smcroutectl: Failed connecting to daemon: /m);
  });
});

const PEER = '/usr/sbin/smcroutectl';

describe('smcroutectl beside that of smcroute', { skip: !existsSync(PEER) }, () => {
  const socket = `/run/peer-${process.pid}.sock`;
  const pidFile = `/run/peer-${process.pid}.pid`;
  const COMMANDS = [
    'add in0 239.1.1.1 out1',
    'add in0 239.1.1.1 out2',
    'add in0 10.50.0.5 239.1.1.2 out1 out2',
    'remove in0 10.50.0.5 239.1.1.2 out2',
    'join in0 239.5.5.5',
    'join in0 10.50.0.5 232.1.1.1',
  ];

  before(async () => {
    const args = ['-n', '-f', '/dev/null', '-u', socket, '-P', pidFile, '-t', '77'];
    router.namespace.spawn('/usr/sbin/smcrouted', args, { stdio: 'ignore' });
    await eventually(() => (existsSync(pidFile) ? true : undefined), 'smcrouted is ready');
    // The test ends the daemon with its namespace at the latest.
    for (const command of COMMANDS) {
      assert.deepEqual(runControl(['-u', socket, ...command.split(' ')], '', PEER), DONE, command);
    }
  });

  after(() => {
    process.kill(Number(readFileSync(pidFile, 'latin1')));
  });

  for (const words of ['-p show', '-p -d show', '-t show routes', '-p show groups', '-p -d s g', '-t s g']) {
    it(`prints the same for ${words}`, () => {
      for (const command of COMMANDS) assert.deepEqual(control(command), DONE, command);
      const peer = runControl(['-u', socket, ...words.split(' ')], '', PEER);
      assert.notEqual(peer.stdout, '');
      assert.deepEqual(control(words), peer);
    });
  }

  it('has the same columns for show interfaces, whose numbers smcroute gives to all', () => {
    const shape = (text: string) => text.split('\n').map((line) => [line.slice(0, 14), line.length]);
    const peer = runControl(['-u', socket, '-p', 'show', 'i'], '', PEER);
    assert.deepEqual(shape(control('-p show i').stdout), shape(peer.stdout));
  });
});
