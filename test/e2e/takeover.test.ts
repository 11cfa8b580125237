// An agent that takes over the sockets of one that was killed or told to leave, while packets flow.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { type Agent, startAgent } from '../support/agent.js';
import { apply, list, put } from '../support/calls.js';
import { type Keeper, openKeeper } from '../support/keeper.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { openTraffic } from '../support/traffic.js';
import { waitForExit } from '../support/wait.js';

const TABLE = 321;

let topology: RouterTopology;
let keeper: Keeper;
let stateDirectory: string;
let lives = 0;

before(() => {
  topology = routerTopology();
});

after(() => {
  topology[Symbol.dispose]();
});

beforeEach(() => {
  keeper = openKeeper(`/run/keeper-${++lives}`);
  stateDirectory = `/run/takeover-${lives}`;
});

afterEach(() => {
  keeper[Symbol.dispose]();
});

function start(): Promise<Agent> {
  return startAgent(topology.router, { table: TABLE, keeper, stateDirectory });
}

async function kill(agent: Agent): Promise<void> {
  agent.process.kill('SIGKILL');
  await waitForExit(agent.process);
  agent[Symbol.dispose]();
}

const MEMBERSHIPS = [
  { interface: 'in0', group: '239.5.1.1' },
  { interface: 'in0', group: '239.5.1.2', source: '10.1.0.2' },
  { interface: 'in0', group: 'ff1e::5:1:1' },
];

/** Rules of all kinds, and joins. */
async function configure(agent: Agent): Promise<void> {
  const rules = [
    { group: '239.5.1.1', source: topology.sender(0).ipv4 },
    { group: '239.5.1.2' },
    { group: '239.6.0.0/16' },
    { group: 'ff1e::5:1:1', source: topology.sender(0).ipv6 },
    { group: 'ff1e::5:1:2' },
    { group: 'ff1e::6:0:0/96' },
  ].map((key) => put({ key: { iif: 'in0', ...key }, oifs: [{ interface: 'out1' }] }));
  const joins = MEMBERSHIPS.map((key) => ({ put: { membership: { key } } }));
  await apply(agent.client, { changes: [...rules, ...joins] });
}

/** What the kernel has of the table, without counters. */
function kernelState(): Record<string, unknown> {
  const ip = (...words: string[]) => topology.router.run('ip', words);
  const mroutes = (family: string) =>
    ip(family, 'mroute', 'show', 'table', String(TABLE))
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ').trim())
      .sort();
  return {
    ipv4: mroutes('-4'),
    ipv6: mroutes('-6'),
    mrules: ['-4', '-6'].map((family) => ip(family, 'mrule', 'show').split('\n').sort()),
    joins: topology.router.ipJson('maddress show dev in0'),
  };
}

async function entries(agent: Agent): Promise<unknown> {
  const { entries: all } = await list(agent.client);
  return all.map((entry) => JSON.stringify(entry)).sort();
}

describe('an agent that takes over', () => {
  for (const [how, end] of [
    ['killed', kill],
    [
      'told to leave',
      async (agent: Agent) => {
        agent.process.kill('SIGUSR2');
        assert.equal(await waitForExit(agent.process), 0);
        agent[Symbol.dispose]();
      },
    ],
  ] as const) {
    it(`from one that was ${how} loses no packet, leaves no group, and has the state from before`, async () => {
      let agent = await start();
      await configure(agent);
      using from = openTraffic(topology.sender(0).namespace);
      using to = openTraffic(topology.receiver(1).namespace);
      const groups = ['239.5.1.1', '239.5.1.2', '239.6.1.1', 'ff1e::5:1:1', 'ff1e::5:1:2', 'ff1e::6:0:1'];
      const receiver = await to.receive({ interface: 'eth0', groups });
      const sender = await from.send({ interface: 'eth0', groups, rate: 1_200 });
      // Flows of prefix rules must stand.
      await receiver.awaitPackets(groups.length * 50);
      const before = { kernel: kernelState(), entries: await entries(agent) };
      for (let times = 0; times < 3; times++) {
        await end(agent);
        agent = await start();
        assert.deepEqual(await entries(agent), before.entries);
      }
      const { streams, socketDrops } = await receiver.collect(await sender.stop());
      assert.equal(socketDrops, 0);
      assert.deepEqual(
        streams.map(({ group, lost, duplicated }) => ({ group, lost, duplicated })),
        [...groups].sort().map((group) => ({ group, lost: 0, duplicated: 0 })),
      );
      assert.deepEqual(kernelState(), before.kernel);
      assert.equal(await agent.stop(), 0);
      assert.deepEqual(keeper.names, []);
    });
  }
});
