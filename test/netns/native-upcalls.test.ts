// The upcall thread answering real packets: which entry it makes for which rules, and what it says of it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import type { MrouteSocket, NativeFamily } from '../../src/agent/kernel/native.js';
import {
  FAMILIES,
  flowKey,
  groupRecord,
  mfcRecord,
  native,
  NETS,
  type Oifs,
  openRouter,
  type ReadEvent,
  readEvents,
  Responder,
  type Router,
  TABLE,
  type TestRule,
} from './native-support.js';

let router: Router;
before(async () => {
  router = await openRouter(3);
});
after(() => {
  router[Symbol.dispose]();
});

const ALL = 0xffff_ffff;

/** What a packet from host 0, address 2, on vif 0 is answered with. */
interface Case {
  readonly promise: string;
  readonly rules: readonly TestRule[];
  /** Rules of a prefix that holds the group. */
  readonly prefixRules?: readonly TestRule[];
  readonly upcallIifs?: number;
  /** Vifs with a boundary of the group, and of the prefix. */
  readonly barredVifs?: number;
  readonly prefixBarredVifs?: number;
  readonly kind?: ReadEvent['kind'];
  readonly parent: number;
  readonly oifs: Oifs;
}

function cases(family: NativeFamily): readonly Case[] {
  const { source, sources, hostLength } = NETS[family];
  const here = `${source(0, 2)}${hostLength}`;
  const elsewhere = `${source(0, 3)}${hostLength}`;
  return [
    { promise: 'forwards by the rule of its iif', rules: [{ iif: 0, oifs: { 1: 1 } }], parent: 0, oifs: { 1: 1 } },
    { promise: 'makes an empty entry where no rule matches', rules: [], parent: 0, oifs: {} },
    {
      promise: 'unites the oifs of all matching rules with the lowest thresholds',
      rules: [
        { iif: 0, oifs: { 1: 7, 2: 3 } },
        { iif: 0, oifs: { 1: 5 }, source: sources(0) },
        { iif: 0, oifs: { 5: 9 }, source: here },
        { iif: 0, oifs: { 6: 9 }, source: elsewhere },
      ],
      prefixRules: [{ iif: 0, oifs: { 2: 4, 31: 254 } }],
      parent: 0,
      oifs: { 1: 5, 2: 3, 5: 9, 31: 254 },
    },
    {
      promise: 'forwards nothing where a matching rule denies',
      rules: [{ iif: 0, oifs: { 1: 1 } }],
      prefixRules: [{ iif: 0, deny: true, source: here }],
      parent: 0,
      oifs: {},
    },
    {
      promise: 'leaves out rules that except the source',
      rules: [
        { iif: 0, oifs: { 1: 1 }, except: [sources(1), sources(0)] },
        { iif: 0, oifs: { 2: 1 }, except: [elsewhere] },
        { iif: 0, deny: true, except: [here] },
      ],
      parent: 0,
      oifs: { 2: 1 },
    },
    {
      promise: 'keeps the iif among the oifs',
      rules: [{ iif: 0, oifs: { 0: 1, 1: 1 } }],
      parent: 0,
      oifs: { 0: 1, 1: 1 },
    },
    {
      promise: 'takes the only iif that forwards as parent, though the packet came in elsewhere',
      rules: [{ iif: 2, oifs: { 1: 1 } }],
      parent: 2,
      oifs: { 1: 1 },
    },
    {
      promise: 'takes the arrival iif before others that forward',
      rules: [
        { iif: 1, oifs: { 2: 1 } },
        { iif: 0, oifs: { 2: 1 } },
      ],
      parent: 0,
      oifs: { 2: 1 },
    },
    {
      promise: 'takes the first of several iifs that are served by upcalls',
      rules: [
        { iif: 1, oifs: { 2: 1 } },
        { iif: 2, oifs: { 1: 1 } },
        { iif: 3, oifs: { 1: 1 } },
      ],
      upcallIifs: 0b1100,
      parent: 2,
      oifs: { 1: 1 },
    },
    {
      promise: 'leaves a flow unresolved whose iifs are all served by (*,G) entries',
      rules: [
        { iif: 1, oifs: { 2: 1 } },
        { iif: 2, oifs: { 1: 1 } },
      ],
      upcallIifs: 0,
      kind: 'unresolved',
      parent: 0,
      oifs: {},
    },
    {
      promise: 'takes all iifs for served by upcalls where only a prefix has rules',
      rules: [],
      prefixRules: [
        { iif: 2, oifs: { 1: 1 } },
        { iif: 1, oifs: { 2: 1 } },
      ],
      parent: 1,
      oifs: { 2: 1 },
    },
    {
      promise: 'lets nothing in where the group has a boundary, though rules of a prefix would',
      rules: [],
      prefixRules: [{ iif: 0, oifs: { 1: 1 } }],
      barredVifs: 0b1,
      parent: 0,
      oifs: {},
    },
    {
      promise: 'lets nothing out where the group has a boundary, though rules of a prefix would',
      rules: [],
      prefixRules: [{ iif: 0, oifs: { 1: 1, 2: 1, 31: 1 } }],
      barredVifs: 0x8000_0002,
      parent: 0,
      oifs: { 2: 1 },
    },
    {
      promise: 'keeps to the boundaries of a prefix where an exact group has the rules',
      rules: [{ iif: 0, oifs: { 1: 1, 2: 1 } }],
      prefixBarredVifs: 0b10,
      parent: 0,
      oifs: { 2: 1 },
    },
    {
      promise: 'keeps to the boundaries of the group and of the prefix together',
      rules: [{ iif: 0, oifs: { 1: 1 } }],
      prefixRules: [{ iif: 0, oifs: { 2: 1 } }],
      barredVifs: 0b10,
      prefixBarredVifs: 0b100,
      parent: 0,
      oifs: {},
    },
    {
      promise: 'takes an iif whose oifs all have a boundary for one that forwards nothing',
      rules: [
        { iif: 1, oifs: { 3: 1 } },
        { iif: 2, oifs: { 1: 1, 3: 1 } },
      ],
      barredVifs: 0b1000,
      upcallIifs: 0,
      parent: 2,
      oifs: { 1: 1 },
    },
  ];
}

