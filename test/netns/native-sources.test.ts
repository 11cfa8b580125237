// What a socket of joins says of its joins, for an agent that takes it over from another.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { addLink, addressText, addressWords, FAMILIES, native, NETS } from './native-support.js';

/** More than there is room for at first. */
const MANY = 200;

const IPV4_LIMIT = '/proc/sys/net/ipv4/igmp_max_msf';

function words(address: string): Uint32Array {
  return Uint32Array.from(addressWords(address));
}

for (const family of FAMILIES) {
  const net = NETS[family];

  describe(`joins of a socket, IPv${family}`, () => {
    let link: ReturnType<typeof addLink>;
    let ifindex = 0;
    before(() => {
      link = addLink('joined');
      ifindex = native.interfaceIndex('joined');
    });
    after(() => {
      link[Symbol.dispose]();
    });

    function open() {
      const socket = native.openMembershipSocket(family);
      return Object.assign(socket, {
        /** In the order of text. */
        read: (group: string, index = ifindex) => {
          const read = socket.sources(index, words(group));
          if (read === undefined) return undefined;
          const count = read.length / 4;
          return Array.from({ length: count }, (_, at) =>
            addressText(family, read.subarray(at * 4, at * 4 + 4)),
          ).sort();
        },
        [Symbol.dispose]: () => {
          socket.close();
        },
      });
    }

    it('are none, of any source, or of the sources that were joined', () => {
      using socket = open();
      const [asm, ssm] = [net.group(1), net.group(2)];
      assert.equal(socket.read(asm), undefined);
      socket.join(ifindex, words(asm));
      assert.deepEqual(socket.read(asm), []);
      assert.equal(socket.read(ssm), undefined);
      assert.equal(socket.read(asm, native.interfaceIndex('lo')), undefined, 'on another interface');
      const sources = [1, 2, 3].map((number) => net.source(0, number));
      for (const source of sources) socket.join(ifindex, words(ssm), words(source));
      assert.deepEqual(socket.read(ssm), sources);
      for (const source of sources.slice(1)) socket.leave(ifindex, words(ssm), words(source));
      assert.deepEqual(socket.read(ssm), sources.slice(0, 1));
      socket.leave(ifindex, words(ssm), words(sources[0] ?? ''));
      assert.equal(socket.read(ssm), undefined);
      socket.leave(ifindex, words(asm));
      assert.equal(socket.read(asm), undefined);
    });

    it('are those of the socket, also in other hands, and of no other', () => {
      using socket = open();
      using other = open();
      const group = net.group(1);
      socket.join(ifindex, words(group));
      assert.equal(other.read(group), undefined);
      const adopted = native.adoptMembershipSocket(family, socket.fd);
      assert.deepEqual([...(adopted.sources(ifindex, words(group)) ?? [1])], []);
    });

    it('stay when their interface goes, and are left, all sources at once, by its old number', () => {
      using socket = open();
      const [group, source] = [net.group(1), net.source(0, 1)];
      const going = addLink('going');
      const gone = native.interfaceIndex('going');
      socket.join(gone, words(group), words(source));
      going[Symbol.dispose]();
      assert.deepEqual(socket.read(group, gone), [source]);
      assert.equal(socket.read(net.group(2), gone), undefined);
      assert.throws(
        () => {
          socket.leave(gone, words(group), words(source));
        },
        { code: 'ENODEV' },
      );
      socket.leave(gone, words(group));
      assert.equal(socket.read(group, gone), undefined);
    });

    // mld_max_msf is of the host, not of its namespaces.
    if (family === 4) {
      it('are of as many sources as the limit allows', () => {
        const limit = readFileSync(IPV4_LIMIT, 'utf8');
        writeFileSync(IPV4_LIMIT, String(MANY));
        try {
          using socket = open();
          const group = net.group(3);
          const sources = Array.from({ length: MANY }, (_, number) => net.source(0, number + 1));
          for (const source of sources) socket.join(ifindex, words(group), words(source));
          assert.deepEqual(socket.read(group), sources.sort());
        } finally {
          writeFileSync(IPV4_LIMIT, limit);
        }
      });
    }

    it('are not asked of what is no group', () => {
      using socket = open();
      assert.throws(() => socket.read(net.unicast), { code: 'EINVAL', syscall: 'getsockopt(MCAST_MSFILTER)' });
      assert.throws(() => socket.read(net.group(1), 0), RangeError);
      assert.throws(() => socket.sources(1, new Uint32Array(8)), RangeError);
      socket.close();
      assert.throws(() => socket.read(net.group(1)), { code: 'EBADF' });
    });
  });
}
