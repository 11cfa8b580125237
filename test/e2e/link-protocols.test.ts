// The querier and router discovery of an agent: asked for by a file or over the API, on links that come and go.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Interface } from '../../src/api/generated/mcroute/v1/Interface.js';
import { FAMILIES } from '../../src/model/address.js';
import { type Agent, startAgent } from '../support/agent.js';
import { apply } from '../support/calls.js';
import { type Lan, openLan } from '../support/lan.js';
import { LINK_CASES } from '../support/link-cases.js';
import { type LinkHost, type SeenMessage, openLinkHost } from '../support/link-host.js';
import { type Namespace, connect, openNamespace } from '../support/namespaces.js';
import { STREAM_DATAGRAMS, openSwitch } from '../support/switch.js';
import { eventually, waitForExit } from '../support/wait.js';

const TABLE = 1310;
const FILE = '/run/link-protocols/mcroute.conf';

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

const start = (...args: readonly string[]): Promise<Agent> => startAgent(router, { table: TABLE, args });

const putInterface = (agent: Agent, settings: Interface) =>
  apply(agent.client, { changes: [{ id: 1, put: { interface: settings } }] });

const deleteInterface = (agent: Agent, name: string) =>
  apply(agent.client, { changes: [{ id: 1, delete: { interface: { name } } }] });

/** Addresses of lan0; of IPv6 it has one that the kernel made, too. */
function ownAddresses(): string[] {
  const [link] = router.ipJson('address show dev lan0') as readonly {
    readonly addr_info: readonly { readonly local: string }[];
  }[];
  return link?.addr_info.map(({ local }) => local) ?? [];
}

for (const family of FAMILIES) {
  const of = LINK_CASES[family];
  const isQuery = ({ type, payload }: SeenMessage) => type === of.query && payload.length === 2 * of.lengths[1];
  const isOfType = (type: number) => (message: SeenMessage) => message.type === type;

  describe(`an agent with a querier of ${family}`, () => {
    it('asks at once on the interface that a file names, and no more when it no longer does', async () => {
      writeFileSync(FILE, 'phyint lan0 querier\n');
      const asked = host.nextMessage(isQuery);
      using agent = await start('-f', FILE);
      assert.ok(ownAddresses().includes((await asked).source));
      writeFileSync(FILE, 'phyint lan0\n');
      agent.ctl('reload');
      // Whoever is asked for again asks at once: had it gone on, the next query would be 31 s away.
      const again = host.nextMessage(isQuery);
      writeFileSync(FILE, 'phyint lan0 querier\n');
      agent.ctl('reload');
      await again;
      await agent.stop();
    });

    it('feeds a receiver behind a switch that snoops and had starved it', { timeout: 90_000 }, async () => {
      using agent = await start();
      using lanOfSwitch = await openSwitch(router, family);
      const { sender, receiver } = lanOfSwitch;
      await receiver.join(of.group);
      await lanOfSwitch.ask(sender);
      await lanOfSwitch.membership(true);
      await lanOfSwitch.membership(false);
      assert.deepEqual(await lanOfSwitch.delivered('starved'), { receiver: 0, bystander: 0 });
      // As switches have it; in 2 s the answer would be forgotten before it is used.
      lanOfSwitch.setMembershipInterval(260);
      await putInterface(agent, { key: { name: 'sw0' }, querier: true });
      await lanOfSwitch.membership(true);
      assert.deepEqual(await lanOfSwitch.delivered('fed'), { receiver: STREAM_DATAGRAMS, bystander: 0 });
      await agent.stop();
    });
  });

  describe(`an agent with router discovery of ${family}`, () => {
    it('announces, answers, and says farewell when nobody wants it any more', async () => {
      using agent = await start();
      const announced = host.nextMessage(isOfType(of.advertisement));
      await putInterface(agent, { key: { name: 'lan0' }, mrdisc: true });
      const { source, destination, payload } = await announced;
      assert.ok(ownAddresses().includes(source));
      assert.equal(destination, of.snoopers);
      // Every 20 s; no querier is told of, where there is none.
      assert.match(payload, /^..14....00000000$/);
      const seen = () => host.messages.filter(isOfType(of.advertisement)).length;
      const atFirst = seen();
      await eventually(() => (seen() >= atFirst + 2 ? true : undefined), 'the three of the beginning');
      // The next would come in 20 s.
      const answer = host.nextMessage(isOfType(of.advertisement));
      await host.sendMessage(of.lower, of.routers, Buffer.from(of.solicitation, 'hex'));
      await answer;
      const farewell = host.nextMessage(isOfType(of.termination));
      await deleteInterface(agent, 'lan0');
      await farewell;
      await agent.stop();
    });

    it('says farewell when it stops, and not when it leaves forwarding to the next', async () => {
      writeFileSync(FILE, 'phyint lan0 mrdisc\n');
      const announced = host.nextMessage(isOfType(of.advertisement));
      using leaving = await start('-f', FILE);
      await announced;
      const before = host.messages.length;
      leaving.process.kill('SIGUSR2');
      assert.equal(await waitForExit(leaving.process, 20_000), 0);
      using agent = await start('-f', FILE);
      // By now all that the one before it sent has been seen.
      const next = host.nextMessage(isOfType(of.advertisement));
      await host.sendMessage(of.lower, of.routers, Buffer.from(of.solicitation, 'hex'));
      await next;
      assert.deepEqual(host.messages.slice(before).filter(isOfType(of.termination)), []);
      const farewell = host.nextMessage(isOfType(of.termination));
      await agent.stop();
      await farewell;
    });
  });
}

describe('links that change', () => {
  it('a querier without an address asks from 0.0.0.0, and from its address as soon as it has one', async () => {
    using bare = openNamespace('bare');
    connect({ namespace: router, interface: 'bare0' }, { namespace: bare, interface: 'eth0' });
    const neighbour = await openLinkHost(bare, 'eth0');
    using agent = await start();
    await putInterface(agent, { key: { name: 'bare0' }, querier: true });
    const isIgmp = ({ type }: SeenMessage) => type === LINK_CASES.ipv4.query;
    assert.equal((await neighbour.message(isIgmp)).source, '0.0.0.0');
    router.ip('address add 10.0.9.1/24 dev bare0');
    // Settings that differ begin anew, so that the next query is not 31 s away.
    await deleteInterface(agent, 'bare0');
    const next = neighbour.nextMessage(isIgmp);
    await putInterface(agent, { key: { name: 'bare0' }, querier: true });
    assert.equal((await next).source, '10.0.9.1');
    await agent.stop();
  });

  it('an interface that comes later, by a wildcard of the file', async () => {
    writeFileSync(FILE, 'phyint late+ querier mrdisc\n');
    using agent = await start('-f', FILE);
    using behind = openNamespace('behind');
    connect(
      { namespace: router, interface: 'late0', addresses: ['10.0.8.5/24'] },
      { namespace: behind, interface: 'eth0' },
    );
    const neighbour = await openLinkHost(behind, 'eth0');
    const { query, advertisement } = LINK_CASES.ipv4;
    const advertised = await neighbour.message(({ type }) => type === advertisement);
    // Interval 20 s, any checksum, the querier's interval 125 s and robustness 2.
    assert.match(advertised.payload, /^3014....007d0002$/);
    // The first query may have been sent before the neighbour listened; whoever comes up again is asked again.
    const asked = neighbour.nextMessage(({ type }) => type === query);
    router.ip('link set late0 down');
    router.ip('link set late0 up');
    assert.equal((await asked).source, '10.0.8.5');
    await agent.stop();
  });
});
