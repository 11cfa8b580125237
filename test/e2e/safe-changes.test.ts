// Changes that are taken back: by who asks for it, and by themselves where nobody confirms them, also by the agent after the
// one that took them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import { type AgentConnection, connectToSocket, messages, unary } from '../../src/api/client.js';
import type { ConfirmResponse__Output } from '../../src/api/generated/mcroute/v1/ConfirmResponse.js';
import type { HistoryEntry__Output } from '../../src/api/generated/mcroute/v1/HistoryEntry.js';
import type { RollbackRequest } from '../../src/api/generated/mcroute/v1/RollbackRequest.js';
import type { RollbackResponse__Output } from '../../src/api/generated/mcroute/v1/RollbackResponse.js';
import type { Scope } from '../../src/api/generated/mcroute/v1/Scope.js';
import type { WatchResponse__Output } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { relayMessages } from '../../src/api/load.js';
import { CHANGES_TRAILER, IDENTITY_HEADER, SCOPE_HEADER, WANTS_CHANGES_HEADER } from '../../src/api/relay.js';
import { apply, deadline, list, put, refused, replace, route } from '../support/calls.js';
import { SupervisorHost, type SupervisorProcess } from '../support/supervisor.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { eventually } from '../support/wait.js';

const TABLE = 6;
const OWNER = 'test';

type Client = AgentConnection['client'];

let topology: RouterTopology;
let host: SupervisorHost;
let supervisor: SupervisorProcess;
let connection: AgentConnection;
let client: Client;

beforeEach(async () => {
  topology = routerTopology();
  host = new SupervisorHost();
  host.configure([`id: ${TABLE}, netns: ${topology.router.netns}`]);
  supervisor = await host.start({});
  const { state, lastError } = await supervisor.table(TABLE);
  assert.equal(state, 'STATE_READY', `${lastError?.message ?? ''}\n${supervisor.log}`);
  connection = connectToSocket(join(host.runtimeDirectory, `${TABLE}.sock`));
  ({ client } = connection);
});

afterEach(() => {
  connection[Symbol.dispose]();
  host[Symbol.dispose]();
  topology[Symbol.dispose]();
});

