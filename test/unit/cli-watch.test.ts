// mcctl watch as a program: changes as they come, and agents that go.
import assert from 'node:assert/strict';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Violations, parseChanges } from '../../src/api/parse.js';
import { ApiError } from '../../src/api/status.js';
import type { Change__Output } from '../../src/api/generated/mcroute/v1/Change.js';
import { FakeAgent } from '../support/fake-agent.js';
import { runMcctl, startMcctl } from '../support/mcctl.js';
import { waitForExit, waitForLine } from '../support/wait.js';

const directory = mkdtempSync(join(tmpdir(), 'mcctl-watch-'));
after(() => {
  rmSync(directory, { recursive: true });
});

let agents = 0;

function startAgent(): Promise<FakeAgent> {
  return FakeAgent.listen(join(directory, `${agents++}.sock`));
}

const OPTIONS = { validateOnly: false, strict: false, expectedRevision: undefined };

function joinGroup(agent: FakeAgent, group: string): void {
  const membership = { key: { interface: 'eth0', group, source: '' }, label: '' };
  const change: Change__Output = { id: '1', put: { membership } };
  agent.table.apply('cli', parseChanges([change], new Violations()), OPTIONS);
}

/** A watch of the agent, which ends with the test. */
function watch(agent: FakeAgent, ...words: string[]): ChildProcessWithoutNullStreams & Disposable {
  const child = startMcctl(['-u', agent.path, 'watch', ...words]);
  return Object.assign(child, {
    [Symbol.dispose]: () => {
      child.kill('SIGKILL');
    },
  });
}

