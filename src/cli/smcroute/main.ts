// smcroutectl: starts the program with what the process has.
import { tellLastErrorInSource } from '../../runtime/stack.js';
import { readVersion } from '../../runtime/tree.js';
import { endWhenUnread } from '../terminal.js';
import { runSmcroutectl } from './program.js';

tellLastErrorInSource();
for (const stream of [process.stdout, process.stderr]) endWhenUnread(stream, () => process.exit());

void runSmcroutectl(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  version: readVersion(),
}).then((status) => {
  process.exitCode = status;
});
