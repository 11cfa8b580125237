// The sessions of a table: what is saved before it is told, and what happens to the resources of absent owners.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Standing } from '../../src/agent/sessions/election.js';
import { RETURN_MIN_MS } from '../../src/agent/sessions/absence.js';
import { EMPTY_RECORD, type SessionRecord, decodeRecord, encodeRecord } from '../../src/agent/sessions/record.js';
import { openSessionFile } from '../../src/agent/sessions/session-file.js';
import {
  type SessionClaim,
  type SessionError,
  type SessionNote,
  type SessionsOptions,
  Sessions,
} from '../../src/agent/sessions/sessions.js';
import { ROLES_PER_TABLE_MAX, SESSIONS_MAX } from '../../src/model/limits.js';
import { type DiskOperation, ModelledDisk } from '../support/modelled-disk.js';
import { Random } from '../support/random.js';

const TABLE = 7;

/** Lets everything happen that does not wait for time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Sessions with a clock, a disk and an engine that tests move. */
function openWorld(differing: Partial<SessionsOptions> = {}) {
  const saved: SessionRecord[] = [];
  const removed: string[] = [];
  const notes: SessionNote[] = [];
  const world = {
    nowMs: 0,
    timer: undefined as { readonly dueMs: number; readonly callback: () => void } | undefined,
    saveError: undefined as Error | undefined,
    removeError: undefined as Error | undefined,
    saved,
    removed,
    notes,
    claim: (electionId: number, rest: Partial<SessionClaim> = {}): SessionClaim => ({
      owner: 'a',
      role: 'r',
      electionId: BigInt(electionId),
      holdTimeMs: undefined,
      ...rest,
    }),
    join: async (claim: SessionClaim) => {
      const told: Standing[] = [];
      const session = await world.sessions.join(claim, (standing) => told.push(standing));
      return { session, told };
    },
    /** Time passes. */
    pass: async (ms: number) => {
      world.nowMs += ms;
      while (world.timer !== undefined && world.timer.dueMs <= world.nowMs) {
        const { callback } = world.timer;
        world.timer = undefined;
        callback();
        await settle();
      }
    },
    sessions: undefined as unknown as Sessions,
  };
  world.sessions = new Sessions({
    store: {
      save: (record) => {
        if (world.saveError !== undefined) return Promise.reject(world.saveError);
        saved.push(record);
        return Promise.resolve();
      },
    },
    record: EMPTY_RECORD,
    clock: () => ({ steadyMs: world.nowMs, wallMs: 1_000_000 + world.nowMs }),
    after: (ms, callback) => {
      world.timer = { dueMs: world.nowMs + ms, callback };
      return () => {
        world.timer = undefined;
      };
    },
    removeAll: (owner) => {
      if (world.removeError !== undefined) return Promise.reject(world.removeError);
      removed.push(owner);
      return Promise.resolve(1);
    },
    onNote: (note) => notes.push(note),
    ...differing,
  });
  return world;
}

function isRefusal(code: SessionError['code']): (error: Error) => boolean {
  return (error) => 'code' in error && error.code === code;
}

