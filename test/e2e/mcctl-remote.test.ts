// mcctl on one host, gateways and agents on two others: certificates that mcctl has made, contexts, several hosts at once, safe
// changes, and what is said of every way in which a gateway cannot be reached.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Agent, startAgent } from '../support/agent.js';
import { type Gateway, startGateway } from '../support/gateway.js';
import { installTree } from '../support/install-tree.js';
import type { Ended } from '../support/mcctl.js';
import { type Namespace, connect, openNamespace } from '../support/namespaces.js';
import { Pki } from '../support/tls-front.js';
import { waitForExit } from '../support/wait.js';

const TABLE = 124;
const DAY_MS = 86_400_000;
const RUN_LIMIT_MS = 60_000;

const POLICY = `rules:
  - { identity: spiffe://studio.example/mixer, role: admin }
  - { identity: spiffe://studio.example/desk, role: viewer }
  - { identity: loopback, role: viewer }
`;

/** The files of TLS are of the folder of the gateway. */
const CONFIGURATION = `
listen: [{ tcp: "0.0.0.0:7790" }, { tcp: "127.0.0.1:7791", plaintext: true }, { unix: ROOT/gateway.sock }]
tls: { certificate: ROOT/server.crt, key: ROOT/server.key, client-ca: ROOT/ca.crt, crl: ROOT/ca.crl }
policy: ROOT/policy.yaml
`;

/** A host with an agent and a gateway. */
interface Remote extends Disposable {
  readonly address: string;
  readonly namespace: Namespace;
  readonly agent: Agent;
  readonly gateway: Gateway;
}

let desk: Namespace;
let folder: string;
let first: Remote;
let second: Remote;
const namespaces: Namespace[] = [];
const others = new Pki();

