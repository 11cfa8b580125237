// What settings of interfaces come to, said apart from how the fib takes them together: for the oracle of properties.
import { type InterfaceConditions, NO_CONDITIONS } from '../../src/agent/fib/explain.js';
import type { Prefix } from '../../src/model/address.js';
import { type InterfaceSettings, type Link, PLAIN_INTERFACE } from '../../src/model/interface.js';

/** Settings of an interface that are plain but for what differs. */
export function interfaceSettings(
  name: string,
  differing: Partial<Omit<InterfaceSettings, 'key'>> = {},
): InterfaceSettings {
  return { key: { kind: 'interface', name }, ...PLAIN_INTERFACE, ...differing };
}

/**
 * What the settings of all owners come to: the highest threshold, all boundaries, and no part for whom one owner wants
 * none.
 *
 * @param unset names of the interfaces that take no part unless someone says so
 */
export function conditionsOf(all: Iterable<InterfaceSettings>, unset: Iterable<string> = []): InterfaceConditions {
  const ttlThresholds = new Map<string, number>();
  const boundaries = new Map<string, Prefix[]>();
  const disabled = new Set(unset);
  const settings = [...all];
  for (const { key, isEnabled } of settings) if (isEnabled === true) disabled.delete(key.name);
  for (const { key, ttlThreshold, isEnabled, boundaries: own } of settings) {
    ttlThresholds.set(key.name, Math.max(ttlThreshold, ttlThresholds.get(key.name) ?? 1));
    boundaries.set(key.name, [...(boundaries.get(key.name) ?? []), ...own]);
    if (isEnabled === false) disabled.add(key.name);
  }
  return { ...NO_CONDITIONS, ttlThresholds, boundaries, disabled };
}

/** Names of the links whose packets are a bridge's. */
export function portsOf(links: readonly Link[]): ReadonlySet<string> {
  const bridges = links.filter(({ kind }) => kind === 'bridge').map(({ ifindex }) => ifindex);
  return new Set(links.filter(({ masterIfindex }) => bridges.includes(masterIfindex ?? 0)).map(({ name }) => name));
}
