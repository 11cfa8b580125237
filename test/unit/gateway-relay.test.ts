// A gateway in this process, before an agent that does what the tests want.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  credentials,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { CHANNEL_OPTIONS, connectToSocket, deadlineAfter, messages, unary } from '../../src/api/client.js';
import type { RoutingServiceHandlers } from '../../src/api/generated/mcroute/v1/RoutingService.js';
import type { WhoAmIResponse__Output } from '../../src/api/generated/mcroute/v1/WhoAmIResponse.js';
import { api, relayMessages, routingDefinition } from '../../src/api/load.js';
import { ApiError, type Reason, toStatusObject } from '../../src/api/status.js';
import { parseConfiguration } from '../../src/gateway/configuration.js';
import { frame } from '../../src/gateway/messages.js';
import { type RunningGateway, startGateway } from '../../src/gateway/gateway.js';
import { MESSAGE_MAX } from '../../src/model/limits.js';
import { openLog } from '../../src/runtime/log.js';
import { eventually, waitForEvent } from '../support/wait.js';

const TABLE = 5;
const ME = `uid:${process.getuid?.() ?? 0}`;

let directory = '';
let gateway: RunningGateway;
let agent: Server | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gateway-'));
});
afterEach(async () => {
  await gateway.stop();
  agent?.forceShutdown();
  agent = undefined;
  rmSync(directory, { recursive: true });
});

async function serveGateway(limits = ''): Promise<void> {
  const text = `listen: [{ unix: ${directory}/gateway.sock }]\naudit: { file: ${directory}/audit.log }\n${limits}`;
  const configuration = parseConfiguration(text, 'f', { runtimeDirectory: directory, logsDirectory: directory });
  gateway = await startGateway({ runtimeDirectory: directory, version: '0', configuration }, openLog('none', {}));
}

type Served = 'Apply' | 'Flush' | 'GetCapabilities' | 'List' | 'Modify' | 'Replace' | 'Watch';

