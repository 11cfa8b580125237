// Routes into tunnels and out of them, whose devices have no address: a VIF is an interface, by its number.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { isRootless, projectFile } from '../support/launcher.js';
import { openNamespace, type Namespace } from '../support/namespaces.js';
import { eventually, waitForExit, waitForLine } from '../support/wait.js';
import { type Chain, type ChainRouter, OUTER, STREAM_PACKETS, exchange, openChain } from './chain.js';
import { FAMILY_CASES, type FamilyCase, IPV4, IPV6 } from './families.js';
import { route } from './table-client.js';

/** A kind of tunnel over the network between the routers, and what it carries. */
interface TunnelCase {
  readonly families: readonly FamilyCase[];
  /** Words of `ip link add tunnel0 type KIND` after the kind. */
  readonly words: (local: number, remote: number) => string;
}

const overIpv4 = (local: number, remote: number) => `local ${OUTER.ipv4}.${local} remote ${OUTER.ipv4}.${remote}`;
const overIpv6 = (local: number, remote: number) => `local ${OUTER.ipv6}${local} remote ${OUTER.ipv6}${remote}`;

const KINDS: Readonly<Record<string, TunnelCase>> = {
  gre: { families: FAMILY_CASES, words: (...ends) => `${overIpv4(...ends)} ttl 64` },
  gretap: { families: FAMILY_CASES, words: (...ends) => `${overIpv4(...ends)} ttl 64` },
  ipip: { families: [IPV4], words: (...ends) => `${overIpv4(...ends)} ttl 64` },
  sit: { families: [IPV6], words: (...ends) => `${overIpv4(...ends)} ttl 64` },
  ip6gre: { families: FAMILY_CASES, words: (...ends) => overIpv6(...ends) },
  ip6tnl: { families: FAMILY_CASES, words: (...ends) => `mode any ${overIpv6(...ends)}` },
  vxlan: { families: FAMILY_CASES, words: (...ends) => `id 7 dstport 4789 ${overIpv4(...ends)}` },
};

const TUNNEL = 'tunnel0';

let chain: Chain;

before(async () => {
  chain = await openChain();
});

after(() => {
  chain[Symbol.dispose]();
});

afterEach(async () => {
  await chain.near.table.clear();
  await chain.far.table.clear();
});

for (const [kind, { families, words }] of Object.entries(KINDS)) {
  describe(
    `a tunnel of the type ${kind}`,
    { skip: !isKnown(kind, words(1, 2)) && 'this kernel has no such type' },
    () => {
      tunnelTests(families, {
        open: () => {
          chain.near.namespace.ip(`link add ${TUNNEL} type ${kind} ${words(1, 2)}`);
          chain.far.namespace.ip(`link add ${TUNNEL} type ${kind} ${words(2, 1)}`);
          return Promise.resolve();
        },
        close: () => {
          for (const { namespace } of [chain.near, chain.far]) namespace.delete(TUNNEL);
          return Promise.resolve();
        },
      });
    },
  );
}

// /dev/net/tun is for root in the first user namespace.
describe('a tunnel of tun devices', { skip: isRootless && 'only root may open /dev/net/tun' }, () => {
  let pipe: ChildProcess;
  tunnelTests(FAMILY_CASES, {
    open: async () => {
      const { near, far } = chain;
      const args = [projectFile('test/support/tun-pipe.py'), TUNNEL, near.namespace.path, far.namespace.path];
      pipe = near.namespace.spawn('python3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      if (pipe.stdout === null) throw new Error('bug: the output is not read');
      await waitForLine(pipe.stdout, /^ready$/);
    },
    close: async () => {
      pipe.kill('SIGKILL');
      await waitForExit(pipe);
    },
  });
});

interface Tunnel {
  /** Makes the devices, which are down. */
  open(): Promise<void>;
  close(): Promise<void>;
}

function tunnelTests(families: readonly FamilyCase[], tunnel: Tunnel): void {
  before(async () => {
    await tunnel.open();
    for (const { namespace } of [chain.near, chain.far]) bringUp(namespace);
  });

  after(async () => {
    await tunnel.close();
  });

  for (const family of families) {
    const group = family.group(1);

    it(`has no address (${family.family})`, () => {
      for (const { namespace } of [chain.near, chain.far]) {
        const [link] = namespace.ipJson(`address show dev ${TUNNEL}`) as readonly { addr_info: readonly unknown[] }[];
        assert.deepEqual(link?.addr_info, []);
      }
    });

    const kinds = (source: string) => ({
      '(S,G)': { source, groups: group },
      '(*,G)': { source: '', groups: group },
      '(*,G/L)': { source: '', groups: family.groupPrefix },
    });
    for (const kind of ['(S,G)', '(*,G)', '(*,G/L)'] as const) {
      it(`is an oif and an iif of ${kind} rules (${family.family})`, async () => {
        const address = chain.nearHost[family.family];
        const { source, groups } = kinds(address)[kind];
        await putProgrammed(chain.near, route('lan0', groups, [TUNNEL], { source }));
        await putProgrammed(chain.far, route(TUNNEL, groups, ['lan0'], { source }));
        const streams = await exchange(chain.nearHost, chain.farHost, group, address);
        assert.deepEqual(
          streams.map((each) => [each.source, each.received, each.lost, each.duplicated]),
          [[address, STREAM_PACKETS, 0, 0]],
        );
      });
    }

    it(`is waited for, and used when it is there again (${family.family})`, async () => {
      const address = chain.nearHost[family.family];
      await tunnel.close();
      const rules = [
        [chain.near, route('lan0', group, [TUNNEL])],
        [chain.far, route(TUNNEL, group, ['lan0'])],
      ] as const;
      for (const [router, rule] of rules) {
        const [entry] = await router.table.put(rule);
        assert.deepEqual([entry?.state, entry?.missing[0]?.interface], ['STATE_PENDING', TUNNEL]);
      }
      await tunnel.open();
      for (const [router, rule] of rules) {
        bringUp(router.namespace);
        await eventually(
          async () => ((await router.table.entry(rule)).state === 'STATE_PROGRAMMED' ? true : undefined),
          'the rule is active',
        );
      }
      const streams = await exchange(chain.nearHost, chain.farHost, group, address);
      assert.deepEqual(
        streams.map((each) => [each.received, each.lost]),
        [[STREAM_PACKETS, 0]],
      );
    });
  }
}

/** Without even the link-local address that the kernel would give it. */
function bringUp(namespace: Namespace): void {
  namespace.ip(`link set ${TUNNEL} addrgenmode none`);
  namespace.setUp(TUNNEL);
}

async function putProgrammed({ table }: ChainRouter, rule: Resource): Promise<void> {
  const [entry] = await table.put(rule);
  assert.equal(entry?.state, 'STATE_PROGRAMMED');
}

/** Whether the kernel can make such a device. */
function isKnown(kind: string, words: string): boolean {
  using namespace = openNamespace('probe');
  try {
    namespace.ip(`link add ${TUNNEL} type ${kind} ${words}`);
    return true;
  } catch (error) {
    if (error instanceof Error && /Unknown device type|not supported/i.test(error.message)) return false;
    throw error;
  }
}
