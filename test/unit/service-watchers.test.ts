// Watches over the fake kernel: what is written to readers of any pace.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formsOf } from '../../src/api/codec.js';
import { MESSAGES } from '../../src/api/generated/codec.js';
import type { WatchResponse__Output } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import type { EncodedCall } from '../../src/agent/service/encoded.js';
import { Watchers } from '../../src/agent/service/watchers.js';
import type { Change } from '../../src/model/change.js';
import { WATCHERS_PER_CALLER_MAX } from '../../src/model/limits.js';
import type { Mroute } from '../../src/model/mroute.js';
import type { Scope } from '../../src/model/scope.js';
import { APPLY, openEngine, putOf } from '../support/engine-bench.js';
import { mroute } from '../support/fib-turns.js';

const { deserialize } = formsOf<object, WatchResponse__Output>(MESSAGES['mcroute.v1.WatchResponse'] ?? assert.fail());

/** More than one message of a watch has at most. */
const MANY = 300;

/** So long that a hundred changes are more than is sent without being read. */
const LABEL = 'x'.repeat(200);

/** A call whose reader takes a message when it is told to. */
class Reader extends EventEmitter {
  readonly written: Buffer[] = [];
  readonly cancelled = false;
  readonly #taken: (() => void)[] = [];
  /** The label of each group, as it was told. */
  readonly labels = new Map<string, string>();
  isSynced = false;
  revision = 0n;
  events = 0;

  write(message: Buffer, taken: () => void): boolean {
    this.written.push(message);
    this.#taken.push(() => {
      this.#read(deserialize(message));
      taken();
    });
    return true;
  }

  /** Bytes that are written and not taken. */
  get waiting(): number {
    return this.written.slice(this.written.length - this.#taken.length).reduce((sum, { length }) => sum + length, 0);
  }

  /** Takes so many messages, as far as there are any. */
  take(count = Infinity): void {
    for (let taken = 0; taken < count; taken++) {
      const take = this.#taken.shift();
      if (take === undefined) return;
      take();
    }
  }

  get call(): EncodedCall {
    return this as unknown as EncodedCall;
  }

  #read({ revision, events }: WatchResponse__Output): void {
    assert.ok(BigInt(revision) >= this.revision, `revision ${revision} came after ${this.revision}`);
    this.revision = BigInt(revision);
    for (const { put, delete: gone, synced } of events) {
      if (synced) this.isSynced = true;
      else this.events++;
      const route = put?.entries[0]?.resource?.mroute;
      if (route?.key) this.labels.set(route.key.group, route.label);
      if (gone?.mroute) this.labels.delete(gone.mroute.group);
    }
  }
}

/** An engine with watches, and short words for changes. */
function openWatches() {
  const world = openEngine();
  const watchers = new Watchers(world.engine);
  return {
    ...world,
    watch: (afterRevision?: bigint, scope?: Scope, author?: string) => {
      const reader = new Reader();
      watchers.add(reader.call, afterRevision, scope, author);
      return reader;
    },
    change: (changes: readonly Change[]) => world.engine.apply('cli', changes, APPLY),
    /** The label of each group. */
    labels: () => {
      const wishes = Array.from(world.engine.resources(), ({ resource }) => resource);
      return new Map(wishes.flatMap((wish) => ('oifs' in wish ? [[groupOf(wish), wish.label] as const] : [])));
    },
  };
}

