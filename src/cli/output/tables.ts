// Tables and their agents, for people and as documents. Pure.
import { msOfTimestamp } from '../../api/duration.js';
import type { TableEntry__Output } from '../../api/generated/mcroute/v1/TableEntry.js';
import type { TableSettings__Output } from '../../api/generated/mcroute/v1/TableSettings.js';
import type { WatchTablesResponse__Output } from '../../api/generated/mcroute/v1/WatchTablesResponse.js';
import { fromStatusMessage } from '../../api/status.js';
import { type Document, type Value, errorDocument } from './document.js';
import { type Format, type ListView, yamlText } from './list.js';
import { enumWord, paintState, printable } from './text.js';
import { spanText, timeText } from './time.js';
import { linesOfHost, withHost } from './hosts.js';

/** How lists of tables look at a moment, which uptimes are reckoned from; in ms since 1970. */
export function tablesView(nowMs: number): ListView<TableEntry__Output> {
  return {
    name: 'tables',
    columns: [
      { title: 'TABLE', cell: ({ table }) => String(table), isNumber: true },
      { title: 'NAME', cell: ({ settings }) => settings?.name ?? '' },
      { title: 'STATE', cell: stateOf, paint: paintState },
      { title: 'PID', cell: ({ pid }) => (pid === 0 ? '' : String(pid)), isNumber: true },
      { title: 'UPTIME', cell: (entry) => uptimeOf(entry, nowMs), isNumber: true },
      { title: 'RESTARTS', cell: ({ restarts }) => String(restarts), isNumber: true },
      { title: 'STATUS', cell: statusOf },
    ],
    wideColumns: [
      { title: 'USER', cell: ({ settings }) => settings?.user ?? '' },
      { title: 'NETNS', cell: ({ settings }) => settings?.netns ?? '' },
      { title: 'FAMILIES', cell: ({ settings }) => familiesOf(settings).join(' ') || 'all' },
      { title: 'SOCKETS KEPT', cell: ({ descriptors }) => String(descriptors), isNumber: true },
      { title: 'ORIGIN', cell: originOf },
    ],
    document: tableDocument,
  };
}

/** `table 123 (studio)`. */
export function titleOf({ table, settings }: Pick<TableEntry__Output, 'table' | 'settings'>): string {
  const name = settings?.name ?? '';
  return name === '' ? `table ${table}` : `table ${table} (${name})`;
}

/** All of a table, a line each. */
export function tableText(entry: TableEntry__Output, nowMs: number): string {
  const { settings } = entry;
  const error = errorOf(entry);
  const lines: (readonly [string, string])[] = [
    ['table', String(entry.table)],
    ['name', settings?.name ?? ''],
    ['state', stateOf(entry)],
    ['status', entry.status],
    ['last error', error === undefined ? '' : `${error.reason}: ${error.message}`],
    ['process', entry.pid === 0 ? '' : `${entry.pid}, since ${timeText(entry.startTime)}, ${uptimeOf(entry, nowMs)}`],
    ['next start', entry.nextStartTime === null ? '' : timeText(entry.nextStartTime)],
    ['restarts', String(entry.restarts)],
    ['sockets kept', String(entry.descriptors)],
    ['told in', originOf(entry)],
    ...(settings === null ? [] : settingLines(settings)),
  ];
  const shown = lines.filter(([, text]) => text !== '');
  const width = Math.max(...shown.map(([title]) => title.length));
  return shown.map(([title, text]) => `${title.padEnd(width)}  ${printable(text)}\n`).join('');
}

export function tableDocument(entry: TableEntry__Output): Document {
  return {
    table: entry.table,
    name: textValue(entry.settings?.name),
    state: stateOf(entry),
    origin: originOf(entry),
    pid: entry.pid === 0 ? null : entry.pid,
    restarts: entry.restarts,
    start_time: entry.startTime === null ? null : timeText(entry.startTime),
    next_start_time: entry.nextStartTime === null ? null : timeText(entry.nextStartTime),
    status: textValue(entry.status),
    descriptors: entry.descriptors,
    last_error: entry.lastError === null ? null : errorDocument(entry.lastError),
    settings: entry.settings === null ? null : settingsDocument(entry.settings),
  };
}

