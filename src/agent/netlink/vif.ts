// Vifs of the IPv4 tables: RTM_GETLINK of RTNL_FAMILY_IPMR (`ipmr_rtm_dumplink`). IPv6 has no such dump: the kernel
// answers with ordinary links.
import { type Attributes, listAttributes, parseAttributes, readOptional, readRequired } from './attribute.js';
import { readU16, readU32, readU64 } from './attribute.js';
import { NetlinkFormatError, fixedPart } from './bytes.js';
import { MULTICAST_FAMILY } from './family.js';
import { IFINFOMSG_LENGTH, RTM_GETLINK, RTM_NEWLINK } from './link.js';
import { NLM_F, type NetlinkMessage, type NetlinkRequest } from './message.js';

/** A vif as the kernel has it. */
export interface VifDumpEntry {
  readonly table: number;
  /** 0..31. */
  readonly vif: number;
  /** Undefined: its interface is being deleted. */
  readonly ifindex: number | undefined;
  /** VIFF_*: 0x8 by ifindex, 0x8000 static. */
  readonly flags: number;
  readonly packetsIn: bigint;
  readonly bytesIn: bigint;
  readonly packetsOut: bigint;
  readonly bytesOut: bigint;
}

/** Asks for the vifs of all IPv4 tables; the kernel has no filter. */
export function vifDumpRequest(): NetlinkRequest {
  const payload = new Uint8Array(IFINFOMSG_LENGTH);
  payload[0] = MULTICAST_FAMILY.ipv4;
  return { name: 'RTM_GETLINK', type: RTM_GETLINK, flags: NLM_F.dump, payload };
}

/**
 * The vifs of a message, all of one table; undefined if it is about something else. A table may take several messages.
 *
 * @throws NetlinkFormatError
 */
export function parseVifs(message: NetlinkMessage): readonly VifDumpEntry[] | undefined {
  if (message.type !== RTM_NEWLINK) return undefined;
  const header = fixedPart(message.payload, IFINFOMSG_LENGTH, 'struct ifinfomsg');
  if (header.getUint8(0) !== MULTICAST_FAMILY.ipv4) return undefined;
  const attributes = parseAttributes(message.payload, IFINFOMSG_LENGTH);
  const table = readRequired(attributes, IFLA_AF_SPEC, (value) => parseAttributes(value), 'IFLA_AF_SPEC');
  const id = readRequired(table, IPMRA_TABLE.id, readU32, 'IPMRA_TABLE_ID');
  const vifs = readOptional(table, IPMRA_TABLE.vifs, (value) => listAttributes(value)) ?? [];
  return vifs.filter(({ type }) => type === IPMRA_VIF).map(({ value }) => parseVif(id, parseAttributes(value)));
}

const IFLA_AF_SPEC = 26;
const IPMRA_TABLE = { id: 1, vifs: 6 } as const;
const IPMRA_VIF = 1;
const IPMRA_VIFA = { ifindex: 1, vif: 2, flags: 3, bytesIn: 4, bytesOut: 5, packetsIn: 6, packetsOut: 7 } as const;

function parseVif(table: number, attributes: Attributes): VifDumpEntry {
  const counter = (type: number): bigint => readRequired(attributes, type, readU64, `IPMRA_VIFA ${type}`);
  const vif = readRequired(attributes, IPMRA_VIFA.vif, readU32, 'IPMRA_VIFA_VIF_ID');
  if (vif > 31) throw new NetlinkFormatError(`vif ${vif} is above MAXVIFS`);
  return {
    table,
    vif,
    ifindex: readOptional(attributes, IPMRA_VIFA.ifindex, readU32),
    flags: readRequired(attributes, IPMRA_VIFA.flags, readU16, 'IPMRA_VIFA_FLAGS'),
    packetsIn: counter(IPMRA_VIFA.packetsIn),
    bytesIn: counter(IPMRA_VIFA.bytesIn),
    packetsOut: counter(IPMRA_VIFA.packetsOut),
    bytesOut: counter(IPMRA_VIFA.bytesOut),
  };
}
