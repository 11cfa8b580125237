// Flows that the upcall thread leaves alone: the kernel keeps them unresolved for 10 s and asks no more, so the thread
// answers when other rules come. Where these let the source in on several iifs, it lets the kernel ask again.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import type { MrouteSocket } from '../../src/agent/kernel/native.js';
import { eventually } from '../support/wait.js';
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

/** Its vif is the only oif. */
const RECEIVER = 3;

/** Number of the address that all other hosts have. */
const ROAMER = 9;

/** Its packets are wanted from vif 1 and from vif 2, not from vif 0. */
const RULES = [
  { iif: 1, oifs: { [RECEIVER]: 1 } },
  { iif: 2, oifs: { [RECEIVER]: 1 } },
];

/** Upcall iifs: (*,G) entries serve all iifs, so flows that come in elsewhere are left alone. */
const NONE = 0;
const BOTH = 0b110;

/** Flows left alone that are remembered, per family. */
const LIMIT = 1024;

/** What the thread remembers a flow for: the kernel's 10 s, and an eighth by which its timer may be late. */
const UNRESOLVED_MS = 11_250;

let router: Router;
before(async () => {
  router = await openRouter(RECEIVER + 1);
  for (const family of FAMILIES) {
    for (const host of [0, 1, 2]) router.host(host).addAddress(family, NETS[family].source(0, ROAMER));
  }
});
after(() => {
  router[Symbol.dispose]();
});

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
    const received = (group: string) => router.host(RECEIVER).received.filter((text) => text.startsWith(`${group} `));
    const waitForText = (text: string) => router.host(RECEIVER).waitForText(text);

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

    for (const vif of [1, 2]) {
      it(`are asked about again when the rules of their group change, and go on at once from vif ${vif}`, async () => {
        const group = nextGroup();
        using responder = new Responder(socket);
        await router.host(RECEIVER).join(group);
        await leaveAlone(responder, group);
        const events = responder.events.length;
        responder.setRules(groupRecord(exact(group), RULES, BOTH));
        assert.ok(!isInKernel(group), 'no iif is taken for the source before it is seen there');
        await router.host(vif).send(source, group, `${group} first`, `${group} last`);
        for (const text of [`${group} first`, `${group} last`]) await waitForText(text);
        // One that is queued may be overtaken by one that finds the new entry (`ip6mr_cache_resolve`).
        assert.equal(received(group).length, 2);
        assert.deepEqual(await responder.event(events), {
          kind: 'learned',
          family,
          source,
          group,
          parent: vif,
          arrival: vif,
          oifs: { [RECEIVER]: 1 },
        });
        const { noCache, learned, unresolved } = responder.thread.stats();
        assert.deepEqual([noCache, learned, unresolved], [2n, 1n, 1n]);
      });
    }

    it('lose no packet that the new rules want and the kernel has queued', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await router.host(RECEIVER).join(group);
      await leaveAlone(responder, group);
      await queue(responder, 1, group, 'queued', 'queued last');
      responder.setRules(groupRecord(exact(group), RULES, BOTH));
      await waitForText(`${group} queued last`);
      assert.deepEqual(received(group), [`${group} queued`, `${group} queued last`]);
      assert.ok(!isInKernel(group));
    });

    it('are answered at once when no rule wants them any more, or from one iif only', async () => {
      const [group, other] = [nextGroup(), nextGroup()];
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      await leaveAlone(responder, other);
      await router.host(RECEIVER).join(other);
      await queue(responder, 2, other, 'queued');
      responder.setRules(groupRecord(exact(group), []));
      assert.deepEqual([isInKernel(group), isInKernel(other)], [true, false]);
      responder.setRules(groupRecord(net.groups, [{ iif: 1, deny: true }]));
      assert.ok(isInKernel(other));
      const answer = { kind: 'learned', family, source, arrival: 0 };
      assert.deepEqual(
        [await responder.event(3), await responder.event(4)],
        [
          { ...answer, group, parent: 0, oifs: {} },
          { ...answer, group: other, parent: 2, oifs: { [RECEIVER]: 1 } },
        ],
      );
      await waitForText(`${other} queued`);
      const { learned, unmatched, unresolved } = responder.thread.stats();
      assert.deepEqual([learned, unmatched, unresolved], [1n, 2n, 2n]);
    });

    it('stay left alone while the rules have no answer', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      responder.setRules(groupRecord(exact(group), [...RULES, { iif: 3, oifs: { 1: 1 } }], NONE));
      await queue(responder, 0, group, 'not asked about');
      assert.equal(responder.thread.stats().unresolved, 1n);
      responder.setRules(groupRecord(exact(group), RULES, BOTH));
      await router.host(1).send(source, group, 'asked about');
      assert.equal((await responder.event(2)).kind, 'learned');
    });

    it('are the business of the last of several records of their group', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      responder.setRules(groupRecord(exact(group), RULES, BOTH), groupRecord(exact(group), RULES, NONE));
      await queue(responder, 0, group, 'not asked about');
      assert.equal(responder.thread.stats().noCache, 2n, 'the flow, and the one that came behind');
    });

    it('leave an entry alone that JavaScript has made meanwhile', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await leaveAlone(responder, group);
      assert.equal(socket.applyMfc(Uint32Array.from(mfcRecord('put', source, group, 1, { [RECEIVER]: 1 })))[0], 0);
      responder.setRules(groupRecord(exact(group), RULES, BOTH));
      assert.ok(isInKernel(group));
    });

    it('are not touched by a thread that has ended', async () => {
      const group = nextGroup();
      using ended = new Responder(socket);
      await leaveAlone(ended, group);
      ended.thread.stop();
      ended.setRules(groupRecord(exact(group), RULES, BOTH));
      using responder = new Responder(socket);
      await queue(responder, 1, group, 'not asked about');
      assert.equal(responder.thread.stats().noCache, 1n, 'the flow that came behind');
    });

    // A (*,G) entry is looked up before the queue of unresolved flows, but does not empty it (`ipmr_mfc_add`).
    it('go by a (*,G) entry that comes, but for what was queued', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await router.host(RECEIVER).join(group);
      await leaveAlone(responder, group);
      await queue(responder, 1, group, 'lost');
      const proxy = mfcRecord('putProxy', source, group, 1, { 1: 1, [RECEIVER]: 1 });
      assert.equal(socket.applyMfc(Uint32Array.from(proxy))[0], 0);
      await router.host(1).send(source, group, `${group} after`);
      await waitForText(`${group} after`);
      assert.deepEqual(received(group), [`${group} after`]);
      socket.applyMfc(Uint32Array.from(mfcRecord('deleteProxy', source, group, 1)));
    });

    it('lose nothing to a (*,G) entry that comes after its rules', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      await router.host(RECEIVER).join(group);
      await leaveAlone(responder, group);
      responder.setRules(groupRecord(exact(group), [{ iif: 0, oifs: { [RECEIVER]: 1 } }, ...RULES], NONE));
      const proxy = mfcRecord('putProxy', source, group, 0, { 0: 1, [RECEIVER]: 1 });
      assert.equal(socket.applyMfc(Uint32Array.from(proxy))[0], 0);
      await router.host(0).send(source, group, `${group} after`);
      await waitForText(`${group} after`);
      assert.deepEqual(received(group), [`${group} left alone`, `${group} after`]);
      assert.equal(responder.thread.stats().noCache, 1n);
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
      /** Few at a time, as a socket of anyone but root holds 256 upcalls. */
      const ask = async (asked: readonly string[]) => {
        for (let at = 0; at < asked.length; at += 128) {
          const part = asked.slice(at, at + 128);
          const events = responder.events.length;
          await router.host(0).sendToAll(source, part);
          await responder.event(events + part.length - 1);
        }
      };
      setAll(NONE);
      const first = groups.slice(0, LIMIT);
      await ask(first);
      // The kernel forgets that it has asked.
      socket.flush(1);
      await ask(first.toReversed());
      await ask(groups.slice(LIMIT));
      const oldest = group(LIMIT - 1);
      setAll(BOTH);
      await ask(groups.filter((each) => each !== oldest));
      await queue(responder, 0, oldest, 'not asked about');
      assert.equal(responder.thread.stats().learned, BigInt(LIMIT));
      socket.flush(1);
    });
  });
}

