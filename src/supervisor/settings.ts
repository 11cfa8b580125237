// What the settings of a table or of the gateway may be, wherever they are told: in the configuration file or by the API. Pure.
import { quote } from '../api/parse.js';
import type { NumberRule } from '../configuration/number-rule.js';
import type { Family } from '../model/address.js';
import {
  CACHE_TIMEOUT_DEFAULT_S,
  CACHE_TIMEOUT_MAX_S,
  MRULE_PRIORITY_MAX,
  MRULE_PRIORITY_MIN,
  NETNS_NAME_MAX,
  PATH_MAX,
  TABLE_ID_MAX,
  TABLE_ID_MIN,
  TABLE_NAME_MAX,
  USER_MAX,
  WATCHDOG_DEFAULT_S,
  WATCHDOG_MAX_S,
} from '../model/limits.js';
import { MRULE_PRIORITY_DEFAULT } from '../model/mrule.js';
import { isTableName } from '../model/table.js';
import { LOG_LEVELS, type LogLevel } from '../runtime/log.js';
import type { TableSettings } from './table.js';

/** How the gateway is run; every value is checked. */
export interface GatewaySettings {
  /** Absolute path of its configuration file; undefined: its own default. */
  readonly configFile: string | undefined;
  /** `USER` or `USER:GROUP`; undefined: mcroute-gw, or nobody where there is no such user. */
  readonly user: string | undefined;
  /** Undefined: the supervisor's own. */
  readonly logLevel: LogLevel | undefined;
  /** Time without a sign of life after which it is replaced, in seconds; 0 is never. */
  readonly watchdogS: number;
}

/** The settings of a table of which nothing is told. */
export const DEFAULT_SETTINGS: TableSettings = {
  name: undefined,
  user: undefined,
  netns: undefined,
  configFile: undefined,
  families: [],
  cacheTimeoutS: CACHE_TIMEOUT_DEFAULT_S,
  starG: 'kernel',
  makesMrules: true,
  mrulePriority: MRULE_PRIORITY_DEFAULT,
  wantsRealtime: true,
  logLevel: undefined,
  watchdogS: WATCHDOG_DEFAULT_S,
};

/** Both families, in the order in which settings have them. */
export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** How (*,G) rules can be served. */
export const STAR_G: readonly TableSettings['starG'][] = ['kernel', 'learn'];

export const TABLE_ID: NumberRule = { min: TABLE_ID_MIN, max: TABLE_ID_MAX, what: "a table's id" };
export const CACHE_TIMEOUT: NumberRule = { min: 0, max: CACHE_TIMEOUT_MAX_S, what: 'a cache timeout in seconds' };
export const WATCHDOG: NumberRule = { min: 0, max: WATCHDOG_MAX_S, what: 'a watchdog time in seconds' };
export const MRULE_PRIORITY: NumberRule = {
  min: MRULE_PRIORITY_MIN,
  max: MRULE_PRIORITY_MAX,
  what: 'a priority of mrules',
};

// Each of these says what is wrong with a value and what was expected; undefined where it is right.

export function complaintAboutName(name: string): string | undefined {
  if (isTableName(name)) return undefined;
  return `${quote(name)} is not a name for a table: 1 to ${TABLE_NAME_MAX} letters, digits, '-', '_' and '.', and not a number`;
}

/** Whether there is such a user is for mcroute-launch to find out. */
export function complaintAboutUser(user: string): string | undefined {
  // What useradd(8) takes, names of directories such as DOMAIN\user@realm, and ids. One that begins with - is an option.
  if (user.length <= USER_MAX && /^[^\s:\p{C}-][^\s:\p{C}]*(:[^\s:\p{C}-][^\s:\p{C}]*)?$/u.test(user)) return undefined;
  return `${quote(user)} is not a user: USER or USER:GROUP, by name or id`;
}

export function complaintAboutNetns(netns: string): string | undefined {
  const isFileName = netns !== '' && netns !== '.' && netns !== '..' && !/[/\p{C}]|^-/u.test(netns);
  if (isFileName && Buffer.byteLength(netns) <= NETNS_NAME_MAX) return undefined;
  return `${quote(netns)} is not the name of a network namespace: one that 'ip netns list' shows`;
}

export function complaintAboutConfigFile(path: string): string | undefined {
  if (path.startsWith('/') && Buffer.byteLength(path) <= PATH_MAX && !/\p{C}/u.test(path)) return undefined;
  return `${quote(path)} is not the path of a file: it begins with / and has ${PATH_MAX} bytes at most`;
}

export function isLogLevel(text: string): text is LogLevel {
  return LOG_LEVELS.some((level) => level === text);
}

export function complaintAboutLogLevel(text: string): string | undefined {
  return isLogLevel(text) ? undefined : `${quote(text)} is not a log level: ${LOG_LEVELS.join(', ')}`;
}
