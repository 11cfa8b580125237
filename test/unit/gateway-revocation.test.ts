// Clients that are connected while the CAs and the lists of revoked certificates change.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type TLSSocket, connect, createServer } from 'node:tls';
import { type ServerContext, checkCertificates } from '../../src/gateway/certificate-check.js';
import { acceptsOthers, openClientCheck } from '../../src/gateway/client-check.js';
import { readRevocationLists } from '../../src/gateway/revocation-lists.js';
import { whyNotAnyMore } from '../../src/gateway/revocation.js';
import { type Issued, issue, makeIntermediate, makeKeys, makeLab, revocationList } from '../support/certificates.js';
import { recordLog } from '../support/recorded-log.js';
import { within } from '../support/wait.js';

let server: Issued;
let ca: Issued;
let otherCa: Issued;
/** Of the CA's name. */
let namesake: Issued;
/** The CA with the key of before. */
let renewedCa: Issued;
/** The key of the CA under another name. */
let renamedCa: Issued;
let intermediate: Issued;
/** The intermediate, signed by the other CA. */
let crossSigned: Issued;
let leaf: Issued;
let deepLeaf: Issued;

before(async () => {
  ({ ca, server } = await makeLab());
  otherCa = await issue({ subject: 'CN=Other CA', isCa: true });
  namesake = await issue({ subject: ca.subject, isCa: true });
  renewedCa = await issue({ subject: ca.subject, isCa: true, keys: ca.keys });
  renamedCa = await issue({ subject: 'CN=Renamed CA', isCa: true, keys: ca.keys });
  intermediate = await makeIntermediate(ca);
  crossSigned = await issue({
    subject: intermediate.subject,
    issuer: otherCa,
    isCa: true,
    keys: intermediate.keys,
  });
  leaf = await issue({ subject: 'CN=leaf', issuer: ca });
  deepLeaf = await issue({ subject: 'CN=deep', issuer: intermediate });
});

function parse(issued: Issued): X509Certificate {
  return new X509Certificate(issued.certificate);
}

/** What becomes of a client. */
function verdict(
  client: Issued,
  sent: readonly Issued[],
  cas: readonly Issued[],
  lists?: readonly string[],
): Promise<string | undefined> {
  return whyNotAnyMore(parse(client), sent.map(parse), {
    cas: cas.map(parse),
    lists: lists && readRevocationLists(lists),
  });
}

describe('a client that is connected is accepted still', () => {
  const cases: [string, () => Promise<string | undefined>][] = [
    ['without lists', () => verdict(leaf, [], [ca])],
    ['by an intermediate that it sent', () => verdict(deepLeaf, [intermediate], [ca])],
    ['by an intermediate that is among the CAs', () => verdict(deepLeaf, [], [intermediate, ca])],
    ['when its CA is one of several', () => verdict(leaf, [], [otherCa, ca])],
    ['when its CA was renewed with the same key', () => verdict(leaf, [], [renewedCa])],
    ['when it sent its CA, which was renewed', () => verdict(leaf, [ca], [renewedCa])],
    ['when another was revoked', async () => verdict(leaf, [], [ca], [await revocationList(ca, [deepLeaf])])],
    [
      'when another CA revoked that number',
      async () =>
        verdict(leaf, [], [ca, otherCa], [await revocationList(ca, []), await revocationList(otherCa, [leaf])]),
    ],
    [
      'when another CA of the same name revoked that number',
      async () => verdict(leaf, [], [ca, namesake], [await revocationList(namesake, [leaf])]),
    ],
    [
      'when its CA under another name revoked that number',
      async () => verdict(leaf, [], [ca, renamedCa], [await revocationList(renamedCa, [leaf])]),
    ],
    [
      'when one of two ways up was revoked',
      async () =>
        verdict(deepLeaf, [intermediate, crossSigned], [ca, otherCa], [await revocationList(ca, [intermediate])]),
    ],
  ];
  for (const [name, judge] of cases) {
    it(name, async () => {
      assert.equal(await judge(), undefined);
    });
  }
});

