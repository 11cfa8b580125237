// Groups that the agent itself joins, as wishes of the fib beside those of the owners.
import { anyPrefix, hostPrefix } from '../../model/address.js';
import type { Membership, MembershipKey } from '../../model/membership.js';
import { formatResourceKey } from '../../model/resource.js';
import type { OwnJoin } from './types.js';

/** The wishes by their ids in the fib, which are texts; those of the owners' wishes are not. */
export function ownWishes(joins: readonly OwnJoin[]): ReadonlyMap<string, Membership> {
  return new Map(
    joins.map(({ interface: name, group }) => {
      const source = anyPrefix(group.family);
      const key: MembershipKey = { kind: 'membership', interface: name, group: hostPrefix(group), source };
      return [formatResourceKey(key), { key, label: '' }];
    }),
  );
}
