// smcroute, which the benchmarks measure beside mcroute.
import { spawnSync } from 'node:child_process';
import { run } from './child.mjs';

/** Installs the Debian package if it is missing; tells why there is none, or undefined. */
export async function whyNoPeer() {
  if (spawnSync('which', ['smcrouted']).status === 0) return undefined;
  if (process.getuid() !== 0) return 'it is not installed, and you are not root';
  if (spawnSync('which', ['apt-get']).status !== 0) return 'it is not installed, and there is no apt-get';
  // Offline for systemd, or the daemon would be started.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1' };
  process.stderr.write('installing smcroute\n');
  const argv = ['apt-get', 'install', '-y', '--no-install-recommends', 'smcroute'];
  const { status, output } = await run(argv, { env, quiet: true, limitMs: LIMIT_MS });
  if (status === 0) return undefined;
  return `apt-get install: ${output.trim().split('\n').at(-1) ?? `status ${status}`}`;
}

const LIMIT_MS = 120_000;
