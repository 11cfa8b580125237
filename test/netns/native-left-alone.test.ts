// Flows that the upcall thread leaves alone: the kernel keeps them unresolved for 10 s and asks no more, so the thread
// answers them when other rules come.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import type { MrouteSocket } from '../../src/agent/kernel/native.js';
import {
  FAMILIES,
  flowKey,
  groupRecord,
  mfcRecord,
  native,
  NETS,
  openRouter,
  openTable,
  Responder,
  type Router,
  TABLE,
} from './native-support.js';

let router: Router;
before(async () => {
  router = await openRouter(3);
  for (const family of FAMILIES) {
    for (const host of [0, 1]) router.host(host).addAddress(family, NETS[family].source(0, ROAMER));
  }
});
after(() => {
  router[Symbol.dispose]();
});

/** Number of the address that two hosts have. */
const ROAMER = 9;

/** Its packets are wanted from vif 1 and from vif 2, not from vif 0. */
const RULES = [
  { iif: 1, oifs: { 2: 1 } },
  { iif: 2, oifs: { 1: 1 } },
];

/** Upcall iifs: (*,G) entries serve all iifs, so flows that come in elsewhere are left alone. */
const NONE = 0;
const VIF_1 = 0b10;

/** Flows left alone that are remembered, per family. */
const LIMIT = 1024;

/** What the thread remembers a flow for: the kernel's 10 s, and an eighth by which its timer may be late. */
const UNRESOLVED_MS = 11_250;

