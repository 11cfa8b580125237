// Compares the kernel's forwarding cache with its mirror: what did others change?
import { type Address, addressKey, anyPrefix, hostPrefix } from '../../model/address.js';
import type { Link } from '../../model/interface.js';
import { formatFlow } from '../../model/mroute.js';
import type { MfcDumpEntry } from '../kernel/port.js';
import type { MfcView } from './views.js';

/** An entry of the mirror that the kernel does not have, or has otherwise. */
export interface LostEntry {
  readonly source: Address | undefined;
  readonly group: Address;
  /** The kernel has an entry in its place. */
  readonly isChanged: boolean;
}

export interface MfcAudit {
  readonly lost: readonly LostEntry[];
  /** What the kernel has and the mirror does not. */
  readonly foreign: readonly MfcDumpEntry[];
}

/**
 * Compares entries by the names of their interfaces, as a dump knows no vifs. Unresolved flows are left out.
 *
 * @param links by ifindex.
 */
export function auditMfc(
  mirror: Iterable<MfcView>,
  dump: readonly MfcDumpEntry[],
  links: ReadonlyMap<number, Link>,
): MfcAudit {
  const nameOf = (ifindex: number | undefined) => links.get(ifindex ?? 0)?.name ?? '';
  const actual = new Map<string, MfcDumpEntry>();
  for (const entry of dump) {
    if (!entry.isUnresolved) actual.set(entryKey(entry.source, entry.group, nameOf(entry.iif)), entry);
  }
  const lost: LostEntry[] = [];
  for (const view of mirror) {
    const key = entryKey(view.source, view.group, view.iif);
    const found = actual.get(key);
    actual.delete(key);
    if (found !== undefined && isAlike(view, found, nameOf)) continue;
    lost.push({ source: view.source, group: view.group, isChanged: found !== undefined });
  }
  return { lost, foreign: [...actual.values()] };
}

/** `(S, G)` or `(*, G)` for the log. */
export function formatEntry(source: Address | undefined, group: Address): string {
  return formatFlow(source === undefined ? anyPrefix(group.family) : hostPrefix(source), hostPrefix(group));
}

/** A group may have a (*,G) entry for each iif, and one (S,G) entry for a source. */
function entryKey(source: Address | undefined, group: Address, iif: string): string {
  const groupKey = addressKey(group);
  return source === undefined ? `* ${groupKey} ${iif}` : `${addressKey(source)} ${groupKey}`;
}

function isAlike(view: MfcView, entry: MfcDumpEntry, nameOf: (ifindex: number | undefined) => string): boolean {
  // The kernel forgets the iif with its vif. Where nothing goes out, nobody needs it.
  const hasLostIif = entry.iif === undefined && view.oifs.length === 0;
  if (view.iif !== nameOf(entry.iif) && !hasLostIif) return false;
  if (view.oifs.length !== entry.oifs.length) return false;
  const thresholds = new Map(entry.oifs.map((oif) => [nameOf(oif.ifindex), oif.ttlThreshold]));
  return view.oifs.every((oif) => thresholds.get(oif.interface) === oif.ttlThreshold);
}
