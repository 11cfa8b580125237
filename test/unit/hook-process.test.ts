import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Hook, type HookNote } from '../../src/agent/hook/hook.js';
import { type HookEnd, hookEnvironment, hookSpawner } from '../../src/agent/hook/process.js';
import type { OutputLine } from '../../src/agent/hook/output.js';
import type { HookRun } from '../../src/agent/hook/queue.js';
import { parseAddress } from '../../src/model/address.js';
import { eventually, within } from '../support/wait.js';

const INSTALL: HookRun = {
  what: 'install',
  source: parseAddress('2001:db8::5'),
  group: parseAddress('ff1e::1'),
};

let directory: string;
let scripts = 0;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hook-'));
});

after(() => {
  rmSync(directory, { recursive: true });
});

function script(...lines: readonly string[]): string {
  const path = join(directory, `script-${++scripts}`);
  writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'));
  chmodSync(path, 0o755);
  return path;
}

/** Runs a command to its end. */
async function run(command: string, environment: NodeJS.ProcessEnv = process.env) {
  const lines: OutputLine[] = [];
  const end = new Promise<HookEnd>((resolve) => {
    hookSpawner(command, environment)(INSTALL, { onLine: (line) => lines.push(line), onEnd: resolve });
  });
  return { end: await within(end, 'the command ends'), lines, texts: () => lines.map(({ text }) => text) };
}

describe('the environment of the hook', () => {
  it('has nothing that speaks for the agent, and its own source and group in any case', () => {
    const ours = {
      PATH: '/bin',
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      NOTIFY_SOCKET: '/run/notify',
      LISTEN_FDS: '3',
      WATCHDOG_USEC: '1',
      MCROUTE_STATE_DIRECTORY: '/var/lib/mcroute',
      NODE_OPTIONS: '--inspect',
      LD_PRELOAD: 'libasan.so',
      source: '192.0.2.1',
      group: 'theirs',
    };
    const passedOn = { PATH: '/bin', LANG: 'C.UTF-8', TZ: 'UTC' };
    assert.deepEqual(hookEnvironment(INSTALL, ours), { ...passedOn, source: '2001:db8::5', group: 'ff1e::1' });
    assert.deepEqual(hookEnvironment({ what: 'reload' }, ours), passedOn);
  });

  it('has a PATH', () => {
    assert.match(hookEnvironment({ what: 'reload' }, {})['PATH'] ?? '', /\/usr\/bin/);
  });
});

describe('a run of the hook', () => {
  it('has one argument and no input, and its output and exit code are seen', async () => {
    const { end, lines } = await run(script('echo "$# $1 $source $group"; cat; echo wrong >&2; exit 3'));
    assert.deepEqual(end, { end: 'exit', code: 3 });
    assert.deepEqual(lines, [
      { from: 'stdout', text: '1 install 2001:db8::5 ff1e::1' },
      { from: 'stderr', text: 'wrong' },
    ]);
  });

  it('has no shell: the command is one path, blanks and all', async () => {
    const path = join(directory, 'a b; touch c');
    writeFileSync(path, '#!/bin/sh\necho here\n');
    chmodSync(path, 0o755);
    assert.deepEqual((await run(path)).texts(), ['here']);
    assert.deepEqual((await run(`${script('echo here')} word`)).end, { end: 'not started', code: 'ENOENT' });
  });

  it('tells what cannot be started', async () => {
    const path = script('true');
    chmodSync(path, 0o644);
    assert.deepEqual((await run(path)).end, { end: 'not started', code: 'EACCES' });
    assert.deepEqual((await run(join(directory, 'nothing'))).end, { end: 'not started', code: 'ENOENT' });
    assert.deepEqual((await run(directory)).end, { end: 'not started', code: 'EACCES' });
  });

  it('ends by a signal', async () => {
    assert.deepEqual((await run(script('kill -USR1 $$'))).end, { end: 'signal', signal: 'SIGUSR1' });
  });

  it('may print without end: the log has the first lines, and the command can go on', async () => {
    const { end, lines } = await run(script('head -c 1000000 /dev/zero | tr "\\0" "\\n" | sed "s/^/line/"'));
    assert.deepEqual(end, { end: 'exit', code: 0 });
    assert.equal(lines.at(-1)?.text, '(the rest is dropped)');
    assert.equal(lines.length, 51);
  });

  it('is over when it ends, and what it has started in the background goes on', async () => {
    const fifo = join(directory, 'fifo');
    const proof = join(directory, 'proof');
    const { end, texts } = await run(
      script(`mkfifo '${fifo}'`, `(read line <'${fifo}'; echo "$line" >'${proof}') &`, 'echo done'),
    );
    assert.deepEqual(end, { end: 'exit', code: 0 });
    assert.deepEqual(texts(), ['done']);
    writeFileSync(fifo, 'alive\n');
    await eventually(() => (readIfThere(proof) === 'alive\n' ? true : undefined), 'the child goes on');
  });

  it('is killed with all that it has started when it does not end in time, even if it ignores SIGTERM', async () => {
    const pids = join(directory, 'pids');
    const notes: HookNote[] = [];
    const command = script("trap '' TERM", `sleep 1000 & echo "$$ $!" >'${pids}'`, 'wait; wait');
    const hook = new Hook({
      command,
      spawn: hookSpawner(command, process.env),
      onNote: (note) => notes.push(note),
      // The limits have come as soon as the script is ready for them.
      after: (_delayMs, callback) => {
        const timer = setInterval(() => {
          if (readIfThere(pids)?.endsWith('\n') !== true) return;
          clearInterval(timer);
          callback();
        }, 1);
        return () => {
          clearInterval(timer);
        };
      },
    });
    hook.onReload();
    const both = await eventually(() => /^(\d+) (\d+)\n/.exec(readIfThere(pids) ?? '') ?? undefined, 'it has begun');
    const running = both.slice(1).map(Number).filter(isRunning);
    try {
      for (const pid of running) await eventually(() => (isRunning(pid) ? undefined : true), `${pid} is gone`);
    } finally {
      for (const pid of running.filter(isRunning)) process.kill(pid, 'SIGKILL');
    }
    hook.close();
    assert.deepEqual(
      notes.map(({ note }) => note),
      ['the hook takes too long and is ended'],
    );
  });
});

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** A zombie of which somebody else has yet to hear does not run. */
function isRunning(pid: number): boolean {
  const stat = readIfThere(`/proc/${pid}/stat`);
  return stat !== undefined && !stat.includes(') Z ');
}
