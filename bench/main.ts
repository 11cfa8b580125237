// The measurements of docs/performance.md: `npm run bench -- [SECTION...] [--json] [--rounds N] [--count N]`.
//
// Every section measures mcroute and, in the same run, what it is held against. Run on a quiet machine.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { bulk } from './bulk.js';
import { cli } from './cli.js';
import { config } from './config.js';
import { firstPacket } from './first-packet.js';
import { hitless } from './hitless.js';
import { list } from './list.js';
import { memory } from './memory.js';
import { relay } from './relay.js';
import { type Section, renderReport } from './report.js';
import { scale } from './scale.js';
import { soak } from './soak.js';
import { start } from './start.js';
import { storm } from './storm.js';
import { watch } from './watch.js';

const SECTIONS: Readonly<Record<string, Section>> = {
  bulk,
  list,
  config,
  'first-packet': firstPacket,
  storm,
  start,
  memory,
  cli,
  watch,
  hitless,
  relay,
  scale,
  soak,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    /** How often a section does what it does; each section has a number of its own. */
    rounds: { type: 'string' },
    /** Routes, flows, changes or seconds, to try a section out; config and hitless have their own in any case. */
    count: { type: 'string' },
    seed: { type: 'string' },
    /** A folder where every program of Node that is started leaves a profile, for profile.ts. It makes them slower. */
    profile: { type: 'string' },
  },
});

const unknown = positionals.filter((name) => SECTIONS[name] === undefined);
const rounds = numberOf(values.rounds);
const count = numberOf(values.count);
const seed = numberOf(values.seed) ?? Date.now() % 1_000_000;
if (unknown.length > 0 || [rounds, count, seed].some(Number.isNaN) || rounds === 0 || count === 0) {
  const names = Object.keys(SECTIONS).join('|');
  process.stderr.write(
    `usage: npm run bench -- [${names}]... [--json] [--rounds N] [--count N] [--seed N] [--profile FOLDER]\n`,
  );
  process.exit(64);
}

if (values.profile !== undefined) profileInto(resolve(values.profile));

let isMet = true;
for (const name of positionals.length === 0 ? Object.keys(SECTIONS) : positionals) {
  const section = SECTIONS[name];
  if (section === undefined) continue;
  try {
    const tell = (line: string) => {
      process.stderr.write(`${line}\n`);
    };
    const report = await section({ rounds, count, seed, tell });
    isMet &&= report.rows.every((row) => row.isMet !== false);
    process.stdout.write(
      values.json ? `${JSON.stringify({ section: name, seed, ...report })}\n` : renderReport(name, report),
    );
  } catch (error) {
    // The others are measured all the same.
    isMet = false;
    process.stderr.write(`${name} failed: ${inspect(error)}\n`);
  }
}
process.exitCode = isMet ? 0 : 1;

/** Puts a `node` on PATH that leaves a profile; NODE_OPTIONS must not ask for one. */
function profileInto(folder: string): void {
  // Agents run as somebody else.
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777);
  const bin = '/run/bench-profile';
  mkdirSync(bin, { recursive: true });
  const script = `#!/bin/sh\nexec '${process.execPath}' --cpu-prof --cpu-prof-dir='${folder}' "$@"\n`;
  writeFileSync(join(bin, 'node'), script, { mode: 0o755 });
  process.env['PATH'] = `${bin}:${process.env['PATH'] ?? ''}`;
}

/** Undefined if it is not given; NaN if it is no whole number. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}
