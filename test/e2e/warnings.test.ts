// What the kernel takes and a person may regret: told in the reply, in lists and once in the log, refused if asked for.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { ApiError } from '../../src/api/status.js';
import { eventually } from '../support/wait.js';
import { FAMILY_CASES, IPV4, IPV6 } from './families.js';
import { type Router, openRouter } from './router.js';
import { route, warningCodes } from './table-client.js';
import { type TableWatch, openWatch } from './table-watch.js';

/** A warning, the rules that bring it about, the last of which has it, and what its text must name. */
interface WarningCase {
  readonly code: string;
  readonly family: string;
  readonly rules: readonly Resource[];
  readonly text: RegExp;
}

const CASES: readonly WarningCase[] = [
  ...FAMILY_CASES.flatMap((family): WarningCase[] => [
    {
      code: 'LOOP',
      family: family.family,
      rules: [route('in0', family.group(1), ['out1', 'in0'])],
      text: /in0/,
    },
    {
      code: 'SHADOWS',
      family: family.family,
      rules: [
        route('in0', family.group(1), ['out1']),
        route('in1', family.group(1), ['out2'], { source: family.source(1) }),
      ],
      text: /in1.*in0/,
    },
  ]),
  { code: 'LINK_LOCAL_GROUP', family: 'ipv4', rules: [route('in0', '224.0.0.251', ['out1'])], text: /link-local/ },
  { code: 'LINK_LOCAL_GROUP', family: 'ipv6', rules: [route('in0', 'ff02::fb', ['out1'])], text: /link-local/ },
  { code: 'TTL_THRESHOLD_IPV6', family: 'ipv6', rules: [route('in0', IPV6.group(1), ['out1@9'])], text: /IPv6/ },
];

let router: Router;
let watch: TableWatch;

before(async () => {
  router = await openRouter();
  watch = openWatch(router.agent);
  await watch.synced();
});

after(() => {
  watch[Symbol.dispose]();
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.clear();
});

