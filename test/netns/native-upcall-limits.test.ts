// The limits of the upcall thread: learned entries, waiting events, the receive buffer.
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
  OPTIONS,
  Program,
  readEvents,
  Responder,
  type Router,
  TABLE,
} from './native-support.js';

let router: Router;
before(async () => {
  router = await openRouter(2);
});
after(() => {
  router[Symbol.dispose]();
});

const NO_ENTRY = 2n ** 64n - 1n;

for (const family of FAMILIES) {
  const net = NETS[family];
  const source = net.source(0, 2);

  describe(`limits of the upcall thread, IPv${family}`, () => {
    let socket: MrouteSocket;
    before(() => {
      socket = native.openMrouteSocket(family, TABLE);
      router.addVifs(socket);
    });
    after(() => {
      socket.close();
    });
    const isInKernel = (group: string) => socket.counters(Uint32Array.from(flowKey(source, group)))[0] !== NO_ENTRY;
    const send = (number: number) => router.host(0).send(source, net.group(number), 'asks');

    for (const [kind, rules, limit] of [
      ['with oifs', [{ iif: 0, oifs: { 1: 1 } }], 'learnedLimit'],
      ['without oifs', [], 'unmatchedLimit'],
    ] as const) {
      it(`evicts the least recently used entry ${kind} at the limit`, async () => {
        using responder = new Responder(socket, { [limit]: 2 });
        const { thread } = responder;
        responder.setRules(groupRecord(net.groups, rules));
        await send(1);
        await send(2);
        await responder.event(1);
        thread.touch(family, Uint32Array.from([...flowKey(source, net.group(1)), ...flowKey(source, net.group(9))]));
        await send(3);
        const events = [await responder.event(2), await responder.event(3)];
        assert.deepEqual(
          events.map(({ kind, group }) => [kind, group]),
          [
            ['evicted', net.group(2)],
            ['learned', net.group(3)],
          ],
        );
        assert.deepEqual(
          [1, 2, 3].map((number) => isInKernel(net.group(number))),
          [true, false, true],
        );
        const learned = readEvents(thread.learned(family)).map(({ group }) => group);
        assert.deepEqual(learned.sort(), [net.group(1), net.group(3)]);
        assert.equal(thread.stats().evicted, 1n);
        // An entry that is there already takes no room; a new one from JavaScript does.
        const oifs = rules.length > 0 ? { 1: 1 } : {};
        const put = (number: number) => mfcRecord('put', source, net.group(number), 0, oifs);
        thread.applyLearned(family, Uint32Array.from([...put(1), ...put(4)]));
        const evicted = await responder.event(4);
        assert.deepEqual([evicted.kind, evicted.group], ['evicted', net.group(3)]);
        socket.flush(1);
      });
    }

    it('keeps entries with and without oifs apart', async () => {
      using responder = new Responder(socket, { unmatchedLimit: 1, learnedLimit: 1 });
      responder.setRules(groupRecord(`${net.group(1)}${net.hostLength}`, [{ iif: 0, oifs: { 1: 1 } }]));
      await send(1);
      await send(2);
      await responder.event(1);
      assert.equal(responder.thread.stats().evicted, 0n);
      // The entry without oifs becomes one with: it takes the other's place on that list.
      const record = mfcRecord('put', source, net.group(2), 0, { 1: 1 });
      responder.thread.applyLearned(family, Uint32Array.from(record));
      const evicted = await responder.event(2);
      assert.deepEqual([evicted.kind, evicted.group], ['evicted', net.group(1)]);
      await send(3);
      assert.equal((await responder.event(3)).kind, 'learned');
      assert.equal(responder.thread.stats().evicted, 1n);
      socket.flush(1);
    });

    it('finds each of many entries and evicts them in order', () => {
      const count = 1000;
      const limit = 300;
      using responder = new Responder(socket, { learnedLimit: limit, ringLimit: 2 * count });
      const { thread } = responder;
      const address = (number: number) => net.source(number >> 7, 1 + (number & 0x7f));
      const records = Array.from({ length: count }, (_, number) =>
        mfcRecord('put', address(number), net.group(1), 0, { 1: 1 }),
      );
      assert.ok(thread.applyLearned(family, Uint32Array.from(records.flat())).every((error) => error === 0));
      const events = readEvents(thread.drain());
      const all = records.map((_, number) => address(number));
      assert.deepEqual(
        events.map((event) => event.source),
        all.slice(0, count - limit),
      );
      const learned = readEvents(thread.learned(family)).map((row) => row.source);
      assert.deepEqual(learned.sort(), all.slice(count - limit).sort());
      socket.flush(1);
    });

    it('counts the events that find the ring full', async () => {
      const calls: number[] = [];
      const options = { ...OPTIONS, ringLimit: 3 };
      const thread = native.startUpcallThread([socket], options, () => calls.push(calls.length));
      thread.start();
      for (let number = 1; number <= 8; number += 1) await send(number);
      await eventually(() => (thread.stats().unmatched === 8n ? true : undefined), 'eight answers');
      assert.equal(thread.stats().droppedEvents, 5n);
      assert.deepEqual(calls, [0], 'one call until the events are drained');
      assert.deepEqual(
        readEvents(thread.drain()).map(({ group }) => group),
        [1, 2, 3].map(net.group),
      );
      assert.equal(thread.drain().length, 0);
      assert.equal(readEvents(thread.learned(family)).length, 8, 'a resync finds what was dropped');
      await send(9);
      await eventually(() => (calls.length === 2 ? true : undefined), 'a second call');
      assert.equal(readEvents(thread.drain())[0]?.group, net.group(9));
      thread.stop();
      socket.flush(1);
    });
  });

  it(`counts the upcalls that find the receive buffer full, IPv${family}`, async () => {
    using program = new Program(`
      const socket = native.openMrouteSocket(${family}, TABLE);
      ['r0', 'r1'].forEach((name, vif) => socket.addVif(vif, native.interfaceIndex(name)));
      const thread = native.startUpcallThread([socket], support.OPTIONS, () => {});
      thread.start();
      createInterface({ input: process.stdin }).on('line', () => {
        const { noCache, droppedUpcalls } = thread.stats();
        say({ read: Number(noCache), dropped: Number(droppedUpcalls), drops: socket.drops() });
      });
      say('ready');`);
    await program.line();
    // More flows than a buffer of 1 MiB holds (2521), while the thread stands still.
    const FLOWS = 3_500;
    const group = (number: number) =>
      family === 4 ? `239.2.${number >> 8}.${number & 0xff}` : `ff1e::2:${number.toString(16)}`;
    program.child.kill('SIGSTOP');
    await router.host(0).sendToAll(
      source,
      Array.from({ length: FLOWS }, (_, number) => group(number)),
    );
    program.child.kill('SIGCONT');
    // The number of drops comes with the next upcall that finds room.
    await eventually(async () => {
      const stats = (await program.ask()) as { read: number; dropped: number; drops: number };
      if (stats.dropped === 0) await router.host(0).send(source, group(FLOWS), 'one more');
      else assert.equal(stats.dropped, stats.drops);
      return stats.dropped > 0 || undefined;
    }, 'counted drops');
  });
}
