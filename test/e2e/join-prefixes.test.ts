// Joins of prefixes, by each way to ask for them: what the kernel has joined, and what a neighbour hears of it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { projectFile } from '../support/launcher.js';
import { type Namespace, plainEnvironment } from '../support/namespaces.js';
import { eventually, waitForLine } from '../support/wait.js';
import { IPV4, IPV6, type FamilyCase } from './families.js';
import { groupsOn, sourcesOn } from './kernel-joins.js';
import { type Router, openRouter } from './router.js';
import { membership } from './table-client.js';

/** Prefixes as people write them, with host bits set, and the addresses in them. */
interface PrefixCase {
  readonly family: FamilyCase;
  /** 256 groups. */
  readonly groups: string;
  readonly group: (n: number) => string;
  /** 4 groups, for sources. */
  readonly specificGroups: string;
  readonly specificGroup: (n: number) => string;
  /** 128 sources: more than mld_max_msf (64) and igmp_max_msf (10). */
  readonly sources: string;
  readonly source: (n: number) => string;
}

const hex = (n: number) => n.toString(16);

const CASES: readonly PrefixCase[] = [
  {
    family: IPV4,
    groups: '239.1.1.77/24',
    group: (n) => `239.1.1.${n}`,
    specificGroups: '232.1.1.6/30',
    specificGroup: (n) => `232.1.1.${4 + n}`,
    sources: '10.50.0.200/25',
    source: (n) => `10.50.0.${128 + n}`,
  },
  {
    family: IPV6,
    groups: 'ff1e::1:4d/120',
    group: (n) => `ff1e::1:${hex(n)}`,
    specificGroups: 'ff3e::1:6/126',
    specificGroup: (n) => `ff3e::1:${hex(4 + n)}`,
    sources: '2001:db8:50::c8/121',
    source: (n) => `2001:db8:50::${hex(128 + n)}`,
  },
];

let router: Router;
let file: string;

before(async () => {
  file = `/run/join-prefixes-${process.pid}.conf`;
  writeFileSync(file, '');
  router = await openRouter({ senders: 2, receivers: 1, args: ['-f', file] });
  // As in a kernel that nobody has tuned.
  router.namespace.setSysctls({ 'net/ipv4/igmp_max_memberships': 20, 'net/ipv4/igmp_max_msf': 10 });
});

after(() => {
  router[Symbol.dispose]();
  rmSync(file);
});

afterEach(async () => {
  writeFileSync(file, '');
  router.agent.ctl('reload');
  await router.table.replace([]);
});

/** A way to join and to leave on an interface; both return when the kernel has done it. */
interface Way {
  readonly join: (interfaceName: string, source: string, group: string) => void;
  readonly leave: (interfaceName: string, source: string, group: string) => void;
}

function wayOf(run: (words: readonly string[]) => void): Way {
  const words = (interfaceName: string, source: string, group: string) =>
    source === '' ? [interfaceName, group] : [interfaceName, source, group];
  return {
    join: (...what) => {
      run(['join', ...words(...what)]);
    },
    leave: (...what) => {
      run(['leave', ...words(...what)]);
    },
  };
}

const WAYS: Readonly<Record<string, Way>> = {
  mcctl: wayOf((words) => router.agent.ctl(...words)),
  smcroutectl: wayOf((words) => {
    const { status, stderr } = spawnSync(projectFile('bin/smcroutectl'), ['-u', router.agent.socketPath, ...words], {
      encoding: 'utf8',
      env: plainEnvironment(),
      timeout: 60_000,
    });
    assert.deepEqual([status, stderr], [0, '']);
  }),
  'an mgroup line': {
    join: (interfaceName, source, group) => {
      const from = source === '' ? '' : `source ${source} `;
      writeFileSync(file, `mgroup from ${interfaceName} ${from}group ${group}\n`);
      router.agent.ctl('reload');
    },
    leave: () => {
      writeFileSync(file, '');
      router.agent.ctl('reload');
    },
  },
};

