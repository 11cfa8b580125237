// The words of IGMP, MLD and router discovery, by family.
import type { Family } from '../../src/model/address.js';

export const LINK_CASES = {
  ipv4: {
    router: '10.0.1.5',
    lower: '10.0.1.1',
    group: '239.1.1.1',
    marker: '224.0.0.250',
    everyone: '224.0.0.1',
    snoopers: '224.0.0.106',
    routers: '224.0.0.2',
    query: 0x11,
    reports: [0x16, 0x22],
    advertisement: 0x30,
    termination: 0x32,
    solicitation: '3100ceff',
    /** Bytes of queries of the older and the newer version. */
    lengths: [8, 12],
    versions: [2, 3],
  },
  ipv6: {
    router: 'fe80::5',
    lower: 'fe80::1',
    group: 'ff1e::1:1',
    // To every node; a switch does not hold it back.
    marker: 'ff02::1',
    everyone: 'ff02::1',
    snoopers: 'ff02::6a',
    routers: 'ff02::2',
    query: 130,
    reports: [131, 143],
    advertisement: 151,
    termination: 153,
    solicitation: '98000000',
    lengths: [24, 28],
    versions: [1, 2],
  },
} as const satisfies Readonly<Record<Family, unknown>>;
