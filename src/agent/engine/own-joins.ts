// Groups that the agent itself joins, as wishes of the fib beside those of the owners.
import { anyPrefix, hostPrefix } from '../../model/address.js';
import type { Membership, MembershipKey } from '../../model/membership.js';
import { formatResourceKey } from '../../model/resource.js';
import { wishId } from '../rib/wish-id.js';
import type { OwnJoin } from './types.js';

/** Whose joins are those of the agent; no owner's name has a `*`. */
const OWN_JOINS = '*';

/** The wishes by their ids in the fib. */
export function ownWishes(joins: readonly OwnJoin[]): ReadonlyMap<string, Membership> {
  return new Map(
    joins.map(({ interface: name, group }) => {
      const source = anyPrefix(group.family);
      const key: MembershipKey = { kind: 'membership', interface: name, group: hostPrefix(group), source };
      return [wishId(OWN_JOINS, formatResourceKey(key)), { key, label: '' }];
    }),
  );
}
