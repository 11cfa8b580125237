// TableService over a unix socket, with tables that have no agents.
import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  type Client,
  type ClientReadableStream,
  type ServiceError,
  credentials,
  loadPackageDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { connectToSupervisor, deadlineAfter, unary } from '../../src/api/client.js';
import type { CreateTableRequest } from '../../src/api/generated/mcroute/v1/CreateTableRequest.js';
import type { CreateTableResponse__Output } from '../../src/api/generated/mcroute/v1/CreateTableResponse.js';
import type { ListTablesResponse__Output } from '../../src/api/generated/mcroute/v1/ListTablesResponse.js';
import type { TableEntry__Output } from '../../src/api/generated/mcroute/v1/TableEntry.js';
import type { TableServiceClient } from '../../src/api/generated/mcroute/v1/TableService.js';
import type { WatchTablesResponse__Output } from '../../src/api/generated/mcroute/v1/WatchTablesResponse.js';
import { ApiError, fromServiceError, fromStatusMessage } from '../../src/api/status.js';
import { SocketError } from '../../src/api/unix-server.js';
import { WATCHERS_MAX } from '../../src/model/limits.js';
import { DEFAULT_SETTINGS } from '../../src/supervisor/settings.js';
import { serveTables } from '../../src/supervisor/table-service.js';
import { FakeTables, STARTED_AT_MS, openSupervisorHost, readyTable } from '../support/fake-tables.js';
import { WAIT_LIMIT_MS, eventually, waitForEvent, within } from '../support/wait.js';

const limit = () => ({ deadline: deadlineAfter(WAIT_LIMIT_MS) });

