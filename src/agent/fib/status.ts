// How far a resource has got on its way into the kernel.
import { holds, isHost } from '../../model/address.js';
import { type Link, isWildcard } from '../../model/interface.js';
import type { MembershipKey } from '../../model/membership.js';
import { mrouteFamily } from '../../model/mroute.js';
import type { KernelFailure, Missing, State, Status } from '../../model/resource.js';
import type { InterfaceUse } from './interface-uses.js';
import type { MembershipBook, MembershipWish } from './memberships.js';
import type { PortFacts, Ports } from './ports.js';
import { programmingOf } from './programming.js';
import type { Group, GroupFailure, Rule } from './rule.js';
import type { InterfaceRole } from './usability.js';
import type { Vif } from './vif-table.js';
import { type WarningSources, boundedPorts, mayWarnItself, portWarnings, warningsOf } from './warnings.js';

/** What statuses of rules are made from. */
export interface StatusSources extends WarningSources {
  /** Why a pattern that stands for nothing does not stand for interfaces that are there. */
  hindranceOf(pattern: string, role: InterfaceRole): Missing | undefined;
  vifOf(interfaceName: string): Vif | undefined;
  /** Whether the kernel has the vif for the interface that has its name now. */
  isLive(vif: Vif): boolean;
  /** Why packets of the interface do not reach the table. */
  mruleFailureOf(interfaceName: string): KernelFailure | undefined;
  /** Groups of which the kernel refused an entry. */
  failedGroups(): Iterable<Group>;
}

/** A resource that waits for something, and for nothing else. */
export function pendingStatus(missing: Missing | undefined): Status {
  return {
    state: 'pending',
    missing: missing === undefined ? [] : [missing],
    failure: undefined,
    warnings: [],
    programming: undefined,
  };
}

/** Why a name or wildcard stands for no interface; undefined if it stands for one. */
function missingOf({ pattern, members }: Pick<InterfaceUse<unknown>, 'pattern' | 'members'>): Missing[] {
  if (members.length > 0) return [];
  return [{ reason: isWildcard(pattern) ? 'NO_INTERFACE_MATCHES' : 'INTERFACE_NOT_FOUND', interface: pattern }];
}

/** The status of an interface's settings. */
export function interfaceStatus(name: string, link: Link | undefined): Status {
  if (link === undefined) return pendingStatus({ reason: 'INTERFACE_NOT_FOUND', interface: name });
  return { ...pendingStatus(undefined), state: 'programmed' };
}

/**
 * The status of a membership.
 *
 * @param wish undefined if the family is not there
 */
export function membershipStatus(
  key: MembershipKey,
  wish: MembershipWish | undefined,
  book: Pick<MembershipBook, 'progressOf'>,
): Status {
  if (wish === undefined) return pendingStatus({ reason: 'FAMILY_UNAVAILABLE', interface: key.interface });
  const [missing] = missingOf(wish.use);
  if (missing !== undefined) return pendingStatus(missing);
  const { failure, isJoined } = book.progressOf(wish);
  const state = failure !== undefined ? 'failed' : isJoined ? 'programmed' : 'pending';
  return { ...pendingStatus(undefined), state, failure };
}

/** The status of a rule; rules that have nothing to say of their own share theirs. */
export function ruleStatus(rule: Rule, sources: StatusSources): Status {
  const facts = (rule.ports.facts ??= findFacts(rule, sources));
  const failure = facts.failure ?? failureOf(rule, sources);
  const programming = facts.isIifThere ? programmingOf(rule) : undefined;
  const state = stateOf(rule, facts, failure);
  if (failure !== facts.failure || mayWarnItself(rule, facts)) {
    return { state, missing: facts.missing, failure, warnings: warningsOf(rule, facts, sources), programming };
  }
  let shared = facts.statuses.get(programming);
  if (shared === undefined) {
    shared = {};
    facts.statuses.set(programming, shared);
  }
  const warnings = () => warningsOf(rule, facts, sources);
  return (shared[state] ??= { state, missing: facts.missing, failure, warnings: warnings(), programming });
}

