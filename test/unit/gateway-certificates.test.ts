// The certificates of a gateway: what they need to serve, how they are followed, and what clients are told, over real TLS.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type SecureContextOptions, type TLSSocket, connect, createServer } from 'node:tls';
import { CertificateError, type Certificates, openCertificates } from '../../src/gateway/certificates.js';
import { identityOf } from '../../src/gateway/identity.js';
import { explainRefusal } from '../../src/gateway/refusal.js';
import {
  BAD_CLIENTS,
  type BadClient,
  type Issued,
  type Lab,
  badClient,
  daysFromNow,
  issue,
  makeIntermediate,
  makeLab,
  revocationList,
} from '../support/certificates.js';
import { recordLog } from '../support/recorded-log.js';
import { eventually, within } from '../support/wait.js';

let lab: Lab;
let root: string;
let count = 0;

before(async () => {
  lab = await makeLab();
  root = mkdtempSync(join(tmpdir(), 'mcroute-certificates-'));
});
after(() => {
  rmSync(root, { recursive: true });
});

/** Files of a gateway in a folder of their own. */
class Files {
  readonly folder = join(root, String(count++));
  readonly certificate = join(this.folder, 'gateway.crt');
  readonly key = join(this.folder, 'gateway.key');
  readonly clientCa = join(this.folder, 'clients.crt');
  crl: string | undefined;

  constructor() {
    mkdirSync(this.folder);
    this.write('certificate', lab.server.certificate);
    this.write('key', lab.server.key);
    this.write('clientCa', lab.ca.certificate);
  }

  write(what: 'certificate' | 'key' | 'clientCa', text: string): void {
    writeFileSync(this[what], text, { mode: 0o600 });
  }

  /** As tools do it that mind who reads meanwhile. */
  replace(what: 'certificate' | 'key' | 'clientCa', text: string): void {
    writeFileSync(`${this[what]}.new`, text, { mode: 0o600 });
    renameSync(`${this[what]}.new`, this[what]);
  }

  addCrl(text: string): void {
    this.crl = join(this.folder, 'clients.crl');
    writeFileSync(this.crl, text);
  }
}

let files: Files;
let log: ReturnType<typeof recordLog>;
/** Contexts that came in the place of those before. */
let changes: SecureContextOptions[];

beforeEach(() => {
  files = new Files();
  log = recordLog();
  changes = [];
});

function open(now?: () => Date, lookMs?: number): Certificates {
  const onChange = (context: SecureContextOptions) => void changes.push(context);
  return openCertificates(files, {
    log: log.log,
    onChange,
    ...(now && { now }),
    ...(lookMs !== undefined && { lookMs }),
  });
}

function findingsOf(): readonly string[] {
  try {
    open()[Symbol.dispose]();
  } catch (error) {
    assert.ok(error instanceof CertificateError, String(error));
    return error.findings;
  }
  return assert.fail('they were taken');
}

function messages(): readonly string[] {
  return log.lines.map(({ msg }) => String(msg));
}

/** What a gateway finds out about a client. */
interface Seen {
  readonly isAuthorized: boolean;
  /** Its identity, or why it is refused. */
  readonly who: string;
  readonly isReused: boolean;
}

/** A TLS server as a gateway has it. */
class Door implements AsyncDisposable {
  readonly #server;
  readonly #seen: ((seen: Seen) => void)[] = [];

