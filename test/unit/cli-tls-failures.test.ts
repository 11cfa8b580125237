// What mcctl says of a gateway that it cannot reach, or that it does not trust: against real servers.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { issue } from '../support/certificates.js';
import { FakeAgent } from '../support/fake-agent.js';
import { type Ended, runMcctl } from '../support/mcctl.js';
import { Pki, openTlsFront } from '../support/tls-front.js';
import { waitForEvent } from '../support/wait.js';

const SERVER = { kind: 'server', names: ['localhost', '127.0.0.1'] } as const;
const CLIENT = { kind: 'client', identity: 'spiffe://studio.example/mixer', name: 'mixer' } as const;
const DAY_MS = 86_400_000;

describe('mcctl tells of a gateway', { concurrency: 2 }, () => {
  const pki = new Pki();
  const directory = mkdtempSync(join(tmpdir(), 'mcctl-tls-'));
  let agent: FakeAgent;
  before(async () => {
    agent = await FakeAgent.listen(join(directory, '5.sock'));
    await pki.addAuthority('ca');
    await pki.addAuthority('other');
    await pki.add('server', 'ca', SERVER);
    await pki.add('elsewhere', 'ca', { kind: 'server', names: ['gw1.example', '192.0.2.1'] });
    await pki.add('expired', 'ca', SERVER, 1, new Date(Date.now() - 3 * DAY_MS));
    await pki.add('early', 'ca', SERVER, 9, new Date(Date.now() + 3 * DAY_MS));
    await pki.add('mixer', 'ca', CLIENT);
    const names = [{ kind: 'ip', value: Buffer.from([127, 0, 0, 1]) }] as const;
    pki.put('alone', await issue({ subject: 'CN=alone', usage: 'server', names }));
  });
  after(async () => {
    await agent[Symbol.asyncDispose]();
    pki[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  /** Words for TLS; without a client where it is empty. */
  const tls = (ca = 'ca', client = 'mixer') => [
    '--ca',
    pki.path(`${ca}.crt`),
    ...(client === '' ? [] : ['--cert', pki.path(`${client}.crt`), '--key', pki.path(`${client}.key`)]),
  ];
  const show = (host: string, words: readonly string[] = tls()): Promise<Ended> =>
    runMcctl(['--host', host, '-t', '5', ...words, 'show']);

  /** A server on loopback, for as long as the work takes. */
  async function whileListening<Result>(server: Server, work: (port: number) => Promise<Result>): Promise<Result> {
    server.listen(0, '127.0.0.1');
    await waitForEvent(server, 'listening');
    try {
      return await work((server.address() as AddressInfo).port);
    } finally {
      server.close();
    }
  }

  it('nothing, where all is as it should be', async () => {
    await using front = await openTlsFront(agent.path, pki, 'server', { requestCert: true, ca: pki.text('ca.crt') });
    for (const host of [`localhost:${front.port}`, `127.0.0.1:${front.port}`]) {
      const ended = await show(host);
      assert.deepEqual([ended.status, ended.stderr], [0, 'no routes\n']);
    }
  });

  it('that the host refuses the connection', async () => {
    const port = await whileListening(createServer(), (free) => Promise.resolve(free));
    const ended = await show(`127.0.0.1:${port}`);
    assert.equal(ended.status, 69);
    assert.match(
      ended.stderr,
      /^mcctl: no gateway answers at 127\.0\.0\.1:\d+: the host refuses the connection\n {2}see whether the gateway runs there/,
    );
    const plain = await runMcctl(['--host', `tcp:127.0.0.1:${port}`, '-t', '5', 'show']);
    assert.match(plain.stderr, /the host refuses the connection/);
  });

  it('that there is no such name', async () => {
    const ended = await show('nowhere.invalid');
    assert.equal(ended.status, 69);
    // Where there is no DNS, nothing can be said of the name.
    assert.match(
      ended.stderr,
      /^mcctl: no gateway answers at nowhere\.invalid:7790: (?:there is no host|the name) 'nowhere\.invalid'/,
    );
  });

  it('that it takes connections and says nothing', async () => {
    await whileListening(createServer(), async (port) => {
      const ended = await runMcctl(['--timeout', '0.3', '--host', `127.0.0.1:${port}`, '-t', '5', ...tls(), 'show']);
      assert.equal(ended.status, 69);
      assert.match(
        ended.stderr,
        /it takes the connection and does not speak TLS\n {2}see whether this is the port of a gateway/,
      );
    });
  });

  it('that it does not speak TLS', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await whileListening(server, async (port) => {
      const ended = await show(`127.0.0.1:${port}`);
      assert.equal(ended.status, 69);
      assert.match(ended.stderr, /what answers there does not speak TLS\n.*--host tcp:127\.0\.0\.1:\d+/);
    });
  });

  it('that it does not speak TLS 1.3', async () => {
    const old = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
    await using front = await openTlsFront(agent.path, pki, 'server', old);
    const ended = await show(`127.0.0.1:${front.port}`);
    assert.equal(ended.status, 69);
    assert.match(ended.stderr, /does not speak TLS 1\.3/);
  });

  const certificates: [string, string, readonly string[] | undefined, RegExp][] = [
    [
      'is signed by somebody else',
      'server',
      ['other'],
      /signed by 'CN=ca', which is not trusted here\n {2}give its own CA with --ca FILE/,
    ],
    [
      'has expired',
      'expired',
      undefined,
      /its certificate has expired: it was valid until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n {2}.*renew it; the clock of this host says/,
    ],
    [
      'is not yet valid',
      'early',
      undefined,
      /its certificate is not yet valid: it is valid from .*\n {2}set the clock of this host/,
    ],
    [
      'has other names',
      'elsewhere',
      undefined,
      /is not for '127\.0\.0\.1': it has gw1\.example, 192\.0\.2\.1\n {2}.*--server-name/,
    ],
    ['is signed by itself', 'alone', undefined, /signed by nobody but itself \('CN=alone'\)\n {2}.*--ca FILE/],
    ['is not one for servers', 'mixer', undefined, /its certificate is not one for servers\n/],
  ];
  for (const [what, certificate, ca, expected] of certificates) {
    it(`that its certificate ${what}`, async () => {
      await using front = await openTlsFront(agent.path, pki, certificate);
      const ended = await show(`127.0.0.1:${front.port}`, tls(ca?.[0]));
      assert.deepEqual([ended.status, ended.stdout], [77, ''], ended.stderr);
      assert.match(ended.stderr, new RegExp(`^mcctl: 127\\.0\\.0\\.1:${front.port}: `));
      assert.match(ended.stderr, expected);
    });
  }

  it('nothing, where the name that it has is told', async () => {
    await using front = await openTlsFront(agent.path, pki, 'elsewhere');
    const named = [...tls(), '--server-name', 'gw1.example'];
    assert.equal((await show(`127.0.0.1:${front.port}`, named)).status, 0);
    const wrong = await show(`127.0.0.1:${front.port}`, [...tls(), '--server-name', 'gw2.example']);
    assert.match(wrong.stderr, /is not for 'gw2\.example': it has gw1\.example/);
  });

  it('that it asks for a certificate', async () => {
    const options = { requestCert: true, rejectUnauthorized: true, ca: pki.text('ca.crt') };
    await using front = await openTlsFront(agent.path, pki, 'server', options);
    const ended = await show(`localhost:${front.port}`, ['--ca', pki.path('ca.crt')]);
    assert.equal(ended.status, 77);
    assert.match(
      ended.stderr,
      /it asks for a certificate, and none is given\n {2}give yours with --cert FILE --key FILE/,
    );
  });

  it('that it does not take the certificate', async () => {
    const options = { requestCert: true, rejectUnauthorized: true, ca: pki.text('other.crt') };
    await using front = await openTlsFront(agent.path, pki, 'server', options);
    const ended = await show(`localhost:${front.port}`);
    assert.equal(ended.status, 77, ended.stderr);
    assert.match(
      ended.stderr,
      /it does not take this certificate \(it ends the connection at its sight\)\n {2}ask who runs the gateway/,
    );
  });

  it('that its own files cannot serve, before it connects', async () => {
    const damaged = join(directory, 'damaged.crt');
    writeFileSync(damaged, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const cases: [readonly string[], number, RegExp][] = [
      [
        ['--ca', '/nonexistent/ca.crt'],
        66,
        /^mcctl: the CA \(--ca\): there is no file \/nonexistent\/ca\.crt\n {2}give the path/,
      ],
      [
        ['--ca', pki.path('ca.key')],
        65,
        /ca\.key is not the CA \(--ca\): it has a PRIVATE KEY\n {2}a file with -----BEGIN CERTIFICATE-----/,
      ],
      [['--ca', damaged], 65, /damaged\.crt has a certificate that cannot be read\n {2}it is damaged/],
      [
        ['--cert', pki.path('mixer.crt'), '--key', pki.path('server.key')],
        65,
        /server\.key is not that of the certificate .*mixer\.crt\n {2}give the two files/,
      ],
      [['--cert', pki.path('mixer.crt')], 64, /--cert is given without --key\n/],
    ];
    for (const [words, status, expected] of cases) {
      const ended = await show('127.0.0.1:1', words);
      assert.equal(ended.status, status, ended.stderr);
      assert.match(ended.stderr, expected);
    }
  });

  it(
    'that a key may not be read',
    { skip: process.getuid?.() === 0 ? 'root may read everything' : false },
    async () => {
      const locked = join(directory, 'locked.key');
      writeFileSync(locked, pki.text('mixer.key'));
      chmodSync(locked, 0o000);
      const ended = await show('127.0.0.1:1', ['--cert', pki.path('mixer.crt'), '--key', locked]);
      assert.equal(ended.status, 77);
      assert.match(ended.stderr, /no permission to read .*locked\.key/);
    },
  );
});
