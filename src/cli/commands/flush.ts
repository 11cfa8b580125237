// `flush`: learned entries.
import type { Command } from 'commander';
import type { FlushResponse__Output } from '../../api/generated/mcroute/v1/FlushResponse.js';
import { EXIT_OK } from '../errors.js';
import type { Run } from '../session.js';

/** Adds the command to the program. */
export function addFlushCommand(program: Command, run: Run): void {
  program
    .command('flush')
    .summary('drop learned flows')
    .description('Drops the flows that were learned from packets. Those that routes match are learned again.')
    .addHelpText('after', '\nExamples:\n  mcctl -t 5 flush')
    .action((_options: unknown, command: Command) =>
      run(command, async ({ agent, printer }) => {
        const { dropped } = await agent.ask<FlushResponse__Output>((client, callOptions, callback) =>
          client.flush({ table: agent.table }, callOptions, callback),
        );
        await printer.result(
          () => ({ dropped }),
          () => `${dropped} learned ${dropped === 1 ? 'flow' : 'flows'} dropped\n`,
        );
        return EXIT_OK;
      }),
    );
}
