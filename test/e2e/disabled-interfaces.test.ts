// Interfaces that take no part in forwarding: `phyint NAME disable`, and the same over the API.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import type { Entry__Output } from '../../src/api/generated/mcroute/v1/Entry.js';
import { startDaemon } from '../support/smcrouted.js';
import { openTraffic } from '../support/traffic.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { type Router, openRouter } from './router.js';
import { membership, route } from './table-client.js';
import { type TableWatch, openWatch } from './table-watch.js';

const FILE = `/run/disabled-interfaces-${process.pid}.conf`;

let router: Router;
let watch: TableWatch;

before(async () => {
  writeFileSync(FILE, '');
  router = await openRouter({ receivers: 3, args: ['-f', FILE] });
  watch = openWatch(router.agent);
  await watch.synced();
});

after(() => {
  watch[Symbol.dispose]();
  router[Symbol.dispose]();
  rmSync(FILE);
});

afterEach(async () => {
  writeFileSync(FILE, '');
  router.agent.ctl('reload');
  await router.table.clear(['cli', 'controller']);
});

function enabled(name: string, isEnabled: boolean): Resource {
  return { interface: { key: { name }, enabled: isEnabled } };
}

/** State and what is missing, such as `STATE_PARTIAL, INTERFACE_DISABLED out2`. */
function progress({ state, missing }: Entry__Output): string {
  return [state, ...missing.map(({ reason, interface: name }) => `${reason} ${name}`)].join(', ');
}

/** Interfaces of our mrules. */
async function mruleInterfaces(family: string): Promise<string[]> {
  const rules = (await router.table.mrules()).filter((rule) => rule.family.toLowerCase().endsWith(family));
  const own = rules.filter(({ table }) => table === router.agent.table);
  return [...new Set(own.map(({ iif, oif }) => iif || oif))].sort();
}

for (const family of FAMILY_CASES) {
  const group = family.group(1);
  const source = family.source(1);
  const shot = { iif: 'in0', source, group };
  const vifOf = async (name: string) => {
    const status = (await router.table.interfaces()).get(name);
    return status?.[`_${family.family}Vif`] === undefined ? undefined : status[`${family.family}Vif`];
  };

  describe(`an ${family.family} interface that takes no part`, () => {
    it('is left out as an oif, and the others are served', async () => {
      const rules = [route('in0', group, ['out1', 'out2']), route('in0', family.groupPrefix, ['out2', 'out3'])];
      const [, ...entries] = await router.table.put(enabled('out2', false), ...rules);
      for (const entry of entries) assert.equal(progress(entry), 'STATE_PARTIAL, INTERFACE_DISABLED out2');
      assert.deepEqual(await router.send(shot), ['out1', 'out3']);
      assert.deepEqual(await router.send({ ...shot, group: family.group(2) }), ['out3']);
      assert.equal(await vifOf('out2'), undefined);
      assert.deepEqual(await mruleInterfaces(family.family), ['in0', 'out1', 'out3']);
    });

    it('leaves rules waiting from it and only to it', async () => {
      const rules = [route('in0', group, ['out1']), route('in1', group, ['out2'])];
      await router.table.put(enabled('in0', false), enabled('out2', false));
      const entries = await router.table.put(...rules);
      assert.deepEqual(entries.map(progress), [
        'STATE_PENDING, INTERFACE_DISABLED in0',
        'STATE_PENDING, INTERFACE_DISABLED out2',
      ]);
      assert.deepEqual(await router.sendAll([shot, { ...shot, iif: 'in1' }]), [[], []]);
    });

    it('is passed by by wildcards, which miss nothing while others are left', async () => {
      const rules = [route('in+', group, ['out+']), route('in0', family.group(2), ['out2+'])];
      const [, , ...entries] = await router.table.put(enabled('out2', false), enabled('in1', false), ...rules);
      assert.deepEqual(entries.map(progress), ['STATE_PROGRAMMED', 'STATE_PENDING, INTERFACE_DISABLED out2+']);
      assert.deepEqual(await router.send(shot), ['out1', 'out3']);
      assert.deepEqual(await router.send({ ...shot, source: family.source(2), iif: 'in1' }), []);
    });

    it('has groups joined on it', async () => {
      const [, entry] = await router.table.put(enabled('in0', false), membership('in0', group));
      assert.equal(entry && progress(entry), 'STATE_PROGRAMMED');
      const joined = JSON.stringify(router.namespace.ipJson(`${family.ipOption} maddress show dev in0`));
      assert.ok(joined.includes(`"${group}"`), joined);
    });

    it('loses vif, mrules and entries while the agent runs, and has them again under the same number', async () => {
      const rule = route('in0', group, ['out1', 'out2']);
      await router.table.put(rule);
      assert.deepEqual(await router.send(shot), ['out1', 'out2']);
      const before = await vifOf('out2');
      assert.notEqual(before, undefined);
      await router.table.put(enabled('out2', false));
      assert.deepEqual(await router.sendUnattended([shot]), [['out1']]);
      assert.equal(await vifOf('out2'), undefined);
      assert.deepEqual(await mruleInterfaces(family.family), ['in0', 'out1']);
      await router.table.put(route('in0', family.group(2), ['out3']));
      await router.table.put(enabled('out2', true));
      await watch.untilState(rule, 'STATE_PROGRAMMED');
      assert.deepEqual(await router.sendUnattended([shot]), [['out1', 'out2']]);
      assert.equal(await vifOf('out2'), before);
    });

    it('as an iif stops learned flows at once, and lets them on when it is enabled', async () => {
      await router.table.put(route('in0', family.groupPrefix, ['out1']));
      assert.deepEqual(await router.send(shot), ['out1']);
      await router.table.put(enabled('in0', false));
      assert.deepEqual(await router.send(shot), []);
      await router.table.delete(enabled('in0', true));
      assert.deepEqual(await router.send(shot), ['out1']);
    });

    it('is one if a single owner says so', async () => {
      const rule = route('in0', group, ['out1', 'out2']);
      await router.table.put(rule, enabled('out2', true));
      await router.table.as('controller').put(enabled('out2', false));
      assert.equal(progress(await router.table.entry(rule)), 'STATE_PARTIAL, INTERFACE_DISABLED out2');
      await router.table.as('controller').replace([]);
      assert.deepEqual(await router.send(shot), ['out1', 'out2']);
    });

    it('is told by phyint, and follows the file on reload', async () => {
      const mroute = `mroute from in0 group ${group} to out1 out2 out3\n`;
      writeFileSync(FILE, `phyint out2 disable\n${mroute}`);
      router.agent.ctl('reload');
      assert.deepEqual(await router.send(shot), ['out1', 'out3']);
      writeFileSync(FILE, `phyint out+ disable\nphyint out2 enable\n${mroute}`);
      router.agent.ctl('reload');
      assert.deepEqual(await router.sendUnattended([shot]), [['out2']]);
      writeFileSync(FILE, mroute);
      router.agent.ctl('reload');
      assert.deepEqual(await router.sendUnattended([shot]), [['out1', 'out2', 'out3']]);
    });

    it('comes and goes without a loss to other flows', async () => {
      await router.table.put(route('in0', group, ['out1', 'out2']), route('in0', family.groupPrefix, ['out1', 'out3']));
      using from = openTraffic(router.topology.sender(0).namespace);
      using to = openTraffic(router.topology.receiver(1).namespace);
      const groups = [group, family.group(2)];
      const receiver = await to.receive({ interface: 'eth0', groups });
      const sender = await from.send({ interface: 'eth0', groups, rate: 1_000 });
      await receiver.awaitPackets(10);
      for (let times = 0; times < 5; times++) {
        await router.table.put(enabled('out2', false), enabled('out3', false));
        await router.table.delete(enabled('out2', true), enabled('out3', true));
      }
      const { streams } = await receiver.collect(await sender.stop());
      assert.deepEqual(
        streams.map(({ lost, duplicated }) => [lost, duplicated]),
        [
          [0, 0],
          [0, 0],
        ],
      );
    });
  });
}

