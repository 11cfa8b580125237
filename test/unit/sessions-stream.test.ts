// Streams of Modify over the fake kernel: what is told when, to readers of any pace.
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import { type ModifyCall, ModifyStreams } from '../../src/agent/service/modify.js';
import { toApiError } from '../../src/agent/service/errors.js';
import { Outbox } from '../../src/agent/service/outbox.js';
import { EMPTY_RECORD } from '../../src/agent/sessions/record.js';
import { Sessions } from '../../src/agent/sessions/sessions.js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { ModifyRequest } from '../../src/api/generated/mcroute/v1/ModifyRequest.js';
import type { ModifyResponse__Output } from '../../src/api/generated/mcroute/v1/ModifyResponse.js';
import { api, relayMessages } from '../../src/api/load.js';
import { modifyReader } from '../../src/api/modify-requests.js';
import { IDENTITY_HEADER, SCOPE_HEADER } from '../../src/api/relay.js';
import { ApiError, fromStatusMessage } from '../../src/api/status.js';
import { ELEMENTS_MAX, SESSIONS_MAX, SESSIONS_PER_CALLER_MAX } from '../../src/model/limits.js';
import { fakeLink } from '../support/fake-kernel.js';
import { openEngine, settle } from '../support/engine-bench.js';
import { TEST_TABLE } from '../support/fib-turns.js';
import { waitForEvent } from '../support/wait.js';

const { Modify } = api().mcroute.v1.RoutingService.service;

/** A call whose reader takes messages when it is told to. */
class FakeCall extends Duplex {
  readonly metadata = new Metadata();
  cancelled = false;
  /** What the reader has taken. */
  readonly told: ModifyResponse__Output[] = [];
  #failure: { readonly code: number; readonly details: string } | undefined;
  readonly #untaken: { readonly message: Buffer; readonly taken: () => void }[] = [];
  isReading = true;

  constructor() {
    super({ objectMode: true });
    this.on('error', (error: unknown) => {
      this.#failure = error as { readonly code: number; readonly details: string };
    });
  }

  /** What it was ended with. */
  get failure(): { readonly code: number; readonly details: string } | undefined {
    return this.#failure;
  }

  get call(): ModifyCall {
    return this as unknown as ModifyCall;
  }

  override _read(): void {
    // What comes is pushed.
  }

  override _write(message: Buffer, _encoding: BufferEncoding, taken: () => void): void {
    this.#untaken.push({ message, taken });
    if (this.isReading) this.takeAll();
  }

  /** Takes what was written. */
  takeAll(): void {
    for (let next = this.#untaken.shift(); next !== undefined; next = this.#untaken.shift()) {
      this.told.push(Modify.responseDeserialize(next.message));
      next.taken();
    }
  }

  say(request: ModifyRequest): void {
    this.push(Modify.requestSerialize(request));
  }

  batch(...changes: readonly Change[]): void {
    this.say({ changes: { changes: [...changes] } });
  }

  get results() {
    return this.told.flatMap(({ results }) => results);
  }
}

function openStreams({ stallMs }: { readonly stallMs?: number } = {}) {
  const world = openEngine();
  const disk = {
    /** What waits for the disk. */
    waiting: [] as { readonly resolve: () => void; readonly reject: (error: Error) => void }[],
    isFast: true,
  };
  const sessions = new Sessions({
    store: undefined,
    record: EMPTY_RECORD,
    clock: () => ({ steadyMs: 0, wallMs: 0 }),
    after: () => () => undefined,
    removeAll: () => Promise.resolve(0),
    onNote: ({ note }) => assert.fail(note),
  });
  const streams = new ModifyStreams({
    engine: world.engine,
    sessions,
    read: modifyReader(Modify.requestDeserialize, ELEMENTS_MAX),
    checkTable: () => undefined,
    checkOwner: () => undefined,
    settled: () =>
      disk.isFast
        ? Promise.resolve()
        : new Promise((resolve, reject) => {
            disk.waiting.push({ resolve, reject });
          }),
    failure: (error) => toApiError(error) ?? assert.fail(String(error)),
    ...(stallMs === undefined ? {} : { stallMs }),
  });
  const open = async (session: ModifyRequest['session'], metadata: Readonly<Record<string, string | Buffer>> = {}) => {
    const call = new FakeCall();
    for (const [name, value] of Object.entries(metadata)) call.metadata.set(name, value);
    streams.add(call.call);
    if (session) call.say({ table: TEST_TABLE, session });
    await settle();
    return call;
  };
  return { ...world, disk, sessions, streams, open };
}

