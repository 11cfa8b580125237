// Which vif of a table belongs to which interface. IPv4 can be asked; IPv6 tells it by the way.
import { type Address, type Family, parseAddress } from '../../model/address.js';
import { VIF_LIMIT } from '../../model/limits.js';
import type { NetlinkRequests } from '../netlink/connection.js';
import { mfcGetRequest, parseMfcEntry } from '../netlink/mroute.js';
import { parseVifs, vifDumpRequest } from '../netlink/vif.js';
import { packMfcRecords } from './mfc-records.js';
import type { MrouteSocket } from './native.js';

/** What is asked of netlink. */
type Requests = Pick<NetlinkRequests, 'dump' | 'get'>;

/** The ifindex of each vif that is there, by number. Throws system errors. */
export function readVifs(
  family: Family,
  table: number,
  socket: Pick<MrouteSocket, 'applyMfc' | 'vifCounters'>,
  requests: Requests,
): ReadonlyMap<number, number> {
  return family === 'ipv4' ? dumpVifs(table, requests) : probeVifs(table, socket, requests);
}

function dumpVifs(table: number, requests: Requests): ReadonlyMap<number, number> {
  const vifs = new Map<number, number>();
  for (const entry of requests.dump(vifDumpRequest(), parseVifs).flat()) {
    if (entry.table === table && entry.ifindex !== undefined) vifs.set(entry.vif, entry.ifindex);
  }
  return vifs;
}

/**
 * An entry that names every vif is told with the interfaces of those that are there, in the order of their numbers
 * (`mr_fill_mroute`); which numbers are there, their counters say.
 */
function probeVifs(
  table: number,
  socket: Pick<MrouteSocket, 'applyMfc' | 'vifCounters'>,
  requests: Requests,
): ReadonlyMap<number, number> {
  for (let attempt = 0; attempt < PROBES_MAX; attempt++) {
    const before = presentVifs(socket);
    if (before.length === 0) return new Map();
    const ifindexes = probe(table, socket, requests);
    const after = presentVifs(socket);
    // An interface may go meanwhile, and its vif with it.
    const isSteady = before.length === ifindexes.length && before.join() === after.join();
    if (isSteady) return new Map(before.map((number, index) => [number, ifindexes[index] ?? 0]));
  }
  throw new Error(`the IPv6 vifs of table ${table} change faster than they can be read: try again`);
}

/** Tries, of which each fails only if an interface with a vif goes at that moment. */
const PROBES_MAX = VIF_LIMIT + 1;

/** Discard-only addresses (RFC 6666): no packet has this source, so the entry moves none. */
const PROBE = { source: parseAddress('100::6d63'), group: parseAddress('ff1e::6d63:7669:6673') } as const;

function probe(table: number, socket: Pick<MrouteSocket, 'applyMfc'>, requests: Requests): readonly number[] {
  const oifs = Array.from({ length: VIF_LIMIT }, (_, vif) => ({ vif, ttlThreshold: 1 }));
  const put = { op: 'put-mfc', ...PROBE, iif: 0, oifs, isLearned: false } as const;
  check(socket.applyMfc(packMfcRecords([put])));
  try {
    return oifsOf(requests, table, PROBE.source, PROBE.group);
  } finally {
    check(socket.applyMfc(packMfcRecords([{ op: 'delete-mfc', ...PROBE, isLearned: false }])));
  }
}

function oifsOf(requests: Requests, table: number, source: Address, group: Address): readonly number[] {
  const news = requests.get(mfcGetRequest(table, source, group), parseMfcEntry);
  return news?.entry.oifs.map(({ ifindex }) => ifindex) ?? [];
}

function check(errnos: Int32Array): void {
  const [errno = 0] = errnos;
  if (errno !== 0) throw new Error(`the kernel refuses an IPv6 mfc entry (errno ${errno}), so its vifs cannot be read`);
}

function presentVifs(socket: Pick<MrouteSocket, 'vifCounters'>): number[] {
  const numbers: number[] = [];
  for (let vif = 0; vif < VIF_LIMIT; vif++) if (socket.vifCounters(vif) !== undefined) numbers.push(vif);
  return numbers;
}
