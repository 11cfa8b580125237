// Joins, as many as are asked for: the kernel limits them per socket, so they are spread over sockets.
import { type Address, FAMILIES, type Family, addressKey } from '../../model/address.js';
import { isSystemError } from './errors.js';
import type { HostGroup } from './host-groups.js';
import { nativeFamily } from './mfc-records.js';
import type { MembershipSocket, NativeAddon } from './native.js';
import type { Join } from './port.js';

/**
 * Sockets of one family for one kind of join: any-source and source-specific joins of one group refuse each other on
 * one socket (EADDRINUSE), so each kind has sockets of its own.
 */
class Shard {
  readonly #open: () => MembershipSocket;
  readonly #isSourceSpecific: boolean;
  readonly #sockets: MembershipSocket[] = [];
  /** Which socket has a join. */
  readonly #holders = new Map<string, number>();
  /** Where the next join of a group is tried first; those before refused one more. */
  readonly #firstWithRoom = new Map<string, number>();
  /** Where the first join of a new group is tried first. */
  #firstForNewGroup = 0;

  constructor(open: () => MembershipSocket, isSourceSpecific: boolean) {
    this.#open = open;
    this.#isSourceSpecific = isSourceSpecific;
  }

  /** Takes over a socket, with whatever it has joined. */
  adopt(socket: MembershipSocket): void {
    this.#sockets.push(socket);
  }

