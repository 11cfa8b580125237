// Two routers with the same network behind them and 1:1 NAT between them: each translates what leaves it for the other.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Namespace } from '../support/namespaces.js';
import { type Chain, INNER, STREAM_PACKETS, exchange, openChain } from './chain.js';
import { FAMILY_CASES } from './families.js';
import { kernelEntries } from './kernel-entries.js';
import { route } from './table-client.js';

/** What the inner network of each router is called outside, and the hosts by these names. */
const OUTSIDE = {
  near: { ipv4: '10.71.0.0/24', ipv6: '2001:db8:71::/64', hosts: { ipv4: '10.71.0.2', ipv6: '2001:db8:71::2' } },
  far: { ipv4: '10.72.0.0/24', ipv6: '2001:db8:72::/64', hosts: { ipv4: '10.72.0.3', ipv6: '2001:db8:72::3' } },
} as const;

const INSIDE = { ipv4: `${INNER.ipv4}.0/24`, ipv6: `${INNER.ipv6}/64` } as const;

/** Has a router translate the sources of what it sends to the other one, address by address. */
function translate(namespace: Namespace, to: { readonly ipv4: string; readonly ipv6: string }): void {
  namespace.run(
    'nft',
    ['-f', '-'],
    `table inet translation {
       chain out {
         type nat hook postrouting priority srcnat;
         oifname wan0 snat ip prefix to ip saddr map { ${INSIDE.ipv4} : ${to.ipv4} }
         oifname wan0 snat ip6 prefix to ip6 saddr map { ${INSIDE.ipv6} : ${to.ipv6} }
       }
     }
    `,
  );
}

const isMissing = spawnSync('nft', ['--version']).error !== undefined;

describe('1:1 NAT between two routers', { skip: isMissing && 'nft is not installed (package nftables)' }, () => {
  let chain: Chain;

  before(async () => {
    chain = await openChain();
    translate(chain.near.namespace, OUTSIDE.near);
    translate(chain.far.namespace, OUTSIDE.far);
  });

  after(() => {
    chain[Symbol.dispose]();
  });

  afterEach(async () => {
    await chain.near.table.clear();
    await chain.far.table.clear();
  });

  for (const family of FAMILY_CASES) {
    const inside = { source: INSIDE[family.family] };
    const kinds = {
      '(*,G)': { near: {}, far: {}, groups: family.group(1) },
      '(*,G/L)': { near: {}, far: {}, groups: family.groupPrefix },
      '(S/L,G/L)': {
        near: inside,
        far: { source: OUTSIDE.near[family.family] },
        groups: family.groupPrefix,
      },
      '(S,G)': {
        near: { source: family.family === 'ipv4' ? `${INNER.ipv4}.2` : `${INNER.ipv6}2` },
        far: { source: OUTSIDE.near.hosts[family.family] },
        groups: family.group(1),
      },
    };
    for (const [kind, { near, far, groups }] of Object.entries(kinds)) {
      it(`lets a stream through by ${kind} rules, from the address outside (${family.family})`, async () => {
        const group = family.group(1);
        const source = OUTSIDE.near.hosts[family.family];
        await chain.near.table.put(route('lan0', groups, ['wan0'], near));
        await chain.far.table.put(route('wan0', groups, ['lan0'], far));
        const streams = await exchange(chain.nearHost, chain.farHost, group, source);
        assert.deepEqual(
          streams.map((each) => [each.source, each.received, each.lost, each.duplicated]),
          [[source, STREAM_PACKETS, 0, 0]],
        );
      });
    }

    it(`lets both networks send, though they are one to themselves (${family.family})`, async () => {
      const [there, back] = [family.group(1), family.group(2)];
      for (const { table } of [chain.near, chain.far]) {
        await table.put(
          route('lan0', family.groupPrefix, ['wan0'], inside),
          route('wan0', family.groupPrefix, ['lan0'], {
            source: family.family === 'ipv4' ? '10.64.0.0/10' : '2001:db8::/39',
          }),
        );
      }
      const sources = { there: OUTSIDE.near.hosts[family.family], back: OUTSIDE.far.hosts[family.family] };
      const streams = [
        await exchange(chain.nearHost, chain.farHost, there, sources.there),
        await exchange(chain.farHost, chain.nearHost, back, sources.back),
      ].flat();
      assert.deepEqual(
        streams.map((each) => [each.source, each.received, each.lost, each.duplicated]),
        [
          [sources.there, STREAM_PACKETS, 0, 0],
          [sources.back, STREAM_PACKETS, 0, 0],
        ],
      );
    });

    it(`leaves nothing of the addresses inside at the other router (${family.family})`, async () => {
      const group = family.group(1);
      await chain.near.table.put(route('lan0', group, ['wan0']));
      await chain.far.table.put(route('wan0', group, ['lan0'], inside));
      const streams = await exchange(chain.nearHost, chain.farHost, group, OUTSIDE.near.hosts[family.family]);
      assert.deepEqual(
        streams.filter(({ received }) => received > 0),
        [],
      );
      const entries = kernelEntries(chain.far.namespace, family, chain.far.agent.table);
      assert.ok(entries.includes(`(${OUTSIDE.near.hosts[family.family]}, ${group}) wan0 ->`), entries.join('\n'));
    });
  }
});
