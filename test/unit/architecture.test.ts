import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, it } from 'node:test';

/** What a part may import: parts of ours (with `type` only their types), packages, modules of Node (`node:` is any). */
interface Allowed {
  readonly parts: readonly string[];
  /** Parts of which only types may be imported. */
  readonly types?: readonly string[];
  readonly packages?: readonly string[];
  readonly node?: readonly string[];
}

// The architecture. A part is a folder of src/, or one file of it where a file has rights of its own; the longest name
// counts. Nothing else may be imported.
const MAY_IMPORT: Readonly<Record<string, Allowed>> = {
  model: { parts: [] },
  runtime: {
    parts: [],
    packages: ['pino'],
    node: ['node:fs', 'node:module', 'node:path', 'node:perf_hooks', 'node:net', 'node:util', 'node:v8', 'node:vm'],
  },
  api: { parts: ['model', 'runtime/tree.ts'], packages: ['@grpc/grpc-js'] },
  'api/descriptors.ts': {
    parts: ['runtime/tree.ts'],
    packages: ['@grpc/proto-loader', 'protobufjs/ext/descriptor/index.js'],
  },
  'api/unix-server.ts': {
    parts: ['model', 'api'],
    packages: ['@grpc/grpc-js'],
    node: ['node:fs', 'node:net', 'node:path'],
  },
  'api/standard-services.ts': { parts: ['api'], packages: ['@grpc/reflection', 'grpc-health-check'] },
  'agent/rib': { parts: ['model'] },
  'agent/fib': { parts: ['model'], types: ['agent/rib', 'agent/kernel/port'] },
  'agent/netlink': { parts: ['model'], node: ['node:util'] },
  'agent/netlink/connection.ts': { parts: ['agent/netlink'], types: ['agent/kernel/native'] },
  'agent/kernel': { parts: ['model', 'agent/netlink', 'runtime'], node: ['node:fs', 'node:os', 'node:util'] },
  'agent/hook': { parts: ['model'], node: ['node:child_process', 'node:stream'] },
  'agent/store': { parts: ['model', 'agent/rib'], node: ['node:fs', 'node:path', 'node:util', 'node:zlib'] },
  'agent/sessions': { parts: ['model', 'agent/store'], node: ['node:path'] },
  'agent/config': { parts: ['model'], node: ['node:path'] },
  'agent/config/disk.ts': { parts: [], types: ['agent/config'], node: ['node:fs'] },
  'agent/kernel/port.ts': { parts: [], types: ['model'] },
  'agent/signalling': { parts: ['model'], types: ['agent/kernel/native'], node: ['node:util'] },
  'agent/querier': { parts: ['model', 'agent/signalling'] },
  'agent/mrdisc': { parts: ['model', 'agent/signalling'] },
  'agent/service': {
    parts: ['model', 'api'],
    types: [
      'agent/engine',
      'agent/file-wishes',
      'agent/history',
      'agent/kernel/port',
      'agent/mrdisc',
      'agent/querier',
      'agent/rib',
      'agent/sessions',
      'agent/signalling',
    ],
    packages: ['@grpc/grpc-js'],
    node: ['node:events', 'node:timers/promises'],
  },
  'agent/service/request-digest.ts': { parts: ['model'], node: ['node:crypto'] },
  'agent/history': { parts: ['model', 'agent/rib', 'agent/store'], types: ['agent/engine'], node: ['node:path'] },
  'agent/engine.ts': { parts: ['model', 'agent/engine', 'agent/rib', 'agent/fib'], types: ['agent/kernel/port'] },
  'agent/engine': { parts: ['model', 'agent/rib', 'agent/fib'], types: ['agent/kernel/port'] },
  agent: {
    parts: ['agent', 'model', 'runtime'],
    packages: ['commander'],
    node: ['node:crypto', 'node:fs', 'node:path'],
  },
  configuration: { parts: ['model', 'api/parse.ts'], packages: ['yaml'], node: ['node:fs'] },
  supervisor: {
    parts: ['model', 'api', 'configuration', 'runtime'],
    packages: ['@grpc/grpc-js', 'commander', 'yaml'],
    node: ['node:'],
  },
  gateway: {
    parts: ['model', 'api', 'configuration', 'runtime'],
    packages: ['@grpc/grpc-js', 'commander', 'yaml'],
    node: ['node:'],
  },
  // A bundle of its own.
  'gateway/revocation-lists.ts': {
    parts: [],
    types: ['gateway'],
    packages: ['@peculiar/x509', 'reflect-metadata'],
    node: ['node:crypto'],
  },
  cli: {
    parts: ['model', 'api', 'runtime/stack.ts', 'runtime/tree.ts'],
    packages: ['@grpc/grpc-js', '@peculiar/x509', 'commander', 'reflect-metadata', 'yaml'],
    node: ['node:'],
  },
};

