// Interfaces that are enslaved to another one: what they are to rules does not change by it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Link } from '../../src/model/interface.js';
import { FakeKernel, fakeLink } from '../support/fake-kernel.js';
import { describeOperations, mroute, openFib, settleLinks } from '../support/fib-turns.js';

const MASTER = 9;
const FREE = [1, 2, 3].map((n) => fakeLink(n, `eth${n}`));

/** Exact and wildcard names, of both families. */
const RULES = {
  a: '(*, 239.1.0.1) eth1 > eth2 eth3',
  b: '(10.0.0.1, 239.1.0.2) eth+ > eth3',
  c: '(*, ff1e::1) eth1 > eth2',
} as const;

for (const kind of ['vrf', 'bridge', 'bond'] as const) {
  const enslaved: readonly Link[] = [
    ...FREE.map((link) => (link.ifindex === 3 ? link : { ...link, masterIfindex: MASTER })),
    fakeLink(MASTER, 'master0', { kind }),
  ];

  describe(`slaves of a ${kind}`, () => {
    const open = (links: readonly Link[]) => {
      const kernel = new FakeKernel({ links });
      const fib = openFib();
      for (const [id, text] of Object.entries(RULES)) fib.setWish(id, mroute(text));
      return { kernel, fib, first: describeOperations(settleLinks(fib, kernel)) };
    };

    it('have the entries that they would have alone', () => {
      assert.deepEqual(open(enslaved).first, open(FREE).first);
    });

    it('keep them, untouched, when they are enslaved and when they are free again', () => {
      const { kernel, fib } = open(FREE);
      for (const link of enslaved) kernel.setLink(link);
      assert.deepEqual(describeOperations(settleLinks(fib, kernel)), []);
      for (const link of FREE) kernel.setLink(link);
      assert.deepEqual(describeOperations(settleLinks(fib, kernel)), []);
    });

    it('are shown with their master', () => {
      const { kernel, fib } = open(FREE);
      for (const link of enslaved) kernel.setLink(link);
      settleLinks(fib, kernel);
      const masters = [...fib.interfaces()].map(({ name, link }) => [name, link?.masterIfindex]);
      assert.deepEqual(masters.sort(), [
        ['eth1', MASTER],
        ['eth2', MASTER],
        ['eth3', undefined],
        ['master0', undefined],
      ]);
    });
  });
}
