// What an agent reads of the one before it: the note of vif names, the vifs, the joins of the host.
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { readVifs } from '../../src/agent/kernel/held-vifs.js';
import { parseHostGroups } from '../../src/agent/kernel/host-groups.js';
import type { VifName } from '../../src/agent/kernel/port.js';
import { VifNameNote, decodeVifNames, encodeVifNames } from '../../src/agent/kernel/vif-names.js';
import type { NetlinkMessage } from '../../src/agent/netlink/message.js';
import { FAMILIES, formatAddress } from '../../src/model/address.js';

const names = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 15 }).filter((name) => !name.includes('\0'));
const vifNames = fc
  .array(fc.tuple(fc.nat({ max: 31 }), fc.record({ name: names, isUnused: fc.boolean() })), { maxLength: 32 })
  .map((pairs) => new Map(pairs));

describe('the note of vif names', () => {
  let directory: string;
  let fd: number;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'mcroute-'));
    fd = openSync(join(directory, 'note'), 'w+');
  });

  afterEach(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });

  it('is read as it was written, for each family', () => {
    fc.assert(
      fc.property(vifNames, vifNames, (ipv4, ipv6) => {
        const read = decodeVifNames(
          encodeVifNames(
            new Map([
              ['ipv4', ipv4],
              ['ipv6', ipv6],
            ]),
          ),
        );
        assert.deepEqual(sorted(read?.get('ipv4')), sorted(ipv4));
        assert.deepEqual(sorted(read?.get('ipv6')), sorted(ipv6));
      }),
    );
  });

  it('is none before anything was noted, or if it is of another version', () => {
    assert.equal(new VifNameNote(fd).read(), undefined);
    new VifNameNote(fd).write('ipv4', new Map([[3, { name: 'eth0', isUnused: false }]]));
    assert.ok(new VifNameNote(fd).read() !== undefined);
    writeSync(fd, 'mcvifs2\n', 0);
    assert.equal(new VifNameNote(fd).read(), undefined);
  });

  it('keeps the names of one family when those of the other are noted, also those of an agent before', () => {
    const eth0 = new Map([[0, { name: 'eth0', isUnused: false }]]);
    const eth1 = new Map([[1, { name: 'eth1', isUnused: true }]]);
    new VifNameNote(fd).write('ipv4', eth0);
    const next = new VifNameNote(fd);
    next.write('ipv6', eth1);
    assert.deepEqual(
      next.read(),
      new Map([
        ['ipv4', eth0],
        ['ipv6', eth1],
      ]),
    );
  });
});

function sorted(map: ReadonlyMap<number, VifName> | undefined): unknown {
  return [...(map ?? [])].map(([number, name]) => [number, { ...name }] as const).sort(([a], [b]) => a - b);
}

describe('groups of the host', () => {
  it('are read of both families', () => {
    const isLittle = endianness() === 'LE';
    const igmp = [
      'Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter',
      '1\tlo        :     1      V3',
      `\t\t\t\t${isLittle ? '010000E0' : 'E0000001'}     1 0:00000000\t\t0`,
      '12\teth0.5    :     2      V3',
      `\t\t\t\t${isLittle ? '0A0A01EF' : 'EF010A0A'}     2 1:00000000\t\t1`,
      `\t\t\t\t${isLittle ? '010000E0' : 'E0000001'}     1 0:00000000\t\t0`,
      '',
    ].join('\n');
    const igmp6 = [
      '1    lo              ff020000000000000000000000000001     1 0000000C 0',
      '12   eth0.5          ff1e0000000000000000000000010002     1 00000004 0',
      '',
    ].join('\n');
    const text = (groups: ReturnType<typeof parseHostGroups>) =>
      groups.map(({ ifindex, group }) => `${ifindex} ${formatAddress(group)}`);
    assert.deepEqual(text(parseHostGroups('ipv4', igmp)), ['1 224.0.0.1', '12 239.1.10.10', '12 224.0.0.1']);
    assert.deepEqual(text(parseHostGroups('ipv6', igmp6)), ['1 ff02::1', '12 ff1e::1:2']);
  });

  it('of this machine are all read', () => {
    for (const family of FAMILIES) {
      const file = family === 'ipv4' ? '/proc/net/igmp' : '/proc/net/igmp6';
      const read = parseHostGroups(family, readFileSync(file, 'latin1'));
      // The loopback interface has joined the group of all hosts since the kernel started.
      assert.ok(
        read.some(({ ifindex, group }) => ifindex === 1 && /^(224\.0\.0\.1|ff02::1)$/.test(formatAddress(group))),
      );
    }
  });
});

describe('the vifs of an IPv6 table', () => {
  const PRESENT = new Map([
    [0, 11],
    [3, 14],
    [31, 12],
  ]);

  /** A kernel that tells the ifindexes of the entry with all vifs, in the order of their numbers. */
  function fakeTable(present: Map<number, number>, onProbe: () => void = () => undefined) {
    let isThere = false;
    const operations: number[] = [];
    return {
      operations,
      socket: {
        vifCounters: (vif: number) => (present.has(vif) ? new BigUint64Array(4) : undefined),
        applyMfc: (records: Uint32Array) => {
          operations.push(records[0] ?? 0);
          isThere = records[0] === 1;
          return new Int32Array(1);
        },
      },
      requests: {
        dump: () => [],
        get: <T>(_: unknown, parse: (message: NetlinkMessage) => T | undefined): T | undefined => {
          assert.ok(isThere, 'the entry is asked for while it is there');
          const ifindexes = [...present].sort(([a], [b]) => a - b).map(([, ifindex]) => ifindex);
          onProbe();
          return parse(newRoute(ifindexes));
        },
      },
    };
  }

  it('are told by an entry that is gone afterwards', () => {
    const { socket, requests, operations } = fakeTable(PRESENT);
    assert.deepEqual(readVifs('ipv6', 5, socket, requests), PRESENT);
    assert.deepEqual(operations, [1, 2]);
  });

  it('are none where there are none, and nothing is touched', () => {
    const { socket, requests, operations } = fakeTable(new Map());
    assert.deepEqual(readVifs('ipv6', 5, socket, requests), new Map());
    assert.deepEqual(operations, []);
  });

  it('are asked for again when an interface goes meanwhile', () => {
    const present = new Map(PRESENT);
    const { socket, requests } = fakeTable(present, () => present.delete(3));
    assert.deepEqual(readVifs('ipv6', 5, socket, requests), present);
    assert.equal(present.size, 2);
  });
});

/** RTM_NEWROUTE of an entry whose iif is one of its oifs, as the kernel tells it. */
function newRoute(ifindexes: readonly number[]): NetlinkMessage {
  const nexthops = Buffer.alloc(ifindexes.length * 8);
  for (const [index, ifindex] of ifindexes.entries()) {
    nexthops.writeUInt16LE(8, index * 8);
    nexthops.writeUInt8(1, index * 8 + 3);
    nexthops.writeInt32LE(ifindex, index * 8 + 4);
  }
  const address = (last: number) => Buffer.concat([Buffer.from('ff1e', 'hex'), Buffer.alloc(13), Buffer.from([last])]);
  const header = Buffer.alloc(12);
  header[0] = 129;
  const payload = Buffer.concat([header, attribute(2, address(1)), attribute(1, address(2)), attribute(9, nexthops)]);
  return { type: 24, flags: 0, sequence: 1, portId: 0, payload };
}

function attribute(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(4 + value.length, 0);
  head.writeUInt16LE(type, 2);
  return Buffer.concat([head, value]);
}
