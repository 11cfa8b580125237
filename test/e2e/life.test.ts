// An agent while it runs and when it ends: its privileges, what it serves beside RoutingService, and that nothing of it
// is left behind.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';
import { type ServiceClientConstructor, credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { type Agent, startAgent } from '../support/agent.js';
import { apply, list, put, replace } from '../support/calls.js';
import { NET_ADMIN_ONLY, expectedId } from '../support/launcher.js';
import { type RouterTopology, routerTopology } from '../support/topology.js';
import { openTraffic } from '../support/traffic.js';
import { waitForExit } from '../support/wait.js';

const TABLE = 321;
const GROUPS = ['239.4.1.1', 'ff1e::4:1:1'];

let topology: RouterTopology;

before(() => {
  topology = routerTopology();
});

after(() => {
  topology[Symbol.dispose]();
});

async function startWithRoutes(): Promise<Agent> {
  const agent = await startAgent(topology.router, { table: TABLE });
  const prefixes = ['239.4.0.0/16', 'ff1e::4:0:0/96'];
  const changes = [...GROUPS, ...prefixes].map((group) =>
    put({ key: { iif: 'in0', group }, oifs: [{ interface: 'out1' }] }),
  );
  const { results } = await apply(agent.client, { changes });
  assert.deepEqual(
    results.map(({ entry }) => entry?.state),
    results.map(() => 'STATE_PROGRAMMED'),
  );
  return agent;
}

/** What the kernel has of the table: entries, and mrules, of both families. */
function kernelState(): { readonly entries: string; readonly mrules: string } {
  const run = (...words: string[]) => topology.router.run('ip', words);
  return {
    entries: ['-4', '-6'].map((family) => run(family, 'mroute', 'show', 'table', String(TABLE))).join(''),
    mrules: ['-4', '-6'].map((family) => run(family, 'mrule', 'show')).join(''),
  };
}

describe('an agent that is told to end', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`by ${signal} removes its mrules, entries and socket, ends with 0, and another can start at once`, async () => {
      for (let lives = 0; lives < 2; lives++) {
        using agent = await startWithRoutes();
        const before = kernelState();
        for (const group of GROUPS) assert.match(before.entries, new RegExp(`,${group}\\)`));
        assert.equal(before.mrules.match(/iif in0 .*lookup 321/g)?.length, 2, before.mrules);
        agent.process.kill(signal);
        assert.equal(await waitForExit(agent.process), 0);
        const left = kernelState();
        assert.equal(left.entries, '');
        assert.doesNotMatch(left.mrules, /lookup 321/);
        assert.ok(!existsSync(agent.socketPath));
      }
    });
  }

  it('before it serves leaves nothing either', async () => {
    const file = '/run/life.conf';
    writeFileSync(file, 'mroute from in0 group 239.4.1.1 to out1\n', { mode: 0o644 });
    // Its rules are in the kernel by then, and it does not listen yet.
    const until = /"msg":"loaded"/;
    using agent = await startAgent(topology.router, { table: TABLE, args: ['-f', file], until });
    agent.process.kill('SIGTERM');
    assert.equal(await waitForExit(agent.process), 0);
    assert.doesNotMatch(kernelState().mrules, /lookup 321/);
  });

  it('ends watches with AGENT_UNAVAILABLE, and does not wait for readers that hang', async () => {
    using agent = await startWithRoutes();
    const stream = agent.client.Watch({});
    const ended = new Promise<unknown>((resolve) => stream.once('error', resolve));
    stream.resume();
    await list(agent.client);
    agent.process.kill('SIGTERM');
    assert.match(String(await ended), /14 UNAVAILABLE: the agent stops; watch again when it is back/);
    assert.equal(await waitForExit(agent.process), 0);
  });
});

