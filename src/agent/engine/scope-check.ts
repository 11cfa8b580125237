// Whether a step is within what its caller may change.
import { type Resource, type ResourceKey, formatResourceKey } from '../../model/resource.js';
import { type Scope, scopeAllows, scopeHasOwner } from '../../model/scope.js';
import { type Rib, type Step, growthOf } from '../rib/rib.js';
import { EngineError } from './types.js';

/** Keys that a refusal names. */
const NAMED_MAX = 3;

/** @throws EngineError OUT_OF_SCOPE if nothing of the owner may be changed. */
export function checkOwner(scope: Scope | undefined, owner: string): void {
  if (scope === undefined || scopeHasOwner(scope, owner)) return;
  throw new EngineError('OUT_OF_SCOPE', `you may not change resources of the owner '${owner}'`);
}

/**
 * Checks both sides of every difference: what is taken away or replaced must be the caller's to change too.
 *
 * @throws EngineError OUT_OF_SCOPE, OWNER_FULL.
 */
export function checkScope(scope: Scope | undefined, { owner, differences }: Step, rib: Rib): void {
  if (scope === undefined) return;
  const outside: ResourceKey[] = [];
  for (const { key, before, after } of differences) {
    const isInside =
      (before === undefined || scopeAllows(scope, owner, before)) &&
      (after === undefined || scopeAllows(scope, owner, after));
    if (!isInside) outside.push(key);
  }
  if (outside.length > 0) throw new EngineError('OUT_OF_SCOPE', describeOutside(outside));
  const count = rib.countOf(owner) + growthOf(differences);
  if (isOverLimit(scope, count) && count > rib.countOf(owner)) throw ownerFull(scope, owner, count);
}

/**
 * Why a single change is not within the scope; undefined if it is.
 *
 * @param count resources that the owner has after it
 */
export function changeRefusal(
  scope: Scope | undefined,
  owner: string,
  { before, after, count }: { before: Resource | undefined; after: Resource | undefined; count: number },
): EngineError | undefined {
  if (scope === undefined) return undefined;
  for (const resource of [before, after]) {
    if (resource === undefined || scopeAllows(scope, owner, resource)) continue;
    return new EngineError('OUT_OF_SCOPE', describeOutside([resource.key]));
  }
  const isMore = before === undefined && after !== undefined;
  return isMore && isOverLimit(scope, count) ? ownerFull(scope, owner, count) : undefined;
}

function isOverLimit({ resourcesPerOwner: limit }: Scope, count: number): boolean {
  return limit !== 0 && count > limit;
}

function ownerFull({ resourcesPerOwner: limit }: Scope, owner: string, count: number): EngineError {
  return new EngineError(
    'OWNER_FULL',
    `the owner '${owner}' would have ${count} resources; at most ${limit} are allowed to you: remove some first`,
  );
}

function describeOutside(keys: readonly ResourceKey[]): string {
  const named = keys.slice(0, NAMED_MAX).map(formatResourceKey);
  const rest = keys.length > NAMED_MAX ? ` (and ${keys.length - NAMED_MAX} more)` : '';
  return `you may not change ${named.join('; ')}${rest}: groups, interfaces or owner are outside of what is yours`;
}
