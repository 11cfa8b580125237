// An MRT socket through the addon: what it does to the kernel and what it says when the kernel refuses.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { constants } from 'node:os';

import type { MrouteSocket } from '../../src/agent/kernel/native.js';
import {
  openRouter,
  openTable,
  FAMILIES,
  flowKey,
  mfcRecord,
  native,
  NETS,
  Program,
  type Router,
  TABLE,
} from './native-support.js';

const { EINVAL, ENOENT } = constants.errno;

/** O_CLOEXEC and O_NONBLOCK as /proc shows them. */
const CLOSE_ON_EXEC_AND_NONBLOCK = 0o2004000;

/** What `counters` gives where there is no entry. */
const NO_ENTRY = 2n ** 64n - 1n;

/** What a system error of the addon looks like. */
function systemError(code: string, syscall: string): object {
  return { name: 'Error', code, errno: -constants.errno[code as keyof typeof constants.errno], syscall };
}

let router: Router;
before(async () => {
  router = await openRouter(2);
});
after(() => {
  router[Symbol.dispose]();
});

for (const family of FAMILIES) {
  const net = NETS[family];
  const prefix = family === 4 ? 'MRT' : 'MRT6';
  const group = net.group(1);
  const source = net.source(0, 2);

  describe(`MRT socket, IPv${family}`, () => {
    it('owns its table until it is closed', () => {
      using socket = openTable(family);
      assert.equal(socket.family, family);
      assert.ok(socket.fd > 2);
      assert.throws(
        () => native.openMrouteSocket(family, TABLE),
        systemError('EADDRINUSE', `setsockopt(${prefix}_INIT)`),
      );
      socket.close();
      socket.close();
      native.openMrouteSocket(family, TABLE).close();
    });

    it('says why a table id is refused, in the words of Node', () => {
      assert.throws(() => native.openMrouteSocket(family, 1e9), {
        ...systemError('EINVAL', `setsockopt(${prefix}_TABLE)`),
        message: `EINVAL: invalid argument, setsockopt(${prefix}_TABLE)`,
      });
    });

    it('checks arguments before it calls the kernel', () => {
      using socket = openTable(family);
      const wrong = [
        () => native.openMrouteSocket(family, 0),
        () => native.openMrouteSocket(family, -1),
        () => native.openMrouteSocket(family, 2 ** 32),
        () => native.openMrouteSocket(family, 1.5),
        () => native.openMrouteSocket(5 as never, TABLE),
        () => native.adoptMrouteSocket(family, -1),
        () => {
          socket.addVif(32, 1);
        },
        () => {
          socket.addVif(0, 0);
        },
        () => {
          socket.deleteVif(NaN);
        },
        () => {
          socket.flush(16);
        },
        () => {
          socket.applyMfc(new Uint32Array(17));
        },
        () => {
          socket.applyMfc(Uint32Array.from(mfcRecord('put', source, group, 32)));
        },
        () => {
          socket.applyMfc(Uint32Array.of(5, ...new Uint32Array(17)));
        },
        () => {
          socket.counters(new Uint32Array(7));
        },
        () => {
          socket.vifCounters(32);
        },
      ];
      for (const call of wrong) assert.throws(call, RangeError, String(call));
      const wrongType = [
        () => native.openMrouteSocket(family, '1' as never),
        () => native.openMrouteSocket(undefined as never, TABLE),
        () => {
          socket.applyMfc(new Int32Array(18) as never);
        },
        () => {
          socket.applyMfc([] as never);
        },
        () => {
          socket.setWrongVifUpcalls(1 as never);
        },
        () => (Object.create(socket) as MrouteSocket).drops(),
      ];
      for (const call of wrongType) assert.throws(call, TypeError, String(call));
    });

    it('adds and deletes vifs', () => {
      using socket = openTable(family);
      const syscall = (verb: string) => `setsockopt(${prefix}_${verb}_${family === 4 ? 'VIF' : 'MIF'})`;
      router.addVifs(socket);
      assert.deepEqual(socket.vifCounters(1), BigUint64Array.of(0n, 0n, 0n, 0n));
      assert.equal(socket.vifCounters(2), undefined);
      assert.equal(socket.vifCounters(31), undefined);
      const ifindex = native.interfaceIndex('r0');
      assert.throws(
        () => {
          socket.addVif(1, ifindex);
        },
        systemError('EADDRINUSE', syscall('ADD')),
      );
      assert.throws(
        () => {
          socket.addVif(2, 60_000);
        },
        systemError('EADDRNOTAVAIL', syscall('ADD')),
      );
      assert.throws(
        () => {
          socket.addVif(2, 100_000 + ifindex);
        },
        {
          code: family === 4 ? 'EADDRNOTAVAIL' : 'EOVERFLOW',
        },
      );
      // The kernel's interface number has 16 bits in IPv6: this one must not become r0.
      assert.throws(() => {
        socket.addVif(2, 65_536 + ifindex);
      });
      socket.deleteVif(1);
      assert.equal(socket.vifCounters(1), undefined);
      assert.throws(
        () => {
          socket.deleteVif(1);
        },
        systemError('EADDRNOTAVAIL', syscall('DEL')),
      );
    });

    it('applies a batch and gives the errno of each record', () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const records = [
        mfcRecord('put', source, group, 0, { 1: 1 }),
        mfcRecord('put', source, net.unicast, 0, { 1: 1 }),
        mfcRecord('delete', source, net.group(2)),
        mfcRecord('putProxy', source, net.group(3), 0, { 0: 1, 1: 1 }),
        mfcRecord('deleteProxy', source, net.group(3), 1),
        mfcRecord('deleteProxy', source, net.group(3), 0),
        mfcRecord('delete', source, group),
      ];
      const errors = socket.applyMfc(Uint32Array.from(records.flat()));
      assert.deepEqual([...errors], [0, EINVAL, ENOENT, 0, ENOENT, 0, 0]);
      assert.deepEqual(socket.applyMfc(new Uint32Array()), new Int32Array());
    });

    it('counts what an entry and its vifs forward', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const wildcard = family === 4 ? '0.0.0.0' : '::';
      const starGroup = net.group(4);
      socket.applyMfc(
        Uint32Array.from([
          ...mfcRecord('put', source, group, 0, { 1: 1 }),
          ...mfcRecord('putProxy', source, starGroup, 0, { 0: 1, 1: 1 }),
        ]),
      );
      await router.host(1).join(group);
      await router.host(0).send(source, group, `counted ${family} 1`, `counted ${family} 2`);
      await router.host(1).waitForText(`counted ${family} 2`);
      await router.host(1).join(starGroup);
      await router.host(0).send(source, starGroup, `counted ${family} 3`);
      await router.host(1).waitForText(`counted ${family} 3`);
      const keys = [flowKey(source, group), flowKey(source, net.group(9)), flowKey(wildcard, starGroup)];
      const counters = socket.counters(Uint32Array.from(keys.flat()));
      const ipHeader = family === 4 ? 20n : 40n;
      const bytes = ipHeader + 8n + BigInt(`counted ${family} 1`.length);
      assert.deepEqual([...counters], [2n, 2n * bytes, 0n, NO_ENTRY, NO_ENTRY, NO_ENTRY, 1n, bytes, 0n]);
      assert.deepEqual(socket.vifCounters(0)?.slice(0, 3), BigUint64Array.of(3n, 3n * bytes, 0n));
      assert.deepEqual(socket.vifCounters(1)?.slice(2), BigUint64Array.of(3n, 3n * bytes));
      assert.equal(socket.drops(), 0);
    });

    it('flushes entries and vifs', () => {
      using socket = openTable(family);
      router.addVifs(socket);
      const keys = Uint32Array.from(flowKey(source, group));
      socket.applyMfc(Uint32Array.from(mfcRecord('put', source, group, 0, { 1: 1 })));
      assert.equal(socket.counters(keys)[0], 0n);
      socket.flush(1);
      assert.equal(socket.counters(keys)[0], NO_ENTRY);
      assert.notEqual(socket.vifCounters(0), undefined);
      socket.flush(4);
      assert.equal(socket.vifCounters(0), undefined);
    });

    it('throws EBADF once it is closed', () => {
      using socket = openTable(family);
      socket.close();
      assert.equal(socket.fd, -1);
      assert.throws(() => socket.drops(), systemError('EBADF', 'getsockopt(SO_MEMINFO)'));
      assert.throws(
        () => {
          socket.flush(1);
        },
        { code: 'EBADF' },
      );
    });

    it('is adopted by another process with its table, vifs and entries', async () => {
      using socket = openTable(family);
      router.addVifs(socket);
      socket.applyMfc(Uint32Array.from(mfcRecord('put', source, group, 0, { 1: 1 })));
      using program = new Program(
        `
        import { readFileSync } from 'node:fs';
        const socket = native.adoptMrouteSocket(${family}, 3);
        const [, flags] = readFileSync('/proc/self/fdinfo/3', 'utf8').match(/flags:\\s*(\\d+)/);
        say({
          fd: socket.fd,
          flags: parseInt(flags, 8) & ${CLOSE_ON_EXEC_AND_NONBLOCK},
          vif: socket.vifCounters(1) !== undefined,
          packets: Number(socket.counters(Uint32Array.from(support.flowKey('${source}', '${group}')))[0]),
        });
        socket.close();`,
        { fd: socket.fd },
      );
      const expected = { fd: 3, flags: CLOSE_ON_EXEC_AND_NONBLOCK, vif: true, packets: 0 };
      assert.deepEqual(await program.line(), expected);
      assert.equal(await program.exit, 0);
      assert.notEqual(socket.vifCounters(1), undefined, 'the table lives on with the other descriptor');
    });

    it('refuses to adopt what is no MRT socket, and leaves it open', () => {
      const other = native.openMrouteSocket(family === 4 ? 6 : 4, TABLE);
      assert.throws(
        () => native.adoptMrouteSocket(family, other.fd),
        systemError('EPROTOTYPE', 'getsockopt(SO_DOMAIN)'),
      );
      const membership = native.openMembershipSocket(family);
      assert.throws(() => native.adoptMrouteSocket(family, membership.fd), {
        code: 'EPROTOTYPE',
        syscall: 'getsockopt(SO_TYPE)',
      });
      assert.throws(() => native.adoptMrouteSocket(family, 999_999), { code: 'EBADF' });
      assert.equal(other.drops(), 0);
      other.close();
      membership.close();
    });
  });
}

it('leaves the default table alone when its own is refused', async () => {
  // Without CAP_NET_ADMIN the raw socket can be made, MRT_TABLE is refused, and MRT_INIT alone would seize table 253.
  using program = new Program(
    `
    try { native.openMrouteSocket(4, TABLE); } catch (error) { say(error.message); }
    process.stdin.resume();`,
    { launcher: ['setpriv', '--bounding-set=-net_admin'] },
  );
  assert.equal(await program.line(), 'EACCES: permission denied, setsockopt(MRT_TABLE)');
  const DEFAULT_TABLE = 253;
  native.openMrouteSocket(4, DEFAULT_TABLE).close();
  program.child.stdin?.end();
  assert.equal(await program.exit, 0);
});
