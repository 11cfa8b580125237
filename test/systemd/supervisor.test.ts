import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Disk } from '../support/machine.js';
import { eventually } from '../support/wait.js';
import { ServiceRouter } from './router.js';

const UNIT = 'mcroute.service';
const CONFIGURATION = 'etc/mcroute/mcroute.yaml';
const CONFIGURED = 123;
const CREATED = 124;
const ADDED = 125;

/** A configuration file with these tables. */
function configuration(...tables: readonly number[]): string {
  return ['tables:', ...tables.map((table) => `  - id: ${table}\n    options: { watchdog: 2 }`), ''].join('\n');
}

describe('mcroute.service', () => {
  let disk: Disk;
  let router: ServiceRouter;
  /** What is in the kernel before a start. */
  let nothing: readonly string[];
  /** What is there while it serves. */
  let everything: readonly string[];
  const systemctl = (...words: readonly string[]) => {
    router.machine.systemctl(...words);
  };
  const property = (name: string) => router.machine.property(UNIT, name);

  before(async () => {
    disk = new Disk();
    disk.install();
    disk.write(CONFIGURATION, configuration(CONFIGURED));
    disk.write(`etc/systemd/system/${UNIT}.d/test.conf`, '[Service]\nWatchdogSec=2s\nLimitCORE=0\n');
    router = new ServiceRouter(disk, [
      { table: CONFIGURED, sender: 0 },
      { table: CREATED, sender: 1 },
    ]);
    await router.boot();
    router.prepareInstallation();
    nothing = router.kernelState();
  });
  after(async () => {
    await router[Symbol.asyncDispose]();
  });

  it('has units that systemd accepts, as tight as docs/systemd.md says', () => {
    for (const [unit, exposure] of [
      ['mcroute.service', 30],
      ['mcroute-agent@.service', 24],
    ] as const) {
      const file = `/usr/local/lib/systemd/system/${unit}`;
      const { status, stderr } = router.machine.try('systemd-analyze', 'verify', file);
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
      router.machine.run('systemd-analyze', 'security', '--offline=true', `--threshold=${exposure}`, file);
    }
  });

  it('starts, with agents that are not root', async () => {
    systemctl('enable', '--now', UNIT);
    router.machine.run('mcctl', 'table', 'create', String(CREATED));
    await router.tell();
    await router.learnFlows();
    everything = router.kernelState();
    const pids = router.tables.map(({ table }) => String(router.agentPid(table)));
    const users = router.machine.run('ps', '-o', 'user=', '-p', pids.join());
    assert.deepEqual(users.split('\n').filter(Boolean), ['mcroute', 'mcroute']);
  });

  it('reads a changed configuration without a loss', async () => {
    const pid = property('MainPID');
    for (const tables of [[CONFIGURED, ADDED], [CONFIGURED]]) {
      const isThere = tables.includes(ADDED);
      await router.survives(
        UNIT,
        () => {
          disk.write(CONFIGURATION, configuration(...tables));
          systemctl('reload', UNIT);
        },
        () => router.machine.sockets().includes(`${ADDED}.sock`) === isThere && property('ActiveState') === 'active',
      );
    }
    assert.equal(property('MainPID'), pid);
  });

  it('forgets a table that is deleted, though its wishes are of another user', () => {
    const folder = router.machine.path(`var/lib/mcroute/${ADDED}`);
    router.machine.run('mcctl', 'table', 'create', String(ADDED));
    assert.ok(existsSync(folder));
    router.machine.run('mcctl', 'table', 'delete', String(ADDED), '--forget');
    assert.ok(!existsSync(folder));
  });

  it('loses nothing over a restart', () =>
    router.survives(UNIT, () => {
      systemctl('restart', UNIT);
    }));

  it('loses nothing when the supervisor is killed', () =>
    router.survives(UNIT, () => {
      systemctl('kill', '--signal=SIGKILL', '--kill-whom=main', UNIT);
    }));

  it('loses nothing when all its processes are killed at once', () =>
    router.survives(UNIT, () => {
      systemctl('kill', '--signal=SIGKILL', UNIT);
    }));

  it('loses nothing when the supervisor hangs and the watchdog replaces it', () =>
    router.survives(UNIT, () => {
      systemctl('kill', '--signal=SIGSTOP', '--kill-whom=main', UNIT);
    }));

  it('loses nothing when an agent hangs, and replaces only that', async () => {
    const [supervisor, other] = [property('MainPID'), router.agentPid(CREATED)];
    const status = property('StatusText');
    const hanging = router.agentPid(CONFIGURED);
    await router.survives(
      UNIT,
      () => {
        router.machine.run('kill', '-s', 'STOP', String(hanging));
      },
      () => {
        const pid = router.agentPid(CONFIGURED);
        return pid !== undefined && pid !== hanging && property('StatusText') === status;
      },
    );
    assert.deepEqual([property('MainPID'), router.agentPid(CREATED)], [supervisor, other]);
  });

  it('loses nothing over an upgrade', () =>
    router.survives(UNIT, () => {
      disk.install();
      systemctl('daemon-reload');
      systemctl('restart', UNIT);
    }));

  it('loses nothing while it cannot start because of its configuration', () =>
    router.survives(UNIT, async () => {
      disk.write(CONFIGURATION, 'tables: 7\n');
      assert.equal(router.machine.try('systemctl', 'restart', UNIT).status, 1);
      await eventually(() => (property('ActiveState') === 'failed' ? true : undefined), 'it gives up');
      assert.equal(property('ExecMainStatus'), '78');
      disk.write(CONFIGURATION, configuration(CONFIGURED));
      systemctl('start', UNIT);
    }));

  it('leaves nothing when it is stopped', () => {
    systemctl('stop', UNIT);
    assert.equal(property('Result'), 'success');
    assert.equal(property('NFileDescriptorStore'), '0');
    assert.deepEqual(router.kernelState(), nothing);
    assert.deepEqual(router.machine.sockets(), []);
    assert.equal(router.machine.try('pgrep', '--full', 'mcroute').stdout, '');
  });

  it('has all tables and wishes again when it is started, and when the machine is', async () => {
    systemctl('start', UNIT);
    await router.learnFlows();
    assert.deepEqual(router.kernelState(), everything);
    assert.equal(await router.powerOff(), 0);
    assert.deepEqual(router.kernelState(), nothing);
    await router.boot();
    await router.learnFlows();
    assert.deepEqual(router.kernelState(), everything);
  });
});
