// Administrative boundaries (RFC 2365): groups that neither enter nor leave at an interface, whatever rules say.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { openTraffic } from '../support/traffic.js';
import { FAMILY_CASES, type FamilyCase } from './families.js';
import { type Router, type Shot, openRouter } from './router.js';
import { route, warningCodes } from './table-client.js';
import { type TableWatch, openWatch } from './table-watch.js';

/** The ways in which (*,G) rules are answered. */
const MODES = { 'by entries of the kernel': 'kernel', 'by an entry for each flow': 'learn' } as const;

/** A boundary of groups 4 to 7, and its length. */
const BOUNDED = {
  ipv4: { prefix: (family: FamilyCase) => `${family.group(4)}/30`, site: '239.0.0.0/8' },
  ipv6: { prefix: (family: FamilyCase) => `${family.group(4)}/126`, site: 'ff1e::/16' },
} as const;

for (const [mode, starG] of Object.entries(MODES)) {
  describe(`a boundary, (*,G) answered ${mode},`, () => {
    const file = `/run/boundary-${starG}-${process.pid}.conf`;
    let router: Router;
    let watch: TableWatch;

    before(async () => {
      writeFileSync(file, '');
      router = await openRouter({ receivers: 3, args: ['-f', file, '--star-g', starG] });
      watch = openWatch(router.agent);
      await watch.synced();
    });

    after(() => {
      watch[Symbol.dispose]();
      router[Symbol.dispose]();
      rmSync(file);
    });

    afterEach(async () => {
      writeFileSync(file, '');
      router.agent.ctl('reload');
      await router.table.clear(['cli', 'controller']);
    });

    for (const family of FAMILY_CASES) boundaryTests(family, () => ({ router, watch, file }));
  });
}

interface Opened {
  readonly router: Router;
  readonly watch: TableWatch;
  readonly file: string;
}

function bound(name: string, ...boundaries: readonly string[]): Resource {
  return { interface: { key: { name }, boundaries: [...boundaries] } };
}

