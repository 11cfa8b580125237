// The difference between the entries of a group and its program, in an order in which no flow is without an entry:
// first make, then break. What is already right gets no operation, because rewriting an entry races with the
// kernel's lock-free forwarding path and can lose a packet.
import type { Address } from '../../model/address.js';
import type { Operation, VifRule } from '../kernel/port.js';
import type { ActualEntries, ActualProxy, ActualSource } from './mirror.js';
import { vifsOfProxy, vifsOfSource } from './mirror.js';
import { hasVif, meetsVifs, sameOifs, vifSet } from './oifs.js';
import type { SourceKey } from './source-index.js';
import type { GroupProgram, ProxyEntry, SourceEntry } from './star-g.js';
import { decideStaying } from './upcall.js';

/** One group to compare. */
export interface Comparison {
  readonly group: Address;
  readonly actual: ActualEntries;
  readonly wanted: GroupProgram;
  /** The rules that match a source of the group, on whatever iif. */
  readonly rulesOf: (source: Address) => readonly VifRule[];
  /** Learned entries that are to go; undefined: none. */
  readonly expired: ReadonlySet<SourceKey> | undefined;
  /** Vifs that were away since the entries were written: those that name them are written again. */
  readonly lostVifs: number;
}

/** Adds the operations that make the entries of a group of which the kernel has none. */
export function makeGroup(group: Address, { sources, proxies }: GroupProgram, operations: Operation[]): void {
  for (const { source, iif, oifs } of sources.values()) {
    operations.push({ op: 'put-mfc', source, group, iif, oifs, isLearned: false });
  }
  for (const { iif, oifs } of proxies) operations.push({ op: 'put-proxy', group, iif, oifs });
}

/** Operations that make the entries of the group follow its program. */
export function diffGroup(comparison: Comparison): Operation[] {
  const { actual, wanted } = comparison;
  const proxies = diffProxies(comparison);
  if (wanted.sources.size === 0 && actual.sources.size === 0) return proxies;
  const sources = diffSources(comparison, keysOf(wanted, actual));
  if (proxies.length + sources.deletes.length === 0) return sources.puts;
  return [...sources.puts, ...proxies, ...sources.deletes];
}

function keysOf(wanted: GroupProgram, actual: ActualEntries): Iterable<SourceKey> {
  if (actual.sources.size === 0) return wanted.sources.keys();
  return new Set([...wanted.sources.keys(), ...actual.sources.keys()]);
}

/** The same for some sources only; (*,G) entries are as they should be. */
export function diffFlows(comparison: Comparison, keys: Iterable<SourceKey>): Operation[] {
  const { puts, deletes } = diffSources(comparison, keys);
  return [...puts, ...deletes];
}

function diffSources(comparison: Comparison, keys: Iterable<SourceKey>) {
  const puts: Operation[] = [];
  const deletes: Operation[] = [];
  for (const key of keys) {
    const actual = comparison.actual.sources.get(key);
    const wanted = comparison.wanted.sources.get(key);
    if (actual?.isLearned === true && comparison.expired?.has(key) === true) {
      // An idle flow: nothing is lost between the two.
      if (wanted === undefined) deletes.push(deleteSource(comparison, actual));
      else puts.push(deleteSource(comparison, actual), putSource(comparison, wanted, false));
    } else if (wanted !== undefined) {
      if (!isRight(comparison, actual, wanted)) {
        // A learned entry stays on the upcall thread's list; when it goes from there, it is made again without.
        puts.push(putSource(comparison, wanted, actual?.isLearned ?? false));
      }
    } else if (actual !== undefined) {
      const staying = decideStay(comparison, actual);
      if (staying === undefined) deletes.push(deleteSource(comparison, actual));
      else if (!isRight(comparison, actual, staying) || !actual.isLearned) {
        puts.push(putSource(comparison, staying, true));
      }
    }
  }
  return { puts, deletes };
}

