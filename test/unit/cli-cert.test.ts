// mcctl cert: authorities, what they sign, and what they take back.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../support/launcher.js';
import { runMcctl } from '../support/mcctl.js';

const MIXER = ['cert', 'client', '--identity', 'spiffe://studio.example/mixer'];

let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mcctl-cert-'));
  for (const words of [['cert', 'ca'], ['cert', 'server', '--name', 'gw1.example', '--name', '192.0.2.1'], MIXER]) {
    const ended = await runMcctl([...words, '--out', folder]);
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
  }
});
after(() => {
  rmSync(folder, { recursive: true });
});

const path = (file: string) => join(folder, file);
const certificate = (file: string) => new X509Certificate(readFileSync(path(file)));
const modeOf = (file: string) => statSync(path(file)).mode & 0o777;
const revokedBy = (...options: readonly string[]) =>
  run(['openssl', 'verify', '-crl_check', '-CAfile', path('ca.crt'), '-CRLfile', path('ca.crl'), ...options]);

describe('mcctl cert', () => {
  it('makes certificates with names and uses of their own, and keys for their owner alone', () => {
    assert.equal(certificate('gw1.example.crt').subjectAltName, 'DNS:gw1.example, IP Address:192.0.2.1');
    assert.equal(certificate('mixer.crt').subjectAltName, 'URI:spiffe://studio.example/mixer');
    assert.deepEqual(certificate('gw1.example.crt').keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.deepEqual(certificate('mixer.crt').keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.notEqual(certificate('mixer.crt').serialNumber, certificate('gw1.example.crt').serialNumber);
    for (const file of ['ca.key', 'gw1.example.key', 'mixer.key']) assert.equal(modeOf(file), 0o600, file);
    const authority = run(['openssl', 'x509', '-noout', '-ext', 'basicConstraints', '-in', path('ca.crt')]).stdout;
    assert.match(authority, /critical\n +CA:TRUE, pathlen:0/);
  });

  it('keeps what was there with --force, and refuses without', async () => {
    const key = readFileSync(path('mixer.key'), 'utf8');
    const refused = await runMcctl([...MIXER, '--out', folder]);
    assert.equal(refused.status, 73);
    assert.match(refused.stderr, /mixer\.key is there already\n {2}--force/);
    assert.equal(readFileSync(path('mixer.key'), 'utf8'), key);
    assert.equal((await runMcctl([...MIXER, '--out', folder, '--force'])).status, 0);
    assert.notEqual(readFileSync(path('mixer.key'), 'utf8'), key);
    assert.equal(readFileSync(path('mixer.key.old'), 'utf8'), key);
    assert.equal(modeOf('mixer.key.old'), 0o600);
  });

  it('takes certificates back, one after the other, in a list that OpenSSL takes', async () => {
    const first = await runMcctl(['cert', 'revoke', path('mixer.crt'), '--out', folder]);
    assert.deepEqual([first.status, first.stderr], [0, '']);
    assert.match(first.stdout, /ca\.crl has 1 certificate, and is to be made again before \d{4}-/);
    assert.match(revokedBy(path('mixer.crt')).stderr, /certificate revoked/);
    assert.equal(revokedBy(path('gw1.example.crt')).status, 0);
    const second = await runMcctl(['cert', 'revoke', path('gw1.example.crt'), path('mixer.crt'), '--out', folder]);
    assert.match(second.stdout, /has 2 certificates/);
    const number = () =>
      Number(
        /Number=(0x\w+)/i.exec(run(['openssl', 'crl', '-noout', '-crlnumber', '-in', path('ca.crl')]).stdout)?.[1],
      );
    const before = number();
    assert.match((await runMcctl(['cert', 'revoke', '--out', folder])).stdout, /has 2 certificates/);
    assert.ok(number() > before, `${number()} is more than ${before}`);
    for (const file of ['mixer.crt', 'gw1.example.crt']) assert.match(revokedBy(path(file)).stderr, /revoked/, file);
  });

  it('says what is wrong with the files of an authority', async () => {
    const other = mkdtempSync(join(tmpdir(), 'mcctl-cert-'));
    try {
      const none = await runMcctl([...MIXER, '--out', other]);
      assert.equal(none.status, 66);
      assert.match(none.stderr, /ca\.(?:crt|key).*\n {2}'mcctl cert ca' makes an authority/);
      await runMcctl(['cert', 'ca', '--out', other]);
      const mixed = ['--ca', path('ca.crt'), '--ca-key', join(other, 'ca.key')];
      const wrong = await runMcctl([...MIXER, '--out', other, ...mixed]);
      assert.equal(wrong.status, 65);
      assert.match(wrong.stderr, /the key .* is not that of the certificate .*\n {2}give the two files/);
      const leaf = ['--ca', path('mixer.crt'), '--ca-key', path('mixer.key')];
      assert.match(
        (await runMcctl([...MIXER, '--out', other, ...leaf])).stderr,
        /is not the certificate of an authority/,
      );
      const foreign = await runMcctl(['cert', 'revoke', path('mixer.crt'), '--out', other]);
      assert.equal(foreign.status, 65);
      assert.match(foreign.stderr, /mixer\.crt is not signed by this authority\n/);
    } finally {
      rmSync(other, { recursive: true });
    }
  });
});
