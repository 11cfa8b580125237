/** Who is at the other end of a connection. */
export interface Peer {
  /** The name that is written down: "spiffe://...", "dns:NAME", "cn:NAME", "uid:N" or "loopback". */
  readonly identity: string;
  /** All that the rules of a policy may call it: the identity, and the groups ("gid:N") of a process of this host. */
  readonly subjects: readonly string[];
  /** Where it calls from, such as "192.0.2.7:4711"; "unix" for a process of this host. */
  readonly address: string;
}

/** Identity of all who come by a TCP listener of the loopback interface without certificates. */
export const LOOPBACK_IDENTITY = 'loopback';

/** Who a process of this host is, by the credentials of its socket (SO_PEERCRED, SO_PEERGROUPS). */
export function unixPeer(uid: number, gids: readonly number[]): Peer {
  const identity = `uid:${uid}`;
  return { identity, subjects: [identity, ...new Set(gids.map((gid) => `gid:${gid}`))], address: 'unix' };
}

/** Who has shown a certificate, or is on this host. */
export function namedPeer(identity: string, address: string): Peer {
  return { identity, subjects: [identity], address };
}
