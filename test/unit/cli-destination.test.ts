// Which hosts a command is for.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CliError } from '../../src/cli/errors.js';
import { type Contexts, NO_CONTEXTS } from '../../src/cli/remote/contexts.js';
import { type DestinationOptions, findDestination } from '../../src/cli/remote/destination.js';
import { authorityOf, parseHost, parseHosts } from '../../src/cli/remote/host-address.js';

const HOST = { name: '--host', complaint: 'USAGE' } as const;

describe('a host', () => {
  it('is a name or an address, with a port or without', () => {
    const cases: [string, string, number][] = [
      ['gw1', 'gw1', 7_790],
      ['gw1.example:1', 'gw1.example', 1],
      ['gw_1.example.:65535', 'gw_1.example.', 65_535],
      ['192.0.2.1:80', '192.0.2.1', 80],
      ['2001:db8::1', '2001:db8::1', 7_790],
      ['[2001:db8::1]:80', '2001:db8::1', 80],
      ['[fe80::1%eth0]', 'fe80::1%eth0', 7_790],
    ];
    for (const [text, name, port] of cases) {
      assert.deepEqual(parseHost(text, HOST), { kind: 'tcp', text, name, port, isPlain: false });
    }
    assert.equal(authorityOf({ name: '2001:db8::1', port: 80 }), '[2001:db8::1]:80');
  });

  it('is a socket, or loopback without TLS', () => {
    const text = 'unix:/run//mcroute/gateway.sock';
    assert.deepEqual(parseHost(text, HOST), { kind: 'unix', text, path: '/run/mcroute/gateway.sock' });
    for (const name of ['localhost', '127.9.9.9', '::1']) {
      const host = parseHost(`tcp:${authorityOf({ name, port: 7 })}`, HOST);
      assert.ok(host.kind === 'tcp' && host.isPlain && host.name === name && host.port === 7);
    }
  });

  it('is refused where it can be neither, with what a host is', () => {
    const wrong = [
      '',
      'a b',
      'gw1:',
      'gw1:0',
      'gw1:65536',
      'gw1:x',
      'a:b:c',
      '[gw1]:5',
      '[::1',
      '-a',
      'a..b',
      'unix:x',
    ];
    wrong.push('tcp:192.0.2.1', 'tcp:gw1.example:5', 'tcp:127.example', `${'a'.repeat(64)}.example`);
    for (const text of wrong) {
      assert.throws(
        () => parseHost(text, HOST),
        (error) => error instanceof CliError && error.code === 'USAGE' && error.details.length === 1,
        text,
      );
    }
  });

  it('is told once, of those with commas and of several options', () => {
    const hosts = parseHosts(['a, b', 'c,a,'], HOST).map(({ text }) => text);
    assert.deepEqual(hosts, ['a', 'b', 'c']);
    assert.throws(() => parseHosts([','], HOST), /no host is named/);
    const many = Array.from({ length: 257 }, (_unused, index) => `h${index}`);
    assert.throws(() => parseHosts(many, HOST), /257 hosts, and 256 are the most/);
  });
});

const STUDIO = {
  hosts: ['gw1', 'gw2'],
  ca: '/s/ca',
  cert: '/s/crt',
  key: '/s/key',
  serverName: 'gw',
  table: 5,
  owner: 'o',
};
const OTHER = { hosts: ['gw3'] };

function contexts(current?: string): () => Contexts {
  const map = new Map([
    ['studio', STUDIO],
    ['other', OTHER],
  ]);
  return () => ({ current, contexts: map });
}

/** The hosts; `here` for this one. */
function hostsOf(options: DestinationOptions, environment: Record<string, string> = {}, current?: string): string {
  const found = findDestination(options, environment, contexts(current));
  return found.kind === 'here' ? 'here' : found.hosts.map(({ text }) => text).join(' ');
}

