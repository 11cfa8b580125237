// What the kernel says on its own, by message type and by group.
import { type AddressNews, RTM_DELADDR, RTM_NEWADDR, parseInterfaceAddress } from './address.js';
import { type LinkNews, RTM_DELLINK, RTM_NEWLINK, parseLink } from './link.js';
import type { NetlinkMessage } from './message.js';
import { type MfcNews, RTM_DELROUTE, RTM_NEWROUTE, parseMfcEntry } from './mroute.js';
import { type NetconfNews, RTM_NEWNETCONF, parseNetconf } from './netconf.js';
import { type MruleNews, RTM_DELRULE, RTM_NEWRULE, parseMrule } from './rule.js';

/** News of one thing. */
export type NetlinkNews = LinkNews | AddressNews | MruleNews | MfcNews | NetconfNews;

/** The kinds of news one can ask for. */
export type NewsKind = NetlinkNews['event'];

/** The groups that carry a kind of news, both families: RTNLGRP_* of linux/rtnetlink.h. */
export function newsGroups(kind: NewsKind): readonly number[] {
  return SOURCES[kind].groups;
}

/** The message type that carries a kind of news. */
export function newsType(kind: NewsKind): number {
  return SOURCES[kind].type;
}

/**
 * The news that a message has if it is of one of the kinds; undefined if not. Others are told by their type alone, so
 * that they cost nothing.
 *
 * @throws NetlinkFormatError
 */
export function parseNews(message: NetlinkMessage, kinds: ReadonlySet<NewsKind>): NetlinkNews | undefined {
  const kind = KINDS.get(message.type);
  return kind !== undefined && kinds.has(kind) ? SOURCES[kind].parse(message) : undefined;
}

interface Source {
  readonly type: number;
  readonly groups: readonly number[];
  readonly parse: (message: NetlinkMessage) => NetlinkNews | undefined;
}

const LINK_GROUPS = [1];
const ADDRESS_GROUPS = [5, 9];
const MROUTE_GROUPS = [6, 10];
const RULE_GROUPS = [8, 19];
const NETCONF_GROUPS = [24, 25];

const SOURCES: Readonly<Record<NewsKind, Source>> = {
  link: { type: RTM_NEWLINK, groups: LINK_GROUPS, parse: parseLink },
  'link-gone': { type: RTM_DELLINK, groups: LINK_GROUPS, parse: parseLink },
  address: { type: RTM_NEWADDR, groups: ADDRESS_GROUPS, parse: parseInterfaceAddress },
  'address-gone': { type: RTM_DELADDR, groups: ADDRESS_GROUPS, parse: parseInterfaceAddress },
  mrule: { type: RTM_NEWRULE, groups: RULE_GROUPS, parse: parseMrule },
  'mrule-gone': { type: RTM_DELRULE, groups: RULE_GROUPS, parse: parseMrule },
  mfc: { type: RTM_NEWROUTE, groups: MROUTE_GROUPS, parse: parseMfcEntry },
  'mfc-gone': { type: RTM_DELROUTE, groups: MROUTE_GROUPS, parse: parseMfcEntry },
  netconf: { type: RTM_NEWNETCONF, groups: NETCONF_GROUPS, parse: parseNetconf },
};

const KINDS: ReadonlyMap<number, NewsKind> = new Map(
  (Object.keys(SOURCES) as NewsKind[]).map((kind) => [SOURCES[kind].type, kind]),
);
