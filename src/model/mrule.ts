import type { Family } from './address.js';

/** A rule that sends multicast packets to a table, as `ip mrule` shows it. */
export interface Mrule {
  readonly family: Family;
  /** `iif`: packets that arrive on the interface. `oif`: those that a local program sends on it. */
  readonly direction: 'iif' | 'oif';
  /** Empty: the rule is for packets of every interface, as the kernel's default rule is. */
  readonly interface: string;
  readonly table: number;
  /** Lower ones are asked first, 1..2^32-1. */
  readonly priority: number;
  /** Who made it, FRA_PROTOCOL; 0 if it does not say. */
  readonly protocol: number;
}

/** FRA_PROTOCOL of the rules that mcroute makes, its mark of ownership; not among those of rt_protos. */
export const MRULE_PROTOCOL = 77;

/** Priority of the rules that mcroute makes: before the kernel's own default rule, 32767. */
export const MRULE_PRIORITY_DEFAULT = 4_000;