describe('smcrouted -N', () => {
  /** Sends one packet, waits until the daemon has answered, and tells by which interfaces it left. */
  async function send(family: FamilyCase, iif: string): Promise<readonly string[]> {
    const table = family.family === 'ipv6' ? 'main' : 'default';
    const shot = { id: 0, iif, source: family.source(1), group: family.group(1) };
    const left = await router.packets.exchange([shot], {
      answered: async () => {
        await eventually(() => {
          const entries = router.namespace.ipJson(`${family.ipOption} mroute show table ${table}`);
          return JSON.stringify(entries).includes('"unresolved"') ? undefined : true;
        }, 'all upcalls are answered');
      },
    });
    return left.get(0) ?? [];
  }

  it('lets only those interfaces take part that a phyint line enables', async () => {
    const mroutes = FAMILY_CASES.map((family) => `mroute from in0 group ${family.group(1)} to out1 out2\n`).join('');
    const reload = (daemon: { readonly ask: (words: string) => string }, ...phyints: readonly string[]) => {
      writeFileSync(FILE, [...phyints.map((words) => `phyint ${words}\n`), mroutes].join(''), { mode: 0o644 });
      daemon.ask('reload');
    };
    writeFileSync(FILE, mroutes, { mode: 0o644 });
    using daemon = await startDaemon(router.namespace, { identity: `minus${process.pid}`, args: ['-N', '-f', FILE] });
    const shots = async () => {
      const left: (readonly string[])[] = [];
      for (const family of FAMILY_CASES) left.push(await send(family, 'in0'));
      return left;
    };
    assert.deepEqual(await shots(), [[], []]);
    reload(daemon, 'in0 enable', 'out1 enable', 'out2');
    assert.deepEqual(await shots(), [['out1'], ['out1']]);
    reload(daemon, 'in0 enable', 'out+ enable');
    assert.deepEqual(await shots(), [
      ['out1', 'out2'],
      ['out1', 'out2'],
    ]);
    await daemon.stop();
  });
});