for (const family of FAMILIES) {
  const net = NETS[family];
  const source = net.source(0, ROAMER);
  const exact = (group: string) => `${group}${net.hostLength}`;

  describe(`flows left alone, IPv${family}`, () => {
    let socket: MrouteSocket;
    let lastGroup = 0;
    /** Each test has groups of its own. */
    const nextGroup = () => net.group(++lastGroup);
    before(() => {
      socket = native.openMrouteSocket(family, TABLE);
      router.addVifs(socket);
    });
    after(() => {
      socket.close();
    });

    const isInKernel = (group: string) =>
      socket.counters(Uint32Array.from(flowKey(source, group)))[0] !== 2n ** 64n - 1n;
    const receivedBy = (host: number, group: string) =>
      router.host(host).received.filter((text) => text.startsWith(`${group} `));

    /** Sends packets that find no entry and make no upcall; when it returns the kernel has them. */
    async function queue(responder: Responder, host: number, group: string, ...texts: readonly string[]) {
      await router.host(host).send(source, group, ...texts.map((text) => `${group} ${text}`));
      // A flow after them: when it is answered, they have come.
      const events = responder.events.length;
      await router.host(host).send(source, nextGroup(), 'behind them');
      assert.deepEqual((await responder.event(events)).oifs, {});
    }

    /** The flow comes in where no rule wants it, and (*,G) entries serve the iifs that do. */
    async function leaveAlone(responder: Responder, group: string) {
      responder.setRules(groupRecord(exact(group), RULES, NONE));
      const events = responder.events.length;
      await router.host(0).send(source, group, `${group} left alone`);
      assert.equal((await responder.event(events)).kind, 'unresolved');
    }

    it('are answered when the rules of their group change, and their packets go on at once', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await router.host(2).join(group);
      await leaveAlone(responder, group);
      await queue(responder, 1, group, 'queued');
      const events = responder.events.length;
      responder.setRules(groupRecord(exact(group), RULES, VIF_1));
      assert.ok(isInKernel(group), 'when the rules are set');
      assert.deepEqual(await responder.event(events), {
        kind: 'learned',
        family,
        source,
        group,
        parent: 1,
        arrival: 0,
        oifs: { 2: 1 },
      });
      await router.host(1).send(source, group, `${group} after`);
      await router.host(2).waitForText(`${group} after`);
      assert.deepEqual(receivedBy(2, group), [`${group} queued`, `${group} after`]);
      const { learned, unresolved } = responder.thread.stats();
      assert.deepEqual([learned, unresolved], [1n, 1n]);
    });

    it('are answered once, and like others when no rule wants them any more', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      responder.setRules(groupRecord(exact(group), []));
      assert.deepEqual((await responder.event(1)).oifs, {});
      const remove = Uint32Array.from(mfcRecord('delete', source, group));
      assert.equal(responder.thread.applyLearned(family, remove)[0], 0);
      responder.setRules(groupRecord(exact(group), RULES, VIF_1));
      assert.ok(!isInKernel(group));
      const { learned, unmatched } = responder.thread.stats();
      assert.deepEqual([learned, unmatched], [0n, 1n]);
    });

    it('stay left alone while the rules have no answer, and are not counted again', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      responder.setRules(groupRecord(exact(group), [...RULES, { iif: 3, oifs: { 1: 1 } }], NONE));
      responder.setRules(groupRecord(exact(group), RULES, NONE));
      assert.ok(!isInKernel(group));
      responder.setRules(groupRecord(exact(group), RULES, VIF_1));
      assert.ok(isInKernel(group));
      assert.equal((await responder.event(1)).kind, 'learned');
      assert.deepEqual([responder.events.length, responder.thread.stats().unresolved], [2, 1n]);
    });

    it('are answered by the last of the rules that hold their group, be it of a prefix', async () => {
      const [group, other] = [nextGroup(), nextGroup()];
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      await leaveAlone(responder, other);
      // Each of the two records would make an entry.
      responder.setRules(
        groupRecord(exact(group), RULES, VIF_1),
        groupRecord(exact(group), [{ iif: 1, oifs: { 0: 1 } }, ...RULES.slice(1)], VIF_1),
      );
      assert.deepEqual([isInKernel(group), isInKernel(other)], [true, false]);
      assert.deepEqual((await responder.event(2)).oifs, { 0: 1 });
      // A source with one iif has an entry for it.
      responder.setRules(groupRecord(net.groups, [{ iif: 1, deny: true }]));
      assert.ok(isInKernel(other));
      const { parent, oifs } = await responder.event(3);
      assert.deepEqual([parent, oifs], [2, { 1: 1 }]);
    });

    it('are forgotten when JavaScript makes their entry', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      for (const operation of ['put', 'delete'] as const) {
        const record = Uint32Array.from(mfcRecord(operation, source, group, 1, { 2: 1 }));
        assert.equal(responder.thread.applyLearned(family, record)[0], 0);
      }
      responder.setRules(groupRecord(exact(group), RULES, VIF_1));
      assert.ok(!isInKernel(group));
      assert.equal(responder.thread.stats().learned, 0n);
    });

    it('are not answered by a thread that has ended', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      responder.thread.stop();
      responder.setRules(groupRecord(exact(group), RULES, VIF_1));
      assert.ok(!isInKernel(group));
    });

    // A (*,G) entry is looked up before the queue of unresolved flows, but does not empty it (`ipmr_mfc_add`).
    it('go by a (*,G) entry that comes, but for what was queued', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await router.host(2).join(group);
      await leaveAlone(responder, group);
      await queue(responder, 1, group, 'lost');
      const proxy = mfcRecord('putProxy', source, group, 1, { 1: 1, 2: 1 });
      assert.equal(socket.applyMfc(Uint32Array.from(proxy))[0], 0);
      await router.host(1).send(source, group, `${group} after`);
      await router.host(2).waitForText(`${group} after`);
      assert.deepEqual(receivedBy(2, group), [`${group} after`]);
      socket.applyMfc(Uint32Array.from(mfcRecord('deleteProxy', source, group, 1)));
    });

    it('lose nothing to a (*,G) entry of their iif: the exact entry comes first and can go after it', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await router.host(2).join(group);
      await leaveAlone(responder, group);
      responder.setRules(groupRecord(exact(group), [{ iif: 0, oifs: { 2: 1 } }, ...RULES], NONE));
      const proxy = mfcRecord('putProxy', source, group, 0, { 0: 1, 2: 1 });
      assert.equal(socket.applyMfc(Uint32Array.from(proxy))[0], 0);
      const remove = Uint32Array.from(mfcRecord('delete', source, group));
      assert.equal(responder.thread.applyLearned(family, remove)[0], 0);
      await router.host(0).send(source, group, `${group} after`);
      await router.host(2).waitForText(`${group} after`);
      assert.deepEqual(receivedBy(2, group), [`${group} left alone`, `${group} after`]);
      socket.applyMfc(Uint32Array.from(mfcRecord('deleteProxy', source, group, 0)));
    });

    it('are remembered up to a limit, the last ones', async () => {
      using responder = new Responder(socket, { learnedLimit: 2 * LIMIT, ringLimit: 4 * LIMIT });
      const group = (number: number) =>
        family === 4 ? `239.2.${number >> 8}.${number & 0xff}` : `ff1e::2:${number.toString(16)}`;
      const groups = Array.from({ length: LIMIT + 1 }, (_, number) => group(number));
      const setAll = (upcallIifs: number) => {
        responder.setRules(...groups.map((each) => groupRecord(exact(each), RULES, upcallIifs)));
      };
      setAll(NONE);
      await router.host(0).sendToAll(source, groups.slice(0, LIMIT));
      await responder.event(LIMIT - 1);
      // The kernel forgets that it has asked, and asks again for the first.
      socket.flush(1);
      await router.host(0).send(source, group(0), 'again');
      await responder.event(LIMIT);
      await router.host(0).send(source, group(LIMIT), 'one too many');
      await responder.event(LIMIT + 1);
      setAll(VIF_1);
      assert.equal(responder.thread.stats().learned, BigInt(LIMIT));
      assert.deepEqual(
        groups.filter((each) => !isInKernel(each)),
        [group(1)],
      );
      socket.flush(1);
    });
  });
}

it('flows left alone are forgotten when the kernel would ask again by itself', async () => {
  await Promise.all(
    FAMILIES.map(async (family) => {
      const { group, source, hostLength } = NETS[family];
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket);
      const setRules = (upcallIifs: number) => {
        responder.setRules(groupRecord(`${group(1)}${hostLength}`, RULES, upcallIifs));
      };
      setRules(NONE);
      await router.host(0).send(source(0, ROAMER), group(1), 'left alone');
      await responder.event(0);
      // Nothing tells that the time is over: it is longer than what the kernel takes.
      await new Promise((resolve) => setTimeout(resolve, UNRESOLVED_MS));
      setRules(VIF_1);
      assert.equal(responder.thread.stats().learned, 0n);
      await router.host(0).send(source(0, ROAMER), group(1), 'asks again');
      assert.equal((await responder.event(1)).kind, 'learned');
      assert.equal(responder.thread.stats().noCache, 2n);
    }),
  );
});
