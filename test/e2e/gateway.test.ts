// The real gateway over TLS, before real agents: who comes in, who does not, and what is written down of it.
import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectPlain } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type ChannelOptions, type ServiceError, credentials, status } from '@grpc/grpc-js';
import { CHANNEL_OPTIONS, deadlineAfter, unary } from '../../src/api/client.js';
import type { GetGatewayResponse__Output } from '../../src/api/generated/mcroute/v1/GetGatewayResponse.js';
import type { WatchResponse__Output } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { api } from '../../src/api/load.js';
import { ApiError } from '../../src/api/status.js';
import { type Agent, startAgent, threadsOf } from '../support/agent.js';
import {
  BAD_CLIENTS,
  type Issued,
  type Lab,
  badClient,
  issue,
  makeLab,
  revocationList,
} from '../support/certificates.js';
import { type Gateway, startGateway } from '../support/gateway.js';
import { type Namespace, openNamespace } from '../support/namespaces.js';
import { eventually, waitForEvent } from '../support/wait.js';

const TABLE = 123;
const ADDRESS = '127.0.0.1:7790';

const POLICY = `rules:
  - { identity: spiffe://lab/viewer, role: viewer }
  - { identity: spiffe://lab/operator, role: operator, tables: [${TABLE}] }
  - { identity: spiffe://lab/scoped, role: operator, tables: [${TABLE}], groups: [239.1.0.0/16], owners: [studio-*] }
  - { identity: spiffe://lab/admin, role: admin }
`;

const CONFIGURATION = `
listen: [{ tcp: "${ADDRESS}" }, { unix: ROOT/gateway.sock }]
tls: { certificate: ROOT/server.crt, key: ROOT/server.key, client-ca: ROOT/clients.crt, crl: ROOT/clients.crl }
policy: ROOT/policy.yaml
`;

let lab: Lab;
let revoked: Issued;
let namespace: Namespace;
let agent: Agent;
let gateway: Gateway;
const clients = new Map<string, Client>();

before(async () => {
  lab = await makeLab();
  revoked = await lab.client('spiffe://lab/revoked');
  namespace = openNamespace('router');
  agent = await startAgent(namespace, { table: TABLE });
  gateway = await startGateway({
    runtimeDirectory: agent.socketPath.slice(0, agent.socketPath.lastIndexOf('/')),
    configuration: CONFIGURATION,
    files: {
      'server.crt': lab.server.certificate,
      'server.key': lab.server.key,
      'clients.crt': lab.ca.certificate,
      'clients.crl': await revocationList(lab.ca, [revoked]),
      'policy.yaml': POLICY,
    },
  });
});
after(() => {
  for (const client of clients.values()) client.close();
  gateway[Symbol.dispose]();
  agent[Symbol.dispose]();
  namespace[Symbol.dispose]();
});

class Client {
  readonly routing;
  readonly gateway;

  constructor(issued: Issued | undefined) {
    const { RoutingService, GatewayService } = api().mcroute.v1;
    const [key, certificate] = [issued?.key, issued?.certificate].map((pem) =>
      pem === undefined ? null : Buffer.from(pem),
    );
    const secure = credentials.createSsl(Buffer.from(lab.ca.certificate), key ?? null, certificate ?? null);
    // A connection of its own, that no other client of this process shares.
    const options: ChannelOptions = { ...CHANNEL_OPTIONS, 'grpc.use_local_subchannel_pool': 1 };
    this.routing = new RoutingService(ADDRESS, secure, options);
    this.gateway = new GatewayService(ADDRESS, secure, options);
  }

  list(table = TABLE): Promise<unknown> {
    return unary<object>((callback) => this.routing.ListInterfaces({ table }, soon(), callback));
  }

  apply(owner: string, group: string, table = TABLE): Promise<unknown> {
    const mroute = { key: { iif: 'in0', group }, oifs: [{ interface: 'out1' }] };
    return unary<object>((callback) =>
      this.routing.Apply({ table, owner, changes: [{ put: { mroute } }] }, soon(), callback),
    );
  }

  describe(): Promise<GetGatewayResponse__Output> {
    return unary((callback) => this.gateway.GetGateway({}, soon(), callback));
  }

  close(): void {
    this.routing.close();
    this.gateway.close();
  }
}

async function clientOf(name: string): Promise<Client> {
  const known = clients.get(name);
  if (known !== undefined) return known;
  const client = new Client(await lab.client(`spiffe://lab/${name}`));
  clients.set(name, client);
  return client;
}

function soon() {
  return { deadline: deadlineAfter(10_000) };
}

