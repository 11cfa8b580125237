// The supervisor's configuration file: the tables that a host is to have, and whether it has a gateway.
import type { Node } from 'yaml';
import { TOO_LARGE, readConfigurationText } from '../configuration/read-text.js';
import { type Section, YamlReader } from '../configuration/yaml-reader.js';
import type { Family } from '../model/address.js';
import { CONFIGURATION_MAX, TABLES_MAX } from '../model/limits.js';
import { LOG_LEVELS } from '../runtime/log.js';
import {
  CACHE_TIMEOUT,
  DEFAULT_SETTINGS,
  FAMILIES,
  type GatewaySettings,
  MRULE_PRIORITY,
  STAR_G,
  TABLE_ID,
  WATCHDOG,
  complaintAboutConfigFile,
  complaintAboutName,
  complaintAboutNetns,
  complaintAboutUser,
} from './settings.js';
import type { TableDefinition, TableSettings } from './table.js';

/** What a configuration file asks for. */
export interface Configuration {
  /** In the order of their ids. */
  readonly tables: readonly TableDefinition[];
  /** Undefined: there is to be no gateway. */
  readonly gateway: GatewaySettings | undefined;
}

/** That of a file which says nothing. */
export const EMPTY_CONFIGURATION: Configuration = { tables: [], gateway: undefined };

/**
 * Reads a configuration file.
 *
 * @throws ConfigurationError if it cannot be read or used; its cause is the system's error if there is one.
 */
export function readConfiguration(file: string): Configuration {
  return parseConfiguration(readConfigurationText(file), file);
}

/**
 * Parses the text of a configuration file; `file` is its name in messages.
 *
 * @throws ConfigurationError with all that is wrong.
 */
export function parseConfiguration(text: string, file: string): Configuration {
  const reader = new YamlReader(file);
  if (Buffer.byteLength(text) > CONFIGURATION_MAX) reader.refuseAll(TOO_LARGE);
  const value = reader.parse(text);
  const top = value === undefined ? undefined : reader.section(value, 'the file', ['tables', 'gateway']);
  const nodes = reader.items(top?.values.get('tables'), 'tables');
  if (nodes.length > TABLES_MAX) reader.refuseAll(`has ${nodes.length} tables; a host may have ${TABLES_MAX}`);
  const seen: Seen = { tables: new Map(), names: new Map() };
  const tables = nodes.flatMap((node) => readTable(reader, node, seen) ?? []);
  const gateway = readGateway(reader, top?.values.get('gateway'));
  reader.throwIfAny();
  return { tables: tables.sort((a, b) => a.table - b.table), gateway };
}

/** Where ids and names have been told. */
interface Seen {
  readonly tables: Map<number, Node>;
  readonly names: Map<string, Node>;
}

const TABLE_KEYS = ['id', 'name', 'config', 'user', 'netns', 'options'] as const;
const OPTION_KEYS: readonly string[] = [
  'families',
  'cache-timeout',
  'star-g',
  'mrules',
  'mrule-priority',
  'realtime',
  'log-level',
  'watchdog',
];

function readTable(reader: YamlReader, node: Node, seen: Seen): TableDefinition | undefined {
  const section = reader.section(node, 'a table', TABLE_KEYS, (key) =>
    OPTION_KEYS.includes(key) ? "it belongs to the table's options" : undefined,
  );
  if (section === undefined) return undefined;
  const { values } = section;
  const id = values.get('id');
  if (id === undefined) reader.refuse(node, `the table has no id: ${TABLE_ID.min} to ${TABLE_ID.max}`);
  const table = reader.number(id, TABLE_ID);
  const name = reader.text(values.get('name'), 'name', complaintAboutName);
  refuseTwice(reader, seen.tables, table, id, 'table');
  refuseTwice(reader, seen.names, name, values.get('name'), 'name');
  const settings: TableSettings = {
    name,
    user: reader.text(values.get('user'), 'user', complaintAboutUser),
    netns: reader.text(values.get('netns'), 'netns', complaintAboutNetns),
    configFile: reader.text(values.get('config'), 'config', complaintAboutConfigFile),
    ...readOptions(reader, values.get('options')),
  };
  return table === undefined ? undefined : { table, settings, origin: 'configuration' };
}

const GATEWAY_KEYS = ['config', 'user', 'log-level', 'watchdog'] as const;

function readGateway(reader: YamlReader, node: Node | undefined): GatewaySettings | undefined {
  const section = node && reader.section(node, 'gateway', GATEWAY_KEYS);
  if (section === undefined) return undefined;
  const { values } = section;
  return {
    configFile: reader.text(values.get('config'), 'config', complaintAboutConfigFile),
    user: reader.text(values.get('user'), 'user', complaintAboutUser),
    logLevel: reader.word(values.get('log-level'), 'log-level', LOG_LEVELS),
    watchdogS: reader.number(values.get('watchdog'), WATCHDOG) ?? DEFAULT_SETTINGS.watchdogS,
  };
}

function refuseTwice<Key extends number | string>(
  reader: YamlReader,
  seen: Map<Key, Node>,
  key: Key | undefined,
  node: Node | undefined,
  what: string,
): void {
  if (key === undefined || node === undefined) return;
  const first = seen.get(key);
  if (first === undefined) seen.set(key, node);
  else reader.refuse(node, `${what} ${key} is there already, in ${reader.lineOf(first)}`);
}

function readOptions(
  reader: YamlReader,
  node: Node | undefined,
): Omit<TableSettings, 'name' | 'user' | 'netns' | 'configFile'> {
  const section: Section | undefined = node && reader.section(node, 'options', OPTION_KEYS);
  const value = (key: string) => section?.values.get(key);
  return {
    families: readFamilies(reader, value('families')),
    cacheTimeoutS: reader.number(value('cache-timeout'), CACHE_TIMEOUT) ?? DEFAULT_SETTINGS.cacheTimeoutS,
    starG: reader.word(value('star-g'), 'star-g', STAR_G) ?? DEFAULT_SETTINGS.starG,
    makesMrules: reader.boolean(value('mrules'), 'mrules') ?? DEFAULT_SETTINGS.makesMrules,
    mrulePriority: reader.number(value('mrule-priority'), MRULE_PRIORITY) ?? DEFAULT_SETTINGS.mrulePriority,
    wantsRealtime: reader.boolean(value('realtime'), 'realtime') ?? DEFAULT_SETTINGS.wantsRealtime,
    logLevel: reader.word(value('log-level'), 'log-level', LOG_LEVELS),
    watchdogS: reader.number(value('watchdog'), WATCHDOG) ?? DEFAULT_SETTINGS.watchdogS,
  };
}

function readFamilies(reader: YamlReader, node: Node | undefined): readonly Family[] {
  const found = new Set<Family>();
  for (const item of reader.items(node, 'families')) {
    const family = reader.word(item, 'families', FAMILIES);
    if (family === undefined) continue;
    if (found.has(family)) reader.refuse(item, `${family} is named twice`);
    found.add(family);
  }
  return FAMILIES.filter((family) => found.has(family));
}
