// When garbage is collected while nothing else happens.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IdleCollector } from '../../src/runtime/idle-collector.js';

const MB = 1024 * 1024;

/** A process whose time passes by `look`. */
class FakeProcess {
  busy = 0;
  heap = 0;
  /** In use, which no collection takes away. */
  live = 0;
  pauseMs = 0;
  collections = 0;
  readonly collector = new IdleCollector({
    schedule: (callback) => {
      this.#scheduled.push(callback);
    },
    busyPart: () => this.busy,
    heapBytes: () => this.heap,
    collect: () => {
      this.collections++;
      this.heap = this.live;
      return this.pauseMs;
    },
  });
  #scheduled: (() => void)[] = [];

  /** Whether the collector looks at the process now and then. */
  get isLooking(): boolean {
    return this.#scheduled.length > 0;
  }

  look(times = 1): void {
    for (let time = 0; time < times; time++) for (const callback of this.#scheduled.splice(0)) callback();
  }
}

function processWith(heap: number, live = 0): FakeProcess {
  const fake = new FakeProcess();
  fake.heap = heap * MB;
  fake.live = live * MB;
  return fake;
}

describe('garbage', () => {
  it('is collected once, when the process is idle', () => {
    const fake = processWith(50);
    fake.collector.onGarbage();
    fake.collector.onGarbage();
    assert.equal(fake.collections, 0);
    fake.look();
    assert.equal(fake.collections, 1);
    assert.equal(fake.isLooking, false);
  });

  it('waits while there is work', () => {
    const fake = processWith(50);
    fake.busy = 0.5;
    fake.collector.onGarbage();
    fake.look(100);
    assert.equal(fake.collections, 0);
    fake.busy = 0;
    fake.look();
    assert.equal(fake.collections, 1);
  });

  it('stays as long as it is little', () => {
    const fake = processWith(50, 49);
    fake.collector.onGarbage();
    fake.look();
    fake.heap = 50.5 * MB;
    fake.collector.onGarbage();
    fake.look();
    assert.equal(fake.collections, 1);
    assert.equal(fake.isLooking, false);
    fake.heap = 52 * MB;
    fake.collector.onGarbage();
    fake.look();
    assert.equal(fake.collections, 2);
  });

  it('is left to V8 where the heap is so large that others would wait', () => {
    const fake = processWith(300);
    fake.collector.onGarbage();
    fake.look();
    assert.equal(fake.collections, 0);
    assert.equal(fake.isLooking, false);
  });

  it('that comes again and again takes a small part of the time', () => {
    const fake = processWith(50);
    fake.pauseMs = 200;
    let looks = 0;
    while (fake.collections < 3 && looks < 100) {
      fake.heap = 50 * MB;
      fake.collector.onGarbage();
      fake.look();
      looks++;
    }
    // A pause of 0.2 s earns a rest of 20 s, and looks are 6 s apart.
    assert.equal(looks, 1 + 4 + 4);
  });
});
