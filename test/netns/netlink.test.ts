// The codec and the connections against the kernel itself.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { MFC_OPERATION, MFC_RECORD_WORDS, type NativeFamily, loadNative } from '../../src/agent/kernel/native.js';
import { addressDumpRequest, parseInterfaceAddress } from '../../src/agent/netlink/address.js';
import { type NetlinkEvent, type NetlinkNotifications } from '../../src/agent/netlink/connection.js';
import { openNetlinkNotifications, openNetlinkRequests } from '../../src/agent/netlink/connection.js';
import { NetlinkError } from '../../src/agent/netlink/error.js';
import { linkDumpRequest, parseLink } from '../../src/agent/netlink/link.js';
import { mfcDumpRequest, mfcGetRequest, parseMfcEntry } from '../../src/agent/netlink/mroute.js';
import { netconfDumpRequest, parseNetconf } from '../../src/agent/netlink/netconf.js';
import type { NewsKind } from '../../src/agent/netlink/news.js';
import { addMruleRequest, deleteMruleRequest } from '../../src/agent/netlink/rule.js';
import { mruleDumpRequest, parseMrule, plainMrule } from '../../src/agent/netlink/rule.js';
import { parseVifs, vifDumpRequest } from '../../src/agent/netlink/vif.js';
import { type Address, FAMILIES, type Family, formatAddress, parseAddress } from '../../src/model/address.js';
import { MRULE_PROTOCOL, type Mrule } from '../../src/model/mrule.js';
import { within } from '../support/wait.js';

const TABLE = 123;

/** A table that no test opens: once opened it is there until the namespace ends. */
const NO_TABLE = 98_765_432;
const FLOWS: Readonly<Record<Family, { source: Address; group: Address; any: Address; native: NativeFamily }>> = {
  ipv4: { source: parseAddress('10.1.0.5'), group: parseAddress('239.1.1.1'), any: parseAddress('0.0.0.0'), native: 4 },
  ipv6: { source: parseAddress('2001:db8::5'), group: parseAddress('ff1e::1'), any: parseAddress('::'), native: 6 },
};

assert.ok(existsSync('/run/mcroute-isolated'), 'these tests change interfaces: run them under scripts/isolate.sh');
const addon = loadNative();
const requests = openNetlinkRequests(addon);
after(() => {
  requests.close();
});

function ip(command: string): void {
  execFileSync('ip', command.split(' '));
}

/** News of some kinds, and a wait for one that comes. */
function listen(
  kinds: readonly NewsKind[],
  tables?: readonly number[],
): Disposable & {
  wait: (what: string, accepts: (event: NetlinkEvent) => boolean) => Promise<NetlinkEvent>;
} {
  const heard: NetlinkEvent[] = [];
  let onHeard: () => void = () => undefined;
  const take = (events: readonly NetlinkEvent[]) => {
    heard.push(...events);
    onHeard();
  };
  const notifications: NetlinkNotifications = openNetlinkNotifications(addon, kinds, take, tables);
  return {
    wait: (what, accepts) =>
      within(
        new Promise((resolve) => {
          onHeard = () => {
            const event = heard.find(accepts);
            if (event !== undefined) resolve(event);
          };
          onHeard();
        }),
        what,
      ),
    [Symbol.dispose]: () => {
      notifications.close();
    },
  };
}

function linkNames(): readonly string[] {
  return requests.dump(linkDumpRequest(), parseLink).map((news) => (news.event === 'link' ? news.link.name : '-'));
}

before(() => {
  ip('link add name in0 index 1010 type veth peer name in1 index 1011');
  ip('link add name out0 index 1020 type veth peer name out1 index 1021');
  for (const name of ['in0', 'in1', 'out0', 'out1']) ip(`link set ${name} up`);
  ip('addr add 10.1.0.1/24 dev in0');
  ip('addr add 2001:db8::1/64 dev in0 nodad');
});

after(() => {
  ip('link del in0');
  ip('link del out0');
});