function groupOf({ key }: Mroute): string {
  const [word = 0] = key.group.address.words;
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** Rule N, which waits for an interface: what becomes of it in the kernel does not matter here. */
function rule(n: number, label = ''): Mroute {
  return { ...mroute(`(*, 239.1.${n >> 8}.${n & 255}) away0 > eth1`), label };
}

function puts(first: number, count: number, label: string): Change[] {
  return Array.from({ length: count }, (_, n) => putOf(rule(first + n, label)));
}

function deletes(first: number, count: number): Change[] {
  return Array.from({ length: count }, (_, n) => ({ action: 'delete', key: rule(first + n).key, mustExist: false }));
}

describe('a change', () => {
  it('is encoded once for all who have everything before it', () => {
    const { watch, change, engine } = openWatches();
    const [one, other, behind] = [watch(), watch(), watch()];
    change(puts(0, MANY, LABEL));
    one.take();
    other.take();
    change(puts(0, MANY, 'second'));
    const ofOne = one.written.slice(-2);
    const ofOther = other.written.slice(-2);
    assert.deepEqual(
      ofOne.map((message, index) => message === ofOther[index]),
      [true, true],
    );
    assert.ok(!behind.written.includes(ofOne[0] ?? assert.fail()));
    for (const reader of [one, other, behind]) reader.take();
    for (const { labels, revision } of [one, other, behind]) {
      assert.deepEqual([labels.size, [...new Set(labels.values())], revision], [MANY, ['second'], engine.revision]);
    }
    engine.stop();
  });
});

describe('a reader that does not read', () => {
  it('has little on its way to it, and gets the last state of each key', () => {
    const { watch, change, engine } = openWatches();
    const slow = watch();
    for (let turn = 0; turn < 20; turn++) change(puts(0, MANY, `${LABEL} ${turn}`));
    // 64 KiB, and the message that went beyond.
    assert.ok(slow.waiting < 64 * 1024 + 256 * 400, `${slow.waiting} bytes wait`);
    slow.take();
    assert.ok(slow.events < 2 * MANY, `${slow.events} events`);
    assert.deepEqual([...new Set(slow.labels.values())], [`${LABEL} 19`]);
    assert.equal(slow.revision, engine.revision);
    engine.stop();
  });
});

describe('a reader with a scope', () => {
  it('is told of what is in it, and that a key has left it', () => {
    const { watch, change, engine } = openWatches();
    const scope = { grants: [{ groups: [], interfaces: ['away0', 'eth1'], owners: ['nobody'] }], resourcesPerOwner: 0 };
    const leaving = (oif: string) => putOf(mroute(`(*, 239.1.0.1) away0 > ${oif}`));
    change([...puts(0, 3, ''), putOf(mroute('(*, 239.2.0.1) eth2 > eth1'))]);
    const reader = watch(undefined, scope);
    reader.take();
    assert.deepEqual([...reader.labels.keys()], ['239.1.0.0', '239.1.0.1', '239.1.0.2']);
    change([leaving('eth3'), putOf(mroute('(*, 239.2.0.2) eth2 > eth1'))]);
    reader.take();
    assert.deepEqual([...reader.labels.keys()], ['239.1.0.0', '239.1.0.2']);
    assert.equal(reader.revision, engine.revision);
    const resumed = watch(engine.revision, scope);
    resumed.take();
    change([leaving('eth1')]);
    for (const each of [reader, resumed]) {
      each.take();
      assert.ok(each.labels.has('239.1.0.1'));
    }
    engine.stop();
  });

  it('hears of a key that left it while the first ones were sent', () => {
    const { watch, change, engine } = openWatches();
    change(puts(0, MANY, LABEL.repeat(2)));
    const scope = { grants: [{ groups: [], interfaces: ['away0', 'eth1'], owners: [] }], resourcesPerOwner: 0 };
    const reader = watch(undefined, scope);
    assert.ok(!reader.isSynced);
    change([putOf(mroute('(*, 239.1.0.0) away0 > eth3'))]);
    reader.take();
    assert.equal(reader.labels.size, MANY - 1);
    assert.equal(reader.revision, engine.revision);
    engine.stop();
  });

  it('lets other work in between where there is little in its scope', () => {
    const { watch, change, engine } = openWatches();
    change(puts(0, 9_000, ''));
    const scope = { grants: [{ groups: [], interfaces: ['eth0'], owners: [] }], resourcesPerOwner: 0 };
    const reader = watch(undefined, scope);
    assert.equal(reader.written.length, 1);
    reader.take();
    assert.equal(reader.written.length, 3);
    assert.deepEqual([reader.isSynced, reader.events], [true, 0]);
    engine.stop();
  });
});

describe('the readers of one identity', () => {
  it('are a few, and keep no others out', () => {
    const { watch } = openWatches();
    const [first] = Array.from({ length: WATCHERS_PER_CALLER_MAX }, () => watch(undefined, undefined, 'uid:7'));
    assert.throws(() => watch(undefined, undefined, 'uid:7'), { reason: 'RESOURCE_LIMIT' });
    watch(undefined, undefined, 'uid:8');
    // Those of this host are bounded by all alone.
    for (let n = 0; n <= WATCHERS_PER_CALLER_MAX; n++) watch();
    first?.emit('close');
    watch(undefined, undefined, 'uid:7');
  });
});

describe('every reader, at any pace', () => {
  it('ends with the state as it is, and can go on after any revision that it was told', () => {
    const ranges = { first: fc.nat({ max: 80 }), count: fc.integer({ min: 1, max: 80 }) };
    const turns = fc.oneof(
      fc.record({ turn: fc.constant('put' as const), ...ranges, label: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ turn: fc.constant('delete' as const), ...ranges }),
      fc.record({ turn: fc.constant('take' as const), reader: fc.nat(), count: fc.nat({ max: 4 }) }),
      fc.record({ turn: fc.constant('watch' as const) }),
      fc.record({ turn: fc.constant('resume' as const), reader: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(turns, { maxLength: 30 }), (history) => {
        const { watch, change, labels, engine } = openWatches();
        const readers = [watch()];
        const pick = (n: number) => readers[n % readers.length] ?? assert.fail();
        for (const turn of history) {
          switch (turn.turn) {
            case 'put':
              change(puts(turn.first, turn.count, `${LABEL} ${turn.label}`));
              break;
            case 'delete':
              change(deletes(turn.first, turn.count));
              break;
            case 'take':
              pick(turn.reader).take(turn.count);
              break;
            case 'watch':
              readers.push(watch());
              break;
            case 'resume': {
              const before = pick(turn.reader);
              if (before.revision === 0n) break;
              const after = watch(before.revision);
              for (const [group, label] of before.labels) after.labels.set(group, label);
              readers.push(after);
            }
          }
        }
        for (const reader of readers) {
          reader.take();
          assert.deepEqual(
            [reader.isSynced, reader.revision, new Map([...reader.labels].sort())],
            [true, engine.revision, new Map([...labels()].sort())],
          );
        }
        engine.stop();
      }),
      { numRuns: 150 },
    );
  });
});
