// Mrules: RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE of the multicast families (linux/fib_rules.h, `fib_nl_fill_rule`).
import type { Family } from '../../model/address.js';
import type { Mrule } from '../../model/mrule.js';
import { parseAttributes, readOptional, readText, readU32, readU8 } from './attribute.js';
import { textAttribute, u32Attribute, u8Attribute } from './attribute.js';
import { LITTLE_ENDIAN, fixedPart } from './bytes.js';
import { MULTICAST_FAMILY, multicastFamily } from './family.js';
import { NLM_F, type NetlinkMessage, type NetlinkRequest, encodePayload } from './message.js';

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;

/** What a rule does with the packets it matches, FR_ACT_*. */
export type MruleAction = 'to-table' | 'goto' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'unknown';

/** A rule as the kernel has it: more kinds than mcroute makes. `plainMrule` tells those it could have made. */
export interface MruleDumpEntry {
  readonly family: Family;
  readonly action: MruleAction;
  /** 0 where the rule names none, as with `l3mdev`. */
  readonly table: number;
  /** 0 if it was made without one while there was no other rule. */
  readonly priority: number;
  /** FRA_PROTOCOL, who made it; 0 if it does not say. */
  readonly protocol: number;
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  /** Its iif or oif names an interface that does not exist now; it takes hold again when that comes. */
  readonly isDetached: boolean;
  /** It matches all but what it says (`not`). */
  readonly isInverted: boolean;
  /** The table is that of the VRF of the packet's interface. */
  readonly isL3mdev: boolean;
  /** Names of what else it looks at, such as `fwmark`. */
  readonly otherSelectors: readonly string[];
}

/** What a message says of a rule. */
export interface MruleNews {
  readonly event: 'mrule' | 'mrule-gone';
  readonly rule: MruleDumpEntry;
}

/** Asks for the rules of all tables. Answered with EAFNOSUPPORT where the kernel has no multicast rules of the family. */
export function mruleDumpRequest(family: Family): NetlinkRequest {
  return { name: 'RTM_GETRULE', type: RTM_GETRULE, flags: NLM_F.dump, payload: ruleHeader(family, 0) };
}

/** Makes a rule. Answered with EEXIST if the same one is there; the interface need not exist. */
export function addMruleRequest(rule: Mrule): NetlinkRequest {
  const flags = NLM_F.create | NLM_F.exclusive;
  return { name: 'RTM_NEWRULE', type: RTM_NEWRULE, flags, payload: encodeMrule(rule) };
}

/** Deletes a rule. Answered with ENOENT if it is not there. */
export function deleteMruleRequest(rule: Mrule): NetlinkRequest {
  return { name: 'RTM_DELRULE', type: RTM_DELRULE, flags: 0, payload: encodeMrule(rule) };
}

/**
 * What the message says of an mrule; undefined if it is about something else, such as a unicast rule.
 *
 * @throws NetlinkFormatError
 */
export function parseMrule(message: NetlinkMessage): MruleNews | undefined {
  if (message.type !== RTM_NEWRULE && message.type !== RTM_DELRULE) return undefined;
  const header = fixedPart(message.payload, FIB_RULE_HDR_LENGTH, 'struct fib_rule_hdr');
  const family = multicastFamily(header.getUint8(0));
  if (family === undefined) return undefined;
  const flags = header.getUint32(8, LITTLE_ENDIAN);
  const attributes = parseAttributes(message.payload, FIB_RULE_HDR_LENGTH);
  const selectors = OTHER_SELECTORS.filter(([type]) => attributes.has(type)).map(([, name]) => name);
  if (header.getUint8(1) !== 0) selectors.push('to');
  if (header.getUint8(2) !== 0) selectors.push('from');
  if (header.getUint8(3) !== 0) selectors.push('tos');
  return {
    event: message.type === RTM_NEWRULE ? 'mrule' : 'mrule-gone',
    rule: {
      family,
      action: ACTIONS.get(header.getUint8(7)) ?? 'unknown',
      // The header has eight bits for it; FRA_TABLE has them all.
      table: readOptional(attributes, FRA.table, readU32) ?? header.getUint8(4),
      priority: readOptional(attributes, FRA.priority, readU32) ?? 0,
      protocol: readOptional(attributes, FRA.protocol, readU8) ?? 0,
      iif: readOptional(attributes, FRA.iif, readText),
      oif: readOptional(attributes, FRA.oif, readText),
      isDetached: (flags & (FIB_RULE.iifDetached | FIB_RULE.oifDetached)) !== 0,
      isInverted: (flags & FIB_RULE.invert) !== 0,
      isL3mdev: (readOptional(attributes, FRA.l3mdev, readU8) ?? 0) !== 0,
      otherSelectors: selectors,
    },
  };
}

/**
 * The rule in the words of the model if it leads packets to a table and looks at nothing but one interface, iif or oif
 * but not both, or at nothing at all. Undefined for any other.
 */
export function plainMrule(rule: MruleDumpEntry): Mrule | undefined {
  const { family, table, priority, protocol, iif, oif } = rule;
  if (rule.action !== 'to-table' || rule.isInverted || rule.isL3mdev || rule.otherSelectors.length > 0)
    return undefined;
  if (iif !== undefined && oif === undefined) {
    return { family, direction: 'iif', interface: iif, table, priority, protocol };
  }
  if (oif !== undefined && iif === undefined) {
    return { family, direction: 'oif', interface: oif, table, priority, protocol };
  }
  if (iif === undefined && oif === undefined) {
    return { family, direction: 'iif', interface: '', table, priority, protocol };
  }
  return undefined;
}

const RTM_GETRULE = 34;
const FIB_RULE_HDR_LENGTH = 12;
const FR_ACT_TO_TBL = 1;
const FIB_RULE = { invert: 0x2, iifDetached: 0x8, oifDetached: 0x10 } as const;
const FRA = { iif: 3, priority: 6, table: 15, oif: 17, l3mdev: 19, protocol: 21 } as const;

const ACTIONS: ReadonlyMap<number, MruleAction> = new Map([
  [FR_ACT_TO_TBL, 'to-table'],
  [2, 'goto'],
  [3, 'nop'],
  [6, 'blackhole'],
  [7, 'unreachable'],
  [8, 'prohibit'],
]);

/**
 * Attributes that narrow a rule, in iproute2's words. Not FRA_SUPPRESS_PREFIXLEN and FRA_SUPPRESS_IFGROUP, which every
 * dump has and which mean nothing to multicast; nor types that a later kernel adds, lest each rule look odd there.
 */
const OTHER_SELECTORS: readonly (readonly [type: number, name: string])[] = [
  [1, 'to'],
  [2, 'from'],
  [10, 'fwmark'],
  [12, 'tun_id'],
  [16, 'fwmask'],
  [20, 'uidrange'],
  [22, 'ipproto'],
  [23, 'sport'],
  [24, 'dport'],
];

function ruleHeader(family: Family, action: number): Uint8Array {
  const header = new Uint8Array(FIB_RULE_HDR_LENGTH);
  header[0] = MULTICAST_FAMILY[family];
  header[7] = action;
  return header;
}

function encodeMrule(rule: Mrule): Uint8Array {
  return encodePayload(ruleHeader(rule.family, FR_ACT_TO_TBL), [
    u32Attribute(FRA.table, rule.table),
    u32Attribute(FRA.priority, rule.priority),
    u8Attribute(FRA.protocol, rule.protocol),
    textAttribute(rule.direction === 'iif' ? FRA.iif : FRA.oif, rule.interface),
  ]);
}