  /** Which of the groups the sockets have joined, socket by socket; from now on these joins are known here. */
  *find(groups: Iterable<HostGroup>): Iterable<Join> {
    // The kernel lists the last joins first (`ip_mc_inc_group`), and neighbours are most often on the same socket.
    const count = this.#sockets.length;
    let last = count - 1;
    for (const { ifindex, group } of groups) {
      const first = last;
      for (let tries = 0; tries < count; tries++) {
        const index = (first - tries + count) % count;
        const sources = this.#sockets[index]?.sources(ifindex, words(group));
        if (sources === undefined) continue;
        for (const source of this.#isSourceSpecific ? addresses(group.family, sources) : [undefined]) {
          this.#holders.set(joinKey(ifindex, group, source), index);
          yield { ifindex, group, source };
        }
        last = index;
        // Joins of any source are on one socket, those of many sources may be on several.
        if (!this.#isSourceSpecific) break;
      }
    }
  }

  join(ifindex: number, group: Address, source: Address | undefined): void {
    const key = joinKey(ifindex, group, source);
    if (this.#holders.has(key)) return;
    const groupKey = joinKey(ifindex, group, undefined);
    const known = this.#firstWithRoom.get(groupKey);
    for (let index = known ?? this.#firstForNewGroup; ; index++) {
      const isNew = index === this.#sockets.length;
      const socket = this.#sockets[index] ?? this.#open();
      if (isNew) this.#sockets.push(socket);
      try {
        socket.join(ifindex, words(group), source && words(source));
      } catch (error) {
        // A socket that has nothing yet and still refuses: the limit is not the socket's.
        if (isNew || !isFull(error)) throw error;
        if (known === undefined) this.#firstForNewGroup = index + 1;
        continue;
      }
      this.#holders.set(key, index);
      if (source !== undefined) this.#firstWithRoom.set(groupKey, index);
      return;
    }
  }

  leave(ifindex: number, group: Address, source: Address | undefined): void {
    const key = joinKey(ifindex, group, source);
    const index = this.#holders.get(key);
    if (index === undefined) return;
    this.#holders.delete(key);
    const groupKey = joinKey(ifindex, group, undefined);
    const first = this.#firstWithRoom.get(groupKey);
    if (first !== undefined) this.#firstWithRoom.set(groupKey, Math.min(first, index));
    this.#firstForNewGroup = Math.min(this.#firstForNewGroup, index);
    const socket = this.#sockets[index];
    try {
      socket?.leave(ifindex, words(group), source && words(source));
    } catch (error) {
      // Of an interface that is gone no source can be left, only the group with all its sources, which are gone alike.
      // Without that the socket's place stays taken.
      if (source === undefined || !isSystemError(error) || error.code !== 'ENODEV') throw error;
      socket?.leave(ifindex, words(group));
    }
  }

  close(): void {
    for (const socket of this.#sockets.reverse()) socket.close();
    this.#sockets.length = 0;
    this.#holders.clear();
    this.#firstWithRoom.clear();
    this.#firstForNewGroup = 0;
  }
}

/** All joins of a table. */
export class MembershipPool {
  readonly #shards = new Map<string, Shard>();
  readonly #addon: Pick<NativeAddon, 'openMembershipSocket' | 'adoptMembershipSocket'>;
  readonly #keep: (name: string, fd: number) => void;

  /** @param keep is called with each new socket before it joins anything, and the name under which to hand it over. */
  constructor(
    addon: Pick<NativeAddon, 'openMembershipSocket' | 'adoptMembershipSocket'>,
    keep: (name: string, fd: number) => void,
  ) {
    this.#addon = addon;
    this.#keep = keep;
  }

  /** Takes over a socket of an earlier agent, by its name; false if it is none. Throws system errors. */
  adopt(name: string, fd: number): boolean {
    const kind = KINDS.find((each) => each.name === name);
    if (kind === undefined) return false;
    const socket = this.#addon.adoptMembershipSocket(nativeFamily(kind.family), fd);
    this.#shard(kind.family, kind.isSourceSpecific).adopt(socket);
    return true;
  }

  /** Joins of sockets that were taken over, of these groups. */
  find(family: Family, groups: readonly HostGroup[]): Join[] {
    return KINDS.filter((kind) => kind.family === family && this.#shards.has(kind.name)).flatMap((kind) => [
      ...this.#shard(family, kind.isSourceSpecific).find(groups),
    ]);
  }

  /** Joins a group on an interface, from one source or any. What is joined already stays. Throws system errors. */
  join(ifindex: number, group: Address, source: Address | undefined): void {
    this.#shard(group.family, source !== undefined).join(ifindex, group, source);
  }

  /** Leaves what was joined; nothing happens if it was not. Throws system errors. */
  leave(ifindex: number, group: Address, source: Address | undefined): void {
    this.#shard(group.family, source !== undefined).leave(ifindex, group, source);
  }

  /** Leaves all. */
  close(): void {
    for (const shard of this.#shards.values()) shard.close();
  }

  #shard(family: Family, isSourceSpecific: boolean): Shard {
    const name = shardName(family, isSourceSpecific);
    let shard = this.#shards.get(name);
    if (shard === undefined) {
      const open = () => {
        const socket = this.#addon.openMembershipSocket(nativeFamily(family));
        this.#keep(name, socket.fd);
        return socket;
      };
      shard = new Shard(open, isSourceSpecific);
      this.#shards.set(name, shard);
    }
    return shard;
  }
}

/** The kinds of sockets. */
const KINDS = FAMILIES.flatMap((family) =>
  [false, true].map((isSourceSpecific) => ({
    family,
    isSourceSpecific,
    name: shardName(family, isSourceSpecific),
  })),
);

/** Names under which the sockets are handed over. */
export const MEMBERSHIP_SOCKET_NAMES: readonly string[] = KINDS.map(({ name }) => name);

function shardName(family: Family, isSourceSpecific: boolean): string {
  return `${isSourceSpecific ? 'ssm' : 'asm'}${nativeFamily(family)}`;
}

/** The socket has as many joins as it may: igmp_max_memberships, igmp_max_msf, mld_max_msf (ENOBUFS), optmem_max (ENOMEM). */
function isFull(error: unknown): boolean {
  return isSystemError(error) && (error.code === 'ENOBUFS' || error.code === 'ENOMEM');
}

function joinKey(ifindex: number, group: Address, source: Address | undefined): string {
  return `${ifindex} ${addressKey(group)} ${source === undefined ? '' : addressKey(source)}`;
}

/** Addresses of 4 words each. */
function addresses(family: Family, packed: Uint32Array): Address[] {
  const length = family === 'ipv4' ? 1 : 4;
  return Array.from({ length: packed.length / 4 }, (_, index) => {
    return { family, words: [...packed.subarray(index * 4, index * 4 + length)] };
  });
}

function words(address: Address): Uint32Array {
  const all = new Uint32Array(4);
  all.set(address.words);
  return all;
}
