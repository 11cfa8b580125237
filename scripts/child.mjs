// Runs programs to their end: without standard input, in a process group of their own that goes when we go.
import { spawn } from 'node:child_process';

/**
 * Runs a program. Its output is passed on as it comes unless `quiet`, and the end of it is given back. With `isShown`
 * it has our own outputs instead, such as a terminal whose size it asks for.
 *
 * @returns {Promise<{ status: number, output: string, seconds: number }>} `output` are its last 256 KiB; the status is
 *   128 + 9 when it was killed because of the limit.
 */
export async function run(argv, { cwd, env = process.env, quiet = false, limitMs = 3_600_000, isShown = false } = {}) {
  const [program, ...args] = argv;
  const started = performance.now();
  const stdio = isShown ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
  const child = spawn(program, args, { cwd, env, stdio, detached: true });
  running.add(child);
  const timer = setTimeout(() => kill(child), limitMs);
  let output = '';
  for (const [stream, copy] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ]) {
    stream?.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-OUTPUT_KEPT);
      if (!quiet) copy.write(text);
    });
  }
  try {
    const status = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 128 + 9));
    });
    return { status, output, seconds: (performance.now() - started) / 1000 };
  } finally {
    clearTimeout(timer);
    running.delete(child);
  }
}

const OUTPUT_KEPT = 256 * 1024;

const running = new Set();

// SIGKILL: what runs in namespaces of its own leaves nothing behind, and `unshare` waits out anything milder.
function kill(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
]) {
  process.on(signal, () => process.exit(128 + number));
}
process.on('exit', () => running.forEach(kill));