describe('links', () => {
  it('are listed, and an interface that comes, is renamed and goes is told of', async () => {
    using news = listen(['link', 'link-gone']);
    const present = (name: string) => (event: NetlinkEvent) => event.event === 'link' && event.link.name === name;
    ip('link add name new0 index 1030 type veth peer name new1 index 1031');
    await news.wait('new0', present('new0'));
    assert.ok(linkNames().includes('new0'));
    ip('link set new0 name other0');
    await news.wait('other0', present('other0'));
    ip('link del other0');
    await news.wait('no other0', (event) => event.event === 'link-gone' && event.ifindex === 1030);
    assert.ok(!linkNames().includes('other0'));
    assert.ok(linkNames().includes('in0'));
  });

  it('that leave a bridge are told of with no master', async () => {
    ip('link add name br0 index 1040 type bridge');
    using news = listen(['link', 'link-gone']);
    const master = (ifindex: number | undefined) => (event: NetlinkEvent) =>
      event.event === 'link' && event.link.name === 'out1' && event.link.masterIfindex === ifindex;
    ip('link set out1 master br0');
    await news.wait('in the bridge', master(1040));
    using later = listen(['link', 'link-gone']);
    ip('link del br0');
    await later.wait('out of the bridge', master(undefined));
    await later.wait('no bridge', (event) => event.event === 'link-gone' && event.ifindex === 1040);
    assert.ok(linkNames().includes('out1'));
  });
});

