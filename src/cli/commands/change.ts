// What all changes of resources have in common: their options, one change by Apply, and what is said of it.
import { type Command, InvalidArgumentError } from 'commander';
import { durationOfMs } from '../../api/duration.js';
import type { ApplyRequest } from '../../api/generated/mcroute/v1/ApplyRequest.js';
import type { ApplyResponse__Output } from '../../api/generated/mcroute/v1/ApplyResponse.js';
import type { Change } from '../../api/generated/mcroute/v1/Change.js';
import { EXIT_FAILURE, EXIT_OK } from '../errors.js';
import { isDocumentFormat } from '../output/list.js';
import { applyDocument, confirmNotes, dryRunText, hasFailed, notesOfApply } from '../output/results.js';
import type { Session } from '../session.js';

/** Options of everything that changes resources. */
export interface ChangeOptions {
  readonly dryRun?: boolean;
  readonly strict?: boolean;
  readonly comment?: string;
  /** Seconds. */
  readonly confirmWithin?: number;
  readonly requestId?: string;
}

/** Adds the options to a command. */
export function withChangeOptions(command: Command): Command {
  return command
    .option('--dry-run', 'only check, and tell what would change')
    .option('--strict', 'refuse what would only be warned of')
    .option('--comment <text>', "why, for 'mcctl history'")
    .option('--confirm-within <seconds>', "take it back unless 'mcctl confirm' comes in time", readConfirmTime)
    .option('--request-id <id>', 'do it once, however often a request with this id comes');
}

/** The options as requests have them. */
export function changeFields(
  options: ChangeOptions,
): Pick<ApplyRequest, 'validateOnly' | 'strict' | 'comment' | 'confirmWithin' | 'requestId'> {
  const { dryRun = false, strict = false, comment, confirmWithin, requestId } = options;
  return {
    validateOnly: dryRun,
    strict,
    ...(comment !== undefined && { comment }),
    ...(confirmWithin !== undefined && { confirmWithin: durationOfMs(confirmWithin * 1_000) }),
    ...(requestId !== undefined && { requestId }),
  };
}

/** Applies one change. Silent on success, except for warnings and for what is pending. */
export async function applyChange(session: Session, change: Change, options: ChangeOptions): Promise<number> {
  const { agent, printer, terminal } = session;
  const { output, owner } = session.options;
  const response = await agent.ask<ApplyResponse__Output>((client, callOptions, callback) =>
    client.apply({ table: agent.table, owner, changes: [change], ...changeFields(options) }, callOptions, callback),
  );
  await printer.result(
    () => applyDocument(response),
    () => (options.dryRun === true ? `${dryRunText(response)}\n` : ''),
  );
  if (!isDocumentFormat(output)) {
    for (const note of [...notesOfApply(response), ...notesOfDeadline(session, response)]) terminal.note(note);
  }
  return hasFailed(response) ? EXIT_FAILURE : EXIT_OK;
}

/** Until when a change has to be confirmed, and how; and whether it had been done before. */
export function notesOfDeadline(
  { options }: Session,
  response: Pick<ApplyResponse__Output, 'confirmDeadline' | 'repeatedRequest'>,
): string[] {
  return confirmNotes(response, options.owner, Date.now());
}

/** Seconds, a day at most, as the API has them. */
export function readConfirmTime(text: string): number {
  const seconds = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > 86_400) {
    throw new InvalidArgumentError('It is a whole number of seconds, 1 to 86400.');
  }
  return seconds;
}
