// What became of changes: the replies of Apply and Replace. Pure.
import type { ApplyResponse__Output } from '../../api/generated/mcroute/v1/ApplyResponse.js';
import type { Difference__Output } from '../../api/generated/mcroute/v1/Difference.js';
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { ReplaceResponse__Output } from '../../api/generated/mcroute/v1/ReplaceResponse.js';
import type { RollbackResponse__Output } from '../../api/generated/mcroute/v1/RollbackResponse.js';
import type { Warning__Output } from '../../api/generated/mcroute/v1/Warning.js';
import { msOfTimestamp } from '../../api/duration.js';
import type { Effect } from '../../model/change.js';
import { type Document, entryDocument, longValue, resourceDocument, warningsDocument } from './document.js';
import { whyText } from './pending.js';
import { enumWord, keyOf, keyText } from './text.js';
import { timeText } from './time.js';

/** How many of an owner's resources a request touched, by effect. */
export type EffectCounts = Readonly<Record<Effect, number>>;

/** Notes on stderr that one command prints; a large file may have a note on each of its resources. */
const NOTES_SHOWN_MAX = 100;

export function applyDocument(response: ApplyResponse__Output): Document {
  return {
    revision: longValue(response.revision),
    results: response.results.map(({ id, effect, entry, warnings }) => ({
      id: longValue(id),
      effect: enumWord(effect, 'EFFECT') ?? null,
      entry: entry === null ? null : entryDocument(entry),
      warnings: warningsDocument(warnings),
    })),
    ...differencesKey(response.differences),
    ...doneKeys(response),
  };
}

export function replaceDocument(response: ReplaceResponse__Output): Document {
  const { revision, added, changed, removed, unchanged, differences, warnings } = response;
  return {
    revision: longValue(revision),
    added,
    changed,
    removed,
    unchanged,
    differences: differences.map(differenceDocument),
    warnings: warningsDocument(warnings),
    ...doneKeys(response),
  };
}

/** What a rollback has done. */
export function rollbackDocument(response: RollbackResponse__Output): Document {
  const { revision, restoredRevision, added, changed, removed, differences, warnings } = response;
  return {
    revision: longValue(revision),
    restored_revision: longValue(restoredRevision),
    added,
    changed,
    removed,
    differences: differences.map(differenceDocument),
    warnings: warningsDocument(warnings),
    ...doneKeys(response),
  };
}

/** Lines for stderr: until when a change has to be confirmed, and how; and that it had been done before. */
export function confirmNotes({ confirmDeadline, repeatedRequest }: Done, owner: string, nowMs: number): string[] {
  const notes = repeatedRequest ? ['a request with this id had been done before: nothing was done again'] : [];
  if (confirmDeadline === null) return notes;
  const seconds = Math.max(0, Math.round((msOfTimestamp(confirmDeadline) - nowMs) / 1_000));
  const command = owner === 'cli' ? 'mcctl confirm' : `mcctl confirm --owner ${owner}`;
  return [
    ...notes,
    `taken back at ${timeText(confirmDeadline)}, in ${seconds} s, unless it is confirmed: '${command}' for this table`,
  ];
}

/** The parts of a reply that all changes have. */
type Done = Pick<ApplyResponse__Output, 'confirmDeadline' | 'repeatedRequest'>;

function doneKeys({ confirmDeadline, repeatedRequest }: Done): Document {
  return {
    confirm_deadline: confirmDeadline === null ? null : timeText(confirmDeadline),
    repeated_request: repeatedRequest,
  };
}

/** Only a dry run has differences. */
function differencesKey(differences: readonly Difference__Output[]): Document {
  return differences.length === 0 ? {} : { differences: differences.map(differenceDocument) };
}

function differenceDocument({ before, after }: Difference__Output): Document {
  return {
    before: before === null ? null : resourceDocument(before),
    after: after === null ? null : resourceDocument(after),
  };
}

/** The effects of an Apply; of an agent that does not count them, as it always sends all results, they are counted here. */
export function countEffects(response: ApplyResponse__Output): EffectCounts {
  const { added, changed, removed, unchanged } = response;
  const counts = { added, changed, removed, unchanged };
  if (added + changed + removed + unchanged > 0) return counts;
  for (const { effect } of response.results) {
    if (effect !== 'EFFECT_UNSPECIFIED') counts[EFFECT_OF[effect]]++;
  }
  return counts;
}

/** `2 added, 0 changed, 0 removed, 5 unchanged (revision 8)`. */
export function countsText(counts: EffectCounts, revision: string, isDryRun: boolean): string {
  const { added, changed, removed, unchanged } = counts;
  const text = `${added} added, ${changed} changed, ${removed} removed, ${unchanged} unchanged`;
  return `${text} (${isDryRun ? 'dry run, ' : ''}revision ${revision})`;
}

/** The effects of a dry run: `would be added`, or `already so`. */
export function dryRunText(response: ApplyResponse__Output): string {
  return response.results
    .map(({ effect }) => {
      const word = enumWord(effect, 'EFFECT') ?? 'checked';
      return effect === 'EFFECT_UNCHANGED' ? 'already so: nothing would change' : `would be ${word}`;
    })
    .join('\n');
}

/** Lines for stderr: warnings, what is pending and what the kernel refused. */
export function notesOfApply(response: ApplyResponse__Output): string[] {
  return limitNotes(
    response.results.flatMap(({ entry, warnings }) => [
      ...warnings.map(warningNote),
      ...(entry === null ? [] : entryNotes(entry)),
    ]),
  );
}

/** Lines for stderr: the warnings of a Replace or a Rollback. */
export function notesOfReplace(response: Pick<ReplaceResponse__Output, 'warnings'>): string[] {
  return limitNotes(response.warnings.map(warningNote));
}

/** Whether the kernel refused one of the resources. */
export function hasFailed(response: ApplyResponse__Output): boolean {
  return response.results.some(({ entry }) => entry?.state === 'STATE_FAILED');
}

const EFFECT_OF = {
  EFFECT_ADDED: 'added',
  EFFECT_CHANGED: 'changed',
  EFFECT_REMOVED: 'removed',
  EFFECT_UNCHANGED: 'unchanged',
} as const satisfies Record<string, Effect>;

function warningNote({ code, text }: Warning__Output): string {
  return `warning: ${code}: ${text}`;
}

function entryNotes(entry: Entry__Output): string[] {
  const about = keyText(keyOf(entry.resource));
  switch (entry.state) {
    case 'STATE_PENDING':
    case 'STATE_PARTIAL':
      return [`pending: ${about}: ${whyText(entry)}`];
    case 'STATE_FAILED':
      return [`failed: ${about}: ${whyText(entry)}`];
    case 'STATE_PROGRAMMED':
    case 'STATE_UNSPECIFIED':
      return [];
  }
}

function limitNotes(notes: string[]): string[] {
  if (notes.length <= NOTES_SHOWN_MAX) return notes;
  return [...notes.slice(0, NOTES_SHOWN_MAX), `(and ${notes.length - NOTES_SHOWN_MAX} more notes)`];
}