/** A message of a watch as whole lines; `host` where it is one of several. */
export function watchText(
  message: WatchTablesResponse__Output,
  format: Format,
  hasColour: boolean,
  host?: string,
): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(withHost(host, eventDocument(message)))}\n`;
    case 'yaml':
      return `---\n${yamlText(withHost(host, eventDocument(message)))}`;
    case 'table':
    case 'wide':
      return linesOfHost(host, eventLine(message, hasColour));
  }
}

function eventLine({ entry, deleted }: WatchTablesResponse__Output, hasColour: boolean): string {
  if (entry) {
    const state = hasColour ? paintState(stateOf(entry)) : stateOf(entry);
    const process = entry.pid === 0 ? '' : ` (process ${entry.pid})`;
    const status = statusOf(entry);
    return `~ ${printable(titleOf(entry))}: ${state}${printable(process + (status === '' ? '' : `: ${status}`))}\n`;
  }
  return deleted === undefined ? '= synced\n' : `- table ${deleted}\n`;
}

function eventDocument({ entry, deleted }: WatchTablesResponse__Output): Document {
  if (entry) return { event: 'put', ...tableDocument(entry) };
  return deleted === undefined ? { event: 'synced' } : { event: 'delete', table: deleted };
}

function settingLines(settings: TableSettings__Output): (readonly [string, string])[] {
  return [
    ['user', settings.user === '' ? '(as mcroute-launch chooses)' : settings.user],
    ['network namespace', settings.netns === '' ? "(the supervisor's)" : settings.netns],
    ['configuration file', settings.configFile === '' ? '(none)' : settings.configFile],
    ['families', familiesOf(settings).join(' ') || '(all)'],
    ['cache timeout', secondsText(settings.cacheTimeout)],
    ['(*,G)', enumWord(settings.starG, 'STAR_G') ?? ''],
    ['mrules', settings.noMrules ? 'none' : `with priority ${settings.mrulePriority}`],
    ['upcalls', settings.noRealtime ? 'at normal priority' : 'at real-time priority'],
    ['log level', settings.logLevel === '' ? "(the supervisor's)" : settings.logLevel],
    ['watchdog', secondsText(settings.watchdog)],
  ];
}

function settingsDocument(settings: TableSettings__Output): Document {
  return {
    user: textValue(settings.user),
    netns: textValue(settings.netns),
    config: textValue(settings.configFile),
    families: familiesOf(settings),
    cache_timeout: secondsOf(settings.cacheTimeout),
    star_g: enumWord(settings.starG, 'STAR_G') ?? null,
    mrules: !settings.noMrules,
    mrule_priority: settings.mrulePriority,
    realtime: !settings.noRealtime,
    log_level: textValue(settings.logLevel),
    watchdog: secondsOf(settings.watchdog),
  };
}

function stateOf({ state }: TableEntry__Output): string {
  return enumWord(state, 'STATE') ?? 'unknown';
}

function originOf({ origin }: TableEntry__Output): string {
  return enumWord(origin, 'ORIGIN') ?? 'unknown';
}

/** What matters most: why there is no agent, or what it says. */
function statusOf(entry: TableEntry__Output): string {
  const hasEnded = entry.state === 'STATE_FAILED' || entry.state === 'STATE_BACKING_OFF';
  return (hasEnded ? errorOf(entry)?.message : undefined) ?? entry.status;
}

function errorOf({ lastError }: TableEntry__Output): { readonly reason: string; readonly message: string } | undefined {
  return lastError === null ? undefined : fromStatusMessage(lastError);
}

function familiesOf(settings: TableSettings__Output | null): string[] {
  return (settings?.families ?? []).flatMap((family) => enumWord(family, 'FAMILY') ?? []);
}

function textValue(text: string | undefined): Value {
  return text === undefined || text === '' ? null : text;
}

function secondsOf(duration: TableSettings__Output['watchdog']): Value {
  return duration === null ? null : Number(duration.seconds);
}

function secondsText(duration: TableSettings__Output['watchdog']): string {
  const seconds = duration === null ? undefined : Number(duration.seconds);
  if (seconds === undefined) return '';
  return seconds === 0 ? 'never' : `${seconds} s`;
}

/** Such as `3d4h`, of the process that runs. */
function uptimeOf({ pid, startTime }: TableEntry__Output, nowMs: number): string {
  if (pid === 0 || startTime === null) return '';
  return spanText(nowMs - msOfTimestamp(startTime));
}