function put(id: number, iif = 'eth0', label = ''): Change {
  return {
    id,
    put: {
      mroute: { key: { iif, source: '', group: `239.1.${id >> 8}.${id & 255}` }, oifs: [{ interface: 'eth1' }], label },
    },
  };
}

function reasonOf(call: FakeCall, index: number): string | undefined {
  const error = call.results[index]?.error;
  return error ? fromStatusMessage(error).reason : undefined;
}

describe('results', () => {
  it('are told when they are durable, in the order of the batches', async () => {
    const { open, disk } = openStreams();
    const call = await open({ owner: 'a' });
    disk.isFast = false;
    call.batch(put(1));
    call.batch(put(2));
    await settle();
    // The second was planned without waiting for the disk, and its results wait for those of the first.
    assert.deepEqual([disk.waiting.length, call.results.length], [2, 0]);
    disk.waiting[1]?.resolve();
    await settle();
    assert.equal(call.results.length, 0);
    disk.waiting[0]?.resolve();
    await settle();
    assert.deepEqual(
      call.told.slice(1).map(({ batch, added, results }) => [batch, added, results.map(({ id }) => id)]),
      [
        ['1', 1, ['1']],
        ['2', 1, ['2']],
      ],
    );
  });

  it('say so where the disk refuses, and the session goes on', async () => {
    const { open, disk, kernel } = openStreams();
    const call = await open({ owner: 'a' });
    disk.isFast = false;
    call.batch(put(1), put(2, 'away0'));
    await settle();
    const error = Object.assign(new Error('full'), { code: 'STORAGE', errno: 'ENOSPC', path: '/d' });
    disk.waiting[0]?.reject(error);
    await settle();
    assert.deepEqual([reasonOf(call, 0), reasonOf(call, 1), call.told[1]?.refused], ['STORAGE', 'STORAGE', 2]);
    disk.isFast = true;
    // What was not done has no later result.
    kernel.setLink(fakeLink(9, 'away0'));
    await settle();
    assert.equal(call.results.length, 2);
    call.batch(put(3));
    await settle();
    assert.deepEqual(call.results.at(-1)?.effect, 'EFFECT_ADDED');
  });

  it('are the notable ones where those are asked for', async () => {
    const { open } = openStreams();
    const call = await open({ owner: 'a', results: 'RESULT_VIEW_NOTABLE' });
    call.batch(put(1), put(2, 'away0'), { id: 3 });
    await settle();
    assert.deepEqual(
      call.results.map(({ id }) => id),
      ['2', '3'],
    );
    assert.deepEqual([call.told[1]?.added, call.told[1]?.refused], [2, 1]);
  });

  it('of a large batch come in several messages, the last of which has the counts', async () => {
    const { open } = openStreams();
    const call = await open({ owner: 'a' });
    call.batch(...Array.from({ length: 3_000 }, (_, id) => put(id, 'eth0', 'x'.repeat(200))));
    await settle();
    const messages = call.told.filter(({ batch }) => batch === '1');
    assert.ok(messages.length > 1);
    assert.deepEqual(
      messages.map(({ added }) => added),
      [...messages.slice(1).map(() => 0), 3_000],
    );
    assert.deepEqual(
      call.results.map(({ id }) => id),
      Array.from({ length: 3_000 }, (_, id) => String(id)),
    );
  });
});

