// One change by Apply, and what is said of it. Shared by all commands that change one resource.
import type { Command } from 'commander';
import type { ApplyResponse__Output } from '../../api/generated/mcroute/v1/ApplyResponse.js';
import type { Change } from '../../api/generated/mcroute/v1/Change.js';
import { EXIT_FAILURE, EXIT_OK } from '../errors.js';
import { isDocumentFormat, renderDocument } from '../output/list.js';
import { applyDocument, dryRunText, hasFailed, notesOfApply } from '../output/results.js';
import type { Session } from '../session.js';

/** Options of everything that changes resources. */
export interface ChangeOptions {
  readonly dryRun?: boolean;
  readonly strict?: boolean;
}

/** Adds the options to a command. */
export function withChangeOptions(command: Command): Command {
  return command
    .option('--dry-run', 'only check, and tell what would change')
    .option('--strict', 'refuse what would only be warned of');
}

/** Applies one change. Silent on success, except for warnings and for what is pending. */
export async function applyChange(session: Session, change: Change, options: ChangeOptions): Promise<number> {
  const { agent, terminal } = session;
  const { output, owner } = session.options;
  const isDryRun = options.dryRun === true;
  const response = await agent.ask<ApplyResponse__Output>((client, callOptions, callback) =>
    client.apply(
      { table: agent.table, owner, changes: [change], validateOnly: isDryRun, strict: options.strict === true },
      callOptions,
      callback,
    ),
  );
  if (isDocumentFormat(output)) {
    await terminal.write(renderDocument(applyDocument(response), output));
  } else {
    for (const note of notesOfApply(response)) terminal.note(note);
    if (isDryRun) await terminal.write(`${dryRunText(response)}\n`);
  }
  return hasFailed(response) ? EXIT_FAILURE : EXIT_OK;
}