describe('sessions', () => {
  it('are told that they are primary when the id is saved, and not before', async () => {
    let save: (() => void) | undefined;
    const world = openWorld({ store: { save: () => new Promise<void>((resolve) => (save = resolve)) } });
    const first = world.join(world.claim(1));
    await settle();
    save?.();
    const { session, told } = await first;
    let isTold = false;
    const second = world.join(world.claim(2)).then((joined) => {
      isTold = true;
      return joined;
    });
    await settle();
    assert.deepEqual([isTold, session.isPrimary, told.length], [false, true, 0]);
    save?.();
    assert.ok((await second).session.isPrimary);
    assert.deepEqual(told, [{ isPrimary: false, highest: 2n, hasPrimary: true }]);
    assert.ok(!session.isPrimary);
  });

  it('stand as before where the disk refuses, and nobody is told anything', async () => {
    const world = openWorld();
    const { session, told } = await world.join(world.claim(1));
    const { session: other } = await world.join(world.claim(0));
    world.saveError = new Error('full');
    await assert.rejects(world.join(world.claim(2)), /full/);
    await assert.rejects(other.claim(world.claim(3)), /full/);
    assert.deepEqual([session.isPrimary, other.isPrimary, told], [true, false, []]);
    assert.equal(world.sessions.count, 2);
    // What the disk has is not known: it is saved again, with the id that holds.
    world.saveError = undefined;
    const count = world.saved.length;
    const { session: same } = await world.join(world.claim(1));
    assert.ok(same.isPrimary);
    assert.deepEqual(
      world.saved.slice(count).map(({ roles }) => roles),
      [new Map([['r', 1n]])],
    );
  });

  it('know the ids of an agent before', async () => {
    const world = openWorld({ record: { roles: new Map([['r', 9n]]), owners: new Map() } });
    const { session } = await world.join(world.claim(8));
    assert.deepEqual(session.standing, { isPrimary: false, highest: 9n, hasPrimary: false });
    assert.equal(world.saved.length, 0);
  });

  it('of one role are of one owner at a time', async () => {
    const world = openWorld();
    const { session } = await world.join(world.claim(1));
    await assert.rejects(world.join(world.claim(2, { owner: 'b' })), isRefusal('OTHER_OWNER'));
    session.leave();
    const { session: next } = await world.join(world.claim(2, { owner: 'b' }));
    assert.ok(next.isPrimary);
  });

  it('are so many at most, and so many roles are remembered', async () => {
    const world = openWorld();
    const joined = [];
    for (let n = 0; n < SESSIONS_MAX; n++) joined.push(await world.join(world.claim(1, { role: `r${n}` })));
    await assert.rejects(world.join(world.claim(1)), isRefusal('TOO_MANY_SESSIONS'));
    for (const { session } of joined) session.leave();
    for (let n = SESSIONS_MAX; n < ROLES_PER_TABLE_MAX; n++) {
      const { session } = await world.join(world.claim(1, { role: `r${n}` }));
      session.leave();
    }
    await assert.rejects(world.join(world.claim(1)), isRefusal('TOO_MANY_ROLES'));
    // Those that are known are not refused, nor those that need not be remembered.
    assert.ok((await world.join(world.claim(1, { role: 'r5' }))).session.isPrimary);
    assert.ok((await world.join(world.claim(0))).session.isPrimary);
  });
});

describe('an absent owner', () => {
  const HOLD = { holdTimeMs: 60_000 };

  it('loses its resources after the hold time, once', async () => {
    const world = openWorld();
    const { session } = await world.join(world.claim(1, HOLD));
    session.leave();
    session.leave();
    await settle();
    assert.deepEqual(world.saved.at(-1)?.owners, new Map([['a', { ...HOLD, deadlineMs: 1_060_000 }]]));
    await world.pass(59_999);
    assert.deepEqual(world.removed, []);
    await world.pass(1);
    assert.deepEqual(world.removed, ['a']);
    assert.deepEqual(world.saved.at(-1)?.owners, new Map());
    await world.pass(1_000_000);
    assert.deepEqual(world.removed, ['a']);
  });

  it('keeps them if it comes back, also with another role', async () => {
    const world = openWorld();
    const { session } = await world.join(world.claim(1, HOLD));
    session.leave();
    await settle();
    await world.pass(59_000);
    await world.join(world.claim(1, { role: 'other', ...HOLD }));
    await world.pass(1_000_000);
    assert.deepEqual(world.removed, []);
    assert.equal(world.saved.at(-1)?.owners.get('a')?.deadlineMs, undefined);
  });

  it('is minded as the primary has said, not another session', async () => {
    const world = openWorld();
    const { session: primary } = await world.join(world.claim(2, HOLD));
    const { session: backup } = await world.join(world.claim(1, { holdTimeMs: 0 }));
    primary.leave();
    backup.leave();
    await settle();
    await world.pass(59_999);
    assert.deepEqual(world.removed, []);
    await world.pass(1);
    assert.deepEqual(world.removed, ['a']);
  });

  it('loses them later if they cannot be removed in time', async () => {
    const world = openWorld();
    const { session } = await world.join(world.claim(1, HOLD));
    session.leave();
    world.removeError = new Error('full');
    await settle();
    await world.pass(60_000);
    assert.equal(world.notes.length, 1);
    world.removeError = undefined;
    await world.pass(5_000);
    assert.deepEqual(world.removed, ['a']);
  });

  it('has time to come back to the next agent', async () => {
    const owners = new Map([
      ['there', { holdTimeMs: 0, deadlineMs: undefined }],
      ['away', { holdTimeMs: 60_000, deadlineMs: 1_001_000 }],
      ['over', { holdTimeMs: 60_000, deadlineMs: 999_000 }],
    ]);
    const world = openWorld({ record: { roles: new Map(), owners } });
    await world.sessions.start();
    assert.deepEqual(world.removed, ['over']);
    await world.pass(1_000);
    assert.deepEqual(world.removed, ['over', 'away']);
    await world.pass(RETURN_MIN_MS - 1_001);
    assert.deepEqual(world.removed, ['over', 'away']);
    await world.pass(1);
    assert.deepEqual(world.removed, ['over', 'away', 'there']);
  });

  it('is not minded by an agent that ends, which leaves that to the next one', async () => {
    const world = openWorld();
    const { session } = await world.join(world.claim(1, HOLD));
    await world.sessions.close();
    session.leave();
    await settle();
    assert.equal(world.saved.at(-1)?.owners.get('a')?.deadlineMs, undefined);
    assert.equal(world.timer, undefined);
  });
});

