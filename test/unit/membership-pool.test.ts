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
  readonly fd = -1;
  readonly joined = new Map<string, Set<string>>();
  attempts = 0;
  isClosed = false;

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
let pool: MembershipPool;

beforeEach(() => {
  sockets = [];
  const addon: Pick<NativeAddon, 'openMembershipSocket'> = {
    openMembershipSocket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
  };
  pool = new MembershipPool(addon);
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