/** RTNLGRP_IPV4_MROUTE, RTNLGRP_IPV6_MROUTE: every entry that comes or goes. */
const ENTRY_NEWS = { 4: 6, 6: 10 } as const;

it('flows left alone are forgotten when the kernel would ask again by itself', async () => {
  await Promise.all(
    FAMILIES.map(async (family) => {
      const { group, source, hostLength } = NETS[family];
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket);
      const setRules = (...upcallIifs: readonly number[]) => {
        const prefix = `${group(1)}${hostLength}`;
        responder.setRules(...upcallIifs.map((iifs) => groupRecord(prefix, RULES, iifs)));
      };
      setRules(NONE);
      await router.host(0).send(source(0, ROAMER), group(1), 'left alone');
      await responder.event(0);
      // Nothing tells that the time is over: it is longer than what the kernel takes.
      await new Promise((resolve) => setTimeout(resolve, UNRESOLVED_MS));
      const news = native.openNetlinkSocket();
      news.joinGroup(ENTRY_NEWS[family]);
      setRules(BOTH);
      assert.equal(news.receive(), undefined, 'no entry was made');
      setRules(NONE);
      await router.host(0).send(source(0, ROAMER), group(1), 'asked about again');
      assert.equal((await responder.event(1)).kind, 'unresolved');
      // The kernel asks first and tells of the unresolved entry then (`ip6mr_cache_unresolved`).
      await eventually(() => news.receive(), 'it was unresolved');
      while (news.receive() !== undefined);
      setRules(BOTH);
      assert.ok(news.receive() !== undefined, 'an entry was made, and is gone');
      news.close();
    }),
  );
});
