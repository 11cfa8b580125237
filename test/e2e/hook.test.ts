// The hook (`-e`) of a real agent: what the command is told, and what it cannot do to the agent.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { HOOK_WAITING_MAX } from '../../src/model/limits.js';
import { type Agent, startAgent } from '../support/agent.js';
import { openKeeper } from '../support/keeper.js';
import { openNamespace } from '../support/namespaces.js';
import { eventually, waitForExit } from '../support/wait.js';
import { FAMILY_CASES } from './families.js';
import { type Router, type Shot, TABLE, openRouter } from './router.js';
import { route } from './table-client.js';

let directory: string;
let tests = 0;

beforeEach(() => {
  directory = `/run/hook-${++tests}`;
  mkdirSync(directory);
  // The agent, and so the command, is nobody in particular.
  chmodSync(directory, 0o777);
});

/** Writes a script in the test's directory. */
function script(...lines: readonly string[]): string {
  const path = `${directory}/script`;
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'));
  chmodSync(path, 0o755);
  return path;
}

/** The lines of a file that a script writes. */
function lines(name: string): string[] {
  const path = `${directory}/${name}`;
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
}

async function waitForLines(name: string, count: number): Promise<string[]> {
  return eventually(() => (lines(name).length >= count ? lines(name) : undefined), `${count} lines of ${name}`);
}

/** Lines of an agent's log with this message. */
function logged(agent: Agent, message: string): Record<string, unknown>[] {
  const all = agent.log.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  return all.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === message);
}

