// What another program does to a table is found, repaired and noted in the log.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { installTree } from '../support/install-tree.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { type Router, TABLE, openRouter } from './router.js';
import { route } from './table-client.js';

const INTRUDER = join(installTree(), 'test/support/mroute-intruder.py');

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

for (const family of FAMILY_CASES) {
  describe(`an ${family.family} entry`, () => {
    driftTests(family);
  });
}

function driftTests(family: FamilyCase): void {
  const group = family.group(1);
  const source = family.source(1);
  const shot = { iif: 'in0', source, group };

  it('(S,G) that another program deletes is there again at once', async () => {
    await router.table.put(route('in0', group, ['out1'], { source }));
    const notes = notesOf(`(${source}, ${group})`);
    await intrude('delete', source, 'in0');
    await eventually(() => (isInKernel(source) ? true : undefined), 'the entry is written again', 1_000);
    assert.deepEqual(await router.sendUnattended([shot]), [['out1']]);
    await eventually(() => (notesOf(`(${source}, ${group})`) > notes ? true : undefined), 'a line in the log');
  });

  it('(*,G) that another program deletes is there again at once', async () => {
    await router.table.put(route('in0', group, ['out1']));
    const notes = notesOf(`(*, ${group})`);
    await intrude('delete', family.anySource, 'in0');
    await eventually(() => (isInKernel(family.anySource) ? true : undefined), 'the entry is written again', 1_000);
    assert.deepEqual(await router.sendUnattended([shot]), [['out1']]);
    await eventually(() => (notesOf(`(*, ${group})`) > notes ? true : undefined), 'a line in the log');
  });

  it('(*,G) that another program deletes is there again at once, although the group has another', async () => {
    await router.table.put(route('in0', group, ['out1']), route('in1', group, ['out2']));
    // Deletions of our own, whose news must not be taken for another program's, and the other way round.
    await router.table.put(route('in1', group, ['out1', 'out2']));
    const notes = notesOf(`(*, ${group})`);
    for (const [index, iif] of ['in0', 'in1'].entries()) {
      await intrude('delete', family.anySource, iif);
      await eventually(() => (notesOf(`(*, ${group})`) === notes + index + 1 ? true : undefined), 'a line in the log');
      const iifs = await eventually(() => {
        const found = iifsInKernel();
        return found.length === 2 ? found : undefined;
      }, 'the entry is written again');
      assert.deepEqual(iifs, ['in0', 'in1']);
    }
    const shots = [shot, { ...shot, iif: 'in1' }];
    assert.deepEqual(await router.sendUnattended(shots), [['out1'], ['out1', 'out2']]);
  });

  it('that was learned and that another program deletes is learned again', async () => {
    await router.table.put(route('in0', family.groupPrefix, ['out1']));
    assert.deepEqual(await router.send(shot), ['out1']);
    await intrude('delete', source, 'in0');
    await eventually(() => (notesOf(`(${source}, ${group})`) > 0 ? true : undefined), 'a line in the log');
    assert.deepEqual(await router.send(shot), ['out1']);
  });

  it('that another program changes or adds is put right when the agent compares', async () => {
    await router.table.put(route('in0', group, ['out1'], { source }), route('in0', family.group(3), ['out2']));
    // Also the shadow of a (*,G) entry, and a flow of nobody.
    await intrude('put', source, 'in0', 'out2');
    await intrude('put', family.source(2), 'in0', 'out2');
    assert.deepEqual(await router.sendUnattended([shot]), [['out2']]);
    loseNews();
    await eventually(
      async () => ((await router.sendUnattended([shot])).flat().join() === 'out1' ? true : undefined),
      'the entry is as it was',
    );
    await eventually(() => (isInKernel(family.source(2)) ? undefined : true), 'what was added is gone');
    assert.deepEqual(await router.sendUnattended([{ ...shot, group: family.group(3) }]), [['out2']]);
  });

  /** Whether the kernel has an entry of the group for the source. */
  function isInKernel(each: string): boolean {
    const entries = router.namespace.ipJson(`${family.ipOption} mroute show table ${TABLE}`) as readonly MrouteJson[];
    return entries.some(({ src, dst, state }) => src === each && dst === group && state === 'resolved');
  }

  /** The iifs of the group's (*,G) entries. */
  function iifsInKernel(): readonly string[] {
    const entries = router.namespace.ipJson(`${family.ipOption} mroute show table ${TABLE}`) as readonly MrouteJson[];
    const ofGroup = entries.filter(({ src, dst }) => src === family.anySource && dst === group);
    return ofGroup.map(({ iif }) => iif).sort();
  }

  /** Changes the entry of the group by another program. */
  async function intrude(action: 'put' | 'delete', from: string, iif: string, ...oifs: string[]): Promise<void> {
    const interfaces = await router.table.interfaces();
    const vifs = [iif, ...oifs].map((name) => String(interfaces.get(name)?.[`${family.family}Vif`] ?? 'none'));
    router.namespace.run('python3', [INTRUDER, String(TABLE), action, from, group, ...vifs]);
  }
}

/** Of `ip -json mroute`. */
interface MrouteJson {
  readonly src: string;
  readonly dst: string;
  readonly iif: string;
  readonly state: string;
}

/** How many lines of the log say that another program changed the flow. */
function notesOf(flow: string): number {
  const lines = router.agent.log.split('\n');
  return lines.filter((line) => line.includes('entry was changed by another program') && line.includes(flow)).length;
}

/** Makes more news of interfaces than the agent's socket holds while it stands still: then it compares everything. */
function loseNews(): void {
  const before = droppedNews();
  router.agent.process.kill('SIGSTOP');
  try {
    for (let batch = 0; droppedNews() === before; batch++) {
      assert.ok(batch < BATCHES_MAX, 'no news were lost');
      router.namespace.ip(...Array.from({ length: NEWS_PER_BATCH }, (_, n) => `link set dev in1 alias ${batch}-${n}`));
    }
  } finally {
    router.agent.process.kill('SIGCONT');
  }
}

/** News that found a full socket, of all programs in the namespace. */
function droppedNews(): number {
  const [head = '', ...lines] = router.namespace.run('cat', ['/proc/net/netlink']).trimEnd().split('\n');
  const column = head.trim().split(/\s+/).indexOf('Drops');
  return lines.reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[column]), 0);
}

const NEWS_PER_BATCH = 1_000;

/** Many times what the agent's socket holds. */
const BATCHES_MAX = 50;
