// What a gateway lets in, and what passes through it of headers.
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http2';
import { describe, it } from 'node:test';
import { Admission } from '../../src/gateway/admission.js';
import { BufferBudget } from '../../src/gateway/buffer-budget.js';
import { answerHeaders, requestHeaders, timeoutOf } from '../../src/gateway/headers.js';
import { METHODS, shortName } from '../../src/gateway/methods.js';
import { RefusalRate } from '../../src/gateway/refusal-rate.js';

/** Where none may have to go. */
function stays(): never {
  assert.fail('it has to go');
}

describe('connections', () => {
  it('are bounded for each address, of IPv6 for each network, and in all', () => {
    const admission = new Admission({ connections: 3, perAddress: 2 });
    const first = admission.enter('192.0.2.1', stays);
    assert.ok(admission.enter('192.0.2.1', stays) !== undefined);
    assert.equal(admission.enter('192.0.2.1', stays), undefined);
    assert.ok(admission.enter('2001:db8::1', stays) !== undefined);
    assert.ok(admission.enter('2001:db8:0:0:9::1', stays) !== undefined);
    assert.equal(admission.enter('2001:db8::ffff:1', stays), undefined);
    assert.ok(admission.enter('2001:db8:0:1::1', stays) !== undefined);
    first?.leave();
    first?.leave();
    assert.ok(admission.enter('192.0.2.1', stays) !== undefined);
    assert.equal(admission.enter('192.0.2.1', stays), undefined);
  });

  it('with an identity are kept out by none without', () => {
    const admission = new Admission({ connections: 2, perAddress: 0 });
    const known = admission.enter('192.0.2.1', stays);
    assert.ok(known?.identify('a'));
    for (let n = 0; n < 1_000; n++) admission.enter(`198.51.${n >> 4}.1`, () => undefined);
    assert.equal(admission.strangers, 128);
    const local = admission.enter(undefined, stays);
    assert.ok(local !== undefined);
    assert.ok(local.identify('b'));
    assert.equal(admission.identified, 2);
    assert.ok(admission.enter(undefined, stays)?.identify('c') === false, 'the limit of all');
    local.leave();
    assert.ok(admission.enter(undefined, stays)?.identify('c'));
  });

  it('without an identity make room for others: the oldest of the network that has most', () => {
    const admission = new Admission({ connections: 0, perAddress: 0 });
    const evicted: string[] = [];
    const enter = (address: string, name = address) => admission.enter(address, () => evicted.push(name));
    enter('192.0.2.1', 'lonely');
    const left = enter('203.0.113.1', 'left');
    for (let n = 0; n < 3; n++) enter('203.0.113.1', `slow ${n}`);
    left?.leave();
    admission.enter(undefined, stays);
    for (let n = 0; n < 123; n++) enter(`198.51.100.${n}`);
    assert.equal(admission.strangers, 128);
    assert.deepEqual(evicted, []);
    enter('2001:db8::1');
    enter('2001:db8::2');
    assert.deepEqual(evicted, ['slow 0', 'slow 1']);
    assert.equal(admission.strangers, 128);
  });

  it('are bounded for each identity', () => {
    const admission = new Admission({ connections: 1_000, perAddress: 0 });
    let count = 0;
    while (admission.enter(undefined, stays)?.identify('a') === true) count++;
    assert.equal(count, 32);
    assert.ok(admission.enter(undefined, stays)?.identify('b'));
  });
});

describe('memory for messages', () => {
  it('is bounded for all, and for each, in the order of who asks', () => {
    const budget = new BufferBudget(10, 6);
    const taken: string[] = [];
    const take = (identity: string, bytes: number) =>
      budget.take(identity, bytes, () => taken.push(`${identity}${bytes}`));
    take('a', 5);
    take('a', 2);
    take('b', 5);
    assert.deepEqual(taken, ['a5', 'b5'], 'a has to wait for itself, b does not wait for a');
    take('c', 6);
    take('d', 1);
    budget.give('b', 5);
    assert.deepEqual(taken, ['a5', 'b5'], 'nobody overtakes who waits for room for all');
    budget.give('a', 5);
    assert.deepEqual(taken, ['a5', 'b5', 'a2', 'c6', 'd1']);
  });

  it('is not taken by who waits no more', () => {
    const budget = new BufferBudget(4, 4);
    const taken: string[] = [];
    budget.take('a', 4, () => taken.push('a'));
    const stop = budget.take('b', 4, () => taken.push('b'));
    stop();
    budget.take('c', 4, () => taken.push('c'));
    budget.give('a', 4);
    assert.deepEqual(taken, ['a', 'c']);
  });
});

describe('refusals', () => {
  it('are told ten times a second for each address, and then how many others there were', () => {
    let now = 0;
    const rate = new RefusalRate(() => now);
    const told = Array.from({ length: 25 }, (_, port) => rate.tell(`192.0.2.1:${port}`)).filter(({ isTold }) => isTold);
    assert.equal(told.length, 10);
    assert.deepEqual(rate.tell('192.0.2.2:1'), { isTold: true, untold: 0 });
    now = 1_000;
    assert.deepEqual(rate.tell('192.0.2.1:99'), { isTold: true, untold: 15 });
    assert.deepEqual(rate.tell('192.0.2.1:99'), { isTold: true, untold: 0 });
  });
});

describe('headers', () => {
  it('of clients pass without those that are not theirs to say', () => {
    const passed = requestHeaders(
      {
        ':path': '/evil',
        ':authority': 'x',
        te: 'trailers',
        'content-type': 'application/grpc',
        'mcroute-identity': 'me',
        'mcroute-scope-bin': 'AA==',
        'grpc-timeout': '5S',
        'grpc-encoding': 'gzip',
        'x-trace': 'a',
      },
      '/s/M',
    );
    assert.deepEqual(passed, {
      ':method': 'POST',
      ':path': '/s/M',
      te: 'trailers',
      'content-type': 'application/grpc+proto',
      'grpc-timeout': '5S',
      'x-trace': 'a',
    });
  });

  it('of servers pass without what they say to the gateway', () => {
    const rest: IncomingHttpHeaders = { 'grpc-status': '0', 'mcroute-changes-bin': 'AA==', 'x-own': 'b' };
    // Node gives the status as a number, which the type of all headers does not say.
    const headers = Object.assign({ ':status': 200 }, rest);
    assert.deepEqual(answerHeaders(headers), { ':status': 200, 'grpc-status': '0', 'x-own': 'b' });
  });

  it('tell the deadline', () => {
    for (const [text, ms] of [
      ['5S', 5_000],
      ['100m', 100],
      ['2H', 7_200_000],
      ['1M', 60_000],
      ['500u', 0.5],
      ['5', undefined],
      ['123456789S', undefined],
    ] as const) {
      assert.equal(timeoutOf({ 'grpc-timeout': text }), ms, text);
    }
    assert.equal(timeoutOf({}), undefined);
  });
});

describe('methods', () => {
  it('are writes if they change something', () => {
    const writes = [...METHODS.values()].filter(({ isWrite }) => isWrite).map(shortName);
    assert.deepEqual(writes.sort(), [
      'GatewayService.SetPolicy',
      'RoutingService.Apply',
      'RoutingService.Confirm',
      'RoutingService.Flush',
      'RoutingService.Modify',
      'RoutingService.Reload',
      'RoutingService.Replace',
      'RoutingService.Rollback',
      'RoutingService.Stop',
      'TableService.CreateTable',
      'TableService.DeleteTable',
      'TableService.RestartTable',
      'TableService.StartTable',
      'TableService.StopTable',
    ]);
  });
});
