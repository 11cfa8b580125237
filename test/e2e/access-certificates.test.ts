// Certificates as a host meets them: who is refused and why, as the caller and the audit are told; and files that are
// replaced while streams run.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { connect as connectPlain } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type ServiceError, credentials } from '@grpc/grpc-js';
import { type GatewayConnection, connectToGateway, unary } from '../../src/api/client.js';
import type { Certificate__Output } from '../../src/api/generated/mcroute/v1/Certificate.js';
import type { GetGatewayResponse__Output } from '../../src/api/generated/mcroute/v1/GetGatewayResponse.js';
import type { WatchResponse__Output } from '../../src/api/generated/mcroute/v1/WatchResponse.js';
import { AccessCaller } from '../support/access-caller.js';
import { type AccessHost, serverCertificate, startAccessHost } from '../support/access-host.js';
import { deadline } from '../support/calls.js';
import { type BadClient, type Issued, badClient, issue, revocationList } from '../support/certificates.js';
import { projectFile } from '../support/launcher.js';
import { plainEnvironment } from '../support/namespaces.js';
import { SessionClient } from '../support/session-client.js';
import { eventually, waitForEvent } from '../support/wait.js';

const TABLE = 100;
const CONTROLLER = 'spiffe://lab/controller';
const ADMIN = 'spiffe://lab/admin';

const ADMIN_RULE = `  - { identity: "${ADMIN}", role: admin }\n`;
const POLICY = `rules:\n${ADMIN_RULE}  - { identity: "${CONTROLLER}", role: operator, tables: [${TABLE}] }\n`;

let ca: Issued;
let revoked: Issued;
let host: AccessHost;
const connections: GatewayConnection[] = [];

before(async () => {
  ca = await issue({ subject: 'CN=Lab CA', isCa: true });
  revoked = await clientOf('spiffe://lab/revoked');
  const crl = await revocationList(ca, [revoked]);
  host = await startAccessHost({
    ...{ name: 'host', number: 1, family: 'ipv6', tables: [TABLE] },
    ...{ policy: POLICY, ca, crl },
  });
});

after(() => {
  for (const connection of connections) connection[Symbol.dispose]();
  host[Symbol.dispose]();
});

function clientOf(uri: string): Promise<Issued> {
  return issue({ subject: 'CN=client', issuer: ca, usage: 'client', names: [{ kind: 'uri', value: uri }] });
}

/** A connection of its own. */
function open({ certificate, key }: Issued): GatewayConnection {
  const [root, own, secret] = [ca.certificate, certificate, key].map((text) => Buffer.from(text));
  const secure = credentials.createSsl(root ?? null, secret ?? null, own ?? null);
  const connection = connectToGateway(host.target, secure, { 'grpc.use_local_subchannel_pool': 1 });
  connections.push(connection);
  return connection;
}

function describeGateway({ gateway }: GatewayConnection): Promise<GetGatewayResponse__Output> {
  return unary((callback) => gateway.GetGateway({}, deadline(), callback));
}

/** The certificate that the gateway shows. */
async function shownBy(connection: GatewayConnection): Promise<Certificate__Output> {
  const { certificates } = await describeGateway(connection);
  return certificates.find(({ use }) => use === 'USE_SERVER') ?? assert.fail('it shows none');
}

/** A watch and a session, both begun. */
async function openStreams({ routing }: GatewayConnection): Promise<Streams> {
  const watch = routing.Watch({ table: TABLE });
  const ended: ServiceError[] = [];
  watch.on('error', (error: ServiceError) => ended.push(error));
  await waitForEvent<WatchResponse__Output>(watch, 'data', ({ events }) =>
    events.some(({ event }) => event === 'synced'),
  );
  const session = new SessionClient(routing, TABLE, { owner: 'controller', electionId: 1 });
  await session.untilStanding(true);
  return { watch, ended, session };
}

interface Streams {
  readonly watch: ReturnType<GatewayConnection['routing']['Watch']>;
  /** Errors of the watch: none as long as it goes on. */
  readonly ended: readonly ServiceError[];
  readonly session: SessionClient;
}

/** The session changes something, and the watch tells of it. */
async function checkGoOn({ watch, ended, session }: Streams, batch: number): Promise<void> {
  const group = `ff1e::${batch}`;
  const told = waitForEvent<WatchResponse__Output>(watch, 'data', ({ events }) =>
    events.some(({ put }) => put?.entries.some(({ resource }) => resource?.mroute?.key?.group === group) === true),
  );
  const key = { iif: 'in0', source: '2001:db8:50::1', group };
  session.send({ id: batch, put: { mroute: { key, oifs: [{ interface: 'out1' }] } } });
  assert.equal((await session.untilBatch(batch)).added, 1);
  await told;
  assert.deepEqual(ended, []);
  assert.ok(host.forwards(TABLE).includes(`(2001:db8:50::1, ${group}) in0 -> out1`));
}

/** Why each is refused. */
const REASONS: Readonly<Record<BadClient | 'none' | 'revoked', RegExp>> = {
  expired: /'CN=client' is refused: it expired on /,
  'not yet valid': /'CN=client' is refused: it is not valid before /,
  'self-signed': /'CN=client' is refused: it is signed by itself/,
  'two URIs': /^the certificate has 2 URI names, and it must be clear who it names/,
  'no name': /^the certificate names nobody: it needs a URI name/,
  'wrong CA': /'CN=client' is refused: it is signed by 'CN=Other CA', which is no client CA of this gateway/,
  'CA of the same name': /'CN=client' is refused: its signature is not by the key of 'CN=Lab CA'/,
  'not for clients': /'CN=client' is refused: it, or a CA above it, is not for clients/,
  'unknown intermediate': /'CN=client' is refused: it is signed by 'CN=Intermediate CA', which is no client CA/,
  'signed by a client': /'CN=second' is refused: /,
  none: /^no client certificate was shown/,
  revoked: /'CN=client' is refused: it, or a CA above it, is revoked/,
};

