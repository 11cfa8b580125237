// From commands to changes of the API. Pure.
import type { Change } from '../../api/generated/mcroute/v1/Change.js';
import type { InterfaceStatus__Output } from '../../api/generated/mcroute/v1/InterfaceStatus.js';
import { type Prefix, formatPrefix, isAny } from '../../model/address.js';
import { isWildcard, matchesInterface } from '../../model/interface.js';
import { CONFIG_OWNER } from '../../model/owner.js';
import { type ChangeCommand, type Flow, flowText } from './command.js';
import type { Held } from './held.js';

/** What a command comes to: changes, or the reason why it cannot be. */
export type Plan =
  | { readonly kind: 'changes'; readonly changes: readonly Change[] }
  | { readonly kind: 'refused'; readonly text: string };

/** What a table has, for those commands that depend on it. */
export interface Present {
  readonly held: Held;
  readonly interfaces: readonly InterfaceStatus__Output[];
}

/** Whether a command can be planned without knowing what the table has. */
export function isBlind({ kind }: ChangeCommand): boolean {
  return kind === 'add';
}

/** Plans commands that follow each other; what they make is noted as held for those that depend on it. */
export function planCommands(commands: readonly ChangeCommand[], present: Present): Plan[] {
  const isNoted = !commands.every(isBlind);
  return commands.map((command) => {
    switch (command.kind) {
      case 'add':
        return planAdd(command.flow, command.oifs, isNoted ? present.held : undefined);
      case 'remove':
        return command.oifs.length === 0
          ? planRemove(command.flow, present.held)
          : planRemoveOifs(command.flow, command.oifs, present.held);
      case 'join':
      case 'leave':
        return planMembership(command.kind, command.flow, present);
    }
  });
}

function planAdd(flow: Flow, names: readonly string[], held: Held | undefined): Plan {
  const key = mrouteKey(flow);
  held?.setOwn(key, [...(held.own(key) ?? []), ...names]);
  return changes({ addOifs: { key, oifs: names.map(oif), except: [], deny: false, label: '' } });
}

function planRemove(flow: Flow, held: Held): Plan {
  const key = mrouteKey(flow);
  if (held.own(key) === undefined) return refused(noRouteText(flow, held));
  held.setOwn(key, undefined);
  return changes({ delete: { mroute: key } });
}

/** Names that are no oifs of the rule are skipped, as smcroute does, unless packets would leave there nevertheless. */
function planRemoveOifs(flow: Flow, names: readonly string[], held: Held): Plan {
  const key = mrouteKey(flow);
  const own = held.own(key);
  if (own === undefined) return refused(noRouteText(flow, held));
  for (const name of names) {
    if (own.has(name)) continue;
    const wildcard = [...own].find((pattern) => isWildcard(pattern) && matchesInterface(pattern, name));
    if (wildcard !== undefined) return refused(`${flowText(flow)} has ${name} by the wildcard ${wildcard}`);
    const [owner] = held.others(key).find(([, oifs]) => oifs.has(name)) ?? [];
    if (owner !== undefined) return refused(`${name} of route ${flowText(flow)} is ${ownerText(owner, held)}`);
  }
  const gone = names.filter((name) => own.has(name));
  if (gone.length === 0) return changes();
  held.setOwn(
    key,
    [...own].filter((name) => !gone.includes(name)),
  );
  return changes({ removeOifs: { key, oifs: gone.map(oif) } });
}

/** A wildcard stands for the interfaces that are there now (join), or that have the group (leave). */
function planMembership(kind: 'join' | 'leave', flow: Flow, { held, interfaces }: Present): Plan {
  const names = isWildcard(flow.interface)
    ? interfaces
        .filter((status) => canJoin(status) && matchesInterface(flow.interface, status.name))
        .map((one) => one.name)
    : [flow.interface];
  const keys = names.map((name) => membershipKey(flow, name));
  if (kind === 'join') {
    const absent = keys.filter((key) => held.own(key) === undefined && !isOfFile(held, key));
    if (keys.length === 0) return refused(`no interface matches ${flow.interface}`);
    if (absent.length === 0) return refused(`Already joined ${flowText(flow)} on ${flow.interface}`);
    for (const key of absent) held.setOwn(key, []);
    return changes(...absent.map((key): Change => ({ put: { membership: { key, label: '' } } })));
  }
  const own = keys.filter((key) => held.own(key) !== undefined);
  if (own.length === 0) {
    const [owner] = keys.flatMap((key) => held.others(key))[0] ?? [];
    const why = owner === undefined ? '' : `: it is ${ownerText(owner, held)}`;
    return refused(`No group ${flowText(flow)} on ${flow.interface} to leave${why}`);
  }
  for (const key of own) held.setOwn(key, undefined);
  return changes(...own.map((key): Change => ({ delete: { membership: key } })));
}

/** Whether joins by a wildcard are meant for the interface. */
function canJoin({ ifindex, up, multicast, name }: InterfaceStatus__Output): boolean {
  return ifindex !== 0 && up && multicast && !/^pim6?reg/.test(name);
}

function isOfFile(held: Held, key: Parameters<Held['others']>[0]): boolean {
  return held.others(key).some(([owner]) => owner === CONFIG_OWNER);
}

function noRouteText(flow: Flow, held: Held): string {
  const [owner] = held.others(mrouteKey(flow))[0] ?? [];
  const why = owner === undefined ? '' : `: it is ${ownerText(owner, held)}`;
  return `No route ${flowText(flow)} from ${flow.interface} to remove${why}`;
}

function ownerText(owner: string, held: Held): string {
  return owner === CONFIG_OWNER
    ? 'in the configuration file: change that and reload'
    : `of owner '${owner}', not '${held.owner}'`;
}

function changes(...list: readonly Change[]): Plan {
  return { kind: 'changes', changes: list };
}

function refused(text: string): Plan {
  return { kind: 'refused', text };
}

function mrouteKey(flow: Flow) {
  return { iif: flow.interface, source: sourceText(flow.source), group: formatPrefix(flow.group) };
}

function membershipKey(flow: Flow, name: string) {
  return { interface: name, source: sourceText(flow.source), group: formatPrefix(flow.group) };
}

function sourceText(source: Prefix): string {
  return isAny(source) ? '' : formatPrefix(source);
}

function oif(name: string) {
  return { interface: name };
}
