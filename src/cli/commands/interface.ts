// `interface`: what is wanted of an interface.
import { type Command, InvalidArgumentError } from 'commander';
import { parseInterface, parseTtlThreshold } from '../arguments.js';
import type { Run } from '../session.js';
import { type ChangeOptions, applyChange, withChangeOptions } from './change.js';

/** Adds the command to the program. */
export function addInterfaceCommand(program: Command, run: Run): void {
  const command = program
    .command('interface')
    .summary('set the TTL threshold of an interface')
    .description(
      'Sets the TTL threshold of an interface: packets whose TTL is not above it do not leave there. IPv4 only.',
    )
    .usage('[options] INTERFACE --ttl-threshold N | --unset')
    .argument('[words...]', 'INTERFACE')
    .option('--ttl-threshold <n>', 'threshold of oifs that have none of their own, 1 to 254', readTtlThreshold)
    .option('--unset', 'no longer want a threshold');
  withChangeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  mcctl interface eth1 --ttl-threshold 16
  mcctl interface eth1 --unset`,
    )
    .action((words: string[], options: InterfaceOptions, self: Command) =>
      run(self, (session) => applyChange(session, parseInterface(words, options), options)),
    );
}

interface InterfaceOptions extends ChangeOptions {
  readonly ttlThreshold?: number;
  readonly unset?: boolean;
}

function readTtlThreshold(text: string): number {
  const value = parseTtlThreshold(text);
  if (value === undefined) throw new InvalidArgumentError('A TTL threshold is 1 to 254.');
  return value;
}