/** Serves some methods as the agent of the table. */
async function serveAgent(handlers: Partial<Pick<RoutingServiceHandlers, Served>>): Promise<void> {
  const server = new Server({ 'grpc.max_receive_message_length': MESSAGE_MAX });
  server.addService(routingDefinition(), handlers);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${directory}/${TABLE}.sock`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
  agent = server;
}

function connect() {
  return connectToSocket(join(directory, 'gateway.sock'));
}

function soon() {
  return { deadline: deadlineAfter(10_000) };
}

interface AuditEntry {
  readonly method: string;
  readonly outcome: string;
  readonly [field: string]: unknown;
}

/** What the audit has of a method, when it has something. */
function audited(method: string): Promise<AuditEntry> {
  return eventually(() => {
    const file = join(directory, 'audit.log');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
    return lines.map((line) => JSON.parse(line) as AuditEntry).find((line) => line.method === method);
  }, `a line of ${method}`);
}

function isReason(reason: Reason) {
  return (error: unknown) => {
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(error.reason, reason, error.message);
    return true;
  };
}

describe('a call through the gateway', () => {
  it('has the caller, and nothing that the client says of itself', async () => {
    let seen: Record<string, unknown> = {};
    await serveAgent({
      Flush: (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<object>) => {
        seen = call.metadata.getMap();
        callback(null, { dropped: 7 });
      },
    });
    await serveGateway();
    using connection = connect();
    const metadata = new Metadata();
    metadata.set('mcroute-identity', 'spiffe://somebody/else');
    metadata.set('x-trace', 'abc');
    const reply = await unary<object>((callback) =>
      connection.client.Flush({ table: TABLE }, metadata, soon(), callback),
    );
    assert.deepEqual(reply, { dropped: 7 });
    assert.equal(seen['mcroute-identity'], ME);
    assert.equal(seen['mcroute-wants-changes'], '1');
    assert.equal(seen['x-trace'], 'abc');
    assert.equal(seen['mcroute-scope-bin'], undefined, 'an admin has no scope');
  });

  it('brings what was changed to the audit, and not to the client', async () => {
    const summary = relayMessages().changeSummary.serialize({ revision: '12', added: 2, removed: 1, first: ['+a'] });
    await serveAgent({
      Apply: (_call: unknown, callback: sendUnaryData<object>) => {
        const trailers = new Metadata();
        trailers.set('mcroute-changes-bin', summary);
        trailers.set('x-own', 'kept');
        callback(null, { revision: '12' }, trailers);
      },
    });
    await serveGateway();
    using connection = connect();
    let trailers: Metadata | undefined;
    await unary<object>((callback) => {
      const call = connection.client.Apply({ table: TABLE, owner: 'me' }, soon(), callback);
      call.on('status', ({ metadata }) => {
        trailers = metadata;
      });
      return call;
    });
    assert.deepEqual(trailers?.get('x-own'), ['kept']);
    assert.deepEqual(trailers.get('mcroute-changes-bin'), []);
    const { outcome, table, identity, revision, added, changed, removed, first } =
      await audited('RoutingService.Apply');
    assert.deepEqual(
      { outcome, table, identity, revision, added, changed, removed, first },
      { outcome: 'OK', table: TABLE, identity: ME, revision: '12', added: 2, changed: 0, removed: 1, first: ['+a'] },
    );
  });

  it('ends with the status of the agent, and its details', async () => {
    await serveAgent({
      Apply: (_call: unknown, callback: sendUnaryData<object>) => {
        const violations = [{ field: 'owner', description: 'ünusual' }];
        callback(toStatusObject(new ApiError('INVALID_FIELD', 'owner: ünusual', { violations })));
      },
    });
    await serveGateway();
    using connection = connect();
    await assert.rejects(
      unary((callback) => connection.client.Apply({ table: TABLE, owner: 'me' }, soon(), callback)),
      (error: unknown) => {
        assert.ok(error instanceof ApiError);
        assert.deepEqual(error.violations, [{ field: 'owner', description: 'ünusual' }]);
        return true;
      },
    );
    const { outcome, reason, message } = await audited('RoutingService.Apply');
    assert.deepEqual(
      { outcome, reason, message },
      { outcome: 'INVALID_ARGUMENT', reason: 'INVALID_FIELD', message: 'owner: ünusual' },
    );
  });

  it('streams both ways', async () => {
    await serveAgent({
      Modify: (call) => {
        call.on('data', () => {
          call.write({ revision: '3', added: 1 });
        });
        call.on('end', () => {
          call.end();
        });
      },
      Replace: (call, callback) => {
        let count = 0;
        call.on('data', () => count++);
        call.on('end', () => {
          callback(null, { revision: '1', added: count });
        });
      },
      List: (call) => {
        for (let revision = 1; revision <= 100; revision++) call.write({ revision: String(revision) });
        call.end();
      },
    });
    await serveGateway();
    using connection = connect();
    const session = connection.client.Modify(soon());
    session.write({ table: TABLE, session: { owner: 'me' } });
    await waitForEvent(session, 'data');
    session.write({ changes: { changes: [] } });
    await waitForEvent(session, 'data');
    session.end();
    await waitForEvent(session, 'end');
    const reply = await unary<{ added: number }>((callback) => {
      const call = connection.client.Replace(soon(), callback);
      for (let index = 0; index < 50; index++) call.write({ table: TABLE, owner: 'me' });
      call.end();
      return call;
    });
    assert.equal(reply.added, 50);
    let listed = 0;
    for await (const { revision } of messages(connection.client.List({ table: TABLE }, soon()))) {
      assert.equal(revision, String(++listed));
    }
    assert.equal(listed, 100);
    const { added, outcome } = await audited('RoutingService.Modify');
    assert.deepEqual({ added, outcome }, { added: 2, outcome: 'OK' });
  });

  it('ends at the agent when the client cancels it, and when its deadline has passed', async () => {
    const events = new EventEmitter();
    await serveAgent({
      Watch: (call) => {
        events.emit('begun', call.getDeadline());
        call.once('cancelled', () => events.emit('cancelled'));
      },
    });
    await serveGateway();
    using connection = connect();
    const begun = waitForEvent<number | Date>(events, 'begun');
    const watch = connection.client.Watch({ table: TABLE });
    watch.on('error', () => undefined);
    assert.equal(await begun, Infinity);
    const cancelled = waitForEvent(events, 'cancelled');
    watch.cancel();
    await cancelled;
    const again = waitForEvent<number | Date>(events, 'begun');
    const late = connection.client.Watch({ table: TABLE }, { deadline: deadlineAfter(300) });
    const error = waitForEvent<{ code: number }>(late, 'error');
    assert.notEqual(await again, Infinity);
    await waitForEvent(events, 'cancelled');
    assert.equal((await error).code, status.DEADLINE_EXCEEDED);
  });

  it('goes no faster than its reader', async () => {
    let written = 0;
    const events = new EventEmitter();
    const message = { revision: '1', entries: [{ owners: ['x'.repeat(60_000)] }] };
    await serveAgent({
      List: (call) => {
        const fill = () => {
          while (written < 1_000) {
            written++;
            if (!call.write(message)) {
              call.once('drain', fill);
              events.emit('full');
              return;
            }
          }
          call.end();
        };
        fill();
      },
      GetCapabilities: (_call, callback) => {
        callback(null, {});
      },
    });
    await serveGateway();
    const session = connectHttp2('http://localhost', {
      createConnection: () => connectSocket(join(directory, 'gateway.sock')),
    });
    const full = waitForEvent(events, 'full');
    const stream = session.request({
      ':method': 'POST',
      ':path': '/mcroute.v1.RoutingService/List',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end(frame(routingDefinition().List.requestSerialize({ table: TABLE })));
    await waitForEvent(stream, 'response');
    await full;
    // Until what lies between is full: nothing more goes on while others make calls.
    using other = connect();
    let before = -1;
    while (written !== before) {
      before = written;
      for (let call = 0; call < 50; call++) {
        await unary((callback) => other.client.GetCapabilities({ table: TABLE }, soon(), callback));
      }
    }
    assert.ok(written < 100, `${written} of 60 kB were taken from the agent`);
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    await waitForEvent(stream, 'end');
    assert.ok(bytes > 1_000 * 60_000);
    session.destroy();
  });

  it('takes messages up to the limit, and larger ones do not come to the agent', async () => {
    const sizes: number[] = [];
    await serveAgent({
      Apply: (call, callback) => {
        sizes.push(call.request.owner.length);
        callback(null, {});
      },
    });
    await serveGateway();
    using connection = connect();
    const apply = (bytes: number) =>
      unary((callback) => connection.client.Apply({ table: TABLE, owner: 'x'.repeat(bytes) }, soon(), callback));
    await apply(MESSAGE_MAX - 100);
    await assert.rejects(apply(MESSAGE_MAX + 1), isReason('MESSAGE_TOO_LARGE'));
    await apply(10);
    assert.deepEqual(sizes, [MESSAGE_MAX - 100, 10]);
  });

  it('says where the agent was sought that is not there, and finds it when it comes', async () => {
    await serveGateway();
    using connection = connect();
    const flush = () => unary((callback) => connection.client.Flush({ table: TABLE }, soon(), callback));
    await assert.rejects(flush(), (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.reason, 'AGENT_UNAVAILABLE');
      assert.match(error.message, /^the agent of table 5 does not answer at .*\/5\.sock: 'mcctl table list'/);
      return true;
    });
    await serveAgent({
      Flush: (_call, callback) => {
        callback(null, {});
      },
    });
    await flush();
    await assert.rejects(
      unary((callback) => connection.client.Flush({ table: 0 }, soon(), callback)),
      isReason('INVALID_FIELD'),
    );
  });

  it('says that an agent went away, while others go on', async () => {
    await serveAgent({
      Watch: (call) => {
        call.write({ events: [{ synced: {} }] });
      },
    });
    await serveGateway();
    using connection = connect();
    const watch = connection.client.Watch({ table: TABLE });
    await waitForEvent(watch, 'data');
    const ended = waitForEvent<{ code: number; details: string }>(watch, 'error');
    agent?.forceShutdown();
    const { code, details } = await ended;
    assert.equal(code, status.UNAVAILABLE);
    assert.match(details, /^the agent of table 5 went away/);
  });
});

describe('limits of an identity', () => {
  it('refuse writes that come too often, and say when to try again', async () => {
    await serveAgent({
      Flush: (_call, callback) => {
        callback(null, {});
      },
      GetCapabilities: (_call, callback) => {
        callback(null, {});
      },
    });
    await serveGateway('limits: { writes-per-second: 1, write-burst: 2 }');
    using connection = connect();
    const flush = () => unary((callback) => connection.client.Flush({ table: TABLE }, soon(), callback));
    await flush();
    await flush();
    await assert.rejects(flush(), (error: unknown) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.reason, 'RATE_LIMIT');
      assert.ok((error.retryDelayMs ?? 0) > 0 && (error.retryDelayMs ?? 0) <= 1_000, `${error.retryDelayMs} ms`);
      return true;
    });
    await unary((callback) => connection.client.GetCapabilities({ table: TABLE }, soon(), callback));
  });

  it('make a session wait, and lose nothing of it', async () => {
    let count = 0;
    const events = new EventEmitter();
    await serveAgent({
      Modify: (call) => {
        call.on('data', () => {
          if (++count === 6) events.emit('all');
        });
        call.on('end', () => {
          call.end();
        });
      },
    });
    await serveGateway('limits: { writes-per-second: 20, write-burst: 2 }');
    using connection = connect();
    const session = connection.client.Modify(soon());
    session.on('data', () => undefined);
    const all = waitForEvent(events, 'all');
    for (let index = 0; index < 6; index++) session.write({ table: TABLE, changes: { changes: [] } });
    session.end();
    await all;
    await waitForEvent(session, 'end');
    assert.equal(count, 6);
  });

  it('keep nothing of a session that ends while it waits', async () => {
    await serveAgent({
      Modify: (call) => {
        call.on('data', () => call.write({ revision: '1' }));
      },
      List: (call) => {
        call.end();
      },
    });
    await serveGateway('limits: { writes-per-second: 1, write-burst: 1 }');
    using connection = connect();
    const session = connection.client.Modify(soon());
    session.on('error', () => undefined);
    session.write({ table: TABLE, session: { owner: 'me' } });
    await waitForEvent(session, 'data');
    const large = { table: TABLE, session: { owner: 'x'.repeat(MESSAGE_MAX - 100) } };
    await new Promise<void>((resolve) => {
      session.write(large, () => {
        resolve();
      });
    });
    session.cancel();
    // One of that size would have no room beside what is left of it.
    for (let count = 0; count < 3; count++) {
      const list = connection.client.List({ table: TABLE, filter: { owner: 'x'.repeat(MESSAGE_MAX - 100) } }, soon());
      list.on('data', () => undefined);
      await waitForEvent(list, 'end');
    }
  });

  it('bound the calls that are open', async () => {
    await serveAgent({
      Watch: (call) => {
        call.write({ events: [{ synced: {} }] });
      },
    });
    await serveGateway('limits: { streams-per-identity: 2 }');
    using one = connect();
    using other = connect();
    const watches = [one.client.Watch({ table: TABLE }), one.client.Watch({ table: TABLE })];
    for (const watch of watches) watch.on('error', () => undefined);
    for (const watch of watches) await waitForEvent(watch, 'data');
    const flush = () => unary((callback) => other.client.Flush({ table: TABLE }, soon(), callback));
    await assert.rejects(flush(), isReason('RATE_LIMIT'));
    watches[0]?.cancel();
    await eventually(
      () =>
        flush().then(
          () => true,
          (error: unknown) => (error instanceof ApiError && error.reason === 'RATE_LIMIT' ? undefined : true),
        ),
      'a place to be free',
    );
  });
});

describe('what the gateway serves itself', () => {
  it('is who calls, health by table, and reflection', async () => {
    await serveAgent({});
    await serveGateway();
    const target = `unix:${directory}/gateway.sock`;
    const { GatewayService } = api().mcroute.v1;
    const client = new GatewayService(target, credentials.createInsecure(), CHANNEL_OPTIONS);
    const me = await unary<WhoAmIResponse__Output>((callback) => client.WhoAmI({}, soon(), callback));
    assert.equal(me.identity, ME);
    assert.equal(me.grants[0]?.role, 'admin');
    client.close();
    const { service: healthService } = await import('grpc-health-check');
    const { makeGenericClientConstructor } = await import('@grpc/grpc-js');
    const HealthClient = makeGenericClientConstructor(healthService, 'Health');
    const health = new HealthClient(target, credentials.createInsecure());
    const check = (service: string) =>
      unary<{ status: string }>((callback) =>
        (health['check'] as unknown as (request: object, options: object, callback: unknown) => unknown).call(
          health,
          { service },
          soon(),
          callback,
        ),
      );
    assert.equal((await check('')).status, 'SERVING');
    await eventually(
      () =>
        check(`mcroute.v1.RoutingService/${TABLE}`).then(
          (reply) => (reply.status === 'SERVING' ? true : undefined),
          () => undefined,
        ),
      'the table to serve',
    );
    health.close();
  });
});
