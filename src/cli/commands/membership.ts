// `join` and `leave`: memberships of the host itself.
import type { Command } from 'commander';
import { parseJoin, parseLeave } from '../arguments.js';
import type { Run } from '../session.js';
import { type ChangeOptions, applyChange, withChangeOptions } from './change.js';

/** Adds the commands to the program. */
export function addMembershipCommands(program: Command, run: Run): void {
  const join = program
    .command('join')
    .summary('join a group, so that switches and routers send it')
    .description('Joins a group on an interface, so that switches and routers send it here.')
    .usage('[options] INTERFACE [SOURCE[/LEN]] GROUP[/LEN]')
    .argument('[words...]', 'INTERFACE, SOURCE (source-specific, SSM) and GROUP')
    .option('--label <text>', 'a text to find the membership by');
  withChangeOptions(join)
    .addHelpText(
      'after',
      `
Examples:
  mcctl join eth0 239.1.1.1                    from any source
  mcctl join eth0 10.0.0.5 232.1.1.1           from one
  mcctl join eth0 239.1.1.0/28                 each of 16 groups`,
    )
    .action((words: string[], options: ChangeOptions & { readonly label?: string }, command: Command) =>
      run(command, (session) => applyChange(session, parseJoin(words, options), options)),
    );

  const leave = program
    .command('leave')
    .summary('leave a group')
    .description('Leaves a group that was joined.')
    .usage('[options] INTERFACE [SOURCE[/LEN]] GROUP[/LEN]')
    .argument('[words...]', 'INTERFACE, SOURCE and GROUP, as they were joined');
  withChangeOptions(leave)
    .addHelpText(
      'after',
      `
Examples:
  mcctl leave eth0 239.1.1.1
  mcctl leave eth0 10.0.0.5 232.1.1.1`,
    )
    .action((words: string[], options: ChangeOptions, command: Command) =>
      run(command, (session) => applyChange(session, parseLeave(words), options)),
    );
}
