// The upcall thread of an agent that takes over from another: it waits for its start, and knows entries it did not make.
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
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
  OPTIONS,
  Program,
  readEvents,
  Responder,
  type Router,
} from './native-support.js';

/** Its vif is the only oif. */
const RECEIVER = 2;

/** Number of the address that both other hosts have. */
const ROAMER = 9;

const RULES = [
  { iif: 0, oifs: { [RECEIVER]: 1 } },
  { iif: 1, oifs: { [RECEIVER]: 1 } },
];

let router: Router;
before(async () => {
  router = await openRouter(RECEIVER + 1);
  for (const family of FAMILIES) {
    for (const host of [0, 1]) router.host(host).addAddress(family, NETS[family].source(0, ROAMER));
  }
});
after(() => {
  router[Symbol.dispose]();
});

/** Bytes of datagrams that nobody has read. */
function queuedBytes(socket: MrouteSocket): number {
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${socket.fd}`))?.[0];
  const lines = readFileSync(socket.family === 4 ? '/proc/self/net/raw' : '/proc/self/net/raw6', 'utf8').split('\n');
  const fields = lines.map((line) => line.trim().split(/\s+/)).find((words) => words[9] === inode);
  return parseInt((fields ?? assert.fail('no such socket'))[4]?.split(':')[1] ?? '', 16);
}

for (const family of FAMILIES) {
  const net = NETS[family];
  const source = net.source(0, ROAMER);
  const records = (...groups: readonly number[]) =>
    Uint32Array.from(groups.flatMap((group) => mfcRecord('put', source, net.group(group), 0, { [RECEIVER]: 1 })));
  const isInKernel = (socket: MrouteSocket, group: number) =>
    socket.counters(Uint32Array.from(flowKey(source, net.group(group))))[0] !== 2n ** 64n - 1n;

  describe(`an upcall thread that takes over, IPv${family}`, () => {
    it('reads nothing until its start, and then answers what waited, by the rules of then', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const group = net.group(1);
      await router.host(RECEIVER).join(group);
      using responder = new Responder(socket, { isStarted: false });
      const { thread } = responder;
      assert.equal(readFileSync(`/proc/self/task/${thread.tid}/comm`, 'utf8'), 'mcroute-upcall\n');
      await router.host(0).send(source, group, `${group} waits`);
      await eventually(() => (queuedBytes(socket) > 0 ? true : undefined), 'an upcall');
      responder.setRules(groupRecord(net.groups, RULES));
      assert.equal(thread.applyLearned(family, Uint32Array.from(mfcRecord('put', source, net.group(2))))[0], 0);
      assert.equal(thread.stats().noCache, 0n);
      assert.ok(queuedBytes(socket) > 0);
      thread.start();
      thread.start();
      const { kind, oifs, arrival } = await responder.event(0);
      assert.deepEqual([kind, oifs, arrival], ['learned', { [RECEIVER]: 1 }, 0]);
      await router.host(RECEIVER).waitForText(`${group} waits`);
      assert.equal(thread.stats().noCache, 1n);
    });

    it('answers flows that another thread was asked about, without an upcall of its own', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const group = net.group(3);
      await router.host(RECEIVER).join(group);
      using responder = new Responder(socket, { isStarted: false });
      await router.host(1).send(source, group, `${group} was asked about`);
      await eventually(() => (queuedBytes(socket) > 0 ? true : undefined), 'an upcall');
      responder.thread.adoptUnresolved(family, Uint32Array.from(flowKey(source, group)));
      // Nobody has told it the vif; the rules let the source in on one only.
      responder.setRules(groupRecord(net.groups, [{ iif: 1, oifs: { [RECEIVER]: 1 } }]));
      await router.host(RECEIVER).waitForText(`${group} was asked about`);
      const event = await responder.event(0);
      assert.deepEqual([event.kind, event.group, event.parent], ['learned', group, 1]);
      assert.equal(responder.thread.stats().noCache, 0n);
    });

    it('has the kernel ask again about such flows that may come in on several vifs', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const group = net.group(4);
      await router.host(RECEIVER).join(group);
      using responder = new Responder(socket, { isStarted: false });
      await router.host(1).send(source, group, 'first');
      await eventually(() => (queuedBytes(socket) > 0 ? true : undefined), 'an upcall');
      const before = queuedBytes(socket);
      responder.thread.adoptUnresolved(family, Uint32Array.from(flowKey(source, group)));
      responder.setRules(groupRecord(net.groups, RULES));
      assert.equal(responder.thread.drain().length, 0);
      await router.host(1).send(source, group, 'second');
      await eventually(() => (queuedBytes(socket) > before ? true : undefined), 'another upcall');
    });

    it('moves the entries it has adopted, and no others', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      socket.setWrongVifUpcalls(true);
      assert.deepEqual([...socket.applyMfc(records(1, 2))], [0, 0]);
      using responder = new Responder(socket, { isStarted: false });
      responder.setRules(groupRecord(net.groups, RULES));
      responder.thread.adopt(family, records(1));
      responder.thread.start();
      // The answer to the first would come first.
      await router.host(1).send(source, net.group(2), 'comes from elsewhere');
      await router.host(1).send(source, net.group(1), 'comes from elsewhere');
      const { kind, group, parent } = await responder.event(0);
      assert.deepEqual([kind, group, parent], ['moved', net.group(1), 1]);
      const { wrongVif, unresolved } = responder.thread.stats();
      assert.deepEqual([wrongVif, unresolved], [2n, 1n]);
    });

    it('finds WRONGVIF upcalls on or off as the last owner of the table left them', async () => {
      {
        using first = openTable(family);
        first.setWrongVifUpcalls(true);
      }
      using socket = openTable(family, { isAsFound: true });
      router.addVifs(socket);
      assert.deepEqual([...socket.applyMfc(records(1))], [0]);
      await router.host(1).send(source, net.group(1), 'comes from elsewhere');
      await eventually(() => (queuedBytes(socket) > 0 ? true : undefined), 'an upcall');
    });

    it('tells what it has adopted, without a word to the kernel', () => {
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket, { isStarted: false });
      responder.thread.adopt(family, records(1));
      responder.thread.adopt(family, Uint32Array.from(mfcRecord('put', source, net.group(2), 1)));
      const entry = { kind: 'learned', family, source };
      const known = [
        { ...entry, group: net.group(1), parent: 0, arrival: 0, oifs: { [RECEIVER]: 1 } },
        { ...entry, group: net.group(2), parent: 1, arrival: 1, oifs: {} },
      ];
      assert.deepEqual(readEvents(responder.thread.learned(family)), known);
      responder.thread.adopt(family, records(1));
      assert.deepEqual(readEvents(responder.thread.learned(family)), known, 'twice is once');
      assert.ok(!isInKernel(socket, 1));
      assert.equal(responder.thread.drain().length, 0);
    });

    it('keeps to its limits: the oldest are deleted, and it says so', () => {
      using socket = openTable(family);
      router.addVifs(socket);
      socket.applyMfc(records(1, 2, 3));
      using responder = new Responder(socket, { isStarted: false, learnedLimit: 2 });
      responder.thread.adopt(family, records(1, 2));
      responder.thread.touch(family, Uint32Array.from(flowKey(source, net.group(1))));
      responder.thread.adopt(family, records(3));
      assert.deepEqual(
        [1, 2, 3].map((group) => isInKernel(socket, group)),
        [true, false, true],
      );
      assert.deepEqual(
        readEvents(responder.thread.drain()).map(({ kind, group }) => [kind, group]),
        [['evicted', net.group(2)]],
      );
      assert.equal(responder.thread.stats().evicted, 1n);
    });

    it('adopts entries only, and nothing when it is stopped, which it may be before its start', () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const thread = native.startUpcallThread([socket], { ...OPTIONS, learnedLimit: 1 }, () => undefined);
      assert.throws(() => {
        thread.adopt(family, Uint32Array.from(mfcRecord('delete', source, net.group(1))));
      }, RangeError);
      assert.throws(() => {
        thread.adopt(family, Uint32Array.from(mfcRecord('put', source, net.group(1), 32)));
      }, RangeError);
      assert.throws(() => {
        thread.adopt(family, records(1).subarray(1));
      }, RangeError);
      assert.throws(() => {
        thread.adopt(family, [1] as never);
      }, TypeError);
      socket.applyMfc(records(1));
      thread.stop();
      thread.start();
      thread.adopt(family, records(1, 2));
      assert.equal(thread.learned(family).length, 0);
      assert.ok(isInKernel(socket, 1));
    });
  });
}

describe('a thread that was never started', () => {
  const WAITING = `
    const sockets = [4, 6].map((family) => native.openMrouteSocket(family, TABLE));
    const thread = native.startUpcallThread(sockets, support.OPTIONS, () => {});`;

  for (const [how, words] of [
    ['by itself', ''],
    ['by process.exit', 'process.exit(0);'],
    ['by an exit after a stop', 'thread.stop(); process.exit(0);'],
  ] as const) {
    it(`lets its process end ${how}`, async () => {
      using program = new Program(`${WAITING} say('ready'); ${words}`);
      assert.equal(await program.line(), 'ready');
      assert.equal(await program.exit, 0);
    });
  }
});