describe('every thread of an agent', () => {
  function assertPrivileges(agent: Agent): void {
    for (const thread of agent.threads()) {
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
        assert.equal(thread.get(set), NET_ADMIN_ONLY, `${set} of ${thread.get('Name') ?? ''}`);
      }
      assert.equal(thread.get('NoNewPrivs'), '1');
      assert.equal(thread.get('Groups'), '');
      for (const ids of ['Uid', 'Gid']) assert.equal(thread.get(ids), Array(4).fill(expectedId).join('\t'));
    }
  }

  it('has CAP_NET_ADMIN, no_new_privs, its own user, and nothing else, also under load', async () => {
    using agent = await startWithRoutes();
    assertPrivileges(agent);
    using from = openTraffic(topology.sender(0).namespace);
    // Each is an upcall.
    const groups = Array.from({ length: 200 }, (_, n) => `239.4.9.${n}`);
    const sender = await from.send({ interface: 'eth0', groups, rate: 10_000, count: 2 });
    const resources = groups.map((group) => ({
      mroute: { key: { iif: 'out2', group }, oifs: [{ interface: 'out1' }] },
    }));
    for (let rounds = 0; rounds < 5; rounds++) {
      await replace(agent.client, [{ owner: 'load', resources }]);
      await list(agent.client, { view: 'VIEW_FULL' });
      await replace(agent.client, [{ owner: 'load' }]);
    }
    await sender.finish();
    // Node itself, V8's and libuv's workers, and the thread that answers upcalls.
    assert.ok(agent.threads().length >= 6, String(agent.threads().length));
    assertPrivileges(agent);
    assert.equal(await agent.stop(), 0);
  });
});

describe('beside RoutingService an agent serves', () => {
  it('health: SERVING, for itself and for the service, and NOT_FOUND for others', async () => {
    using agent = await startAgent(topology.router, { table: TABLE });
    using client = openClient(agent, healthProto, ['grpc', 'health', 'v1', 'Health']);
    for (const service of ['', 'mcroute.v1.RoutingService']) {
      assert.deepEqual(await client.call('Check', { service }), { status: 'SERVING' });
    }
    await assert.rejects(client.call('Check', { service: 'other' }), /5 NOT_FOUND/);
    await agent.stop();
  });

  for (const version of ['v1', 'v1alpha']) {
    it(`reflection ${version}, which lists RoutingService with its messages`, async () => {
      using agent = await startAgent(topology.router, { table: TABLE });
      const path = reflectionProto(version);
      using client = openClient(agent, path, ['grpc', 'reflection', version, 'ServerReflection']);
      const { listServicesResponse } = (await client.ask('ServerReflectionInfo', { listServices: '' })) as {
        listServicesResponse: { service: { name: string }[] };
      };
      assert.ok(listServicesResponse.service.some(({ name }) => name === 'mcroute.v1.RoutingService'));
      const symbol = { fileContainingSymbol: 'mcroute.v1.Mroute' };
      const { fileDescriptorResponse } = (await client.ask('ServerReflectionInfo', symbol)) as {
        fileDescriptorResponse: { fileDescriptorProto: Buffer[] };
      };
      assert.ok(fileDescriptorResponse.fileDescriptorProto.length > 0);
      await agent.stop();
    });
  }
});

interface AnyClient extends Disposable {
  /** A unary call. */
  call(method: string, request: object): Promise<unknown>;
  /** The first answer of a call of streams. */
  ask(method: string, request: object): Promise<unknown>;
}

/** A client of a service that is not ours, made from its proto file. */
function openClient(agent: Agent, file: string, name: readonly string[]): AnyClient {
  const root: unknown = loadPackageDefinition(loadSync(file, { enums: String }));
  const Service = name.reduce<unknown>((scope, part) => (scope as Record<string, unknown>)[part], root);
  const client = new (Service as ServiceClientConstructor)(`unix:${agent.socketPath}`, credentials.createInsecure());
  return {
    call: (method, request) =>
      new Promise((resolve, reject) => {
        const callback = (error: Error | null, reply: unknown) => {
          if (error === null) resolve(reply);
          else reject(error);
        };
        client[method]?.(request, callback);
      }),
    ask: (method, request) =>
      new Promise((resolve, reject) => {
        const stream = client[method]?.() as NodeJS.ReadWriteStream;
        stream.once('data', resolve);
        stream.once('error', reject);
        (stream as unknown as { write(message: object): void }).write(request);
        stream.end();
      }),
    [Symbol.dispose]: () => {
      client.close();
    },
  };
}

function reflectionProto(version: string): string {
  const entry = createRequire(import.meta.url).resolve('@grpc/reflection');
  return entry.replace(/src\/index\.js$/, `proto/grpc/reflection/${version}/reflection.proto`);
}
