// Joins, as many as are asked for: the kernel limits them per socket, so they are spread over sockets.
import { type Address, type Family, addressKey } from '../../model/address.js';
import { isSystemError } from './errors.js';
import { nativeFamily } from './mfc-records.js';
import type { MembershipSocket, NativeAddon } from './native.js';

/**
 * Sockets of one family for one kind of join: any-source and source-specific joins of one group refuse each other on
 * one socket (EADDRINUSE), so each kind has sockets of its own.
 */
class Shard {
  readonly #open: () => MembershipSocket;
  readonly #sockets: MembershipSocket[] = [];
  /** Which socket has a join. */
  readonly #holders = new Map<string, number>();
  /** Where the next join of a group is tried first; those before refused one more. */
  readonly #firstWithRoom = new Map<string, number>();
  /** Where the first join of a new group is tried first. */
  #firstForNewGroup = 0;

  constructor(open: () => MembershipSocket) {
    this.#open = open;
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
    this.#sockets[index]?.leave(ifindex, words(group), source && words(source));
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
  readonly #addon: Pick<NativeAddon, 'openMembershipSocket'>;

  constructor(addon: Pick<NativeAddon, 'openMembershipSocket'>) {
    this.#addon = addon;
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
    const name = `${family} ${isSourceSpecific ? 'ssm' : 'asm'}`;
    let shard = this.#shards.get(name);
    if (shard === undefined) {
      shard = new Shard(() => this.#addon.openMembershipSocket(nativeFamily(family)));
      this.#shards.set(name, shard);
    }
    return shard;
  }
}

/** The socket has as many joins as it may: igmp_max_memberships, igmp_max_msf, mld_max_msf (ENOBUFS), optmem_max (ENOMEM). */
function isFull(error: unknown): boolean {
  return isSystemError(error) && (error.code === 'ENOBUFS' || error.code === 'ENOMEM');
}

function joinKey(ifindex: number, group: Address, source: Address | undefined): string {
  return `${ifindex} ${addressKey(group)} ${source === undefined ? '' : addressKey(source)}`;
}

function words(address: Address): Uint32Array {
  const all = new Uint32Array(4);
  all.set(address.words);
  return all;
}
