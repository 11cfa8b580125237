// What requests say beside their changes, from the wire to values: who asks, why, and what is to become of it.
import { COMMENT_MAX, CONFIRM_WITHIN_MAX_S, OWNER_MAX, REQUEST_ID_MAX } from '../model/limits.js';
import { msOfDuration } from './duration.js';
import type { Duration__Output } from './generated/google/protobuf/Duration.js';
import { type Violations, quote } from './parse.js';

/** Checks an owner's name. */
export function parseOwner(text: string, violations: Violations): string {
  return parseName(text, { field: 'owner', what: "an owner's name", example: 'cli' }, violations);
}

/** Checks the name of a role of sessions. */
export function parseRole(text: string, violations: Violations): string {
  return parseName(text, { field: 'role', what: "a role's name", example: 'studio-1' }, violations);
}

/** The ms within which a change is to be confirmed; undefined if that is not asked for. */
export function parseConfirmWithin(wire: Duration__Output | undefined, violations: Violations): number | undefined {
  if (wire === undefined) return undefined;
  const seconds = msOfDuration(wire) / 1_000;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > CONFIRM_WITHIN_MAX_S) {
    violations.add('confirm_within', `${seconds} s is not such a time: 1 to ${CONFIRM_WITHIN_MAX_S} whole seconds`);
  }
  return seconds * 1_000;
}

/** Checks the comment of a change. */
export function parseComment(text: string, violations: Violations): string {
  return parseShortText(text, 'comment', COMMENT_MAX, violations);
}

/** Checks the id of a request. */
export function parseRequestId(text: string, violations: Violations): string {
  return parseShortText(text, 'request_id', REQUEST_ID_MAX, violations);
}

function parseShortText(text: string, field: string, limit: number, violations: Violations): string {
  if (Buffer.byteLength(text) > limit) violations.add(field, `is longer than ${limit} bytes`);
  else if (/\p{Cc}/u.test(text)) violations.add(field, `${quote(text)} has control characters: leave them out`);
  return text;
}

interface NamedField {
  readonly field: string;
  readonly what: string;
  readonly example: string;
}

function parseName(text: string, { field, what, example }: NamedField, violations: Violations): string {
  if (!/^[A-Za-z0-9._@/-]+$/.test(text) || text.length > OWNER_MAX) {
    violations.add(
      field,
      `${quote(text)} is not ${what}: 1 to ${OWNER_MAX} of letters, digits and . _ - @ /, such as '${example}'`,
    );
  }
  return text;
}
