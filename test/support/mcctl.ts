// Runs mcctl as people do, as a program of its own.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeAgent } from './fake-agent.js';
import { installTree } from './install-tree.js';
import { waitForExit } from './wait.js';

const START = join(installTree(), 'dist/src/start/start.cjs');
/** Coverage is told by the modules, not by the bundle of them. */
const MODULE = join(installTree(), 'dist/src/cli/main.js');

/** How a program ended and what it said. */
export interface Ended {
  /** The status, or the name of the signal. */
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Variables beside PATH. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}

/** Starts mcctl; its environment is what is given and nothing else. */
export function startMcctl(words: readonly string[], options: RunOptions = {}): ChildProcessWithoutNullStreams {
  const { PATH = '', NODE_V8_COVERAGE } = process.env;
  const coverage = NODE_V8_COVERAGE === undefined ? {} : { NODE_V8_COVERAGE };
  const program = NODE_V8_COVERAGE === undefined ? [START, 'mcctl'] : ['--enable-source-maps', MODULE];
  const child = spawn(process.execPath, [...program, ...words], {
    env: { PATH, ...coverage, ...options.environment },
  });
  // A program that does not read its input ends before it is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.stdin ?? '');
  return child;
}

/** Runs mcctl to its end. */
export async function runMcctl(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = startMcctl(words, options);
  const [stdout, stderr, status] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    waitForExit(child, RUN_LIMIT_MS),
  ]);
  return { status, stdout, stderr };
}

/** A host with a fake agent of table 5, and mcctl on it. */
export interface Host extends AsyncDisposable {
  readonly agent: FakeAgent;
  /** Where agents have their sockets. */
  readonly directory: string;
  /** Runs mcctl with table 5 in its environment; the words stand apart by spaces. */
  readonly mcctl: (words: string, options?: RunOptions) => Promise<Ended>;
}

/** Opens a host. */
export async function openHost(): Promise<Host> {
  const directory = mkdtempSync(join(tmpdir(), 'mcctl-'));
  const agent = await FakeAgent.listen(join(directory, '5.sock'));
  const environment = { MCROUTE_RUNTIME_DIRECTORY: directory, MCROUTE_TABLE: '5' };
  return {
    agent,
    directory,
    mcctl: (words, options = {}) =>
      runMcctl(words.split(' '), { ...options, environment: { ...environment, ...options.environment } }),
    [Symbol.asyncDispose]: async () => {
      await agent[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Longest run of a command, many of which start at once on a small machine. */
const RUN_LIMIT_MS = 30_000;

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
