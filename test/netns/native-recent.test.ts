// An upcall about an entry that is there: a packet may be queued beside it, and only a new entry sends that on. So the
// thread replaces entries that were made a moment ago, whoever made them; the counters of a new one begin at zero.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import type { MrouteSocket } from '../../src/agent/kernel/native.js';
import { eventually } from '../support/wait.js';
import {
  FAMILIES,
  flowKey,
  groupRecord,
  mfcRecord,
  NETS,
  openRouter,
  openTable,
  Program,
  Responder,
  type Router,
} from './native-support.js';

let router: Router;
before(async () => {
  router = await openRouter(2);
});
after(() => {
  router[Symbol.dispose]();
});

for (const family of FAMILIES) {
  const net = NETS[family];
  const source = net.source(0, 2);
  const group = net.group(1);
  const PUT = Uint32Array.from(mfcRecord('put', source, group, 0, { 1: 1 }));

  /** What the entry has counted. */
  const packets = (socket: MrouteSocket) => socket.counters(Uint32Array.from(flowKey(source, group)))[0];
  /** An upcall that nobody has read; the entry that is made then counts the packet. */
  const ask = async (socket: MrouteSocket, put: () => void) => {
    await router.host(0).send(source, group, 'asks');
    await eventually(() => {
      put();
      return packets(socket) === 1n ? true : undefined;
    }, 'the packet to be counted');
  };
  const answer = async (responder: Responder) => {
    responder.setRules(groupRecord(net.groups, [{ iif: 0, oifs: { 1: 1 } }]));
    responder.thread.start();
    const event = await responder.event(0);
    assert.deepEqual([event.kind, event.group, event.oifs], ['learned', group, { 1: 1 }]);
  };

  describe(`an upcall about an entry that is there, IPv${family}`, () => {
    it('replaces it if JavaScript has just made it', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket, { isStarted: false });
      await ask(socket, () => socket.applyMfc(PUT));
      await answer(responder);
      assert.equal(packets(socket), 0n);
    });

    it('replaces it if JavaScript has just made it as a learned one', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket, { isStarted: false });
      await ask(socket, () => responder.thread.applyLearned(family, PUT));
      await answer(responder);
      assert.equal(packets(socket), 0n);
    });

    it('replaces it if it has made it itself', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const before = new Responder(socket, { isStarted: false });
      await ask(socket, () => {
        // Answers from its list of flows that were left alone: the upcall stays in the socket.
        before.thread.adoptUnresolved(family, Uint32Array.from(flowKey(source, group)));
        before.setRules(groupRecord(net.groups, [{ iif: 0, oifs: { 1: 1 } }]));
      });
      before[Symbol.dispose]();
      using responder = new Responder(socket, { isStarted: false });
      await answer(responder);
      assert.equal(packets(socket), 0n);
    });

    it('replaces it if the process that had the socket before may have made it', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      await ask(socket, () => socket.applyMfc(PUT));
      using program = new Program(
        `
        const socket = native.adoptMrouteSocket(${family}, 3);
        const responder = new support.Responder(socket, { isStarted: false });
        responder.setRules(support.groupRecord('${net.groups}', [{ iif: 0, oifs: { 1: 1 } }]));
        responder.thread.start();
        say((await responder.event(0)).kind);
        responder.thread.stop();
        socket.close();`,
        { fd: socket.fd },
      );
      assert.equal(await program.line(), 'learned');
      assert.equal(await program.exit, 0);
      assert.equal(packets(socket), 0n);
    });

    it('changes an entry in place that nobody has told of', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket, { isStarted: false });
      // Made behind the back of everyone who would have to be asked.
      using program = new Program(
        `
        process.stdin.once('data', () => {
          const socket = native.adoptMrouteSocket(${family}, 3);
          socket.applyMfc(Uint32Array.from(${JSON.stringify([...PUT])}));
          say('made');
          socket.close();
          process.stdin.destroy();
        });`,
        { fd: socket.fd },
      );
      let made: Promise<unknown> | undefined;
      await ask(socket, () => {
        made ??= program.ask();
      });
      assert.equal(await made, 'made');
      assert.equal(await program.exit, 0);
      await answer(responder);
      assert.equal(packets(socket), 1n);
    });
  });
}
