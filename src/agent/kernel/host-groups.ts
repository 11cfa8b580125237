// The groups that the host has joined, by anyone: /proc/net/igmp and /proc/net/igmp6.
import { endianness } from 'node:os';
import type { Address, Family } from '../../model/address.js';

/** A group that something has joined on an interface. */
export interface HostGroup {
  readonly ifindex: number;
  readonly group: Address;
}

/** File of the family; it is of the reader's network namespace. */
export const HOST_GROUPS_FILE: Readonly<Record<Family, string>> = {
  ipv4: '/proc/net/igmp',
  ipv6: '/proc/net/igmp6',
};

export function parseHostGroups(family: Family, text: string): HostGroup[] {
  return family === 'ipv4' ? parseIgmp(text) : parseIgmp6(text);
}

/**
 * A line for each interface, with its index first, then one for each of its groups, which begins with a tab
 * (`igmp_mc_seq_show`). The group is a word in memory, printed as a number.
 */
function parseIgmp(text: string): HostGroup[] {
  const groups: HostGroup[] = [];
  let ifindex = 0;
  for (const line of text.split('\n')) {
    const group = /^\t+([0-9A-F]{8})\s/.exec(line)?.[1];
    if (group !== undefined) groups.push({ ifindex, group: { family: 'ipv4', words: [wordOf(group)] } });
    else ifindex = Number(/^(\d+)\t/.exec(line)?.[1] ?? 0);
  }
  return groups;
}

/** A line for each group: index, name, 32 digits of the group, and what is of no interest (`igmp6_mc_seq_show`). */
function parseIgmp6(text: string): HostGroup[] {
  return Array.from(text.matchAll(/^(\d+)\s+\S+\s+([0-9a-f]{32})\s/gm), ([, ifindex, digits = '']) => {
    const words = [0, 8, 16, 24].map((at) => Number.parseInt(digits.slice(at, at + 8), 16));
    return { ifindex: Number(ifindex), group: { family: 'ipv6', words } };
  });
}

function wordOf(digits: string): number {
  const bytes = Buffer.from(digits, 'hex');
  return endianness() === 'LE' ? bytes.readUInt32LE() : bytes.readUInt32BE();
}
