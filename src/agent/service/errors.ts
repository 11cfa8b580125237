// What a caller is told when a request fails.
import { ApiError } from '../../api/status.js';
import type { RequestError } from '../engine.js';
import type { ConfigurationError } from '../file-wishes.js';
import type { HistoryLostError } from '../history/entry.js';
import type { UnconfirmedFullError } from '../history/owner-history.js';
import type { UnconfirmedError } from '../history/safe-changes.js';

/**
 * The error of the API for a failure; undefined for a bug.
 *
 * @param author who calls, as a gateway knows it
 */
export function toApiError(error: unknown, author = ''): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (isStorageError(error)) {
    return new ApiError('STORAGE', error.message, {
      metadata: { errno: error.errno, path: error.path },
      cause: error,
    });
  }
  if (!isRequestError(error)) return undefined;
  switch (error.code) {
    case 'REVISION_MISMATCH':
    case 'WARNINGS':
      return new ApiError(error.code, error.message, { cause: error });
    case 'CONFIGURATION':
      return new ApiError(error.code, error.message, { cause: error });
    case 'UNCONFIRMED':
      return new ApiError(error.code, error.message, { cause: error });
    case 'OUT_OF_SCOPE':
      return new ApiError('PERMISSION_DENIED', error.message, { metadata: { identity: author }, cause: error });
    case 'HISTORY_LOST':
      return new ApiError(error.code, error.message, {
        metadata: { first_revision: error.firstRevision.toString() },
        cause: error,
      });
    case 'OWNER_FULL':
    case 'UNCONFIRMED_FULL':
    case 'UNCONFIRMED_OWNERS':
    case 'RIB_FULL':
      return new ApiError('RESOURCE_LIMIT', error.message, { cause: error });
    case 'NOT_FOUND': {
      const field = `changes[${error.index}]`;
      return new ApiError('NOT_FOUND', `${field}: ${error.message}`, { metadata: { field }, cause: error });
    }
    case 'TOO_MANY_OIFS': {
      const violation = { field: `changes[${error.index}]`, description: error.message };
      return new ApiError('INVALID_FIELD', `${violation.field}: ${violation.description}`, {
        violations: [violation],
        cause: error,
      });
    }
  }
}

/** What the journal of wishes throws (`StorageError`); the service knows neither. */
function isStorageError(error: unknown): error is Error & { readonly errno: string; readonly path: string } {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'STORAGE' &&
    'errno' in error &&
    typeof error.errno === 'string' &&
    'path' in error &&
    typeof error.path === 'string'
  );
}

type KnownError = RequestError | ConfigurationError | HistoryLostError | UnconfirmedError | UnconfirmedFullError;

const CODES: ReadonlySet<string> = new Set<KnownError['code']>([
  'REVISION_MISMATCH',
  'WARNINGS',
  'CONFIGURATION',
  'OUT_OF_SCOPE',
  'OWNER_FULL',
  'HISTORY_LOST',
  'UNCONFIRMED',
  'UNCONFIRMED_FULL',
  'UNCONFIRMED_OWNERS',
  'RIB_FULL',
  'NOT_FOUND',
  'TOO_MANY_OIFS',
]);

function isRequestError(error: unknown): error is KnownError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && CODES.has(error.code);
}
