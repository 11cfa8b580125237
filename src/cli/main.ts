// mcctl: starts the program with what the process has.
import { tellLastErrorInSource } from '../runtime/stack.js';
import { readVersion } from '../runtime/tree.js';
import { runProgram } from './program.js';
import { endProcess, endWhenUnread } from './terminal.js';

tellLastErrorInSource();
for (const stream of [process.stdout, process.stderr]) endWhenUnread(stream, () => process.exit());

void runProgram(process.argv.slice(2), {
  environment: process.env,
  // Node opens it when it is first looked at, which most commands do not.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  version: readVersion(),
}).then((status) => {
  endProcess(status);
});