for (const prefixes of CASES) {
  const { family } = prefixes;
  const groups = range(256, prefixes.group).sort();
  const specific = range(4, prefixes.specificGroup).sort();
  const sources = range(128, prefixes.source);
  const pairs = (of: readonly string[]) =>
    of.flatMap((group) => sources.map((source): [string, string] => [group, source])).sort();
  const joinedGroups = (name: string) => groupsOn(router.namespace, name, family);
  const joinedPairs = (name: string) => sourcesOn(router.namespace, name, family);

  /** How much is joined, apart from one more, which must be the newest for the kernel to show sources at all. */
  const joinedOn = async (name: string) => {
    const newest = membership(name, prefixes.specificGroup(0), prefixes.source(0));
    await router.table.put(newest);
    const counts = { groups: joinedGroups(name).length - 1, pairs: joinedPairs(name).length - 1 };
    await router.table.delete(newest);
    return counts;
  };

  describe(`a join of ${family.family}`, () => {
    for (const [way, { join, leave }] of Object.entries(WAYS)) {
      it(`of a group prefix is of each of its 256 groups when ${way} has returned`, () => {
        join('in0', '', prefixes.groups);
        assert.deepEqual(joinedGroups('in0'), groups);
        leave('in0', '', prefixes.groups);
        assert.deepEqual(joinedGroups('in0'), []);
      });

      it(`of a source prefix is of each of its 128 sources when ${way} has returned`, () => {
        join('in0', prefixes.sources, prefixes.specificGroup(0));
        assert.deepEqual(joinedPairs('in0'), pairs([prefixes.specificGroup(0)]));
        leave('in0', prefixes.sources, prefixes.specificGroup(0));
        assert.deepEqual([joinedGroups('in0'), joinedPairs('in0')], [[], []]);
      });

      it(`of prefixes of both is of each source and group when ${way} has returned`, () => {
        join('in0', prefixes.sources, prefixes.specificGroups);
        assert.deepEqual(joinedGroups('in0'), specific);
        assert.deepEqual(joinedPairs('in0'), pairs(specific));
        leave('in0', prefixes.sources, prefixes.specificGroups);
        assert.deepEqual([joinedGroups('in0'), joinedPairs('in0')], [[], []]);
      });
    }

    it('of overlapping prefixes lasts until the last of them goes', () => {
      const { join, leave } = ways('mcctl');
      join('in0', '', prefixes.groups);
      join('in0', '', prefixes.group(5));
      leave('in0', '', prefixes.groups);
      assert.deepEqual(joinedGroups('in0'), [prefixes.group(5)]);
    });

    it('may be thousands of sources, which are back when their interface is', async () => {
      // 32 groups of 128 sources.
      const many = range(8, (n) => nextGroups(family, n));
      const wanted = [
        membership('in1', maskedGroups(family)),
        ...many.map((group) => membership('in1', group, maskedSources(family))),
      ];
      await router.table.put(...wanted);
      await untilAll('STATE_PROGRAMMED');
      assert.deepEqual(await joinedOn('in1'), { groups: 256 + 32, pairs: 32 * 128 });
      router.namespace.delete('in1');
      await untilAll('STATE_PENDING');
      router.plug(router.topology.sender(1));
      await untilAll('STATE_PROGRAMMED');
      assert.deepEqual(await joinedOn('in1'), { groups: 256 + 32, pairs: 32 * 128 });
    });

    it('is told to the neighbours: each group, and each source', async () => {
      using neighbour = await Neighbour.listen(router.topology.sender(0).namespace, 'eth0');
      ways('mcctl').join('in0', '', prefixes.groups);
      ways('mcctl').join('in0', prefixes.sources, prefixes.specificGroup(0));
      const expected = [...groups, ...sources.map((source) => `${prefixes.specificGroup(0)} ${source}`)];
      await eventually(
        () => (expected.every((each) => neighbour.joins.has(each)) ? true : undefined),
        'reports of all that was joined',
      );
      ways('mcctl').leave('in0', '', prefixes.groups);
      await eventually(
        () => (groups.every((each) => neighbour.leaves.has(each)) ? true : undefined),
        'reports of all that was left',
      );
    });
  });
}

/** What a host hears in IGMP and MLD reports. */
class Neighbour implements Disposable {
  /** `GROUP`, or `GROUP SOURCE`. */
  readonly joins = new Set<string>();
  readonly leaves = new Set<string>();
  readonly #kill: () => void;

  private constructor(kill: () => void) {
    this.#kill = kill;
  }

  static async listen(namespace: Namespace, interfaceName: string): Promise<Neighbour> {
    const program = projectFile('test/support/membership-sniffer.py');
    const sniffer = namespace.spawn('python3', [program, interfaceName, '--joins'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const neighbour = new Neighbour(() => sniffer.kill('SIGKILL'));
    if (sniffer.stdout === null) throw new Error('bug: the sniffer is not read');
    await waitForLine(sniffer.stdout, /^ready$/);
    let rest = '';
    sniffer.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [word, , ...addresses] = line.split(' ');
        (word === 'join' ? neighbour.joins : neighbour.leaves).add(addresses.join(' '));
      }
    });
    return neighbour;
  }

  [Symbol.dispose](): void {
    this.#kill();
  }
}

function ways(name: keyof typeof WAYS): Way {
  const way = WAYS[name];
  assert.ok(way);
  return way;
}

/** Waits until everything that is wanted has the state. */
async function untilAll(state: 'STATE_PROGRAMMED' | 'STATE_PENDING'): Promise<void> {
  await eventually(async () => {
    const entries = await router.table.entries();
    return entries.every((entry) => entry.state === state) ? true : undefined;
  }, `all entries are ${state}`);
}

function range<T>(count: number, of: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => of(n));
}

/** The `n`th prefix of 4 groups. */
function nextGroups(family: FamilyCase, n: number): string {
  return family === IPV4 ? `232.2.0.${4 * n}/30` : `ff3e::2:${hex(4 * n)}/126`;
}

function maskedSources(family: FamilyCase): string {
  return family === IPV4 ? '10.50.0.128/25' : '2001:db8:50::80/121';
}

function maskedGroups(family: FamilyCase): string {
  return family === IPV4 ? '239.1.1.0/24' : 'ff1e::1:0/120';
}
