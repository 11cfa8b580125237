// Runs the demo and the tests from a fresh clone on: what they need is installed and built first.
//
//   node scripts/run.mjs demo
//   node scripts/run.mjs test                  unit, netns, e2e, asan and systemd, with a total
//   node scripts/run.mjs unit|netns|e2e|asan|systemd [WORD...]   only files with one of the words in their name
//   node scripts/run.mjs bench [SECTION...] [--json] [--rounds N] [--count N]   what docs/performance.md has
//   node scripts/run.mjs coverage              of the unit tests
//
// MCROUTE_SKIP_ASAN=1 leaves the sanitizer run out of `test`.
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child.mjs';
import { machineRoot, whyNoMachine, whyNotBootable } from './machine.mjs';
import { whyNoPeer } from './peer.mjs';
import { ROOT, prepare } from './prepare.mjs';
import {
  environment,
  isolated,
  leftOut,
  runTests,
  runner,
  summarize,
  testFiles,
  whyNotIsolated,
} from './test-runs.mjs';
import { readableTree } from './tree.mjs';

const isRoot = process.getuid() === 0;
const NOT_ROOT = 'you are not root';
const NO_TESTS = 'there are no such tests';

const tasks = {
  demo,
  test: async () => {
    const skipsSanitizer = Boolean(process.env.MCROUTE_SKIP_ASAN);
    await prepare({ sanitizer: !skipsSanitizer });
    const sanitized = skipsSanitizer ? [leftOut('asan', 'MCROUTE_SKIP_ASAN is set')] : undefined;
    return summarize([
      ...(await unit([])),
      ...(await netns([])),
      ...(await e2e([])),
      ...(sanitized ?? (await asan([]))),
      ...(await systemd([])),
    ]);
  },
  unit: async (words) => {
    await prepare();
    return summarize(await unit(words));
  },
  netns: async (words) => {
    await prepare();
    return summarize(await netns(words));
  },
  e2e: async (words) => {
    await prepare();
    return summarize(await e2e(words));
  },
  asan: async (words) => {
    await prepare({ sanitizer: true });
    return summarize(await asan(words));
  },
  systemd: async (words) => {
    await prepare();
    return summarize(await systemd(words));
  },
  bench,
  coverage,
};

async function unit(words) {
  const files = testFiles(ROOT, 'unit', words);
  if (files.length === 0) return [leftOut('unit', NO_TESTS)];
  return [await runTests('unit', runner(files, { sequential: false }), { cwd: ROOT })];
}

/** The same tests twice: as root, and as a user who is root in a user namespace only. */
async function netns(words) {
  const tree = readableTree();
  const files = testFiles(tree, 'netns', words);
  if (files.length === 0) return [leftOut('netns', NO_TESTS)];
  const outcomes = [];
  for (const rootless of [false, true]) {
    const name = rootless ? 'netns rootless' : 'netns as root';
    const reason = !rootless && !isRoot ? NOT_ROOT : whyNotIsolated(tree, { rootless });
    outcomes.push(
      reason === undefined
        ? await runTests(name, isolated(tree, runner(files), { rootless }), { cwd: tree, rootless })
        : leftOut(name, reason),
    );
  }
  return outcomes;
}

/** As root where that can be. */
async function e2e(words) {
  const tree = readableTree();
  const files = testFiles(tree, 'e2e', words);
  if (files.length === 0) return [leftOut('e2e', NO_TESTS)];
  const reason = whyNotIsolated(tree);
  if (reason !== undefined) return [leftOut('e2e', reason)];
  return [await runTests('e2e', isolated(tree, runner(files)), { cwd: tree })];
}

/** The netns tests with the sanitizer build of the addon. */
async function asan(words) {
  const tree = readableTree();
  const files = testFiles(tree, 'netns', words);
  if (files.length === 0) return [leftOut('asan', NO_TESTS)];
  const reason = whyNotIsolated(tree);
  if (reason !== undefined) return [leftOut('asan', reason)];
  // The variables are set inside, for Node and what it starts: the tools around it would only become slow.
  const variables = [
    `LD_PRELOAD=${sanitizerLibrary()}`,
    'ASAN_OPTIONS=detect_leaks=0',
    'UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1',
    `MCROUTE_ADDON=${join(tree, 'native/build-asan/Release/kernel.node')}`,
  ];
  return [await runTests('asan', isolated(tree, ['env', ...variables, ...runner(files)]), { cwd: tree })];
}

/** The installed programs as services of a machine that is booted for them. */
async function systemd(words) {
  const tree = readableTree();
  const files = testFiles(tree, 'systemd', words);
  if (files.length === 0) return [leftOut('systemd', NO_TESTS)];
  const reason = whyNoMachine() ?? whyNotIsolated(tree);
  if (reason !== undefined) return [leftOut('systemd', reason)];
  let root;
  try {
    root = await machineRoot();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    // Where everything was prepared for it, this is no reason to go without.
    return [{ ...leftOut('systemd', 'its root file system cannot be made'), failed: process.env.CI ? 1 : 0 }];
  }
  const obstacle = whyNotBootable(tree, root);
  if (obstacle !== undefined) return [leftOut('systemd', obstacle)];
  const argv = ['env', `MCROUTE_MACHINE_ROOT=${root}`, ...runner(files)];
  return [await runTests('systemd', isolated(tree, argv), { cwd: tree })];
}

/** The addon is loaded by a program that knows nothing of it, so its library must be there first. */
function sanitizerLibrary() {
  const { stdout } = spawnSync('gcc', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  return realpathSync(stdout.trim());
}

async function coverage() {
  await prepare();
  const c8 = [
    process.execPath,
    'node_modules/c8/bin/c8.js',
    '--all',
    '--src',
    'src',
    // Only then are the names those of sources, not of dist/.
    '--exclude-after-remap',
    '--exclude',
    'src/api/generated/**',
    '--exclude',
    'test/**',
  ];
  const { status } = await run([...c8, ...runner(testFiles(ROOT, 'unit'), { sequential: false })], { cwd: ROOT });
  return status;
}

/** In namespaces of its own; the words go to the program. */
async function bench(words) {
  await prepare();
  const tree = readableTree();
  const reason = whyNotIsolated(tree);
  if (reason !== undefined) {
    process.stderr.write(`the benchmarks need network namespaces, and they cannot be made here: ${reason}\n`);
    return 1;
  }
  const missing = await whyNoPeer();
  const env = { ...environment(), ...(missing && { MCROUTE_PEER_MISSING: missing }) };
  const main = [process.execPath, '--enable-source-maps', join(tree, 'dist/bench/main.js'), ...words];
  const { status } = await run(isolated(tree, main), { cwd: tree, env, isShown: true });
  return status;
}

async function demo() {
  await prepare();
  const tree = readableTree();
  const reason = whyNotIsolated(tree);
  if (reason !== undefined) {
    process.stderr.write(`the demo needs network namespaces, and they cannot be made here: ${reason}\n`);
    return 1;
  }
  const main = [process.execPath, '--enable-source-maps', join(tree, 'dist/test/demo/main.js')];
  const { status } = await run(isolated(tree, main), { cwd: tree, env: environment(), isShown: true });
  return status;
}

const [name, ...words] = process.argv.slice(2);
if (!Object.hasOwn(tasks, name ?? '')) {
  process.stderr.write(`usage: node scripts/run.mjs ${Object.keys(tasks).join('|')} [WORD...]\n`);
  process.exit(64);
}
if (!existsSync(join(ROOT, 'package-lock.json'))) throw new Error(`${ROOT} is not a checkout of mcroute`);
process.exitCode = await tasks[name](words);
