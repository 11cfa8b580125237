// The words of a policy's lists: tables, methods, groups, interfaces, owners. Pure.
import { quote } from '../api/parse.js';
import { AddressError, formatPrefix, isMulticastPrefix, parsePrefix } from '../model/address.js';
import { isInterfaceName, isWildcard } from '../model/interface.js';
import { OWNER_MAX, TABLE_ID_MAX, TABLE_ID_MIN } from '../model/limits.js';
import { nearestName } from '../model/spelling.js';
import { parseTableId } from '../model/table.js';
import { RIGHTS } from './rights.js';

/** Tables from the first to the last one. */
export interface TableRange {
  readonly first: number;
  readonly last: number;
}

export interface PolicyMethod {
  /** Such as "mcroute.v1.RoutingService". */
  readonly service: string;
  readonly method: string;
}

/** What a word stands for, or what is wrong with it. */
export type Parsed<Item> = { readonly item: Item } | { readonly complaint: string };

/** Parses `7` and `100-199`. */
export function parseTables(text: string): Parsed<TableRange> {
  const [, from = '', to = from] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
  const [first, last] = [parseTableId(from), parseTableId(to)];
  if (first === undefined || last === undefined) {
    return {
      complaint: `${quote(text)} is not a table or a range such as 100-199, of ids from ${TABLE_ID_MIN} to ${TABLE_ID_MAX}`,
    };
  }
  return first <= last ? { item: { first, last } } : { complaint: `the range ${quote(text)} ends before it begins` };
}

/** Formats a range as it is parsed. */
export function formatTables({ first, last }: TableRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** Parses `Apply`, `RoutingService.Apply` and `TableService.ListTables`. */
export function parseMethod(text: string): Parsed<PolicyMethod> {
  const found = METHODS.get(text.toLowerCase());
  if (found !== undefined) return { item: found };
  const names = [...new Set([...METHODS.values()].map(methodName))];
  const nearest = nearestName(text, names);
  return {
    complaint: `${quote(text)} is not a method: ${nearest === undefined ? names.join(', ') : `did you mean '${nearest}'?`}`,
  };
}

/** The name of a method as it is shown: without its service where that is the agents'. */
export function methodName({ service, method }: PolicyMethod): string {
  const short = service.slice(service.lastIndexOf('.') + 1);
  return short === 'RoutingService' ? method : `${short}.${method}`;
}

/** By all names that a method goes by, in small letters. No two services have methods of the same name. */
const METHODS = new Map<string, PolicyMethod>(
  Object.entries(RIGHTS).flatMap(([service, methods]) =>
    Object.keys(methods).flatMap((method) => {
      const short = service.slice(service.lastIndexOf('.') + 1);
      return [method, `${short}.${method}`].map((name) => [name.toLowerCase(), { service, method }] as const);
    }),
  ),
);

/** Parses a prefix of groups; gives it as it is formatted. */
export function parseGroup(text: string): Parsed<string> {
  try {
    const prefix = parsePrefix(text);
    if (isMulticastPrefix(prefix)) return { item: formatPrefix(prefix) };
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  return { complaint: `${quote(text)} is not a group or a prefix of groups, such as 239.1.0.0/16 or ff35::/32` };
}

/** Parses the name of an interface, or a wildcard. */
export function parseInterface(text: string): Parsed<string> {
  if (isInterfaceName(isWildcard(text) && text !== '+' ? text.slice(0, -1) : text)) return { item: text };
  return { complaint: `${quote(text)} is not the name of an interface, or a wildcard such as eth+` };
}

/** Parses an owner, or a pattern. */
export function parseOwner(text: string): Parsed<string> {
  if (/^[A-Za-z0-9._@/*-]+$/.test(text) && text.length <= OWNER_MAX) return { item: text };
  return {
    complaint: `${quote(text)} is not an owner or a pattern such as 'studio-*': 1 to ${OWNER_MAX} of letters, digits and . _ - @ / *`,
  };
}