/** What an entry that the program does not name becomes; undefined: it goes. */
function decideStay(comparison: Comparison, actual: ActualSource): SourceEntry | undefined {
  const { upcallIifs } = comparison.wanted;
  const staying = decideStaying(comparison.rulesOf(actual.source), upcallIifs, actual.source, actual);
  if (staying === undefined) return undefined;
  const entry = { source: actual.source, ...staying };
  if (actual.isLearned && isRight(comparison, actual, entry)) return entry;
  // No rule lets a source in that rules have named: the next packet, if any, makes an entry that drops.
  if (entry.oifs.length === 0) return actual.isLearned ? entry : undefined;
  return hasVif(upcallIifs, entry.iif) ? entry : undefined;
}

function isRight(comparison: Comparison, actual: ActualSource | undefined, wanted: SourceEntry): boolean {
  if (actual === undefined || actual.isUncertain) return false;
  if (meetsVifs(vifsOfSource(actual), comparison.lostVifs)) return false;
  // One that drops does so whatever its iif, which the kernel may have forgotten.
  const isDrop = actual.oifs.length === 0 && wanted.oifs.length === 0;
  return isDrop || (actual.iif === wanted.iif && sameOifs(actual.oifs, wanted.oifs));
}

function putSource({ group }: Comparison, entry: SourceEntry, isLearned: boolean): Operation {
  return { op: 'put-mfc', source: entry.source, group, iif: entry.iif, oifs: entry.oifs, isLearned };
}

function deleteSource({ group }: Comparison, entry: ActualSource): Operation {
  return { op: 'delete-mfc', source: entry.source, group, isLearned: entry.isLearned };
}

/**
 * First the entries that become the newest, in order: none of them has an entry that keeps its place among its oifs,
 * so they swallow nothing of those. Then changes in place, then what is left over.
 */
function diffProxies(comparison: Comparison): Operation[] {
  const { group, actual, wanted } = comparison;
  if (actual.proxies.length === 0) {
    return wanted.proxies.map(({ iif, oifs }) => ({ op: 'put-proxy', group, iif, oifs }));
  }
  const kept = keptProxies(actual, wanted.proxies);
  const moves: Operation[] = [];
  const changes: Operation[] = [];
  for (const { iif, oifs } of wanted.proxies) {
    const put: Operation = { op: 'put-proxy', group, iif, oifs };
    const old = actual.proxies.find((entry) => entry.iif === iif);
    if (old === undefined) moves.push(put);
    else if (!kept.has(iif)) moves.push({ op: 'delete-proxy', group, iif }, put);
    else if (!isRightProxy(old, oifs, comparison.lostVifs)) changes.push(put);
  }
  const leftovers = actual.proxies.filter(({ iif }) => wanted.proxies.every((entry) => entry.iif !== iif));
  return [...moves, ...changes, ...leftovers.map(({ iif }) => ({ op: 'delete-proxy' as const, group, iif }))];
}

/** The iifs whose entries can keep their places: all that must be older than them keep an older one. */
function keptProxies(actual: ActualEntries, wanted: readonly ProxyEntry[]): ReadonlySet<number> {
  const kept = new Set<number>();
  if (!actual.isProxyOrderKnown) return kept;
  const ages = new Map(actual.proxies.map(({ iif }, age) => [iif, age]));
  for (const [position, { iif }] of wanted.entries()) {
    const age = ages.get(iif);
    if (age === undefined) continue;
    const older = wanted.slice(0, position).filter((entry) => hasVif(vifSet(entry.oifs), iif));
    if (older.every((entry) => kept.has(entry.iif) && (ages.get(entry.iif) ?? Infinity) < age)) kept.add(iif);
  }
  return kept;
}

function isRightProxy(actual: ActualProxy, oifs: ProxyEntry['oifs'], lostVifs: number): boolean {
  return !actual.isUncertain && !meetsVifs(vifsOfProxy(actual), lostVifs) && sameOifs(actual.oifs, oifs);
}