const SRC = join(import.meta.dirname, '../../../src');

interface Import {
  readonly specifier: string;
  readonly isTypeOnly: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.startsWith('api/generated'),
);

function importsOf(text: string): Import[] {
  const statements = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:([^'";]*?)\s+from\s+)?'([^']+)'/gm);
  // Those that are loaded when they are needed.
  const late = [...text.matchAll(/\bimport\('([^']+)'\)/g)].map(([, specifier = '']) => ({
    specifier,
    isTypeOnly: false,
  }));
  const early = [...statements].map(([, type, names = '', specifier = '']) => ({
    specifier,
    isTypeOnly: type !== undefined || hasOnlyTypes(names),
  }));
  return [...early, ...late];
}

/** Whether every name of `{ type A, type B }` is a type. */
function hasOnlyTypes(names: string): boolean {
  const inner = /^\{([^}]*)\}$/.exec(names.trim())?.[1];
  const each = inner?.split(',').map((name) => name.trim()) ?? [];
  return each.some((name) => name !== '') && each.every((name) => name === '' || name.startsWith('type '));
}

function isIn(file: string, part: string): boolean {
  const stem = part.replace(/\.ts$/, '');
  return file === `${stem}.ts` || file.startsWith(`${part}/`);
}

function partOf(file: string): string {
  const parts = Object.keys(MAY_IMPORT).filter((part) => isIn(file, part));
  return parts.sort((a, b) => b.length - a.length)[0] ?? assert.fail(`${file} is in no part of the table`);
}

/** Why an import is not allowed; undefined if it is. */
function objection(file: string, { specifier, isTypeOnly }: Import): string | undefined {
  const part = partOf(file);
  const allowed = MAY_IMPORT[part] ?? assert.fail(part);
  if (specifier.startsWith('node:')) {
    const isAllowed = allowed.node?.some((name) => name === specifier || name === 'node:') ?? false;
    return isAllowed ? undefined : `${part} imports ${specifier}`;
  }
  if (!specifier.startsWith('.')) {
    return allowed.packages?.includes(specifier) ? undefined : `${part} imports ${specifier}`;
  }
  const target = normalize(relative(SRC, join(SRC, dirname(file), specifier))).replace(/\.js$/, '.ts');
  // A file with rights of its own has none of its folder.
  const isOwn = !part.endsWith('.ts') && isIn(target, part);
  const parts = [...allowed.parts, ...(isTypeOnly ? (allowed.types ?? []) : [])];
  if (isOwn || parts.some((name) => isIn(target, name))) return undefined;
  return `${part} imports ${partOf(target)} (${specifier}${isTypeOnly ? ', types only' : ''})`;
}

describe('every file imports only what its part may', () => {
  for (const file of files) {
    it(file, () => {
      const text = readFileSync(join(SRC, file), 'utf8');
      const objections = importsOf(text).flatMap((item) => objection(file, item) ?? []);
      assert.deepEqual(objections, []);
    });
  }
});

describe('the check of imports', () => {
  it('knows a type import from a value import', () => {
    const [value, type, mixed, allTypes] = importsOf(
      [
        "import { a } from './a.js';",
        "import type { B } from './b.js';",
        "import { type C, c } from './c.js';",
        "import { type D } from './d.js';",
      ].join('\n'),
    ).map(({ isTypeOnly }) => isTypeOnly);
    assert.deepEqual([value, type, mixed, allTypes], [false, true, false, true]);
  });

  it('finds imports in the midst of the code', () => {
    assert.deepEqual(importsOf("const { a } = await import('./a.js');"), [{ specifier: './a.js', isTypeOnly: false }]);
  });

  it('objects to what the table does not have', () => {
    assert.match(
      objection('model/address.ts', { specifier: '../agent/service/watchers.js', isTypeOnly: false }) ?? '',
      /^model imports agent\/service/,
    );
    assert.match(
      objection('agent/service/watchers.ts', { specifier: '../engine.js', isTypeOnly: false }) ?? '',
      /engine/,
    );
    assert.equal(objection('agent/service/watchers.ts', { specifier: '../engine.js', isTypeOnly: true }), undefined);
    assert.match(objection('agent/rib/rib.ts', { specifier: 'node:fs', isTypeOnly: false }) ?? '', /node:fs/);
  });
});
