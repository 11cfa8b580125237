// The text of what the supervisor remembers: JSON with a version and a checksum, so that a file which is damaged, or of a
// later version, is known as such. Pure.
import { createHash } from 'node:crypto';
import { LOG_LEVELS } from '../runtime/log.js';
import { type NumberRule, complaintAboutNumber } from '../configuration/number-rule.js';
import {
  CACHE_TIMEOUT,
  DEFAULT_SETTINGS,
  FAMILIES,
  MRULE_PRIORITY,
  STAR_G,
  TABLE_ID,
  WATCHDOG,
  complaintAboutConfigFile,
  complaintAboutName,
  complaintAboutNetns,
  complaintAboutUser,
} from './settings.js';
import type { SavedTables, TableDefinition, TableSettings } from './table.js';

/** Version of the format; one that is not known is not read. */
const FORMAT = 1;

/** The text is not what `encodeSavedTables` wrote; the message says why. */
export class SavedTablesError extends Error {
  readonly code = 'SAVED_TABLES';
}

export function encodeSavedTables({ created, stopped }: SavedTables): string {
  const content = { created: created.map(({ table, settings }) => ({ table, settings })), stopped };
  return `${JSON.stringify({ format: FORMAT, checksum: checksumOf(content), content }, undefined, 2)}\n`;
}

/** @throws SavedTablesError */
export function decodeSavedTables(text: string): SavedTables {
  const { format, checksum, content } = recordOf(parseJson(text), 'the file');
  if (typeof format === 'number' && format > FORMAT) {
    throw new SavedTablesError(`its format is ${format}, and this program knows ${FORMAT}: a later one has written it`);
  }
  if (format !== FORMAT) throw new SavedTablesError('it has no format');
  if (checksum !== checksumOf(content)) throw new SavedTablesError('its checksum does not fit its content');
  const { created, stopped } = recordOf(content, 'content');
  return { created: listOf(created, 'created').map(readDefinition), stopped: listOf(stopped, 'stopped').map(readStop) };
}

function checksumOf(content: unknown): string {
  // JSON keeps the order of keys, so that what was read gives the bytes of what was written.
  const digest = createHash('sha256').update(JSON.stringify(content ?? null));
  return `sha256:${digest.digest('hex')}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SavedTablesError('it is not JSON', { cause: error });
  }
}

type JsonRecord = Readonly<Record<string, unknown>>;

function readDefinition(value: unknown): TableDefinition {
  const { table, settings } = recordOf(value, 'created');
  return { table: numberOf(table, TABLE_ID), settings: readSettings(recordOf(settings, 'settings')), origin: 'api' };
}

function readStop(value: unknown): SavedTables['stopped'][number] {
  const { table, keepsForwarding } = recordOf(value, 'stopped');
  return { table: numberOf(table, TABLE_ID), keepsForwarding: booleanOf(keepsForwarding, 'keepsForwarding') };
}

function readSettings(settings: JsonRecord): TableSettings {
  // A setting that is younger than the file has its default.
  const { name, user, netns, configFile, families, starG, logLevel, ...others } = { ...DEFAULT_SETTINGS, ...settings };
  return {
    name: textOf(name, complaintAboutName),
    user: textOf(user, complaintAboutUser),
    netns: textOf(netns, complaintAboutNetns),
    configFile: textOf(configFile, complaintAboutConfigFile),
    families: listOf(families, 'families').map((family) => wordOf(family, FAMILIES)),
    cacheTimeoutS: numberOf(others.cacheTimeoutS, CACHE_TIMEOUT),
    starG: wordOf(starG, STAR_G),
    makesMrules: booleanOf(others.makesMrules, 'makesMrules'),
    mrulePriority: numberOf(others.mrulePriority, MRULE_PRIORITY),
    wantsRealtime: booleanOf(others.wantsRealtime, 'wantsRealtime'),
    logLevel: logLevel === undefined ? undefined : wordOf(logLevel, LOG_LEVELS),
    watchdogS: numberOf(others.watchdogS, WATCHDOG),
  };
}

function recordOf(value: unknown, what: string): JsonRecord {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRecord;
  throw new SavedTablesError(`${what} is not an object`);
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new SavedTablesError(`${what} is not a list`);
}

function textOf(value: unknown, complaintAbout: (text: string) => string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const complaint = typeof value === 'string' ? complaintAbout(value) : 'a name is not a text';
  if (complaint !== undefined) throw new SavedTablesError(complaint);
  return value as string;
}

function wordOf<Word extends string>(value: unknown, words: readonly Word[]): Word {
  const word = words.find((one) => one === value);
  if (word === undefined) throw new SavedTablesError(`a value is none of ${words.join(', ')}`);
  return word;
}

function numberOf(value: unknown, rule: NumberRule): number {
  const complaint = complaintAboutNumber(typeof value === 'number' ? value : NaN, rule);
  if (complaint !== undefined) throw new SavedTablesError(complaint);
  return value as number;
}

function booleanOf(value: unknown, what: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new SavedTablesError(`${what} is neither true nor false`);
}