function stateOf(rule: Rule, facts: PortFacts, failure: KernelFailure | undefined): State {
  if (failure !== undefined) return 'failed';
  if (!facts.isIifThere || facts.areOifsAway || !rule.isSettled || !facts.areLive) return 'pending';
  return facts.missing.length > 0 ? 'partial' : 'programmed';
}

function findFacts({ ports, mroute }: Rule, sources: StatusSources): PortFacts {
  const { iif, oifs, deny, ways } = ports;
  const iifMissing = missingVifs(iif, 'iif', sources);
  const oifMissing = deny ? [] : oifs.map(({ use }) => missingOif(iif, use, sources));
  const names = [...iif.members, ...oifs.flatMap(({ use }) => use.members)];
  return {
    missing: [...iifMissing, ...oifMissing.flat()],
    isIifThere: iif.members.some((name) => sources.vifOf(name) !== undefined),
    areOifsAway: oifMissing.length > 0 && (ways ?? []).every((way) => way.oifs.length === 0),
    areLive: names.every((name) => {
      const vif = sources.vifOf(name);
      return vif === undefined || sources.isLive(vif);
    }),
    failure: interfaceFailure(names, iif.members, sources),
    bounded: boundedPorts(ports, sources),
    warnings: portWarnings(ports, mrouteFamily(mroute.key), sources),
    statuses: new Map(),
  };
}

/** What keeps the pattern from standing for vifs. Interfaces that are of no use are not among its members. */
function missingVifs(use: InterfaceUse<Ports>, role: InterfaceRole, sources: StatusSources): Missing[] {
  const hindrance = use.members.length === 0 ? sources.hindranceOf(use.pattern, role) : undefined;
  if (hindrance !== undefined) return [hindrance];
  const withoutVif = use.members.filter((name) => sources.vifOf(name) === undefined);
  return [...missingOf(use), ...withoutVif.map((name) => ({ reason: 'VIF_LIMIT', interface: name }) as const)];
}

/** The same for an oif; a wildcard that stands for nothing but the iif itself has nowhere to send to. */
function missingOif(iif: InterfaceUse<Ports>, use: InterfaceUse<Ports>, sources: StatusSources): Missing[] {
  const missing = missingVifs(use, 'oif', sources);
  if (missing.length > 0 || !isWildcard(use.pattern)) return missing;
  const [only, ...others] = use.members;
  const isIifOnly = others.length === 0 && iif.members.join() === only;
  if (!isIifOnly) return [];
  return [sources.hindranceOf(use.pattern, 'oif') ?? { reason: 'NO_INTERFACE_MATCHES', interface: use.pattern }];
}

function interfaceFailure(
  names: readonly string[],
  iifs: readonly string[],
  sources: StatusSources,
): KernelFailure | undefined {
  for (const name of names) {
    const failure = sources.vifOf(name)?.failure;
    if (failure !== undefined) return failure;
  }
  for (const name of iifs) {
    const failure = sources.mruleFailureOf(name);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function failureOf(rule: Rule, sources: StatusSources): KernelFailure | undefined {
  if (rule.holder.kind === 'group') return failureIn(rule.holder, rule);
  for (const group of sources.failedGroups()) {
    const failure = holds(rule.holder.group, group.address) ? failureIn(group, rule) : undefined;
    if (failure !== undefined) return failure;
  }
  return undefined;
}

function failureIn({ failures }: Group, rule: Rule): KernelFailure | undefined {
  return failures.find((failure) => isAbout(failure, rule))?.failure;
}

/** Whether the refused entry carries packets of the rule. */
function isAbout({ source, iif }: GroupFailure, { mroute, compiled }: Rule): boolean {
  if (source !== undefined) return holds(mroute.key.source, source);
  return !isHost(mroute.key.source) && (compiled ?? []).some((each) => each.iif === iif);
}
