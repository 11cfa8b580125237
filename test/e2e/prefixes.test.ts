// Prefixes of sources and groups: which packets they cover, to the address, and with host bits set as people write them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import { projectFile } from '../support/launcher.js';
import { plainEnvironment } from '../support/namespaces.js';
import { IPV4, IPV6, type FamilyCase } from './families.js';
import { clearFileRouter, openFileRouter } from './file-router.js';
import type { Router } from './router.js';
import { route } from './table-client.js';

/** A prefix, as it is written with host bits set, its first and last address, and those beside it. */
interface Range {
  readonly prefix: string;
  readonly withHostBits: string;
  readonly inside: readonly [string, string];
  readonly outside: readonly [string, string];
}

interface RangeCase {
  readonly family: FamilyCase;
  readonly groups: Range;
  readonly sources: Range;
}

const CASES: readonly RangeCase[] = [
  {
    family: IPV4,
    groups: {
      prefix: '239.40.8.0/21',
      withHostBits: '239.40.13.77/21',
      inside: ['239.40.8.0', '239.40.15.255'],
      outside: ['239.40.7.255', '239.40.16.0'],
    },
    sources: {
      prefix: '10.60.4.0/22',
      withHostBits: '10.60.6.9/22',
      inside: ['10.60.4.1', '10.60.7.254'],
      outside: ['10.60.3.254', '10.60.8.1'],
    },
  },
  {
    family: IPV6,
    groups: {
      prefix: 'ff1e:40::8:0/109',
      withHostBits: 'ff1e:40::d:77/109',
      inside: ['ff1e:40::8:0', 'ff1e:40::f:ffff'],
      outside: ['ff1e:40::7:ffff', 'ff1e:40::10:0'],
    },
    sources: {
      prefix: '2001:db8:60:4::/62',
      withHostBits: '2001:db8:60:6::9/62',
      inside: ['2001:db8:60:4::1', '2001:db8:60:7:ffff::1'],
      outside: ['2001:db8:60:3:ffff::1', '2001:db8:60:8::1'],
    },
  },
];

let router: Router;
let file: string;

before(async () => {
  ({ router, file } = await openFileRouter());
});

after(() => {
  router[Symbol.dispose]();
  rmSync(file);
});

afterEach(() => clearFileRouter({ router, file }));

/** Each way to say a rule of in0 to out1 and out2. */
const WAYS: Readonly<Record<string, (source: string, group: string) => void>> = {
  mcctl: (source, group) => {
    router.agent.ctl('add', 'in0', ...(source === '' ? [] : [source]), group, 'out1', 'out2');
  },
  smcroutectl: (source, group) => {
    const words = ['-u', router.agent.socketPath, 'add', 'in0', ...(source === '' ? [] : [source]), group];
    const control = projectFile('bin/smcroutectl');
    const { status, stderr } = spawnSync(control, [...words, 'out1', 'out2'], {
      encoding: 'utf8',
      env: plainEnvironment(),
      timeout: 60_000,
    });
    assert.deepEqual([status, stderr], [0, '']);
  },
  'a configuration file': (source, group) => {
    const from = source === '' ? '' : `source ${source} `;
    writeFileSync(file, `mroute from in0 ${from}group ${group} to out1 out2\n`);
    router.agent.ctl('reload');
  },
};

for (const { family, groups, sources } of CASES) {
  describe(`a prefix of ${family.family}`, () => {
    const group = groups.inside[0];
    const source = sources.inside[0];
    const to = ['out1', 'out2'];

    /** Sends a packet of each source to each group, on in0; tells which pairs went out by all oifs. */
    const forwarded = async (from: readonly string[], into: readonly string[]): Promise<string[]> => {
      const shots = from.flatMap((one) => into.map((each) => ({ iif: 'in0', source: one, group: each })));
      const left = await router.sendAll(shots);
      for (const oifs of left) assert.ok(oifs.length === 0 || oifs.join() === to.join());
      return shots.filter((_shot, n) => left[n]?.length).map((shot) => `${shot.source} ${shot.group}`);
    };
    const pairs = (from: readonly string[], into: readonly string[]) =>
      from.flatMap((one) => into.map((each) => `${one} ${each}`));
    const allSources = [...sources.inside, ...sources.outside];
    const allGroups = [...groups.inside, ...groups.outside];

    for (const [way, add] of Object.entries(WAYS)) {
      it(`of groups covers them from the first to the last, (*,G/L) by ${way}`, async () => {
        add('', groups.withHostBits);
        assert.deepEqual(await forwarded(allSources, allGroups), pairs(allSources, groups.inside));
        await router.table.entry(route('in0', groups.prefix, []));
      });

      it(`of sources and groups covers what is in both, (S/L,G/L) by ${way}`, async () => {
        add(sources.withHostBits, groups.withHostBits);
        assert.deepEqual(await forwarded(allSources, allGroups), pairs(sources.inside, groups.inside));
        await router.table.entry(route('in0', groups.prefix, [], { source: sources.prefix }));
      });

      it(`of sources covers them in one group, (S/L,G) by ${way}`, async () => {
        add(sources.withHostBits, group);
        assert.deepEqual(await forwarded(allSources, allGroups), pairs(sources.inside, [group]));
      });

      it(`of groups covers them for one source, (S,G/L) by ${way}`, async () => {
        add(source, groups.withHostBits);
        assert.deepEqual(await forwarded(allSources, allGroups), pairs([source], groups.inside));
      });
    }

    it('is one rule, however its host bits are written, and is removed by any of them', async () => {
      router.agent.ctl('add', 'in0', sources.withHostBits, groups.withHostBits, 'out1');
      router.agent.ctl('add', 'in0', sources.prefix, groups.prefix, 'out2');
      const entries = await router.table.entries();
      assert.deepEqual(
        entries.map(({ resource }) => resource?.mroute?.oifs.map((oif) => oif.interface)),
        [to],
      );
      const last = `${groups.inside[1]}/${groups.prefix.split('/')[1] ?? ''}`;
      router.agent.ctl('remove', 'in0', sources.withHostBits, last);
      assert.deepEqual(await forwarded([source], [group]), []);
    });

    it('is no (*,G) of the kernel, where its first address would be a group like any other', async () => {
      await router.table.put(route('in0', groups.prefix, to));
      assert.deepEqual(await forwarded([source], [groups.inside[0], groups.inside[1]]), pairs([source], groups.inside));
      assert.deepEqual(
        (await router.table.mfc()).map((each) => [each.source, each.learned]),
        [
          [source, true],
          [source, true],
        ],
      );
    });
  });
}
