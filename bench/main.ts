// The measurements of docs/performance.md: `npm run bench -- [SECTION...] [--json] [--rounds N]`.
//
// Every section measures mcroute and, in the same run, what it is held against. Run on a quiet machine.
import { parseArgs } from 'node:util';
import { config } from './config.js';
import { hitless } from './hitless.js';
import { type Section, renderReport } from './report.js';

const SECTIONS: Readonly<Record<string, Section>> = { config, hitless };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    /** How often a section does what it does; each section has a number of its own. */
    rounds: { type: 'string' },
    seed: { type: 'string' },
  },
});

const unknown = positionals.filter((name) => SECTIONS[name] === undefined);
const rounds = numberOf(values.rounds);
const seed = numberOf(values.seed) ?? Date.now() % 1_000_000;
if (unknown.length > 0 || Number.isNaN(rounds) || Number.isNaN(seed)) {
  process.stderr.write(
    `usage: npm run bench -- [${Object.keys(SECTIONS).join('|')}]... [--json] [--rounds N] [--seed N]\n`,
  );
  process.exit(64);
}

let isMet = true;
for (const name of positionals.length === 0 ? Object.keys(SECTIONS) : positionals) {
  const section = SECTIONS[name];
  if (section === undefined) continue;
  const report = await section({
    rounds,
    seed,
    tell: (line) => {
      process.stderr.write(`${line}\n`);
    },
  });
  isMet &&= report.rows.every((row) => row.isMet !== false);
  process.stdout.write(
    values.json ? `${JSON.stringify({ section: name, seed, ...report })}\n` : renderReport(name, report),
  );
}
process.exitCode = isMet ? 0 : 1;

/** Undefined if it is not given; NaN if it is no whole number. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}
