// Flush: what was learned goes and is learned again; what rules name stays, and its streams notice nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, afterEach, before, describe, it } from 'node:test';
import { projectFile } from '../support/launcher.js';
import { plainEnvironment } from '../support/namespaces.js';
import { openTraffic } from '../support/traffic.js';
import { FAMILY_CASES } from './families.js';
import { kernelEntries } from './kernel-entries.js';
import { type Router, TABLE, openRouter } from './router.js';
import { route } from './table-client.js';

let router: Router;

before(async () => {
  router = await openRouter();
});

after(() => {
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.clear();
});

const WAYS: Readonly<Record<string, () => void>> = {
  'mcctl flush': () => {
    router.agent.ctl('flush');
  },
  'smcroutectl flush': () => {
    const args = ['-u', router.agent.socketPath, 'flush'];
    const { status, stderr } = spawnSync(projectFile('bin/smcroutectl'), args, {
      encoding: 'utf8',
      env: plainEnvironment(),
      timeout: 60_000,
    });
    assert.deepEqual([status, stderr], [0, '']);
  },
};

for (const family of FAMILY_CASES) {
  describe(`a flush of ${family.family}`, () => {
    const source = family.source(1);
    const shotOf = (n: number) => ({ iif: 'in0', source, group: family.group(n) });

    for (const [way, flush] of Object.entries(WAYS)) {
      it(`by ${way} takes what was learned, matched or not, out of the kernel, and nothing else`, async () => {
        await router.table.put(
          route('in0', family.group(1), ['out1'], { source }),
          route('in0', family.group(2), ['out1']),
          route('in0', family.groupPrefix, ['out2'], { source: family.source(7) }),
        );
        const learned = { ...shotOf(3), source: family.source(7) };
        assert.deepEqual(await router.sendAll([learned, shotOf(4)]), [['out2'], []]);
        const entries = () => kernelEntries(router.namespace, family, TABLE);
        const isLearned = (entry: string) => [3, 4].some((n) => entry.includes(` ${family.group(n)})`));
        assert.equal(entries().filter(isLearned).length, 2);
        const named = entries().filter((entry) => !isLearned(entry));
        flush();
        assert.deepEqual(entries(), named);
        assert.deepEqual(await router.sendUnattended([shotOf(1), shotOf(2)]), [['out1'], ['out1']]);
        assert.deepEqual(await router.sendAll([learned, shotOf(4)]), [['out2'], []]);
        assert.equal(entries().filter(isLearned).length, 2);
      });
    }

    it('loses nothing of streams that rules name', async () => {
      const { topology } = router;
      const groups = [1, 2].map((n) => family.group(n));
      await router.table.put(
        route('in0', family.group(1), ['out1'], { source: topology.sender(0)[family.family] }),
        route('in0', family.group(2), ['out1']),
      );
      using from = openTraffic(topology.sender(0).namespace);
      using to = openTraffic(topology.receiver(1).namespace);
      const receiving = await to.receive({ interface: 'eth0', groups });
      const sending = await from.send({ interface: 'eth0', groups, rate: 1_000 });
      for (let times = 1; times <= 20; times++) {
        await receiving.awaitPackets(20 * times);
        await router.table.flush();
      }
      const { streams } = await receiving.collect(await sending.stop());
      assert.deepEqual(
        streams.map((each) => [each.group, each.lost, each.duplicated]).sort(),
        groups.map((group) => [group, 0, 0]),
      );
    });
  });
}
