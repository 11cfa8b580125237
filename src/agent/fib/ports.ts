// The interfaces of rules. Many rules have the same, and what follows from these alone is found out once for all of them.
import type { Mroute, Oif } from '../../model/mroute.js';
import type { Missing, Programming, State, Status, Warning, KernelFailure } from '../../model/resource.js';
import type { VifOif } from '../kernel/port.js';
import type { InterfaceUse, InterfaceUses } from './interface-uses.js';
import { orderedOifs } from './oifs.js';
import type { Rule } from './rule.js';
import type { InterfaceRole } from './usability.js';

/** The interfaces of rules of one family that have just these. */
export interface Ports {
  readonly iif: InterfaceUse<Ports>;
  readonly oifs: readonly PortOif[];
  /** A rule with `deny` does not ask for its oifs. */
  readonly deny: boolean;
  readonly rules: Set<Rule>;
  /** One for each iif that is there; undefined: must be resolved again. */
  ways: readonly Way[] | undefined;
  /** Undefined: must be found out again. */
  facts: PortFacts | undefined;
}

export interface PortOif {
  readonly use: InterfaceUse<Ports>;
  /** Undefined: the threshold of the interface. */
  readonly ttlThreshold: number | undefined;
}

/** The oifs of what arrives on an iif, as vifs. */
export interface Way {
  readonly iif: number;
  readonly oifs: readonly VifOif[];
}

/** What statuses of all rules with these ports have in common. */
export interface PortFacts {
  readonly missing: readonly Missing[];
  readonly isIifThere: boolean;
  /** There are oifs, and none of them is there. */
  readonly areOifsAway: boolean;
  /** The kernel has all vifs. */
  readonly areLive: boolean;
  /** Of a vif or an mrule. */
  readonly failure: KernelFailure | undefined;
  /** Interfaces at which boundaries may forbid a rule its iif or an oif. */
  readonly bounded: { readonly iifs: readonly string[]; readonly oifs: readonly string[] } | undefined;
  readonly warnings: PortWarnings;
  /** Statuses of rules that have nothing to say of their own; equal ones are one. */
  readonly statuses: Map<Programming | undefined, Partial<Record<State, Status>>>;
}

/** Warnings that come before those of a rule's source and group, between them, and after them. */
export interface PortWarnings {
  readonly loops: readonly Warning[];
  readonly thresholds: readonly Warning[];
  readonly interfaces: readonly Warning[];
}

/** What names mean at this moment. */
export interface Resolver {
  /** Undefined if the interface has no vif number or cannot be used. */
  vifOf(interfaceName: string): number | undefined;
  /** Threshold of oifs that have none of their own. */
  ttlThresholdOf(interfaceName: string): number;
}

/** The ports of all rules of one family. */
export class PortsBook {
  readonly uses: InterfaceUses<Ports, InterfaceRole>;
  readonly #all = new Map<string, Ports>();
  /** Found last: rules that come together tend to have the same. */
  #last: { readonly mroute: Mroute; readonly ports: Ports } | undefined;

  constructor(uses: InterfaceUses<Ports, InterfaceRole>) {
    this.uses = uses;
  }

  /** The ports of the rule, made if there are none; its rules are the caller's to add. */
  open(mroute: Mroute): Ports {
    if (this.#last !== undefined && samePorts(this.#last.mroute, mroute)) return this.#last.ports;
    const text = portsText(mroute);
    const ports = this.#all.get(text) ?? this.#make(mroute);
    this.#all.set(text, ports);
    this.#last = { mroute, ports };
    return ports;
  }

  /** The rule has these ports no longer. */
  release(rule: Rule): void {
    const { ports, mroute } = rule;
    ports.rules.delete(rule);
    if (ports.rules.size > 0) return;
    this.#all.delete(portsText(mroute));
    if (this.#last?.ports === ports) this.#last = undefined;
    this.uses.release(ports.iif, ports);
    for (const { use } of ports.oifs) this.uses.release(use, ports);
  }

  all(): Iterable<Ports> {
    return this.#all.values();
  }

  #make({ key, oifs, deny }: Mroute): Ports {
    const ports: Ports = {
      iif: this.uses.open('iif', key.iif),
      oifs: oifs.map((oif) => ({ use: this.uses.open('oif', oif.interface), ttlThreshold: oif.ttlThreshold })),
      deny,
      rules: new Set(),
      ways: undefined,
      facts: undefined,
    };
    ports.iif.users.add(ports);
    for (const { use } of ports.oifs) use.users.add(ports);
    return ports;
  }
}

function samePorts(a: Mroute, b: Mroute): boolean {
  return a.key.iif === b.key.iif && a.deny === b.deny && (a.oifs === b.oifs || sameOifs(a.oifs, b.oifs));
}

function sameOifs(a: readonly Oif[], b: readonly Oif[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]?.interface !== b[i]?.interface || a[i]?.ttlThreshold !== b[i]?.ttlThreshold) return false;
  }
  return true;
}

/** Names have no spaces. */
function portsText({ key, oifs, deny }: Mroute): string {
  let text = `${key.iif} ${deny ? 'deny' : 'allow'}`;
  for (const { interface: name, ttlThreshold } of oifs) text += ` ${name}@${ttlThreshold ?? ''}`;
  return text;
}

/** The way of each iif that the ports stand for; wildcard oifs leave the iif out. */
export function resolvePorts(ports: Ports, isIpv4: boolean, resolver: Resolver): readonly Way[] {
  const ways: Way[] = [];
  for (const name of ports.iif.members) {
    const iif = resolver.vifOf(name);
    if (iif !== undefined) ways.push({ iif, oifs: resolveOifs(ports, name, isIpv4, resolver) });
  }
  return ways;
}

function resolveOifs({ oifs }: Ports, iifName: string, isIpv4: boolean, resolver: Resolver): readonly VifOif[] {
  const thresholds = new Map<number, number>();
  for (const { use, ttlThreshold } of oifs) {
    for (const name of use.members) {
      if (name === iifName && use.pattern !== name) continue;
      const vif = resolver.vifOf(name);
      if (vif === undefined) continue;
      // The IPv6 entry is a bit set of oifs without thresholds (struct mf6cctl).
      const own = isIpv4 ? (ttlThreshold ?? resolver.ttlThresholdOf(name)) : 1;
      thresholds.set(vif, Math.min(own, thresholds.get(vif) ?? own));
    }
  }
  return orderedOifs(thresholds);
}
