// Commands that change the table, many in one call, each with a result of its own.
import type { ApplyResponse__Output } from '../../api/generated/mcroute/v1/ApplyResponse.js';
import type { Change } from '../../api/generated/mcroute/v1/Change.js';
import type { GetCapabilitiesResponse__Output } from '../../api/generated/mcroute/v1/GetCapabilitiesResponse.js';
import type { InterfaceStatus__Output } from '../../api/generated/mcroute/v1/InterfaceStatus.js';
import type { ListInterfacesResponse__Output } from '../../api/generated/mcroute/v1/ListInterfacesResponse.js';
import type { RoutingServiceClient } from '../../api/generated/mcroute/v1/RoutingService.js';
import { ApiError, type Reason, fromStatusMessage } from '../../api/status.js';
import { formatPrefix } from '../../model/address.js';
import { isWildcard } from '../../model/interface.js';
import { COMMAND_OWNER } from '../../model/owner.js';
import type { Channel } from '../channel.js';
import { type Plan, type Present, isBlind, planCommands } from './changes.js';
import type { ChangeCommand } from './command.js';
import { linesOf } from './errors.js';
import { Held } from './held.js';

/** The daemon at the socket. */
export type Daemon = Channel<RoutingServiceClient>;

/**
 * Applies commands of an owner in order, some thousands at most; tells what is wrong with each, in lines, and none for those
 * that the kernel has. A command that fails does not keep the others from being done.
 */
export async function applyCommands(
  daemon: Daemon,
  owner: string,
  commands: readonly ChangeCommand[],
): Promise<string[][]> {
  const present = await readPresent(daemon, owner, commands);
  const plans = planCommands(commands, present);
  try {
    return await applyPlans(daemon, owner, plans);
  } catch (error) {
    if (!isOfAChange(error)) throw error;
    if (plans.length === 1) return [linesOf(error)];
  }
  // An Apply takes all or nothing, and its error names one change at most.
  const failures: string[][] = [];
  for (const plan of plans) failures.push(await applyAlone(daemon, owner, plan));
  return failures;
}

/** Reasons for which a change may be refused while others are taken. */
const REASONS_OF_A_CHANGE: ReadonlySet<Reason> = new Set<Reason>(['INVALID_FIELD', 'NOT_FOUND', 'RESOURCE_LIMIT']);

function isOfAChange(error: unknown): boolean {
  return error instanceof ApiError && REASONS_OF_A_CHANGE.has(error.reason);
}

async function applyAlone(daemon: Daemon, owner: string, plan: Plan): Promise<string[]> {
  try {
    return (await applyPlans(daemon, owner, [plan])).flat();
  } catch (error) {
    if (!isOfAChange(error)) throw error;
    return linesOf(error);
  }
}

async function applyPlans(daemon: Daemon, owner: string, plans: readonly Plan[]): Promise<string[][]> {
  const changes: Change[] = [];
  for (const [id, plan] of plans.entries()) {
    if (plan.kind === 'changes') for (const change of plan.changes) changes.push({ id, ...change });
  }
  const failures = plans.map((plan) => (plan.kind === 'refused' ? [plan.text] : []));
  if (changes.length === 0) return failures;
  const { results } = await daemon.ask<ApplyResponse__Output>((client, options, callback) =>
    client.apply({ owner, changes, results: 'RESULT_VIEW_NOTABLE' }, options, callback),
  );
  for (const { id, entry } of results) {
    if (entry?.state === 'STATE_FAILED') failures[Number(id)]?.push(failureText(entry.error));
  }
  return failures;
}

function failureText(error: Parameters<typeof fromStatusMessage>[0] | null): string {
  return error === null ? 'the kernel has refused it' : fromStatusMessage(error).message;
}

/** Whose resources the commands change; an agent that does not say it is of an earlier version. */
export async function readOwner(daemon: Daemon): Promise<string> {
  const { commandOwner } = await daemon.ask<GetCapabilitiesResponse__Output>((client, options, callback) =>
    client.getCapabilities({}, options, callback),
  );
  return commandOwner === '' ? COMMAND_OWNER : commandOwner;
}

async function readPresent(daemon: Daemon, owner: string, commands: readonly ChangeCommand[]): Promise<Present> {
  const held = new Held(owner);
  if (commands.every(isBlind)) return { held, interfaces: [] };
  const [only] = commands;
  const group = commands.length === 1 && only !== undefined ? formatPrefix(only.flow.group) : '';
  const filter = { group, kinds: ['KIND_MROUTE' as const, 'KIND_MEMBERSHIP' as const] };
  for await (const { entries } of daemon.read((client, options) => client.list({ filter }, options))) {
    for (const entry of entries) held.note(entry);
  }
  const needsInterfaces = commands.some(
    ({ kind, flow }) => (kind === 'join' || kind === 'leave') && isWildcard(flow.interface),
  );
  return { held, interfaces: needsInterfaces ? await readInterfaces(daemon) : [] };
}

/** The interfaces of the host, and those that are waited for. */
export async function readInterfaces(daemon: Daemon): Promise<readonly InterfaceStatus__Output[]> {
  const { interfaces } = await daemon.ask<ListInterfacesResponse__Output>((client, options, callback) =>
    client.listInterfaces({}, options, callback),
  );
  return interfaces;
}
