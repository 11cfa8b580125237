// From the API's messages to the rows that smcroutectl shows. Pure.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { InterfaceStatus__Output } from '../../api/generated/mcroute/v1/InterfaceStatus.js';
import type { MfcEntry__Output } from '../../api/generated/mcroute/v1/MfcEntry.js';
import { type Prefix, addressLength, formatAddress, parsePrefix } from '../../model/address.js';

/** A flow on an interface; a source of null is any. */
export interface GroupRow {
  readonly source: string | null;
  readonly group: string;
  readonly iif: string;
}

export interface RouteRow extends GroupRow {
  readonly oifs: readonly string[];
  /** Digits. */
  readonly packets: string;
  readonly bytes: string;
}

export interface Routes {
  /** Rules of which the kernel gets an entry for each flow. */
  readonly asm: readonly RouteRow[];
  /** Rules that are an entry. */
  readonly ssm: readonly RouteRow[];
  readonly kernel: readonly RouteRow[];
}

export interface InterfaceRow {
  readonly index: number;
  readonly name: string;
  readonly vif: number | null;
  readonly mif: number | null;
}

export interface PendingRow extends GroupRow {
  readonly kind: 'mgroup' | 'mroute';
  readonly oifs: readonly string[];
}

/**
 * The rules, those of one key that several owners have as one, with the oifs that are there; and the forwarding cache.
 */
export function routesOf(entries: readonly Entry__Output[], mfc: readonly MfcEntry__Output[]): Routes {
  const rules = new Map<string, RouteRow>();
  for (const entry of entries) {
    const row = ruleRow(entry);
    if (row === undefined) continue;
    const key = `${row.iif} ${row.source ?? '*'} ${row.group}`;
    const other = rules.get(key);
    // Each shows all of the kernel's entries that it has a part in: the counters are the same.
    rules.set(key, other === undefined ? row : { ...other, oifs: [...new Set([...other.oifs, ...row.oifs])] });
  }
  const all = [...rules.values()];
  return {
    asm: all.filter((row) => !isExact(row)),
    ssm: all.filter(isExact),
    kernel: mfc.map(({ source, group, iif, oifs, counters }) => ({
      source: sourceOf(source),
      group,
      iif,
      oifs: oifs.map((oif) => oif.interface),
      packets: counters?.packets ?? '0',
      bytes: counters?.bytes ?? '0',
    })),
  };
}

/** The memberships as they were asked for. */
export function groupRows(entries: readonly Entry__Output[]): GroupRow[] {
  return entries.flatMap(({ resource }) => {
    const key = resource?.membership?.key;
    return key ? [{ source: sourceOf(key.source), group: key.group, iif: key.interface }] : [];
  });
}

/** Each group and source of the memberships: what the kernel has joined. At most 65,536 of one membership. */
export function joinedRows(rows: readonly GroupRow[]): GroupRow[] {
  const joined = new Map<string, GroupRow>();
  for (const { source, group, iif } of rows) {
    const sources = source === null ? [null] : addressesOf(parsePrefix(source));
    for (const one of addressesOf(parsePrefix(group))) {
      for (const sender of sources) {
        joined.set(`${iif} ${sender ?? '*'} ${one}`, { source: sender, group: one, iif });
      }
    }
  }
  return [...joined.values()];
}

/** The interfaces that are there, by their numbers. */
export function interfaceRows(interfaces: readonly InterfaceStatus__Output[]): InterfaceRow[] {
  return interfaces
    .filter(({ ifindex }) => ifindex !== 0)
    .map((status) => ({
      index: status.ifindex,
      name: status.name,
      vif: status._ipv4Vif === undefined ? null : (status.ipv4Vif ?? null),
      mif: status._ipv6Vif === undefined ? null : (status.ipv6Vif ?? null),
    }))
    .sort((a, b) => a.index - b.index);
}

/** What the kernel does not have all of, groups first. */
export function pendingRows(entries: readonly Entry__Output[]): PendingRow[] {
  const groups = groupRows(entries).map((row): PendingRow => ({ kind: 'mgroup', ...row, oifs: [] }));
  const routes = entries.flatMap(({ resource }): PendingRow[] => {
    const mroute = resource?.mroute;
    if (!mroute?.key) return [];
    const { iif, source, group } = mroute.key;
    const oifs = mroute.oifs.map((oif) => oif.interface);
    return [{ kind: 'mroute', iif, source: sourceOf(source), group, oifs }];
  });
  return [...groups, ...routes];
}

function ruleRow({ resource, missing, counters }: Entry__Output): RouteRow | undefined {
  const mroute = resource?.mroute;
  if (!mroute?.key) return undefined;
  const { iif, source, group } = mroute.key;
  const absent = new Set(missing.map((one) => one.interface));
  return {
    source: sourceOf(source),
    group,
    iif,
    oifs: mroute.oifs.map((oif) => oif.interface).filter((name) => !absent.has(name)),
    packets: counters?.packets ?? '0',
    bytes: counters?.bytes ?? '0',
  };
}

function isExact({ source, group }: GroupRow): boolean {
  return source !== null && !source.includes('/') && !group.includes('/');
}

function sourceOf(text: string): string | null {
  return text === '' ? null : text;
}

/** The addresses of a prefix, whose host bits are all in the last word. */
function addressesOf({ address, length }: Prefix): string[] {
  const count = 2 ** (addressLength(address.family) - length);
  const before = address.words.slice(0, -1);
  const last = address.words.at(-1) ?? 0;
  return Array.from({ length: count }, (_unused, offset) =>
    formatAddress({ family: address.family, words: [...before, last + offset] }),
  );
}
