import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type Address, parseAddress } from '../../src/model/address.js';
import { MembershipPool } from '../../src/agent/kernel/membership-pool.js';
import type { MembershipSocket, NativeAddon } from '../../src/agent/kernel/native.js';

/** Limits as a kernel has them: groups per socket, sources per group and socket. */
const GROUPS_MAX = 3;
const SOURCES_MAX = 2;

class FakeSocket implements MembershipSocket {
  readonly family = 4;
  readonly fd: number;
  readonly joined = new Map<string, Set<string>>();
  attempts = 0;
  isClosed = false;
  asked = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  sources(ifindex: number, group: Uint32Array): Uint32Array | undefined {
    this.asked++;
    const sources = this.joined.get(`${ifindex} ${group.join()}`);
    if (sources === undefined) return undefined;
    return Uint32Array.from([...sources].filter((each) => each !== '*').flatMap((each) => each.split(',').map(Number)));
  }

  join(ifindex: number, group: Uint32Array, source?: Uint32Array): void {
    this.attempts++;
    if (ifindex === 99) throw refusal('ENODEV');
    const key = `${ifindex} ${group.join()}`;
    const sources = this.joined.get(key) ?? new Set();
    if (!this.joined.has(key) && this.joined.size >= GROUPS_MAX) throw refusal('ENOBUFS');
    if (source !== undefined && sources.size >= SOURCES_MAX) throw refusal('ENOBUFS');
    this.joined.set(key, sources.add(source?.join() ?? '*'));
  }

  leave(ifindex: number, group: Uint32Array, source?: Uint32Array): void {
    const key = `${ifindex} ${group.join()}`;
    const sources = this.joined.get(key);
    if (sources?.delete(source?.join() ?? '*') !== true) throw refusal('EADDRNOTAVAIL');
    if (sources.size === 0) this.joined.delete(key);
  }

  close(): void {
    this.isClosed = true;
  }
}

function refusal(code: string): Error {
  return Object.assign(new Error(code), { code, errno: -1, syscall: 'setsockopt(MCAST_JOIN_GROUP)' });
}

let sockets: FakeSocket[];
let kept: { readonly name: string; readonly fd: number }[];
let pool: MembershipPool;

function openPool(): MembershipPool {
  const addon: Pick<NativeAddon, 'openMembershipSocket' | 'adoptMembershipSocket'> = {
    openMembershipSocket: () => {
      const socket = new FakeSocket(100 + sockets.length);
      sockets.push(socket);
      return socket;
    },
    adoptMembershipSocket: (_, fd) => sockets.find((socket) => socket.fd === fd) ?? assert.fail(String(fd)),
  };
  return new MembershipPool(addon, (name, fd) => kept.push({ name, fd }));
}

beforeEach(() => {
  sockets = [];
  kept = [];
  pool = openPool();
});

const group = (n: number): Address => parseAddress(`239.0.0.${n}`);
const source = (n: number): Address => parseAddress(`10.0.0.${n}`);
const sizes = () => sockets.map(({ joined }) => [...joined.values()].reduce((sum, { size }) => sum + size, 0));

