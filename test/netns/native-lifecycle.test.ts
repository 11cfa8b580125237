// The upcall thread from its start to its end, in whichever order things are closed.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { itAsRoot } from '../support/launcher.js';
import { eventually } from '../support/wait.js';
import {
  FAMILIES,
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
  TABLE,
} from './native-support.js';

let router: Router;
before(async () => {
  router = await openRouter(2);
});
after(() => {
  router[Symbol.dispose]();
});

function threadNames(): readonly string[] {
  return readdirSync('/proc/self/task').flatMap((tid) => {
    try {
      return [readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim()];
    } catch {
      return []; // It has just ended.
    }
  });
}

/** Scheduling policy of a thread: field 41 of stat, of which the first two hold a name in parentheses. */
function policy(tid: number | string): number {
  const stat = readFileSync(`/proc/self/task/${tid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38]);
}

const SCHED_OTHER = 0;
const SCHED_RR = 2;

/** Opens both families in another process; packets of both come until it ends. */
const BUSY = `
  const sockets = [4, 6].map((family) => native.openMrouteSocket(family, TABLE));
  for (const socket of sockets) ['r0', 'r1'].forEach((name, vif) => socket.addVif(vif, native.interfaceIndex(name)));
  const thread = native.startUpcallThread(sockets, support.OPTIONS, () => { say(thread.drain().length); });
  thread.start();`;

for (const family of FAMILIES) {
  const net = NETS[family];
  const source = net.source(0, 2);

  describe(`life of an upcall thread, IPv${family}`, () => {
    it('ends with stop, once, and then still tells what it knows', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket);
      const { thread } = responder;
      assert.ok(threadNames().includes('mcroute-upcall'));
      assert.equal(readFileSync(`/proc/self/task/${thread.tid}/comm`, 'utf8'), 'mcroute-upcall\n');
      await router.host(0).send(source, net.group(1), 'asks');
      await responder.event(0);
      thread.stop();
      thread.stop();
      // Joined is a thread whose memory is free; its entry in /proc goes a moment later (do_exit, release_task).
      await eventually(() => !threadNames().includes('mcroute-upcall') || undefined, 'no thread');
      assert.equal(thread.stats().unmatched, 1n);
      assert.equal(readEvents(thread.learned(family)).length, 1);
      assert.equal(thread.drain().length, 0);
      thread.setRules(family, Uint32Array.from(groupRecord(net.groups, [])));
      const record = Uint32Array.from(mfcRecord('put', source, net.group(1)));
      assert.throws(() => thread.applyLearned(family, record), { code: 'EBADF' });
      assert.equal(socket.applyMfc(record)[0], 0, 'the socket stays open');
    });

    it('keeps its sockets open until it stops, whoever closes them', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      using responder = new Responder(socket);
      socket.close();
      await router.host(0).send(source, net.group(2), 'asks');
      assert.equal((await responder.event(0)).kind, 'learned');
      const record = Uint32Array.from(mfcRecord('delete', source, net.group(2)));
      assert.equal(responder.thread.applyLearned(family, record)[0], 0);
      assert.throws(() => native.openMrouteSocket(family, TABLE), { code: 'EADDRINUSE' });
      responder.thread.stop();
      native.openMrouteSocket(family, TABLE).close();
    });

    it('can be stopped from its own callback', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      let calls = 0;
      const thread = native.startUpcallThread([socket], OPTIONS, () => {
        calls += 1;
        thread.stop();
        socket.close();
      });
      thread.start();
      await router.host(0).send(source, net.group(3), 'asks');
      await eventually(() => (calls === 1 ? true : undefined), 'a call');
      assert.equal(readEvents(thread.drain()).length, 1);
    });
  });
}

describe('start of an upcall thread', () => {
  it('checks its arguments', () => {
    using socket = openTable(4);
    const other = native.openMrouteSocket(4, TABLE + 1);
    const membership = native.openMembershipSocket(4);
    const start = (sockets: unknown, options: object = {}, callback: unknown = () => undefined) =>
      native.startUpcallThread(sockets as never, { ...OPTIONS, ...options }, callback as never);
    const impostor = Object.setPrototypeOf({}, Object.getPrototypeOf(socket) as object) as unknown;
    for (const sockets of [undefined, [undefined], [{}], [membership], [impostor]]) {
      assert.throws(() => start(sockets), TypeError);
    }
    assert.throws(() => start([]), RangeError);
    assert.throws(() => start([socket, other]), RangeError);
    for (const limit of ['unmatchedLimit', 'learnedLimit', 'ringLimit']) {
      assert.throws(() => start([socket], { [limit]: 0 }), RangeError);
      assert.throws(() => start([socket], { [limit]: 2 ** 32 }), RangeError);
      assert.throws(() => start([socket], { [limit]: undefined }), TypeError);
    }
    assert.throws(() => start([socket], { realtime: 1 }), TypeError);
    assert.throws(() => start([socket], {}, 'onEvents'), TypeError);
    other.close();
    assert.throws(() => start([other]), { code: 'EBADF' });
    membership.close();
    socket.close();
    assert.ok(!threadNames().includes('mcroute-upcall'));
  });

  it('gives realtime priority where it may, and only to the thread', () => {
    using socket = openTable(4);
    const thread = native.startUpcallThread([socket], { ...OPTIONS, realtime: true }, () => undefined);
    assert.equal(policy(thread.tid), thread.isRealtime ? SCHED_RR : SCHED_OTHER);
    thread.stop();
    const ordinary = native.startUpcallThread([socket], OPTIONS, () => undefined);
    assert.equal(ordinary.isRealtime, false);
    assert.equal(policy(ordinary.tid), SCHED_OTHER);
    ordinary.stop();
  });

  itAsRoot('keeps inherited realtime priority while the other threads give it up', async () => {
    using child = new Program(
      `
      import { readdirSync, readFileSync } from 'node:fs';
      const socket = native.openMrouteSocket(4, TABLE);
      const policies = () => Object.fromEntries(readdirSync('/proc/self/task').map((tid) => {
        const stat = readFileSync('/proc/self/task/' + tid + '/stat', 'utf8');
        return [tid, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38])];
      }));
      const before = policies();
      const thread = native.startUpcallThread([socket], { ...support.OPTIONS, realtime: true }, () => {});
      native.dropRealtime([thread.tid]);
      const { [thread.tid]: own, ...others } = policies();
      say({ before: Object.values(before), own, others: Object.values(others), isRealtime: thread.isRealtime });
      thread.stop();`,
      { launcher: ['chrt', '--rr', '1'] },
    );
    const said = (await child.line()) as { before: number[]; own: number; others: number[]; isRealtime: boolean };
    assert.ok(said.before.every((one) => one === SCHED_RR));
    assert.ok(said.others.length > 1);
    assert.ok(said.others.every((one) => one === SCHED_OTHER));
    assert.deepEqual([said.own, said.isRealtime], [SCHED_RR, true]);
  });

  it('checks what dropRealtime is given', () => {
    native.dropRealtime([]);
    assert.throws(() => {
      native.dropRealtime([-1]);
    }, RangeError);
    assert.throws(() => {
      native.dropRealtime('1' as never);
    }, TypeError);
  });
});

describe('end of a process with an upcall thread', () => {
  /** Sends from both families until the program has heard of some. */
  async function keepBusy(program: Program): Promise<void> {
    await program.line();
    for (const family of FAMILIES) {
      const groups = Array.from({ length: 50 }, (_, number) => NETS[family].group(100 + number));
      await router.host(0).sendToAll(NETS[family].source(0, 2), groups);
    }
  }

  for (const [how, body] of [
    [
      'process.exit',
      `${BUSY} say('ready'); setImmediate(function turn() { if (thread.stats().unmatched > 20n) process.exit(5); else setImmediate(turn); });`,
    ],
    [
      'process.exit in the callback',
      `${BUSY.replace('say(thread.drain().length)', 'process.exit(5)')} setInterval(() => {}, 1000); say('ready');`,
    ],
    [
      'an uncaught exception',
      `${BUSY.replace('say(thread.drain().length)', "process.exitCode = 5; throw new Error('on purpose')")} process.on('uncaughtException', () => { process.exit(5); }); setInterval(() => {}, 1000); say('ready');`,
    ],
  ] as const) {
    it(`is clean by ${how}`, async () => {
      using program = new Program(body);
      await keepBusy(program);
      assert.equal(await program.exit, 5);
    });
  }

  it('comes by itself: a thread keeps no process alive', async () => {
    using program = new Program(`${BUSY} say('ready');`);
    assert.equal(await program.exit, 0);
    native.openMrouteSocket(4, TABLE).close();
  });

  it('leaves the others alone when a worker thread of JavaScript ends, by itself or by force', async () => {
    using program = new Program(`
      import { Worker } from 'node:worker_threads';
      import { once } from 'node:events';
      const start = (rest) => new Worker(\`
        import('\${support.MODULE}').then(({ native, TABLE, OPTIONS }) => {
          const socket = native.openMrouteSocket(4, TABLE);
          ['r0', 'r1'].forEach((name, vif) => socket.addVif(vif, native.interfaceIndex(name)));
          const netlink = native.openNetlinkSocket();
          const thread = native.startUpcallThread([socket], OPTIONS, () => { thread.drain(); });
          thread.start();
          \${rest}
        })\`, { eval: true, execArgv: [] });
      await once(start('process.exit(0)'), 'exit');
      await once(start(''), 'exit');
      const forced = start("netlink.onReadable(() => {}); require('node:worker_threads').parentPort.postMessage('up')");
      await once(forced, 'message');
      await forced.terminate();
      native.openMrouteSocket(4, TABLE).close();
      say('alive');`);
    assert.equal(await program.line(), 'alive');
    assert.equal(await program.exit, 0);
  });

  it('is clean when garbage is collected first', async () => {
    using program = new Program(`
      import { setFlagsFromString } from 'node:v8';
      import { runInNewContext } from 'node:vm';
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc');
      const turn = () => new Promise((resolve) => { setImmediate(resolve); });
      (() => {
        native.openNetlinkSocket().onReadable(() => {});
        native.openMembershipSocket(4);
        native.openMrouteSocket(6, TABLE);
        native.startUpcallThread([native.openMrouteSocket(4, TABLE)], support.OPTIONS, () => {}).start();
      })();
      for (let round = 0; round < 5; round += 1) { collect(); await turn(); }
      const isOwned = (family) => { try { native.openMrouteSocket(family, TABLE).close(); return false; } catch { return true; } };
      say([isOwned(4), isOwned(6)]);`);
    assert.deepEqual(await program.line(), [true, false], 'a running thread is no garbage, a forgotten socket is');
    assert.equal(await program.exit, 0);
  });
});
