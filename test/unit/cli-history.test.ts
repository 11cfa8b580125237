// mcctl history, rollback and confirm, and what goes with changes that can be taken back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ApiError } from '../../src/api/status.js';
import type { ApplyRequest__Output } from '../../src/api/generated/mcroute/v1/ApplyRequest.js';
import { confirmNotes } from '../../src/cli/output/results.js';
import { openHost } from '../support/mcctl.js';
import { timestampOfMs } from '../../src/api/duration.js';

const FILE = 'routes: [{ iif: eth0, group: 239.1.1.1, oifs: [eth1] }]';
const TAKEN_BACK = /^taken back at \d{4}-.*Z, in \d+ s, unless it is confirmed: 'mcctl confirm' for this table$/m;

describe('mcctl history', { concurrency: 2 }, () => {
  it('lists the changes, the newest first', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    assert.match((await mcctl('history')).stderr, /^no changes\n$/);
    await mcctl('add eth0 239.1.1.1 eth1 --comment first');
    await mcctl('--owner mixer join eth0 239.1.1.1 --request-id 77');
    const { stdout } = await mcctl('history -o wide');
    const [head = '', newest = '', oldest = ''] = stdout.split('\n');
    assert.match(head, /^REVISION +TIME +OWNER +AUTHOR +METHOD +CHANGES +COMMENT +UNDO +REQUEST$/);
    assert.match(newest, /^ +3 +\S+Z +mixer +- +Apply +\+1 ~0 -0 +- +yes +77$/);
    assert.match(oldest, /^ +2 +\S+Z +cli +- +Apply +\+1 ~0 -0 +first +yes +-$/);
    const document = JSON.parse((await mcctl('history --owner-only cli -o json')).stdout) as { history: unknown[] };
    assert.equal(document.history.length, 1);
    assert.equal((await mcctl('history --limit 1')).stdout.split('\n').length, 3);
    assert.equal((await mcctl('history --limit x')).status, 64);
  });
});

describe('mcctl rollback', { concurrency: 2 }, () => {
  it('takes the last change back, or all after a revision', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    for (const group of [1, 2, 3]) await mcctl(`add eth0 239.1.1.${group} eth1`);
    const dry = await mcctl('rollback --dry-run');
    assert.equal(
      dry.stdout,
      '- route (*, 239.1.1.3) eth0 -> eth1\nas at revision 3: 0 added, 0 changed, 1 removed (dry run, revision 4)\n',
    );
    assert.equal(agent.table.revision, 4);
    const last = await mcctl('rollback --comment oops');
    assert.deepEqual(
      [last.status, last.stdout, last.stderr],
      [0, 'is again as at revision 3: 0 added, 0 changed, 1 removed (revision 5)\n', ''],
    );
    const all = JSON.parse((await mcctl('rollback 2 -o json')).stdout) as Record<string, unknown>;
    assert.deepEqual([all['restored_revision'], all['removed'], all['confirm_deadline']], [2, 1, null]);
    assert.equal(agent.table.entries().length, 1);
  });

  it('says what cannot be gone back to', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const none = await mcctl('rollback');
    assert.equal(none.status, 1);
    assert.match(none.stderr, /^mcctl: no change of 'cli' is known\n {2}'mcctl history' lists/);
    for (const word of ['x', '0', '18446744073709551616', '1.5']) {
      const wrong = await mcctl(`rollback ${word}`);
      assert.deepEqual([wrong.status, wrong.stdout], [64, ''], word);
      assert.match(wrong.stderr, /is not a revision\n {2}'mcctl history' lists them/);
    }
    agent.failure = new ApiError('REVISION_MISMATCH', 'the revision is 9, not 8');
    assert.equal((await mcctl('rollback --expected-revision 8')).status, 75);
  });
});