async function openClient() {
  const host = await openSupervisorHost();
  const connection = connectToSupervisor(host.path);
  return {
    ...host,
    client: connection.client,
    [Symbol.asyncDispose]: async () => {
      connection[Symbol.dispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}

function create(client: TableServiceClient, request: CreateTableRequest): Promise<CreateTableResponse__Output> {
  return unary((callback) => client.createTable(request, limit(), callback));
}

function list(client: TableServiceClient, table = 0): Promise<ListTablesResponse__Output> {
  return unary((callback) => client.listTables({ table }, limit(), callback));
}

async function errorOf(work: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await work.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ApiError, String(error));
  return error;
}

/** A watch whose messages are asked for one by one. */
class Watch implements Disposable {
  readonly stream: ClientReadableStream<WatchTablesResponse__Output>;
  readonly #messages: AsyncIterator<WatchTablesResponse__Output>;

  constructor(client: TableServiceClient, table = 0) {
    this.stream = client.watchTables({ table });
    this.#messages = this.stream[Symbol.asyncIterator]() as AsyncIterator<WatchTablesResponse__Output>;
  }

  /** The next message, in short: `5 ready`, `-5`, `synced`. */
  async next(): Promise<string> {
    const result = await within(this.#messages.next(), 'a message of the watch');
    if (result.done === true) return 'end';
    const { entry, deleted } = result.value;
    if (entry) return `${entry.table} ${entry.state.replace('STATE_', '').toLowerCase()}`;
    return deleted === undefined ? 'synced' : `-${deleted}`;
  }

  [Symbol.dispose](): void {
    this.stream.on('error', () => undefined);
    this.stream.cancel();
  }
}

describe('the service of tables', () => {
  it('creates a table with all of its settings, and tells all of it', async () => {
    await using host = await openClient();
    const called = waitForEvent<unknown[]>(host.tables.events, 'call');
    const settings = {
      name: 'studio',
      user: 'a:b',
      netns: 'blue',
      configFile: '/etc/mcroute/studio.conf',
      families: ['FAMILY_IPV6', 'FAMILY_IPV4', 'FAMILY_IPV6'] as ('FAMILY_IPV4' | 'FAMILY_IPV6')[],
      cacheTimeout: { seconds: 0 },
      starG: 'STAR_G_LEARN' as const,
      noMrules: true,
      mrulePriority: 7,
      noRealtime: true,
      logLevel: 'debug',
      watchdog: { seconds: 5 },
    };
    const { entry } = await create(host.client, { table: 5, settings });
    assert.deepEqual(await called, [
      'create',
      5,
      {
        name: 'studio',
        user: 'a:b',
        netns: 'blue',
        configFile: '/etc/mcroute/studio.conf',
        families: ['ipv4', 'ipv6'],
        cacheTimeoutS: 0,
        starG: 'learn',
        makesMrules: false,
        mrulePriority: 7,
        wantsRealtime: false,
        logLevel: 'debug',
        watchdogS: 5,
      },
    ]);
    const expected: TableEntry__Output = {
      table: 5,
      settings: {
        ...settings,
        families: ['FAMILY_IPV4', 'FAMILY_IPV6'],
        cacheTimeout: { seconds: '0', nanos: 0 },
        watchdog: { seconds: '5', nanos: 0 },
      },
      origin: 'ORIGIN_API',
      state: 'STATE_READY',
      pid: 1_005,
      restarts: 0,
      startTime: { seconds: String(Math.floor(STARTED_AT_MS / 1_000)), nanos: 678_000_000 },
      nextStartTime: null,
      status: 'serves',
      descriptors: 2,
      lastError: null,
    };
    assert.deepEqual(entry, expected);
  });

  it('has defaults for what is not told', async () => {
    await using host = await openClient();
    for (const request of [{ table: 5 }, { table: 6, settings: {} }]) {
      const called = waitForEvent<unknown[]>(host.tables.events, 'call');
      await create(host.client, request);
      assert.deepEqual((await called)[2], DEFAULT_SETTINGS);
    }
  });

  it('tells all that is wrong with a request at once', async () => {
    await using host = await openClient();
    const settings = {
      name: '5',
      user: ':',
      netns: '/',
      families: ['FAMILY_UNSPECIFIED' as const],
      cacheTimeout: { seconds: 86_401 },
      starG: 9 as 0,
      mrulePriority: 32_767,
      logLevel: 'warn',
      watchdog: { seconds: 1, nanos: 1 },
    };
    const error = await errorOf(create(host.client, { table: 100_000_000, settings }));
    assert.equal(error.reason, 'INVALID_FIELD');
    const fields = ['name', 'user', 'netns', 'families', 'cache_timeout', 'star_g', 'mrule_priority', 'log_level'];
    assert.deepEqual(
      error.violations.map(({ field }) => field).sort(),
      ['table', ...[...fields, 'watchdog'].map((field) => `settings.${field}`)].sort(),
    );
    const { client } = host;
    for (const table of [0, 4_294_967_295]) {
      const calls = [
        unary((callback) => client.startTable({ table }, limit(), callback)),
        unary((callback) => client.stopTable({ table }, limit(), callback)),
        unary((callback) => client.restartTable({ table }, limit(), callback)),
        unary((callback) => client.deleteTable({ table }, limit(), callback)),
      ];
      for (const call of calls) {
        const { violations } = await errorOf(call);
        assert.deepEqual(
          violations.map(({ field }) => field),
          ['table'],
        );
      }
    }
    assert.deepEqual(host.tables.list(), []);
  });

  it('leaves to people on the host what would give a gateway more than it has', async () => {
    await using host = await openSupervisorHost();
    const path = join(host.directory, 'supervisor-gateway.sock');
    const door = await serveTables(path, host.tables, { onBug: assert.ifError, forGateway: { user: undefined } });
    const connection = connectToSupervisor(path);
    try {
      for (const [settings, named] of [
        [{ user: 'root' }, 'user'],
        [{ netns: 'red', configFile: '/etc/shadow' }, 'netns, config_file'],
      ] as const) {
        const refused = await errorOf(create(connection.client, { table: 5, settings }));
        assert.equal(refused.reason, 'PERMISSION_DENIED');
        assert.match(refused.message, new RegExp(`^${named} of a table can be set only on the host itself`));
      }
      assert.equal(host.tables.get(5), undefined);
      const { entry } = await create(connection.client, {
        table: 5,
        settings: { name: 'studio', starG: 'STAR_G_LEARN' },
      });
      assert.equal(entry?.settings?.name, 'studio');
    } finally {
      connection[Symbol.dispose]();
      await door.stop();
    }
  });

  it('starts, stops, restarts and deletes, with the options', async () => {
    await using host = await openClient();
    const { client, tables } = host;
    tables.put(readyTable(5));
    const calls: unknown[] = [];
    tables.events.on('call', (words) => calls.push(words));
    const stopped = await unary<{ entry: TableEntry__Output | null }>((callback) =>
      client.stopTable({ table: 5, keepForwarding: true }, limit(), callback),
    );
    assert.deepEqual([stopped.entry?.state, stopped.entry?.pid], ['STATE_STOPPED', 0]);
    await unary((callback) => client.startTable({ table: 5 }, limit(), callback));
    const restarted = await unary<{ entry: TableEntry__Output | null }>((callback) =>
      client.restartTable({ table: 5 }, limit(), callback),
    );
    assert.equal(restarted.entry?.restarts, 1);
    await unary((callback) => client.deleteTable({ table: 5, forgetWishes: true }, limit(), callback));
    assert.deepEqual(calls, [
      ['stop', 5, { keepsForwarding: true }],
      ['start', 5],
      ['restart', 5],
      ['delete', 5, { forgetsWishes: true }],
    ]);
    assert.equal(
      (await errorOf(unary((callback) => client.startTable({ table: 5 }, limit(), callback)))).reason,
      'TABLE_NOT_FOUND',
    );
  });

  it('lists the tables in the order of their ids, or the one', async () => {
    await using host = await openClient();
    const { client, tables } = host;
    assert.deepEqual((await list(client)).entries, []);
    const lastError = { reason: 'AGENT_FAILED', message: 'it ended with 78' } as const;
    tables.put(readyTable(9, { state: 'backing-off', pid: undefined, nextStartAtMs: STARTED_AT_MS + 500, lastError }));
    tables.put(readyTable(5, { origin: 'configuration', state: 'failed' }));
    const { entries } = await list(client);
    assert.deepEqual(
      entries.map(({ table, state, origin }) => [table, state, origin]),
      [
        [5, 'STATE_FAILED', 'ORIGIN_CONFIGURATION'],
        [9, 'STATE_BACKING_OFF', 'ORIGIN_API'],
      ],
    );
    const [one] = (await list(client, 9)).entries;
    assert.equal(one?.nextStartTime?.nanos, 178_000_000);
    const { reason, message } = fromStatusMessage(one.lastError ?? assert.fail());
    assert.deepEqual({ reason, message }, lastError);
    assert.equal((await errorOf(list(client, 6))).reason, 'TABLE_NOT_FOUND');
  });

  it('passes errors on, and tells of bugs', async () => {
    await using host = await openClient();
    host.tables.failure = new ApiError('STORAGE', 'the disk is full', { metadata: { errno: 'ENOSPC' } });
    const error = await errorOf(create(host.client, { table: 5 }));
    assert.deepEqual(
      [error.reason, error.message, error.metadata],
      ['STORAGE', 'the disk is full', { errno: 'ENOSPC' }],
    );
    const bug = new TypeError('x is not a function');
    host.tables.failure = bug;
    const told = await errorOf(create(host.client, { table: 5 }));
    assert.deepEqual(
      [told.reason, told.message],
      ['INTERNAL', "CreateTable failed because of a bug; the supervisor's log has more"],
    );
    assert.deepEqual(host.bugs, [bug]);
  });

  it('answers others while one call waits', async () => {
    await using host = await openClient();
    let open: () => void = () => undefined;
    host.tables.gate = new Promise((resolve) => (open = resolve));
    const called = waitForEvent(host.tables.events, 'call');
    const creating = create(host.client, { table: 5 });
    await called;
    assert.deepEqual((await list(host.client)).entries, []);
    open();
    assert.equal((await creating).entry?.table, 5);
  });
});

describe('a watch of the tables', () => {
  it('tells what there is, then every change', async () => {
    await using host = await openClient();
    host.tables.put(readyTable(6));
    host.tables.put(readyTable(5, { state: 'starting' }));
    using watch = new Watch(host.client);
    assert.deepEqual([await watch.next(), await watch.next(), await watch.next()], ['5 starting', '6 ready', 'synced']);
    host.tables.put(readyTable(5));
    assert.equal(await watch.next(), '5 ready');
    host.tables.drop(6);
    assert.equal(await watch.next(), '-6');
  });

  it('of one table tells of no other, and waits for one that is not there', async () => {
    await using host = await openClient();
    host.tables.put(readyTable(6));
    using watch = new Watch(host.client, 5);
    assert.equal(await watch.next(), 'synced');
    host.tables.put(readyTable(6, { state: 'stopping' }));
    host.tables.put(readyTable(5));
    assert.equal(await watch.next(), '5 ready');
  });

  it('that is not read gets the last state of each table, once', async () => {
    await using host = await openClient();
    using watch = new Watch(host.client);
    assert.equal(await watch.next(), 'synced');
    watch.stream.pause();
    // Far more than the windows of HTTP/2 take, some hundred KiB.
    const status = 'x'.repeat(4_096);
    for (let restarts = 0; restarts < 2_000; restarts++) {
      host.tables.put(readyTable(5, { restarts, status }));
      host.tables.put(readyTable(6, { restarts, status }));
      // Lets the transport take what it will.
      if (restarts % 100 === 0) await new Promise(setImmediate);
    }
    host.tables.drop(6);
    host.tables.put(readyTable(7));
    let messages = 0;
    let message = '';
    const seen = new Map<string, number>();
    while (message !== '7 ready') {
      message = await watch.next();
      messages++;
      seen.set(message, (seen.get(message) ?? 0) + 1);
    }
    assert.ok(messages < 2_000, `${messages} messages of 4002 changes`);
    assert.equal(seen.get('-6'), 1);
  });

  it('ends with a reason when the supervisor stops', async () => {
    await using host = await openClient();
    using watch = new Watch(host.client);
    assert.equal(await watch.next(), 'synced');
    const ended = watch.next().catch((error: unknown) => fromServiceError(error as ServiceError));
    await host.server.stop();
    const error = await ended;
    assert.ok(error instanceof ApiError);
    assert.deepEqual(
      [error.reason, error.message],
      ['AGENT_UNAVAILABLE', 'the supervisor stops; watch again when it is back'],
    );
    assert.equal(host.tables.listeners, 0);
    assert.ok(!existsSync(host.path));
  });

  it('is refused where there are too many, and one that ends makes room', async () => {
    await using host = await openClient();
    const watches = Array.from({ length: WATCHERS_MAX }, () => new Watch(host.client));
    try {
      for (const watch of watches) assert.equal(await watch.next(), 'synced');
      using refused = new Watch(host.client);
      const error = fromServiceError(
        await refused.next().then(
          () => assert.fail('it began'),
          (reason: unknown) => reason as ServiceError,
        ),
      );
      assert.equal(error.reason, 'RESOURCE_LIMIT');
      watches.pop()?.[Symbol.dispose]();
      // That it has ended is known to the server alone.
      await eventually(async () => {
        using again = new Watch(host.client);
        return (await again.next().catch(() => 'refused')) === 'synced' ? true : undefined;
      }, 'room for a watch');
    } finally {
      for (const watch of watches) watch[Symbol.dispose]();
    }
  });
});

/** grpc.health.v1 without types. */
interface HealthPackage {
  readonly grpc: {
    readonly health: {
      readonly v1: {
        readonly Health: new (
          path: string,
          secrets: ReturnType<typeof credentials.createInsecure>,
        ) => Client & {
          Check(
            request: { service: string },
            callback: (error: ServiceError | null, reply?: { status: string }) => void,
          ): unknown;
        };
      };
    };
  };
}

describe('the socket of the supervisor', () => {
  it('is for its group, and tells its health', async () => {
    await using host = await openSupervisorHost();
    assert.equal(statSync(host.path).mode & 0o777, 0o660);
    const { grpc } = loadPackageDefinition(loadSync(healthProto, { enums: String })) as unknown as HealthPackage;
    const client = new grpc.health.v1.Health(`unix:${host.path}`, credentials.createInsecure());
    try {
      for (const service of ['', 'mcroute.v1.TableService']) {
        const { status } = await unary<{ status: string }>((callback) => client.Check({ service }, callback));
        assert.equal(status, 'SERVING');
      }
    } finally {
      client.close();
    }
  });

  it('is for one user where it serves the gateway', async () => {
    await using host = await openSupervisorHost();
    const path = join(host.directory, 'supervisor-gateway.sock');
    const user = process.geteuid?.() ?? 0;
    const door = await serveTables(path, host.tables, { onBug: assert.ifError, forGateway: { user } });
    const { mode, uid } = statSync(path);
    await door.stop();
    assert.deepEqual([mode & 0o777, uid], [0o600, user]);
    assert.ok(!existsSync(path));
  });

  it('is not taken from a supervisor that serves, and says what is in the way', async () => {
    await using host = await openSupervisorHost();
    const options = { onBug: () => undefined };
    const others = new FakeTables();
    await assert.rejects(serveTables(host.path, others, options), (error) => {
      assert.ok(error instanceof SocketError);
      assert.equal(error.code, 'SOCKET_IN_USE');
      assert.match(error.message, /stop it, or set another MCROUTE_RUNTIME_DIRECTORY$/);
      return true;
    });
    assert.equal(others.listeners, 0);
    const file = join(host.directory, 'file');
    writeFileSync(file, '');
    await assert.rejects(serveTables(file, new FakeTables(), options), { code: 'SOCKET_PATH' });
    await assert.rejects(serveTables(join(host.directory, 'none/a.sock'), new FakeTables(), options), {
      code: 'SOCKET_PERMISSION',
    });
    await assert.rejects(serveTables(join(host.directory, 'a'.repeat(108)), new FakeTables(), options), {
      code: 'SOCKET_PATH',
    });
  });
});