before(async () => {
  folder = mkdtempSync('/run/mcctl-remote-');
  desk = open('desk');
  await mcctl(['cert', 'ca', '--out', folder]);
  await mcctl(['cert', 'client', '--identity', 'spiffe://studio.example/mixer', '--out', folder]);
  await mcctl(['cert', 'client', '--identity', 'spiffe://studio.example/desk', '--out', folder]);
  await mcctl(['cert', 'client', '--identity', 'spiffe://studio.example/stranger', '--out', folder]);
  await mcctl(['cert', 'client', '--identity', 'spiffe://studio.example/gone', '--out', folder]);
  await mcctl(['cert', 'revoke', path('gone.crt'), '--out', folder]);
  first = await openRemote(1);
  second = await openRemote(2);
  await others.addAuthority('other');
  await others.putAuthority('ca', { certificate: read('ca.crt'), key: read('ca.key') });
  await others.add('mixer', 'other', { kind: 'client', identity: 'spiffe://studio.example/mixer', name: 'mixer' });
});
after(() => {
  for (const one of [second, first]) one[Symbol.dispose]();
  for (const one of namespaces.splice(0).reverse()) one[Symbol.dispose]();
  others[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const path = (file: string) => join(folder, file);
const read = (file: string) => readFileSync(path(file), 'utf8');

function open(name: string): Namespace {
  const namespace = openNamespace(name);
  namespaces.push(namespace);
  return namespace;
}

/** Host N is 10.9.N.2 for the desk, and 10.9.N.3, which its certificate does not tell. */
async function openRemote(number: number): Promise<Remote> {
  const namespace = open(`host${number}`);
  const address = `10.9.${number}.2`;
  connect(
    { namespace: desk, interface: `host${number}`, addresses: [`10.9.${number}.1/24`] },
    { namespace, interface: 'desk', addresses: [`${address}/24`, `10.9.${number}.3/24`] },
  );
  namespace.ip('link add in0 type veth peer name out1', 'link set in0 up', 'link set out1 up');
  await mcctl(['cert', 'server', '--name', address, '--days', '10', '--out', folder]);
  const agent = await startAgent(namespace, { table: TABLE });
  const gateway = await startGateway({
    namespace,
    runtimeDirectory: dirname(agent.socketPath),
    configuration: CONFIGURATION,
    files: {
      'server.crt': read(`${address}.crt`),
      'server.key': read(`${address}.key`),
      'ca.crt': read('ca.crt'),
      'ca.crl': read('ca.crl'),
      'policy.yaml': POLICY,
    },
  });
  return {
    address,
    namespace,
    agent,
    gateway,
    [Symbol.dispose]: () => {
      gateway[Symbol.dispose]();
      agent[Symbol.dispose]();
    },
  };
}

/** Runs mcctl to its end; its environment is what is given and nothing else. */
async function mcctl(
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  namespace: Namespace = desk,
): Promise<Ended> {
  const { PATH = '' } = process.env;
  const child = namespace.spawn(join(installTree(), 'bin/mcctl'), words, {
    env: { PATH, HOME: folder, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const closed = new Promise((resolve) => child.once('close', resolve));
  const status = await waitForExit(child, RUN_LIMIT_MS);
  await closed;
  return { status, ...said };
}

const tls = (client = 'mixer') => [
  '--ca',
  path('ca.crt'),
  '--cert',
  path(`${client}.crt`),
  '--key',
  path(`${client}.key`),
];
const both = () => `${first.address},${second.address}`;
const remote = (...words: readonly string[]) => mcctl(['--host', both(), ...tls(), '-t', String(TABLE), ...words]);
const atFirst = (...words: readonly string[]) =>
  mcctl(['--host', first.address, ...tls(), '-t', String(TABLE), ...words]);

async function succeed(ended: Promise<Ended>): Promise<string> {
  const { status, stdout, stderr } = await ended;
  assert.deepEqual([status, stderr], [0, ''], stdout);
  return stdout;
}

describe('certificates that mcctl has made', () => {
  it('satisfy OpenSSL, and keys are for their owner alone', () => {
    const verify = (file: string, purpose: string) =>
      desk
        .run('openssl', ['verify', '-x509_strict', '-CAfile', path('ca.crt'), '-purpose', purpose, path(file)])
        .trim();
    assert.equal(verify('mixer.crt', 'sslclient'), `${path('mixer.crt')}: OK`);
    assert.equal(verify(`${first.address}.crt`, 'sslserver'), `${path(`${first.address}.crt`)}: OK`);
    assert.throws(() => verify('mixer.crt', 'sslserver'), /unsuitable|unsupported/);
    assert.equal(statSync(path('mixer.key')).mode & 0o777, 0o600);
    const list = ['verify', '-crl_check', '-CAfile', path('ca.crt'), '-CRLfile', path('ca.crl')];
    assert.throws(() => desk.run('openssl', [...list, path('gone.crt')]), /certificate revoked/);
    assert.equal(desk.run('openssl', [...list, path('mixer.crt')]).trim(), `${path('mixer.crt')}: OK`);
  });

  it('are never written over without a word', async () => {
    const words = ['cert', 'client', '--identity', 'spiffe://studio.example/mixer', '--out', folder];
    const before = read('mixer.key');
    const ended = await mcctl(words);
    assert.equal(ended.status, 73);
    assert.match(ended.stderr, /mixer\.key is there already\n {2}--force/);
    assert.equal(read('mixer.key'), before);
  });
});

describe('several hosts', () => {
  it('are changed and shown together', async () => {
    const added = await remote('add', 'in0', '239.1.1.1', 'out1');
    assert.deepEqual([added.status, added.stderr], [0, '']);
    const lines = (await succeed(remote('show'))).split('\n');
    assert.match(lines[0] ?? '', /^HOST +ROUTE/);
    for (const { address } of [first, second]) {
      assert.equal(lines.filter((line) => line.startsWith(`${address} `) && line.includes('239.1.1.1')).length, 1);
    }
    const { routes } = JSON.parse(await succeed(remote('show', '-o', 'json'))) as {
      readonly routes: readonly { readonly host: string }[];
    };
    assert.deepEqual(
      routes.map(({ host }) => host),
      [first.address, second.address],
    );
  });

  it('of which one is down: the others are shown, and the status is that of the failure', async () => {
    const ended = await mcctl([
      '--host',
      `${first.address},${second.address}:7`,
      ...tls(),
      '-t',
      String(TABLE),
      'show',
    ]);
    assert.equal(ended.status, 69);
    assert.match(ended.stdout, new RegExp(`^${first.address} .*239\\.1\\.1\\.1`, 'm'));
    assert.match(
      ended.stderr,
      new RegExp(
        `^mcctl: ${second.address}:7: no gateway answers at .*: the host refuses the connection\\n {2}see whether`,
      ),
    );
  });

  it('tell who they take the caller for, and how long their certificates hold', async () => {
    const who = await succeed(remote('whoami'));
    assert.equal(who.match(/spiffe:\/\/studio\.example\/mixer/g)?.length, 2, who);
    assert.match(await succeed(atFirst('show', 'gateway')), /\b(?:9|10) days\b/);
  });
});

describe('a context', () => {
  it('stands for hosts and how they are reached', async () => {
    const words = ['--host', both(), ...tls(), '-t', String(TABLE)];
    await succeed(mcctl(['context', 'add', 'studio', ...words]));
    await succeed(mcctl(['context', 'add', 'desk', '--host', second.address, ...tls('desk'), '-t', String(TABLE)]));
    assert.equal(statSync(join(folder, '.config/mcroute/contexts.yaml')).mode & 0o777, 0o600);
    assert.match(
      await succeed(mcctl(['--context', 'studio', 'show'])),
      new RegExp(`${first.address}[^]*${second.address}`),
    );
    await succeed(mcctl(['context', 'use', 'studio']));
    assert.match(await succeed(mcctl(['show'])), new RegExp(`${first.address}[^]*${second.address}`));
    assert.match(await succeed(mcctl(['context', 'list'])), /^\* studio .*\n {2}desk /m);
    assert.match(await succeed(mcctl(['whoami'], { MCROUTE_CONTEXT: 'desk' })), /studio\.example\/desk/);
    await succeed(mcctl(['context', 'remove', 'studio']));
    await succeed(mcctl(['context', 'remove', 'desk']));
    assert.equal((await mcctl(['show'])).status, 69, 'this host is meant again');
  });

  it('is not needed where variables say it all', async () => {
    const environment = {
      MCROUTE_HOST: first.address,
      MCROUTE_CA: path('ca.crt'),
      MCROUTE_CERT: path('mixer.crt'),
      MCROUTE_KEY: path('mixer.key'),
      MCROUTE_TABLE: String(TABLE),
    };
    assert.match(await succeed(mcctl(['show'], environment)), /239\.1\.1\.1/);
  });
});

describe('changes from afar', () => {
  it('are of a folder, seen before and taken back', async () => {
    const directory = path('wish');
    desk.run('mkdir', [directory]);
    writeFileSync(join(directory, 'a.yaml'), 'routes: [{ iif: in0, group: 239.2.1.1, oifs: [out1] }]\n');
    writeFileSync(join(directory, 'b.yaml'), 'routes: [{ iif: in0, group: 239.2.1.2, oifs: [out1] }]\n');
    const dry = await succeed(atFirst('apply', '-f', directory, '--prune', '--dry-run'));
    assert.match(dry, /^\+ route \(\*, 239\.2\.1\.1\) in0 -> out1$/m);
    assert.match(dry, /^- route \(\*, 239\.1\.1\.1\) in0/m);
    assert.match(dry, /2 added, 0 changed, 1 removed, 0 unchanged \(dry run/);
    const different = await atFirst('diff', '-f', directory, '--prune');
    assert.equal(different.status, 1);
    assert.match(
      await succeed(atFirst('apply', '-f', directory, '--prune', '--comment', 'evening')),
      /2 added, 0 changed, 1 removed/,
    );
    assert.equal((await atFirst('diff', '-f', directory, '--prune')).status, 0);
    const history = await succeed(atFirst('history'));
    assert.match(history, /spiffe:\/\/studio\.example\/mixer.*evening/);
    assert.match(await succeed(atFirst('rollback')), /1 added, 0 changed, 2 removed/);
    assert.match(await succeed(atFirst('show')), /239\.1\.1\.1/);
  });

  it('hold when they are confirmed', async () => {
    const added = await atFirst('add', 'in0', '239.3.1.1', 'out1', '--confirm-within', '300');
    assert.equal(added.status, 0, added.stderr);
    assert.match(added.stdout + added.stderr, /mcctl.* confirm/);
    await succeed(atFirst('confirm'));
    assert.match(await succeed(atFirst('show')), /239\.3\.1\.1/);
    assert.notEqual((await atFirst('confirm')).status, 0, 'there is nothing to confirm any more');
  });

  it('are refused to who may only look', async () => {
    const ended = await mcctl(['--host', first.address, ...tls('desk'), '-t', String(TABLE), 'flush']);
    assert.equal(ended.status, 77);
    assert.match(ended.stderr, /spiffe:\/\/studio\.example\/desk/);
    await first.gateway.audited(({ method, outcome }) => method === 'RoutingService.Flush' && outcome !== 'OK');
  });
});

describe('mcctl says why a gateway cannot be used', () => {
  const show = (host: string, files: readonly string[] = tls(), namespace?: Namespace) =>
    mcctl(['--timeout', '10', '--host', host, ...files, '-t', String(TABLE), 'show'], {}, namespace);

  async function refuses(ended: Promise<Ended>, status: number, words: RegExp): Promise<void> {
    const { status: found, stdout, stderr } = await ended;
    assert.deepEqual([found, stdout], [status, ''], stderr);
    assert.match(stderr, words);
    assert.ok(stderr.trim().split('\n').length > 1, `it says what to do: ${stderr}`);
  }

  it('nobody listens', () => refuses(show(`${first.address}:7`), 69, /the host refuses the connection\n/));

  it('its certificate is of another CA', () =>
    refuses(
      show(first.address, ['--ca', others.path('other.crt'), ...tls().slice(2)]),
      77,
      /not trusted here\n.*--ca FILE/,
    ));

  it('its certificate has another name', () =>
    refuses(show('10.9.1.3'), 77, /its certificate is not for '10\.9\.1\.3': it has 10\.9\.1\.2\n.*--server-name/));

  it('its certificate has expired', async () => {
    const server = { kind: 'server', names: [second.address] } as const;
    await others.add('late', 'ca', server, 1, new Date(Date.now() - 3 * DAY_MS));
    using late = await startGateway({
      namespace: second.namespace,
      runtimeDirectory: dirname(second.agent.socketPath),
      configuration: `
listen: [{ tcp: "0.0.0.0:7792" }]
tls: { certificate: ROOT/server.crt, key: ROOT/server.key, client-ca: ROOT/ca.crt }
policy: ROOT/policy.yaml
`,
      files: {
        'server.crt': others.text('late.crt'),
        'server.key': others.text('late.key'),
        'ca.crt': read('ca.crt'),
        'policy.yaml': POLICY,
      },
    });
    await refuses(show(`${second.address}:7792`), 77, /its certificate has expired: it was valid until \d{4}-/);
    assert.match(late.log, /a certificate has expired/);
  });

  it('no certificate is given', () => refuses(show(first.address, tls().slice(0, 2)), 77, /certificate/));

  it('the certificate that is given is of another CA', () =>
    refuses(
      show(first.address, [
        '--ca',
        path('ca.crt'),
        '--cert',
        others.path('mixer.crt'),
        '--key',
        others.path('mixer.key'),
      ]),
      77,
      /certificate/,
    ));

  it('the certificate that is given has expired', async () => {
    const client = { kind: 'client', identity: 'spiffe://studio.example/mixer', name: 'old' } as const;
    await others.add('old', 'ca', client, 1, new Date(Date.now() - 3 * DAY_MS));
    const files = ['--ca', path('ca.crt'), '--cert', others.path('old.crt'), '--key', others.path('old.key')];
    await refuses(show(first.address, files), 77, /expired/);
  });

  it('the certificate that is given is revoked', () => refuses(show(first.address, tls('gone')), 77, /revoked/));

  it('the policy has nothing for who calls', () =>
    refuses(show(first.address, tls('stranger')), 77, /spiffe:\/\/studio\.example\/stranger/));

  it('it does not speak TLS, and what to do on this host', async () => {
    const host = first.namespace;
    await refuses(show('127.0.0.1:7791', tls(), host), 69, /does not speak TLS\n.*--host tcp:127\.0\.0\.1:7791/);
    const plain = await mcctl(['--host', 'tcp:127.0.0.1:7791', '-t', String(TABLE), 'whoami'], {}, host);
    assert.deepEqual([plain.status, plain.stderr], [0, '']);
    assert.match(plain.stdout, /loopback/);
  });
});
