// smcroutectl against an agent without a kernel: what it asks, prints and ends with.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { ApiError } from '../../src/api/status.js';
import { runSmcroutectl } from '../../src/cli/smcroute/program.js';
import { parseChanges, Violations } from '../../src/api/parse.js';
import type { Change } from '../../src/api/generated/mcroute/v1/Change.js';
import type { Change__Output } from '../../src/api/generated/mcroute/v1/Change.js';
import { FakeAgent } from '../support/fake-agent.js';
import type { Ended } from '../support/mcctl.js';
import { waitForEvent } from '../support/wait.js';

interface RunOptions {
  readonly stdin?: string | Readable;
  /** Columns of a terminal; no terminal if left out. */
  readonly columns?: number;
}

/** A daemon, and smcroutectl for it. */
interface Host extends AsyncDisposable {
  readonly agent: FakeAgent;
  readonly directory: string;
  /** Methods that were called, in order. */
  readonly calls: string[];
  /** Runs a command; its words stand apart by spaces. */
  readonly run: (words: string, options?: RunOptions) => Promise<Ended>;
  /** Runs the commands of the lines with -b. */
  readonly batch: (...lines: readonly string[]) => Promise<Ended>;
  /** What owners want, as `mroute (*, G) iif -> oifs`. */
  readonly wishes: () => string[];
}

