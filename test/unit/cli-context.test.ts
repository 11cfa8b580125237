// mcctl context, and the file of contexts.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CliError } from '../../src/cli/errors.js';
import { type Context, parseContexts, renderContexts } from '../../src/cli/remote/contexts.js';
import { type Ended, runMcctl } from '../support/mcctl.js';

interface Home extends Disposable {
  readonly directory: string;
  readonly file: string;
  mcctl(words: string): Promise<Ended>;
}

function openHome(): Home {
  const directory = mkdtempSync(join(tmpdir(), 'mcctl-home-'));
  return {
    directory,
    file: join(directory, 'mcroute/contexts.yaml'),
    mcctl: (words) => runMcctl(words.split(' '), { environment: { XDG_CONFIG_HOME: directory } }),
    [Symbol.dispose]: () => {
      rmSync(directory, { recursive: true });
    },
  };
}

describe('mcctl context', { concurrency: 2 }, () => {
  it('remembers, chooses, shows and forgets', async () => {
    using home = openHome();
    assert.deepEqual(await home.mcctl('context list'), {
      status: 0,
      stdout: 'NAME  HOSTS  TABLE  OWNER\n',
      stderr: "no contexts: 'mcctl context add' makes one\n",
    });
    const added = await home.mcctl('context add studio --host gw1,gw2:8 --host [::1]:9 --table edit --owner mixer');
    assert.deepEqual([added.status, added.stderr], [0, '']);
    assert.equal(added.stdout, "context 'studio' is remembered; 'mcctl context use studio' chooses it\n");
    assert.equal((await home.mcctl('context current')).stdout, 'local\n');
    assert.equal((await home.mcctl('context show')).status, 1);
    assert.equal((await home.mcctl('context use studio')).status, 0);
    assert.equal((await home.mcctl('cont cu')).stdout, 'studio\n');
    const text = 'name         studio\nhosts        gw1 gw2:8 [::1]:9\ntable        edit\nowner        mixer\n';
    assert.equal((await home.mcctl('context show')).stdout, text);
    const list = (await home.mcctl('context list')).stdout;
    assert.match(list, /^NAME +HOSTS.*\n\* studio +gw1,gw2:8,\[::1\]:9 +edit +mixer\n$/);
    const shown = JSON.parse((await home.mcctl('context show studio -o json')).stdout) as Record<string, unknown>;
    assert.deepEqual(shown['hosts'], ['gw1', 'gw2:8', '[::1]:9']);
    assert.equal((await home.mcctl('context remove studio')).status, 0);
    assert.equal((await home.mcctl('context current')).stdout, 'local\n');
  });

  it('keeps the file for its owner, and nothing beside it', async () => {
    using home = openHome();
    await home.mcctl('context add a --host gw1');
    chmodSync(home.file, 0o644);
    await home.mcctl('context add b --host gw2');
    assert.equal(statSync(home.file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(home.directory, 'mcroute')), ['contexts.yaml']);
  });

  it('refuses what cannot be, and changes nothing', async () => {
    using home = openHome();
    await home.mcctl('context add a --host gw1');
    const before = readFileSync(home.file, 'utf8');
    const cases: [string, number, RegExp][] = [
      ['context add a --host gw2', 64, /there is a context 'a' already\n {2}--replace/],
      ['context add local --host gw2', 64, /'local' is no name for a context/],
      ['context add b', 64, /--host is missing/],
      ['context add b --host a:b:c', 64, /^mcctl: --host: 'a:b:c' is no host\n {2}a host is HOST\[:PORT\]/],
      ['context add b --host gw --cert /x', 64, /--cert and --key go together/],
      ['context add b --host gw --ca /nonexistent', 66, /there is no file \/nonexistent/],
      ['context use b', 78, /there is no context 'b'\n {2}there are a; 'mcctl context list'/],
      ['context remove b', 78, /there is no context 'b'/],
      ['context lits', 64, /did you mean 'list'\?/],
    ];
    for (const [words, status, expected] of cases) {
      const ended = await home.mcctl(words);
      assert.deepEqual([ended.status, ended.stdout], [status, ''], words);
      assert.match(ended.stderr, expected);
    }
    assert.equal(readFileSync(home.file, 'utf8'), before);
    assert.equal((await home.mcctl('context add a --host gw2 --replace')).status, 0);
    assert.match(readFileSync(home.file, 'utf8'), /gw2/);
  });

  it('keeps paths that hold wherever mcctl is run', async () => {
    using home = openHome();
    writeFileSync(join(home.directory, 'x'), '');
    const ended = await home.mcctl('cert ca --out ./dist/no-such-folder/../pki-of-contexts --days 1');
    try {
      assert.equal(ended.status, 0, ended.stderr);
      assert.equal((await home.mcctl('context add a --host gw1 --ca ./dist/pki-of-contexts/ca.crt')).status, 0);
      const ca = join(process.cwd(), 'dist/pki-of-contexts/ca.crt');
      assert.ok(readFileSync(home.file, 'utf8').includes(`ca: ${ca}\n`));
    } finally {
      rmSync('dist/pki-of-contexts', { recursive: true, force: true });
    }
  });

  it('in use is told with an error, as nobody has just typed the host', async () => {
    using home = openHome();
    await home.mcctl('context add a --host 127.0.0.1:1 --table 5');
    await home.mcctl('context use a');
    const ended = await home.mcctl('show');
    assert.equal(ended.status, 69);
    assert.match(
      ended.stderr,
      /refuses the connection\n.*\n {2}the context 'a' is in use; --context local is this host\n$/,
    );
    const local = await home.mcctl('--context local -t 5 show');
    assert.match(local.stderr, /^mcctl: no agent answers at .*5\.sock/);
  });

  it('says where its file is wrong, and goes on without it where that is wanted', async () => {
    using home = openHome();
    mkdirSync(join(home.directory, 'mcroute'));
    writeFileSync(home.file, 'current: a\ncontexts:\n  a: { hosts: gw1, colour: red }\n');
    const ended = await home.mcctl('-t 5 show');
    assert.equal(ended.status, 65);
    assert.ok(ended.stderr.startsWith(`mcctl: ${home.file}:3:`), ended.stderr);
    assert.equal((await home.mcctl('--context local -t 5 show')).status, 69);
  });
});

