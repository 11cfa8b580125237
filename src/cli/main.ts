#!/usr/bin/env node
// mcctl: starts the program with what the process has.
import { readFileSync } from 'node:fs';
import { runProgram } from './program.js';
import { endWhenUnread } from './terminal.js';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

for (const stream of [process.stdout, process.stderr]) endWhenUnread(stream, () => process.exit());

process.exitCode = await runProgram(process.argv.slice(2), {
  environment: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  version,
});
