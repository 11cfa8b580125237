// Many tables at once on one supervisor, and an agent that is killed again and again.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { apply, list, put } from '../support/calls.js';
import { KeptSupervisor } from '../support/kept-supervisor.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';

const TABLES = Array.from({ length: 32 }, (_, n) => 1_001 + n);
const KILLS = 100;

let topology: RouterTopology;
let host: KeptSupervisor;

before(() => {
  topology = routerTopology();
});

after(() => {
  topology[Symbol.dispose]();
});

beforeEach(() => {
  host = new KeptSupervisor(topology.router, 'tables: []\n');
});

afterEach(() => {
  host[Symbol.dispose]();
});

function mrules(): string {
  return ['-4', '-6'].map((family) => topology.router.run('ip', [family, 'mrule', 'show'])).join('');
}

function mroutes(table: number): string {
  return ['-4', '-6']
    .map((family) => topology.router.run('ip', [family, 'mroute', 'show', 'table', String(table)]))
    .join('');
}

/** Proportional set size of a process in KiB: what is shared counts by its share. */
function pssKib(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]);
}

describe('a supervisor', () => {
  it(`of ${TABLES.length} tables has all of them ready, each with its own rules, and stops them all`, async (t) => {
    host.configure(`tables:\n${TABLES.map((id) => `  - { id: ${id}, name: t${id} }\n`).join('')}`);
    await host.start(...TABLES);
    for (const [n, table] of TABLES.entries()) {
      // Only one table can have the packets of an interface: the others see none.
      const rule = {
        key: { iif: n === 0 ? 'in0' : `later${n}`, group: `239.9.${n}.1` },
        oifs: [{ interface: 'out1' }],
      };
      const exact = { key: { iif: 'in0', group: `239.9.${n}.2`, source: '10.9.9.9' }, oifs: [{ interface: 'out1' }] };
      await apply(host.client(table), { changes: n === 0 ? [put(rule)] : [put(rule), put(exact)] });
    }
    for (const [n, table] of TABLES.entries()) {
      const { entries } = await list(host.client(table));
      const groups = entries.map(({ resource }) => resource?.mroute?.key?.group);
      assert.deepEqual(groups.sort(), n === 0 ? ['239.9.0.1'] : [`239.9.${n}.1`, `239.9.${n}.2`]);
      assert.match(mroutes(table), new RegExp(`239\\.9\\.${n}\\.`));
      assert.doesNotMatch(mroutes(table), new RegExp(`239\\.9\\.(?!${n}\\.)\\d+\\.`));
    }
    const pids = (await host.list()).map(({ pid }) => pid);
    assert.equal(new Set(pids).size, TABLES.length);
    const sizes = pids.map(pssKib).sort((a, b) => a - b);
    t.diagnostic(`memory of an agent (PSS): median ${((sizes[16] ?? 0) / 1024).toFixed(1)} MiB`);
    t.diagnostic(`memory of the supervisor (PSS): ${(pssKib(host.pid) / 1024).toFixed(1)} MiB`);
    assert.equal(await host.end('SIGTERM'), 0, host.log);
    for (const pid of pids) assert.ok(!existsSync(`/proc/${pid}`), `agent ${pid} is left`);
    assert.doesNotMatch(mrules(), /lookup 10\d\d/);
    for (const table of TABLES) assert.equal(mroutes(table), '');
  });

  it(`whose agent is killed ${KILLS} times in a row has nothing more than before`, async () => {
    const table = 2_001;
    host.configure(`tables:\n  - id: ${table}\n`);
    await host.start(table);
    const joins = ['239.10.0.1', 'ff1e::10:1'].map((group) => ({
      put: { membership: { key: { interface: 'in0', group } } },
    }));
    const rules = ['239.10.0.1', '239.10.0.0/24', 'ff1e::10:1'].map((group) =>
      put({ key: { iif: 'in0', group }, oifs: [{ interface: 'out1' }] }),
    );
    await apply(host.client(table), { changes: [...joins, ...rules] });
    await host.replaceAgent(table);
    const before = footprint(table);
    for (let kills = 0; kills < KILLS; kills++) await host.replaceAgent(table);
    assert.deepEqual(footprint(table), before);
    assert.equal(await host.end('SIGTERM'), 0, host.log);
    assert.deepEqual(host.keeper.names, []);
    assert.equal(mroutes(table), '');
    assert.doesNotMatch(mrules(), /lookup 2001/);
    assert.deepEqual(topology.router.pids(), []);
    assert.deepEqual(
      readdirSync(host.runtimeDirectory).filter((name) => name.endsWith('.sock')),
      [],
    );
  });
});

/** All that could be left behind by a life of an agent; numbers of processes are left out. */
function footprint(table: number): unknown {
  return {
    kept: host.keeper.names,
    supervisor: kindsOfDescriptors(host.pid),
    processes: topology.router.pids().length,
    mrules: mrules().split('\n').sort(),
    mroutes: mroutes(table)
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' '))
      .sort(),
    runtime: readdirSync(host.runtimeDirectory).sort(),
    state: readdirSync(host.stateDirectory, { recursive: true }).map(String).sort(),
    joins: topology.router.ipJson('maddress show dev in0'),
  };
}

/** What the descriptors of a process are, without the numbers of what they lead to. */
function kindsOfDescriptors(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`;
  const kinds = readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`).replace(/\d+/g, 'N');
    } catch {
      // Gone since the list was made.
      return '';
    }
  });
  return kinds.filter((kind) => kind !== '').sort();
}
