// `apply`: the resources of a file.
import { type Command, InvalidArgumentError } from 'commander';
import { EXIT_FAILURE, EXIT_OK } from '../errors.js';
import { FILE_HELP } from '../file/resource-file.js';
import { isDocumentFormat, renderDocument } from '../output/list.js';
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
import { type ChangeOptions, withChangeOptions } from './change.js';
import { type FileRequestOptions, applyFile, readResourceFile, replaceByFile } from './file-request.js';

/** Adds the command to the program. */
export function addApplyCommand(program: Command, run: Run): void {
  const command = program
    .command('apply')
    .summary('put all resources of a file')
    .description('Puts all resources of a file, or none if one is not valid. The resources belong to --owner.')
    .requiredOption('-f, --file <path>', 'the file; - is stdin')
    .option('--prune', 'remove what this owner has and the file does not')
    .option('--expected-revision <n>', 'change nothing unless this is the revision of the table', readRevision);
  withChangeOptions(command)
    .addHelpText(
      'after',
      `\n${FILE_HELP}\n\nExamples:\n  mcctl -t 5 apply -f net.yaml --dry-run\n  mcctl -t 5 export | mcctl -t 6 apply -f - --prune`,
    )
    .action((options: ApplyOptions, self: Command) => run(self, (session) => apply(session, options)));
}

/** Reads a revision: digits, which may be more than a number holds. */
export function readRevision(text: string): string {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 1n << 64n)
    throw new InvalidArgumentError('A revision is a whole number.');
  return text;
}

interface ApplyOptions extends ChangeOptions {
  readonly file: string;
  readonly prune?: boolean;
  readonly expectedRevision?: string;
}

async function apply(session: Session, options: ApplyOptions): Promise<number> {
  const request: FileRequestOptions = {
    isDryRun: options.dryRun === true,
    isStrict: options.strict === true,
    expectedRevision: options.expectedRevision,
  };
  const file = await readResourceFile(session, options.file);
  const { terminal } = session;
  const { output } = session.options;
  if (options.prune === true) {
    const response = await replaceByFile(session, file, request);
    if (isDocumentFormat(output)) {
      await terminal.write(renderDocument(replaceDocument(response), output));
    } else {
      for (const note of notesOfReplace(response)) terminal.note(note);
      await terminal.write(`${countsText(response, response.revision, request.isDryRun)}\n`);
    }
    return EXIT_OK;
  }
  const response = await applyFile(session, file, request, isDocumentFormat(output) ? 'all' : 'notable');
  if (isDocumentFormat(output)) {
    await terminal.write(renderDocument(applyDocument(response), output));
  } else {
    for (const note of notesOfApply(response)) terminal.note(note);
    await terminal.write(`${countsText(countEffects(response), response.revision, request.isDryRun)}\n`);
  }
  return hasFailed(response) ? EXIT_FAILURE : EXIT_OK;
}
