// Entries that an earlier agent left in the kernel, told by vif number: how the mirror begins.
import type { Address } from '../../model/address.js';
import { VIF_LIMIT } from '../../model/limits.js';
import type { HeldState, MfcDumpEntry } from '../kernel/port.js';
import { NO_OIFS } from './oifs.js';
import type { FlowEntry } from './upcall.js';

/** An entry of which everything is known. */
export interface HeldEntry extends FlowEntry {
  /** Undefined for a (*,G) entry. */
  readonly source: Address | undefined;
  readonly group: Address;
}

/** The entry by vif numbers; undefined if it names an interface that has none, or whose is not there. */
export function resolveHeld(entry: MfcDumpEntry, numberOf: ReadonlyMap<number, number>): HeldEntry | undefined {
  const iif = entry.iif === undefined ? undefined : numberOf.get(entry.iif);
  if (iif === undefined) {
    // An entry that drops needs no iif, and the kernel forgets it with the interface.
    const isDrop = entry.source !== undefined && entry.iif === undefined && entry.oifs.length === 0;
    return isDrop ? { source: entry.source, group: entry.group, iif: 0, oifs: NO_OIFS } : undefined;
  }
  const oifs = entry.oifs.flatMap(({ ifindex, ttlThreshold }) => {
    const vif = numberOf.get(ifindex);
    return vif === undefined ? [] : [{ vif, ttlThreshold }];
  });
  if (oifs.length < entry.oifs.length) return undefined;
  const { source, group } = entry;
  return { source, group, iif, oifs: oifs.length === 0 ? NO_OIFS : oifs.sort((a, b) => a.vif - b.vif) };
}

/**
 * Vif numbers of interfaces that went while no agent ran. Any entry may still have one, which the kernel does not tell as
 * long as there is no such vif, and obeys again as soon as there is.
 */
export function lostVifs({ vifs, vifNames }: HeldState): number[] {
  const numbers =
    vifNames === undefined
      ? Array.from({ length: VIF_LIMIT }, (_, number) => number)
      : Array.from(vifNames).flatMap(([number, { isUnused }]) => (isUnused ? [] : [number]));
  return numbers.filter((number) => !vifs.has(number));
}
