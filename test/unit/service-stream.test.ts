import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import type { EncodedCall } from '../../src/agent/service/encoded.js';
import { writeAll } from '../../src/agent/service/stream.js';

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
