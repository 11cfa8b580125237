import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Comparison, diffFlows, diffGroup } from '../../src/agent/fib/diff.js';
import type { ActualEntries, ActualProxy } from '../../src/agent/fib/mirror.js';
import { ALL_BY_UPCALL, type GroupProgram } from '../../src/agent/fib/star-g.js';
import type { VifOif, VifRule } from '../../src/agent/kernel/port.js';
import { addressKey, anyPrefix, hostPrefix, parseAddress } from '../../src/model/address.js';
import { describeOperations } from '../support/fib-turns.js';

const GROUP = parseAddress('239.1.0.1');
const SOURCE = parseAddress('10.0.0.1');
const KEY = addressKey(SOURCE);

function oifs(...vifs: number[]): VifOif[] {
  return vifs.map((vif) => ({ vif, ttlThreshold: 1 }));
}

function proxy(iif: number, ...vifs: number[]): ActualProxy {
  return { iif, oifs: oifs(...vifs), isUncertain: false };
}

function actual(differing: Partial<ActualEntries>): ActualEntries {
  return { sources: new Map(), proxies: [], isProxyOrderKnown: true, ...differing };
}

function wanted(differing: Partial<GroupProgram>): GroupProgram {
  return { ...ALL_BY_UPCALL, upcallIifs: 0, ...differing };
}

function entry(iif: number, vifs: readonly number[], isLearned: boolean) {
  return new Map([[KEY, { source: SOURCE, iif, oifs: oifs(...vifs), isLearned, isUncertain: false }]]);
}

function anySource(iif: number, ...vifs: number[]): VifRule {
  return { iif, source: anyPrefix('ipv4'), except: [], group: hostPrefix(GROUP), deny: false, oifs: oifs(...vifs) };
}

function diff(differing: Partial<Comparison> & Pick<Comparison, 'actual' | 'wanted'>): string[] {
  return describeOperations(
    diffGroup({ group: GROUP, rulesOf: () => [], expired: undefined, lostVifs: 0, ...differing }),
  );
}

describe('(*,G) entries', () => {
  const change = (before: readonly ActualProxy[], after: readonly ActualProxy[]) =>
    diff({ actual: actual({ proxies: before }), wanted: wanted({ proxies: after }) });

  it('that are right are let alone', () => {
    assert.deepEqual(change([proxy(0, 1), proxy(1, 2)], [proxy(0, 1), proxy(1, 2)]), []);
  });

  it('are changed in place where their order may stay, whatever the order of the others', () => {
    assert.deepEqual(change([proxy(3, 4), proxy(0, 1)], [proxy(0, 2), proxy(3, 4)]), ['put-proxy 0>2']);
  });

  it('move behind those that must be older, and only these move', () => {
    assert.deepEqual(change([proxy(1, 2), proxy(0, 5), proxy(3, 4)], [proxy(0, 1), proxy(1, 2), proxy(3, 4)]), [
      'delete-proxy 1',
      'put-proxy 1>2',
      'put-proxy 0>1',
    ]);
  });

  it('move with what they must be older than', () => {
    assert.deepEqual(
      change([proxy(2, 9), proxy(1, 2), proxy(0, 5)], [proxy(0, 1), proxy(1, 2), proxy(2, 9)]).filter((each) =>
        each.startsWith('put'),
      ),
      ['put-proxy 1>2', 'put-proxy 2>9', 'put-proxy 0>1'],
    );
  });

  it('that are left over go last', () => {
    assert.deepEqual(change([proxy(0, 1)], [proxy(2, 3)]), ['put-proxy 2>3', 'delete-proxy 0']);
  });

  it('are all made again when someone deleted one, because nobody knows which', () => {
    const comparison = {
      actual: actual({ proxies: [proxy(0, 1), proxy(1, 2)], isProxyOrderKnown: false }),
      wanted: wanted({ proxies: [proxy(0, 1), proxy(1, 2)] }),
    };
    assert.deepEqual(diff(comparison), ['delete-proxy 0', 'put-proxy 0>1', 'delete-proxy 1', 'put-proxy 1>2']);
  });

  it('are written again if a vif that they name was away meanwhile', () => {
    const both = {
      actual: actual({ proxies: [proxy(0, 1), proxy(3, 4)] }),
      wanted: wanted({ proxies: [proxy(0, 1), proxy(3, 4)] }),
    };
    assert.deepEqual(diff({ ...both, lostVifs: 0b10 }), ['put-proxy 0>1']);
    assert.deepEqual(diff({ ...both, lostVifs: 0b1000 }), ['put-proxy 3>4'], 'the iif is among the ttls');
  });

  it('are written again if they were written while a vif was away', () => {
    const before = actual({ proxies: [{ ...proxy(0, 1), isUncertain: true }] });
    assert.deepEqual(diff({ actual: before, wanted: wanted({ proxies: [proxy(0, 1)] }) }), ['put-proxy 0>1']);
  });
});