describe('the file of contexts', () => {
  it('is read as it was written', () => {
    const path = fc.stringMatching(/^\/[a-z/ .:#'"-]{1,20}$/);
    const context = fc.record(
      {
        hosts: fc.array(fc.domain(), { minLength: 1, maxLength: 3 }),
        ca: path,
        serverName: fc.domain(),
        table: fc.oneof(fc.integer({ min: 1, max: 99_999_999 }), fc.constantFrom('studio', 'a.b')),
        owner: fc.stringMatching(/^[a-z0-9@/._-]{1,10}$/),
      },
      { requiredKeys: ['hosts'], noNullPrototype: true },
    );
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,10}$/).filter((text) => text !== 'local');
    fc.assert(
      fc.property(fc.dictionary(name, context, { noNullPrototype: true }), fc.nat(), (record, index) => {
        const contexts = new Map<string, Context>(Object.entries(record) as [string, Context][]);
        const current = [...contexts.keys()][index];
        const parsed = parseContexts(renderContexts({ current, contexts }), 'f');
        assert.deepEqual(parsed.current, current);
        assert.deepEqual(Object.fromEntries(parsed.contexts), Object.fromEntries(contexts));
      }),
    );
  });

  it('has the line and the column of everything that is wrong', () => {
    const text = [
      'current: c',
      'contexts:',
      '  a:',
      '    hosts: []',
      '    table: a/b',
      '    ca: ca.crt',
      '  b c: { hosts: [x], colour: red, cert: /x }',
    ].join('\n');
    assert.throws(
      () => parseContexts(text, 'f'),
      (error) => {
        assert.ok(error instanceof CliError && error.code === 'BAD_FILE');
        const lines = [error.message, ...error.details];
        for (const expected of [
          /^f:4:5: contexts\.a\.hosts: is required/,
          /^f:5:12: contexts\.a\.table: is 1 to 99999999, or a name/,
          /^f:6:9: contexts\.a\.ca: must be an absolute path/,
          /^f:7:3: contexts\.b c: is no name for a context/,
          /^f:7:22: contexts\.b c\.colour: is not known here/,
          /^f:7:3: contexts\.b c: cert and key go together/,
          /^f:1:10: current: there is no context 'c'/,
        ]) {
          assert.ok(
            lines.some((line) => expected.test(line)),
            `${expected.source} in ${lines.join('\n')}`,
          );
        }
        return true;
      },
    );
    assert.throws(() => parseContexts('contexts: [', 'f'), /^Error: f:1:\d+: /);
    assert.deepEqual(parseContexts('', 'f').contexts.size, 0);
  });
});
