// Sets of vifs as 32-bit words, and lists of oifs, always ordered by vif.
import type { VifOif } from '../kernel/port.js';

/** Every vif of a table (MAXVIFS is 32). */
export const ALL_VIFS = 0xffffffff;

/** No oifs; shared, because most answers for a vif are this one. */
export const NO_OIFS: readonly VifOif[] = [];

/** The set of one vif. */
export function vifBit(vif: number): number {
  return (1 << vif) >>> 0;
}

/** Whether the set has the vif. */
export function hasVif(set: number, vif: number): boolean {
  return ((set >>> vif) & 1) === 1;
}

/** The set of both; unsigned, as all sets here are. */
export function uniteVifs(a: number, b: number): number {
  return (a | b) >>> 0;
}

/** Whether the sets share a vif. */
export function meetsVifs(a: number, b: number): boolean {
  return (a & b) !== 0;
}

/** The vifs of a set, ascending. */
export function vifsIn(set: number): number[] {
  const vifs: number[] = [];
  for (let rest = set; rest !== 0; rest &= rest - 1) vifs.push(31 - Math.clz32(rest & -rest));
  return vifs;
}

/** The set of the oifs' vifs. */
export function vifSet(oifs: readonly VifOif[]): number {
  let set = 0;
  for (const { vif } of oifs) set |= 1 << vif;
  return set >>> 0;
}

/** The oifs of both lists; the lower threshold where both have a vif, because either rule alone lets the packet out. */
export function uniteOifs(a: readonly VifOif[], b: readonly VifOif[]): readonly VifOif[] {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const thresholds = new Map<number, number>();
  for (const { vif, ttlThreshold } of [...a, ...b]) {
    thresholds.set(vif, Math.min(ttlThreshold, thresholds.get(vif) ?? ttlThreshold));
  }
  return orderedOifs(thresholds);
}

/** A list of oifs from thresholds by vif. */
export function orderedOifs(thresholds: ReadonlyMap<number, number>): readonly VifOif[] {
  if (thresholds.size === 0) return NO_OIFS;
  const oifs = Array.from(thresholds, ([vif, ttlThreshold]) => ({ vif, ttlThreshold }));
  return oifs.sort((a, b) => a.vif - b.vif);
}

/** Whether both lists are the same. */
export function sameOifs(a: readonly VifOif[], b: readonly VifOif[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((oif, index) => oif.vif === b[index]?.vif && oif.ttlThreshold === b[index].ttlThreshold);
}