describe('the hosts that are meant', () => {
  it('are those of options, then of the environment, then of the context in use', () => {
    const cases: [DestinationOptions, Record<string, string>, string | undefined, string][] = [
      [{}, {}, undefined, 'here'],
      [{}, {}, 'studio', 'gw1 gw2'],
      [{}, { MCROUTE_CONTEXT: 'other' }, 'studio', 'gw3'],
      [{}, { MCROUTE_CONTEXT: 'local' }, 'studio', 'here'],
      [{}, { MCROUTE_HOST: 'a,b', MCROUTE_CONTEXT: 'other' }, 'studio', 'a b'],
      [{ context: 'other' }, { MCROUTE_HOST: 'a' }, 'studio', 'gw3'],
      [{ context: 'local' }, { MCROUTE_HOST: 'a' }, 'studio', 'here'],
      [{ host: ['x'] }, { MCROUTE_HOST: 'a' }, 'studio', 'x'],
      [{ host: ['x'], context: 'other' }, {}, 'studio', 'x'],
    ];
    for (const [options, environment, current, expected] of cases) {
      assert.equal(hostsOf(options, environment, current), expected, JSON.stringify([options, environment, current]));
    }
  });

  it('are this one where a script says where the sockets of this host are', () => {
    assert.equal(hostsOf({ socket: '/x' }, { MCROUTE_HOST: 'a' }, 'studio'), 'here');
    assert.equal(hostsOf({}, { MCROUTE_SOCKET: '/x' }, 'studio'), 'here');
    assert.equal(hostsOf({}, { MCROUTE_RUNTIME_DIRECTORY: '/x' }, 'studio'), 'here');
    assert.equal(hostsOf({ host: ['a'] }, { MCROUTE_RUNTIME_DIRECTORY: '/x' }), 'a');
  });

  it('are not looked for in files where something else decides', () => {
    const fail = () => assert.fail('the contexts were read');
    findDestination({ socket: '/x' }, {}, fail);
    findDestination({ context: 'local' }, {}, fail);
    findDestination({}, { MCROUTE_RUNTIME_DIRECTORY: '/x' }, fail);
  });

  it('are refused where they contradict each other', () => {
    const cases: [DestinationOptions, Record<string, string>, string, RegExp][] = [
      [{ socket: '/x', host: ['a'] }, {}, 'USAGE', /--socket is of this host, and excludes --host/],
      [{ socket: '/x', context: 'studio' }, {}, 'USAGE', /excludes --context/],
      [{}, { MCROUTE_SOCKET: '/x', MCROUTE_HOST: 'a' }, 'BAD_ENVIRONMENT', /MCROUTE_HOST names another/],
      [{}, { MCROUTE_SOCKET: '/x', MCROUTE_CONTEXT: 'studio' }, 'BAD_ENVIRONMENT', /MCROUTE_CONTEXT names another/],
      [{ context: 'sutdio' }, {}, 'BAD_ENVIRONMENT', /^--context: there is no context 'sutdio'/],
      [{}, { MCROUTE_HOST: 'a b' }, 'BAD_ENVIRONMENT', /^MCROUTE_HOST: /],
      [{ ca: '/x' }, {}, 'USAGE', /--ca is for gateways, and this host is meant/],
      [{ host: ['a'], cert: '/x' }, {}, 'USAGE', /--cert is given without --key/],
      [{ host: ['a'] }, { MCROUTE_KEY: '/x' }, 'BAD_ENVIRONMENT', /MCROUTE_KEY is given without MCROUTE_CERT/],
    ];
    for (const [options, environment, code, message] of cases) {
      assert.throws(
        () => hostsOf(options, environment),
        (error) => {
          assert.ok(error instanceof CliError && error.code === code, String(error));
          return message.test(error.message);
        },
      );
    }
    assert.throws(() => findDestination({ context: 'x' }, {}, () => NO_CONTEXTS), /there is no context 'x'/);
  });
});

describe('what goes with the hosts', () => {
  const find = (options: DestinationOptions, environment: Record<string, string> = {}, current?: string) => {
    const found = findDestination(options, environment, contexts(current));
    return found.kind === 'here' ? assert.fail('this host') : found;
  };

  it('comes from the context, but for what is said otherwise', () => {
    const studio = find({ context: 'studio' });
    const { ca, cert, key, serverName } = STUDIO;
    assert.deepEqual([studio.tls, studio.table, studio.owner], [{ ca, cert, key, serverName }, 5, 'o']);
    assert.equal(studio.why, undefined);
    const environment = { MCROUTE_CA: '/e/ca', MCROUTE_CERT: '/e/crt', MCROUTE_KEY: '/e/key' };
    const inEnvironment = { ca: '/e/ca', cert: '/e/crt', key: '/e/key', serverName };
    assert.deepEqual(find({ context: 'studio' }, environment).tls, inEnvironment);
    const options = { context: 'studio', cert: '/o/crt', key: '/o/key', serverName: 'n' };
    assert.deepEqual(find(options, environment).tls, { ca: '/e/ca', cert: '/o/crt', key: '/o/key', serverName: 'n' });
  });

  it('is that of the context in use for other hosts too, without the name in the certificate', () => {
    const found = find({ host: ['gw9'] }, {}, 'studio');
    assert.deepEqual(found.tls, { ca: STUDIO.ca, cert: STUDIO.cert, key: STUDIO.key });
    assert.deepEqual(find({ host: ['gw9'], context: 'local' }, {}, 'studio').tls, {});
  });

  it('tells why a host is meant that nobody has just typed', () => {
    assert.match(find({}, {}, 'studio').why ?? '', /'studio' is in use; --context local is this host/);
    assert.match(find({}, { MCROUTE_HOST: 'a' }).why ?? '', /MCROUTE_HOST/);
  });
});