  constructor(context: SecureContextOptions) {
    this.#server = createServer({ ...context, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    this.#server.on('secureConnection', (socket) => {
      const certificate = socket.getPeerX509Certificate();
      const found = certificate === undefined ? undefined : identityOf(certificate, ['uri']);
      // Node's type has an Error, and it is its name.
      const error = String(socket.authorizationError);
      const who = socket.authorized && found !== undefined && 'identity' in found ? found.identity : refusalOf(found);
      function refusalOf(identity: typeof found): string {
        if (socket.authorized && identity !== undefined && 'refusal' in identity) return identity.refusal;
        return explainRefusal(error, certificate, new Date());
      }
      this.#seen.shift()?.({ isAuthorized: socket.authorized, who, isReused: socket.isSessionReused() });
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => socket.write(bytes));
      socket.write('!');
    });
  }

  use(context: SecureContextOptions): void {
    this.#server.setSecureContext(context);
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** Connects; resolves when the server has had its look. The socket is to be destroyed. */
  async connect(
    client: Issued | undefined,
    earlier?: Buffer,
  ): Promise<{ seen: Seen; socket: TLSSocket; session: Promise<Buffer> }> {
    const seen = new Promise<Seen>((resolve) => this.#seen.push(resolve));
    const socket = connect({
      host: '127.0.0.1',
      port: (this.#server.address() as AddressInfo).port,
      servername: 'localhost',
      ca: lab.ca.certificate,
      ALPNProtocols: ['h2'],
      ...(client && { cert: client.certificate, key: client.key }),
      ...(earlier && { session: earlier }),
    });
    const session = new Promise<Buffer>((resolve) => socket.once('session', resolve));
    await within(once(socket, 'data'), 'the first bytes');
    return { seen: await within(seen, 'the connection'), socket, session };
  }

  async see(client: Issued | undefined): Promise<Seen> {
    const { seen, socket } = await this.connect(client);
    socket.destroy();
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function doorOf(certificates: Certificates): Promise<Door> {
  const door = new Door(certificates.context);
  await door.open();
  return door;
}

describe('a client', () => {
  it('is who its certificate says', async () => {
    using certificates = open();
    await using door = await doorOf(certificates);
    const client = await lab.client('spiffe://lab/mixer');
    assert.deepEqual(await door.see(client), { isAuthorized: true, who: 'spiffe://lab/mixer', isReused: false });
    const intermediate = await makeIntermediate(lab.ca);
    const wish = { subject: 'CN=x', issuer: intermediate, names: [{ kind: 'uri', value: 'spiffe://lab/x' }] as const };
    const { certificate, ...rest } = await issue(wish);
    const chain = { ...rest, certificate: certificate + intermediate.certificate };
    assert.equal((await door.see(chain)).who, 'spiffe://lab/x');
  });

  it('without a certificate is told so', async () => {
    using certificates = open();
    await using door = await doorOf(certificates);
    const { isAuthorized, who } = await door.see(undefined);
    assert.equal(isAuthorized, false);
    assert.match(who, /^no client certificate was shown: name one that the client CA/);
  });

  const WHY: Record<BadClient, RegExp> = {
    expired: /'CN=client' is refused: it expired on 20.*: issue a new one$/,
    'not yet valid': /is refused: it is not valid before 20.* see to the clocks of both$/,
    'self-signed': /is refused: it is signed by itself: have it signed by the client CA/,
    'two URIs': /^the certificate has 2 URI names/,
    'no name': /^the certificate names nobody: it needs a URI name/,
    'wrong CA': /is refused: it is signed by 'CN=Other CA', which is no client CA of this gateway/,
    'CA of the same name': /is refused: its signature is not by the key of 'CN=Lab CA'|which is no client CA/,
    'not for clients': /is refused: it, or a CA above it, is not for clients: .* clientAuth$/,
    'unknown intermediate':
      /is signed by 'CN=Intermediate CA', which is no client CA of this gateway \(and no intermediate/,
    'signed by a client':
      /is refused: (who has signed it \('CN=client'\) is no CA|it, or a CA above it, breaks a rule)/,
  };
  for (const what of BAD_CLIENTS) {
    it(`is refused with the reason: ${what}`, async () => {
      using certificates = open();
      await using door = await doorOf(certificates);
      const { who } = await door.see(await badClient(lab.ca, what));
      assert.match(who, WHY[what]);
    });
  }

  it('is refused if it is revoked, and if the list of those has expired', async () => {
    const [good, bad] = await Promise.all(['spiffe://lab/a', 'spiffe://lab/b'].map(lab.client));
    assert.ok(good && bad);
    files.addCrl(await revocationList(lab.ca, [bad]));
    using certificates = open();
    await using door = await doorOf(certificates);
    assert.equal((await door.see(good)).who, 'spiffe://lab/a');
    assert.match((await door.see(bad)).who, /is refused: it, or a CA above it, is revoked/);
    files.addCrl(await revocationList(lab.ca, [], daysFromNow(-1)));
    certificates.reload();
    door.use(certificates.context);
    assert.match((await door.see(good)).who, /\(CRL\) has expired: put a new one/);
    const other = await issue({ subject: 'CN=Other CA', isCa: true });
    files.addCrl(await revocationList(other, []));
    certificates.reload();
    door.use(certificates.context);
    assert.match((await door.see(good)).who, /has no list of 'CN=Lab CA'/);
  });

  it('is checked again with each connection, whatever session it brings along', async () => {
    using certificates = open();
    await using door = await doorOf(certificates);
    const client = await lab.client('spiffe://lab/a');
    const first = await door.connect(client);
    const session = await within(first.session, 'the session');
    first.socket.destroy();
    const second = await door.connect(client, session);
    second.socket.destroy();
    assert.equal(second.seen.isReused, false);
  });

  it('has an error that nobody knows told by its name', async () => {
    const certificate = new X509Certificate((await lab.client('spiffe://lab/a')).certificate);
    assert.match(explainRefusal('SOMETHING_NEW', certificate, new Date()), /is not valid \('SOMETHING_NEW'\)$/);
    assert.match(explainRefusal('constructor', certificate, new Date()), /is not valid \('constructor'\)$/);
  });
});

describe('files of certificates', () => {
  it('are refused with what cures them', async () => {
    const other = await issue({ subject: 'CN=other', usage: 'client' });
    const intermediate = await makeIntermediate(lab.ca);
    const cases: [() => void, RegExp][] = [
      [
        () => {
          rmSync(files.key);
        },
        /gateway\.key': there is no such file$/,
      ],
      [
        () => {
          files.write('certificate', '');
        },
        /gateway\.crt': is empty$/,
      ],
      [
        () => {
          files.write('certificate', lab.server.key);
        },
        /has no CERTIFICATE, but PRIVATE KEY: are two files mixed up\?$/,
      ],
      [
        () => {
          files.write('key', lab.server.certificate);
        },
        /has no PRIVATE KEY, but CERTIFICATE/,
      ],
      [
        () => {
          files.write('certificate', 'hello');
        },
        /has no CERTIFICATE in PEM \(-----BEGIN CERTIFICATE-----\): openssl can/,
      ],
      [
        () => {
          files.write('certificate', lab.server.certificate.slice(0, 200));
        },
        /the beginning of a CERTIFICATE but not its end/,
      ],
      [
        () => {
          writeFileSync(files.certificate, new X509Certificate(lab.server.certificate).raw);
        },
        /UTF-8, as PEM is; openssl/,
      ],
      [
        () => {
          files.write('certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
        },
        /the certificate no\. 1 in it cannot be read/,
      ],
      [
        () => {
          files.write('key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
        },
        /the key cannot be read/,
      ],
      [
        () => {
          files.write('key', lab.server.key.replaceAll('PRIVATE', 'ENCRYPTED PRIVATE'));
        },
        /the key has a passphrase, and nobody is there to type it: openssl pkey/,
      ],
      [
        () => {
          files.write('key', other.key);
        },
        /the key is not that of the first certificate in '.*gateway\.crt' 'CN=gateway'$/,
      ],
      [
        () => {
          files.write('certificate', other.certificate);
          files.write('key', other.key);
        },
        /'CN=other' is not for servers: its extended key usage has no serverAuth$/,
      ],
      [
        () => {
          files.write('certificate', lab.server.certificate + intermediate.certificate);
        },
        /no\. 2 'CN=Intermediate CA' has not signed the one before it: put the gateway's first/,
      ],
      [
        () => {
          files.write('clientCa', lab.server.certificate);
        },
        /clients\.crt': the certificate no\. 1 'CN=gateway' is no CA/,
      ],
      [
        () => {
          files.addCrl('hello');
        },
        /clients\.crl': has no X509 CRL in PEM/,
      ],
      [
        () => {
          files.addCrl('-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n');
        },
        /OpenSSL refuses them/,
      ],
    ];
    for (const [spoil, expected] of cases) {
      files = new Files();
      spoil();
      const findings = findingsOf();
      assert.equal(findings.length, 1, findings.join('\n'));
      assert.match(findings[0] ?? '', expected);
    }
  });

  it('are refused with all that is wrong at once', () => {
    files.write('certificate', 'hello');
    files.write('clientCa', lab.server.certificate);
    assert.equal(findingsOf().length, 2);
  });

  it('may hold the chain of the gateway, several CAs, and comments', async () => {
    const intermediate = await makeIntermediate(lab.ca);
    const own = await issue({ subject: 'CN=gw', issuer: intermediate, names: [{ kind: 'dns', value: 'localhost' }] });
    files.write('certificate', `Ours:\n${own.certificate}\r\nThe next:\n${intermediate.certificate}`);
    files.write('key', own.key);
    const other = await issue({ subject: 'CN=Other CA', isCa: true });
    files.write('clientCa', lab.ca.certificate + other.certificate);
    using certificates = open();
    await using door = await doorOf(certificates);
    assert.equal((await door.see(await lab.client('spiffe://lab/a'))).isAuthorized, true);
    assert.equal((await door.see(await issue({ subject: 'CN=x', issuer: other }))).isAuthorized, true);
  });

  it('have the CAs of CAs too', async () => {
    const intermediate = await makeIntermediate(lab.ca);
    files.write('clientCa', intermediate.certificate);
    assert.match(findingsOf()[0] ?? '', /'CN=Intermediate CA' is signed by 'CN=Lab CA', which is not here: add it/);
    files.write('clientCa', intermediate.certificate + lab.ca.certificate);
    using certificates = open();
    await using door = await doorOf(certificates);
    assert.equal((await door.see(await issue({ subject: 'CN=x', issuer: intermediate }))).isAuthorized, true);
  });

  it('are shown with their names and days', () => {
    using certificates = open();
    const [own, ca] = certificates.list();
    assert.deepEqual(
      [own?.use, own?.file, own?.subject, own?.daysLeft],
      ['server', files.certificate, 'CN=gateway', 364],
    );
    assert.deepEqual(own?.names, ['DNS:localhost', 'IP Address:127.0.0.1', 'IP Address:0:0:0:0:0:0:0:1']);
    assert.match(own.fingerprint, /^[0-9a-f]{64}$/);
    assert.deepEqual([ca?.use, ca?.file, ca?.subject, ca?.names], ['client-ca', files.clientCa, 'CN=Lab CA', []]);
  });

  it('that everybody may read are warned of', () => {
    chmodSync(files.key, 0o644);
    open()[Symbol.dispose]();
    assert.deepEqual(messages(), ['the private key can be read by everybody; chmod o= cures that']);
  });
});

describe('new certificates', () => {
  async function newServer(): Promise<Issued> {
    return issue({ subject: 'CN=new', issuer: lab.ca, usage: 'server', names: [{ kind: 'dns', value: 'localhost' }] });
  }

  const subject = (certificates: Certificates) => certificates.list()[0]?.subject;

  it('take the place of those before by themselves, and open connections stay', async () => {
    using first = open();
    await using door = await doorOf(first);
    using certificates = openCertificates(files, {
      log: log.log,
      onChange: (context) => {
        door.use(context);
      },
    });
    const client = await lab.client('spiffe://lab/a');
    const { socket } = await door.connect(client);
    const next = await newServer();
    files.replace('key', next.key);
    files.replace('certificate', next.certificate);
    await eventually(() => subject(certificates) === 'CN=new' || undefined, 'the new certificate');
    const second = await door.connect(client);
    assert.equal(second.socket.getPeerCertificate().subject.CN, 'new');
    second.socket.destroy();
    socket.write('still here');
    const [echo] = (await within(once(socket, 'data'), 'the echo')) as [Buffer];
    assert.equal(echo.toString(), 'still here');
    socket.destroy();
  });

  it('are not used while only one file of two has come', async () => {
    using certificates = open();
    const next = await newServer();
    files.replace('certificate', next.certificate);
    certificates.reload();
    assert.match(certificates.error ?? '', /the key is not that of the first certificate/);
    assert.deepEqual([subject(certificates), changes.length], ['CN=gateway', 0]);
    files.replace('key', next.key);
    certificates.reload();
    assert.deepEqual([certificates.error, subject(certificates), changes.length], [undefined, 'CN=new', 1]);
  });

  it('that are broken are told of once, and change nothing', () => {
    using certificates = open();
    files.replace('clientCa', 'hello');
    certificates.reload();
    certificates.reload();
    assert.deepEqual(messages(), ['the new certificates cannot be used; those before stay in use']);
    assert.match(certificates.error ?? '', /clients\.crt': has no CERTIFICATE/);
    assert.equal(changes.length, 0);
    files.replace('clientCa', lab.ca.certificate);
    certificates.reload();
    assert.equal(certificates.error, undefined);
    // What is in use is as it was.
    assert.equal(changes.length, 0);
  });

  it('with a list of revoked ones that is broken change nothing', async () => {
    files.addCrl(await revocationList(lab.ca, []));
    using certificates = open();
    const before = certificates.context.crl;
    files.addCrl('-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n');
    certificates.reload();
    assert.match(certificates.error ?? '', /clients\.crl': OpenSSL refuses them/);
    assert.deepEqual([changes.length, certificates.context.crl], [0, before]);
    files.addCrl(await revocationList(lab.ca, [await lab.client('spiffe://lab/a')]));
    certificates.reload();
    assert.deepEqual([changes.length, certificates.error], [1, undefined]);
    assert.notDeepEqual(changes[0]?.crl, before);
  });

  it('that are over do not replace those that are not', async () => {
    using certificates = open();
    const over = await issue({
      subject: 'CN=over',
      issuer: lab.ca,
      notBefore: daysFromNow(-9),
      notAfter: daysFromNow(-1),
    });
    files.replace('key', over.key);
    files.replace('certificate', over.certificate);
    certificates.reload();
    assert.match(certificates.error ?? '', /the new certificate 'CN=over' is valid from .* which is not now/);
    assert.equal(subject(certificates), 'CN=gateway');
  });

  it('are seen behind links that are swapped', async () => {
    const link = join(root, `link-${count}`);
    symlinkSync(files.folder, link);
    const watched = {
      certificate: join(link, 'gateway.crt'),
      key: join(link, 'gateway.key'),
      clientCa: join(link, 'clients.crt'),
      crl: undefined,
    };
    using certificates = openCertificates(watched, { log: log.log, onChange: () => undefined });
    const next = await newServer();
    const other = new Files();
    other.write('certificate', next.certificate);
    other.write('key', next.key);
    symlinkSync(other.folder, `${link}.new`);
    renameSync(`${link}.new`, link);
    certificates.reload();
    assert.equal(subject(certificates), 'CN=new');
  });

  it('are found by looking, where nothing tells of them', async () => {
    // The folder that was watched is another's name by now.
    using certificates = open(undefined, 20);
    const next = await newServer();
    const aside = `${files.folder}.aside`;
    renameSync(files.folder, aside);
    await eventually(() => certificates.error, 'the error');
    mkdirSync(files.folder);
    files.write('certificate', next.certificate);
    files.write('key', next.key);
    files.write('clientCa', lab.ca.certificate);
    await eventually(() => subject(certificates) === 'CN=new' || undefined, 'the new certificate');
    assert.equal(certificates.error, undefined);
  });
});

describe('the end of a certificate', () => {
  it('is warned of from 14 days before it, at the start and once a day', async () => {
    const start = Date.now();
    let now = start;
    using certificates = open(() => new Date(now), 5);
    const warned = async (days: number, expected: number) => {
      now = start + days * 86_400_000;
      await eventually(() => messages().length >= expected || undefined, `${expected} warnings`);
      assert.equal(messages().length, expected);
    };
    // The gateway's and the CA's end on the same day, 365 days after they were made.
    await warned(350, 0);
    await warned(351.5, 2);
    await warned(352.6, 4);
    await warned(365.5, 6);
    assert.deepEqual(
      log.lines.map(({ msg, daysLeft }) => `${String(msg)}: ${String(daysLeft)}`),
      [
        'expires soon: 13',
        'expires soon: 13',
        'expires soon: 12',
        'expires soon: 12',
        'has expired; connections by it fail: -1',
        'has expired; connections by it fail: -1',
      ].map((text) => `a certificate ${text}`),
    );
    assert.equal(certificates.list()[0]?.daysLeft, -1);
  });
});
