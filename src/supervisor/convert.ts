// Between proto/mcroute/v1/table_service.proto and the supervisor's own words. Pure.
import type { Duration__Output } from '../api/generated/google/protobuf/Duration.js';
import type { Timestamp } from '../api/generated/google/protobuf/Timestamp.js';
import type { TableEntry } from '../api/generated/mcroute/v1/TableEntry.js';
import type { TableSettings as WireSettings } from '../api/generated/mcroute/v1/TableSettings.js';
import type { TableSettings__Output } from '../api/generated/mcroute/v1/TableSettings.js';
import { type Violations, quote } from '../api/parse.js';
import { ApiError, toStatusMessage } from '../api/status.js';
import { type NumberRule, complaintAboutNumber, expectedOf } from '../configuration/number-rule.js';
import type { Family } from '../model/address.js';
import {
  CACHE_TIMEOUT,
  DEFAULT_SETTINGS,
  FAMILIES,
  MRULE_PRIORITY,
  TABLE_ID,
  WATCHDOG,
  complaintAboutLogLevel,
  complaintAboutConfigFile,
  complaintAboutName,
  complaintAboutNetns,
  complaintAboutUser,
  isLogLevel,
} from './settings.js';
import type { AgentState, TableSettings, TableView } from './table.js';

/** Checks field 1 of a request that is about one table. */
export function parseTable(table: number, violations: Violations): number {
  complain(violations, 'table', complaintAboutNumber(table, TABLE_ID));
  return table;
}

/** Checks settings; what is not told has its default. */
export function parseSettings(wire: TableSettings__Output | null, violations: Violations): TableSettings {
  if (wire === null) return DEFAULT_SETTINGS;
  const { starG: defaultStarG, cacheTimeoutS, mrulePriority, watchdogS } = DEFAULT_SETTINGS;
  return {
    name: parseText(wire.name, 'name', complaintAboutName, violations),
    user: parseText(wire.user, 'user', complaintAboutUser, violations),
    netns: parseText(wire.netns, 'netns', complaintAboutNetns, violations),
    configFile: parseText(wire.configFile, 'config_file', complaintAboutConfigFile, violations),
    families: parseFamilies(wire.families, violations),
    cacheTimeoutS: parseSeconds(wire.cacheTimeout, 'cache_timeout', CACHE_TIMEOUT, violations) ?? cacheTimeoutS,
    starG: parseStarG(wire.starG, violations) ?? defaultStarG,
    makesMrules: !wire.noMrules,
    mrulePriority: wire.mrulePriority === 0 ? mrulePriority : parsePriority(wire.mrulePriority, violations),
    wantsRealtime: !wire.noRealtime,
    logLevel: parseLogLevel(wire.logLevel, violations),
    watchdogS: parseSeconds(wire.watchdog, 'watchdog', WATCHDOG, violations) ?? watchdogS,
  };
}

export function renderEntry(view: TableView): TableEntry {
  const { lastError } = view;
  return {
    table: view.table,
    settings: renderSettings(view.settings),
    origin: ORIGINS[view.origin],
    state: STATES[view.state],
    pid: view.pid ?? 0,
    restarts: view.restarts,
    startTime: renderTime(view.startedAtMs),
    nextStartTime: renderTime(view.nextStartAtMs),
    status: view.status,
    descriptors: view.descriptors,
    lastError: lastError === undefined ? null : toStatusMessage(new ApiError(lastError.reason, lastError.message)),
  };
}

const ORIGINS = { configuration: 'ORIGIN_CONFIGURATION', api: 'ORIGIN_API' } as const satisfies Record<
  TableView['origin'],
  string
>;

const STATES = {
  stopped: 'STATE_STOPPED',
  starting: 'STATE_STARTING',
  ready: 'STATE_READY',
  stopping: 'STATE_STOPPING',
  'backing-off': 'STATE_BACKING_OFF',
  failed: 'STATE_FAILED',
} as const satisfies Record<AgentState, string>;

const WIRE_FAMILIES = { ipv4: 'FAMILY_IPV4', ipv6: 'FAMILY_IPV6' } as const satisfies Record<Family, string>;

function renderSettings(settings: TableSettings): WireSettings {
  return {
    name: settings.name ?? '',
    user: settings.user ?? '',
    netns: settings.netns ?? '',
    configFile: settings.configFile ?? '',
    families: settings.families.map((family) => WIRE_FAMILIES[family]),
    cacheTimeout: { seconds: settings.cacheTimeoutS },
    starG: settings.starG === 'learn' ? 'STAR_G_LEARN' : 'STAR_G_KERNEL',
    noMrules: !settings.makesMrules,
    mrulePriority: settings.mrulePriority,
    noRealtime: !settings.wantsRealtime,
    logLevel: settings.logLevel ?? '',
    watchdog: { seconds: settings.watchdogS },
  };
}

function renderTime(ms: number | undefined): Timestamp | null {
  if (ms === undefined) return null;
  const seconds = Math.floor(ms / 1_000);
  return { seconds, nanos: Math.round((ms - seconds * 1_000) * 1_000_000) };
}

function complain(violations: Violations, field: string, complaint: string | undefined): void {
  if (complaint !== undefined) violations.add(field, complaint);
}

function parseText(
  text: string,
  field: string,
  complaintAbout: (text: string) => string | undefined,
  violations: Violations,
): string | undefined {
  if (text === '') return undefined;
  complain(violations, `settings.${field}`, complaintAbout(text));
  return text;
}

/** A value that is not of proto/ comes as a number. */
function parseFamilies(wire: readonly (number | string)[], violations: Violations): readonly Family[] {
  const found = new Set(wire);
  for (const family of FAMILIES) found.delete(WIRE_FAMILIES[family]);
  const [unknown] = found;
  if (unknown !== undefined) {
    violations.add('settings.families', `${quote(String(unknown))} is no family: FAMILY_IPV4, FAMILY_IPV6`);
  }
  return FAMILIES.filter((family) => wire.includes(WIRE_FAMILIES[family]));
}

function parseSeconds(
  wire: Duration__Output | null,
  field: string,
  rule: NumberRule,
  violations: Violations,
): number | undefined {
  if (wire === null) return undefined;
  const seconds = Number(wire.seconds);
  const path = `settings.${field}`;
  if (wire.nanos !== 0) violations.add(path, `has a fraction of a second: ${expectedOf(rule)}`);
  else complain(violations, path, complaintAboutNumber(seconds, rule));
  return seconds;
}

function parseStarG(wire: number | string, violations: Violations): TableSettings['starG'] | undefined {
  switch (wire) {
    case 'STAR_G_KERNEL':
      return 'kernel';
    case 'STAR_G_LEARN':
      return 'learn';
    case 'STAR_G_UNSPECIFIED':
      return undefined;
    default:
      violations.add('settings.star_g', `${String(wire)} is not known: STAR_G_KERNEL, STAR_G_LEARN`);
      return undefined;
  }
}

function parsePriority(priority: number, violations: Violations): number {
  complain(violations, 'settings.mrule_priority', complaintAboutNumber(priority, MRULE_PRIORITY));
  return priority;
}

function parseLogLevel(text: string, violations: Violations): TableSettings['logLevel'] {
  if (text === '' || isLogLevel(text)) return text === '' ? undefined : text;
  complain(violations, 'settings.log_level', complaintAboutLogLevel(text));
  return undefined;
}
