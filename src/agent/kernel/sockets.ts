import type { Family } from '../../model/address.js';

/** A descriptor that owns the table of one family. */
export interface MrtSocketFd {
  readonly family: Family;
  readonly fd: number;
}

export type MrtSockets = readonly MrtSocketFd[];

/** Picks the MRT sockets out of what was handed over, by the names that mcroute-launch gives them. */
export function mrtSockets(fds: readonly { readonly fd: number; readonly name: string }[]): MrtSockets {
  return fds.flatMap(({ fd, name }): MrtSocketFd[] => {
    if (name === 'mrt4') return [{ family: 'ipv4', fd }];
    if (name === 'mrt6') return [{ family: 'ipv6', fd }];
    return [];
  });
}