describe('the certificate of a caller', () => {
  for (const [what, reason] of Object.entries(REASONS)) {
    it(`is refused, and that is written down: ${what}`, async () => {
      const issued =
        what === 'none' ? undefined : what === 'revoked' ? revoked : await badClient(ca, what as BadClient);
      const from = host.audit.length;
      // Many refusals in one second are counted, not written down each: then it is refused once more.
      const line = await eventually(async () => {
        using caller = new AccessCaller(host.target, ca, issued);
        const { error } = await caller.call('RoutingService.ListInterfaces', [{ table: TABLE }]);
        assert.equal(error?.reason, 'UNAUTHENTICATED', error?.message);
        assert.match(error.message, reason);
        return host.audit.slice(from).find(({ message = '' }) => reason.test(message));
      }, 'a line of the audit');
      const { identity, address, method, table, outcome } = line;
      assert.deepEqual(
        { identity, method, table, outcome },
        { identity: '', method: '', table: 0, outcome: 'UNAUTHENTICATED' },
      );
      assert.match(address, /^\[?2001:db8:1::2\]?:\d+$/);
    });
  }

  it('is asked for: what is not TLS is closed', async () => {
    const from = host.audit.length;
    const socket = connectPlain(Number(host.target.split(':').at(-1)), host.address);
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await waitForEvent(socket, 'close');
    await host.audited(({ method, message = '' }) => method === '' && message.includes('TLS handshake failed'), from);
  });

  it('is asked for: a gateway does not start without TLS where others can come', () => {
    host.write('plain.yaml', `listen: [{ tcp: "${host.target}", plaintext: true }]\n`);
    for (const more of [[], ['--check']]) {
      const words = ['--config', `${host.root}/plain.yaml`, '--runtime-directory', host.root, ...more];
      const ended = spawnSync(projectFile('bin/mcroute-gateway'), words, { env: plainEnvironment(), encoding: 'utf8' });
      assert.equal(ended.status, 78, ended.stderr);
      assert.match(ended.stderr, /plain\.yaml:1:.*plaintext is for loopback addresses only/);
    }
  });
});

describe('certificates that are replaced', () => {
  it('are shown to who comes then, and streams go on; broken ones change nothing and are told of', async () => {
    const controller = open(await clientOf(CONTROLLER));
    const admin = await clientOf(ADMIN);
    const streams = await openStreams(controller);
    await checkGoOn(streams, 1);
    const before = await shownBy(open(admin));
    const second = await serverCertificate(ca, host.address, 'CN=second gateway');
    host.write('server.crt', second.certificate);
    host.write('server.key', second.key);
    await eventually(async () => (await shownBy(open(admin))).fingerprint !== before.fingerprint || undefined, 'it');
    const shown = await shownBy(open(admin));
    assert.equal(shown.subject, 'CN=second gateway');
    assert.equal(shown.daysLeft > 0, true);
    await checkGoOn(streams, 2);

    host.write('server.crt', 'this is no certificate\n');
    const told = await eventually(
      async () => (await describeGateway(open(admin))).certificateError || undefined,
      'the broken file is told of',
    );
    assert.match(told, /server\.crt': has no CERTIFICATE/);
    assert.match(host.supervisor.log, /server\.crt.*has no CERTIFICATE/);
    assert.equal((await shownBy(open(admin))).fingerprint, shown.fingerprint);
    await checkGoOn(streams, 3);

    host.write('server.crt', second.certificate);
    await eventually(
      async () => (await describeGateway(open(admin))).certificateError === '' || undefined,
      'the file is whole again',
    );
    await checkGoOn(streams, 4);
    streams.watch.cancel();
    streams.session[Symbol.dispose]();
  });
});

describe('a policy that is replaced', () => {
  it('refuses the next call of whom it does not name any more, and ends his streams', async () => {
    const controller = open(await clientOf(CONTROLLER));
    const { watch, ended, session } = await openStreams(controller);
    const from = host.audit.length;
    host.write('policy.yaml', `rules:\n${ADMIN_RULE}`);
    const end = await session.untilEnd();
    const why = `no rule of the policy is for ${CONTROLLER}`;
    assert.equal(end === 'OK' ? end : end.message, why);
    await eventually(() => ended[0], 'the end of the watch');
    assert.deepEqual(
      ended.map(({ details }) => details),
      [why],
    );
    watch.cancel();
    const before = host.forwards(TABLE);
    const key = { iif: 'in0', source: '2001:db8:50::1', group: 'ff1e::99' };
    const changes = [{ put: { mroute: { key, oifs: [{ interface: 'out1' }] } } }];
    await assert.rejects(
      unary((callback) => controller.routing.Apply({ table: TABLE, owner: 'me', changes }, deadline(), callback)),
      new RegExp(why),
    );
    assert.deepEqual(host.forwards(TABLE), before);
    for (const name of ['Watch', 'Modify', 'Apply']) {
      const { identity, outcome, message } = await host.audited(
        ({ method }) => method === `RoutingService.${name}`,
        from,
      );
      assert.deepEqual([identity, outcome, message], [CONTROLLER, 'PERMISSION_DENIED', why]);
    }
  });
});
