// Sessions of controllers with a real agent: elections, operations, and what becomes of the resources of an owner that
// stays away.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { messages, unary } from '../../src/api/client.js';
import type { Session } from '../../src/api/generated/mcroute/v1/Session.js';
import { fromStatusMessage } from '../../src/api/status.js';
import { CHANGES_PER_APPLY_MAX } from '../../src/model/limits.js';
import { type Agent, startAgent } from '../support/agent.js';
import { SessionClient } from '../support/session-client.js';
import { BATCH, numberedGroup, numberedPut } from '../support/session-routes.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { eventually, waitForExit, waitForLine } from '../support/wait.js';
import { TableClient, route } from './table-client.js';

const TABLE = 131;
const OPERATIONS = 10_000;

/** Batches whose results came when the primary dies. */
const DONE_BATCHES = 20;

let topology: RouterTopology;
let agent: Agent;
let stateDirectory: string;
let lives = 0;
const sessions: SessionClient[] = [];

before(() => {
  topology = routerTopology({ senders: 1, receivers: 2 });
});

after(() => {
  topology[Symbol.dispose]();
});

beforeEach(async () => {
  stateDirectory = `/run/sessions-${++lives}`;
  agent = await startAgent(topology.router, { table: TABLE, stateDirectory });
});

afterEach(async () => {
  for (const session of sessions.splice(0)) session[Symbol.dispose]();
  await agent.stop();
});

function begin(session: Session, client = agent.client): SessionClient {
  const opened = new SessionClient(client, TABLE, session);
  sessions.push(opened);
  return opened;
}

/** Kills the agent and starts the next one. */
async function killAndRestart(): Promise<void> {
  agent.process.kill('SIGKILL');
  await waitForExit(agent.process);
  agent[Symbol.dispose]();
  agent = await startAgent(topology.router, { table: TABLE, stateDirectory });
}

async function groups(): Promise<string[]> {
  const entries = await new TableClient(agent).entries();
  return entries.map(({ resource }) => resource?.mroute?.key?.group ?? '').sort();
}

/** Groups of the kernel's table. */
function kernelGroups(): string[] {
  const shown = topology.router.run('ip', ['-4', 'mroute', 'show', 'table', String(TABLE)]);
  return [...shown.matchAll(/\(0\.0\.0\.0,(\S+?)\)/g)].map(([, group = '']) => group).sort();
}

/** The saved record of sessions. */
function record(): { readonly owners: Readonly<Record<string, { readonly deadlineMs?: number }>> } {
  const path = join(stateDirectory, String(TABLE), 'sessions');
  // Where there was nothing to remember there is no file.
  if (!existsSync(path)) return { owners: {} };
  return JSON.parse(readFileSync(path, 'utf8').slice('01234567 '.length)) as ReturnType<typeof record>;
}

const ALL_GROUPS = Array.from({ length: OPERATIONS }, (_, n) => numberedGroup(n)).sort();

/**
 * The backup takes over when the primary is gone, and does what is not done yet.
 *
 * @param batches that it has sent before
 */
async function takeOver(backup: SessionClient, batches: number): Promise<void> {
  await backup.untilStanding(false, false);
  backup.claim({ owner: 'controller', role: 'controller', electionId: 3 });
  await backup.untilStanding(true);
  const done = new Set(await groups());
  assert.ok(done.size >= DONE_BATCHES * BATCH, `what was acknowledged is lost: only ${done.size} routes are there`);
  assert.ok(done.size < OPERATIONS, 'the primary was done before it died');
  const rest = Array.from({ length: OPERATIONS }, (_, n) => n).filter((n) => !done.has(numberedGroup(n)));
  let last = batches;
  for (let first = 0; first < rest.length; first += BATCH, last++) {
    backup.send(...rest.slice(first, first + BATCH).map(numberedPut));
  }
  await backup.untilBatch(last, 60_000);
  // Each was added just once: what the primary had done the backup did not do again, and the other way round.
  assert.deepEqual(
    backup.results.map(({ id, effect }) => [id, effect]),
    rest.map((n) => [String(n), 'EFFECT_ADDED']),
  );
  assert.deepEqual(await groups(), ALL_GROUPS);
  assert.deepEqual(kernelGroups(), ALL_GROUPS);
}

