// Installs and builds whatever is missing or out of date.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child.mjs';

export const ROOT = join(import.meta.dirname, '..');

/** Brings packages, generated types, native code and JavaScript up to date; ends the process when that fails. */
export async function prepare({ sanitizer = false } = {}) {
  if (!isInstalled()) await step('installing packages', ['npm', 'ci', '--no-audit', '--no-fund']);
  await step('generating types from proto/', [process.execPath, 'scripts/generate.mjs']);
  await step('building the native addon', [process.execPath, 'scripts/build-native.mjs']);
  if (sanitizer) {
    await step('building the native addon with sanitizers', [
      process.execPath,
      'scripts/build-native.mjs',
      '--sanitize',
    ]);
  }
  await compile();
}

/** npm writes node_modules/.package-lock.json when it is done. */
function isInstalled() {
  const installed = join(ROOT, 'node_modules/.package-lock.json');
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(ROOT, 'package-lock.json')).mtimeMs;
}

const BUNDLERS = ['bundle', 'late-requires', 'programs', 'rehearse'].map((name) => `scripts/${name}.mjs`);

/** tsc and the bundles, unless their inputs are those of the last time: even when it has nothing to do tsc takes seconds. */
async function compile() {
  const stampFile = join(ROOT, 'dist/.inputs');
  const stamp = hashSources();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  await step('compiling', [process.execPath, 'node_modules/typescript/bin/tsc']);
  await step('making bundles', [process.execPath, 'scripts/bundle.mjs']);
  writeFileSync(stampFile, stamp);
}

function hashSources() {
  const sources = ['src', 'test', 'bench'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true })
      .filter((file) => /\.c?ts$/.test(file))
      .map((file) => join(folder, file))
      .sort(),
  );
  const hash = createHash('sha256');
  const others = ['tsconfig.json', 'package-lock.json', 'package.json', ...BUNDLERS];
  for (const file of [...sources, ...others]) {
    const { mtimeMs, size } = statSync(join(ROOT, file));
    hash.update(`${file}\0${mtimeMs}\0${size}\0`);
  }
  // What V8 compiled is for one Node.
  return hash.update(process.version).digest('hex');
}

/** Runs a tool; says so when it takes long, shows what it said only when it fails. */
async function step(title, argv) {
  let isAnnounced = false;
  const timer = setTimeout(() => {
    isAnnounced = true;
    process.stderr.write(`${title} ... `);
  }, ANNOUNCE_AFTER_MS);
  const { status, output, seconds } = await run(argv, { cwd: ROOT, quiet: true, limitMs: STEP_LIMIT_MS });
  clearTimeout(timer);
  if (isAnnounced) process.stderr.write(`${seconds.toFixed(1)} s\n`);
  if (status === 0) return;
  process.stderr.write(`${output}\n${title} failed: \`${argv.join(' ')}\` ended with ${status}\n`);
  process.exit(1);
}

const ANNOUNCE_AFTER_MS = 300;
const STEP_LIMIT_MS = 900_000;