async function openHost(): Promise<Host> {
  const directory = mkdtempSync(join(tmpdir(), 'smcroutectl-'));
  const agent = await FakeAgent.listen(join(directory, 'daemon.sock'));
  const calls: string[] = [];
  agent.events.on('call', (method: string) => calls.push(method));
  const run = (words: string, options: RunOptions = {}) =>
    runControl(['-u', agent.path, ...words.split(' ').filter((word) => word !== '')], options);
  return {
    agent,
    directory,
    calls,
    run,
    batch: (...lines) => run('-b', { stdin: lines.map((line) => `${line}\n`).join('') }),
    wishes: () =>
      agent.table.entries().map(({ resource, owners }) => {
        const oifs = 'oifs' in resource ? resource.oifs.map((oif) => oif.interface) : [];
        const key = agent.table.keys().find((text) => agent.table.keyOf(text) === resource.key) ?? resource.key.kind;
        return [`${owners.join()}:`, key, '->', ...oifs].join(' ');
      }),
    [Symbol.asyncDispose]: async () => {
      await agent[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
}

async function runControl(words: readonly string[], { stdin = '', columns }: RunOptions = {}): Promise<Ended> {
  const stdout = Object.assign(new PassThrough(), columns === undefined ? {} : { isTTY: true, columns });
  const stderr = new PassThrough();
  const texts = Promise.all([textOf(stdout), textOf(stderr)]);
  const input = typeof stdin === 'string' ? Readable.from(stdin === '' ? [] : [stdin]) : stdin;
  const status = await runSmcroutectl(words, { stdin: input, stdout, stderr, version: '0.9.0' });
  stdout.end();
  stderr.end();
  const [printed, told] = await texts;
  return { status, stdout: printed, stderr: told };
}

async function textOf(stream: PassThrough): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

/** Makes another owner want something. */
function wishAs({ agent }: Host, owner: string, change: Change): void {
  const violations = new Violations();
  const changes = parseChanges([{ id: '0', ...change } as Change__Output], violations);
  violations.throwIfAny();
  agent.table.apply(owner, changes, { validateOnly: false, strict: false, expectedRevision: undefined });
}

const FILE_ROUTE: Change = {
  put: {
    mroute: {
      key: { iif: 'a1', source: '', group: '225.1.1.1' },
      oifs: [{ interface: 'a2' }],
      except: [],
      deny: false,
      label: '',
    },
  },
};

const DONE = { status: 0, stdout: '', stderr: '' };

function failed(...lines: readonly string[]): Ended {
  return { status: 1, stdout: '', stderr: lines.map((line) => `smcroutectl: ${line}\n`).join('') };
}

describe('smcroutectl add and remove', () => {
  it('make a route, extend it, trim it and take it away', async () => {
    await using host = await openHost();
    const { run, wishes } = host;
    assert.deepEqual(await run('add a1 225.1.1.1 a2'), DONE);
    assert.deepEqual(await run('add a1 225.1.1.1 a3'), DONE);
    assert.deepEqual(wishes(), ['cli: mroute (*, 225.1.1.1) a1 -> a2 a3']);
    assert.deepEqual(await run('remove a1 225.1.1.1 a3'), DONE);
    assert.deepEqual(wishes(), ['cli: mroute (*, 225.1.1.1) a1 -> a2']);
    assert.deepEqual(await run('rem a1 225.1.1.1 a2'), DONE);
    assert.deepEqual(wishes(), ['cli: mroute (*, 225.1.1.1) a1 ->']);
    assert.deepEqual(await run('del a1 225.1.1.1'), DONE);
    assert.deepEqual(wishes(), []);
  });

  it('fail where there is no such route, and skip oifs that it does not have', async () => {
    await using host = await openHost();
    const { run, wishes } = host;
    assert.deepEqual(await run('remove a1 225.1.1.1'), failed('No route (*,225.1.1.1) from a1 to remove'));
    assert.deepEqual(
      await run('remove a1 10.0.0.5 225.1.1.1 a2'),
      failed('No route (10.0.0.5,225.1.1.1) from a1 to remove'),
    );
    await run('add a1 225.1.1.1 a2');
    assert.deepEqual(await run('remove a1 225.1.1.1 a9 a2'), DONE);
    assert.deepEqual(await run('remove a1 225.1.1.1 a9'), DONE);
    assert.deepEqual(wishes(), ['cli: mroute (*, 225.1.1.1) a1 ->']);
  });

  it('fail where packets would go on to leave there', async () => {
    await using host = await openHost();
    const { run } = host;
    await run('add a1 225.1.1.1 eth+');
    wishAs(host, 'config', FILE_ROUTE);
    assert.deepEqual(await run('remove a1 225.1.1.1 eth3'), failed('(*,225.1.1.1) has eth3 by the wildcard eth+'));
    const inFile = 'in the configuration file: change that and reload';
    assert.deepEqual(await run('remove a1 225.1.1.1 a2'), failed(`a2 of route (*,225.1.1.1) is ${inFile}`));
    await run('remove a1 225.1.1.1');
    assert.deepEqual(
      await run('remove a1 225.1.1.1'),
      failed(`No route (*,225.1.1.1) from a1 to remove: it is ${inFile}`),
    );
  });

  it('take routes that wait, and tell of those that the kernel refuses', async () => {
    await using host = await openHost();
    const { agent, run } = host;
    agent.table.absent.add('wg0');
    agent.table.refused.add('a9');
    assert.deepEqual(await run('add wg0 225.1.1.1 a2'), DONE);
    assert.deepEqual(await run('add a9 225.1.1.1 a2'), failed('the kernel has no memory for it'));
  });

  it('ask whose the routes are, and then once to add', async () => {
    await using host = await openHost();
    await host.run('add a1 225.1.1.1 a2');
    assert.deepEqual(host.calls, ['GetCapabilities', 'Apply']);
    assert.deepEqual(host.wishes(), ['cli: mroute (*, 225.1.1.1) a1 -> a2']);
  });

  it('change what the file says where the daemon says so', async () => {
    await using host = await openHost();
    host.agent.commandOwner = 'config';
    const route = { key: { iif: 'a1', source: '', group: '225.1.1.1' }, oifs: [{ interface: 'a2' }] };
    wishAs(host, 'config', { put: { mroute: { ...route, except: [], deny: false, label: '' } } });
    assert.deepEqual(await host.run('add a1 225.1.1.1 a3'), DONE);
    assert.deepEqual(host.wishes(), ['config: mroute (*, 225.1.1.1) a1 -> a2 a3']);
    assert.deepEqual(await host.run('remove a1 225.1.1.1'), DONE);
    assert.deepEqual(host.wishes(), []);
    assert.deepEqual(await host.run('join a1 225.1.1.1'), DONE);
    assert.deepEqual(await host.run('join a1 225.1.1.1'), failed('Already joined (*,225.1.1.1) on a1'));
    assert.deepEqual(await host.run('leave a1 225.1.1.1'), DONE);
  });
});

describe('smcroutectl join and leave', () => {
  it('join once and leave once', async () => {
    await using host = await openHost();
    const { run, wishes } = host;
    assert.deepEqual(await run('join a1 10.0.0.0/30 232.1.1.0/24'), DONE);
    assert.deepEqual(wishes(), ['cli: membership (10.0.0.0/30, 232.1.1.0/24) a1 ->']);
    assert.deepEqual(
      await run('join a1 10.0.0.0/30 232.1.1.0/24'),
      failed('Already joined (10.0.0.0/30,232.1.1.0/24) on a1'),
    );
    assert.deepEqual(await run('leave a1 10.0.0.0/30 232.1.1.0/24'), DONE);
    assert.deepEqual(wishes(), []);
    assert.deepEqual(
      await run('leave a1 10.0.0.0/30 232.1.1.0/24'),
      failed('No group (10.0.0.0/30,232.1.1.0/24) on a1 to leave'),
    );
  });

  it('know what is joined by the configuration file', async () => {
    await using host = await openHost();
    wishAs(host, 'config', {
      put: { membership: { key: { interface: 'a1', source: '', group: '225.1.1.1' }, label: '' } },
    });
    assert.deepEqual(await host.run('join a1 225.1.1.1'), failed('Already joined (*,225.1.1.1) on a1'));
    assert.deepEqual(
      await host.run('leave a1 225.1.1.1'),
      failed('No group (*,225.1.1.1) on a1 to leave: it is in the configuration file: change that and reload'),
    );
  });

  it('take a wildcard for the interfaces that are there', async () => {
    await using host = await openHost();
    const { agent, run, wishes } = host;
    const status = { up: true, multicast: true };
    agent.interfaces = [
      { name: 'eth0', ifindex: 2, ...status },
      { name: 'eth1', ifindex: 3, ...status },
      { name: 'eth2', ifindex: 4, up: false, multicast: true },
      { name: 'eth3', ifindex: 0, ...status },
      { name: 'lo', ifindex: 1, ...status },
    ];
    assert.deepEqual(await run('join eth+ 225.1.1.1'), DONE);
    assert.deepEqual(wishes(), ['cli: membership (*, 225.1.1.1) eth0 ->', 'cli: membership (*, 225.1.1.1) eth1 ->']);
    assert.deepEqual(await run('join eth+ 225.1.1.1'), failed('Already joined (*,225.1.1.1) on eth+'));
    assert.deepEqual(await run('join wg+ 225.1.1.1'), failed('no interface matches wg+'));
    assert.deepEqual(await run('leave eth+ 225.1.1.1'), DONE);
    assert.deepEqual(wishes(), []);
  });
});

describe('smcroutectl show', () => {
  /** A table with something of everything. */
  async function openTable(): Promise<Host> {
    const host = await openHost();
    const { agent, batch } = host;
    agent.table.absent.add('wg0');
    agent.packets = '42';
    agent.interfaces = [
      { name: 'a1', ifindex: 2, ipv4Vif: 0, ipv6Vif: 1 },
      { name: 'lo', ifindex: 1 },
      { name: 'wg0', ifindex: 0 },
    ];
    agent.mfc = [
      {
        source: '10.0.0.1',
        group: '225.77.0.1',
        iif: 'a1',
        oifs: [],
        counters: { packets: '3', bytes: '180', wrongIf: '0' },
      },
    ];
    const { stderr } = await batch(
      'add a1 225.3.4.0/24 a2 a3 wg0',
      'add a1 10.0.0.5 225.4.4.4 a2',
      'add a1 10.0.0.0/8 225.4.4.4 a2',
      'add wg0 239.5.5.5 a2',
      'join a1 225.1.1.0/31',
      'join a1 10.0.0.8/31 232.1.1.1',
      'join wg0 225.9.9.9',
    );
    assert.equal(stderr, '');
    return host;
  }

  const TABLES: Record<string, readonly string[]> = {
    '-t show': [
      '(10.0.0.0/8, 225.4.4.4)                    a1   a2',
      '(*, 225.3.4.0/24)                          a1   a2 a3',
      '(10.0.0.5, 225.4.4.4)                      a1   a2',
      '(10.0.0.1, 225.77.0.1)                     a1  ',
    ],
    '-td s r': [
      '(10.0.0.0/8, 225.4.4.4)                    a1          42         64  a2',
      '(*, 225.3.4.0/24)                          a1          42         64  a2 a3',
      '(10.0.0.5, 225.4.4.4)                      a1          42         64  a2',
      '(10.0.0.1, 225.77.0.1)                     a1           3        180 ',
    ],
    '-t s g': ['(*, 225.1.1.0/31)                          a1', '(10.0.0.8/31, 232.1.1.1)                   a1'],
    '-d -t s g': [
      '(*, 225.1.1.0/31)                          a1',
      '(10.0.0.8/31, 232.1.1.1)                   a1',
      '(*, 225.1.1.0)                             a1',
      '(*, 225.1.1.1)                             a1',
      '(10.0.0.8, 232.1.1.1)                      a1',
      '(10.0.0.9, 232.1.1.1)                      a1',
    ],
    '-t show i': ['     1 lo      N/A  N/A', '     2 a1        0    1'],
    'show p -t': [
      'mgroup  from wg0 group 225.9.9.9',
      'mroute  from a1 group 225.3.4.0/24 to a2 a3 wg0',
      'mroute  from wg0 group 239.5.5.5 to a2',
    ],
  };

  for (const [words, lines] of Object.entries(TABLES)) {
    it(`${words} has a row each, and an empty line at the end`, async () => {
      await using host = await openTable();
      const { status, stdout, stderr } = await host.run(words);
      assert.deepEqual([status, stderr], [0, '']);
      assert.equal(stdout.endsWith('\n\n'), true);
      assert.deepEqual(stdout.trimEnd().split('\n').sort(), lines.map((line) => line.trimEnd()).sort());
    });
  }

  const asm = [
    { source: '10.0.0.0/8', group: '225.4.4.4', iif: 'a1', oifs: ['a2'] },
    { source: null, group: '225.3.4.0/24', iif: 'a1', oifs: ['a2', 'a3'] },
  ];
  const DOCUMENTS: Record<string, unknown> = {
    'show -j': {
      routes: {
        asm,
        ssm: [{ source: '10.0.0.5', group: '225.4.4.4', iif: 'a1', oifs: ['a2'] }],
        kernel: [{ source: '10.0.0.1', group: '225.77.0.1', iif: 'a1', oifs: [] }],
      },
    },
    '-j show groups': {
      groups: {
        conf: [
          { source: null, group: '225.1.1.0/31', iif: 'a1' },
          { source: '10.0.0.8/31', group: '232.1.1.1', iif: 'a1' },
        ],
        kernel: [
          { source: null, group: '225.1.1.0', iif: 'a1' },
          { source: null, group: '225.1.1.1', iif: 'a1' },
          { source: '10.0.0.8', group: '232.1.1.1', iif: 'a1' },
          { source: '10.0.0.9', group: '232.1.1.1', iif: 'a1' },
        ],
      },
    },
    '-dj show interfaces': {
      interfaces: [
        { index: 1, name: 'lo', vif: null, mif: null },
        { index: 2, name: 'a1', vif: 0, mif: 1 },
      ],
    },
    '-j show pending': {
      pending: [
        { kind: 'mgroup', iif: 'wg0', source: null, group: '225.9.9.9', oifs: [] },
        { kind: 'mroute', iif: 'a1', source: null, group: '225.3.4.0/24', oifs: ['a2', 'a3', 'wg0'] },
        { kind: 'mroute', iif: 'wg0', source: null, group: '239.5.5.5', oifs: ['a2'] },
      ],
    },
  };

  for (const [words, document] of Object.entries(DOCUMENTS)) {
    it(`${words} is one line of JSON`, async () => {
      await using host = await openTable();
      const { status, stdout } = await host.run(words);
      assert.equal(status, 0);
      assert.match(stdout, /^[^\n]+\n$/);
      assert.deepEqual(sorted(JSON.parse(stdout)), sorted(document));
      // Keys stand in the order that is documented.
      assert.equal(JSON.stringify(sorted(JSON.parse(stdout))), JSON.stringify(sorted(document)));
    });
  }

  it('has the same keys in JSON where there is nothing', async () => {
    await using host = await openHost();
    const document = async (noun: string) => (await host.run(`-j show ${noun}`)).stdout;
    assert.equal(await document('routes'), '{"routes":{"asm":[],"ssm":[],"kernel":[]}}\n');
    assert.equal(await document('groups'), '{"groups":{"conf":[],"kernel":[]}}\n');
    assert.equal(await document('interfaces'), '{"interfaces":[]}\n');
    assert.equal(await document('pending'), '{"pending":[]}\n');
  });

  it('unites what several owners want of one route', async () => {
    await using host = await openHost();
    wishAs(host, 'config', FILE_ROUTE);
    await host.run('add a1 225.1.1.1 a3');
    assert.match((await host.run('-t show')).stdout, /^\(\*, 225\.1\.1\.1\) +a1 {3}a2 a3\n\n$/);
  });

  it('has headings in reverse video on a terminal alone, and not with -p', async () => {
    await using host = await openTable();
    const onTerminal = (await host.run('show i', { columns: 100 })).stdout;
    assert.equal(onTerminal.split('\n')[0], `\u001b[7m${' INDEX PHYINT  VIF  MIF'.padEnd(99)}\u001b[0m`);
    // A terminal without a window has no columns.
    assert.ok(
      (await host.run('show i', { columns: 0 })).stdout.startsWith(
        `\u001b[7m${' INDEX PHYINT  VIF  MIF'.padEnd(79)}\u001b[0m\n`,
      ),
    );
    const plain = `${'='.repeat(79)}\n INDEX PHYINT  VIF  MIF\n`;
    assert.ok((await host.run('show i')).stdout.startsWith(plain));
    assert.ok((await host.run('-p show i', { columns: 100 })).stdout.startsWith(plain));
  });

  it('asks for counters only where it shows them', async () => {
    await using host = await openHost();
    const views: string[] = [];
    host.agent.events.on('call', (method: string, call: { readonly request: { readonly view: string } }) => {
      if (method.startsWith('List') && method !== 'ListInterfaces') views.push(call.request.view);
    });
    await host.run('show');
    await host.run('-d show');
    assert.deepEqual(views, ['VIEW_BASIC', 'VIEW_BASIC', 'VIEW_FULL', 'VIEW_FULL']);
  });
});

/** With every list in an order that does not depend on the daemon's. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, sorted(one)]));
}

describe('smcroutectl -b', () => {
  it('makes one call of what follows each other, with a result for each line', async () => {
    await using host = await openHost();
    const { batch, calls, wishes } = host;
    const lines = Array.from({ length: 1_000 }, (_unused, i) => `add a1 225.1.${i >> 8}.${i & 255} a2`);
    assert.deepEqual(await batch(...lines), DONE);
    assert.deepEqual(calls, ['GetCapabilities', 'Apply']);
    assert.equal(wishes().length, 1_000);
    calls.length = 0;
    assert.deepEqual(
      await batch('remove a1 225.1.0.0', 'remove a1 225.1.0.0', 'remove a1 225.9.9.9', 'remove a1 225.1.0.1'),
      failed('No route (*,225.1.0.0) from a1 to remove', 'No route (*,225.9.9.9) from a1 to remove'),
    );
    assert.deepEqual(calls, ['GetCapabilities', 'List', 'Apply']);
    assert.equal(wishes().length, 998);
  });

  it('makes several calls of very many, and tells what fails in the order of the lines', async () => {
    await using host = await openHost();
    const { agent, batch, calls, wishes } = host;
    agent.table.refused.add('a9');
    const lines = Array.from({ length: 5_500 }, (_unused, i) => {
      const group = `225.1.${i >> 8}.${i & 255}`;
      if (i % 1_000 === 500) return `add a1 ${group} ${'x'.repeat(15)}${i}`;
      // What one call refuses does not keep the others of that call from being done.
      const oifs = i === 2_700 ? Array.from({ length: 65 }, (_none, n) => `b${n}`) : ['a2'];
      return `add ${i % 1_000 === 900 ? 'a9' : 'a1'} ${group} ${oifs.join(' ')}`;
    });
    const { status, stderr } = await batch(...lines);
    assert.equal(status, 1);
    const told = stderr.trimEnd().split('\n');
    const tooLong = (i: number) => `smcroutectl: 'xxxxxxxxxxxxxxx${i}' cannot be the name of an interface`;
    const refused = 'smcroutectl: the kernel has no memory for it';
    assert.deepEqual(
      told.filter((line) => !line.includes('65 oifs')),
      [500, 1_500, 2_500, 3_500, 4_500].flatMap((i) => [tooLong(i), refused]),
    );
    assert.equal(
      told.findIndex((line) => line.includes('65 oifs')),
      5,
    );
    assert.equal(wishes().length, 5_500 - 5 - 1);
    assert.equal(calls.filter((method) => method === 'GetCapabilities').length, 1);
    assert.equal(calls.includes('List'), false);
  });

  it('waits for what it has added before it looks what there is', async () => {
    await using host = await openHost();
    const { batch, calls, wishes } = host;
    const groups = Array.from({ length: 2_500 }, (_unused, i) => `225.1.${i >> 8}.${i & 255}`);
    const lines = [...groups.map((group) => `add a1 ${group} a2`), ...groups.map((group) => `remove a1 ${group}`)];
    assert.deepEqual(await batch(...lines), DONE);
    assert.deepEqual(wishes(), []);
    assert.equal(calls.filter((method) => method === 'List').length, 1);
  });

  it('sees what its own lines have made', async () => {
    await using host = await openHost();
    const { batch, calls, wishes } = host;
    const result = await batch(
      'add a1 225.1.1.1 a2 a3',
      'remove a1 225.1.1.1 a3',
      'join a1 225.1.1.1',
      'join a1 225.1.1.1',
      'leave a1 225.1.1.1',
      'leave a1 225.1.1.1',
      'add a1 225.1.1.2 a2',
      'remove a1 225.1.1.2',
    );
    assert.deepEqual(result, failed('Already joined (*,225.1.1.1) on a1', 'No group (*,225.1.1.1) on a1 to leave'));
    assert.deepEqual(calls, ['GetCapabilities', 'List', 'Apply']);
    assert.deepEqual(wishes(), ['cli: mroute (*, 225.1.1.1) a1 -> a2']);
  });

  it('leaves out empty lines and comments, and takes spaces and tabs', async () => {
    await using host = await openHost();
    const { batch, wishes } = host;
    assert.deepEqual(await batch('# routes', '', '   ', '  add\ta1  225.1.1.1 a2   # and why', '\t# x'), DONE);
    assert.deepEqual(wishes(), ['cli: mroute (*, 225.1.1.1) a1 -> a2']);
  });

  it('takes a last line without its end, and lines with CR LF', async () => {
    await using host = await openHost();
    assert.deepEqual(await host.run('-b', { stdin: 'add a1 225.1.1.1 a2\r\nadd a1 225.1.1.2 a2' }), DONE);
    assert.equal(host.wishes().length, 2);
  });

  it('goes on after errors of any kind, and tells them in the order of the lines', async () => {
    await using host = await openHost();
    const { batch, wishes } = host;
    const { status, stdout, stderr } = await batch(
      'add a1 225.1.1.1 a2',
      'remove a1 225.9.9.9',
      'nonsense',
      'add a1',
      'add a1 10.0.0.1 10.0.0.2 a2',
      'help flush',
      `add a1 225.1.1.2 ${Array.from({ length: 65 }, (_unused, i) => `b${i}`).join(' ')}`,
      'add a1 225.1.1.3 a2',
    );
    assert.equal(status, 1);
    const told = stderr.trimEnd().split('\n');
    assert.equal(told.length, 5, stderr);
    for (const [index, pattern] of [
      /^smcroutectl: No route \(\*,225\.9\.9\.9\)/,
      /^smcroutectl: There is no command 'nonsense'/,
      /^smcroutectl: Not enough arguments to command add$/,
      /^smcroutectl: invalid multicast group: 10\.0\.0\.2$/,
      /^smcroutectl: .*65 oifs/,
    ].entries()) {
      assert.match(told[index] ?? '', pattern);
    }
    assert.match(stdout, /^Help:\n {2}add a route[^]*Help:\n {2}drop the routes/);
    assert.deepEqual(wishes(), ['cli: mroute (*, 225.1.1.1) a1 -> a2', 'cli: mroute (*, 225.1.1.3) a1 -> a2']);
  });

  it('does what comes before a command that shows, and shows it', async () => {
    await using host = await openHost();
    const { stdout } = await host.run('-bt', { stdin: 'add a1 225.1.1.1 a2\nshow\nremove a1 225.1.1.1\nshow\n' });
    assert.equal(stdout, '(*, 225.1.1.1)                             a1   a2\n\n');
    assert.deepEqual(host.wishes(), []);
  });

  it('does not keep back the commands of somebody who waits', async () => {
    await using host = await openHost();
    const stdin = new PassThrough();
    const done = host.run('-b', { stdin });
    const called = waitForEvent(host.agent.events, 'call');
    stdin.write('add a1 225.1.1.1 a2\n');
    await called;
    stdin.end('add a1 225.1.1.2 a2\n');
    assert.deepEqual(await done, DONE);
    assert.equal(host.wishes().length, 2);
  });

  it('tells once that there is no daemon, and reads no further', async () => {
    await using host = await openHost();
    host.agent.stop();
    const stdin = new PassThrough();
    stdin.write('add a1 225.1.1.1 a2\nadd a1 225.1.1.2 a2\n');
    const { status, stderr } = await host.run('-b', { stdin });
    assert.equal(status, 1);
    assert.equal(stderr.match(/Failed connecting to daemon: /g)?.length, 1);
    assert.ok(stdin.destroyed);
  });

  it('needs no daemon for no commands', async () => {
    assert.deepEqual(await runControl(['-u', '/nowhere/x.sock', '-b'], { stdin: '# nothing\n' }), DONE);
  });

  it('goes on when the daemon refuses a reload', async () => {
    await using host = await openHost();
    host.agent.failure = new ApiError('CONFIGURATION', 'x.conf:1:1: what\nx.conf:2:1: how');
    const { status, stderr } = await host.batch('reload', 'flush');
    assert.equal(status, 1);
    assert.equal(stderr, 'smcroutectl: x.conf:1:1: what\nsmcroutectl: x.conf:2:1: how\n'.repeat(2));
  });

  it('refuses a line without an end', async () => {
    const { status, stderr } = await runControl(['-b'], { stdin: 'x'.repeat(100_000) });
    assert.deepEqual([status, stderr], [1, 'smcroutectl: a line has more than 65536 characters\n']);
  });
});

describe('smcroutectl', () => {
  for (const [words, method] of Object.entries({
    flush: 'Flush',
    reload: 'Reload',
    kill: 'Stop',
    k: 'Stop',
    f: 'Flush',
  })) {
    it(`${words} calls ${method} and is silent`, async () => {
      await using host = await openHost();
      assert.deepEqual(await host.run(words), DONE);
      assert.deepEqual(host.calls, [method]);
    });
  }

  it('says of a socket that is not there that it is not, and of one that nobody serves', async () => {
    await using host = await openHost();
    const { agent, directory, run } = host;
    agent.stop();
    const left = join(directory, 'file');
    writeFileSync(left, '');
    const missing = join(directory, 'missing.sock');
    const result = await runControl(['-u', missing, 'show']);
    assert.deepEqual(
      result,
      failed(`Cannot find IPC socket ${missing}`, 'Failed connecting to daemon: No such file or directory'),
    );
    assert.deepEqual(
      await runControl(['-u', left, 'flush']),
      failed('Failed connecting to daemon: Connection refused'),
    );
    assert.match((await run('show')).stderr, /Failed connecting to daemon: No such file or directory\n$/);
  });

  it('finds the socket of an identity in /run', async () => {
    const { status, stderr } = await runControl(['-i', 'no-such-identity', 'show']);
    assert.equal(status, 1);
    assert.match(stderr, /^smcroutectl: Cannot find IPC socket \/run\/no-such-identity\.sock\n/);
  });

  it('tells what the daemon refuses', async () => {
    await using host = await openHost();
    host.agent.failure = new ApiError('STORAGE', 'the disk is full');
    assert.deepEqual(await host.run('add a1 225.1.1.1 a2'), failed('the disk is full'));
    assert.deepEqual(await host.run('show'), failed('the disk is full'));
    assert.deepEqual(host.calls, ['GetCapabilities', 'ListMfc']);
  });

  it('needs no daemon for help and the version', async () => {
    for (const words of ['help', '-h', 'h', '-x', 'help add', 'version', '-v']) {
      const { status, stdout, stderr } = await runControl(['-u', '/nowhere/x.sock', ...words.split(' ')]);
      const isWrong = words === '-x';
      assert.deepEqual([status, stderr], isWrong ? [1, "smcroutectl: invalid option -- 'x'\n"] : [0, '']);
      assert.match(
        stdout,
        words === 'help add' ? /^Help:\n[^]* add IIF / : words.includes('v') ? /0\.9\.0/ : /^Usage:\n/,
      );
    }
  });

  it('has the help of a command under what is wrong with it', async () => {
    const { status, stdout, stderr } = await runControl(['-u', '/nowhere/x.sock', 'join', 'a1']);
    assert.deepEqual([status, stderr], [1, 'smcroutectl: Not enough arguments to command join\n']);
    assert.equal(
      stdout,
      `Help:
  join a group on an interface

Usage:
  smcroutectl join IIF [SOURCE[/LEN]] GROUP[/LEN]

Example:
  smcroutectl join eth0 239.1.1.1

`,
    );
  });
});
