// `apply`: the resources of a file.
import { type Command, InvalidArgumentError } from 'commander';
import type { ApplyResponse__Output } from '../../api/generated/mcroute/v1/ApplyResponse.js';
import { EXIT_FAILURE, EXIT_OK } from '../errors.js';
import { FILE_HELP, type ResourceFile } from '../file/resource-file.js';
import { differenceLines, differenceOf } from '../output/differences.js';
import { isDocumentFormat } from '../output/list.js';
import {
  applyDocument,
  countEffects,
  countsText,
  hasFailed,
  notesOfApply,
  notesOfReplace,
  replaceDocument,
} from '../output/results.js';
import type { Run, Session } from '../session.js';
import { notesOfDeadline, withChangeOptions } from './change.js';
import { type FileRequestOptions, applyFile, replaceByFile, resourceFileOf } from './file-request.js';

/** Adds the command to the program. */
export function addApplyCommand(program: Command, run: Run): void {
  const command = program
    .command('apply')
    .summary('put all resources of a file')
    .description('Puts all resources of a file, or none if one is not valid. The resources belong to --owner.')
    .requiredOption('-f, --file <path>', 'the file, or a folder of *.yaml, *.yml and *.json; - is stdin')
    .option('--prune', 'remove what this owner has and the file does not')
    .option('--expected-revision <n>', 'change nothing unless this is the revision of the table', readRevision);
  withChangeOptions(command)
    .addHelpText(
      'after',
      `\n${FILE_HELP}\n\nExamples:\n  mcctl -t 5 apply -f net.yaml --dry-run\n  mcctl -t 5 apply -f net.d --prune --confirm-within 60\n  mcctl -t 5 export | mcctl -t 6 apply -f - --prune`,
    )
    .action((options: ApplyOptions, self: Command) => {
      const file = resourceFileOf(options.file);
      return run(self, async (session) => apply(session, await file(session), options));
    });
}

/** Reads a revision: digits, which may be more than a number holds. */
export function readRevision(text: string): string {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n)
    throw new InvalidArgumentError('A revision is a whole number.');
  return text;
}

interface ApplyOptions extends FileRequestOptions {
  readonly file: string;
  readonly prune?: boolean;
}

async function apply(session: Session, file: ResourceFile, options: ApplyOptions): Promise<number> {
  return options.prune === true ? prune(session, file, options) : put(session, file, options);
}

/** Makes the owner's resources what the file says. */
async function prune(session: Session, file: ResourceFile, options: ApplyOptions): Promise<number> {
  const response = await replaceByFile(session, file, options);
  const { revision } = response;
  await session.printer.result(
    () => replaceDocument(response),
    () => differencesText(session, response) + `${countsText(response, revision, options.dryRun === true)}\n`,
  );
  note(session, [...notesOfReplace(response), ...notesOfDeadline(session, response)]);
  return EXIT_OK;
}

/** Adds what the file says to what the owner has. */
async function put(session: Session, file: ResourceFile, options: ApplyOptions): Promise<number> {
  const results = isDocumentFormat(session.options.output) ? 'all' : 'notable';
  const response = await applyFile(session, file, options, results);
  const { revision } = response;
  await session.printer.result(
    () => applyDocument(response),
    () =>
      differencesText(session, response) + `${countsText(countEffects(response), revision, options.dryRun === true)}\n`,
  );
  note(session, [...notesOfApply(response), ...notesOfDeadline(session, response)]);
  return hasFailed(response) ? EXIT_FAILURE : EXIT_OK;
}

function differencesText({ terminal }: Session, { differences }: Pick<ApplyResponse__Output, 'differences'>): string {
  return differences.map((one) => differenceLines(differenceOf(one), terminal.hasColour)).join('');
}

function note({ terminal, options }: Session, notes: readonly string[]): void {
  if (isDocumentFormat(options.output)) return;
  for (const line of notes) terminal.note(line);
}
