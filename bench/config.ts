// A configuration file of 10,000 routes: how long a start and an unchanged reload take, beside smcrouted.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReloadResponse__Output } from '../src/api/generated/mcroute/v1/ReloadResponse.js';
import { deadlineAfter, unary } from '../src/api/client.js';
import { type Agent, startAgent } from '../test/support/agent.js';
import type { Namespace } from '../test/support/namespaces.js';
import { routerTopology } from '../test/support/topology.js';
import { eventually, waitForExit } from '../test/support/wait.js';
import type { Report, Row, SectionOptions } from './report.js';
import { median } from './statistics.js';

const ROUTES = 10_000;
const TABLE = 350;
const FOLDER = '/run/bench-config';

/** smcrouted looks at every route for each route. */
const PEER_ROUNDS_MAX = 2;
const PEER_LIMIT_MS = 120_000;

/** Bars of docs/performance.md, in ms. */
const START_BAR_MS = 60;
const RELOAD_BAR_MS = 70;

export async function config({ rounds = 5, tell }: SectionOptions): Promise<Report> {
  using topology = routerTopology();
  mkdirSync(FOLDER, { recursive: true });
  const file = writeRoutes();
  const empty = join(FOLDER, 'empty.conf');
  writeFileSync(empty, '', { mode: 0o644 });
  const starts: number[] = [];
  const emptyStarts: number[] = [];
  const reloads: number[] = [];
  for (let round = 0; round < rounds; round++) {
    tell(`config: round ${round + 1} of ${rounds}`);
    emptyStarts.push(await timeOfStart(topology.router, empty));
    const begin = performance.now();
    const agent = await startAgent(topology.router, { table: TABLE, args: ['-f', file] });
    starts.push(performance.now() - begin);
    try {
      reloads.push(await timeOfReload(agent));
    } finally {
      await agent.stop();
    }
  }
  const load = median(starts) - median(emptyStarts);
  const peer = await measurePeer(topology.router, file, Math.min(rounds, PEER_ROUNDS_MAX), tell);
  const beside = (ours: number, theirs: readonly number[] | undefined) =>
    theirs === undefined
      ? 'smcrouted is not installed'
      : `smcrouted ${ms(median(theirs))} (${(median(theirs) / ours).toFixed(0)} times)`;
  return {
    title: `${ROUTES} mroute lines, median of ${rounds}`,
    rows: [
      { what: 'start with an empty file, until it serves', result: spread(emptyStarts) },
      bar(`start with the file, beyond that`, load, START_BAR_MS, beside(load, peer?.starts)),
      bar('reload, unchanged', median(reloads), RELOAD_BAR_MS, beside(median(reloads), peer?.reloads)),
    ],
    figures: { routes: ROUTES, starts, emptyStarts, reloads, smcrouted: peer ?? null },
  };
}

function bar(what: string, value: number, limit: number, beside: string): Row {
  return { what, result: `${ms(value)}; ${beside}`, bar: `at most ${limit} ms`, isMet: value <= limit };
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

function spread(values: readonly number[]): string {
  return `${ms(median(values))} (${ms(Math.min(...values))} to ${ms(Math.max(...values))})`;
}

/** Routes that both programs take: (S,G) of IPv4. */
function writeRoutes(): string {
  const lines = Array.from({ length: ROUTES }, (_, n) => {
    return `mroute from in0 source 10.9.${n >> 8}.${n & 255} group 232.1.${n >> 8}.${n & 255} to out1\n`;
  });
  const file = join(FOLDER, 'routes.conf');
  writeFileSync(file, lines.join(''), { mode: 0o644 });
  return file;
}

async function timeOfStart(router: Namespace, file: string): Promise<number> {
  const begin = performance.now();
  const agent = await startAgent(router, { table: TABLE, args: ['-f', file] });
  const time = performance.now() - begin;
  await agent.stop();
  return time;
}

async function timeOfReload({ client }: Agent): Promise<number> {
  const ask = () =>
    unary<ReloadResponse__Output>((callback) =>
      client.Reload({}, { deadline: deadlineAfter(PEER_LIMIT_MS) }, callback),
    );
  // The first call opens the connection.
  await ask();
  const begin = performance.now();
  const { unchanged } = await ask();
  if (unchanged !== ROUTES) throw new Error(`${unchanged} of ${ROUTES} routes were unchanged`);
  return performance.now() - begin;
}

/** The daemon of the package smcroute, in the same namespace; undefined if it is not installed. */
async function measurePeer(
  router: Namespace,
  file: string,
  rounds: number,
  tell: (line: string) => void,
): Promise<{ readonly starts: readonly number[]; readonly reloads: readonly number[] } | undefined> {
  if (spawnSync('which', ['smcrouted']).status !== 0) return undefined;
  const starts: number[] = [];
  const reloads: number[] = [];
  const pidFile = join(FOLDER, 'smcroute.pid');
  for (let round = 0; round < rounds; round++) {
    tell(`config: smcrouted, round ${round + 1} of ${rounds}`);
    rmSync(pidFile, { force: true });
    const begin = performance.now();
    const words = ['-n', '-f', file, '-P', pidFile, '-u', join(FOLDER, 'smcroute.sock'), '-l', 'none'];
    const daemon = router.spawn('smcrouted', words, { stdio: 'ignore' });
    try {
      // It makes the file when it is ready, and touches it after a reload.
      await eventually(() => (existsSync(pidFile) ? true : undefined), 'smcrouted to be ready', PEER_LIMIT_MS);
      starts.push(performance.now() - begin);
      const { mtimeMs } = statSync(pidFile);
      const hangUp = performance.now();
      daemon.kill('SIGHUP');
      await eventually(
        () => (statSync(pidFile).mtimeMs > mtimeMs ? true : undefined),
        'smcrouted to reload',
        PEER_LIMIT_MS,
      );
      reloads.push(performance.now() - hangUp);
    } finally {
      daemon.kill('SIGKILL');
      await waitForExit(daemon);
    }
  }
  return { starts, reloads };
}
