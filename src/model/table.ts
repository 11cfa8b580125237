// How tables are called.
import type { Family } from './address.js';
import { TABLE_ID_MAX, TABLE_ID_MIN, TABLE_NAME_MAX } from './limits.js';

/** Parses a table's id; undefined if the text is none. */
export function parseTableId(text: string): number | undefined {
  const value = /^\d{1,8}$/.test(text) ? Number(text) : 0;
  return value >= TABLE_ID_MIN && value <= TABLE_ID_MAX ? value : undefined;
}

/** Whether a table may have the name. One of digits alone would be taken for an id. */
export function isTableName(text: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(text) && text.length <= TABLE_NAME_MAX && !/^\d+$/.test(text);
}

/**
 * The number by which the kernel knows a table; 0 is its default one, which IPv4 and IPv6 number apart
 * (RT_TABLE_DEFAULT in `ipmr_rules_init`, RT6_TABLE_DFLT in `ip6mr_rules_init`).
 */
export function kernelTable(table: number, family: Family): number {
  if (table !== 0) return table;
  return family === 'ipv4' ? 253 : 254;
}
