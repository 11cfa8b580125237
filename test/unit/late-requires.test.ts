// What bundles make of packages: modules that ask for others later, and are the same in all else.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectFile } from '../support/launcher.js';

interface LateRequires {
  readonly LATE: Readonly<Record<string, unknown>>;
  readonly withLateRequires: (text: string, file: string, change?: { readonly late: readonly string[] }) => string;
}

const { LATE, withLateRequires } = (await import(
  pathToFileURL(projectFile('scripts/late-requires.mjs')).href
)) as LateRequires;

const moduleFile = (file: string) => projectFile(`node_modules/${file}`);
const read = (file: string) => readFileSync(moduleFile(file), 'utf8');

/** Runs the text in the place of the module; gives what it exports and what it has asked for by then. */
function evaluate(text: string, file: string) {
  const path = moduleFile(file);
  const require = createRequire(path);
  const asked: string[] = [];
  const module = { exports: {} as Record<string, unknown> };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- that is how Node runs such a module
  const run = new Function('exports', 'require', 'module', '__filename', '__dirname', text) as (
    ...scope: unknown[]
  ) => void;
  const recording = (name: string): unknown => {
    asked.push(name);
    return require(name);
  };
  run(module.exports, recording, module, path, dirname(path));
  return { exports: module.exports, asked };
}

describe('a module of a package, in bundles', () => {
  for (const file of Object.keys(LATE)) {
    it(`exports what it does elsewhere: ${file}`, () => {
      const text = read(file);
      const plain = evaluate(text, file);
      const late = evaluate(withLateRequires(text, file), file);
      assert.ok(
        late.asked.length < plain.asked.length || /\/(?:client|resolver)\.js$/.test(file),
        'it asks for less at its start',
      );
      const names = Object.keys(plain.exports).filter((name) => name !== 'experimental');
      assert.deepEqual(
        names.filter((name) => late.exports[name] === undefined && plain.exports[name] !== undefined),
        [],
      );
      assert.equal(typeof late.exports, typeof plain.exports);
    });
  }

  it('has all that index.js of grpc-js has from elsewhere', () => {
    const file = '@grpc/grpc-js/build/src/index.js';
    const [plain, late] = [evaluate(read(file), file), evaluate(withLateRequires(read(file), file), file)];
    assert.deepEqual(late.asked, ['./resolver-uds'], 'only targets that are unix sockets are known');
    for (const name of ['Server', 'ServerCredentials', 'Client', 'Metadata', 'status', 'loadPackageDefinition']) {
      assert.equal(late.exports[name], plain.exports[name], name);
    }
    const credentials = (exports: Record<string, unknown>) => ({ ...(exports['credentials'] as object) });
    assert.deepEqual(Object.keys(credentials(late.exports)), Object.keys(credentials(plain.exports)));
  });

  it('asks where a name is used as a value, and nowhere else', () => {
    const text = [
      "const a_1 = require('a');",
      "const b = require('b')",
      "const { c } = require('c')",
      ' * a_1 of a comment',
      'new a_1.Thing(b(1), c, x.c, "c", { c: 2 });',
    ].join('\n');
    const late = withLateRequires(text, 'x.js', { late: ['a', 'b', 'c'] });
    assert.deepEqual(late.split('\n').slice(3), [
      ' * a_1 of a comment',
      'new (require("a")).Thing(require("b")(1), require("c").c, x.c, "c", { c: 2 });',
    ]);
  });

  it('is refused where it is not what it was', () => {
    assert.throws(
      () => withLateRequires('const a = require("a");', 'x.js', { late: ['b'] }),
      /x\.js does not ask for b/,
    );
    assert.throws(() => withLateRequires('', '@grpc/grpc-js/build/src/client.js'), /has nothing like/);
  });
});
