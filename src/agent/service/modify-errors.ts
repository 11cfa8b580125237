// What controllers are refused by their sessions.
import type { SessionRequest } from '../../api/parse-session.js';
import { ApiError } from '../../api/status.js';
import { scopeHasOwner } from '../../model/scope.js';
import type { Standing } from '../sessions/election.js';
import type { SessionError } from '../sessions/sessions.js';
import type { Caller } from './caller.js';

/** A refusal of the sessions as what the controller is told; undefined for anything else. */
export function toSessionError(error: unknown): ApiError | undefined {
  if (!isSessionError(error)) return undefined;
  return new ApiError(error.code === 'OTHER_OWNER' ? 'INVALID_FIELD' : 'RESOURCE_LIMIT', error.message, {
    cause: error,
  });
}

const SESSION_CODES: ReadonlySet<unknown> = new Set<SessionError['code']>([
  'OTHER_OWNER',
  'TOO_MANY_SESSIONS',
  'TOO_MANY_ROLES',
]);

function isSessionError(error: unknown): error is SessionError {
  return error instanceof Error && 'code' in error && SESSION_CODES.has(error.code);
}

/**
 * A caller that may change what some owners want must not keep the controllers of others from being primary.
 *
 * @throws ApiError PERMISSION_DENIED
 */
export function checkSessionScope({ author, scope }: Caller, { owner, role }: SessionRequest): void {
  if (scope === undefined) return;
  for (const name of new Set([owner, role])) {
    if (scopeHasOwner(scope, name)) continue;
    const what = name === owner ? 'resources of the owner' : 'sessions of the role';
    throw new ApiError('PERMISSION_DENIED', `you may not change ${what} '${name}'`, { metadata: { identity: author } });
  }
}

/** The refusal of changes by a session that is not the primary. */
export function notPrimary({ role, electionId }: SessionRequest, { highest, hasPrimary }: Standing): ApiError {
  const cure = hasPrimary ? 'another session is the primary' : 'claim it with an election id that is not lower';
  return new ApiError(
    'NOT_PRIMARY',
    `this session, of election id ${String(electionId)}, is not the primary of role '${role}', whose highest id is ${String(highest)}: ${cure}`,
    { metadata: { role, election_id: String(highest) } },
  );
}
