// `smcroutectl show`.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { ListRequest } from '../../api/generated/mcroute/v1/ListRequest.js';
import type { MfcEntry__Output } from '../../api/generated/mcroute/v1/MfcEntry.js';
import { type Daemon, readInterfaces } from './apply.js';
import type { Noun } from './command.js';
import { type GroupRow, type RouteRow, groupRows, interfaceRows, joinedRows, pendingRows, routesOf } from './rows.js';
import { type Style, groupsText, interfacesText, pendingText, routesText } from './tables.js';

/** What is to be printed and how. */
export interface ShowOptions {
  readonly isJson: boolean;
  readonly isDetailed: boolean;
  readonly style: Style;
}

/** Asks the daemon; gives what is to be printed. */
export async function showText(daemon: Daemon, noun: Noun, options: ShowOptions): Promise<string> {
  switch (noun) {
    case 'routes':
      return showRoutes(daemon, options);
    case 'groups':
      return showGroups(daemon, options);
    case 'interfaces': {
      const interfaces = interfaceRows(await readInterfaces(daemon));
      return options.isJson ? json({ interfaces }) : interfacesText(interfaces, options.style);
    }
    case 'pending': {
      const pending = pendingRows(await readEntries(daemon, PENDING, ['KIND_MROUTE', 'KIND_MEMBERSHIP']));
      if (!options.isJson) return pendingText(pending, options.style);
      return json({
        pending: pending.map(({ kind, iif, source, group, oifs }) => ({ kind, iif, source, group, oifs })),
      });
    }
  }
}

/** What the kernel has, at least a part of it. */
const ACTIVE = ['STATE_PROGRAMMED', 'STATE_PARTIAL'] as const;

/** What it does not have, or not all of. */
const PENDING = ['STATE_PENDING', 'STATE_PARTIAL', 'STATE_FAILED'] as const;

async function showRoutes(daemon: Daemon, { isJson, isDetailed, style }: ShowOptions): Promise<string> {
  // The counters cost the daemon a lookup per route.
  const view = isDetailed && !isJson ? 'VIEW_FULL' : 'VIEW_BASIC';
  const mfc: MfcEntry__Output[] = [];
  for await (const page of daemon.read((client, options) => client.listMfc({ view }, options))) {
    for (const entry of page.entries) mfc.push(entry);
  }
  const routes = routesOf(await readEntries(daemon, ACTIVE, ['KIND_MROUTE'], view), mfc);
  if (isJson) {
    const { asm, ssm, kernel } = routes;
    return json({
      routes: { asm: asm.map(routeDocument), ssm: ssm.map(routeDocument), kernel: kernel.map(routeDocument) },
    });
  }
  const names = interfaceRows(await readInterfaces(daemon)).map(({ name }) => name.length);
  return routesText(routes, style, Math.max(0, ...names));
}

async function showGroups(daemon: Daemon, { isJson, isDetailed, style }: ShowOptions): Promise<string> {
  const conf = groupRows(await readEntries(daemon, ACTIVE, ['KIND_MEMBERSHIP']));
  if (isJson) return json({ groups: { conf: conf.map(groupDocument), kernel: joinedRows(conf).map(groupDocument) } });
  return groupsText(conf, isDetailed ? joinedRows(conf) : undefined, style);
}

type Filter = NonNullable<ListRequest['filter']>;

async function readEntries(
  daemon: Daemon,
  states: readonly (typeof ACTIVE | typeof PENDING)[number][],
  kinds: NonNullable<Filter['kinds']>,
  view: 'VIEW_BASIC' | 'VIEW_FULL' = 'VIEW_BASIC',
): Promise<Entry__Output[]> {
  const entries: Entry__Output[] = [];
  const filter: Filter = { kinds, states: [...states] };
  for await (const page of daemon.read((client, options) => client.list({ view, filter }, options))) {
    for (const entry of page.entries) entries.push(entry);
  }
  return entries;
}

function routeDocument({ source, group, iif, oifs }: RouteRow) {
  return { source, group, iif, oifs };
}

function groupDocument({ source, group, iif }: GroupRow) {
  return { source, group, iif };
}

function json(document: unknown): string {
  return `${JSON.stringify(document)}\n`;
}
