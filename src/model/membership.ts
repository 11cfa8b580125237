import { type Prefix, isAny } from './address.js';
import { formatFlow } from './mroute.js';

/** What identifies a membership. */
export interface MembershipKey {
  readonly kind: 'membership';
  readonly interface: string;
  /** A prefix joins each group of it. */
  readonly group: Prefix;
  /** Length 0 joins from any source (ASM); else source-specific (SSM), each source of a prefix. */
  readonly source: Prefix;
}

/** A group that the host itself joins, so that switches and routers send it. */
export interface Membership {
  readonly key: MembershipKey;
  readonly label: string;
}

/** Whether the membership is source-specific. */
export function isSourceSpecific(key: MembershipKey): boolean {
  return !isAny(key.source);
}

/** `(S, G) interface`. */
export function formatMembershipKey(key: MembershipKey): string {
  return `${formatFlow(key.source, key.group)} ${key.interface}`;
}
