// docs/migrating-from-smcroute.md, step by step as it stands there, on a machine that runs the daemon of smcroute.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Block, fencedBlocks } from '../support/guide.js';
import { projectFile } from '../support/launcher.js';
import { Disk, type Machine, bootMachine } from '../support/machine.js';
import { type Namespace, openNamespace } from '../support/namespaces.js';
import { eventually } from '../support/wait.js';

const GUIDE = readFileSync(projectFile('docs/migrating-from-smcroute.md'), 'utf8');

/** What the package smcroute has installed here, and where it is to be in the machine. */
const PEER = [
  ['/usr/sbin/smcrouted', 'usr/sbin/smcrouted'],
  ['/usr/sbin/smcroutectl', 'usr/sbin/smcroutectl'],
  ['/lib/systemd/system/smcroute.service', 'usr/lib/systemd/system/smcroute.service'],
] as const;

const isPeerHere = PEER.every(([file]) => existsSync(file));

/** The machine has no sudo, and nobody in it but root. */
const SUDO = `#!/bin/sh
if [ "$1" = -u ]; then
  user=$2
  shift 2
  exec runuser -u "$user" -- "$@"
fi
exec "$@"
`;

const FILE = 'mgroup from eth0 group 225.1.2.3\nmroute from eth0 group 225.1.2.3 to eth1 eth2\n';

describe(
  'the migration guide',
  { skip: isPeerHere ? false : 'smcroute is not installed (Debian package smcroute)' },
  () => {
    let network: Namespace;
    let disk: Disk;
    let machine: Machine;
    let rest: Block[];

    before(async () => {
      network = openNamespace('router');
      for (const name of ['eth0', 'eth1', 'eth2']) {
        network.ip(`link add ${name} type veth peer name peer-${name}`, `link set dev peer-${name} up`);
        network.setUp(name);
      }
      disk = new Disk();
      for (const [from, to] of PEER) copyFileSync(from, join(disk.root, to));
      for (const name of ['smcroute', 'studio', 'edit']) disk.write(`etc/${name}.conf`, FILE);
      disk.write('usr/local/bin/sudo', SUDO);
      chmodSync(join(disk.root, 'usr/local/bin/sudo'), 0o755);
      // The first lines of the guide, which would build it in the machine.
      disk.install();
      machine = await bootMachine(disk, network);
      machine.systemctl('start', 'smcroute');
      rest = fencedBlocks(GUIDE, 'sh');
    });
    after(async () => {
      await machine[Symbol.asyncDispose]();
      network[Symbol.dispose]();
    });

    /** Runs the next block of the guide, in which the text must be; gives what it printed. */
    const follow = (text: string): string => {
      const block = rest.shift();
      assert.ok(block?.text.includes(text) === true, `the next block has no ${text}: ${block?.text ?? 'none is left'}`);
      const script = block.text.replace(/^npm run build\nsudo scripts\/install\.sh .*\n/, '');
      const { status, stdout, stderr } = machine.try('sh', '-exc', script);
      assert.equal(status, 0, `line ${block.line}: ${stdout}${stderr}`);
      return stdout;
    };
    const isForwarding = (table: string) => {
      const entries = network.ipJson(`-4 mroute show table ${table}`) as readonly { readonly dst: string }[];
      return entries.some(({ dst }) => dst === '225.1.2.3');
    };
    const isJoined = () => JSON.stringify(network.ipJson('maddress show dev eth0')).includes('"225.1.2.3"');
    const mrules = () => network.run('ip', ['mrule', 'show']);

    it('begins with an installation that disturbs nothing', () => {
      const pid = machine.property('smcroute', 'MainPID');
      follow('scripts/install.sh');
      assert.equal(machine.property('smcroute', 'MainPID'), pid);
      assert.ok(isJoined());
    });

    it('puts our programs in the place of the others', () => {
      follow('smcrouted -F');
      follow('dpkg-divert');
      const before = mrules();
      const shown = follow('systemctl restart smcroute');
      assert.match(shown, /^\(\*, 225\.1\.2\.3\) +eth0 +eth1 eth2$/m);
      assert.match(shown, /^No pending/m);
      assert.equal(mrules(), before);
      assert.match(machine.run('smcroutectl', '-v'), /^mcroute /);
      machine.systemctl('reload', 'smcroute');
      assert.ok(isJoined());
    });

    it('goes on with a lone agent', () => {
      follow('systemctl disable --now smcroute');
      assert.ok(!isJoined());
      assert.match(follow('mcroute-agent@123'), /225\.1\.2\.3/);
      assert.ok(isJoined());
      assert.match(mrules(), /iif eth0 lookup 123/);
      machine.systemctl('disable', '--now', 'mcroute-agent@123');
      assert.doesNotMatch(mrules(), /123/);
    });

    it('goes on with the supervisor', async () => {
      const [file] = fencedBlocks(GUIDE, 'yaml');
      assert.ok(file !== undefined);
      machine.run('sh', '-c', 'printf %s "$0" >/etc/mcroute/mcroute.yaml', file.text);
      assert.match(follow('mcroute-supervisor --check'), /studio[^]*225\.1\.2\.3/);
      assert.match(mrules(), /iif eth0 lookup 124/);
      assert.ok(!isForwarding('123'), 'the first packet has not come');
      // As the guide says before its next lines: an exact (*,G) rule is an entry then.
      machine.run('sed', '-i', 's/star-g: learn/star-g: kernel/', '/etc/mcroute/mcroute.yaml');
      follow('systemctl reload mcroute');
      await eventually(() => (isForwarding('123') && isForwarding('124') ? true : undefined), 'entries of the kernel');
    });

    it('can do without the file', async () => {
      const agent = () => machine.run('mcctl', 'table', 'show', 'studio');
      follow('--owner config export');
      machine.run('sed', '-i', '/config: .*studio/d', '/etc/mcroute/mcroute.yaml');
      machine.systemctl('reload', 'mcroute');
      await eventually(() => (agent().includes('studio.conf') ? undefined : true), 'the table has no file');
      await eventually(() => (/\bready\b/.test(agent()) ? true : undefined), 'its agent serves');
      assert.match(machine.run('mcctl', '--table', 'studio', 'show', '-o', 'wide'), /225\.1\.2\.3.*\bcli\b/);
      assert.ok(isForwarding('123'));
    });

    it('leads back', () => {
      follow('export --conf');
      follow('systemctl disable --now mcroute');
      assert.doesNotMatch(mrules(), /12[34]/);
      assert.ok(isJoined());
      follow('dpkg-divert --local --rename --remove');
      assert.match(machine.run('smcroutectl', '-v'), /^(?:smcroutectl |SMCRoute )/m);
      assert.match(machine.run('smcroutectl', '-p', 'show'), /^\(\*, 225\.1\.2\.3\) +eth0 +eth1 eth2$/m);
      assert.deepEqual(rest, []);
    });
  },
);
