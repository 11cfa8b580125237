// Builds the native addon and the launcher with node-gyp, when something has changed.
//   build-native.mjs             native/build/Release/{kernel.node,mcroute-launch}
//   build-native.mjs --sanitize  native/build-asan/Release/kernel.node, with AddressSanitizer and UBSan
import { spawn } from 'node:child_process';
import { accessSync, constants, copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { renameSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const NATIVE = join(import.meta.dirname, '../native');
const RELEASE = join(NATIVE, 'build/Release');
const SANITIZED = join(NATIVE, 'build-asan');
const SANITIZED_ADDON = join(SANITIZED, 'Release/kernel.node');

const isSanitized = process.argv.includes('--sanitize');
const outputs = isSanitized ? [SANITIZED_ADDON] : [join(RELEASE, 'kernel.node'), join(RELEASE, 'mcroute-launch')];
// The launcher has the version from package.json.
const sources = [join(NATIVE, 'binding.gyp'), join(NATIVE, '../package.json')];
for (const file of readdirSync(join(NATIVE, 'src'))) sources.push(join(NATIVE, 'src', file));

if (newest(sources) <= oldest(outputs)) {
  say('up to date');
} else {
  say(
    `building ${isSanitized ? 'the addon with sanitizers' : 'the addon and the launcher'}; this takes a minute or more`,
  );
  const started = new Date();
  await (isSanitized ? buildSanitized() : build(NATIVE, []));
  // Make leaves a file alone whose objects came out the same; the next run must see that it is new enough. What was
  // written during the build is newer than this and is built then.
  for (const output of outputs) utimesSync(output, started, started);
}

/** node-gyp builds beside its binding.gyp and nowhere else, so this build has one of its own over the same sources. */
async function buildSanitized() {
  mkdirSync(dirname(SANITIZED_ADDON), { recursive: true });
  copyFileSync(join(NATIVE, 'binding.gyp'), join(SANITIZED, 'binding.gyp'));
  if (!existsSync(join(SANITIZED, 'src'))) symlinkSync('../src', join(SANITIZED, 'src'));
  await build(SANITIZED, ['--', '-Dsanitize=address']);
  // Renamed into place: a process that has the old file mapped keeps it.
  copyFileSync(join(SANITIZED, 'build/Release/kernel.node'), `${SANITIZED_ADDON}.new`);
  renameSync(`${SANITIZED_ADDON}.new`, SANITIZED_ADDON);
}

async function build(folder, gypArguments) {
  const [program, ...first] = nodeGyp();
  const steps = ['configure', 'build'].map((step) => [step, '-C', folder, '--jobs', 'max', ...nodeHeaders()]);
  await run(program, [...first, ...steps[0], ...gypArguments]);
  await run(program, [...first, ...steps[1]]);
}

/** The one that npm puts on PATH for scripts, else the one that came with the npm on PATH. */
function nodeGyp() {
  const onPath = findOnPath('node-gyp');
  if (onPath !== undefined) return [onPath];
  const npm = findOnPath('npm');
  const bundled = npm && join(dirname(realpathSync(npm)), '../node_modules/node-gyp/bin/node-gyp.js');
  if (!bundled || !existsSync(bundled)) fail('node-gyp is not on PATH and there is no npm that brings it');
  return [process.execPath, bundled];
}

/** Headers that came with Node, so that nothing is downloaded; without them node-gyp gets its own. */
function nodeHeaders() {
  const prefix = join(dirname(realpathSync(process.execPath)), '..');
  return existsSync(join(prefix, 'include/node/node.h')) ? [`--nodedir=${prefix}`] : [];
}

function findOnPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Runs a program in silence; what it said is shown when it fails. */
function run(program, programArguments) {
  return new Promise((resolve) => {
    const child = spawn(program, programArguments, { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', (error) => fail(`${program}: ${error.message}`));
    child.on('close', (status) => {
      if (status === 0) return resolve(undefined);
      process.stderr.write(Buffer.concat(output));
      fail(`node-gyp ended with status ${status}`);
    });
  });
}

function newest(files) {
  return Math.max(...files.map((file) => statSync(file).mtimeMs));
}

/** 0 where one is missing. */
function oldest(files) {
  return Math.min(...files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0));
}

function say(message) {
  process.stdout.write(`build-native: ${message}\n`);
}

function fail(message) {
  process.stderr.write(`build-native: ${message}\n`);
  process.exit(1);
}
