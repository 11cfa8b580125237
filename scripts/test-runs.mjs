// Runs of node's test runner over compiled tests, in namespaces of their own where they need that.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { run } from './child.mjs';
import { ROOT } from './prepare.mjs';

/**
 * What became of a run; without `leftOut` it took place.
 *
 * @typedef {{ name: string, passed: number, failed: number, skipped: number, seconds: number, leftOut?: string }} Outcome
 */

/** The compiled tests of a folder of test/ whose path has one of the words in it, or all; sources name them. */
export function testFiles(tree, folder, words = []) {
  const sources = join(ROOT, 'test', folder);
  if (!existsSync(sources)) return [];
  return readdirSync(sources, { recursive: true })
    .filter((file) => file.endsWith('.test.ts') && (words.length === 0 || words.some((word) => file.includes(word))))
    .sort()
    .map((file) => join(tree, 'dist/test', folder, file.replace(/\.ts$/, '.js')));
}

/** The command that runs node's runner over the files. */
export function runner(files, { sequential = true } = {}) {
  return [
    process.execPath,
    '--enable-source-maps',
    '--test',
    '--test-reporter=spec',
    `--test-timeout=${FILE_LIMIT_MS}`,
    ...(sequential ? ['--test-concurrency=1'] : []),
    ...files,
  ];
}

/** The command that runs another in namespaces of its own; as a user without any privilege if `rootless`. */
export function isolated(tree, argv, { rootless = false } = {}) {
  return ['sh', join(tree, 'scripts/isolate.sh'), ...(rootless ? ['--rootless'] : []), ...argv];
}

/** Why nothing can be run in namespaces here; undefined if it can. */
export function whyNotIsolated(tree, { rootless = false } = {}) {
  const [program, ...args] = isolated(tree, [process.execPath, '--version'], { rootless });
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: tree, env: environment({ rootless }) });
  return status === 0 ? undefined : (stderr.trim().split('\n').at(-1) ?? `isolate.sh ended with ${status}`);
}

/** The environment of tests. */
export function environment({ rootless = false } = {}) {
  const env = { ...process.env };
  // Node reads these certificates at every start, 50 ms each.
  delete env.NODE_EXTRA_CA_CERTS;
  if (process.stdout.isTTY) env.FORCE_COLOR ??= '1';
  if (rootless && process.getuid() === 0) {
    // Root's own folders are not for the user that the tests run as.
    delete env.TMPDIR;
    env.HOME = '/';
  }
  return env;
}

/**
 * Runs tests, whose output is passed on. A runner that fails without a failed test, or says nothing, counts as one.
 *
 * @returns {Promise<Outcome>}
 */
export async function runTests(name, argv, { cwd, rootless = false }) {
  process.stdout.write(`\n== ${name} ==\n`);
  const { status, output, seconds } = await run(argv, { cwd, env: environment({ rootless }), limitMs: RUN_LIMIT_MS });
  const closing = closingLines(output);
  const failed = closing.fail + closing.cancelled;
  return {
    name,
    passed: closing.pass,
    failed: status === 0 && closing.tests > 0 ? failed : Math.max(1, failed),
    skipped: closing.skipped + closing.todo,
    seconds,
  };
}

/** @returns {Outcome} */
export function leftOut(name, reason) {
  return { name, passed: 0, failed: 0, skipped: 0, seconds: 0, leftOut: reason };
}

/** One line a run, the total, and the exit code. */
export function summarize(outcomes) {
  const width = Math.max(...outcomes.map(({ name }) => name.length));
  const lines = outcomes.map((outcome) => {
    const result = outcome.leftOut === undefined ? `${counts(outcome)} (${outcome.seconds.toFixed(1)} s)` : undefined;
    return `${outcome.name.padEnd(width)}  ${result ?? `left out: ${outcome.leftOut}`}`;
  });
  const sum = (key) => outcomes.reduce((total, outcome) => total + outcome[key], 0);
  const total = { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
  process.stdout.write(`\n${lines.join('\n')}\n${counts(total)}\n`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

function counts({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** The numbers at the end of what the runner prints; the last ones count, as tests may print such lines too. */
function closingLines(output) {
  const found = { tests: 0, pass: 0, fail: 0, cancelled: 0, skipped: 0, todo: 0 };
  for (const [, key, number] of stripVTControlCharacters(output).matchAll(/^ℹ (\w+) (\d+)$/gm)) {
    if (key in found) found[key] = Number(number);
  }
  return found;
}

/** A test file, all of it; nothing that does not hang comes near. */
const FILE_LIMIT_MS = 300_000;
const RUN_LIMIT_MS = 1_800_000;
