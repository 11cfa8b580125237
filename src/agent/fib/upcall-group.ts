// What the upcall thread is told of a group or group prefix.
import type { UpcallGroup, VifRule } from '../kernel/port.js';
import { ALL_VIFS, hasVif, sameOifs, vifSet } from './oifs.js';
import type { Holder } from './rule.js';
import type { GroupProgram } from './star-g.js';

/**
 * The rules of the holder, less the vifs that the kernel does not have: it would leave such oifs out of an entry without a word
 * (`ipmr_update_thresholds`), and nothing arrives on such iifs. They are told again when the vifs are there.
 *
 * @param program of the group; undefined for a group prefix
 */
export function upcallGroupOf(
  { group, barredVifs }: Pick<Holder, 'group' | 'barredVifs'>,
  rules: readonly VifRule[],
  program: GroupProgram | undefined,
  liveVifs: number,
): UpcallGroup {
  return {
    group,
    upcallIifs: program?.upcallIifs ?? ALL_VIFS,
    barredVifs,
    rules: rules.every((rule) => isLive(rule, liveVifs)) ? rules : restrictRules(rules, liveVifs),
  };
}

/** Whether the upcall thread already has just this; undefined: it has nothing. */
export function sameUpcallGroup(given: UpcallGroup | undefined, group: UpcallGroup): boolean {
  if (given === undefined) return isForgotten(group);
  return (
    given.upcallIifs === group.upcallIifs &&
    given.barredVifs === group.barredVifs &&
    given.rules.length === group.rules.length &&
    given.rules.every((rule, index) => sameRule(rule, group.rules[index] ?? rule))
  );
}

/** Whether it tells the upcall thread to forget the prefix. */
export function isForgotten({ rules, barredVifs }: UpcallGroup): boolean {
  return rules.length === 0 && barredVifs === 0;
}

/** Boundaries come before rules and go after them: packets that come between two groups do not slip through. */
export function orderUpcallGroups(groups: readonly UpcallGroup[]): UpcallGroup[] {
  const [barring, others] = [new Array<UpcallGroup>(), new Array<UpcallGroup>()];
  for (const group of groups) (group.barredVifs === 0 ? others : barring).push(group);
  return [...barring, ...others];
}

function isLive(rule: VifRule, liveVifs: number): boolean {
  return hasVif(liveVifs, rule.iif) && (vifSet(rule.oifs) & ~liveVifs) === 0;
}

function restrictRules(rules: readonly VifRule[], liveVifs: number): VifRule[] {
  return rules
    .filter((rule) => hasVif(liveVifs, rule.iif))
    .map((rule) => ({ ...rule, oifs: rule.oifs.filter(({ vif }) => hasVif(liveVifs, vif)) }));
}

/** Prefixes and excepts are those of the wish: the same wish has the same objects. */
function sameRule(a: VifRule, b: VifRule): boolean {
  if (a === b) return true;
  if (a.iif !== b.iif || a.deny !== b.deny || !sameOifs(a.oifs, b.oifs)) return false;
  return a.source === b.source && a.except === b.except;
}