/** Runs a body while a controller of its own process puts all routes; gives what its results are waited for with. */
async function whileWorking(
  socketPath: string,
  body: (worker: { untilBatch(batch: number): Promise<unknown>; kill(): void }) => Promise<void>,
): Promise<void> {
  const program = join(import.meta.dirname, '../support/session-worker.js');
  const worker = spawn(process.execPath, [program, socketPath, String(TABLE), 'controller', String(OPERATIONS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await waitForLine(worker.stdout, /^primary$/m);
    await body({
      untilBatch: (batch) => waitForLine(worker.stdout, new RegExp(`^batch ${batch}$`, 'm')),
      kill: () => worker.kill('SIGKILL'),
    });
  } finally {
    worker.kill('SIGKILL');
    await waitForExit(worker);
  }
}

/** A socket that leads to the agent's until it is cut. */
async function openProxy(path: string): Promise<{ cut(): void } & AsyncDisposable> {
  const pairs: Socket[] = [];
  const server: Server = createServer((near) => {
    const far = connect(agent.socketPath);
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
    pairs.push(near, far);
  });
  server.listen(path);
  await once(server, 'listening');
  const cut = () => {
    for (const socket of pairs.splice(0)) socket.destroy();
    server.close();
  };
  return {
    cut,
    [Symbol.asyncDispose]: () => {
      cut();
      return Promise.resolve();
    },
  };
}

describe('a backup goes on where the primary ended', () => {
  const BACKUP = { owner: 'controller', role: 'controller', electionId: 1 };

  it('that was killed in the middle of 10,000 operations', async () => {
    await whileWorking(agent.socketPath, async (worker) => {
      const backup = begin(BACKUP);
      await backup.untilStanding(false, true);
      backup.send(numberedPut(OPERATIONS));
      assert.equal((await backup.untilBatch(1)).refused, 1);
      assert.equal(fromStatusMessage(backup.results[0]?.error ?? assert.fail()).reason, 'NOT_PRIMARY');
      backup.responses.length = 0;
      await worker.untilBatch(DONE_BATCHES);
      worker.kill();
      await takeOver(backup, 1);
    });
  });

  it('whose connection was cut in the middle of 10,000 operations', async () => {
    await using proxy = await openProxy('/run/cut.sock');
    await whileWorking('/run/cut.sock', async (worker) => {
      const backup = begin(BACKUP);
      await backup.untilStanding(false, true);
      await worker.untilBatch(DONE_BATCHES);
      proxy.cut();
      await takeOver(backup, 0);
    });
  });
});

describe('an election', () => {
  it('is lost to a higher id, and the loser is told; nothing of it is taken then', async () => {
    const [first, second] = [begin({ owner: 'a', electionId: 7 }), begin({ owner: 'a', electionId: 3 })];
    await first.untilStanding(true);
    assert.deepEqual(await second.untilStanding(false, true), {
      isPrimary: false,
      highestElectionId: '7',
      hasPrimary: true,
    });
    second.claim({ owner: 'a', electionId: 8 });
    await second.untilStanding(true);
    await first.untilStanding(false, true);
    first.send(numberedPut(1));
    assert.equal((await first.untilBatch(1)).refused, 1);
    second.send(numberedPut(2));
    assert.equal((await second.untilBatch(1)).added, 1);
    assert.deepEqual(await groups(), [numberedGroup(2)]);
  });

  it('is not won with a lower id than that of a primary before an agent before', async () => {
    const first = begin({ owner: 'a', electionId: '18446744073709551610' });
    await first.untilStanding(true);
    await killAndRestart();
    const lower = begin({ owner: 'a', electionId: 9 });
    assert.equal((await lower.untilStanding(false)).highestElectionId, '18446744073709551610');
    const same = begin({ owner: 'a', electionId: '18446744073709551610' });
    await same.untilStanding(true);
    await lower.untilStanding(false, true);
  });

  it('is of one owner', async () => {
    await begin({ owner: 'a', role: 'r', electionId: 1 }).untilStanding(true);
    const end = await begin({ owner: 'b', role: 'r', electionId: 2 }).untilEnd();
    assert.ok(end !== 'OK' && end.reason === 'INVALID_FIELD' && end.message.includes("owner 'a'"));
  });
});

describe('the operations of a session', () => {
  it('have results of their own, and a bad one ends nothing', async () => {
    const session = begin({ owner: 'a' });
    await session.untilStanding(true);
    const key = { iif: 'in0', source: '', group: numberedGroup(2) };
    session.send(
      numberedPut(1),
      { id: 2, put: { mroute: { key: { iif: 'in0', source: '', group: '10.0.0.1' } } } },
      { id: 3, deleteExisting: { mroute: key } },
      { id: 4 },
      numberedPut(5),
    );
    const response = await session.untilBatch(1);
    assert.deepEqual([response.added, response.refused], [2, 3]);
    assert.deepEqual(
      session.results.map(({ id, effect, entry, error }) => [
        id,
        effect,
        entry?.state,
        error && fromStatusMessage(error).reason,
      ]),
      [
        ['1', 'EFFECT_ADDED', 'STATE_PROGRAMMED', null],
        ['2', 'EFFECT_UNSPECIFIED', undefined, 'INVALID_FIELD'],
        ['3', 'EFFECT_UNSPECIFIED', undefined, 'NOT_FOUND'],
        ['4', 'EFFECT_UNSPECIFIED', undefined, 'INVALID_FIELD'],
        ['5', 'EFFECT_ADDED', 'STATE_PROGRAMMED', null],
      ],
    );
    session.call.end();
    assert.equal(await session.untilEnd(), 'OK');
    assert.deepEqual(await groups(), [numberedGroup(1), numberedGroup(5)].sort());
  });

  it('have another result when what they waited for is there', async () => {
    const session = begin({ owner: 'a' });
    await session.untilStanding(true);
    session.send({ id: 9, put: route('late0', '239.9.9.9', ['out1']) });
    await session.untilBatch(1);
    assert.equal(session.resultsOf(9)[0]?.entry?.state, 'STATE_PENDING');
    topology.router.run('ip', ['link', 'add', 'late0', 'type', 'veth', 'peer', 'name', 'late1']);
    topology.router.run('ip', ['link', 'set', 'late0', 'up']);
    const later = await session.until(() => session.resultsOf(9)[1], 'another result');
    assert.deepEqual([later.entry?.state, later.effect], ['STATE_PROGRAMMED', 'EFFECT_ADDED']);
    topology.router.run('ip', ['link', 'delete', 'late0']);
  });

  it('are refused as a whole where a batch has too many, and the session goes on', async () => {
    const session = begin({ owner: 'a' });
    await session.untilStanding(true);
    session.send(...Array.from({ length: CHANGES_PER_APPLY_MAX + 1 }, (_, id) => ({ id })));
    const refused = await session.untilBatch(1);
    assert.equal(refused.refused, CHANGES_PER_APPLY_MAX + 1);
    assert.equal(fromStatusMessage(refused.error ?? assert.fail()).reason, 'RESOURCE_LIMIT');
    session.send(numberedPut(1));
    assert.equal((await session.untilBatch(2)).added, 1);
  });

  it('wait for the confirmation of a change of their owner', async () => {
    const { client } = agent;
    const session = begin({ owner: 'a' });
    await session.untilStanding(true);
    await unary((callback) =>
      client.apply({ table: TABLE, owner: 'a', changes: [numberedPut(1)], confirmWithin: { seconds: 60 } }, callback),
    );
    session.send(numberedPut(2));
    assert.equal((await session.untilBatch(1)).refused, 1);
    assert.equal(fromStatusMessage(session.results[0]?.error ?? assert.fail()).reason, 'UNCONFIRMED');
    await unary((callback) => client.confirm({ table: TABLE, owner: 'a' }, callback));
    session.send(numberedPut(2));
    assert.equal((await session.untilBatch(2)).added, 1);
    const methods: string[] = [];
    for await (const { entries } of messages(client.listHistory({ table: TABLE, owner: 'a' }))) {
      methods.push(...entries.map(({ method }) => method));
    }
    assert.deepEqual(methods, ['Modify', 'Apply']);
  });

  it('need a session first', async () => {
    const session = new SessionClient(agent.client, TABLE);
    sessions.push(session);
    session.send(numberedPut(1));
    const end = await session.untilEnd();
    assert.ok(end !== 'OK' && end.reason === 'INVALID_FIELD' && end.message.startsWith('session:'));
  });

  it('come after those of the table that is served', async () => {
    const session = new SessionClient(agent.client, TABLE + 1, { owner: 'a' });
    sessions.push(session);
    const end = await session.untilEnd();
    assert.ok(end !== 'OK' && end.reason === 'TABLE_NOT_FOUND');
  });
});

describe('the resources of an owner that stays away', () => {
  const HOLD: Session = { owner: 'a', onAbsence: 'ON_ABSENCE_DELETE', holdTime: { seconds: 1 } };

  async function putAndEnd(session: Session): Promise<void> {
    await new TableClient(agent).as('other').put(route('in0', numberedGroup(200), ['out1']));
    const opened = begin(session);
    await opened.untilStanding(true);
    opened.send(numberedPut(1));
    await opened.untilBatch(1);
    opened.call.end();
    assert.equal(await opened.untilEnd(), 'OK');
  }

  async function untilGone(): Promise<void> {
    await eventually(async () => ((await groups()).includes(numberedGroup(1)) ? undefined : true), 'they are gone');
    assert.deepEqual(await groups(), [numberedGroup(200)]);
    assert.deepEqual(kernelGroups(), [numberedGroup(200)]);
  }

  it('go after the hold time, and nobody else does', async () => {
    await putAndEnd(HOLD);
    assert.ok((await groups()).includes(numberedGroup(1)), 'they went at once');
    await untilGone();
  });

  it('go on time though the agent was killed meanwhile', async () => {
    await putAndEnd({ ...HOLD, holdTime: { seconds: 3 } });
    await eventually(() => record().owners['a']?.deadlineMs, 'the deadline is saved');
    await killAndRestart();
    assert.ok((await groups()).includes(numberedGroup(1)), 'they went before their time');
    await untilGone();
  });

  it('stay if it comes back', async () => {
    await putAndEnd(HOLD);
    const back = begin(HOLD);
    await back.untilStanding(true);
    assert.equal(record().owners['a']?.deadlineMs, undefined);
    // The time of one who left later is over later.
    const other = begin({ ...HOLD, owner: 'b' });
    await other.untilStanding(true);
    other.send(numberedPut(2));
    await other.untilBatch(1);
    other.call.end();
    await eventually(async () => ((await groups()).includes(numberedGroup(2)) ? undefined : true), 'the other is gone');
    assert.ok((await groups()).includes(numberedGroup(1)));
  });

  it('stay if it comes back to the agent after the one that was killed', async () => {
    await putAndEnd({ owner: 'a' });
    const first = begin(HOLD);
    await first.untilStanding(true);
    await killAndRestart();
    await begin(HOLD).untilStanding(true);
    assert.equal(record().owners['a']?.deadlineMs, undefined);
    assert.ok((await groups()).includes(numberedGroup(1)));
  });

  it('stay if that was not asked for', async () => {
    await putAndEnd({ owner: 'a', holdTime: { seconds: 0 } });
    assert.ok((await groups()).includes(numberedGroup(1)));
    assert.deepEqual(record().owners, {});
  });
});
