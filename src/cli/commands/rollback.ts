// `rollback` and `confirm`: taking changes back, and keeping them.
import type { Command } from 'commander';
import type { ConfirmResponse__Output } from '../../api/generated/mcroute/v1/ConfirmResponse.js';
import type { RollbackResponse__Output } from '../../api/generated/mcroute/v1/RollbackResponse.js';
import { ApiError } from '../../api/status.js';
import { CliError, EXIT_OK } from '../errors.js';
import { differenceLines, differenceOf } from '../output/differences.js';
import { longValue } from '../output/document.js';
import { isDocumentFormat } from '../output/list.js';
import { notesOfReplace, rollbackDocument } from '../output/results.js';
import type { Run, Session } from '../session.js';
import { readRevision } from './apply.js';
import { type ChangeOptions, changeFields, notesOfDeadline, withChangeOptions } from './change.js';

/** Adds the commands to the program. */
export function addRollbackCommands(program: Command, run: Run): void {
  const rollback = program
    .command('rollback')
    .summary("make an owner's resources what they were")
    .description(
      'Makes the resources of --owner what they were at a revision of its history. Without one: what they were before the ' +
        'change that waits for confirmation or, if none does, before the last change.',
    )
    .argument('[revision]', "a revision of 'mcctl history'")
    .option('--expected-revision <n>', 'change nothing unless this is the revision of the table', readRevision);
  withChangeOptions(rollback)
    .addHelpText(
      'after',
      "\nExamples:\n  mcctl -t 5 rollback --dry-run\n  mcctl -t 5 rollback 41 --comment 'camera 3 was lost'",
    )
    .action((revision: string | undefined, options: RollbackOptions, command: Command) =>
      run(command, (session) => rollBack(session, revision, options)),
    );
  program
    .command('confirm')
    .summary('keep a change that was made with --confirm-within')
    .description('Keeps the change of --owner that would be taken back unless it is confirmed.')
    .addHelpText('after', '\nExamples:\n  mcctl -t 5 apply -f net.yaml --confirm-within 60\n  mcctl -t 5 confirm')
    .action((_options: unknown, command: Command) => run(command, confirm));
}

interface RollbackOptions extends ChangeOptions {
  readonly expectedRevision?: string;
}

async function rollBack(session: Session, word: string | undefined, options: RollbackOptions): Promise<number> {
  const { agent, printer, terminal } = session;
  const { expectedRevision, dryRun = false } = options;
  const request = {
    table: agent.table,
    owner: session.options.owner,
    toRevision: word === undefined ? '0' : readTarget(word),
    ...changeFields(options),
    ...(expectedRevision !== undefined && { expectedRevision }),
  };
  const response = await agent.ask<RollbackResponse__Output>((client, callOptions, callback) =>
    client.rollback(request, callOptions, callback),
  );
  await printer.result(
    () => rollbackDocument(response),
    () => {
      const lines = response.differences.map((one) => differenceLines(differenceOf(one), terminal.hasColour));
      return `${lines.join('')}${doneText(response, dryRun)}\n`;
    },
  );
  if (!isDocumentFormat(session.options.output)) {
    for (const note of [...notesOfReplace(response), ...notesOfDeadline(session, response)]) terminal.note(note);
  }
  return EXIT_OK;
}

/** 0 is what the API has for none. */
function readTarget(word: string): string {
  if (/^\d{1,20}$/.test(word) && BigInt(word) > 0n && BigInt(word) < 1n << 64n) return word;
  throw new CliError('USAGE', `rollback: '${word}' is not a revision`, ["'mcctl history' lists them"]);
}

function doneText(response: RollbackResponse__Output, isDryRun: boolean): string {
  const { added, changed, removed, restoredRevision, revision } = response;
  const what = isDryRun ? 'as at' : 'is again as at';
  const counts = `${added} added, ${changed} changed, ${removed} removed`;
  return `${what} revision ${restoredRevision}: ${counts} (${isDryRun ? 'dry run, ' : ''}revision ${revision})`;
}

async function confirm({ agent, printer, options }: Session): Promise<number> {
  const { revision } = await agent
    .ask<ConfirmResponse__Output>((client, callOptions, callback) =>
      client.confirm({ table: agent.table, owner: options.owner }, callOptions, callback),
    )
    .catch((error: unknown) => {
      throw explainNothing(error);
    });
  await printer.result(
    () => ({ revision: longValue(revision) }),
    () => `revision ${revision} is kept\n`,
  );
  return EXIT_OK;
}

/** What to do where nothing waits for confirmation. */
function explainNothing(error: unknown): unknown {
  if (!(error instanceof ApiError) || error.reason !== 'NOT_FOUND') return error;
  const cure = "it was confirmed already, or taken back since its time was over: 'mcctl history' tells";
  return new ApiError('NOT_FOUND', error.message, { metadata: { ...error.metadata, cure }, cause: error });
}
