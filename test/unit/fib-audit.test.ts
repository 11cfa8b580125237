import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAddress } from '../../src/model/address.js';
import type { Link } from '../../src/model/interface.js';
import { auditMfc } from '../../src/agent/fib/audit.js';
import type { MfcView } from '../../src/agent/fib/views.js';
import type { MfcDumpEntry } from '../../src/agent/kernel/port.js';

const NAMES = ['in0', 'in1', 'out1', 'out2'];
const links = new Map(
  NAMES.map((name, index): [number, Link] => [
    index + 1,
    {
      ifindex: index + 1,
      name,
      isUp: true,
      isLoopback: false,
      hasMulticast: true,
      hasCarrier: true,
      masterIfindex: undefined,
      vrfTable: undefined,
      kind: 'veth',
      mtu: 1500,
    },
  ]),
);
const source = parseAddress('10.0.0.1');
const group = parseAddress('239.1.1.1');
const oif = { interface: 'out1', ttlThreshold: 1 };
const view: MfcView = { source, group, iif: 'in0', oifs: [oif], isLearned: false, ids: [] };
const entry: MfcDumpEntry = { source, group, iif: 1, oifs: [{ ifindex: 3, ttlThreshold: 1 }], isUnresolved: false };

describe('the audit of entries', () => {
  it('finds nothing where both are alike', () => {
    assert.deepEqual(auditMfc([view], [entry], links), { lost: [], foreign: [] });
  });

  it('finds what is gone', () => {
    assert.deepEqual(auditMfc([view], [], links).lost, [{ source, group, isChanged: false }]);
  });

  for (const [what, other] of Object.entries({
    iif: { ...entry, iif: 2 },
    oifs: { ...entry, oifs: [] },
    'more oifs': { ...entry, oifs: [...entry.oifs, { ifindex: 4, ttlThreshold: 1 }] },
    threshold: { ...entry, oifs: [{ ifindex: 3, ttlThreshold: 8 }] },
  })) {
    it(`finds a changed entry: ${what}`, () => {
      assert.deepEqual(auditMfc([view], [other], links), {
        lost: [{ source, group, isChanged: true }],
        foreign: [],
      });
    });
  }

  it('takes an entry without oifs for right when the vif of its iif is gone, and no other entry', () => {
    const empty = { ...view, oifs: [] };
    const withoutIif = { ...entry, iif: undefined };
    assert.deepEqual(auditMfc([empty], [{ ...withoutIif, oifs: [] }], links), { lost: [], foreign: [] });
    assert.equal(auditMfc([view], [withoutIif], links).lost.length, 1);
    assert.equal(auditMfc([empty], [{ ...entry, iif: 2, oifs: [] }], links).lost.length, 1);
  });

  it('finds what nobody here made, and leaves out what is unresolved', () => {
    const unresolved = { ...entry, group: parseAddress('239.9.9.9'), isUnresolved: true };
    assert.deepEqual(auditMfc([], [entry, unresolved], links), { lost: [], foreign: [entry] });
  });

  it('tells the (*,G) entries of a group apart by their iifs', () => {
    const proxies = ['in0', 'in1'].map((iif) => ({ ...view, source: undefined, iif }));
    const second = { ...entry, source: undefined, iif: 2 };
    assert.deepEqual(auditMfc(proxies, [second], links).lost, [{ source: undefined, group, isChanged: false }]);
  });
});
