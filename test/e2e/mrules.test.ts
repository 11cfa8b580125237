// The rules that lead packets to a table (`ip mrule`): made, kept, repaired, and removed.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Agent } from '../support/agent.js';
import { eventually, waitForExit } from '../support/wait.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { type Router, TABLE, openRouter } from './router.js';
import { TableClient, route, warningCodes } from './table-client.js';
import { openWatch } from './table-watch.js';

/** Tables of other agents and of other programs. */
const OTHER_TABLE = 124;
const FOREIGN_TABLE = 200;

/** Of mcroute: FRA_PROTOCOL and FRA_PRIORITY. */
const PROTOCOL = '77';
const PRIORITY = 4_000;

let router: Router;

before(async () => {
  router = await openRouter();
});

after(() => {
  router[Symbol.dispose]();
});

/** The kernel's rules to a table as `PRIORITY iif NAME` or `PRIORITY oif NAME`, sorted. */
function mrules(family: FamilyCase, table: number): string[] {
  return rulesOf(family)
    .filter((rule) => rule.table === String(table))
    .map(({ priority, iif, oif }) => `${priority} ${iif === undefined ? `oif ${oif ?? ''}` : `iif ${iif}`}`)
    .sort();
}

/** What a table's agent makes for interfaces that it uses. */
function made(priority: number, ...names: readonly string[]): string[] {
  return names.flatMap((name) => [`${priority} iif ${name}`, `${priority} oif ${name}`]).sort();
}

