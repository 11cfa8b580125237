// The command line against a real agent, as a person uses it.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { type Result, mcctl } from '../support/agent.js';
import { startMcctl } from '../support/mcctl.js';
import { waitForExit, waitForLine } from '../support/wait.js';
import { type Router, TABLE, openRouter } from './router.js';
import { TableClient, membership, route } from './table-client.js';

let router: Router;

before(async () => {
  router = await openRouter();
});

after(() => {
  router[Symbol.dispose]();
});

afterEach(async () => {
  await router.table.clear(['cli', 'config']);
});

/** Runs mcctl with a file on its standard input. */
function withInput(input: string, ...args: readonly string[]): Result {
  return mcctl(router.namespace, ['--table', String(TABLE), ...args], input);
}

const SHOT = { iif: 'in0', source: '10.50.0.1', group: '239.1.1.1' };

describe('mcctl add and remove', () => {
  it('make the kernel forward, extend a rule, and take it away', async () => {
    assert.deepEqual(router.agent.mcctl('add', 'in0', SHOT.group, 'out1'), { status: 0, stdout: '', stderr: '' });
    assert.deepEqual(await router.send(SHOT), ['out1']);
    router.agent.ctl('add', 'in0', SHOT.group, 'out2@9');
    assert.deepEqual(await router.sendAll([SHOT, { ...SHOT, ttl: 9 }]), [['out1', 'out2'], ['out1']]);
    router.agent.ctl('remove', 'in0', SHOT.group, 'out1');
    assert.deepEqual(await router.send(SHOT), ['out2']);
    router.agent.ctl('remove', 'in0', SHOT.group);
    assert.deepEqual(await router.send(SHOT), []);
    assert.deepEqual(await router.table.entries(), []);
  });

  it('take IPv6, sources, exceptions and denials', async () => {
    router.agent.ctl('add', 'in0', '2001:db8:50::/64', 'ff1e::/16', 'out+', '--except', '2001:db8:50::7');
    router.agent.ctl('add', 'in0', 'ff1e::2', '--deny', '--label', 'not ours');
    const from = (source: string, group: string) => ({ iif: 'in0', source, group });
    assert.deepEqual(
      await router.sendAll([
        from('2001:db8:50::1', 'ff1e::1'),
        from('2001:db8:50::7', 'ff1e::1'),
        from('2001:db8:50::1', 'ff1e::2'),
      ]),
      [['out1', 'out2'], [], []],
    );
  });

  it('tell what waits and what is regrettable on stderr, and refuse that with --strict', () => {
    const pending = router.agent.mcctl('add', 'in0', '239.1.1.1', 'out9');
    assert.equal(pending.status, 0);
    assert.match(pending.stderr, /^pending: route \(\*, 239\.1\.1\.1\) in0: there is no interface 'out9'/);
    const loop = router.agent.mcctl('add', 'in0', '239.1.1.2', 'in0');
    assert.equal(loop.status, 0);
    assert.match(loop.stderr, /^warning: LOOP: /);
    const strict = router.agent.mcctl('add', '--strict', 'in0', '239.1.1.3', 'in0');
    assert.notEqual(strict.status, 0);
    assert.match(strict.stderr, /LOOP/);
    assert.doesNotMatch(router.agent.ctl('show'), /239\.1\.1\.3/);
  });

  it('tell what is wrong with every word, and what is not there', () => {
    const wrong = router.agent.mcctl('add', 'in0', '10.0.0.1', '10.1.1.1', 'out1');
    assert.equal(wrong.status, 65);
    assert.match(wrong.stderr, /10\.1\.1\.1/);
    const absent = router.agent.mcctl('remove', 'in0', '239.1.1.9');
    assert.equal(absent.status, 1);
    assert.match(absent.stderr, /owner 'cli' has no mroute \(\*, 239\.1\.1\.9\) in0/);
    const nobody = mcctl(router.namespace, ['--table', '4711', 'show']);
    assert.equal(nobody.status, 69);
  });

  it('only look with --dry-run', async () => {
    const { status, stdout } = router.agent.mcctl('add', '--dry-run', 'in0', SHOT.group, 'out1');
    assert.equal(status, 0);
    assert.match(stdout, /add/);
    assert.deepEqual(await router.table.entries(), []);
    assert.deepEqual(await router.send(SHOT), []);
  });
});

