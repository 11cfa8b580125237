import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConfigurationError } from '../../src/configuration/configuration-error.js';
import { type GatewayConfiguration, listenerName, parseConfiguration } from '../../src/gateway/configuration.js';

const DEFAULTS = { runtimeDirectory: '/run/t', logsDirectory: '/logs' };

const TLS = 'tls: { certificate: /c, key: /k, client-ca: /a }';

function parse(text: string): GatewayConfiguration {
  return parseConfiguration(text, 'f', DEFAULTS);
}

function complaints(text: string): readonly string[] {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error.findings.map((finding) => `${finding.where}: ${finding.text}`);
  }
  return [];
}

describe('the configuration of a gateway', () => {
  it('has a default for everything', () => {
    assert.deepEqual(parse(''), {
      listeners: [{ kind: 'unix', path: '/run/t/gateway.sock', mode: 0o660 }],
      tls: undefined,
      policy: undefined,
      audit: { file: '/logs/audit.log', maxSize: 16 * 1024 * 1024, files: 8 },
      limits: {
        connections: 256,
        connectionsPerAddress: 64,
        streamsPerIdentity: 64,
        writesPerSecond: 100,
        writeBurst: 200,
        resourcesPerOwner: 0,
      },
    });
  });

  it('says all that there is to say', () => {
    const { listeners, tls, policy, audit, limits } = parse(`
listen:
  - { unix: /s, mode: "0600" }
  - { tcp: "[::]:7790" }
  - { tcp: 127.0.0.1:7791, plaintext: true }
tls: { certificate: /c, key: /k, client-ca: /a, crl: /r, identity: [dns, cn] }
policy: /p
audit: { file: /f, max-size: 1, files: 2 }
limits: { connections: 1, connections-per-address: 2, streams-per-identity: 3, writes-per-second: 4, write-burst: 5,
  resources-per-owner: 6 }
`);
    assert.deepEqual(listeners, [
      { kind: 'unix', path: '/s', mode: 0o600 },
      { kind: 'tcp', host: '::', port: 7790, isPlaintext: false },
      { kind: 'tcp', host: '127.0.0.1', port: 7791, isPlaintext: true },
    ]);
    assert.deepEqual(listeners.map(listenerName), ['unix:/s', '[::]:7790', '127.0.0.1:7791']);
    assert.deepEqual(tls, { certificate: '/c', key: '/k', clientCa: '/a', crl: '/r', identity: ['dns', 'cn'] });
    assert.equal(policy, '/p');
    assert.deepEqual(audit, { file: '/f', maxSize: 1024 * 1024, files: 2 });
    assert.deepEqual(Object.values(limits), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(parse(TLS).tls?.identity, ['uri']);
  });

  it('has no plaintext but on loopback addresses', () => {
    for (const address of ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', '[0:0:0:0:0:0:0:1]:1']) {
      assert.deepEqual(complaints(`listen: [{ tcp: "${address}", plaintext: true }]`), [], address);
    }
    for (const address of [
      '0.0.0.0:1',
      '10.0.0.1:1',
      '[::]:1',
      '[fe80::1]:1',
      '[::2]:1',
      '[::ffff:10.0.0.1]:1',
      '[1::1]:1',
    ]) {
      const [complaint] = complaints(`listen: [{ tcp: "${address}", plaintext: true }]`);
      assert.match(complaint ?? '', /plaintext is for loopback addresses only/, address);
    }
  });

  it('is refused with what is wrong and where', () => {
    for (const [text, expected] of [
      ['listen: []', /^f:1:9: listen is empty/],
      ['listen: [{ tcp: 0.0.0.0:7790 }]', /needs certificates: add tls/],
      ['listen: [{ tcp: localhost:7790 }]', /'localhost:7790' is no address to listen at/],
      ['listen: [{ tcp: 1.2.3.4 }]', /is no address to listen at/],
      ['listen: [{ tcp: 1.2.3.4:0 }]', /is no address to listen at/],
      ['listen: [{ tcp: 1.2.3.4:65536 }]', /is no address to listen at/],
      ['listen: [{ unix: /a, tcp: 1.2.3.4:5 }]', /either unix, a path, or tcp/],
      ['listen: [{ mode: "0600" }]', /either unix, a path, or tcp/],
      ['listen: [{ unix: a }]', /'a' is no absolute path/],
      ['listen: [{ unix: /a, plaintext: true }]', /plaintext is for tcp/],
      ['listen: [{ unix: /a, mode: "0999" }]', /is no mode of a socket/],
      ['listen: [{ tcp: 127.0.0.1:5, plaintext: true, mode: "0600" }]', /mode is for unix/],
      ['listen: [{ unix: /a }, { unix: /a }]', /unix:\/a is there already/],
      ['tls: { certificate: /c, key: /k }', /tls needs client-ca/],
      ['tls: { certificate: /c, key: /k, client-ca: /a, identity: [] }', /identity is empty/],
      ['tls: { certificate: /c, key: /k, client-ca: /a, identity: [mail] }', /'mail' is no value of identity/],
      ['tls: { certificate: /c, key: /k, client-ca: /a, identity: [uri, uri] }', /names one of them twice/],
      ['policy: here', /'here' is no absolute path/],
      ['audit: { max-size: 0 }', /0 is not a size in MiB/],
      ['limits: { connections: 0 }', /0 is not connections/],
      ['limits: { connexions: 5 }', /'connexions' is not known here: did you mean 'connections'/],
    ] as const) {
      assert.match(complaints(text)[0] ?? '', expected, text);
    }
    assert.equal(complaints('listen: [{ unix: a }]\npolicy: b\nlimits: { write-burst: 0 }').length, 3);
  });
});
