// The descriptors of an agent, by the names under which they are handed over and kept.
import { FAMILIES, type Family } from '../../model/address.js';

/** A descriptor that was handed over. */
export interface NamedFd {
  readonly fd: number;
  readonly name: string;
}

/** A descriptor that owns the table of one family. */
export interface MrtSocketFd {
  readonly family: Family;
  readonly fd: number;
}

export type MrtSockets = readonly MrtSocketFd[];

/** Names of the MRT sockets; mcroute-launch gives them. */
export const MRT_SOCKET_NAME: Readonly<Record<Family, string>> = { ipv4: 'mrt4', ipv6: 'mrt6' };

/** Name of the file that says which name has which vif number. */
export const VIF_NAMES_NAME = 'vifs';

/** Picks the MRT sockets out of what was handed over. */
export function mrtSockets(fds: readonly NamedFd[]): MrtSockets {
  return FAMILIES.flatMap((family) => {
    const found = fds.find(({ name }) => name === MRT_SOCKET_NAME[family]);
    return found === undefined ? [] : [{ family, fd: found.fd }];
  });
}

/** The others. */
export function otherSockets(fds: readonly NamedFd[]): readonly NamedFd[] {
  const sockets = new Set(mrtSockets(fds).map(({ fd }) => fd));
  return fds.filter(({ fd }) => !sockets.has(fd));
}
