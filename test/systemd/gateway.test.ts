// mcroute.service with a gateway: who it is, what it may touch, and that agents and streams do not notice what becomes of it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectToSupervisor, deadlineAfter, unary } from '../../src/api/client.js';
import type { ListTablesResponse__Output } from '../../src/api/generated/mcroute/v1/ListTablesResponse.js';
import { Disk } from '../support/machine.js';
import { WAIT_LIMIT_MS } from '../support/wait.js';
import { ServiceRouter } from './router.js';

const UNIT = 'mcroute.service';
const CONFIGURATION = 'etc/mcroute/mcroute.yaml';
const TABLE = 123;
const WITHOUT_GATEWAY = `tables: [{ id: ${TABLE} }]\n`;
const WITH_GATEWAY = `${WITHOUT_GATEWAY}gateway: {}\n`;
const NO_CAPABILITY = '0000000000000000';

describe('the gateway of mcroute.service', () => {
  let disk: Disk;
  let router: ServiceRouter;
  before(async () => {
    disk = new Disk();
    disk.install();
    disk.write(CONFIGURATION, WITH_GATEWAY);
    router = new ServiceRouter(disk, [{ table: TABLE, sender: 0 }]);
    await router.boot();
    router.prepareInstallation();
    router.machine.systemctl('start', UNIT);
    await router.tell();
    await router.learnFlows();
  });
  after(async () => {
    await router[Symbol.asyncDispose]();
  });

  function gatewayPids(): readonly number[] {
    const { stdout } = router.machine.try('pgrep', '--full', '--', 'start.cjs mcroute-gateway ');
    return stdout.split('\n').filter(Boolean).map(Number);
  }

  function gatewayPid(): number {
    const [pid, ...others] = gatewayPids();
    assert.deepEqual(others, []);
    return pid ?? assert.fail(`there is no gateway: ${router.machine.journal(UNIT)}`);
  }

  const status = () => router.machine.property(UNIT, 'StatusText');

  /** Whether another gateway serves than the one of before. */
  function isReplaced(before: number): boolean {
    const pids = gatewayPids();
    return pids.length === 1 && pids[0] !== before && status().endsWith('gateway ready');
  }

  it('is another user than the agents, in their group, and has no capability', () => {
    const pid = String(gatewayPid());
    assert.equal(status(), '1 table, 1 ready; gateway ready');
    assert.equal(
      router.machine.run('ps', '-o', 'user:32=,group:32=', '-p', pid).trim().split(/\s+/).join(),
      'mcroute-gw,mcroute',
    );
    const lines = router.machine.run('cat', `/proc/${pid}/status`).split('\n');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      assert.ok(lines.includes(`${set}:\t${NO_CAPABILITY}`), set);
    }
    assert.ok(lines.includes('NoNewPrivs:\t1'));
  });

  it('has sockets and folders of its own, and none that is above them', () => {
    const paths = [
      ...['/run/mcroute/gateway.sock', '/run/mcroute/supervisor-gateway.sock'],
      ...['/var/log/mcroute', '/var/log/mcroute/gateway', '/var/lib/mcroute', '/var/lib/mcroute/gateway'],
    ];
    assert.deepEqual(
      router.machine
        .run('stat', '--format=%U:%G %a %n', ...paths)
        .trim()
        .split('\n'),
      [
        'mcroute-gw:mcroute 660 /run/mcroute/gateway.sock',
        'mcroute-gw:root 600 /run/mcroute/supervisor-gateway.sock',
        'root:root 755 /var/log/mcroute',
        'mcroute-gw:root 700 /var/log/mcroute/gateway',
        'root:root 755 /var/lib/mcroute',
        'mcroute-gw:root 700 /var/lib/mcroute/gateway',
      ],
    );
  });

  it('serves the tables of the host', async () => {
    using gateway = connectToSupervisor(router.machine.path('run/mcroute/gateway.sock'));
    const { entries } = await unary<ListTablesResponse__Output>((callback) =>
      gateway.client.ListTables({}, { deadline: deadlineAfter(WAIT_LIMIT_MS) }, callback),
    );
    assert.deepEqual(
      entries.map(({ table }) => table),
      [TABLE],
    );
  });

  it('is replaced when it is killed, and no agent notices', async () => {
    const [pid, agent, supervisor] = [gatewayPid(), router.agentPid(TABLE), router.machine.property(UNIT, 'MainPID')];
    await router.survives(
      UNIT,
      () => {
        router.machine.run('kill', '-s', 'KILL', String(pid));
      },
      () => isReplaced(pid),
    );
    assert.deepEqual([router.agentPid(TABLE), router.machine.property(UNIT, 'MainPID')], [agent, supervisor]);
  });

  it('is replaced once by a restart, whatever ends the supervisor', async () => {
    for (const end of [['restart'], ['kill', '--signal=SIGKILL', '--kill-whom=main']]) {
      const pid = gatewayPid();
      const isUnitReplaced = router.isReplaced(UNIT);
      await router.survives(
        UNIT,
        () => {
          router.machine.systemctl(...end, UNIT);
        },
        () => isUnitReplaced() && isReplaced(pid),
      );
    }
  });

  it('goes and comes with its section', async () => {
    const agent = router.agentPid(TABLE);
    for (const text of [WITHOUT_GATEWAY, WITH_GATEWAY]) {
      const isWanted = text === WITH_GATEWAY;
      await router.survives(
        UNIT,
        () => {
          disk.write(CONFIGURATION, text);
          router.machine.systemctl('reload', UNIT);
        },
        () =>
          gatewayPids().length === (isWanted ? 1 : 0) &&
          status() === `1 table, 1 ready${isWanted ? '; gateway ready' : ''}`,
      );
      assert.equal(router.machine.sockets().includes('supervisor-gateway.sock'), isWanted);
    }
    assert.equal(router.agentPid(TABLE), agent);
  });

  it('ends with the service', () => {
    router.machine.systemctl('stop', UNIT);
    assert.deepEqual(gatewayPids(), []);
    assert.deepEqual(router.machine.sockets(), []);
  });
});
