// smcroutectl: starts the program with what the process has.
import { tellLastErrorInSource } from '../../runtime/stack.js';
import { readVersion } from '../../runtime/tree.js';
import { endProcess, endWhenUnread } from '../terminal.js';
import { runSmcroutectl } from './program.js';

tellLastErrorInSource();
for (const stream of [process.stdout, process.stderr]) endWhenUnread(stream, () => process.exit());

void runSmcroutectl(process.argv.slice(2), {
  // Node opens it when it is first looked at, which only -b does.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  version: readVersion(),
}).then((status) => {
  endProcess(status);
});
