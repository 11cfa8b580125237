// What rules answer for a source, and which (S,G) entry an upcall makes. The upcall thread has a C++ twin of this file.
import { type Address, holds } from '../../model/address.js';
import type { VifOif, VifRule } from '../kernel/port.js';
import { NO_OIFS, hasVif, uniteOifs } from './oifs.js';

/** The content of an (S,G) entry. */
export interface FlowEntry {
  readonly iif: number;
  readonly oifs: readonly VifOif[];
}

/** Whether the rule's source prefix has the source and no `except` takes it out. */
export function matchesSource(rule: VifRule, source: Address): boolean {
  return holds(rule.source, source) && !rule.except.some((prefix) => holds(prefix, source));
}

/**
 * Where packets of the source go that arrive on the iif: the union of the oifs of all rules that match, nothing if a
 * deny rule does. All rules must cover the group.
 */
export function answer(rules: readonly VifRule[], iif: number, source: Address): readonly VifOif[] {
  return unite(rules.filter((rule) => rule.iif === iif && matchesSource(rule, source)));
}

/** The answers that are not empty, by iif in ascending order: the iifs that the source may use. */
export function answers(rules: readonly VifRule[], source: Address): ReadonlyMap<number, readonly VifOif[]> {
  const matching = rules.filter((rule) => matchesSource(rule, source));
  const iifs = [...new Set(matching.map((rule) => rule.iif))].sort((a, b) => a - b);
  const found = new Map<number, readonly VifOif[]>();
  for (const iif of iifs) {
    const oifs = unite(matching.filter((rule) => rule.iif === iif));
    if (oifs.length > 0) found.set(iif, oifs);
  }
  return found;
}

/** The union of the oifs of rules that all match; nothing if one of them denies. */
export function unite(matching: readonly VifRule[]): readonly VifOif[] {
  let oifs = NO_OIFS;
  for (const rule of matching) {
    if (rule.deny) return NO_OIFS;
    oifs = uniteOifs(oifs, rule.oifs);
  }
  return oifs;
}

/**
 * The (S,G) entry that answers a NOCACHE upcall; undefined where none may be made, because every iif of the source is
 * served by a (*,G) entry, which an (S,G) entry would shadow.
 *
 * @param upcallIifs bit set of the iifs that (S,G) entries serve
 */
export function decideUpcall(
  rules: readonly VifRule[],
  upcallIifs: number,
  source: Address,
  arrival: number,
): FlowEntry | undefined {
  const found = answers(rules, source);
  const here = found.get(arrival);
  if (here !== undefined) return { iif: arrival, oifs: here };
  if (found.size === 0) return { iif: arrival, oifs: NO_OIFS };
  for (const [iif, oifs] of found) if (found.size === 1 || hasVif(upcallIifs, iif)) return { iif, oifs };
  return undefined;
}

/** The entry that answers a WRONGVIF upcall: the source has moved to the arrival vif, if rules let it in there. */
export function decideMove(rules: readonly VifRule[], source: Address, arrival: number): FlowEntry | undefined {
  const oifs = answer(rules, arrival, source);
  return oifs.length > 0 ? { iif: arrival, oifs } : undefined;
}

/**
 * What becomes of an (S,G) entry when rules have changed: its new content, or undefined where it must go, because it
 * would shadow a (*,G) entry that serves the source, or because only an upcall can tell the iif.
 */
export function decideStaying(rules: readonly VifRule[], upcallIifs: number, source: Address, current: FlowEntry) {
  const found = answers(rules, source);
  if (found.size === 0) return { iif: current.iif, oifs: NO_OIFS };
  if (found.size > 1) {
    const oifs = hasVif(upcallIifs, current.iif) ? found.get(current.iif) : undefined;
    return oifs && { iif: current.iif, oifs };
  }
  const [only] = found;
  return only && { iif: only[0], oifs: only[1] };
}