for (const family of FAMILIES) {
  const { source, group, any, native } = FLOWS[family];

  describe(family, () => {
    it('addresses are listed and told of', async () => {
      using news = listen(['address', 'address-gone']);
      const [own, added] = family === 'ipv4' ? ['10.1.0.1', '10.1.9.9'] : ['2001:db8::1', '2001:db8::9'];
      const length = family === 'ipv4' ? '32' : '128';
      const listed = requests.dump(addressDumpRequest(family), parseInterfaceAddress);
      const known = listed.find(({ address }) => formatAddress(address.address) === own);
      assert.equal(known?.address.ifindex, 1010);
      assert.equal(known.address.prefixLength, family === 'ipv4' ? 24 : 64);
      ip(`addr add ${added}/${length} dev out0${family === 'ipv6' ? ' nodad' : ''}`);
      const isAdded = (kind: NewsKind) => (event: NetlinkEvent) =>
        event.event === kind && 'address' in event && formatAddress(event.address.address) === added;
      await news.wait('address', isAdded('address'));
      ip(`addr del ${added}/${length} dev out0`);
      await news.wait('address gone', isAdded('address-gone'));
    });

    it('mrules are made once, listed, told of and deleted once', async () => {
      using news = listen(['mrule', 'mrule-gone']);
      for (const direction of ['iif', 'oif'] as const) {
        const rule: Mrule = {
          family,
          direction,
          interface: 'absent0',
          table: TABLE,
          priority: 4000,
          protocol: MRULE_PROTOCOL,
        };
        const isThis = (kind: NewsKind) => (event: NetlinkEvent) =>
          event.event === kind && 'rule' in event && plainMrule(event.rule)?.direction === direction;
        const list = () =>
          requests
            .dump(mruleDumpRequest(family), parseMrule)
            .map((each) => plainMrule(each.rule))
            .filter((each) => each?.interface === 'absent0');
        requests.execute(addMruleRequest(rule));
        assert.throws(
          () => {
            requests.execute(addMruleRequest(rule));
          },
          { code: 'EEXIST', syscall: 'RTM_NEWRULE' },
        );
        assert.deepEqual(list(), [rule]);
        await news.wait('mrule', isThis('mrule'));
        requests.execute(deleteMruleRequest(rule));
        assert.throws(
          () => {
            requests.execute(deleteMruleRequest(rule));
          },
          { code: 'ENOENT', errno: -2, syscall: 'RTM_DELRULE' },
        );
        assert.deepEqual(list(), []);
        await news.wait('mrule gone', isThis('mrule-gone'));
      }
    });

    it('a rule that the kernel refuses is refused with its words', () => {
      const rule: Mrule = {
        family,
        direction: 'iif',
        interface: 'a-name-that-is-too-long',
        table: TABLE,
        priority: 4000,
        protocol: MRULE_PROTOCOL,
      };
      assert.throws(
        () => {
          requests.execute(addMruleRequest(rule));
        },
        (error: unknown) => error instanceof NetlinkError && error.code === 'ERANGE' && error.text !== undefined,
      );
    });

    it('settings are listed', () => {
      const netconfs = requests.dump(netconfDumpRequest(family), parseNetconf).map(({ netconf }) => netconf);
      assert.ok(netconfs.every((netconf) => netconf.family === family));
      for (const ifindex of [1010, -1, -2]) {
        const netconf = netconfs.find((each) => each.ifindex === ifindex);
        assert.equal(netconf?.mcForwarding, 0);
        assert.equal(netconf.rpFilter === undefined, family === 'ipv6');
      }
    });

    it('of the mfc entries of other tables nothing is heard, if only some tables are asked for', async () => {
      const words = (address: Address) => Array.from({ length: 4 }, (_, index) => address.words[index] ?? 0);
      const remove = (table: number) => {
        const socket = addon.openMrouteSocket(native, table);
        socket.addVif(0, 1010);
        for (const operation of [MFC_OPERATION.put, MFC_OPERATION.delete]) {
          const record = [operation, 0, ...words(source), ...words(group), 0, 0, 0, 0, 0, 0, 0, 0];
          assert.deepEqual([...socket.applyMfc(Uint32Array.from(record))], [0]);
        }
        socket.close();
      };
      const isGone = (event: NetlinkEvent) => event.event === 'mfc-gone';
      // Numbers of one byte are in the header of a message too, larger ones are not.
      for (const [own, other] of [
        [TABLE, TABLE + 1],
        [70_000, 70_001],
      ] as const) {
        using news = listen(['mfc-gone'], [own, 69_999]);
        for (const table of [other, own]) remove(table);
        const first = await news.wait('an entry gone', isGone);
        assert.equal(first.event === 'mfc-gone' && first.entry.table, own);
      }
    });

    it('mfc entries are listed by table, asked for one by one and told of', async () => {
      assert.throws(() => requests.dump(mfcDumpRequest(family, NO_TABLE), parseMfcEntry), { code: 'ENOENT' });
      using news = listen(['mfc', 'mfc-gone']);
      const socket = addon.openMrouteSocket(native, TABLE);
      try {
        socket.addVif(0, 1010);
        socket.addVif(1, 1020);
        const words = (address: Address) => Array.from({ length: 4 }, (_, index) => address.words[index] ?? 0);
        const ttls = (text: readonly number[]) => [text[0] ?? 0, 0, 0, 0, 0, 0, 0, 0];
        const records = [
          [MFC_OPERATION.put, 0, ...words(source), ...words(group), ...ttls([0x0100])],
          [MFC_OPERATION.putProxy, 0, ...words(any), ...words(group), ...ttls([0x0101])],
        ];
        assert.deepEqual([...socket.applyMfc(Uint32Array.from(records.flat()))], [0, 0]);
        assert.equal(records.flat().length, 2 * MFC_RECORD_WORDS);
        const oifs = [{ ifindex: 1020, ttlThreshold: 1 }];
        const used = { packets: 0n, bytes: 0n, wrongIf: 0n, isUnresolved: false, protocol: 17 };
        const listed = requests.dump(mfcDumpRequest(family, TABLE), parseMfcEntry).map(({ entry }) => {
          assert.ok(entry.lastUsedMs !== undefined && entry.lastUsedMs < 10_000);
          return { ...entry, lastUsedMs: 0 };
        });
        const expected = { table: TABLE, group, iif: 1010, oifs, ...used, lastUsedMs: 0 };
        assert.deepEqual(
          listed.sort((a, b) => Number(a.source === undefined) - Number(b.source === undefined)),
          [
            { ...expected, source },
            { ...expected, source: undefined },
          ],
        );
        assert.deepEqual(requests.get(mfcGetRequest(TABLE, source, group), parseMfcEntry)?.entry.oifs, oifs);
        await news.wait('mfc', (event) => event.event === 'mfc' && event.entry.source !== undefined);
        if (family === 'ipv4') {
          const vifs = requests.dump(vifDumpRequest(), parseVifs).flat();
          assert.deepEqual(
            vifs.map(({ table, vif, ifindex }) => [table, vif, ifindex]),
            [
              [TABLE, 0, 1010],
              [TABLE, 1, 1020],
            ],
          );
        }
      } finally {
        socket.close();
      }
      await news.wait('mfc gone', (event) => event.event === 'mfc-gone' && event.entry.source === undefined);
    });

    it('news that nobody asked for fills no buffer, however much it is', async () => {
      using news = listen(['mfc-gone']);
      const socket = addon.openMrouteSocket(native, TABLE);
      try {
        socket.addVif(0, 1010);
        const puts = Array.from({ length: 5_000 }, (_, index) => {
          const from = family === 'ipv4' ? [index + 1, 0, 0, 0] : [0x20010db8, 0, 0, index + 1];
          const to = Array.from({ length: 4 }, (_word, at) => group.words[at] ?? 0);
          return [MFC_OPERATION.put, 0, ...from, ...to, ...new Array<number>(8).fill(0)];
        });
        assert.ok(socket.applyMfc(Uint32Array.from(puts.flat())).every((errno) => errno === 0));
        const last = puts.at(-1) ?? [];
        socket.applyMfc(Uint32Array.from([MFC_OPERATION.delete, ...last.slice(1)]));
        const first = await news.wait('anything', () => true);
        assert.equal(first.event, 'mfc-gone');
      } finally {
        socket.close();
      }
    });
  });
}
