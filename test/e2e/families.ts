// What differs between the families in tests that are the same for both.

/** Addresses of one family and how `ip` is told of it. */
export interface FamilyCase {
  readonly family: 'ipv4' | 'ipv6';
  /** Option of `ip`. */
  readonly ipOption: '-4' | '-6';
  /** Group number `n`, 1..255, all in `groupPrefix`. */
  group(n: number): string;
  readonly groupPrefix: string;
  /** Source number `n`, 1..255, all in `sourcePrefix`. */
  source(n: number): string;
  readonly sourcePrefix: string;
  /** Source number `n` of another net. */
  strangeSource(n: number): string;
  /** Every source. */
  readonly anySource: string;
}

export const IPV4: FamilyCase = {
  family: 'ipv4',
  ipOption: '-4',
  group: (n) => `239.1.1.${n}`,
  groupPrefix: '239.1.1.0/24',
  source: (n) => `10.50.0.${n}`,
  sourcePrefix: '10.50.0.0/24',
  strangeSource: (n) => `10.66.0.${n}`,
  anySource: '0.0.0.0',
};

export const IPV6: FamilyCase = {
  family: 'ipv6',
  ipOption: '-6',
  group: (n) => `ff1e::1:${n.toString(16)}`,
  groupPrefix: 'ff1e::1:0/112',
  source: (n) => `2001:db8:50::${n.toString(16)}`,
  sourcePrefix: '2001:db8:50::/64',
  strangeSource: (n) => `2001:db8:66::${n.toString(16)}`,
  anySource: '::',
};

export const FAMILY_CASES: readonly FamilyCase[] = [IPV4, IPV6];