describe('a client that is connected is not accepted any more', () => {
  const cases: [string, () => Promise<string | undefined>, RegExp][] = [
    [
      'when it was revoked',
      async () => verdict(leaf, [], [ca], [await revocationList(ca, [leaf])]),
      /^the certificate of the client was revoked on \d{4}-\d\d-\d\dT.*Z: connect with a new one$/,
    ],
    [
      'when it was revoked by the second of the lists',
      async () =>
        verdict(leaf, [], [ca, otherCa], [await revocationList(otherCa, []), await revocationList(ca, [leaf])]),
      /^the certificate of the client was revoked on /,
    ],
    [
      'when it was revoked by the CA before that was renewed',
      async () => verdict(leaf, [], [renewedCa], [await revocationList(ca, [leaf])]),
      /^the certificate of the client was revoked on /,
    ],
    [
      'when an intermediate revoked it',
      async () =>
        verdict(
          deepLeaf,
          [intermediate],
          [ca],
          [await revocationList(ca, []), await revocationList(intermediate, [deepLeaf])],
        ),
      /^the certificate of the client was revoked on /,
    ],
    [
      'when its intermediate was revoked',
      async () => verdict(deepLeaf, [intermediate], [ca], [await revocationList(ca, [intermediate])]),
      /^the CA 'CN=Intermediate CA' above the certificate of the client was revoked on .*: connect with a new one$/,
    ],
    [
      'when its CA revoked itself',
      async () => verdict(leaf, [], [ca], [await revocationList(ca, [ca])]),
      /^the CA 'CN=Lab CA' above the certificate of the client was revoked on /,
    ],
    [
      'when its CA was taken away',
      () => verdict(leaf, [], [otherCa]),
      /^the certificate of the client is signed by 'CN=Lab CA', which is no client CA of this gateway any more: /,
    ],
    ['when its CA was taken away, though it sent it', () => verdict(leaf, [ca], [otherCa]), /signed by 'CN=Lab CA'/],
    [
      'when the CA of its intermediate was taken away',
      () => verdict(deepLeaf, [intermediate], [otherCa]),
      /signed by 'CN=Lab CA'/,
    ],
    ['when another of that name took the place of its CA', () => verdict(leaf, [], [namesake]), /no client CA/],
  ];
  for (const [name, judge, expected] of cases) {
    it(name, async () => {
      assert.match((await judge()) ?? '', expected);
    });
  }

  it('has any number, the largest too', async () => {
    for (const serialNumber of ['01', '7f', `7${'f'.repeat(39)}`]) {
      const numbered = await issue({ subject: 'CN=numbered', issuer: ca, serialNumber });
      const lists = [await revocationList(ca, [numbered])];
      assert.match((await verdict(numbered, [], [ca], lists)) ?? '', /was revoked/, serialNumber);
      assert.equal(await verdict(leaf, [], [ca], lists), undefined);
    }
  });
});

it('a list may have thousands of certificates', async () => {
  const others = Array.from({ length: 3_400 }, (_, index) => ({
    ...leaf,
    serialNumber: `2${String(index).padStart(7, '0')}`,
  }));
  const lists = [await revocationList(ca, [...others, leaf])];
  assert.match((await verdict(leaf, [], [ca], lists)) ?? '', /was revoked/);
});

it('certificates that a client only says are of a CA are looked at once', async () => {
  // Each has the key of the next, so that all have signed all.
  const keys = await makeKeys();
  const first = await issue({ subject: 'CN=loop', isCa: true, keys });
  const loop = await Promise.all(
    Array.from({ length: 8 }, () => issue({ subject: 'CN=loop', issuer: first, isCa: true, keys })),
  );
  const client = await issue({ subject: 'CN=client', issuer: first });
  assert.match((await verdict(client, loop, [ca])) ?? '', /signed by 'CN=loop'/);
});

describe('a connection', () => {
  let client: TLSSocket;
  let connection: TLSSocket;
  const log = recordLog();
  const gateway = createServer();

  before(async () => {
    const context = contextOf([ca]);
    gateway.on('secureConnection', (socket) => socket.on('error', () => undefined));
    gateway.setSecureContext(context);
    Object.assign(gateway, { requestCert: true, rejectUnauthorized: false });
    gateway.listen(0, '127.0.0.1');
    await within(once(gateway, 'listening'), 'the server');
    const { port } = gateway.address() as AddressInfo;
    const arrival = once(gateway, 'secureConnection') as Promise<[TLSSocket]>;
    const chain = deepLeaf.certificate + intermediate.certificate;
    client = connect({ port, ca: ca.certificate, cert: chain, key: deepLeaf.key, servername: 'localhost' });
    client.on('error', () => undefined);
    [connection] = await within(arrival, 'the connection');
    assert.ok(connection.authorized);
  });
  after(() => {
    client.destroy();
    gateway.close();
  });

  function contextOf(cas: readonly Issued[], crl?: string): ServerContext {
    const clientCa = cas.map(({ certificate }) => certificate).join('');
    const texts = { certificate: server.certificate, key: server.key, clientCa, crl };
    return checkCertificates(texts, { certificate: 'crt', key: 'key', clientCa: 'ca', crl: 'crl' }).context;
  }

  async function checked(context: ServerContext): Promise<string | undefined> {
    return (await openClientCheck(context, log.log))(connection);
  }

  it('is checked with all certificates that its client sent', async () => {
    assert.equal(await checked(contextOf([ca])), undefined);
    assert.equal(await checked(contextOf([ca], await revocationList(ca, []))), undefined);
    assert.match((await checked(contextOf([ca], await revocationList(ca, [intermediate])))) ?? '', /was revoked on/);
    const lists = (await revocationList(ca, [])) + (await revocationList(intermediate, [deepLeaf]));
    assert.match((await checked(contextOf([ca], lists))) ?? '', /^the certificate of the client was revoked on/);
    assert.match((await checked(contextOf([otherCa]))) ?? '', /no client CA of this gateway any more/);
  });

  it('is to be made again where the list cannot be compared', async () => {
    const context = { ...contextOf([ca]), crl: ['-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n'] };
    assert.match((await checked(context)) ?? '', /cannot be compared .*: connect again$/);
    assert.equal(log.lines.length, 1);
  });

  it('is not asked for when the client has gone', async () => {
    const check = await openClientCheck(contextOf([otherCa]), log.log);
    connection.destroy();
    assert.equal(await check(connection), undefined);
  });

  it('is checked when others are let in, not when the gateway shows another certificate', async () => {
    const context = contextOf([ca]);
    assert.equal(acceptsOthers(context, { ...context, cert: 'another' }), false);
    assert.equal(acceptsOthers(context, contextOf([ca, otherCa])), true);
    assert.equal(acceptsOthers(context, contextOf([ca], await revocationList(ca, []))), true);
  });
});