describe('a change that is to be confirmed', { concurrency: 2 }, () => {
  it('says until when and how, and is kept', async () => {
    await using host = await openHost();
    const { mcctl } = host;
    const commands: [string, string | undefined][] = [
      ['add eth0 239.1.1.1 eth1 --confirm-within 60', undefined],
      ['apply -f - --confirm-within 60 --strict', FILE.replace('239.1.1.1', '239.1.1.2')],
      ['apply -f - --prune --confirm-within 60', FILE],
      ['interface eth0 --ttl-threshold 4 --confirm-within 60', undefined],
      ['join eth0 239.1.1.1 --confirm-within 60', undefined],
      ['leave eth0 239.1.1.1 --confirm-within 60', undefined],
      ['remove eth0 239.1.1.1 --confirm-within 60', undefined],
    ];
    for (const [words, stdin] of commands) {
      const ended = await mcctl(words, stdin === undefined ? {} : { stdin });
      assert.equal(ended.status, 0, ended.stderr);
      assert.match(ended.stderr, TAKEN_BACK, words);
    }
    const blocked = await mcctl('add eth0 239.1.1.1 eth1');
    assert.equal(blocked.status, 1);
    assert.match(blocked.stderr, /waits for confirmation.*\n {2}'mcctl confirm' keeps the change that waits/);
    assert.match((await mcctl('history')).stdout, /\(taken back at \S+ unless confirmed\)/);
    const kept = await mcctl('confirm');
    assert.deepEqual([kept.status, kept.stdout], [0, 'revision 8 is kept\n']);
    const again = await mcctl('confirm');
    assert.equal(again.status, 1);
    assert.match(again.stderr, /^mcctl: no change of 'cli' waits.*\n {2}it was confirmed already, or taken back/);
    const late = JSON.parse((await mcctl('add eth0 239.9.9.9 eth1 --confirm-within 9 -o json')).stdout) as object;
    assert.match(String((late as { confirm_deadline: unknown }).confirm_deadline), /^\d{4}-.*Z$/);
  });

  it('is refused where the time cannot be', async () => {
    await using host = await openHost();
    for (const time of ['0', '86401', '1.5', 'x']) {
      const ended = await host.mcctl(`add eth0 239.1.1.1 eth1 --confirm-within ${time}`);
      assert.equal(ended.status, 64, time);
      assert.match(ended.stderr, /whole number of seconds, 1 to 86400/);
    }
  });

  it('names the owner whose change it is, and a request that was repeated', () => {
    const confirmDeadline = { seconds: '100', nanos: 0 };
    const notes = confirmNotes({ confirmDeadline, repeatedRequest: true }, 'mixer', 90_000);
    assert.deepEqual(notes, [
      'a request with this id had been done before: nothing was done again',
      "taken back at 1970-01-01T00:01:40.000Z, in 10 s, unless it is confirmed: 'mcctl confirm --owner mixer' for this table",
    ]);
    assert.deepEqual(confirmNotes({ confirmDeadline: null, repeatedRequest: false }, 'cli', 0), []);
    assert.equal(timestampOfMs(100_000).seconds, confirmDeadline.seconds);
  });
});

describe('a change', { concurrency: 2 }, () => {
  it('tells the agent its comment, its id and its time', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    const requests: ApplyRequest__Output[] = [];
    agent.events.on('call', (method: string, call: { readonly request: ApplyRequest__Output }) => {
      if (method === 'Apply') requests.push(call.request);
    });
    await mcctl('add eth0 239.1.1.1 eth1 --comment why --request-id 12 --confirm-within 5');
    await mcctl('apply -f - --comment why', { stdin: FILE });
    const [first, second] = requests;
    assert.deepEqual([first?.comment, first?.requestId, first?.confirmWithin?.seconds], ['why', '12', '5']);
    assert.deepEqual([second?.comment, second?.requestId, second?.confirmWithin], ['why', '', null]);
  });

  it('that is only tried shows what would be different', async () => {
    await using host = await openHost();
    const { agent, mcctl } = host;
    await mcctl('add eth0 239.1.1.9 eth1');
    const file = { stdin: FILE };
    assert.equal(
      (await mcctl('apply -f - --dry-run', file)).stdout,
      '+ route (*, 239.1.1.1) eth0 -> eth1\n1 added, 0 changed, 0 removed, 0 unchanged (dry run, revision 2)\n',
    );
    assert.equal(
      (await mcctl('apply -f - --dry-run --prune', file)).stdout,
      '- route (*, 239.1.1.9) eth0 -> eth1\n+ route (*, 239.1.1.1) eth0 -> eth1\n1 added, 0 changed, 1 removed, 0 unchanged (dry run, revision 2)\n',
    );
    assert.equal(agent.table.revision, 2);
  });
});
