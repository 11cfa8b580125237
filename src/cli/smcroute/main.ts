#!/usr/bin/env node
// smcroutectl: starts the program with what the process has.
import { readFileSync } from 'node:fs';
import { endWhenUnread } from '../terminal.js';
import { runSmcroutectl } from './program.js';

const { version } = JSON.parse(readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

for (const stream of [process.stdout, process.stderr]) endWhenUnread(stream, () => process.exit());

process.exitCode = await runSmcroutectl(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  version,
});