describe('mcctl join and leave', () => {
  it('join and leave groups of the router itself', () => {
    const groups = () => JSON.stringify(router.namespace.ipJson('maddress show dev in0'));
    router.agent.ctl('join', 'in0', '239.5.0.1');
    router.agent.ctl('join', 'in0', '2001:db8::1', 'ff3e::5');
    assert.match(groups(), /"239\.5\.0\.1".*"ff3e::5"/);
    const shown = router.agent.ctl('show', 'groups');
    assert.match(shown, /^\(\*, 239\.5\.0\.1\) +in0 +programmed +cli$/m);
    assert.match(shown, /^\(2001:db8::1, ff3e::5\) +in0 +programmed +cli$/m);
    router.agent.ctl('leave', 'in0', '239.5.0.1');
    router.agent.ctl('leave', 'in0', '2001:db8::1', 'ff3e::5');
    assert.doesNotMatch(groups(), /239\.5\.0\.1|ff3e::5/);
  });
});

describe('mcctl show', () => {
  const documents: Record<string, RegExp> = {
    routes: /^\(\*, 239\.1\.1\.1\) +in0 +out1 +programmed +cli$/m,
    groups: /^\(\*, 239\.5\.0\.1\) +in0 +programmed +cli$/m,
    interfaces: /^in0 +\d+ +\d+ .*veth$/m,
    pending: /^route \(\*, 239\.1\.1\.2\) in0 +out9 +pending +cli/m,
    rules: /^ipv4 +4000 +iif in0 +123 +mcroute /m,
    mfc: /^\(10\.50\.0\.1, 239\.1\.1\.3\) +in0 +\(none\) +learned +1 /m,
  };

  for (const [noun, line] of Object.entries(documents)) {
    it(`${noun} tells what is there as a table and as JSON`, async () => {
      await router.table.put(
        route('in0', '239.1.1.1', ['out1'], { label: 'news' }),
        route('in0', '239.1.1.2', ['out9']),
        membership('in0', '239.5.0.1'),
      );
      await router.send({ ...SHOT, group: '239.1.1.3' });
      assert.match(router.agent.ctl('show', noun), line);
      const json: unknown = JSON.parse(router.agent.ctl('show', noun, '-o', 'json'));
      assert.ok(typeof json === 'object' && json !== null && noun in json);
    });
  }

  it('-o yaml has what -o json has, and -o wide the counters and the label', async () => {
    await router.table.put(route('in0', SHOT.group, ['out1'], { label: 'news' }));
    const json: unknown = JSON.parse(router.agent.ctl('show', '-o', 'json'));
    assert.deepEqual(parse(router.agent.ctl('show', '-o', 'yaml')), json);
    await router.sendAll([SHOT, SHOT, SHOT]);
    assert.match(
      router.agent.ctl('show', '-o', 'wide'),
      /^\(\*, 239\.1\.1\.1\) +in0 +out1 +programmed +cli +any-source \(any-source\) +3 +120 +0 +news +-$/m,
    );
  });
});

describe('mcctl flush', () => {
  it('drops learned flows and says how many', async () => {
    await router.table.put(route('in0', '239.1.0.0/16', ['out1']));
    await router.sendAll([1, 2, 3].map((n) => ({ ...SHOT, group: `239.1.1.${n}` })));
    assert.equal(router.agent.ctl('flush'), '3 learned flows dropped\n');
    assert.equal(router.agent.ctl('flush'), '0 learned flows dropped\n');
  });
});

