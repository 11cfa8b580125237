// Who calls, as a gateway tells it in metadata; without any the caller is on this host and may do everything.
import type { Metadata } from '@grpc/grpc-js';
import type { Scope__Output } from '../../api/generated/mcroute/v1/Scope.js';
import { relayMessages } from '../../api/load.js';
import { IDENTITY_HEADER, SCOPE_HEADER, WANTS_CHANGES_HEADER } from '../../api/relay.js';
import { ApiError } from '../../api/status.js';
import { AddressError, parsePrefix } from '../../model/address.js';
import type { Scope } from '../../model/scope.js';

/** Who calls, and what that is to be allowed and told. */
export interface Caller {
  /** The identity; empty for a caller of this host. */
  readonly author: string;
  /** What may be read and changed; undefined: everything. */
  readonly scope: Scope | undefined;
  /** What is changed is to be told in a trailer. */
  readonly wantsChanges: boolean;
}

/**
 * Reads the metadata of a call.
 *
 * @throws ApiError INVALID_FIELD if it cannot be read: nobody may do more since a scope is not understood.
 */
export function callerOf({ metadata }: { readonly metadata: Metadata }): Caller {
  const [scope] = metadata.get(SCOPE_HEADER);
  return {
    author: authorOf({ metadata }),
    scope: scope === undefined ? undefined : parseScope(scope),
    wantsChanges: metadata.get(WANTS_CHANGES_HEADER).length > 0,
  };
}

/** The identity of a gateway's caller; empty for a caller of this host. */
export function authorOf({ metadata }: { readonly metadata: Metadata }): string {
  const [identity] = metadata.get(IDENTITY_HEADER);
  return typeof identity === 'string' ? identity : '';
}

function parseScope(value: string | Buffer): Scope {
  if (!Buffer.isBuffer(value)) throw unreadable('it is a text');
  const { grants, resourcesPerOwner } = decode(value);
  try {
    return {
      grants: grants.map(({ groups, interfaces, owners }) => ({ groups: groups.map(parsePrefix), interfaces, owners })),
      resourcesPerOwner,
    };
  } catch (error) {
    if (error instanceof AddressError) throw unreadable(error.message, error);
    throw error;
  }
}

function decode(value: Buffer): Scope__Output {
  try {
    return relayMessages().scope.deserialize(value);
  } catch (error) {
    throw unreadable('it is no Scope', error);
  }
}

function unreadable(what: string, cause?: unknown): ApiError {
  return new ApiError('INVALID_FIELD', `${SCOPE_HEADER}: ${what}: gateway and agent must be of versions that fit`, {
    cause,
  });
}