function boundaryTests(family: FamilyCase, opened: () => Opened): void {
  const [inside, outside] = [family.group(5), family.group(9)];
  const bounded = BOUNDED[family.family].prefix(family);
  const source = family.source(1);
  const shot = (iif: string, group: string): Shot => ({ iif, source, group });
  const all = ['out1', 'out2', 'out3'];
  /** Each for both groups. */
  const kinds: Readonly<Record<string, (iif: string) => Resource[]>> = {
    '(S,G)': (iif) => [inside, outside].map((group) => route(iif, group, all, { source })),
    '(*,G)': (iif) => [inside, outside].map((group) => route(iif, group, all)),
    '(*,G/L)': (iif) => [route(iif, family.groupPrefix, all)],
    '(S/L,G)': (iif) => [inside, outside].map((group) => route(iif, group, all, { source: family.sourcePrefix })),
    '(S/L,G/L)': (iif) => [route(iif, family.groupPrefix, all, { source: family.sourcePrefix })],
    wildcard: (iif) => [route(iif, family.groupPrefix, ['out+'])],
  };

  for (const [kind, rules] of Object.entries(kinds)) {
    it(`keeps its groups from leaving by ${kind} rules, and no others (${family.family})`, async () => {
      const { router } = opened();
      await router.table.put(...rules('in0'), bound('out2', bounded));
      assert.deepEqual(await router.sendAll([shot('in0', inside), shot('in0', outside)]), [['out1', 'out3'], all]);
    });

    it(`keeps its groups from entering by ${kind} rules, and no others (${family.family})`, async () => {
      const { router } = opened();
      await router.table.put(...rules('in0'), bound('in0', bounded));
      assert.deepEqual(await router.sendAll([shot('in0', inside), shot('in0', outside)]), [[], all]);
    });

    it(`cuts flows of ${kind} rules off when it comes, and lets them on when it goes (${family.family})`, async () => {
      const { router } = opened();
      const shots = [shot('in0', inside), shot('in0', outside)];
      await router.table.put(...rules('in0'));
      assert.deepEqual(await router.sendAll(shots), [all, all]);
      await router.table.put(bound('out2', bounded));
      assert.deepEqual(await router.sendUnattended(shots), [['out1', 'out3'], all]);
      await router.table.put(bound('in0', bounded));
      assert.deepEqual(await router.sendAll(shots), [[], all]);
      await router.table.delete(bound('in0'));
      assert.deepEqual(await router.sendAll(shots), [['out1', 'out3'], all]);
      await router.table.delete(bound('out2'));
      assert.deepEqual(await router.sendUnattended(shots), [all, all]);
    });
  }

  it(`of just one group, and of all, holds inside a wider rule (${family.family})`, async () => {
    const { router } = opened();
    const { site } = BOUNDED[family.family];
    await router.table.put(route('in0', family.groupPrefix, all), bound('out1', inside), bound('out3', site));
    assert.deepEqual(await router.sendAll([shot('in0', inside), shot('in0', outside)]), [['out2'], ['out1', 'out2']]);
  });

  it(`does not let a source follow to where its group does not enter (${family.family})`, async () => {
    const { router } = opened();
    await router.table.put(route('in+', family.groupPrefix, all), bound('in1', bounded));
    const [home, away] = [shot('in0', inside), shot('in1', inside)];
    assert.deepEqual(await router.sendAll([home, away, home]), [all, [], all]);
  });

  it(`holds for each owner that wants it (${family.family})`, async () => {
    const { router } = opened();
    await router.table.put(route('in0', family.groupPrefix, all), bound('out2', inside));
    await router.table.as('controller').put(bound('out2', outside));
    const shots = [shot('in0', inside), shot('in0', outside)];
    assert.deepEqual(await router.sendAll(shots), [
      ['out1', 'out3'],
      ['out1', 'out3'],
    ]);
    await router.table.delete(bound('out2'));
    assert.deepEqual(await router.sendUnattended(shots), [all, ['out1', 'out3']]);
  });

  it(`is a warning on the rules that it touches, in the reply and in lists (${family.family})`, async () => {
    const { router, watch } = opened();
    const [touched, other] = [route('in0', inside, all), route('in0', outside, all)];
    const [before] = await router.table.put(touched, other);
    assert.deepEqual(before && warningCodes(before), []);
    await router.table.put(bound('out2', bounded));
    const text = `${bounded} does not leave out2`;
    await watch.until(
      ({ put }) => put?.entries.find(({ warnings }) => warnings.some((warning) => warning.text === text)),
      text,
    );
    const { state, warnings } = await router.table.entry(touched);
    assert.deepEqual([state, ...warnings], ['STATE_PROGRAMMED', { code: 'BOUNDARY', text }]);
    assert.deepEqual(warningCodes(await router.table.entry(other)), []);
    const { results } = await router.table.apply([{ put: route('out2', inside, ['in0']) }], { validateOnly: true });
    assert.deepEqual(
      results[0]?.warnings.map((warning) => warning.text),
      [`${bounded} does not enter out2`],
    );
  });

  it(`is told by phyint, and follows the file on reload (${family.family})`, async () => {
    const { router, file } = opened();
    const mroutes = `mroute from in0 group ${family.groupPrefix} to out1 out2 out3\n`;
    const shots = [shot('in0', inside), shot('in0', outside)];
    writeFileSync(file, `phyint out2 boundary ${bounded} boundary ${outside}\n${mroutes}`);
    router.agent.ctl('reload');
    assert.deepEqual(await router.sendAll(shots), [
      ['out1', 'out3'],
      ['out1', 'out3'],
    ]);
    writeFileSync(file, `phyint out2 boundary ${outside}\nphyint in+ boundary ${bounded}\n${mroutes}`);
    router.agent.ctl('reload');
    assert.deepEqual(await router.sendAll(shots), [[], ['out1', 'out3']]);
  });

  it(`stands with the first packet when its interface comes back (${family.family})`, async () => {
    const { router, watch } = opened();
    const rule = route('in0', family.groupPrefix, all);
    await router.table.put(rule, bound('out3', bounded));
    const shots = [shot('in0', inside), shot('in0', outside)];
    router.namespace.delete('out3');
    await watch.untilState(rule, 'STATE_PARTIAL');
    router.plug(router.topology.receiver(3));
    await watch.untilState(rule, 'STATE_PROGRAMMED');
    assert.deepEqual(await router.sendAll(shots), [['out1', 'out2'], all]);
  });

  it(`comes and goes without a loss to other flows (${family.family})`, async () => {
    const { router } = opened();
    await router.table.put(route('in0', family.groupPrefix, all));
    // The kernel keeps four packets of a flow that it asks about: what a busy machine loses there is not what is looked for.
    const host = router.topology.sender(0);
    assert.deepEqual(await router.sendAll([{ ...shot('in0', outside), source: host[family.family] }]), [all]);
    using from = openTraffic(host.namespace);
    using to = openTraffic(router.topology.receiver(2).namespace);
    const receiver = await to.receive({ interface: 'eth0', groups: [outside] });
    const sender = await from.send({ interface: 'eth0', groups: [outside], rate: 1_000 });
    await receiver.awaitPackets(10);
    for (let times = 0; times < 5; times++) {
      await router.table.put(bound('out2', bounded), bound('in0', inside));
      await router.table.delete(bound('out2'), bound('in0'));
    }
    const { streams } = await receiver.collect(await sender.stop());
    assert.deepEqual(
      streams.map(({ lost, duplicated }) => [lost, duplicated]),
      [[0, 0]],
    );
  });
}
