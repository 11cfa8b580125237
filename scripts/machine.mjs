// The root file system of the machine that test/systemd boots: Debian with systemd, made once and then kept.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './child.mjs';
import { isolated } from './test-runs.mjs';

const SUITE = 'trixie';

/** nodejs is what the installed programs run with; the rest is what a host has anyway. */
const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'kmod', 'iproute2', 'procps', 'nodejs'];

/** Why no machine can be booted here; undefined if it can, as far as is known before there is a root. */
export function whyNoMachine() {
  if (process.getuid() !== 0) return 'you are not root';
  for (const program of ['debootstrap', 'systemd-nspawn']) {
    if (spawnSync('sh', ['-c', 'command -v "$0"', program]).status !== 0)
      return `there is no ${program} (Debian: ${PACKAGE_OF[program]})`;
  }
  return undefined;
}

const PACKAGE_OF = { debootstrap: 'debootstrap', 'systemd-nspawn': 'systemd-container' };

/** The folder of the root file system, which nobody changes; made if it is not there, which takes a minute. */
export async function machineRoot() {
  const root = join(cacheFolder(), `${SUITE}-${hash([SUITE, ...PACKAGES].join(' '))}`);
  if (existsSync(root)) return root;
  mkdirSync(cacheFolder(), { recursive: true });
  process.stdout.write('making the root of the test machine, once ... ');
  // Beside the final name and then in its place, so that one that was interrupted is not taken for a whole one.
  const unfinished = `${root}.${process.pid}`;
  const include = `--include=${PACKAGES.join(',')}`;
  const { status, output, seconds } = await run(['debootstrap', '--variant=minbase', include, SUITE, unfinished], {
    quiet: true,
    limitMs: LIMIT_MS,
  });
  process.stdout.write(`${seconds.toFixed(1)} s\n`);
  if (status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Error(`debootstrap ended with ${status}:\n${output.split('\n').slice(-OUTPUT_LINES).join('\n')}`);
  }
  renameSync(unfinished, root);
  return root;
}

/** Why this root cannot be booted in namespaces of its own, such as where containers may not be nested. */
export function whyNotBootable(tree, root) {
  const words = ['--register=no', '--keep-unit', '--quiet', '--volatile=overlay', '-D', root, 'node', '--version'];
  const [program, ...args] = isolated(tree, ['systemd-nspawn', ...words]);
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: tree, timeout: LIMIT_MS });
  return status === 0 ? undefined : (stderr.trim().split('\n').at(-1) ?? `systemd-nspawn ended with ${status}`);
}

/** Outside of the checkout, so that `git clean` keeps it. */
function cacheFolder() {
  const { MCROUTE_TEST_CACHE: own, XDG_CACHE_HOME: user } = process.env;
  return own ?? (user === undefined ? '/var/cache/mcroute-test' : join(user, 'mcroute-test'));
}

function hash(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

const LIMIT_MS = 600_000;
const OUTPUT_LINES = 20;