for (const family of FAMILIES) {
  const net = NETS[family];
  const source = net.source(0, 2);

  describe(`upcall thread, IPv${family}`, () => {
    let socket: MrouteSocket;
    let lastGroup = 0;
    /** Each test has a group of its own. */
    const nextGroup = () => net.group(++lastGroup);
    before(() => {
      socket = native.openMrouteSocket(family, TABLE);
      router.addVifs(socket);
    });
    after(() => {
      socket.close();
    });

    for (const { promise, kind, parent, oifs, ...told } of cases(family)) {
      it(promise, async () => {
        const group = nextGroup();
        using responder = new Responder(socket);
        responder.setRules(
          groupRecord(net.groups, told.prefixRules ?? [], ALL, told.prefixBarredVifs),
          groupRecord(`${group}${net.hostLength}`, told.rules, told.upcallIifs ?? ALL, told.barredVifs),
        );
        await router.host(0).send(source, group, 'asks');
        const expected = { kind: kind ?? 'learned', family, source, group, parent, arrival: 0, oifs };
        assert.deepEqual(await responder.event(0), expected);
        const stats = responder.thread.stats();
        const matched = Object.keys(oifs).length > 0;
        assert.equal(stats.noCache, 1n);
        assert.equal(stats.learned, expected.kind === 'learned' && matched ? 1n : 0n);
        assert.equal(stats.unmatched, expected.kind === 'learned' && !matched ? 1n : 0n);
        assert.equal(stats.unresolved, expected.kind === 'unresolved' ? 1n : 0n);
        const isInKernel = socket.counters(Uint32Array.from(flowKey(source, group)))[0] !== 2n ** 64n - 1n;
        assert.equal(isInKernel, expected.kind === 'learned');
      });
    }

    it('delivers the first packet of a flow and all after it', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      responder.setRules(groupRecord(net.groups, [{ iif: 0, oifs: { 1: 1, 2: 1 } }]));
      for (const receiver of [1, 2]) await router.host(receiver).join(group);
      const texts = ['1', '2', '3'].map((number) => `${group} packet ${number}`);
      await router.host(0).send(source, group, ...texts);
      for (const receiver of [1, 2]) {
        const host = router.host(receiver);
        for (const text of texts) await host.waitForText(text);
        // Those that are queued may be overtaken by one that finds the new entry (`ipmr_cache_resolve`).
        const received = host.received.filter((text) => text.startsWith(group));
        assert.deepEqual(received.sort(), texts);
      }
      assert.equal(responder.thread.stats().noCache, 1n);
    });

    it('answers by the new rules once they are set, and forgets a prefix without rules', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      responder.setRules(groupRecord(net.groups, [{ iif: 0, oifs: { 1: 1 } }]));
      responder.setRules(groupRecord(net.groups, [{ iif: 0, oifs: { 2: 1 } }]));
      await router.host(0).send(source, group, 'new rules');
      assert.deepEqual((await responder.event(0)).oifs, { 2: 1 });
      responder.setRules(groupRecord(net.groups, []));
      const other = nextGroup();
      await router.host(0).send(source, other, 'no rules');
      assert.deepEqual((await responder.event(1)).oifs, {});
    });

    it('answers by a boundary once it is set, until it is forgotten', async () => {
      using responder = new Responder(socket);
      responder.setRules(groupRecord(net.groups, [{ iif: 0, oifs: { 1: 1, 2: 1 } }]));
      const ask = async (events: number) => {
        await router.host(0).send(source, nextGroup(), 'asks');
        return (await responder.event(events)).oifs;
      };
      const wide = family === 4 ? '224.0.0.0/4' : 'ff00::/8';
      responder.setRules(groupRecord(wide, [], ALL, 0b10));
      assert.deepEqual(await ask(0), { 2: 1 });
      responder.setRules(groupRecord(wide, [], ALL, 0b1));
      assert.deepEqual(await ask(1), {});
      responder.setRules(groupRecord(wide, []));
      assert.deepEqual(await ask(2), { 1: 1, 2: 1 });
    });

    it('follows a source that moves to another iif', async () => {
      const group = nextGroup();
      const roamer = net.source(0, 9);
      for (const host of [0, 1]) router.host(host).addAddress(family, roamer);
      socket.setWrongVifUpcalls(true);
      using responder = new Responder(socket);
      responder.setRules(
        groupRecord(net.groups, [
          { iif: 0, oifs: { 2: 1 } },
          { iif: 1, oifs: { 0: 1, 2: 1 } },
        ]),
      );
      await router.host(2).join(group);
      await router.host(0).send(roamer, group, `${group} before`);
      assert.equal((await responder.event(0)).kind, 'learned');
      await router.host(1).send(roamer, group, `${group} lost`);
      const moved = { kind: 'moved', family, source: roamer, group, parent: 1, arrival: 1, oifs: { 0: 1, 2: 1 } };
      assert.deepEqual(await responder.event(1), moved);
      await router.host(1).send(roamer, group, `${group} after`);
      await router.host(2).waitForText(`${group} after`);
      const received = router.host(2).received.filter((text) => text.startsWith(group));
      assert.deepEqual(received, [`${group} before`, `${group} after`]);
      assert.equal(responder.thread.stats().wrongVif, 1n);
      assert.deepEqual(readEvents(responder.thread.learned(family)), [{ ...moved, kind: 'learned' }]);
      socket.setWrongVifUpcalls(false);
    });

    it('does not follow a source to an iif with a boundary', async () => {
      const group = nextGroup();
      const roamer = net.source(0, 9);
      socket.setWrongVifUpcalls(true);
      using responder = new Responder(socket);
      responder.setRules(
        groupRecord(net.groups, [
          { iif: 0, oifs: { 2: 1 } },
          { iif: 1, oifs: { 2: 1 } },
        ]),
        groupRecord(`${group}${net.hostLength}`, [], ALL, 0b10),
      );
      await router.host(0).send(roamer, group, 'at home');
      assert.equal((await responder.event(0)).parent, 0);
      await router.host(1).send(roamer, group, 'astray');
      // A flow after it: when it is answered, so is that.
      await router.host(1).send(roamer, nextGroup(), 'behind it');
      assert.deepEqual((await responder.event(1)).oifs, { 2: 1 });
      assert.equal(responder.thread.stats().wrongVif, 1n);
      assert.equal(readEvents(responder.thread.learned(family)).find((flow) => flow.group === group)?.parent, 0);
      socket.setWrongVifUpcalls(false);
    });

    it('gives an empty entry its oifs when a rule has come and the flow arrives on its iif', async () => {
      const group = nextGroup();
      const roamer = net.source(0, 9);
      socket.setWrongVifUpcalls(true);
      using responder = new Responder(socket);
      await router.host(0).send(roamer, group, 'unmatched');
      assert.deepEqual((await responder.event(0)).oifs, {});
      responder.setRules(groupRecord(net.groups, [{ iif: 1, oifs: { 2: 1 } }]));
      await router.host(1).send(roamer, group, 'matched');
      assert.deepEqual(await responder.event(1), {
        kind: 'moved',
        family,
        source: roamer,
        group,
        parent: 1,
        arrival: 1,
        oifs: { 2: 1 },
      });
      socket.setWrongVifUpcalls(false);
    });

    it('leaves a flow where it is that arrives where no rule wants it, and entries that it did not make', async () => {
      const [group, other] = [nextGroup(), nextGroup()];
      const roamer = net.source(0, 9);
      socket.setWrongVifUpcalls(true);
      using responder = new Responder(socket);
      responder.setRules(
        groupRecord(`${group}${net.hostLength}`, [{ iif: 0, oifs: { 2: 1 } }]),
        groupRecord(`${other}${net.hostLength}`, [{ iif: 1, oifs: { 2: 1 } }]),
      );
      socket.applyMfc(Uint32Array.from(mfcRecord('put', roamer, other, 0, { 2: 1 })));
      await router.host(0).send(roamer, group, 'at home');
      await responder.event(0);
      await router.host(1).send(roamer, group, 'astray');
      await router.host(1).send(roamer, other, 'not learned');
      // A flow after them: when it is answered, so are they.
      await router.host(1).send(roamer, nextGroup(), 'behind them');
      assert.equal((await responder.event(1)).kind, 'learned');
      const stats = responder.thread.stats();
      assert.deepEqual([stats.wrongVif, stats.unresolved], [2n, 2n]);
      assert.equal(readEvents(responder.thread.learned(family))[0]?.parent, 0);
      socket.setWrongVifUpcalls(false);
    });

    it('takes entries from JavaScript as its own', async () => {
      const [group, other] = [nextGroup(), nextGroup()];
      using responder = new Responder(socket);
      const { thread } = responder;
      const put = Uint32Array.from([
        ...mfcRecord('put', source, group, 0, { 1: 1 }),
        ...mfcRecord('put', source, net.unicast, 0, { 1: 1 }),
        ...mfcRecord('delete', source, other),
      ]);
      assert.deepEqual([...thread.applyLearned(family, put)], [0, 22, 2]);
      const learned = { kind: 'learned', family, source, group, parent: 0, arrival: 0, oifs: { 1: 1 } };
      assert.deepEqual(readEvents(thread.learned(family)), [learned]);
      assert.deepEqual(readEvents(thread.learned(family === 4 ? 6 : 4)), []);
      assert.deepEqual([...thread.applyLearned(family, Uint32Array.from(mfcRecord('delete', source, group)))], [0]);
      assert.deepEqual(readEvents(thread.learned(family)), []);
      await router.host(0).send(source, group, 'asks again');
      assert.equal((await responder.event(0)).kind, 'learned');
    });

    it('refuses records that are not whole, before it takes any of them', async () => {
      const group = nextGroup();
      using responder = new Responder(socket);
      const { thread } = responder;
      const good = groupRecord(net.groups, [{ iif: 0, oifs: { 1: 1 }, except: [net.sources(1)] }]);
      const longest = family === 4 ? 32 : 128;
      const change = (at: number, word: number) => good.with(at, word);
      const malformed = [
        ...good.map((_, length) => good.slice(0, length)).slice(1),
        [...good, 0],
        [...good, ...change(0, longest + 1)],
        [...good, ...change(7, 2)],
        [...good, ...change(7, ALL)],
        [...good, ...change(8, 32)],
        [...good, ...change(9, 2)],
        [...good, ...change(10, longest + 1)],
        [...good, ...change(23, ALL)],
        [...good, ...change(24, longest + 1)],
      ];
      for (const words of malformed) {
        assert.throws(
          () => {
            thread.setRules(family, Uint32Array.from(words));
          },
          RangeError,
          String(words),
        );
      }
      assert.throws(() => {
        thread.setRules(family, good as never);
      }, TypeError);
      assert.throws(() => {
        thread.setRules(5 as never, new Uint32Array());
      }, RangeError);
      assert.throws(() => {
        thread.applyLearned(family, new Uint32Array(17));
      }, RangeError);
      const proxy = mfcRecord('putProxy', source, group);
      assert.throws(() => {
        thread.applyLearned(family, Uint32Array.from(proxy));
      }, RangeError);
      assert.throws(() => {
        thread.touch(family, new Uint32Array(9));
      }, RangeError);
      await router.host(0).send(source, group, 'asks');
      assert.deepEqual((await responder.event(0)).oifs, {}, 'no rule was taken');
    });
  });
}
