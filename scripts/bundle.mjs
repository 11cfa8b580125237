// Makes a bundle of each program, dist/programs/PROGRAM.cjs, and the code that V8 compiles of it, for the Node that
// is in PATH. src/start/start.cts runs them.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import protobuf from 'protobufjs';
import { lateRequires } from './late-requires.mjs';
import { PROGRAMS, ROOT, learningWords } from './programs.mjs';

const TARGET = join(ROOT, 'dist/programs');
// Beside the target, so that maps are right in both, and there is never half of it.
const FRESH = join(ROOT, 'dist/.programs');

/** Files that packages read, in the case that they ask for. */
const DESCRIBED = [
  { folder: 'grpc-health-check/proto', file: 'health/v1/health.proto', keepCase: true },
  { folder: '@grpc/reflection/build/proto', file: 'grpc/reflection/v1/reflection.proto', keepCase: false },
  { folder: '@grpc/reflection/build/proto', file: 'grpc/reflection/v1alpha/reflection.proto', keepCase: false },
];

/** Modules that a program asks for with import(), and seldom: bundles of their own, which take no time at its starts. */
const PARTS = {
  certificates: 'src/cli/certificates/pki.ts',
  revocation: 'src/gateway/revocation-lists.ts',
};

const OPTIONS = {
  absWorkingDir: ROOT,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  // Bytes are characters then: start.cts reads them so.
  charset: 'ascii',
  define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
  // Every process has the text in its memory. Names stay, as stack traces tell them; lines stay short, as Node prints the
  // one at which a program broke.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 200,
  sourcemap: 'linked',
  sourcesContent: false,
  logLevel: 'warning',
};

rmSync(FRESH, { recursive: true, force: true });
await build({
  ...OPTIONS,
  entryPoints: Object.entries(PROGRAMS).map(([program, module]) => ({ in: module, out: program })),
  outdir: FRESH,
  // A function of what a CommonJS module is given: that is how start.cts calls it.
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
  // require() is all that such a function has.
  supported: { 'dynamic-import': false },
  plugins: [lateRequires, { name: 'descriptors', setup: bundleDescriptors }, { name: 'parts', setup: leaveParts }],
});
await build({
  ...OPTIONS,
  entryPoints: Object.entries(PARTS).map(([part, module]) => ({ in: module, out: part })),
  outdir: join(FRESH, 'parts'),
});
rmSync(TARGET, { recursive: true, force: true });
renameSync(FRESH, TARGET);
learnCode();

/** What V8 compiles is kept from runs of the programs: of all of them as far as their help, and then as they are used. */
function learnCode() {
  for (const program of Object.keys(PROGRAMS)) {
    execFileSync('node', learningWords(program, '-', ['-h']), {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const rehearsal = ['sh', 'scripts/isolate.sh', process.execPath, 'scripts/rehearse.mjs'];
  const { status, stderr } = spawnSync(rehearsal[0], rehearsal.slice(1), { cwd: ROOT, encoding: 'utf8' });
  // Namespaces cannot be made everywhere.
  if (status !== 0) process.stderr.write(`bundle: programs start slower: their rehearsal failed: ${stderr}\n`);
}

/** Asked for where the program is. */
function leaveParts({ onResolve }) {
  onResolve({ filter: /^[.]/ }, ({ path, resolveDir, kind }) => {
    if (kind !== 'dynamic-import') return undefined;
    const module = join(resolveDir, path).replace(/[.]js$/, '.ts');
    const part = Object.keys(PARTS).find((name) => join(ROOT, PARTS[name]) === module);
    return part === undefined ? undefined : { path: `./parts/${part}.cjs`, external: true };
  });
}

/**
 * The packages of health and reflection read .proto files of their folders, which a bundle has not. What they read is put
 * into it in the place of the loader that they ask.
 */
function bundleDescriptors({ onResolve, onLoad }) {
  const isTheirs = /node_modules\/(?:grpc-health-check|@grpc\/reflection)\//;
  onResolve({ filter: /^@grpc\/proto-loader$/ }, ({ importer }) =>
    isTheirs.test(importer) ? { path: 'proto-loader', namespace: 'descriptors' } : undefined,
  );
  onLoad({ filter: /.*/, namespace: 'descriptors' }, () => ({
    resolveDir: ROOT,
    contents: `
      const { fromJSON } = require('@grpc/proto-loader');
      const descriptors = ${JSON.stringify(readDescriptors())};
      exports.loadSync = (path, options) => {
        const name = Object.keys(descriptors).find((name) => path.endsWith(name));
        if (name === undefined) throw new Error('no descriptor of ' + path + ' is in the bundle');
        return fromJSON(descriptors[name], options);
      };`,
  }));
}

/** By the end of the path by which they are asked for. */
function readDescriptors() {
  return Object.fromEntries(
    DESCRIBED.map(({ folder, file, keepCase }) => {
      const text = readFileSync(join(ROOT, 'node_modules', folder, file), 'utf8');
      return [file, protobuf.parse(text, new protobuf.Root(), { keepCase }).root.toJSON()];
    }),
  );
}
