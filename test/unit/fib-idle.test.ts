import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress } from '../../src/model/address.js';
import { IdleFlows } from '../../src/agent/fib/idle.js';

const flow = (n: number) => ({
  source: parseAddress(`10.0.0.${n}`),
  group: parseAddress('239.1.1.1'),
  iif: 0,
  oifs: [],
});
const counted = (packets: bigint) => ({ packets, bytes: 0n, wrongIf: 0n });

describe('idle flows', () => {
  it('are those whose packets have not moved for the timeout', () => {
    const flows = [flow(1), flow(2)];
    const idle = new IdleFlows();
    const look = (at: number, first: bigint, second: bigint) =>
      idle.inspect(flows, [counted(first), counted(second)], at, 1_000).idle;
    assert.deepEqual(look(0, 1n, 1n), []);
    assert.deepEqual(look(500, 1n, 2n), []);
    assert.deepEqual(look(999, 1n, 2n), []);
    assert.deepEqual(look(1_000, 1n, 2n), [flow(1)]);
    assert.deepEqual(look(1_499, 1n, 2n), []);
  });

  it('begin anew when a flow was deleted and learned again', () => {
    const idle = new IdleFlows();
    idle.inspect([flow(1)], [counted(5n)], 0, 1_000);
    idle.inspect([], [], 500, 1_000);
    assert.deepEqual(idle.inspect([flow(1)], [counted(5n)], 1_000, 1_000).idle, []);
  });

  it('never end with a timeout of 0', () => {
    const idle = new IdleFlows();
    idle.inspect([flow(1)], [counted(5n)], 0, 0);
    assert.deepEqual(idle.inspect([flow(1)], [counted(5n)], 1e9, 0).idle, []);
  });

  it('names those that moved, so that others are evicted first', () => {
    const idle = new IdleFlows();
    idle.inspect([flow(1), flow(2)], [counted(1n), counted(1n)], 0, 0);
    const { active } = idle.inspect([flow(1), flow(2)], [counted(1n), counted(9n)], 1, 0);
    assert.deepEqual(active, [flow(2)]);
  });
});
