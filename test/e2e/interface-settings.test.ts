// What people say of interfaces with mcctl, what they are shown of it, and the file that it becomes.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { encodeQuery } from '../../src/agent/querier/query.js';
import { FAMILIES, type Family, anyPrefix } from '../../src/model/address.js';
import { type Agent, startAgent } from '../support/agent.js';
import { LINK_CASES } from '../support/link-cases.js';
import { type Lan, openLan } from '../support/lan.js';
import type { LinkHost } from '../support/link-host.js';
import type { Namespace } from '../support/namespaces.js';
import { eventually } from '../support/wait.js';

const TABLE = 1320;
const FILE = '/run/interface-settings/mcroute.conf';

/** Of `mcctl -o json show interfaces`. */
interface InterfaceDocument {
  readonly name: string;
  readonly ifindex: number | null;
  readonly settings: readonly Readonly<Record<string, unknown>>[];
  readonly queriers: readonly Readonly<Record<string, unknown>>[];
  readonly mrdisc: readonly Readonly<Record<string, unknown>>[];
}

let lan: Lan;
let router: Namespace;
let host: LinkHost;

before(async () => {
  lan = await openLan();
  ({ router, host } = lan);
  mkdirSync(join(FILE, '..'));
});

after(() => {
  lan[Symbol.dispose]();
});

afterEach(() => {
  router.ip('link set lan0 up');
});

const start = (...args: readonly string[]): Promise<Agent> => startAgent(router, { table: TABLE, args });

function shown(agent: Agent, name: string): InterfaceDocument | undefined {
  const { interfaces } = JSON.parse(agent.ctl('-o', 'json', 'show', 'interfaces')) as {
    interfaces: InterfaceDocument[];
  };
  return interfaces.find((one) => one.name === name);
}

/** What is told of the querier of the family on lan0, once it has the role. */
function querierAs(agent: Agent, family: Family, role: string | null): Promise<Readonly<Record<string, unknown>>> {
  return eventually(
    () => shown(agent, 'lan0')?.queriers.find((one) => one['family'] === family && one['role'] === role),
    `the ${family} querier as ${String(role)}`,
  );
}

describe('show interfaces', () => {
  for (const family of FAMILIES) {
    it(`tells who the querier is, and what it waits for (${family})`, async () => {
      using agent = await start();
      agent.ctl('interface', 'lan0', '--querier');
      const own = await querierAs(agent, family, 'querier');
      const [older, newer] = LINK_CASES[family].versions;
      assert.deepEqual([own['querier'], own['version'], own['error']], [own['source'], newer, null]);
      const protocol = family === 'ipv4' ? 'IGMP' : 'MLD';
      const table = agent.ctl('show', 'interfaces');
      assert.ok(table.includes(`\n  querier: ${String(own['source'])} (us), ${protocol}v${newer}\n`), table);
      const { lower, everyone } = LINK_CASES[family];
      const group = anyPrefix(family).address;
      const query = { family, version: older, group, maxResponseMs: 10_000, robustness: 2, intervalS: 125 };
      await host.sendMessage(lower, everyone, encodeQuery(query));
      const other = await querierAs(agent, family, 'non-querier');
      assert.deepEqual([other['querier'], other['version'], other['source']], [lower, older, own['source']]);
      assert.match(agent.ctl('show', 'interfaces'), /^ {2}querier: .*other querier present; we are /m);
      router.ip('link set lan0 down');
      assert.equal((await querierAs(agent, family, null))['waiting_for'], 'up');
      await agent.stop();
    });
  }

  it('tells of router discovery, and of both no more when nobody wants them', async () => {
    using agent = await start();
    agent.ctl('interface', 'lan0', '--querier', '--mrdisc');
    const isTold = ({ queriers, mrdisc }: InterfaceDocument) => queriers.length + mrdisc.length;
    const found = await eventually(() => {
      const one = shown(agent, 'lan0');
      return one !== undefined && isTold(one) === 4 ? one : undefined;
    }, 'both protocols of both families');
    assert.deepEqual(
      found.mrdisc.map((one) => [one['family'], one['interval'], one['waiting_for']]),
      FAMILIES.map((family) => [family, 20, null]),
    );
    agent.ctl('interface', 'lan0', '--unset');
    await eventually(() => {
      const one = shown(agent, 'lan0');
      return one !== undefined && isTold(one) === 0 ? one : undefined;
    }, 'neither protocol');
    await agent.stop();
  });

  it('tells what each owner wants, of an interface that is not there too', async () => {
    using agent = await start();
    agent.ctl('interface', 'away0', '--disable', '--boundary', '239.255.9.9/16', '--boundary', 'ff15::/16');
    agent.ctl('--owner', 'other', 'interface', 'away0', '--ttl-threshold', '9');
    const away = shown(agent, 'away0');
    assert.equal(away?.ifindex, null);
    const plain = { ttl_threshold: 1, enabled: null, querier: false, mrdisc: false, boundaries: [] };
    assert.deepEqual(
      [...away.settings].sort((a, b) => Number(a['ttl_threshold']) - Number(b['ttl_threshold'])),
      [
        { ...plain, enabled: false, boundaries: ['239.255.0.0/16', 'ff15::/16'], owners: ['cli'] },
        { ...plain, ttl_threshold: 9, owners: ['other'] },
      ],
    );
    await agent.stop();
  });
});

describe('export --conf', () => {
  it('is a file from which an agent has the same resources', async () => {
    using agent = await start();
    agent.ctl('interface', 'lan0', '--querier', '--boundary', '239.255.0.0/16', '--ttl-threshold', '3');
    agent.ctl('interface', 'out0', '--disable', '--mrdisc');
    agent.ctl('add', 'lan0', '10.0.0.9/8', '239.1.0.0/16', 'out0@9', 'eth+', '--except', '10.9.0.0/16');
    agent.ctl('add', 'lan0', 'ff3e::1', 'out0');
    agent.ctl('join', 'lan0', '10.0.0.5', '232.1.1.1');
    const conf = agent.ctl('export', '--conf');
    const resources = agent.ctl('export', '-o', 'json');
    await agent.stop();
    writeFileSync(FILE, conf);
    using again = await start('-f', FILE);
    assert.deepEqual(JSON.parse(again.ctl('--owner', 'config', 'export', '-o', 'json')), JSON.parse(resources));
    assert.equal(again.ctl('--owner', 'config', 'export', '--conf'), conf);
    assert.match(conf, /^phyint /);
    await again.stop();
  });
});
