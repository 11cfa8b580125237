import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CallSlots } from '../../src/agent/service/call-slots.js';

const ALL = 6;
const PER_CALLER = 3;

function openSlots(): CallSlots {
  return new CallSlots({ all: ALL, perCaller: PER_CALLER, what: 'lists' });
}

function takeMany(slots: CallSlots, author: string, count: number): (() => void)[] {
  return Array.from({ length: count }, () => slots.take(author));
}

describe('the number of calls of a kind', () => {
  it('is limited for all, those of this host included, and one that ends makes room, once', () => {
    const slots = openSlots();
    const leave = takeMany(slots, '', ALL);
    assert.throws(() => slots.take(''), { reason: 'RESOURCE_LIMIT', message: /6 lists are open/ });
    assert.throws(() => slots.take('spiffe://a'), { reason: 'RESOURCE_LIMIT' });
    leave[0]?.();
    leave[0]?.();
    slots.take('spiffe://a');
    assert.throws(() => slots.take(''), { reason: 'RESOURCE_LIMIT' });
  });

  it('is limited for each identity of a gateway, who does not keep others out', () => {
    const slots = openSlots();
    const leave = takeMany(slots, 'spiffe://a', PER_CALLER);
    assert.throws(() => slots.take('spiffe://a'), { reason: 'RESOURCE_LIMIT', message: /3 lists of spiffe:\/\/a/ });
    const other = slots.take('spiffe://b');
    other();
    leave[0]?.();
    slots.take('spiffe://a');
    assert.throws(() => slots.take('spiffe://a'), { reason: 'RESOURCE_LIMIT' });
  });

  it('has a call until its work has ended or failed', async () => {
    const slots = openSlots();
    const finish: ((error: Error | undefined) => void)[] = [];
    const running = Array.from({ length: ALL }, () =>
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
    slots.take('');
    slots.take('');
    assert.throws(() => slots.take(''), { reason: 'RESOURCE_LIMIT' });
    for (const each of finish) each(undefined);
    await Promise.all(running.slice(2));
  });
});