/** Groups of the kernel's entries of the table. */
function kernelGroups(): readonly string[] {
  const args = [`--net=${topology.router.path}`, 'ip', 'mroute', 'show', 'table', String(TABLE)];
  const lines = execFileSync('nsenter', args, { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => /,\s*(239\.[\d.]+)/.exec(line)?.[1] ?? []).sort();
}

/** Groups of what is wanted. */
async function wantedGroups(): Promise<readonly string[]> {
  const { entries } = await list(client);
  return entries.flatMap(({ resource }) => resource?.mroute?.key?.group ?? []).sort();
}

async function kill(): Promise<void> {
  const { pid } = await supervisor.table(TABLE);
  process.kill(pid, 'SIGKILL');
  await supervisor.eventually(async () => {
    const entry = await supervisor.table(TABLE);
    return entry.state === 'STATE_READY' && entry.pid !== pid;
  }, 'another agent serves');
}

function rollback(request: RollbackRequest): Promise<RollbackResponse__Output> {
  return unary((callback) => client.Rollback({ owner: OWNER, ...request }, deadline(), callback));
}

function confirm(): Promise<ConfirmResponse__Output> {
  return unary((callback) => client.Confirm({ owner: OWNER }, deadline(), callback));
}

async function history(): Promise<HistoryEntry__Output[]> {
  const entries: HistoryEntry__Output[] = [];
  for await (const message of messages(client.ListHistory({}, deadline()))) entries.push(...message.entries);
  return entries;
}

/** What a gateway says of a caller. */
function relayed(scope?: Scope): Metadata {
  const metadata = new Metadata();
  metadata.set(IDENTITY_HEADER, 'spiffe://studio/a');
  metadata.set(WANTS_CHANGES_HEADER, '1');
  if (scope !== undefined) metadata.set(SCOPE_HEADER, relayMessages().scope.serialize(scope));
  return metadata;
}

const SECONDS = (seconds: number) => ({ seconds: String(seconds), nanos: 0 });

describe('changes that can be taken back', () => {
  it('are taken back in time unless they are confirmed', async () => {
    await apply(client, { changes: [put(route('239.8.0.1'))] });
    const { confirmDeadline } = await apply(client, {
      changes: [put(route('239.8.0.2'))],
      confirmWithin: SECONDS(1),
    });
    assert.ok(confirmDeadline);
    assert.deepEqual(kernelGroups(), ['239.8.0.1', '239.8.0.2']);
    await refused(apply(client, { changes: [put(route('239.8.0.3'))] }), 'UNCONFIRMED');
    await eventually(() => (kernelGroups().length === 1 ? true : undefined), 'the change is taken back');
    assert.deepEqual(await wantedGroups(), ['239.8.0.1']);
    assert.deepEqual(
      (await history()).map(({ method }) => method),
      ['Expire', 'Apply', 'Apply'],
    );
    const { revision } = await apply(client, { changes: [put(route('239.8.0.3'))], confirmWithin: SECONDS(60) });
    assert.deepEqual(await confirm(), { revision });
    await refused(confirm(), 'NOT_FOUND');
    assert.deepEqual(kernelGroups(), ['239.8.0.1', '239.8.0.3']);
  });

  it('are taken back in time though the agent is killed meanwhile, and the kernel has what is wanted', async () => {
    await apply(client, { changes: [put(route('239.8.0.1'))] });
    await replace(client, [
      { owner: OWNER, resources: [{ mroute: route('239.8.0.2') }], confirmWithin: SECONDS(2), comment: 'a try' },
    ]);
    await kill();
    await eventually(() => (kernelGroups().includes('239.8.0.1') ? true : undefined), 'the change is taken back');
    assert.deepEqual(kernelGroups(), ['239.8.0.1']);
    assert.deepEqual(await wantedGroups(), ['239.8.0.1']);
    await refused(confirm(), 'NOT_FOUND');
    const [expired, tried] = await history();
    assert.equal(expired?.method, 'Expire');
    assert.equal(tried?.comment, 'a try');
  });

  it('that are over their time when no agent is there are taken back before the next one serves', async () => {
    await apply(client, { changes: [put(route('239.8.0.1'))] });
    await apply(client, { changes: [put(route('239.8.0.2'))], confirmWithin: SECONDS(1) });
    await supervisor.stopTable(TABLE, true);
    const stopped = Date.now();
    await eventually(() => (Date.now() - stopped > 1_000 ? true : undefined), 'the time is over');
    await supervisor.startTable(TABLE);
    assert.deepEqual(await wantedGroups(), ['239.8.0.1']);
    assert.deepEqual(kernelGroups(), ['239.8.0.1']);
  });

  it('are rolled back to any revision of the history, also after a restart', async () => {
    const revisions: string[] = [];
    for (const group of ['239.8.0.1', '239.8.0.2', '239.8.0.3']) {
      revisions.push((await apply(client, { changes: [put(route(group))] })).revision);
    }
    await kill();
    const dry = await rollback({ toRevision: revisions[0] ?? '', validateOnly: true });
    assert.equal(dry.differences.length, 2);
    assert.equal(kernelGroups().length, 3);
    const { removed, restoredRevision } = await rollback({ toRevision: revisions[0] ?? '' });
    assert.deepEqual([removed, restoredRevision], [2, revisions[0]]);
    assert.deepEqual(kernelGroups(), ['239.8.0.1']);
    await rollback({});
    assert.deepEqual(kernelGroups(), ['239.8.0.1', '239.8.0.2', '239.8.0.3']);
    const lost = await refused(rollback({ toRevision: '1' }), 'HISTORY_LOST');
    assert.match(lost.metadata['first_revision'] ?? '', /^\d+$/);
  });

  it('are made only at the revision that is expected', async () => {
    const { revision } = await apply(client, { changes: [put(route('239.8.0.1'))], comment: 'hall 2' });
    const late = String(BigInt(revision) - 1n);
    await refused(apply(client, { changes: [put(route('239.8.0.2'))], expectedRevision: late }), 'REVISION_MISMATCH');
    await refused(rollback({ expectedRevision: late }), 'REVISION_MISMATCH');
    await refused(replace(client, [{ owner: OWNER, resources: [], expectedRevision: late }]), 'REVISION_MISMATCH');
    assert.deepEqual(kernelGroups(), ['239.8.0.1']);
    assert.deepEqual(
      (await history()).map(({ comment }) => comment),
      ['hall 2'],
    );
    await rollback({ expectedRevision: revision });
    assert.deepEqual(kernelGroups(), []);
  });

  it('are shown by a dry run of Apply and not done', async () => {
    await apply(client, { changes: [put(route('239.8.0.1'))] });
    const { differences, added, removed } = await apply(client, {
      changes: [put(route('239.8.0.2')), { delete: { mroute: { iif: 'in0', group: '239.8.0.1' } } }],
      validateOnly: true,
    });
    assert.deepEqual([added, removed], [1, 1]);
    assert.deepEqual(
      differences.map(({ before, after }) => [before?.mroute?.key?.group, after?.mroute?.key?.group]),
      [
        [undefined, '239.8.0.2'],
        ['239.8.0.1', undefined],
      ],
    );
    assert.deepEqual(kernelGroups(), ['239.8.0.1']);
  });

  it('are done once though they are asked for again, also by the agent after a killed one', async () => {
    const request = { changes: [put(route('239.8.0.1'))], requestId: 'once' };
    const first = await apply(client, request);
    assert.equal(first.repeatedRequest, false);
    await apply(client, { changes: [{ delete: { mroute: { iif: 'in0', group: '239.8.0.1' } } }] });
    await kill();
    const again = await apply(client, request);
    assert.equal(again.repeatedRequest, true);
    assert.deepEqual([again.revision, again.added], [first.revision, first.added]);
    assert.deepEqual(await wantedGroups(), []);
    assert.deepEqual(kernelGroups(), []);
    await refused(apply(client, { ...request, changes: [put(route('239.8.0.2'))] }), 'INVALID_FIELD');
  });

  it('are only those within the scope of the caller, who reads no others either', async () => {
    await apply(client, { changes: [put(route('239.8.0.1')), put(route('239.9.0.1'))] });
    const metadata = relayed({ grants: [{ groups: ['239.9.0.0/16'], owners: ['te*'] }] });
    const entries: unknown[] = [];
    for await (const message of messages(client.List({}, metadata, deadline()))) entries.push(...message.entries);
    assert.equal(entries.length, 1);
    const as = (group: string, owner: string) =>
      unary((callback) => client.Apply({ owner, changes: [put(route(group))] }, metadata, deadline(), callback));
    const error = await refused(as('239.8.0.2', OWNER), 'PERMISSION_DENIED');
    assert.equal(error.metadata['identity'], 'spiffe://studio/a');
    assert.match(error.message, /239\.8\.0\.2/);
    await refused(as('239.9.0.2', 'other'), 'PERMISSION_DENIED');
    await as('239.9.0.2', OWNER);
    const [entry] = await history();
    assert.equal(entry?.author, 'spiffe://studio/a');
    // A roll-back is no way around it.
    const before = String(BigInt((await history()).at(-1)?.revision ?? 0) - 1n);
    const back = (toRevision: string) =>
      unary((callback) => client.Rollback({ owner: OWNER, toRevision }, metadata, deadline(), callback));
    await refused(back(before), 'PERMISSION_DENIED');
    assert.deepEqual(kernelGroups(), ['239.8.0.1', '239.9.0.1', '239.9.0.2']);
    const groups = await watchedGroups(metadata);
    assert.deepEqual(groups, ['239.9.0.1', '239.9.0.2']);
  });

  it('are told to the gateway that relayed the call', async () => {
    const trailer = await new Promise<Metadata>((resolve, reject) => {
      const request = { owner: OWNER, changes: [put(route('239.8.0.1'))] };
      const call = client.Apply(request, relayed(), deadline(), (error) => {
        if (error !== null) reject(error);
      });
      call.on('status', (status) => {
        resolve(status.metadata);
      });
    });
    const [bytes] = trailer.get(CHANGES_TRAILER);
    assert.ok(Buffer.isBuffer(bytes));
    const { added, first } = relayMessages().changeSummary.deserialize(bytes);
    assert.deepEqual([added, first], [1, ['+mroute (*, 239.8.0.1) in0']]);
  });
});

/** The groups that a watch tells first. */
async function watchedGroups(metadata: Metadata): Promise<readonly string[]> {
  const call = client.Watch({}, metadata, deadline());
  const groups: string[] = [];
  for await (const message of messages(call)) {
    groups.push(...groupsOf(message));
    if (message.events.some(({ synced }) => synced)) break;
  }
  call.cancel();
  return groups.sort();
}

function groupsOf({ events }: WatchResponse__Output): string[] {
  return events.flatMap(
    ({ put: wanted }) => wanted?.entries.map(({ resource }) => resource?.mroute?.key?.group ?? '') ?? [],
  );
}