describe('an operation that waits', () => {
  it('has another result when its state changes, unless another one is about its key', async () => {
    const { open, kernel } = openStreams();
    const call = await open({ owner: 'a' });
    call.batch(put(1, 'away0'), put(2, 'away0'), put(3, 'away0'));
    call.batch(put(12, 'away0', 'again'), {
      id: 22,
      delete: { mroute: { iif: 'away0', source: '', group: '239.1.0.2' } },
    });
    await settle();
    const before = call.results.length;
    kernel.setLink(fakeLink(9, 'away0'));
    await settle();
    const later = call.results.slice(before);
    assert.deepEqual(later.map(({ id, entry }) => [id, entry?.state]).sort(), [
      ['1', 'STATE_PROGRAMMED'],
      ['12', 'STATE_PROGRAMMED'],
      ['3', 'STATE_PROGRAMMED'],
    ]);
    assert.deepEqual(new Set(call.told.slice(3).map(({ batch }) => batch)), new Set(['0']));
    // They are done: what becomes of them later is not told.
    kernel.removeLink(9);
    await settle();
    assert.equal(call.results.length, before + 3);
  });

  it('has no other result when another one has done away with what it waited for', async () => {
    const { open } = openStreams();
    const call = await open({ owner: 'a' });
    const key = { iif: 'eth0', source: '', group: '239.1.0.1' };
    call.batch({ id: 1, put: { mroute: { key, oifs: [{ interface: 'eth1' }, { interface: 'away0' }] } } });
    await settle();
    assert.equal(call.results[0]?.entry?.state, 'STATE_PARTIAL');
    call.batch({ id: 2, removeOifs: { key, oifs: [{ interface: 'away0' }] } });
    await settle();
    assert.deepEqual(
      call.results.slice(1).map(({ id, entry }) => [id, entry?.state]),
      [['2', 'STATE_PROGRAMMED']],
    );
  });

  it('has no later result before its first one', async () => {
    const { open, kernel, disk } = openStreams();
    const call = await open({ owner: 'a' });
    disk.isFast = false;
    call.batch(put(1, 'away0'));
    await settle();
    kernel.setLink(fakeLink(9, 'away0'));
    await settle();
    assert.equal(call.results.length, 0);
    disk.waiting[0]?.resolve();
    await settle();
    assert.deepEqual(
      call.results.map(({ id, entry }) => [id, entry?.state]),
      [
        ['1', 'STATE_PENDING'],
        ['1', 'STATE_PROGRAMMED'],
      ],
    );
  });
});

describe('a controller that does not read', () => {
  it('is not read from either, until it does', async () => {
    const { open, engine } = openStreams();
    const call = await open({ owner: 'a' });
    call.isReading = false;
    const label = 'x'.repeat(200);
    for (let batch = 0; batch < 60; batch++) {
      call.batch(...Array.from({ length: 100 }, (_, n) => put(batch * 100 + n, 'eth0', label)));
    }
    await settle();
    const taken = [...engine.slots()].length;
    assert.ok(taken < 3_000, `${taken} changes were taken`);
    call.isReading = true;
    call.takeAll();
    await settle();
    await settle();
    assert.equal([...engine.slots()].length, 6_000);
    assert.equal(call.results.length, 6_000);
  });

  it('is sent away after a time', async () => {
    const { open, streams, sessions } = openStreams({ stallMs: 20 });
    const call = await open({ owner: 'a', electionId: 1 });
    call.isReading = false;
    call.batch(put(1));
    await waitForEvent(call, 'error');
    assert.match(call.failure?.details ?? '', /not read/);
    assert.equal(sessions.count, 0);
    streams.close();
  });

  it('is sent away if it does not say who it is', async () => {
    const { open } = openStreams({ stallMs: 20 });
    const call = await open(undefined);
    await waitForEvent(call, 'error');
    assert.match(call.failure?.details ?? '', /session: did not come/);
  });
});

describe('an answer', () => {
  it('counts as sent with its last message, also while that is not read', () => {
    const written: string[] = [];
    let isSent = false;
    const outbox = new Outbox({
      call: { write: (message) => written.push(message.toString().slice(0, 1)) },
      stallMs: 60_000,
      onStall: () => assert.fail(),
      nextNews: () => undefined,
      onProgress: () => undefined,
    });
    // More than is sent to a reader that takes nothing.
    const answer = {
      messages: [Buffer.from('a'), Buffer.alloc(64 * 1024, 'b')],
      isReady: true,
      onSent: () => (isSent = true),
    };
    outbox.add(answer);
    outbox.add({ messages: [Buffer.from('c')], isReady: true });
    outbox.flush();
    assert.deepEqual([written, isSent], [['a', 'b'], true]);
    // It is too late to say anything else.
    outbox.replace(answer, [Buffer.from('d')]);
    outbox.flush();
    assert.deepEqual([written, outbox.isEmpty], [['a', 'b'], false]);
    outbox.close();
  });
});

