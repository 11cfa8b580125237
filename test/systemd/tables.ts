// What the tables of these tests are told, and the streams that they forward.
import type { Resource } from '../../src/api/generated/mcroute/v1/Resource.js';

/** A table that forwards from `in<sender>` to out1, by one rule of each kind and family. */
export interface TableUnderTest {
  readonly table: number;
  readonly sender: number;
}

/** Exact sources; any source; prefixes, whose flows are learned when their first packets come; joins, ASM and SSM. */
export function resourcesOf(tested: TableUnderTest): readonly Resource[] {
  const { sender } = tested;
  const [ipv4, ipv6] = sourcesOf(tested);
  const iif = `in${sender}`;
  const mroute = (group: string, source = ''): Resource => ({
    mroute: { key: { iif, source, group }, oifs: [{ interface: 'out1' }] },
  });
  const membership = (group: string, source = ''): Resource => ({
    membership: { key: { interface: iif, group, source } },
  });
  return [
    mroute(`239.1.${sender}.1`, ipv4),
    mroute(`ff3e::1:${sender}:1`, ipv6),
    mroute(`239.2.${sender}.1`),
    mroute(`ff0e::2:${sender}:1`),
    mroute(`239.3.${sender}.0/24`),
    mroute(`ff0e::3:${sender}:0/112`),
    membership(`239.4.${sender}.1`),
    membership(`ff0e::4:${sender}:1`),
    membership(`232.5.${sender}.1`, ipv4),
    membership(`ff3e::5:${sender}:1`, ipv6),
  ];
}

/** A group for each of the rules. */
export function groupsOf({ sender }: TableUnderTest): readonly string[] {
  return [
    `239.1.${sender}.1`,
    `ff3e::1:${sender}:1`,
    `239.2.${sender}.1`,
    `ff0e::2:${sender}:1`,
    `239.3.${sender}.7`,
    `ff0e::3:${sender}:7`,
  ];
}

/** The addresses of the sender, as test/support/topology.ts gives them. */
function sourcesOf({ sender }: TableUnderTest): readonly [string, string] {
  return [`10.0.${sender}.2`, `2001:db8:100${sender}::2`];
}
