// What one identity may use of a gateway, and who processes of the host are.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ApiError } from '../../src/api/status.js';
import { AccessCaller } from '../support/access-caller.js';
import { type AccessHost, startAccessHost } from '../support/access-host.js';
import { type Issued, issue } from '../support/certificates.js';
import { itAsRoot } from '../support/launcher.js';
import { plainEnvironment } from '../support/namespaces.js';

const TABLE = 100;
const LIMITS = 'limits: { writes-per-second: 1, write-burst: 5, streams-per-identity: 3, resources-per-owner: 2 }';

let ca: Issued;
let host: AccessHost;

before(async () => {
  ca = await issue({ subject: 'CN=Lab CA', isCa: true });
  const policy = 'rules: [{ identity: "spiffe://lab/*", role: operator, tables: [100] }]\n';
  host = await startAccessHost({
    ...{ name: 'host', number: 1, family: 'ipv4', tables: [TABLE] },
    ...{ policy, ca, more: LIMITS },
  });
});

after(() => {
  host[Symbol.dispose]();
});

async function callerOf(name: string): Promise<AccessCaller> {
  const names = [{ kind: 'uri', value: `spiffe://lab/${name}` }] as const;
  return new AccessCaller(host.target, ca, await issue({ subject: 'CN=client', issuer: ca, usage: 'client', names }));
}

function applyOf(owner: string, ...groups: readonly string[]): object {
  const changes = groups.map((group) => ({
    put: { mroute: { key: { iif: 'in0', source: '10.9.0.1', group }, oifs: [{ interface: 'out1' }] } },
  }));
  return { table: TABLE, owner, changes };
}

describe('the limits of an identity', () => {
  it('are of its writes: the next one is told when it may come, and others are not concerned', async () => {
    using eager = await callerOf('eager');
    using other = await callerOf('other');
    // One after the other, for open calls have a limit of their own. More come than the burst and a second each allow.
    const errors: ApiError[] = [];
    for (let number = 1; number <= 20; number++) {
      const { error } = await eager.call('RoutingService.Apply', [applyOf('eager', '239.1.1.1')]);
      if (error !== undefined) errors.push(error);
      assert.ok(number > 5 || error === undefined, `write ${number}: ${String(error)}`);
    }
    assert.notEqual(errors.length, 0);
    for (const { reason, message, retryDelayMs = 0 } of errors) {
      assert.equal(reason, 'RATE_LIMIT');
      assert.equal(message, 'spiffe://lab/eager writes too often: try again a little later');
      assert.ok(retryDelayMs > 0 && retryDelayMs <= 1_000, String(retryDelayMs));
    }
    const { error } = await other.call('RoutingService.Apply', [applyOf('other', '239.1.1.2')]);
    assert.equal(error, undefined);
    const read = await eager.call('RoutingService.List', [{ table: TABLE }]);
    assert.equal(read.error, undefined);
    const line = await host.audited(({ reason }) => reason === 'RATE_LIMIT');
    assert.deepEqual(
      [line.identity, line.method, line.table, line.outcome],
      ['spiffe://lab/eager', 'RoutingService.Apply', TABLE, 'RESOURCE_EXHAUSTED'],
    );
  });

  it('are of its open calls, over all its connections', async () => {
    using first = await callerOf('watcher');
    using second = await callerOf('watcher');
    using other = await callerOf('other');
    const streams = [first, first, second].map((caller) => caller.open('RoutingService.Watch', { table: TABLE }));
    await Promise.all(streams.map(({ begun }) => begun));
    const { error } = await second.call('RoutingService.ListInterfaces', [{ table: TABLE }]);
    assert.equal(error?.reason, 'RATE_LIMIT');
    assert.equal(error.message, 'spiffe://lab/watcher has too many calls open: end one, or wait for one');
    assert.ok((error.retryDelayMs ?? 0) > 0);
    assert.equal((await other.call('RoutingService.ListInterfaces', [{ table: TABLE }])).error, undefined);
    for (const { cancel } of streams) cancel();
  });

  it('are of the resources of an owner: a batch that makes more is refused as a whole', async () => {
    using caller = await callerOf('planner');
    const groups = ['239.1.2.1', '239.1.2.2', '239.1.2.3'];
    const before = host.forwards(TABLE);
    const { error } = await caller.call('RoutingService.Apply', [applyOf('planner', ...groups)]);
    assert.equal(error?.reason, 'RESOURCE_LIMIT', error?.message);
    assert.deepEqual(host.forwards(TABLE), before);
    const fitting = await caller.call('RoutingService.Apply', [applyOf('planner', ...groups.slice(1))]);
    assert.equal(fitting.error, undefined);
    assert.equal(host.forwards(TABLE).length, before.length + 2);
    const one = await caller.call('RoutingService.Apply', [applyOf('planner', '239.1.2.1')]);
    assert.equal(one.error?.reason, 'RESOURCE_LIMIT');
  });
});

/** What processes of the host are called, and what a gateway without a policy lets them do. */
describe('a gateway without a policy, on its unix socket', () => {
  let local: AccessHost;

  before(async () => {
    local = await startAccessHost({ name: 'local', number: 2, family: 'ipv4', tables: [TABLE], ca });
  });

  after(() => {
    local[Symbol.dispose]();
  });

  /** Asks who it is, and changes something, as a user with groups. */
  function callAs(user: readonly string[]): { readonly identity: string; readonly refusal: string } | undefined {
    const script = join(import.meta.dirname, '../support/access-worker.js');
    const words = [...user, process.execPath, script, local.socketPath, String(TABLE)];
    const [program = '', ...args] = user.length === 0 ? words : ['setpriv', ...words];
    const { stdout, stderr, status } = spawnSync(program, args, { env: plainEnvironment(), encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const answer = JSON.parse(stdout) as { identity?: string; refusal: string };
    return answer.identity === undefined ? undefined : { identity: answer.identity, refusal: answer.refusal };
  }

  function userWords(id: number, ...groups: readonly number[]): string[] {
    const others = groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join()];
    return ['--reuid', String(id), '--regid', String(id), ...others, '--'];
  }

  it('root may do everything, and is written down', async () => {
    assert.deepEqual(callAs([]), { identity: 'uid:0', refusal: '' });
    const line = await local.audited(({ method }) => method === 'RoutingService.Apply');
    assert.deepEqual([line.identity, line.address, line.outcome, line.added], ['uid:0', 'unix', 'OK', 1]);
  });

  itAsRoot('a user of the group of the socket may do everything, and another does not reach it', () => {
    const { gid, mode } = statSync(local.socketPath);
    assert.equal(mode & 0o777, 0o660);
    assert.deepEqual(callAs(userWords(4_711, gid)), { identity: 'uid:4711', refusal: '' });
    assert.equal(callAs(userWords(4_712)), undefined);
  });

  it('nobody comes from elsewhere: who has a certificate may do nothing', async () => {
    const names = [{ kind: 'uri', value: 'spiffe://lab/eager' }] as const;
    const issued = await issue({ subject: 'CN=client', issuer: ca, usage: 'client', names });
    using caller = new AccessCaller(local.target, ca, issued);
    const { error } = await caller.call('RoutingService.List', [{ table: TABLE }]);
    assert.equal(error?.reason, 'PERMISSION_DENIED');
    assert.equal(error.message, 'no rule of the policy is for spiffe://lab/eager');
  });
});
