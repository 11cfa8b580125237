// What it means to rules that an interface is enslaved to another one.
import type { Link } from '../../model/interface.js';
import type { IifHindrance } from '../../model/resource.js';

/**
 * Why no rule of the table gets packets that arrive on the interface; undefined if they do.
 *
 * @param table as the kernel knows it; undefined if packets of any VRF may be led to it
 */
export function iifHindrance(master: Link | undefined, table: number | undefined): IifHindrance | undefined {
  if (master === undefined) return undefined;
  const { name, kind, vrfTable } = master;
  if (kind !== undefined && TAKING_KINDS.has(kind)) return { reason: 'BRIDGE_PORT', master: name, masterKind: kind };
  if (vrfTable !== undefined && table !== undefined && vrfTable !== table)
    return { reason: 'VRF_TABLE', vrf: name, vrfTable };
  return undefined;
}

/**
 * Whether mrules match packets of the interface by its name. Those of a VRF's slaves have the VRF as iif there
 * (`l3mdev_update_flow`), and the kernel's own rule leads them to its table.
 */
export function isNameSeenByMrules(master: Link | undefined): boolean {
  return master?.vrfTable === undefined;
}

/**
 * Masters that make what arrives on their ports their own before routing sees it (`br_handle_frame`,
 * `bond_handle_frame`, `team_handle_frame`). What routing sends out of a port leaves all the same.
 */
const TAKING_KINDS: ReadonlySet<string> = new Set(['bridge', 'bond', 'team']);
