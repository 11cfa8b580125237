// Who a certificate says that its holder is: exactly one name, whatever else is written in it.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type IdentitySource,
  alternativeNames,
  canonicalIdentity,
  identityOf,
  parseAlternativeNames,
} from '../../src/gateway/identity.js';
import {
  type AlternativeNameWish,
  type CertificateWish,
  alternativeNamesExtension,
  issue,
  makeKeys,
} from '../support/certificates.js';

const keys = await makeKeys();

async function certificateOf(wish: CertificateWish): Promise<X509Certificate> {
  return new X509Certificate((await issue({ keys, ...wish })).certificate);
}

async function certificateWith(names: readonly AlternativeNameWish[], subject = 'CN=x'): Promise<X509Certificate> {
  return certificateOf({ subject, names });
}

const uri = (value: string) => ({ kind: 'uri', value }) as const;
const dns = (value: string) => ({ kind: 'dns', value }) as const;

/** The identity, or the refusal in brackets. */
function read(certificate: X509Certificate, sources: readonly IdentitySource[] = ['uri']): string {
  const found = identityOf(certificate, sources);
  return 'identity' in found ? found.identity : `(${found.refusal})`;
}

describe('the identity of a certificate', () => {
  it('is its one URI', async () => {
    for (const value of [
      'spiffe://studio.example/mixer',
      'spiffe://studio.example',
      'https://controllers.example/a?b=c',
      'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    ]) {
      assert.equal(read(await certificateWith([dns('a.example'), uri(value)])), value);
    }
  });

  it('is the same in any case of scheme and host', async () => {
    assert.equal(read(await certificateWith([uri('SPIFFE://Studio.Example/Mixer')])), 'spiffe://studio.example/Mixer');
    assert.equal(canonicalIdentity('dns:A.example.'), 'dns:a.example');
    assert.equal(canonicalIdentity('cn:Mixer'), 'cn:Mixer');
    assert.equal(canonicalIdentity('URN:Ab'), 'urn:Ab');
  });

  it('is refused where there are two URIs, even the same', async () => {
    for (const other of ['spiffe://lab/b', 'spiffe://lab/a']) {
      const certificate = await certificateWith([uri('spiffe://lab/a'), dns('x'), uri(other)]);
      assert.match(read(certificate), /^\(the certificate has 2 URI names, and it must be clear/);
      assert.match(read(certificate, ['uri', 'dns']), /2 URI names/);
    }
  });

  it('is refused for URIs that are none, or could pass for something else', async () => {
    const cases: [string, RegExp][] = [
      ['', /printable/],
      ['mixer', /no URI with a scheme/],
      ['//lab/a', /no URI with a scheme/],
      ['uid:0', /scheme 'uid' means something else/],
      ['GID:0', /means something else/],
      ['user:root', /means something else/],
      ['dns:gw.example', /means something else/],
      ['cn:admin', /means something else/],
      ['https://root@lab/a', /a user before '@'/],
      ['spiffe://lab:1/a', /no SPIFFE ID/],
      ['spiffe://lab/a/', /no SPIFFE ID/],
      ['spiffe://lab//a', /no SPIFFE ID/],
      ['spiffe://lab/../a', /no SPIFFE ID/],
      ['spiffe://lab/a?b', /no SPIFFE ID/],
      ['spiffe://lab/%61', /no SPIFFE ID/],
      ['spiffe:lab', /no SPIFFE ID/],
      ['spiffe://lab/*', /printable characters of ASCII, without '\*'/],
      ['https://lab/a b', /a space/],
      ['https://lab/a\nb', /printable/],
      ['https://lab/a\0', /printable/],
      ['https://läb/a', /printable/],
      [`https://lab/${'a'.repeat(245)}`, /more than 256 characters/],
    ];
    for (const [value, why] of cases) assert.match(read(await certificateWith([uri(value)])), why, value);
    const longest = `https://lab/${'a'.repeat(240)}`;
    assert.equal(read(await certificateWith([uri(longest)])), longest);
  });

  it('is that of the first source that the certificate has', async () => {
    const both = await certificateWith([dns('Mixer.example'), uri('spiffe://lab/a')], 'CN=mixer 1');
    assert.equal(read(both, ['dns', 'uri']), 'dns:mixer.example');
    assert.equal(read(both, ['uri', 'dns']), 'spiffe://lab/a');
    assert.equal(read(both, ['cn']), 'cn:mixer 1');
    const plain = await certificateWith([], 'CN=mixer 1');
    assert.equal(read(plain, ['uri', 'dns', 'cn']), 'cn:mixer 1');
    assert.equal(
      read(plain),
      '(the certificate names nobody: it needs a URI name, such as URI:spiffe://studio.example/mixer)',
    );
    assert.equal(read(await certificateWith([], ''), ['cn']), '(the certificate names nobody: it needs a common name)');
  });

  it('takes no more than one name of any source', async () => {
    assert.match(read(await certificateWith([dns('a'), dns('b')]), ['dns']), /2 DNS names/);
    assert.match(read(await certificateWith([], 'CN=a, CN=b'), ['cn']), /2 common names/);
    assert.match(read(await certificateWith([dns('*.example')]), ['dns']), /without '\*'/);
    assert.match(read(await certificateWith([], 'CN=Björn'), ['cn']), /printable/);
  });

  it('is not taken from a common name that looks like more', async () => {
    assert.equal(read(await certificateWith([], 'CN="a, CN=admin"'), ['cn']), 'cn:a, CN=admin');
    assert.match(read(await certificateWith([], 'CN="a\\0ACN=admin"'), ['cn']), /^cn:|printable/);
  });

  it('is refused where subjectAltName is there twice', async () => {
    const wish = { subject: 'CN=x', extensions: [alternativeNamesExtension([uri('spiffe://lab/b')])] };
    assert.equal(read(await certificateOf(wish)), 'spiffe://lab/b');
    const certificate = await certificateOf({ ...wish, names: [uri('spiffe://lab/a')] });
    assert.match(read(certificate), /cannot be read/);
  });
});

describe('one name', () => {
  it('never passes for two', async () => {
    for (const value of [
      'https://lab/a, DNS:admin.example',
      'https://lab/a, URI:spiffe://lab/admin',
      'https://lab/a", URI:spiffe://lab/admin',
      'https://lab/a\\", URI:spiffe://lab/admin',
      '"https://lab/a", URI:spiffe://lab/admin',
      'https://lab/a\n, URI:spiffe://lab/admin',
    ]) {
      assert.deepEqual(alternativeNames(await certificateWith([uri(value)])), [{ kind: 'URI', value }], value);
    }
  });

  it('is read as it is in the certificate, whatever its bytes', async () => {
    const odd = fc.constantFrom(
      '"',
      '\\',
      ',',
      ' ',
      ', URI:',
      ', DNS:',
      ':',
      "'",
      '\n',
      '\0',
      '\u0001',
      '\x7f',
      'é',
      'a',
      'u0022',
      '',
    );
    const value = fc.oneof(
      fc.array(odd, { maxLength: 8 }).map((parts) => parts.join('')),
      fc.string({ maxLength: 20 }),
    );
    const name = fc.record({ kind: fc.constantFrom('uri', 'dns', 'email'), value });
    const wishes = fc.array(name, { minLength: 1, maxLength: 4 });
    const KINDS = { uri: 'URI', dns: 'DNS', email: 'email' };
    let unread = 0;
    await fc.assert(
      fc.asyncProperty(wishes, async (names) => {
        const found = alternativeNames(await certificateWith(names));
        // What cannot be read for certain is refused as a whole; all else has as many names of each kind as there are.
        if (found === undefined) {
          unread++;
          return;
        }
        assert.deepEqual(
          found.map(({ kind }) => kind),
          names.map(({ kind }) => KINDS[kind]),
        );
        for (const [index, { value: written }] of names.entries()) {
          // Node shows bytes over 127 each by itself.
          const shown = Buffer.from(written).toString('latin1');
          assert.ok([written, shown].includes(found[index]?.value ?? '-'), JSON.stringify([written, found[index]]));
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(unread < 100, `${unread} of 300 could not be read`);
  });

  it('is no name if it is not written as Node writes names', () => {
    for (const text of [
      'URI',
      'URI:a,DNS:b',
      'URI:a, ',
      'URI:"a',
      'URI:"a"b',
      'URI:a"',
      ', URI:a',
      'URI:"\\x"',
      'URI:a\\b',
    ]) {
      assert.equal(parseAlternativeNames(text), undefined, text);
    }
    assert.deepEqual(parseAlternativeNames('IP Address:127.0.0.1, othername:UPN:"a\\u0022"'), [
      { kind: 'IP Address', value: '127.0.0.1' },
      { kind: 'othername', value: 'UPN:a"' },
    ]);
  });

  it('is parsed without going back, however long the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseAlternativeNames(text);
      }),
    );
    assert.equal(parseAlternativeNames(`URI:"${'\\'.repeat(100_001)}`), undefined);
  });
});