describe('a warning', () => {
  for (const { code, family, rules, text } of CASES) {
    it(`${code} of ${family} is in the reply and in lists, and once in the log`, async () => {
      const { results } = await router.table.apply(rules.map((put) => ({ put })));
      const result = results.at(-1);
      assert.deepEqual(result && warningCodes(result), [code]);
      assert.match(result?.warnings[0]?.text ?? '', text);
      const rule = rules.at(-1);
      assert.ok(rule);
      const entry = await router.table.entry(rule);
      assert.deepEqual(warningCodes(entry), [code]);
      const key = entry.resource?.mroute?.key;
      assert.ok(key);
      const shown = `(${key.source === '' ? '*' : key.source}, ${key.group}) ${key.iif}`;
      await eventually(() => (linesOf(code, shown) > 0 ? true : undefined), 'a line in the log');
      // What changes nothing about the warning is no reason to tell it again.
      await router.table.as('controller').put(rule);
      await router.table.as('controller').replace([]);
      await router.table.put(route('in0', IPV4.group(200), ['out1']));
      assert.equal(linesOf(code, shown), 1);
    });

    it(`${code} of ${family} refuses the request that is strict, and changes nothing`, async () => {
      const before = (await router.table.apply([])).revision;
      const changes = rules.map((put) => ({ put }));
      await assert.rejects(router.table.apply(changes, { strict: true }), (error) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.reason, 'WARNINGS');
        assert.match(error.message, new RegExp(code));
        return true;
      });
      assert.deepEqual(await router.table.entries(), []);
      assert.equal((await router.table.apply([])).revision, before);
      const { results } = await router.table.apply(changes, { validateOnly: true });
      assert.deepEqual(
        results.at(-1)?.warnings.map((warning) => warning.code),
        [code],
      );
      assert.deepEqual(await router.table.entries(), []);
    });
  }

  for (const name of ['in0', 'all']) {
    it(`RP_FILTER follows the sysctl of ${name} while the agent runs, for IPv4 iifs`, async () => {
      const sysctl = `net/ipv4/conf/${name}/rp_filter`;
      const [asIif, asOif] = [route('in0', IPV4.group(1), ['out1']), route('in1', IPV4.group(1), ['in0'])];
      const ofIpv6 = route('in0', IPV6.group(1), ['out1']);
      const entries = await router.table.put(asIif, ofIpv6);
      assert.deepEqual(entries.map(warningCodes), [[], []]);
      // No route leads back to the source through in0.
      const shot = { iif: 'in0', source: IPV4.source(1), group: IPV4.group(1) };
      assert.deepEqual(await router.send(shot), ['out1']);
      router.namespace.setSysctls({ [sysctl]: 1 });
      const warned = await untilWarned('RP_FILTER');
      assert.match(
        warned.warnings[0]?.text ?? '',
        /sysctl -w net\.ipv4\.conf\.all\.rp_filter=0 net\.ipv4\.conf\.in0\.rp_filter=0/,
      );
      assert.deepEqual(await router.send(shot), []);
      assert.deepEqual(warningCodes(await router.table.entry(ofIpv6)), []);
      assert.deepEqual(
        (await router.table.interfaces()).get('in0')?.warnings.map(({ code }) => code),
        ['RP_FILTER'],
      );
      if (name === 'in0') {
        const [oif] = await router.table.put(asOif);
        assert.deepEqual(oif && warningCodes(oif), []);
      }
      // The cure, as the text has it.
      router.namespace.setSysctls({ 'net/ipv4/conf/all/rp_filter': 0, 'net/ipv4/conf/in0/rp_filter': 0 });
      await watch.until(
        ({ put }) => put?.entries.find((entry) => isFirstGroup(entry.resource) && warningCodes(entry).length === 0),
        'the warning goes',
      );
      assert.deepEqual(await router.send(shot), ['out1']);
    });
  }

  it('RP_FILTER is told, and refused if asked for, at the first use of an interface that has it', async () => {
    router.namespace.setSysctls({ 'net/ipv4/conf/in1/rp_filter': 1 });
    const change = { put: route('in1', IPV4.group(1), ['out1']) };
    await assert.rejects(router.table.apply([change], { strict: true }), /RP_FILTER/);
    const { results } = await router.table.apply([change]);
    assert.deepEqual(results.map(warningCodes), [['RP_FILTER']]);
    router.namespace.setSysctls({ 'net/ipv4/conf/in1/rp_filter': 0 });
    await watch.until(
      ({ put }) => put?.entries.find((each) => isFirstGroup(each.resource) && warningCodes(each).length === 0),
      'the warning goes',
    );
  });

  it('IPV6_DISABLED is of rules with such an interface, IPv6 ones only', async () => {
    router.namespace.setSysctls({ 'net/ipv6/conf/out2/disable_ipv6': 1 });
    const { results } = await router.table.apply(
      [
        route('in0', IPV6.group(1), ['out1', 'out2']),
        route('in0', IPV6.group(2), ['out1']),
        route('in0', IPV4.group(1), ['out2']),
      ].map((put) => ({ put })),
    );
    router.namespace.setSysctls({ 'net/ipv6/conf/out2/disable_ipv6': 0 });
    assert.deepEqual(results.map(warningCodes), [['IPV6_DISABLED'], [], []]);
    assert.match(results[0]?.warnings[0]?.text ?? '', /sysctl -w net\.ipv6\.conf\.out2\.disable_ipv6=0/);
  });
});

function untilWarned(code: string) {
  return watch.until(({ put }) => put?.entries.find((entry) => warningCodes(entry).includes(code)), code);
}

function isFirstGroup(resource: Resource | null): boolean {
  return resource?.mroute?.key?.group === IPV4.group(1);
}

/** How many lines of the log have the warning for the rule. */
function linesOf(code: string, rule: string): number {
  const lines = router.agent.log.split('\n');
  return lines.filter((line) => line.includes(`"code":"${code}"`) && line.includes(`"key":"mroute ${rule}"`)).length;
}
