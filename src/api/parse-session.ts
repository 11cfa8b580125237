// What a controller says of itself in a session of Modify, from the wire to values.
import { HOLD_TIME_MAX_S } from '../model/limits.js';
import type { Session__Output } from './generated/mcroute/v1/Session.js';
import { msOfDuration } from './duration.js';
import { Violations } from './parse.js';
import { parseOwner, parseRole } from './parse-header.js';

/** A session as it was asked for. */
export interface SessionRequest {
  readonly owner: string;
  readonly role: string;
  /** 0n: takes no part in elections. */
  readonly electionId: bigint;
  /** Time that the owner's resources outlive its last session, in ms; undefined: they stay. */
  readonly holdTimeMs: number | undefined;
  readonly isNotableOnly: boolean;
}

/** @throws ApiError INVALID_FIELD */
export function parseSession(wire: Session__Output): SessionRequest {
  const violations = new Violations();
  const owner = parseOwner(wire.owner, violations);
  const role = wire.role === '' ? owner : parseRole(wire.role, violations);
  const holdTimeMs = parseHoldTime(wire.holdTime, violations);
  violations.throwIfAny();
  return {
    owner,
    role,
    electionId: BigInt(wire.electionId),
    holdTimeMs: wire.onAbsence === 'ON_ABSENCE_DELETE' ? holdTimeMs : undefined,
    isNotableOnly: wire.results === 'RESULT_VIEW_NOTABLE',
  };
}

function parseHoldTime(wire: Session__Output['holdTime'], violations: Violations): number {
  const ms = wire === null ? 0 : msOfDuration(wire);
  if (!Number.isInteger(ms / 1_000) || ms < 0 || ms > HOLD_TIME_MAX_S * 1_000) {
    violations.add('hold_time', `is not a time: whole seconds, 0 to ${HOLD_TIME_MAX_S}`);
  }
  return ms;
}