describe('the membership pool', () => {
  it('opens another socket when one is full', () => {
    for (let n = 0; n < 7; n++) pool.join(1, group(n), undefined);
    assert.deepEqual(sizes(), [3, 3, 1]);
  });

  it('does not try every full socket for each join', () => {
    for (let n = 0; n < 60; n++) pool.join(1, group(n), undefined);
    const attempts = sockets.reduce((sum, socket) => sum + socket.attempts, 0);
    assert.ok(attempts <= 60 + sockets.length, `${attempts} attempts`);
  });

  it('has each socket kept before it joins anything', () => {
    for (let n = 0; n < 4; n++) pool.join(1, group(n), undefined);
    pool.join(1, group(1), source(1));
    pool.join(1, parseAddress('ff1e::1'), undefined);
    assert.deepEqual(kept, [
      { name: 'asm4', fd: 100 },
      { name: 'asm4', fd: 101 },
      { name: 'ssm4', fd: 102 },
      { name: 'asm6', fd: 103 },
    ]);
  });

  it('finds the joins of sockets that it takes over, and goes on with them', () => {
    for (let n = 0; n < 7; n++) pool.join(1, group(n), undefined);
    for (let n = 0; n < 5; n++) pool.join(2, group(1), source(n));
    const old = [...kept];
    const next = openPool();
    for (const { name, fd } of old) assert.ok(next.adopt(name, fd));
    // Others have joined groups too, and some of ours on other interfaces.
    const groups = [1, 2, 3].flatMap((ifindex) => Array.from({ length: 9 }, (_, n) => ({ ifindex, group: group(n) })));
    const found = next.find('ipv4', groups).map((join) => JSON.stringify(join));
    const expected = [
      ...Array.from({ length: 7 }, (_, n) => ({ ifindex: 1, group: group(n) })),
      ...Array.from({ length: 5 }, (_, n) => ({ ifindex: 2, group: group(1), source: source(n) })),
    ];
    assert.deepEqual(found.sort(), expected.map((join) => JSON.stringify(join)).sort());
    const before = sizes();
    for (let n = 0; n < 7; n++) next.join(1, group(n), undefined);
    assert.deepEqual(sizes(), before);
    for (let n = 0; n < 7; n++) next.leave(1, group(n), undefined);
    for (let n = 0; n < 5; n++) next.leave(2, group(1), source(n));
    assert.ok(sizes().every((size) => size === 0));
  });

  it('looks first where it has found the last one', () => {
    for (let n = 0; n < 90; n++) pool.join(1, group(n), undefined);
    const next = openPool();
    for (const { name, fd } of kept.slice()) next.adopt(name, fd);
    next.find(
      'ipv4',
      Array.from({ length: 90 }, (_, n) => ({ ifindex: 1, group: group(89 - n) })),
    );
    const asked = sockets.reduce((sum, socket) => sum + socket.asked, 0);
    assert.ok(asked <= 90 + sockets.length, `${asked} questions`);
  });

  it('takes over nothing that is no socket of joins', () => {
    assert.ok(!pool.adopt('mrt4', 1));
  });

  it('spreads the sources of one group', () => {
    for (let n = 0; n < 5; n++) pool.join(1, group(1), source(n));
    assert.deepEqual(sizes(), [2, 2, 1]);
    pool.join(1, group(2), source(1));
    assert.deepEqual(sizes(), [3, 2, 1]);
  });

  it('keeps any-source and source-specific joins apart', () => {
    pool.join(1, group(1), undefined);
    pool.join(1, group(1), source(1));
    assert.deepEqual(sizes(), [1, 1]);
  });

  it('joins once what is asked for twice', () => {
    pool.join(1, group(1), undefined);
    pool.join(1, group(1), undefined);
    assert.deepEqual(sizes(), [1]);
    assert.equal(sockets[0]?.attempts, 1);
  });

  it('uses the room that a leave makes', () => {
    for (let n = 0; n < 6; n++) pool.join(1, group(n), undefined);
    pool.leave(1, group(0), undefined);
    pool.join(1, group(9), undefined);
    assert.deepEqual(sizes(), [3, 3]);
  });

  it('passes on what is not the limit of a socket', () => {
    assert.throws(() => {
      pool.join(99, group(1), undefined);
    }, /ENODEV/);
    pool.join(1, group(1), undefined);
    assert.deepEqual(sizes(), [1]);
  });

  it('leaves only what was joined', () => {
    pool.leave(1, group(1), undefined);
    assert.equal(sockets.length, 0);
  });

  it('leaves everything when closed', () => {
    for (let n = 0; n < 7; n++) pool.join(1, group(n), undefined);
    pool.close();
    assert.ok(sockets.every(({ isClosed }) => isClosed));
  });
});
