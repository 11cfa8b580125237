import type { Prefix } from './address.js';
import { INTERFACE_NAME_MAX } from './limits.js';

/** What identifies an interface: its name, never its index. */
export interface InterfaceKey {
  readonly kind: 'interface';
  readonly name: string;
}

/** What is wanted of an interface beyond its use by rules. */
export interface InterfaceSettings {
  readonly key: InterfaceKey;
  /** Threshold of its oifs that have none of their own, 1..254. IPv4 only. */
  readonly ttlThreshold: number;
  /**
   * Whether it takes part in forwarding: without, it gets no vif, and groups are joined on it all the same. Undefined: as
   * the agent has it for interfaces of which nobody says anything.
   */
  readonly isEnabled: boolean | undefined;
  /** Ask for memberships there while no other querier does (RFC 2236, 3376, 2710, 3810). */
  readonly isQuerier: boolean;
  /** Announce the router to the switches there (RFC 4286). */
  readonly isAdvertised: boolean;
  /** Groups that never enter or leave there (RFC 2365), each once, in the order of their texts. */
  readonly boundaries: readonly Prefix[];
}

/** What holds for an interface of which nobody says anything. */
export const PLAIN_INTERFACE: Omit<InterfaceSettings, 'key'> = {
  ttlThreshold: 1,
  isEnabled: undefined,
  isQuerier: false,
  isAdvertised: false,
  boundaries: [],
};

/** An interface as the kernel has it. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** IFF_UP: switched on by the administrator; says nothing of the carrier. */
  readonly isUp: boolean;
  /** IFF_LOOPBACK. */
  readonly isLoopback: boolean;
  /** IFF_MULTICAST. */
  readonly hasMulticast: boolean;
  /** IFF_LOWER_UP: there is a carrier. */
  readonly hasCarrier: boolean;
  /** The interface it is enslaved to (bridge, bond, VRF); undefined if none. */
  readonly masterIfindex: number | undefined;
  /** Kind as in `ip link add type KIND`, such as `veth`; undefined for hardware. */
  readonly kind: string | undefined;
  /** Table of a VRF (IFLA_VRF_TABLE); undefined for all else. */
  readonly vrfTable: number | undefined;
  readonly mtu: number;
}

/** Whether the text can be the name of an interface (`dev_valid_name` in the kernel). */
export function isInterfaceName(text: string): boolean {
  return (
    text.length > 0 &&
    Buffer.byteLength(text) <= INTERFACE_NAME_MAX &&
    text !== '.' &&
    text !== '..' &&
    !/[/:\s\0]/.test(text)
  );
}

/** Whether the text is a wildcard: a beginning of interface names, then `+`. */
export function isWildcard(text: string): boolean {
  return text.endsWith('+');
}

/** Whether the name is the pattern or, for a wildcard, begins with what stands before its `+`. */
export function matchesInterface(pattern: string, name: string): boolean {
  return isWildcard(pattern) ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