describe('a session', () => {
  it('ends when the controller half-closes, after the last result', async () => {
    const { open, disk, sessions } = openStreams();
    const call = await open({ owner: 'a' });
    disk.isFast = false;
    call.batch(put(1));
    call.push(null);
    await settle();
    assert.deepEqual([sessions.count, call.writableEnded], [0, false]);
    disk.waiting[0]?.resolve();
    await settle();
    assert.deepEqual([call.results.length, call.writableEnded, call.failure], [1, true, undefined]);
  });

  it('ends when it is cancelled, and nothing that comes after that is taken', async () => {
    const { open, sessions, engine } = openStreams();
    const call = await open({ owner: 'a' });
    call.cancelled = true;
    call.emit('cancelled');
    call.batch(put(1));
    await settle();
    assert.deepEqual([sessions.count, [...engine.slots()].length], [0, 0]);
  });

  it('ends with an undecodable message, not with one that has nothing to say', async () => {
    const { open } = openStreams();
    const call = await open({ owner: 'a' });
    call.say({});
    await settle();
    const { error } = call.told[1] ?? assert.fail();
    assert.equal(error && fromStatusMessage(error).reason, 'INVALID_FIELD');
    assert.ok(!call.writableEnded);
    call.push(Buffer.from([0x12, 0xff]));
    await settle();
    assert.match(call.failure?.details ?? '', /cannot be decoded/);
  });

  it('keeps its owner and role', async () => {
    const { open } = openStreams();
    const call = await open({ owner: 'a' });
    for (const session of [{ owner: 'b' }, { owner: 'a', role: 'r' }, { owner: 'a', holdTime: { nanos: 1 } }]) {
      call.say({ session });
    }
    await settle();
    assert.deepEqual(
      call.told.slice(1).map(({ error }) => error && fromStatusMessage(error).reason),
      ['INVALID_FIELD', 'INVALID_FIELD', 'INVALID_FIELD'],
    );
    call.batch(put(1));
    await settle();
    assert.equal(call.told.at(-1)?.added, 1);
  });

  it('is within what its caller may change', async () => {
    const { open, engine } = openStreams();
    const scope = relayMessages().scope.serialize({
      grants: [{ groups: ['239.1.0.0/24'], owners: ['a', 'b'] }],
      resourcesPerOwner: 2,
    });
    const metadata = { [IDENTITY_HEADER]: 'dns:x', [SCOPE_HEADER]: scope };
    for (const session of [{ owner: 'c' }, { owner: 'a', role: 'c' }]) {
      assert.match((await open(session, metadata)).failure?.details ?? '', /may not/);
    }
    const call = await open({ owner: 'a', role: 'b' }, metadata);
    call.batch(put(1), put(256), put(2), put(3), put(1));
    await settle();
    assert.deepEqual(
      call.results.map(({ effect }, index) => reasonOf(call, index) ?? effect),
      ['EFFECT_ADDED', 'PERMISSION_DENIED', 'EFFECT_ADDED', 'RESOURCE_LIMIT', 'EFFECT_UNCHANGED'],
    );
    assert.equal([...engine.slots()].length, 2);
  });

  it('is told by the agent that stops', async () => {
    const { open, streams } = openStreams();
    const call = await open({ owner: 'a' });
    streams.close();
    assert.match(call.failure?.details ?? '', /the agent stops/);
  });

  it('is one of so many of its identity, which does not keep others out', async () => {
    const { open } = openStreams();
    const ofX = (n: number) => open({ owner: `o${n}` }, { [IDENTITY_HEADER]: 'dns:x' });
    for (let n = 0; n < SESSIONS_PER_CALLER_MAX; n++) assert.equal((await ofX(n)).failure, undefined);
    assert.match((await ofX(99)).failure?.details ?? '', /streams of Modify of dns:x are open/);
    assert.equal((await open({ owner: 'a' }, { [IDENTITY_HEADER]: 'dns:y' })).failure, undefined);
  });

  it('is one of so many', async () => {
    const { open } = openStreams();
    for (let n = 0; n < SESSIONS_MAX; n++) assert.equal((await open({ owner: `o${n}` })).failure, undefined);
    const call = await open({ owner: 'a' });
    assert.match(call.failure?.details ?? '', /the limit/);
    assert.ok(new ApiError('RESOURCE_LIMIT', '').status === call.failure?.code);
  });
});
