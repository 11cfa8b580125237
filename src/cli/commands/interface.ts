// `interface`: what is wanted of an interface.
import { type Command, InvalidArgumentError } from 'commander';
import { type InterfaceOptions, parseInterface, parseTtlThreshold } from '../arguments.js';
import type { Run } from '../session.js';
import { type ChangeOptions, applyChange, withChangeOptions } from './change.js';

/** Adds the command to the program. */
export function addInterfaceCommand(program: Command, run: Run): void {
  const command = program
    .command('interface')
    .summary('set how an interface takes part: TTL threshold, querier, router discovery, boundaries')
    .description(
      `Sets all that --owner wants of an interface: what an earlier command said and this one does not is forgotten.
Where owners differ, --disable, --querier and --mrdisc of one of them count, and the boundaries of all.`,
    )
    .usage('[options] INTERFACE SETTING... | --unset')
    .argument('[words...]', 'INTERFACE')
    .option('--ttl-threshold <n>', 'packets whose TTL is not above it do not leave there, 1 to 254; IPv4 only', readTtl)
    .option('--enable', 'takes part in forwarding, also where interfaces do so only if they are told to')
    .option('--disable', 'takes no part in forwarding: no number in the table; groups are joined all the same')
    .option('--querier', 'ask for memberships there while no other querier does (IGMP, MLD)')
    .option('--mrdisc', 'announce the router to the switches there (RFC 4286)')
    .option('--boundary <group>', 'group or prefix that never enters or leaves there; may be repeated', collect)
    .option('--unset', 'no longer want anything of the interface');
  withChangeOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  mcctl interface eth1 --ttl-threshold 16
  mcctl interface eth2 --querier --mrdisc
  mcctl interface wan0 --boundary 239.0.0.0/8 --boundary ff05::/16
  mcctl interface eth1 --unset`,
    )
    .action((words: string[], options: InterfaceOptions & ChangeOptions, self: Command) =>
      run(self, (session) => applyChange(session, parseInterface(words, options), options)),
    );
}

function collect(text: string, others: readonly string[] = []): string[] {
  return [...others, text];
}

function readTtl(text: string): number {
  const value = parseTtlThreshold(text);
  if (value === undefined) throw new InvalidArgumentError('A TTL threshold is 1 to 254.');
  return value;
}
