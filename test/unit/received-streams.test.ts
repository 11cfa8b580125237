// The judge of lost and duplicated packets is itself judged.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReceivedStreams } from '../support/received-streams.js';

const S = '10.0.0.2';
const G = '239.1.1.1';

function streamOf(numbers: readonly number[]) {
  const streams = new ReceivedStreams();
  for (const number of numbers) streams.add(S, G, number, 0);
  const [stream] = streams.report();
  assert.ok(stream);
  const { received, lost, duplicated, reordered, first, last } = stream;
  return { received, lost, duplicated, reordered, first, last };
}

describe('received streams', () => {
  it('count what is missing between the first and the last packet', () => {
    const counted = { received: 4, lost: 3, duplicated: 0, reordered: 0, first: 5, last: 11 };
    assert.deepEqual(streamOf([5, 6, 8, 11]), counted);
  });

  it('count a packet that comes again, however often, as one received', () => {
    const counted = { received: 3, lost: 0, duplicated: 3, reordered: 0, first: 0, last: 2 };
    assert.deepEqual(streamOf([0, 1, 1, 2, 0, 1]), counted);
  });

  it('count a late packet as reordered and not as lost, also before the first', () => {
    const counted = { received: 5, lost: 0, duplicated: 0, reordered: 2, first: 3, last: 7 };
    assert.deepEqual(streamOf([4, 6, 5, 7, 3]), counted);
  });

  it('remember every packet of a long stream', () => {
    const numbers = Array.from({ length: 100_000 }, (_, n) => n * 2);
    const counted = { received: 100_000, lost: 99_999, duplicated: 1, reordered: 0, first: 0, last: 199_998 };
    assert.deepEqual(streamOf([...numbers, 0]), counted);
  });

  it('are kept apart by source and group, ordered by group', () => {
    const streams = new ReceivedStreams();
    streams.add('10.0.0.3', G, 0, 0);
    streams.add(S, G, 0, 0);
    streams.add(S, '239.1.1.0', 7, 0);
    assert.deepEqual(
      streams.report().map(({ source, group, first }) => ({ source, group, first })),
      [
        { source: S, group: '239.1.1.0', first: 7 },
        { source: S, group: G, first: 0 },
        { source: '10.0.0.3', group: G, first: 0 },
      ],
    );
    assert.equal(streams.packets, 3);
  });

  it('tell the longest silence', () => {
    const streams = new ReceivedStreams();
    for (const [number, atMs] of [10, 11, 250, 251].entries()) streams.add(S, G, number, atMs);
    assert.equal(streams.report()[0]?.longestGapMs, 239);
  });

  it('have reached a number only with a packet that is not below it', () => {
    const streams = new ReceivedStreams();
    streams.add(S, G, 4, 0);
    assert.ok(streams.hasReached({ source: S, group: G, last: 4 }));
    assert.ok(!streams.hasReached({ source: S, group: G, last: 5 }));
    assert.ok(!streams.hasReached({ source: '10.0.0.3', group: G, last: 0 }));
  });
});
