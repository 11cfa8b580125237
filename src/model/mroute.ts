import { type Family, type Prefix, formatPrefix, isAny } from './address.js';

/** What identifies a rule: (S,G) or (*,G) with the iif. */
export interface MrouteKey {
  readonly kind: 'mroute';
  /** Interface the flow arrives on, or a wildcard such as `eth+`. */
  readonly iif: string;
  /** Length 0 is any source. */
  readonly source: Prefix;
  readonly group: Prefix;
}

/** One outgoing interface of a rule. */
export interface Oif {
  /** A name, or a wildcard such as `eth+`. */
  readonly interface: string;
  /** Packets whose TTL is not above this do not leave here, 1..254; undefined: the interface's own threshold. */
  readonly ttlThreshold: number | undefined;
}

/** A forwarding rule. Packets that match several rules go to the union of their oifs. */
export interface Mroute {
  readonly key: MrouteKey;
  readonly oifs: readonly Oif[];
  /** Sources that the rule does not match. */
  readonly except: readonly Prefix[];
  /** Matching packets are dropped, whatever other rules say. */
  readonly deny: boolean;
  /** For people and controllers; carried, never read. */
  readonly label: string;
}

/** The family of a rule; source and group have the same. */
export function mrouteFamily(key: MrouteKey): Family {
  return key.group.address.family;
}

/** `(S, G) iif`, as shown in logs, in the CLI and in errors. */
export function formatMrouteKey(key: MrouteKey): string {
  return `${formatFlow(key.source, key.group)} ${key.iif}`;
}

/** `(S, G)` or `(*, G)`. */
export function formatFlow(source: Prefix, group: Prefix): string {
  return `(${isAny(source) ? '*' : formatPrefix(source)}, ${formatPrefix(group)})`;
}