describe('(S,G) entries', () => {
  const program = wanted({ sources: new Map([[KEY, { source: SOURCE, iif: 0, oifs: oifs(1) }]]) });

  it('that are right are let alone, learned or not', () => {
    for (const isLearned of [true, false]) {
      assert.deepEqual(diff({ actual: actual({ sources: entry(0, [1], isLearned) }), wanted: program }), []);
    }
  });

  it('are made before (*,G) entries go', () => {
    assert.deepEqual(diff({ actual: actual({ proxies: [proxy(0, 1)] }), wanted: program }), [
      'put-mfc 0>1',
      'delete-proxy 0',
    ]);
  });

  it('that shadow a (*,G) entry go after it is there', () => {
    const comparison = {
      actual: actual({ sources: entry(5, [], true) }),
      wanted: wanted({ proxies: [proxy(0, 1)] }),
      rulesOf: () => [anySource(0, 1)],
    };
    assert.deepEqual(diff(comparison), ['put-proxy 0>1', 'delete-mfc']);
  });

  it('that upcalls would make again are changed in place', () => {
    const comparison = { wanted: wanted({ upcallIifs: 1 }), rulesOf: () => [anySource(0, 1, 2)] };
    assert.deepEqual(diff({ ...comparison, actual: actual({ sources: entry(0, [1], true) }) }), ['put-mfc 0>1,2']);
    assert.deepEqual(
      diff({ ...comparison, actual: actual({ sources: entry(0, [1, 2], false) }) }),
      ['put-mfc 0>1,2'],
      'the upcall thread takes over an entry that was made beforehand',
    );
  });

  it('that no rule serves any more drop if they were learned, and go if not', () => {
    assert.deepEqual(diff({ actual: actual({ sources: entry(0, [1], true) }), wanted: wanted({}) }), ['put-mfc 0>']);
    assert.deepEqual(diff({ actual: actual({ sources: entry(0, [1], false) }), wanted: wanted({}) }), ['delete-mfc']);
  });

  it('that have expired go, and are made again if they are wanted beforehand', () => {
    const sources = entry(0, [1], true);
    const expired = new Set([KEY]);
    assert.deepEqual(diff({ actual: actual({ sources }), wanted: wanted({}), expired }), ['delete-mfc']);
    assert.deepEqual(diff({ actual: actual({ sources }), wanted: program, expired }), ['delete-mfc', 'put-mfc 0>1']);
  });

  it('are written again if a vif that they name was away, before or when they were written', () => {
    const sources = entry(0, [1], false);
    assert.deepEqual(diff({ actual: actual({ sources }), wanted: program, lostVifs: 0b10 }), ['put-mfc 0>1']);
    assert.deepEqual(diff({ actual: actual({ sources }), wanted: program, lostVifs: 0b100 }), []);
    const doubtful = new Map([...sources].map(([key, each]) => [key, { ...each, isUncertain: true }]));
    assert.deepEqual(diff({ actual: actual({ sources: doubtful }), wanted: program }), ['put-mfc 0>1']);
  });

  it('of other sources are not looked at when one is to be checked', () => {
    const comparison: Comparison = {
      group: GROUP,
      actual: actual({ proxies: [proxy(0, 1)] }),
      wanted: program,
      rulesOf: () => [],
      expired: undefined,
      lostVifs: 0,
    };
    assert.deepEqual(diffFlows(comparison, []), []);
    assert.deepEqual(describeOperations(diffFlows(comparison, [KEY])), ['put-mfc 0>1']);
  });
});