describe('mrules', () => {
  afterEach(async () => {
    await router.table.clear();
  });

  for (const family of FAMILY_CASES) {
    const group = family.group(1);
    const shot = { iif: 'in0', source: family.source(1), group };

    it(`lead what ${family.family} interfaces in use receive and send to the table, and no others`, async () => {
      const [rule, second] = [route('in0', group, ['out1']), route('in1', group, ['out1'])];
      await router.table.put(rule);
      assert.deepEqual(mrules(family, TABLE), made(PRIORITY, 'in0', 'out1'));
      const own = rulesOf(family).filter((each) => each.table === String(TABLE));
      assert.ok(own.every(({ protocol }) => protocol === PROTOCOL));
      await router.table.put(second);
      assert.deepEqual(mrules(family, TABLE), made(PRIORITY, 'in0', 'in1', 'out1'));
      await router.table.delete(rule);
      assert.deepEqual(mrules(family, TABLE), made(PRIORITY, 'in1', 'out1'));
      const others = FAMILY_CASES.filter((each) => each !== family);
      for (const other of others) assert.deepEqual(mrules(other, TABLE), []);
    });

    it(`are made again when another program removes them from ${family.family}`, async () => {
      await router.table.put(route('in0', group, ['out1']));
      const repairs = countRepairs(router.agent);
      ipMrule(family, `del pref ${PRIORITY} iif in0 table ${TABLE}`);
      ipMrule(family, `del pref ${PRIORITY} oif out1 table ${TABLE}`);
      await eventually(
        () => (mrules(family, TABLE).length === 4 ? true : undefined),
        'the rules are there again',
        1_000,
      );
      assert.deepEqual(mrules(family, TABLE), made(PRIORITY, 'in0', 'out1'));
      assert.deepEqual(await router.send(shot), ['out1']);
      await eventually(
        () => (countRepairs(router.agent) === repairs + 2 ? true : undefined),
        'each removed rule is a line in the log',
      );
    });

    it(`of others on an ${family.family} iif are a conflict while they are there`, async () => {
      using watch = openWatch(router.agent);
      await watch.synced();
      const rule = route('in0', group, ['out1']);
      const [entry] = await router.table.put(rule);
      assert.deepEqual(entry && warningCodes(entry), []);
      const foreign = `pref ${PRIORITY - 1_000} iif in0 table ${FOREIGN_TABLE}`;
      ipMrule(family, `add ${foreign}`);
      const warned = await watch.until(
        ({ put }) => put?.entries.find((each) => warningCodes(each).includes('IIF_CONFLICT')),
        'IIF_CONFLICT',
      );
      const listed = (await router.table.mrules()).filter(({ state }) => state === 'STATE_CONFLICT');
      assert.deepEqual(
        listed.map((each) => [each.family, each.iif, each.table, each.priority]),
        [[`FAMILY_${family.family.toUpperCase()}`, 'in0', FOREIGN_TABLE, PRIORITY - 1_000]],
      );
      const [, cure = ''] = /remove it with: (ip .*)$/.exec(warned.warnings[0]?.text ?? '') ?? [];
      router.namespace.run('sh', ['-ec', cure]);
      await watch.until(
        ({ put }) => put?.entries.find((each) => warningCodes(each).length === 0),
        'the warning goes with the rule, which its cure removes',
      );
      assert.deepEqual(mrules(family, FOREIGN_TABLE), []);
    });

    it(`of others for ${family.family} packets of every interface are a conflict if they are asked first`, async () => {
      const rule = route('in0', family.group(1), ['out1']);
      await router.table.put(rule);
      const codes = async () => warningCodes(await router.table.entry(rule)).join();
      const before = `pref ${PRIORITY - 1} table ${FOREIGN_TABLE}`;
      ipMrule(family, `add ${before}`);
      await eventually(async () => ((await codes()) === 'IIF_CONFLICT' ? true : undefined), 'a warning');
      ipMrule(family, `del ${before}`);
      await eventually(async () => ((await codes()) === '' ? true : undefined), 'no warning');
      const states = (await router.table.mrules())
        .filter(({ priority }) => priority > PRIORITY)
        .map(({ state }) => state);
      assert.deepEqual(new Set(states), new Set(['STATE_FOREIGN']), "the kernel's own default rule is no conflict");
    });
  }

  it('of an agent with a lower priority number win, and the other agent says so', async () => {
    const rules = FAMILY_CASES.map((family) => route('in0', family.group(1), ['out1']));
    const shots = FAMILY_CASES.map((family) => ({ iif: 'in0', source: family.source(1), group: family.group(1) }));
    await router.table.put(...rules);
    const agent = await router.startAgent({ table: OTHER_TABLE, args: ['--mrule-priority', '50'] });
    await new TableClient(agent).put(...FAMILY_CASES.map((family) => route('in0', family.group(1), ['out2'])));
    for (const family of FAMILY_CASES) assert.deepEqual(mrules(family, OTHER_TABLE), made(50, 'in0', 'out2'));
    assert.deepEqual(await router.sendAll(shots), [['out2'], ['out2']]);
    for (const rule of rules) {
      await eventually(
        async () => (warningCodes(await router.table.entry(rule)).includes('IIF_CONFLICT') ? true : undefined),
        'the agent that loses the packets warns',
      );
    }
    assert.equal(await agent.stop(), 0);
    for (const family of FAMILY_CASES) assert.deepEqual(mrules(family, OTHER_TABLE), []);
    assert.deepEqual(await router.sendAll(shots), [['out1'], ['out1']]);
  });

  it('are not made with --no-mrules, where others lead the packets to the table', async () => {
    const agent = await router.startAgent({ table: OTHER_TABLE, args: ['--no-mrules'] });
    const other = new TableClient(agent);
    await other.put(...FAMILY_CASES.map((family) => route('in1', family.group(1), ['out2'])));
    const shots = FAMILY_CASES.map((family) => ({ iif: 'in1', source: family.source(1), group: family.group(1) }));
    for (const family of FAMILY_CASES) assert.deepEqual(mrules(family, OTHER_TABLE), []);
    assert.deepEqual(await router.sendAll(shots), [[], []]);
    const byHand = `pref 90 iif in1 table ${OTHER_TABLE}`;
    for (const family of FAMILY_CASES) ipMrule(family, `add ${byHand}`);
    assert.deepEqual(await router.sendAll(shots), [['out2'], ['out2']]);
    assert.equal(await agent.stop(), 0);
    for (const family of FAMILY_CASES) assert.deepEqual(mrules(family, OTHER_TABLE), ['90 iif in1']);
    for (const family of FAMILY_CASES) ipMrule(family, `del ${byHand}`);
  });

  it('of a killed agent are taken over where they are wanted and removed where they are not', async () => {
    const killed = await router.startAgent({ table: OTHER_TABLE });
    await new TableClient(killed).put(
      ...FAMILY_CASES.flatMap((family) => [
        route('in0', family.group(1), ['out1']),
        route('in1', family.group(1), ['out2']),
      ]),
    );
    killed.process.kill('SIGKILL');
    await waitForExit(killed.process);
    for (const family of FAMILY_CASES) {
      assert.deepEqual(mrules(family, OTHER_TABLE), made(PRIORITY, 'in0', 'in1', 'out1', 'out2'));
    }
    const next = await router.startAgent({ table: OTHER_TABLE });
    for (const family of FAMILY_CASES) assert.deepEqual(mrules(family, OTHER_TABLE), []);
    await new TableClient(next).put(...FAMILY_CASES.map((family) => route('in0', family.group(1), ['out1'])));
    for (const family of FAMILY_CASES) assert.deepEqual(mrules(family, OTHER_TABLE), made(PRIORITY, 'in0', 'out1'));
    assert.equal(await next.stop(), 0);
  });

  it('go with an agent that is stopped, and those of others stay', async () => {
    const agent = await router.startAgent({ table: OTHER_TABLE });
    await router.table.put(...FAMILY_CASES.map((family) => route('in0', family.group(1), ['out1'])));
    await new TableClient(agent).put(...FAMILY_CASES.map((family) => route('in1', family.group(1), ['out2'])));
    for (const family of FAMILY_CASES) assert.deepEqual(mrules(family, OTHER_TABLE), made(PRIORITY, 'in1', 'out2'));
    assert.equal(await agent.stop(), 0);
    for (const family of FAMILY_CASES) {
      assert.deepEqual(mrules(family, OTHER_TABLE), []);
      assert.deepEqual(mrules(family, TABLE), made(PRIORITY, 'in0', 'out1'));
    }
  });
});

/** Of `ip -json mrule`. */
interface MruleJson {
  readonly priority: number;
  readonly table: string;
  readonly iif?: string;
  readonly oif?: string;
  readonly protocol?: string;
}

function rulesOf({ ipOption }: FamilyCase): readonly MruleJson[] {
  return router.namespace.ipJson(`${ipOption} mrule show`) as readonly MruleJson[];
}

/** What another program does to the rules. */
function ipMrule({ ipOption }: FamilyCase, words: string): void {
  router.namespace.run('ip', [ipOption, 'mrule', ...words.split(' ')]);
}

function countRepairs({ log }: Agent): number {
  return log.split('mrule was removed by another program').length - 1;
}
