// What the kernel takes and a person may regret.
import {
  type Family,
  type Prefix,
  addressKey,
  formatPrefix,
  isHost,
  isLinkLocalGroup,
  overlaps,
} from '../../model/address.js';
import { type Link, isWildcard } from '../../model/interface.js';
import type { Warning } from '../../model/resource.js';
import { vifBit, vifsIn } from './oifs.js';
import type { PortFacts, PortWarnings, Ports } from './ports.js';
import type { Rule } from './rule.js';

/** What warnings of rules are made from. */
export interface WarningSources {
  linkOf(interfaceName: string): Link | undefined;
  vifName(vif: number): string | undefined;
  /** Other mrules on the interface. */
  conflictsOf(interfaceName: string): readonly Warning[];
  /** What the engine has found out about the interface, such as RP_FILTER. */
  interfaceWarningsOf(interfaceName: string): readonly Warning[];
  /** Of the family of the rule. */
  boundariesOf(interfaceName: string): readonly Prefix[];
}

/** The warnings of all rules with the ports. */
export function portWarnings(ports: Ports, family: Family, sources: WarningSources): PortWarnings {
  const iifs = ports.iif.members;
  const names = new Set([...iifs, ...ports.oifs.flatMap(({ use }) => use.members)]);
  return {
    loops: loopWarnings(ports),
    thresholds: thresholdWarnings(ports, family),
    interfaces: [
      ...Array.from(names).flatMap((name) => flagWarnings(sources.linkOf(name))),
      ...iifs.flatMap((name) => sources.conflictsOf(name)),
      ...Array.from(names).flatMap((name) =>
        sources.interfaceWarningsOf(name).filter(({ code }) => concerns(code, family, iifs.includes(name))),
      ),
    ],
  };
}

/** The interfaces of the ports that have boundaries; undefined if none has. One that denies asks for nothing. */
export function boundedPorts({ iif, oifs, deny }: Ports, sources: WarningSources): PortFacts['bounded'] {
  if (deny) return undefined;
  const iifs = namesOf(iif);
  // A wildcard oif does not stand for the iif.
  const leaving = oifs.flatMap(({ use }) =>
    namesOf(use).filter((name) => name === use.pattern || iifs.some((each) => each !== name)),
  );
  const isBounded = (name: string) => sources.boundariesOf(name).length > 0;
  const bounded = { iifs: iifs.filter(isBounded), oifs: [...new Set(leaving)].filter(isBounded) };
  return bounded.iifs.length + bounded.oifs.length === 0 ? undefined : bounded;
}

/** Whether the rule may have warnings that others with its ports have not. */
export function mayWarnItself({ mroute, holder }: Rule, { bounded }: PortFacts): boolean {
  if (bounded !== undefined || isLinkLocalGroup(mroute.key.group)) return true;
  return holder.kind === 'group' && holder.program.contested.size > 0;
}

/** All warnings of a rule. */
export function warningsOf(rule: Rule, { warnings, bounded }: PortFacts, sources: WarningSources): readonly Warning[] {
  return [
    ...warnings.loops,
    ...linkLocalWarnings(rule),
    ...shadowWarnings(rule, sources),
    ...warnings.thresholds,
    ...boundaryWarnings(rule, bounded, sources),
    ...warnings.interfaces,
  ];
}

function loopWarnings({ iif, oifs }: Ports): Warning[] {
  return oifs
    .map(({ use }) => use.pattern)
    .filter((name) => !isWildcard(name) && (name === iif.pattern || iif.members.includes(name)))
    .map((name) => ({ code: 'LOOP', text: `packets that arrive on ${name} are sent out of ${name} again` }));
}

function linkLocalWarnings({ mroute }: Rule): Warning[] {
  if (!isLinkLocalGroup(mroute.key.group)) return [];
  return [{ code: 'LINK_LOCAL_GROUP', text: 'no router forwards groups of link-local scope' }];
}

/** The kernel takes one iif for a source and group; where rules let it in on several, it serves one at a time. */
function shadowWarnings({ mroute, holder, compiled }: Rule, sources: WarningSources): Warning[] {
  const { source } = mroute.key;
  if (holder.kind === 'prefix' || !isHost(source) || mroute.deny) return [];
  const contested = holder.program.contested.get(addressKey(source.address)) ?? 0;
  const own = (compiled ?? []).reduce((set, { iif }) => set | vifBit(iif), 0);
  const others = vifsIn((contested & ~own) >>> 0).flatMap((vif) => sources.vifName(vif) ?? []);
  if (others.length === 0) return [];
  const text = `while the source arrives on ${rulePlace(mroute.key.iif)}, packets from it on ${others.join(', ')} are dropped, although rules let them in there`;
  return [{ code: 'SHADOWS', text }];
}

function rulePlace(iif: string): string {
  return isWildcard(iif) ? `one of ${iif}` : iif;
}

function thresholdWarnings({ oifs }: Ports, family: Family): Warning[] {
  const isAsked = oifs.some(({ ttlThreshold }) => ttlThreshold !== undefined && ttlThreshold > 1);
  if (family === 'ipv4' || !isAsked) return [];
  return [{ code: 'TTL_THRESHOLD_IPV6', text: 'the kernel has no TTL thresholds for IPv6; they have no effect' }];
}

/** Boundaries take away from what the rule asks for. */
function boundaryWarnings({ mroute }: Rule, bounded: PortFacts['bounded'], sources: WarningSources): Warning[] {
  if (bounded === undefined) return [];
  const warn = (names: readonly string[], verb: string) =>
    names.flatMap((name) =>
      sources
        .boundariesOf(name)
        .filter((boundary) => overlaps(boundary, mroute.key.group))
        .map((boundary) => ({ code: 'BOUNDARY' as const, text: `${formatPrefix(boundary)} does not ${verb} ${name}` })),
    );
  return [...warn(bounded.iifs, 'enter'), ...warn(bounded.oifs, 'leave')];
}

/** The names that a pattern stands for; an exact one also while its interface is away. */
function namesOf({ pattern, members }: Ports['iif']): readonly string[] {
  return isWildcard(pattern) ? members : [pattern];
}

function flagWarnings(link: Link | undefined): Warning[] {
  if (link === undefined || link.hasMulticast) return [];
  const cure = `ip link set ${link.name} multicast on`;
  return [{ code: 'NO_MULTICAST_FLAG', text: `${link.name} lacks the MULTICAST flag; set it with: ${cure}` }];
}

/** Reverse path filtering is of IPv4 and of what arrives. */
function concerns(code: Warning['code'], family: Family, isIif: boolean): boolean {
  if (code === 'RP_FILTER') return family === 'ipv4' && isIif;
  return code !== 'IPV6_DISABLED' || family === 'ipv6';
}
