// --die-with-parent of mcroute-launch: no program outlives who started it.
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { BASE_ENVIRONMENT, LAUNCH, TARGET, launchProbe } from '../support/launcher.js';
import { eventually, waitForExit, waitForLine, within } from '../support/wait.js';

/** Starts its arguments in the background, with its own output, and waits for them. */
const PARENT = ['sh', '-c', '"$@" & wait', 'sh'];

/** Says its pid and never ends. */
const PROGRAM = ['sh', '-c', 'echo "pid $$"; exec tail -f /dev/null'];

type Parent = ChildProcessByStdio<null, Readable, null>;

function start(words: readonly string[]): Parent {
  const [program = '', ...args] = words;
  return spawn(program, args, { env: BASE_ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore'] });
}

describe('a program', () => {
  /** A program whose parent is killed, and its pid. */
  async function startOrphan(options: readonly string[]): Promise<{ output: Readable; pid: number }> {
    const parent = start([...PARENT, LAUNCH, ...options, ...TARGET, '--', ...PROGRAM]);
    const [, pid] = await waitForLine(parent.stdout, /^pid (\d+)$/);
    parent.kill('SIGKILL');
    assert.equal(await waitForExit(parent), 'SIGKILL');
    return { output: parent.stdout, pid: Number(pid) };
  }

  /** Comes when the last process that has the output is gone. */
  async function outputEnds(output: Readable): Promise<void> {
    output.resume();
    if (!output.readableEnded) await within(once(output, 'end'), 'the end of the program');
  }

  it('is killed with its parent by --die-with-parent, though it became another user', async () => {
    const { output } = await startOrphan(['--table', '1061', '--die-with-parent']);
    await outputEnds(output);
  });

  it('does not begin when another than the named process is its parent', () => {
    const launch = (parent: number) => launchProbe(['--table', '1064', `--die-with-parent=${parent}`, ...TARGET]);
    assert.equal(launch(process.pid).status, 0);
    assert.equal(launch(1).status, null);
    assert.match(launch(0).stderr, /--die-with-parent "0" is not a process id/);
  });

  it('lives on without it', async () => {
    const { output, pid } = await startOrphan(['--table', '1062']);
    assert.match(launchProbe(['--table', '1062', ...TARGET]).stderr, /TABLE_IN_USE/);
    process.kill(pid, 'SIGKILL');
    await outputEnds(output);
  });

  it('does not begin when its parent has ended while it was prepared', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'launch-'));
    try {
      // The launcher looks for its user, and so waits as long as nobody writes.
      const databases = join(folder, 'nsswitch.conf');
      assert.equal(spawnSync('mkfifo', [databases]).status, 0);
      const script = 'mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@"';
      const launch = [LAUNCH, '--table', '1063', '--die-with-parent', '--user', 'root', '--', 'echo', 'it runs'];
      const parent = start(['unshare', '--mount', 'sh', '-c', script, 'sh', databases, ...PARENT, ...launch]);
      const output = text(parent.stdout);
      const writer = await eventually(() => openForReader(databases), 'the launcher');
      parent.kill('SIGKILL');
      await waitForExit(parent);
      writeSync(writer, 'passwd: files\n');
      closeSync(writer);
      assert.equal(await within(output, 'the end of the launcher'), '');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** A descriptor for writing to a FIFO that someone reads, or wants to. */
function openForReader(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}