describe('mcctl apply, diff and export', () => {
  const FILE = `
routes:
  - iif: in0
    group: 239.1.1.1
    oifs: [out1, { interface: out2, ttl_threshold: 9 }]
    label: news
  - iif: in0
    source: 2001:db8::/32
    group: ff1e::/16
    oifs: [out+]
    except: [2001:db8::7]
joins:
  - interface: in0
    group: 239.5.0.0/30
interfaces:
  - name: out1
    ttl_threshold: 5
`;

  it('bring the table to what a file says, and tell the difference before', async () => {
    assert.equal(withInput(FILE, 'diff', '-f', '-').status, 1);
    const applied = withInput(FILE, 'apply', '-f', '-');
    assert.deepEqual([applied.status, applied.stderr], [0, '']);
    assert.equal((await router.table.entries()).length, 4);
    assert.deepEqual(await router.sendAll([{ ...SHOT, ttl: 9 }, { ...SHOT, ttl: 5 }, SHOT]), [
      ['out1'],
      [],
      ['out1', 'out2'],
    ]);
    assert.deepEqual(withInput(FILE, 'diff', '-f', '-'), { status: 0, stdout: '', stderr: '' });
  });

  it('remove with --prune what the owner has and the file does not, and nothing of others', async () => {
    await router.table.put(route('in0', '239.1.1.9', ['out1']));
    await router.table.as('config').put(route('in0', '239.1.1.8', ['out1']));
    withInput(FILE, 'apply', '-f', '-');
    const pruned = FILE.slice(0, FILE.indexOf('joins:'));
    const difference = withInput(pruned, 'diff', '-f', '-', '--prune');
    assert.equal(difference.status, 1);
    assert.match(difference.stdout, /^-.*239\.1\.1\.9/m);
    assert.doesNotMatch(difference.stdout, /239\.1\.1\.8/);
    assert.equal(withInput(pruned, 'apply', '-f', '-', '--prune').status, 0);
    const groups = (await router.table.entries()).map(({ resource }) => resource?.mroute?.key?.group);
    assert.deepEqual(groups.sort(), ['239.1.1.1', '239.1.1.8', 'ff1e::/16']);
  });

  it('round-trip: an exported table applied to another owner is the same', async () => {
    withInput(FILE, 'apply', '-f', '-');
    const exported = router.agent.ctl('export');
    assert.deepEqual(JSON.parse(router.agent.ctl('export', '-o', 'json')), parse(exported));
    const applied = withInput(exported, '--owner', 'config', 'apply', '-f', '-');
    assert.equal(applied.status, 0);
    const entries = await router.table.entries();
    // The same content, so that each entry has both owners.
    assert.deepEqual(new Set(entries.map(({ owners }) => owners.join())), new Set(['cli,config']));
    assert.equal(entries.length, 4);
  });

  it('change nothing when one line is wrong, and say which', async () => {
    const wrong = FILE.replace('group: ff1e::/16', 'group: 10.0.0.1');
    const { status, stderr } = withInput(wrong, 'apply', '-f', '-');
    assert.equal(status, 65);
    assert.match(stderr, /routes\[1\]|line 1\d|10\.0\.0\.1/);
    assert.deepEqual(await router.table.entries(), []);
  });
});

describe('mcctl watch', () => {
  it('shows what there is, then changes as they come, until the agent stops', async () => {
    const agent = await router.startAgent({ table: 124 });
    const table = new TableClient(agent);
    await table.put(route('in1', '239.1.1.1', ['out2']));
    const watch = startMcctl(['--socket', agent.socketPath, 'watch']);
    await waitForLine(watch.stdout, /^\+ .*\(\*, 239\.1\.1\.1\).*programmed/);
    const changed = waitForLine(watch.stdout, /^\+ .*\(\*, ff1e::1\).*programmed/);
    await table.put(route('in1', 'ff1e::1', ['out2']));
    await changed;
    const gone = waitForLine(watch.stdout, /^- .*\(\*, 239\.1\.1\.1\)/);
    await table.delete(route('in1', '239.1.1.1', []));
    await gone;
    assert.equal(await agent.stop(), 0);
    assert.equal(await waitForExit(watch), 69);
  });
});
