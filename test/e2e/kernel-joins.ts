// The groups that are joined in a namespace, as the kernel itself tells them.
import { type Address, formatAddress } from '../../src/model/address.js';
import type { Namespace } from '../support/namespaces.js';
import { type FamilyCase, IPV6 } from './families.js';

/** Groups that somebody has joined on the interface, sorted; without those of the kernel itself. */
export function groupsOn(namespace: Namespace, interfaceName: string, family: FamilyCase): string[] {
  const groups = family === IPV6 ? igmp6Groups(namespace, interfaceName) : igmpGroups(namespace, interfaceName);
  return groups.filter((group) => !/^(224\.|ff01:|ff02:)/.test(group)).sort();
}

/**
 * `[group, source]` of the source filters of the interface, sorted. The kernel shows none of an interface whose newest
 * group has no sources (`igmp_mcf_get_first`, `igmp6_mcf_get_first`).
 */
export function sourcesOn(namespace: Namespace, interfaceName: string, family: FamilyCase): [string, string][] {
  const lines = procLines(namespace, family === IPV6 ? 'mcfilter6' : 'mcfilter').slice(1);
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, device]) => device === interfaceName)
    .map(([, , group = '', source = '']): [string, string] => [fromHex(group), fromHex(source)])
    .sort();
}

/** `INDEX DEVICE ...` begins an interface, lines that begin with a tab are its groups, in host byte order. */
function igmpGroups(namespace: Namespace, interfaceName: string): string[] {
  const groups: string[] = [];
  let device = '';
  for (const line of procLines(namespace, 'igmp').slice(1)) {
    const words = line.trim().split(/\s+/);
    if (!line.startsWith('\t')) device = words[1] ?? '';
    else if (device === interfaceName) groups.push(fromHex((words[0] ?? '').replace(/(..)(..)(..)(..)/, '$4$3$2$1')));
  }
  return groups;
}

function igmp6Groups(namespace: Namespace, interfaceName: string): string[] {
  return procLines(namespace, 'igmp6')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, device]) => device === interfaceName)
    .map(([, , group = '']) => fromHex(group));
}

function procLines(namespace: Namespace, file: string): string[] {
  return namespace
    .run('cat', [`/proc/net/${file}`])
    .trimEnd()
    .split('\n');
}

/** An address of 8 or 32 hexadecimal digits. */
function fromHex(text: string): string {
  const digits = text.replace(/^0x/, '');
  const words = (digits.match(/.{8}/g) ?? []).map((word) => Number.parseInt(word, 16));
  const address: Address = { family: words.length === 1 ? 'ipv4' : 'ipv6', words };
  return formatAddress(address);
}
