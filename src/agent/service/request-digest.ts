// Tells whether two requests with one id ask for the same.
import { createHash } from 'node:crypto';
import type { Change } from '../../model/change.js';
import type { Resource } from '../../model/resource.js';

/**
 * A digest of what a request asks for; not of how it was encoded.
 *
 * @param method and whatever else it says beside its elements
 */
export function requestDigest(method: readonly (string | number)[], elements: Iterable<Change | Resource>): string {
  const hash = createHash('sha256').update(JSON.stringify(method));
  for (const element of elements) hash.update('\n').update(JSON.stringify(element));
  return hash.digest('hex');
}