/** Pids and states of the children of a process. */
function childrenOf(parent: number): string[] {
  const stats = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return stats.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(ppid) === parent ? `${pid} ${state ?? ''}` : [];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

describe('the hook', () => {
  let router: Router | undefined;

  afterEach(() => {
    router?.[Symbol.dispose]();
    router = undefined;
  });

  it('runs at the start and once for each flow that is learned, and not for what rules name', async () => {
    const hook = script('echo "$#: $1 ${source-none} ${group-none}" >>"${0%/*}/runs"');
    router = await openRouter({ args: ['-e', hook] });
    const expected = ['1: reload none none'];
    const shots: Shot[] = [];
    for (const family of FAMILY_CASES) {
      const [source, other] = [family.source(1), family.source(2)];
      const learned = (n: number) => (family.family === 'ipv4' ? `239.77.0.${n}` : `ff1e:77::${n}`);
      await router.table.put(
        route('in0', family.group(1), ['out1'], { source }),
        route('in0', family.group(2), ['out1']),
        route('in1', family.family === 'ipv4' ? '239.77.0.0/16' : 'ff1e:77::/32', ['out1', 'out2']),
      );
      // The third group is in no rule.
      for (const n of [1, 2, 3]) shots.push({ iif: 'in0', source, group: family.group(n) });
      for (const n of [4, 4, 5]) shots.push({ iif: 'in1', source: other, group: learned(n) });
      for (const n of [4, 5]) expected.push(`1: install ${other} ${learned(n)}`);
    }
    const left = await router.sendAll(shots);
    const perFamily = [['out1'], ['out1'], [], ['out1', 'out2'], ['out1', 'out2'], ['out1', 'out2']];
    assert.deepEqual(left, [...perFamily, ...perFamily]);
    // Runs come in order: what must not be there would be before the last one.
    assert.deepEqual(await waitForLines('runs', expected.length), expected);
    const { agent } = router;
    await eventually(
      () => (childrenOf(agent.pid).length === 0 ? true : undefined),
      'no child is left, no zombie either',
    );
  });

  it('runs when the configuration is loaded again, and not when it cannot be used', async () => {
    const hook = script('echo "$1" >>"${0%/*}/runs"');
    const file = `${directory}/smcroute.conf`;
    writeFileSync(file, 'mroute from in0 group 239.1.1.1 to out1\n');
    router = await openRouter({ args: ['-e', hook, '-f', file] });
    const { agent } = router;
    assert.deepEqual(await waitForLines('runs', 1), ['reload']);
    writeFileSync(file, 'nonsense\n');
    agent.process.kill('SIGHUP');
    await eventually(() => (agent.log.includes('cannot be used') ? true : undefined), 'the file is refused');
    writeFileSync(file, 'mroute from in1 group 239.77.0.0/16 to out1\n');
    agent.process.kill('SIGHUP');
    assert.deepEqual(await waitForLines('runs', 2), ['reload', 'reload']);
    assert.deepEqual(await router.send({ iif: 'in1', source: '10.50.0.1', group: '239.77.0.1' }), ['out1']);
    assert.deepEqual(await waitForLines('runs', 3), ['reload', 'reload', 'install']);
  });

  it('gets a storm of flows bounded and counted, while all of them are forwarded', async () => {
    const flows = 2_000;
    // Hangs from the first install on.
    const hook = script('echo "$1" >>"${0%/*}/runs"', '[ "$1" = reload ] || sleep 1000');
    router = await openRouter({ args: ['-e', hook] });
    const { agent } = router;
    await router.table.put(route('in0', '239.0.0.0/8', ['out1']));
    await waitForLines('runs', 1);
    const shots = Array.from({ length: flows }, (_, n) => ({
      iif: 'in0',
      source: '10.50.0.1',
      group: `239.7.${n >> 8}.${n & 0xff}`,
    }));
    const left = await router.sendAll(shots);
    assert.ok(left.every((interfaces) => interfaces.join() === 'out1'));
    assert.deepEqual(await waitForLines('runs', 2), ['reload', 'install']);
    const [entry] = await router.table.put(route('in0', '239.255.0.1', ['out2']));
    assert.equal(entry?.state, 'STATE_PROGRAMMED', 'the API answers meanwhile');
    const [child = ''] = childrenOf(agent.pid);
    assert.equal(await agent.stop(), 0);
    const pid = child.split(' ')[0] ?? '';
    await eventually(() => (existsSync(`/proc/${pid}`) ? undefined : true), 'the run ends with the agent');
    const told = await eventually(() => {
      const found = logged(agent, 'runs of the hook were dropped');
      return found.length > 0 ? found : undefined;
    }, 'drops are told of');
    const dropped = told.reduce((sum, line) => sum + Number(line['dropped']), 0);
    assert.equal(dropped, flows - HOOK_WAITING_MAX - 1);
    assert.ok(told.length <= 3, 'not a line for each');
    assert.deepEqual(lines('runs'), ['reload', 'install']);
  });

  it('is told how to cure a command that is not there, once, and finds it when it comes', async () => {
    const hook = `${directory}/script`;
    router = await openRouter({ args: ['-e', hook] });
    const { agent } = router;
    await router.table.put(route('in0', '239.1.0.0/16', ['out1']));
    const shot = (n: number) => ({ iif: 'in0', source: '10.50.0.1', group: `239.1.1.${n}` });
    assert.deepEqual(await router.sendAll([shot(1), shot(2)]), [['out1'], ['out1']]);
    const [told] = await eventually(() => {
      const found = logged(agent, 'the hook cannot be run');
      return found.length > 0 ? found : undefined;
    }, 'it is told');
    assert.equal(told?.['error'], 'ENOENT');
    assert.match(String(told['cure']), /correct -e/);
    script('echo "$group" >>"${0%/*}/runs"');
    assert.deepEqual(await router.send(shot(3)), ['out1']);
    assert.equal((await waitForLines('runs', 1)).at(-1), '239.1.1.3');
    assert.equal(logged(agent, 'the hook cannot be run').length, 1);
  });
});

describe('the command of the hook', () => {
  it('has none of the agent descriptors and variables, a group of its own, and CAP_NET_ADMIN', async () => {
    const hook = script(
      'exec >"${0%/*}/new"',
      'env | cut -d= -f1 | sort | grep -vx -e PWD -e SHLVL -e _ -e OLDPWD',
      'echo --',
      "find /proc/$$/fd -type l -printf '%f %l\\n'",
      'echo --',
      'grep -E "^(CapEff|CapAmb|NoNewPrivs):" /proc/$$/status',
      'cut -d" " -f5,6 /proc/$$/stat',
      'echo "$$"',
      'mv "${0%/*}/new" "${0%/*}/told"',
    );
    using router = openNamespace('router');
    using keeper = openKeeper(`${directory}/keeper`);
    const options = { table: TABLE, keeper, stateDirectory: `${directory}/state`, args: ['-e', hook] };
    const first = await startAgent(router, options);
    await waitForLines('told', 1);
    first.process.kill('SIGKILL');
    await waitForExit(first.process);
    writeFileSync(`${directory}/told`, '');
    // Its sockets come from the keeper now, inherited.
    using second = await startAgent(router, options);
    assert.ok(keeper.names.length > 0);
    const told = await waitForLines('told', 1);
    first[Symbol.dispose]();
    const [variables, descriptors, process] = told.join('\n').split('\n--\n');
    const passedOn = ['LANG', 'PATH', 'TZ'].filter(
      (name) => name === 'PATH' || globalThis.process.env[name] !== undefined,
    );
    assert.equal(variables, passedOn.join('\n'));
    // The shell has opened the file of its standard output, and the script.
    const rest = (descriptors ?? '').split('\n').filter((line) => !/ \/run\/hook-\d+\/(new|script)$/.test(line));
    assert.deepEqual(rest.map((line) => line.replace(/:.*/, '')).sort(), ['0 /dev/null', '2 socket']);
    const [amb = '', eff = '', noNewPrivs = '', group = '', pid = ''] = (process ?? '').split('\n');
    assert.match(amb + eff, /0000000000001000.*0000000000001000/);
    assert.match(noNewPrivs, /1$/);
    assert.equal(group, `${pid} ${pid}`);
    assert.equal(second.process.exitCode, null);
  });
});
