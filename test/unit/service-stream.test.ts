import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import type { EncodedCall } from '../../src/agent/service/encoded.js';
import { ListSlots, writeAll } from '../../src/agent/service/stream.js';
import { LISTS_MAX, LISTS_PER_CALLER_MAX } from '../../src/model/limits.js';

/** A call whose reader takes as many messages as it is told. */
class FakeCall extends EventEmitter {
  readonly written: string[] = [];
  cancelled = false;
  isEnded = false;
  room = Infinity;

  write(message: Buffer): boolean {
    this.written.push(message.toString());
    return this.written.length < this.room;
  }

  end(): void {
    this.isEnded = true;
  }
}

/** Messages that are made one by one, and which of them have been. */
function* messages(made: string[] = []): Generator<Buffer> {
  for (const text of ['one', 'two', 'three']) {
    made.push(text);
    yield Buffer.from(text);
  }
}

function send(call: FakeCall, some: Iterable<Buffer> = messages(), stallMs?: number): Promise<void> {
  return writeAll(call as unknown as EncodedCall, some, stallMs);
}

describe('a list', () => {
  it('is sent whole', async () => {
    const call = new FakeCall();
    await send(call);
    assert.deepEqual(call.written, ['one', 'two', 'three']);
    assert.ok(call.isEnded);
  });

  it('waits for its reader before more of it is made', async () => {
    const call = new FakeCall();
    const made: string[] = [];
    call.room = 1;
    const sent = send(call, messages(made));
    assert.deepEqual([made, call.written], [['one'], ['one']]);
    call.room = Infinity;
    call.emit('drain');
    await sent;
    assert.deepEqual(call.written, ['one', 'two', 'three']);
  });

  it('lets other work in between', async () => {
    const call = new FakeCall();
    const made: string[] = [];
    const sent = send(call, messages(made));
    let madeBefore = 0;
    setImmediate(() => (madeBefore = made.length));
    await sent;
    assert.ok(madeBefore < 3, `${madeBefore} messages were made before anything else was done`);
  });

  it('ends when the reader goes away', async () => {
    const call = new FakeCall();
    call.room = 1;
    const sent = send(call);
    call.cancelled = true;
    call.emit('cancelled');
    await sent;
    assert.deepEqual([call.written, call.isEnded], [['one'], false]);
    assert.equal(call.listenerCount('drain'), 0);
  });

  it('ends with the reason when the reader takes nothing for too long', async () => {
    const call = new FakeCall();
    call.room = 1;
    // The limit's timer alone would not keep the process alive, as the server does.
    const alive = setInterval(() => undefined, 1_000);
    await assert.rejects(send(call, messages(), 5), { reason: 'RESOURCE_LIMIT', message: /not read for 0\.005 s/ });
    clearInterval(alive);
  });
});

describe('the number of lists', () => {
  it('is limited, and one that ends or fails makes room', async () => {
    const slots = new ListSlots();
    const finish: ((error: Error | undefined) => void)[] = [];
    const running = Array.from({ length: LISTS_MAX }, () =>
      slots.run('', async () => {
        const error = await new Promise<Error | undefined>((resolve) => finish.push(resolve));
        if (error !== undefined) throw error;
      }),
    );
    await assert.rejects(
      slots.run('', () => Promise.resolve()),
      { reason: 'RESOURCE_LIMIT' },
    );
    finish[0]?.(undefined);
    finish[1]?.(new Error('broken'));
    await running[0];
    await assert.rejects(running[1] ?? Promise.resolve(), /broken/);
    await slots.run('', () => Promise.resolve());
    await slots.run('', () => Promise.resolve());
    for (const each of finish) each(undefined);
    await Promise.all(running.slice(2));
  });

  it('is limited for each identity of a gateway, who does not keep others out', async () => {
    const slots = new ListSlots();
    const finish: (() => void)[] = [];
    const running = Array.from({ length: LISTS_PER_CALLER_MAX }, () =>
      slots.run('spiffe://a', () => new Promise((resolve) => finish.push(resolve))),
    );
    await assert.rejects(
      slots.run('spiffe://a', () => Promise.resolve()),
      { reason: 'RESOURCE_LIMIT', message: /4 lists of spiffe:\/\/a/ },
    );
    await slots.run('spiffe://b', () => Promise.resolve());
    finish[0]?.();
    await running[0];
    await slots.run('spiffe://a', () => Promise.resolve());
    for (const each of finish) each();
    await Promise.all(running);
  });
});
