// `history`: what was changed, when and by whom.
import { type Command, InvalidArgumentError } from 'commander';
import type { HistoryEntry__Output } from '../../api/generated/mcroute/v1/HistoryEntry.js';
import type { Agent } from '../connect.js';
import { EXIT_OK } from '../errors.js';
import { historyView } from '../output/history.js';
import type { Page } from '../output/list.js';
import type { Run } from '../session.js';

/** Adds the command to the program. */
export function addHistoryCommand(program: Command, run: Run): void {
  program
    .command('history')
    .summary('list the changes that were made, and by whom')
    .description('Lists the changes of the table, the newest first: what mcctl rollback can go back to.')
    .option('--limit <n>', 'so many at most; 0 is all', readLimit, SHOWN)
    .option('--owner-only <name>', "only this owner's")
    .addHelpText(
      'after',
      '\nExamples:\n  mcctl -t 5 history\n  mcctl -t 5 history --owner-only studio-1 --limit 0 -o json',
    )
    .action((options: HistoryOptions, command: Command) =>
      run(command, async ({ agent, printer }) => {
        await printer.list(historyView, historyPages(agent, options), 'no changes');
        return EXIT_OK;
      }),
    );
}

interface HistoryOptions {
  readonly limit: number;
  readonly ownerOnly?: string;
}

/** Changes that are shown where nobody says how many. */
const SHOWN = 20;

async function* historyPages(agent: Agent, options: HistoryOptions): AsyncGenerator<Page<HistoryEntry__Output>> {
  const request = { table: agent.table, owner: options.ownerOnly ?? '', limit: options.limit };
  for await (const { entries } of agent.read((client, callOptions) => client.listHistory(request, callOptions))) {
    yield { rows: entries };
  }
}

function readLimit(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) throw new InvalidArgumentError('It is a whole number; 0 is all.');
  return value;
}