describe('the record of sessions', () => {
  const record = (n: number): SessionRecord => ({
    roles: new Map([
      ['r', BigInt(n)],
      ['__proto__', 2n ** 64n - 1n],
    ]),
    owners: new Map([
      ['a', { holdTimeMs: 1_000, deadlineMs: n }],
      ['b/c@d', { holdTimeMs: 0, deadlineMs: undefined }],
    ]),
  });

  it('is read as it was written', () => {
    assert.deepEqual(decodeRecord(TABLE, encodeRecord(TABLE, record(5))), record(5));
  });

  it('is not taken from another table, nor with a byte that is other', () => {
    const bytes = encodeRecord(TABLE, record(5));
    assert.throws(() => decodeRecord(TABLE + 1, bytes), { code: 'SESSION_RECORD' });
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 4;
      assert.throws(() => decodeRecord(TABLE, damaged), { code: 'SESSION_RECORD' }, `byte ${at}`);
      assert.throws(() => decodeRecord(TABLE, bytes.subarray(0, at)), { code: 'SESSION_RECORD' }, `${at} bytes`);
    }
  });

  it('that is damaged is set aside, and forgotten', () => {
    const disk = new ModelledDisk(() => 0);
    disk.setFile('sessions', Buffer.from('damaged'));
    const notes: string[] = [];
    const opened = openSessionFile({ directory: '/d', table: TABLE, disk, onNote: ({ note }) => notes.push(note) });
    assert.deepEqual([opened.record, notes.length, disk.names()], [EMPTY_RECORD, 1, ['sessions.damaged']]);
  });

  it('is whole wherever the power goes, and is the one that was saved last', async () => {
    const OPERATIONS: readonly DiskOperation[] = ['create', 'write', 'datasync', 'rename', 'sync-directory'];
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed);
      const disk = new ModelledDisk(() => random.below(1_000) / 1_000);
      const open = () =>
        openSessionFile({ directory: '/d', table: TABLE, disk, onNote: ({ note }) => assert.fail(note) });
      const { store } = open();
      const saves = random.below(3);
      for (let n = 1; n <= saves; n++) await store.save(record(n));
      const last = random.pick(OPERATIONS);
      const fate = random.pick(['power cut', 'EIO', 'ENOSPC'] as const);
      disk.decide = (operation) => (operation === last ? fate : 'done');
      await assert.rejects(store.save(record(saves + 1)));
      disk.restart();
      const { record: found } = open();
      const isOneOf = [saves, saves + 1].some(
        (n) => found.roles.get('r') === (n === 0 ? undefined : BigInt(n)) && found.roles.size === (n === 0 ? 0 : 2),
      );
      assert.ok(isOneOf, `seed ${seed}: ${String(found.roles.get('r'))} was read, ${saves} were saved`);
    }
  });
});
