import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Disk } from '../support/machine.js';
import { eventually } from '../support/wait.js';
import { ServiceRouter } from './router.js';

const TABLE = 123;
const UNIT = `mcroute-agent@${TABLE}.service`;

describe('mcroute-agent@.service', () => {
  let disk: Disk;
  let router: ServiceRouter;
  /** What is in the kernel before a start. */
  let nothing: readonly string[];
  /** What is there while it serves. */
  let everything: readonly string[];
  const systemctl = (...words: readonly string[]) => {
    router.machine.systemctl(...words);
  };

  before(async () => {
    disk = new Disk();
    disk.install();
    disk.write(`etc/systemd/system/${UNIT}.d/test.conf`, '[Service]\nWatchdogSec=2s\nLimitCORE=0\n');
    router = new ServiceRouter(disk, [{ table: TABLE, sender: 0 }]);
    await router.boot();
    router.prepareInstallation();
    nothing = router.kernelState();
  });
  after(async () => {
    await router[Symbol.asyncDispose]();
  });

  it('starts, as a user without privileges', async () => {
    systemctl('enable', '--now', UNIT);
    await router.tell();
    await router.learnFlows();
    assert.match(router.machine.run('mcctl', '--table', String(TABLE), 'show'), /239\.1\.0\.1/);
    everything = router.kernelState();
    const pid = String(router.agentPid(TABLE));
    assert.equal(router.machine.property(UNIT, 'MainPID'), pid);
    assert.equal(router.machine.run('ps', '-o', 'user=', '-p', pid).trim(), 'mcroute');
  });

  it('loses nothing over a restart', () =>
    router.survives(UNIT, () => {
      systemctl('restart', UNIT);
    }));

  it('loses nothing when it is killed', () =>
    router.survives(UNIT, () => {
      systemctl('kill', '--signal=SIGKILL', UNIT);
    }));

  it('loses nothing when it hangs and the watchdog replaces it', () =>
    router.survives(UNIT, () => {
      systemctl('kill', '--signal=SIGSTOP', UNIT);
    }));

  it('loses nothing over an upgrade', () =>
    router.survives(UNIT, () => {
      disk.install();
      systemctl('daemon-reload');
      systemctl('restart', UNIT);
    }));

  it('loses nothing while it is down, if it was told to keep forwarding', () =>
    router.survives(UNIT, async () => {
      systemctl('kill', '--signal=SIGUSR2', '--kill-whom=main', UNIT);
      const isDown = () => router.machine.property(UNIT, 'ActiveState') === 'inactive';
      await eventually(() => (isDown() ? true : undefined), 'it ends');
      // The supervisor removes mrules of ours that lead to where nobody is: this one, the last that it comes to, and no other.
      const orphan = ['iif', 'in0', 'table', '999', 'priority', '5000', 'protocol', '77'];
      router.machine.run('ip', '-6', 'mrule', 'add', ...orphan);
      systemctl('start', 'mcroute');
      const isRemoved = () => !router.machine.run('ip', '-6', 'mrule', 'show').includes('999');
      await eventually(() => (isRemoved() ? true : undefined), 'the supervisor has looked');
      systemctl('stop', 'mcroute');
      systemctl('start', UNIT);
    }));

  it('leaves nothing when it is stopped', () => {
    systemctl('stop', UNIT);
    assert.equal(router.machine.property(UNIT, 'Result'), 'success');
    assert.equal(router.machine.property(UNIT, 'NFileDescriptorStore'), '0');
    assert.deepEqual(router.kernelState(), nothing);
    assert.deepEqual(router.machine.sockets(), []);
  });

  it('has its wishes again when it is started, and when the machine is', async () => {
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
