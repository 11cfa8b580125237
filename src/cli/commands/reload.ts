// `reload` and `kill`: the agent's configuration file, and its end.
import type { Command } from 'commander';
import type { ReloadResponse__Output } from '../../api/generated/mcroute/v1/ReloadResponse.js';
import type { StopResponse__Output } from '../../api/generated/mcroute/v1/StopResponse.js';
import { EXIT_OK } from '../errors.js';
import type { Run } from '../session.js';

/** Adds the commands to the program. */
export function addReloadCommands(program: Command, run: Run): void {
  program
    .command('reload')
    .summary('read the configuration file again')
    .description('Reads the configuration file again and applies the difference. A file with errors changes nothing.')
    .addHelpText('after', '\nExamples:\n  mcctl -t 5 reload')
    .action((_options: unknown, command: Command) =>
      run(command, async ({ agent, printer, terminal }) => {
        const { revision, warnings, ...counts } = await agent.ask<ReloadResponse__Output>(
          (client, callOptions, callback) => client.reload({ table: agent.table }, callOptions, callback),
        );
        for (const warning of warnings) terminal.note(`warning: ${warning}`);
        await printer.result(
          () => ({ revision, ...counts, warnings }),
          () =>
            `${counts.added} added, ${counts.changed} changed, ${counts.removed} removed, ${counts.unchanged} unchanged\n`,
        );
        return EXIT_OK;
      }),
    );
  program
    .command('kill')
    .summary('end the agent')
    .description(
      'Ends the agent; entries, mrules and joins are removed. One that a supervisor keeps is started again: stop its table.',
    )
    .addHelpText('after', '\nExamples:\n  mcctl -t 5 kill\n  mcctl table stop 5')
    .action((_options: unknown, command: Command) =>
      run(command, async ({ agent }) => {
        await agent.ask<StopResponse__Output>((client, callOptions, callback) =>
          client.stop({ table: agent.table }, callOptions, callback),
        );
        return EXIT_OK;
      }),
    );
}
