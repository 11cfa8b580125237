// `add` and `remove`: rules.
import type { Command } from 'commander';
import { type AddOptions, parseAdd, parseRemove } from '../arguments.js';
import type { Run } from '../session.js';
import { type ChangeOptions, applyChange, withChangeOptions } from './change.js';

/** Adds the commands to the program. */
export function addRouteCommands(program: Command, run: Run): void {
  const add = program
    .command('add')
    .summary('add a route, or oifs to one')
    .description(
      'Adds a route, or oifs to one that is there. With --except, --deny, --label or --replace the words say all of ' +
        'the route, and one of this owner with the same IIF, SOURCE and GROUP is replaced.',
    )
    .usage('[options] IIF [SOURCE[/LEN]] GROUP[/LEN] OIF[@TTL]...')
    .argument('[words...]', 'IIF, SOURCE, GROUP and OIFs; names of interfaces may be wildcards such as eth+')
    .option('--except <prefixes>', 'sources that the route does not match, separated by commas', splitList)
    .option('--deny', 'drop matching packets, whatever other routes say')
    .option('--label <text>', 'a text to find the route by')
    .option('--replace', 'the route is to have just these oifs');
  withChangeOptions(add)
    .addHelpText(
      'after',
      `
Examples:
  mcctl add eth0 239.1.1.1 eth1 eth2           any source, to two interfaces
  mcctl add eth0 10.0.0.5 239.1.1.1 eth1@16    one source; not below a TTL of 17
  mcctl add eth0 10.0.0.0/8 ff3e::/32 eth+     ranges, and every interface eth...
  mcctl add eth0 239.1.1.1 eth1 --except 10.9.0.0/16,10.0.0.7
  mcctl add eth0 239.9.0.0/16 --deny --label 'not ours'`,
    )
    .action((words: string[], options: AddOptions & ChangeOptions, command: Command) =>
      run(command, (session) => applyChange(session, parseAdd(words, options), options)),
    );

  const remove = program
    .command('remove')
    .alias('del')
    .alias('delete')
    .summary('remove a route, or oifs from one')
    .description('Removes a route, or only the named oifs from it. A route without oifs stays, as a stop filter.')
    .usage('[options] IIF [SOURCE[/LEN]] GROUP[/LEN] [OIF...]')
    .argument('[words...]', 'IIF, SOURCE, GROUP and OIFs, as they were added');
  withChangeOptions(remove)
    .addHelpText(
      'after',
      `
Examples:
  mcctl remove eth0 239.1.1.1                  the route
  mcctl remove eth0 10.0.0.5 239.1.1.1 eth2    only eth2 from it`,
    )
    .action((words: string[], options: ChangeOptions, command: Command) =>
      run(command, (session) => applyChange(session, parseRemove(words), options)),
    );
}

/** Splits `a,b`; the option may be given more than once. */
function splitList(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',').filter((item) => item !== '')];
}