describe('mcctl watch', { concurrency: 2 }, () => {
  it('tells what there is, then changes as they come, and ends quietly with SIGINT', async () => {
    await using agent = await startAgent();
    joinGroup(agent, '239.1.1.1');
    using child = watch(agent);
    const stderr: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    await waitForLine(child.stdout, /^= synced, revision 2$/);
    const added = waitForLine(child.stdout, /^\+ join \(\*, 239\.1\.1\.2\) eth0: programmed$/);
    joinGroup(agent, '239.1.1.2');
    await added;
    const gone = waitForLine(child.stdout, /^- join \(\*, 239\.1\.1\.1\) eth0$/);
    agent.table.replace('cli', [], OPTIONS);
    await gone;
    child.kill('SIGINT');
    assert.equal(await waitForExit(child), 130);
    assert.equal(Buffer.concat(stderr).toString(), '');
  });

  it('gives an object a line with -o json', async () => {
    await using agent = await startAgent();
    joinGroup(agent, '239.1.1.1');
    using child = watch(agent, '-o', 'json');
    const [line] = await waitForLine(child.stdout, /^.*"synced".*$/);
    assert.deepEqual(JSON.parse(line), { event: 'synced', revision: 2 });
    const changed = waitForLine(child.stdout, /^.*"put".*$/);
    joinGroup(agent, '239.1.1.2');
    const event = JSON.parse((await changed)[0]) as Record<string, unknown>;
    assert.equal(event['revision'], 3);
    assert.deepEqual(event['key'], { kind: 'membership', interface: 'eth0', source: null, group: '239.1.1.2' });
  });

  it('goes on after a revision', async () => {
    await using agent = await startAgent();
    joinGroup(agent, '239.1.1.1');
    joinGroup(agent, '239.1.1.2');
    using child = watch(agent, '--after-revision', '2');
    const [line] = await waitForLine(child.stdout, /^\+ .*$/);
    assert.match(line, /239\.1\.1\.2/);
  });

  it('says so and ends with 69 when the agent goes, in whatever way it goes', async () => {
    const ways: [string, (agent: FakeAgent) => void][] = [
      [
        'killed',
        (agent) => {
          agent.stop();
        },
      ],
      [
        'stopped',
        (agent) => {
          agent.endWatches(new ApiError('AGENT_UNAVAILABLE', 'the agent stops'));
        },
      ],
      [
        'ended',
        (agent) => {
          agent.endWatches(undefined);
        },
      ],
    ];
    for (const [name, end] of ways) {
      await using agent = await startAgent();
      joinGroup(agent, '239.1.1.1');
      using child = watch(agent);
      const stderr: Buffer[] = [];
      child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
      await waitForLine(child.stdout, /^= synced/);
      end(agent);
      assert.equal(await waitForExit(child), 69, name);
      const text = Buffer.concat(stderr).toString();
      assert.match(text, /^mcctl: the last revision was 2; go on with --after-revision 2\n/, name);
      assert.match(text, /^mcctl: (no agent answers at|the agent stops|the agent has ended the watch)/m, name);
    }
  });

  it('goes on with --reconnect, without telling anything twice', async () => {
    await using agent = await startAgent();
    joinGroup(agent, '239.1.1.1');
    using child = watch(agent, '--reconnect');
    const stdout: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    await waitForLine(child.stdout, /^= synced, revision 2$/);
    const waiting = waitForLine(child.stderr, /^mcctl: the agent has gone; waiting for it$/);
    agent.stop();
    await waiting;
    joinGroup(agent, '239.1.1.2');
    const resumed = waitForLine(child.stdout, /^= synced, revision 3$/);
    await agent.start();
    await resumed;
    const text = Buffer.concat(stdout).toString();
    assert.equal(text.split('\n').filter((line) => line.includes('239.1.1.1)')).length, 1, text);
    assert.match(text, /^\+ join \(\*, 239\.1\.1\.2\) eth0: programmed$/m);
    child.kill('SIGINT');
    assert.equal(await waitForExit(child), 130);
  });

  it('starts anew with --reconnect when the revision is forgotten, and tells what has gone', async () => {
    await using agent = await startAgent();
    joinGroup(agent, '239.1.1.1');
    using child = watch(agent, '--reconnect');
    await waitForLine(child.stdout, /^= synced, revision 2$/);
    const waiting = waitForLine(child.stderr, /waiting for it$/);
    agent.stop();
    await waiting;
    agent.table.replace('cli', [], OPTIONS);
    joinGroup(agent, '239.1.1.2');
    agent.table.rememberedFrom = 4;
    const anew = waitForLine(child.stderr, /^mcctl: what came meanwhile is no longer known; starting anew$/);
    const gone = waitForLine(child.stdout, /^- join \(\*, 239\.1\.1\.1\) eth0$/);
    await agent.start();
    await anew;
    await gone;
  });

  it('ends with SIGINT while it waits for the agent', async () => {
    await using agent = await startAgent();
    using child = watch(agent, '--reconnect');
    await waitForLine(child.stdout, /^= synced/);
    const waiting = waitForLine(child.stderr, /waiting for it$/);
    agent.stop();
    await waiting;
    child.kill('SIGINT');
    assert.equal(await waitForExit(child), 130);
  });

  it('tells that a revision is forgotten, without --reconnect', async () => {
    await using agent = await startAgent();
    agent.table.rememberedFrom = 9;
    const ended = await runMcctl(['-u', agent.path, 'watch', '--after-revision', '3']);
    assert.deepEqual([ended.status, ended.stdout], [75, '']);
    assert.match(ended.stderr, /^mcctl: revision 3 is too old\n {2}start anew, without --after-revision\n$/);
  });

  it('needs no deadline: --timeout does not end it', async () => {
    await using agent = await startAgent();
    using child = watch(agent, '--timeout', '0.001');
    await waitForLine(child.stdout, /^= synced/);
    const added = waitForLine(child.stdout, /^\+ /);
    joinGroup(agent, '239.1.1.2');
    await added;
  });

  it('ends with 69 when there is no agent to begin with', async () => {
    const ended = await runMcctl(['-u', join(directory, 'none.sock'), 'watch']);
    assert.equal(ended.status, 69);
    assert.match(ended.stderr, /^mcctl: no agent answers at .*none\.sock: there is no such socket/);
  });
});
