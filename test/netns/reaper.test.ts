// What agents that are gone have left: mrules, on the real kernel.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { findOrphans, removeMrules } from '../../src/supervisor/reaper.js';
import { type Namespace, openNamespace } from '../support/namespaces.js';
import { recordLog } from '../support/recorded-log.js';

const directory = mkdtempSync(join(tmpdir(), 'mcroute-reaper-'));
let blue: Namespace;

before(() => {
  blue = openNamespace('blue');
});

beforeEach(() => {
  for (const family of FAMILIES) {
    for (const rule of RULES) blue.run('ip', [family, ...rule.split(' ')]);
  }
});

afterEach(() => {
  for (const family of FAMILIES) {
    for (const { priority } of rulesOf(family)) {
      blue.run('ip', [family, 'mrule', 'del', 'priority', String(priority)]);
    }
  }
});

after(() => {
  blue[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

/** An agent's own rules, with and without an interface that is there, and what is not ours. */
const RULES = [
  'mrule add iif lo table 5 priority 4000 protocol 77',
  'mrule add oif gone0 table 5 priority 4000 protocol 77',
  'mrule add iif lo table 99999999 priority 4001 protocol 77',
  'mrule add iif lo table 254 priority 4002 protocol 77',
  // The same but for who made it: in the way of a deletion that does not say so.
  'mrule add iif lo table 5 priority 4000 protocol 78',
  'mrule add iif lo table 5 priority 4003',
  'mrule add not iif lo table 6 priority 4004 protocol 77',
] as const;

const FAMILIES = ['-4', '-6'] as const;

interface Rule {
  readonly priority: number;
  readonly table: string;
  readonly protocol?: string;
}

/** All but the kernel's own. */
function rulesOf(family: string): Rule[] {
  const rules = blue.ipJson(`-N ${family} mrule show`) as readonly Rule[];
  return rules.filter(({ priority }) => priority < 32_767);
}

function shown(): string[][] {
  return FAMILIES.map((family) =>
    rulesOf(family).map(({ priority, table, protocol }) => `${priority} ${table} ${protocol ?? '-'}`),
  );
}

describe('removeMrules', () => {
  it("removes the rules of mcroute that lead to the tables, and nobody else's", async () => {
    const { log, lines } = recordLog();
    assert.equal(await removeMrules([5, 99_999_999], blue.netns, log), 6);
    const left = ['4000 5 78', '4002 254 77', '4003 5 -', '4004 6 77'];
    assert.deepEqual(shown(), [left, left]);
    assert.deepEqual(
      lines.map(({ msg, removed }) => [msg, removed]),
      [['mrules that nobody serves were removed', 6]],
    );
    assert.equal(await removeMrules([5, 99_999_999], blue.netns, log), 0);
    assert.equal(await removeMrules([], blue.netns, log), 0);
    assert.equal(lines.length, 1);
  });

  it("removes them in the supervisor's own namespace where none is named", async () => {
    const { log } = recordLog();
    const rule = 'table 5 priority 4000 protocol 77'.split(' ');
    execFileSync('ip', ['mrule', 'add', 'iif', 'lo', ...rule]);
    assert.equal(await removeMrules([5], undefined, log), 1);
    assert.equal(
      execFileSync('ip', ['-json', 'mrule', 'show', 'table', '5'], { encoding: 'utf8' }).includes('77'),
      false,
    );
    assert.equal(await removeMrules([5], blue.netns, log), 4);
  });

  it('warns of a namespace that is gone, and of programs that are not there', async () => {
    const { log, lines } = recordLog();
    assert.equal(await removeMrules([5], 'no-such-netns', log), 0);
    assert.deepEqual([...new Set(lines.map(({ msg }) => msg))], ['mrules cannot be listed']);
    assert.match(String(lines[0]?.['reason']), /no-such-netns/);
    const path = process.env['PATH'];
    process.env['PATH'] = directory;
    try {
      assert.equal(await removeMrules([5], undefined, log), 0);
    } finally {
      process.env['PATH'] = path;
    }
    assert.equal(lines.at(-1)?.['reason'], "'ip' is not installed or not in PATH");
    assert.equal(lines.at(-1)?.['level'], 40);
  });
});

describe('findOrphans', () => {
  it('finds the tables that rules of mcroute lead to and that nobody serves', async () => {
    const { log } = recordLog();
    const search = { tables: new Set([254]), runtimeDirectory: directory, netns: blue.netns };
    assert.deepEqual(await findOrphans(search, log), [5, 6, 99_999_999]);
    // An agent that runs without the supervisor.
    const agent = await listen(join(directory, '5.sock'));
    try {
      assert.deepEqual(await findOrphans(search, log), [6, 99_999_999]);
    } finally {
      agent.close();
    }
    assert.deepEqual(await findOrphans({ ...search, netns: undefined }, log), []);
  });
});

function listen(path: string): Promise<Server> {
  return new Promise((resolve) => {
    const server: Server = createServer((socket) => socket.destroy()).listen(path, () => {
      resolve(server);
    });
  });
}
