import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { ListSlots, writeAll } from '../../src/agent/service/stream.js';
import { LISTS_MAX } from '../../src/model/limits.js';

/** A call whose reader takes as many messages as it is told. */
class FakeCall extends EventEmitter {
  readonly written: number[][] = [];
  cancelled = false;
  isEnded = false;
  room = Infinity;

  write(message: number[]): boolean {
    this.written.push(message);
    return this.written.length < this.room;
  }

  end(): void {
    this.isEnded = true;
  }
}

function send(call: FakeCall, items: Iterable<number>, stallMs?: number): Promise<void> {
  const stream = call as unknown as ServerWritableStream<unknown, number[]>;
  const toMessage = (some: readonly number[]) => [...some];
  return writeAll(stream, items, toMessage, { sendsEmpty: false, ...(stallMs === undefined ? {} : { stallMs }) });
}

const items = Array.from({ length: 1_200 }, (_, n) => n);

describe('a list', () => {
  it('is sent whole, in messages of a bounded size', async () => {
    const call = new FakeCall();
    await send(call, items);
    assert.deepEqual(
      call.written.map(({ length }) => length),
      [500, 500, 200],
    );
    assert.deepEqual(call.written.flat(), items);
    assert.ok(call.isEnded);
  });

  it('waits for its reader', async () => {
    const call = new FakeCall();
    call.room = 1;
    const sent = send(call, items);
    assert.equal(call.written.length, 1);
    call.room = Infinity;
    call.emit('drain');
    await sent;
    assert.equal(call.written.length, 3);
  });

  it('ends when the reader goes away', async () => {
    const call = new FakeCall();
    call.room = 1;
    const sent = send(call, items);
    call.cancelled = true;
    call.emit('cancelled');
    await sent;
    assert.equal(call.written.length, 1);
    assert.equal(call.listenerCount('drain'), 0);
  });

  it('ends with the reason when the reader takes nothing for too long', async () => {
    const call = new FakeCall();
    call.room = 1;
    // The limit's timer alone would not keep the process alive, as the server does.
    const alive = setInterval(() => undefined, 1_000);
    await assert.rejects(send(call, items, 5), { reason: 'RESOURCE_LIMIT', message: /not read for 0\.005 s/ });
    clearInterval(alive);
  });
});

describe('the number of lists', () => {
  it('is limited, and one that ends or fails makes room', async () => {
    const slots = new ListSlots();
    const finish: ((error: Error | undefined) => void)[] = [];
    const running = Array.from({ length: LISTS_MAX }, () =>
      slots.run(async () => {
        const error = await new Promise<Error | undefined>((resolve) => finish.push(resolve));
        if (error !== undefined) throw error;
      }),
    );
    await assert.rejects(
      slots.run(() => Promise.resolve()),
      { reason: 'RESOURCE_LIMIT' },
    );
    finish[0]?.(undefined);
    finish[1]?.(new Error('broken'));
    await running[0];
    await assert.rejects(running[1] ?? Promise.resolve(), /broken/);
    await slots.run(() => Promise.resolve());
    await slots.run(() => Promise.resolve());
    for (const each of finish) each(undefined);
    await Promise.all(running.slice(2));
  });
});
