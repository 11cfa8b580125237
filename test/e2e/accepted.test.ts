// What is taken with a warning, not refused: what the kernel then does with the packets, and to nobody else's.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';
import { projectFile } from '../support/launcher.js';
import { plainEnvironment } from '../support/namespaces.js';
import { FAMILY_CASES, type FamilyCase, IPV4, IPV6 } from './families.js';
import { clearFileRouter, openFileRouter } from './file-router.js';
import type { Router } from './router.js';
import { route, warningCodes } from './table-client.js';

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

interface LinkLocalCase {
  readonly family: FamilyCase;
  /** Which the kernel forwards never. */
  readonly groups: readonly string[];
  /** Which look alike and are forwarded. */
  readonly others: readonly string[];
  readonly prefix: string;
}

const LINK_LOCAL: readonly LinkLocalCase[] = [
  { family: IPV4, groups: ['224.0.0.5', '224.0.0.251'], others: ['224.0.1.5'], prefix: '224.0.0.0/24' },
  { family: IPV6, groups: ['ff01::5', 'ff02::fb'], others: ['ff05::5', 'ff0e::5'], prefix: 'ff01::/16' },
];

describe('an iif among its own oifs', () => {
  for (const family of FAMILY_CASES) {
    const group = family.group(1);
    const source = family.source(1);
    const shot = { iif: 'in0', source, group };
    const kinds: Readonly<Record<string, Resource>> = {
      '(S,G)': route('in0', group, ['in0', 'out1'], { source }),
      '(*,G)': route('in0', group, ['in0', 'out1']),
      '(*,G/L)': route('in0', family.groupPrefix, ['in0', 'out1']),
      '(S/L,G/L)': route('in0', family.groupPrefix, ['in0', 'out1'], { source: family.sourcePrefix }),
    };
    for (const [kind, rule] of Object.entries(kinds)) {
      it(`sends packets back as ${kind} rules say, and to the others (${family.family})`, async () => {
        const [entry] = await router.table.put(rule);
        assert.deepEqual([entry?.state, entry && warningCodes(entry)], ['STATE_PROGRAMMED', ['LOOP']]);
        assert.deepEqual(await router.sendAll([shot, shot]), [
          ['in0', 'out1'],
          ['in0', 'out1'],
        ]);
        // Once per packet: what was sent back came from the router, and no host repeats it here.
        assert.deepEqual(await router.sendUnattended([shot]), [['in0', 'out1']]);
      });
    }

    it(`is taken from a file and by smcroutectl too (${family.family})`, async () => {
      writeFileSync(file, `mroute from in0 group ${group} to in0 out1\n`);
      router.agent.ctl('reload');
      assert.deepEqual(await router.send(shot), ['in0', 'out1']);
      const other = family.group(2);
      assert.equal(control('add', 'in1', source, other, 'in1', 'out2').status, 0);
      assert.deepEqual(warningCodes(await router.table.entry(route('in1', other, [], { source }))), ['LOOP']);
      assert.deepEqual(await router.send({ iif: 'in1', source, group: other }), ['in1', 'out2']);
    });

    it(`is told by mcctl on stderr, which ends with 0 (${family.family})`, () => {
      const { status, stderr } = router.agent.mcctl('add', 'in0', group, 'in0', 'out1');
      assert.equal(status, 0);
      assert.match(stderr, /in0/);
      assert.match(stderr, /warning/i);
    });
  }
});

describe('a link-local group', () => {
  for (const { family, groups, others, prefix } of LINK_LOCAL) {
    const shots = [...groups, ...others].map((group) => ({ iif: 'in0', source: family.source(1), group }));
    const expected = shots.map(({ group }) => (others.includes(group) ? ['out1'] : []));

    it(`is taken as a rule and not forwarded by the kernel; its neighbours are (${family.family})`, async () => {
      const entries = await router.table.put(...[...groups, ...others].map((group) => route('in0', group, ['out1'])));
      assert.deepEqual(
        entries.map(({ state }) => state),
        entries.map(() => 'STATE_PROGRAMMED'),
      );
      assert.deepEqual(
        entries.map(warningCodes),
        entries.map((_entry, n) => (n < groups.length ? ['LINK_LOCAL_GROUP'] : [])),
      );
      assert.deepEqual(await router.sendAll(shots), expected);
    });

    it(`is taken as a prefix and makes no upcalls (${family.family})`, async () => {
      const [entry] = await router.table.put(
        route('in0', prefix, ['out1']),
        ...others.map((group) => route('in0', group, ['out1'])),
      );
      assert.deepEqual([entry?.state, entry && warningCodes(entry)], ['STATE_PROGRAMMED', ['LINK_LOCAL_GROUP']]);
      assert.deepEqual(await router.sendAll(shots), expected);
      assert.deepEqual(
        (await router.table.mfc()).filter(({ learned }) => learned),
        [],
      );
    });

    it(`is taken from a file and by smcroutectl too (${family.family})`, async () => {
      const [first = '', second = ''] = groups;
      const [other = ''] = others;
      writeFileSync(file, [first, other].map((group) => `mroute from in0 group ${group} to out1\n`).join(''));
      router.agent.ctl('reload');
      assert.deepEqual(control('add', 'in0', second, 'out1'), { status: 0, stderr: '' });
      for (const group of [first, second]) {
        assert.deepEqual(warningCodes(await router.table.entry(route('in0', group, []))), ['LINK_LOCAL_GROUP']);
      }
      assert.deepEqual(await router.sendAll([...groups, other].map((group) => ({ ...shotOf(family), group }))), [
        ...groups.map(() => []),
        ['out1'],
      ]);
    });
  }
});

function shotOf(family: FamilyCase) {
  return { iif: 'in0', source: family.source(1) };
}

/** Runs smcroutectl for the router's agent. */
function control(...words: readonly string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(projectFile('bin/smcroutectl'), ['-u', router.agent.socketPath, ...words], {
    encoding: 'utf8',
    env: plainEnvironment(),
    timeout: 60_000,
  });
  return { status, stderr };
}
