import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress, parsePrefix } from '../../src/model/address.js';
import {
  packFlowKeys,
  packMfcRecords,
  packUpcallGroups,
  unpackUpcallRecords,
} from '../../src/agent/kernel/mfc-records.js';
import { UPCALL_EVENT, UPCALL_EVENT_WORDS } from '../../src/agent/kernel/native.js';

const source = parseAddress('10.0.0.1');
const group = parseAddress('239.1.1.1');
const group6 = parseAddress('ff3e:1:2:3:4:5:6:7');

describe('mfc records', () => {
  it('have operation, parent, addresses and ttls in their places', () => {
    const oifs = [
      { vif: 1, ttlThreshold: 1 },
      { vif: 31, ttlThreshold: 254 },
    ];
    const words = packMfcRecords([{ op: 'put-mfc', source, group, iif: 5, oifs, isLearned: false }]);
    assert.deepEqual(
      [...words],
      [1, 5, 0x0a000001, 0, 0, 0, 0xef010101, 0, 0, 0, 0x0100, 0, 0, 0, 0, 0, 0, 0xfe000000],
    );
  });

  it('of (*,G) entries have the iif among the oifs, which the kernel asks for', () => {
    const words = packMfcRecords([{ op: 'put-proxy', group, iif: 0, oifs: [{ vif: 2, ttlThreshold: 9 }] }]);
    assert.equal(words[0], 3);
    assert.deepEqual([...words.subarray(2, 6)], [0, 0, 0, 0]);
    assert.equal(words[10], 0x00090001);
  });

  it('have all words of an IPv6 address', () => {
    const words = packMfcRecords([{ op: 'delete-proxy', group: group6, iif: 3 }]);
    assert.deepEqual([...words.subarray(0, 2)], [4, 3]);
    assert.deepEqual([...words.subarray(6, 10)], [0xff3e0001, 0x00020003, 0x00040005, 0x00060007]);
  });
});

describe('keys of flows', () => {
  it('have no source for a (*,G) entry', () => {
    const words = packFlowKeys([
      { source: undefined, group },
      { source, group },
    ]);
    assert.deepEqual([...words], [0, 0, 0, 0, 0xef010101, 0, 0, 0, 0x0a000001, 0, 0, 0, 0xef010101, 0, 0, 0]);
  });
});

describe('upcall groups', () => {
  it('are packed with their rules, excepts and barred vifs', () => {
    const words = packUpcallGroups([
      {
        group: parsePrefix('239.1.0.0/16'),
        upcallIifs: 0xffffffff,
        barredVifs: 0,
        rules: [
          {
            iif: 2,
            source: parsePrefix('10.0.0.0/8'),
            except: [parsePrefix('10.9.0.0/16')],
            group: parsePrefix('239.1.0.0/16'),
            deny: true,
            oifs: [{ vif: 4, ttlThreshold: 7 }],
          },
        ],
      },
      { group: parsePrefix('239.2.0.0/16'), upcallIifs: 1, barredVifs: 0x80000001, rules: [] },
    ]);
    const rule = [2, 1, 8, 0x0a000000, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 1, 16, 0x0a090000, 0, 0, 0];
    assert.deepEqual(
      [...words],
      [16, 0xef010000, 0, 0, 0, 0xffffffff, 0, 1, ...rule, 16, 0xef020000, 0, 0, 0, 1, 0x80000001, 0],
    );
  });
});

describe('upcall events', () => {
  it('are read back', () => {
    const words = new Uint32Array(UPCALL_EVENT_WORDS);
    words.set([UPCALL_EVENT.moved, 4, 0x0a000001, 0, 0, 0, 0xef010101, 0, 0, 0, 3, 6, 0, 0x0200]);
    assert.deepEqual(unpackUpcallRecords(words), [
      {
        kind: 'moved',
        flow: { source, group, iif: 3, oifs: [{ vif: 5, ttlThreshold: 2 }] },
        arrival: 6,
        errno: 3,
      },
    ]);
  });
});