/** Rejects with that reason, and a text like that. */
async function refused(call: Promise<unknown>, reason: string, text: RegExp): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, text);
    return true;
  });
}

describe('the gateway', () => {
  it('has no capability in any thread', () => {
    for (const thread of threadsOf(gateway.pid)) {
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) assert.match(thread.get(set) ?? '', /^0+$/);
    }
  });

  it('closes what is not TLS, and writes it down', async () => {
    const socket = connectPlain(7790, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await waitForEvent(socket, 'close');
    await gateway.audited(({ method, message }) => method === '' && message?.includes('TLS handshake failed') === true);
  });

  it('lets identities do what the policy says, and writes down what they change', async () => {
    const viewer = await clientOf('viewer');
    await viewer.list();
    await refused(viewer.apply('me', '239.1.1.1'), 'PERMISSION_DENIED', /viewer/);
    const denied = await gateway.audited(({ outcome }) => outcome === 'PERMISSION_DENIED');
    assert.equal(denied.identity, 'spiffe://lab/viewer');
    assert.equal(denied.method, 'RoutingService.Apply');
    assert.equal(denied.table, TABLE);
    const operator = await clientOf('operator');
    await operator.apply('me', '239.1.1.1');
    const done = await gateway.audited(({ identity, outcome }) => identity.endsWith('operator') && outcome === 'OK');
    assert.match(done.address, /^127\.0\.0\.1:\d+$/);
    await refused(operator.list(124), 'PERMISSION_DENIED', /table 124/);
    await refused((await clientOf('nobody')).list(), 'PERMISSION_DENIED', /no rule/);
  });

  it('tells each who is refused why, and writes it down', async () => {
    const bad: [string, Issued | undefined, RegExp][] = [
      ['none', undefined, /no client certificate/],
      ['revoked', revoked, /revoked/],
    ];
    for (const what of BAD_CLIENTS) bad.push([what, await badClient(lab.ca, what), /certificate/]);
    for (const [what, issued, text] of bad) {
      const client = new Client(issued);
      try {
        await refused(client.list(), 'UNAUTHENTICATED', text);
      } catch (error) {
        throw new Error(`${what}: ${String(error)}`, { cause: error });
      } finally {
        client.close();
      }
    }
    await gateway.audited(
      ({ outcome, message }) => outcome === 'UNAUTHENTICATED' && message?.includes('revoked') === true,
    );
  });

  it('shows another certificate when its files change, and streams go on meanwhile', async () => {
    const admin = await clientOf('admin');
    const watch = admin.routing.Watch({ table: TABLE });
    let error: ServiceError | undefined;
    watch.on('error', (ended: ServiceError) => (error = ended));
    await waitForEvent<WatchResponse__Output>(watch, 'data', hasSynced);
    const before = (await admin.describe()).certificates.find(({ use }) => use === 'USE_SERVER');
    const { server } = await makeServer();
    gateway.write('server.crt', server.certificate);
    gateway.write('server.key', server.key);
    const fresh = new Client(await lab.client('spiffe://lab/admin'));
    await eventually(async () => {
      const { certificates, certificateError } = await fresh.describe();
      const now = certificates.find(({ use }) => use === 'USE_SERVER');
      return (certificateError === '' && now?.fingerprint !== before?.fingerprint) || undefined;
    }, 'the new certificate');
    fresh.close();
    gateway.write('server.crt', 'no certificate\n');
    await eventually(
      async () => ((await admin.describe()).certificateError !== '' ? true : undefined),
      'the broken file to be told of',
    );
    gateway.write('server.crt', server.certificate);
    const changed = waitForEvent<WatchResponse__Output>(watch, 'data');
    await (await clientOf('operator')).apply('me', '239.1.1.2');
    await changed;
    assert.equal(error, undefined);
    watch.cancel();
  });

  it('ends what goes on by a certificate that is revoked, and nothing else', async () => {
    const taken = await lab.client('spiffe://lab/viewer');
    const client = new Client(taken);
    const ended = watchOf(client);
    const watch = (await clientOf('admin')).routing.Watch({ table: TABLE });
    let error: ServiceError | undefined;
    watch.on('error', (other: ServiceError) => (error = other));
    await Promise.all([ended.synced, waitForEvent<WatchResponse__Output>(watch, 'data', hasSynced)]);
    gateway.write('clients.crl', 'no list\n');
    await eventually(() => (gateway.log.includes('clients.crl') ? true : undefined), 'the broken list to be told of');
    gateway.write('clients.crl', await revocationList(lab.ca, [revoked, taken]));
    const { code, details } = await ended.error;
    assert.deepEqual([code, REVOKED.test(details)], [status.UNAUTHENTICATED, true], details);
    const line = await gateway.audited(({ message }) => REVOKED.test(message ?? ''));
    assert.deepEqual([line.identity, line.outcome], ['spiffe://lab/viewer', 'UNAUTHENTICATED']);
    await refused(client.list(), 'UNAUTHENTICATED', /revoked/);
    client.close();
    const changed = waitForEvent<WatchResponse__Output>(watch, 'data');
    await (await clientOf('operator')).apply('me', '239.1.1.3');
    await changed;
    // Another certificate of the same identity.
    await (await clientOf('viewer')).list();
    assert.equal(error, undefined);
    watch.cancel();
  });

  it('ends what begins by a handshake from before the revocation', async () => {
    const late = await lab.client('spiffe://lab/viewer');
    const admin = await clientOf('admin');
    const socket = connectPlain(7790, '127.0.0.1');
    await waitForEvent(socket, 'connect');
    const port = socket.localPort;
    // Who answers after the kernel has a connection has accepted it before it sees the file of later.
    await admin.describe();
    const readings = gateway.log.split('were read again').length;
    gateway.write('clients.crl', await revocationList(lab.ca, [revoked, late]));
    await eventually(() => gateway.log.split('were read again').length > readings || undefined, 'the list to be read');
    const secure = connectTls({
      socket,
      ca: lab.ca.certificate,
      cert: late.certificate,
      key: late.key,
      host: '127.0.0.1',
      ALPNProtocols: ['h2'],
    });
    const session = connectHttp2('https://localhost', { createConnection: () => secure });
    session.on('error', () => undefined);
    await waitForEvent(session, 'close');
    await gateway.audited(
      ({ address, message }) => address.endsWith(`:${String(port)}`) && REVOKED.test(message ?? ''),
    );
  });

  it('ends what goes on by a CA that is taken away', async () => {
    const otherCa = await issue({ subject: 'CN=Other CA', isCa: true });
    const names = [{ kind: 'uri', value: 'spiffe://lab/viewer' }] as const;
    const client = new Client(await issue({ issuer: otherCa, usage: 'client', names }));
    const lists = gateway.read('clients.crl');
    gateway.write('clients.crl', lists + (await revocationList(otherCa, [])));
    gateway.write('clients.crt', lab.ca.certificate + otherCa.certificate);
    await eventually(() => client.list().then(yes, nothing), 'the other CA to be taken');
    const ended = watchOf(client);
    await ended.synced;
    gateway.write('clients.crt', lab.ca.certificate);
    const { code, details } = await ended.error;
    assert.equal(code, status.UNAUTHENTICATED);
    assert.match(details, /signed by 'CN=Other CA', which is no client CA of this gateway any more/);
    client.close();
    await (await clientOf('viewer')).list();
  });

  it('ends what another policy does not allow any more', async () => {
    const viewer = await clientOf('viewer');
    const watch = viewer.routing.Watch({ table: TABLE });
    await waitForEvent<WatchResponse__Output>(watch, 'data', hasSynced);
    const ended = waitForEvent<ServiceError>(watch, 'error');
    watch.on('data', () => undefined);
    gateway.write('policy.yaml', POLICY.replace('lab/viewer', 'lab/other'));
    const { details } = await ended;
    assert.match(details, /no rule of the policy/);
    await refused(viewer.list(), 'PERMISSION_DENIED', /no rule/);
    gateway.write('policy.yaml', POLICY);
    await eventually(
      () =>
        viewer.list().then(
          () => true,
          () => undefined,
        ),
      'the policy of before',
    );
  });

  it('ends in order', async () => {
    for (const client of clients.values()) client.close();
    assert.equal(await gateway.stop(), 0);
  });
});

const REVOKED = /^the certificate of the client was revoked on \d{4}-/;

const yes = () => true;
const nothing = () => undefined;

/** A stream that goes on until it is ended. */
function watchOf({ routing }: Client) {
  const watch = routing.Watch({ table: TABLE });
  const error = waitForEvent<ServiceError>(watch, 'error');
  return { error, synced: waitForEvent<WatchResponse__Output>(watch, 'data', hasSynced) };
}

function hasSynced({ events }: WatchResponse__Output): boolean {
  return events.some(({ event }) => event === 'synced');
}

async function makeServer(): Promise<{ readonly server: Issued }> {
  const names = [{ kind: 'ip', value: Buffer.from([127, 0, 0, 1]) }] as const;
  return { server: await issue({ subject: 'CN=second', issuer: lab.ca, usage: 'server', names }) };
}
