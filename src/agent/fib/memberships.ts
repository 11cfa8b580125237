// The joins that memberships want, by ifindex, and which of them the kernel has.
import { type Address, type Prefix, addressKey, addressLength } from '../../model/address.js';
import { PAIRS_PER_MEMBERSHIP_MAX } from '../../model/limits.js';
import { type Membership, isSourceSpecific } from '../../model/membership.js';
import type { KernelFailure } from '../../model/resource.js';
import type { Join, Operation } from '../kernel/port.js';
import { type InterfaceUse, InterfaceUses } from './interface-uses.js';
import type { Links } from './links.js';
import type { TouchedWishes, Wish } from './wish.js';

/** A membership of an owner. */
export interface MembershipWish {
  readonly wish: Wish;
  readonly membership: Membership;
  readonly use: InterfaceUse<MembershipWish>;
  /** Keys of the joins that it wants now. */
  joins: readonly string[];
}

/** Who wants a join, and how far it has got. */
interface JoinState {
  readonly join: Join;
  readonly wishes: Set<MembershipWish>;
  isJoined: boolean;
  failure: KernelFailure | undefined;
}

export class MembershipBook {
  readonly #links: Links;
  readonly #uses: InterfaceUses<MembershipWish, 'join'>;
  readonly #wishes = new Map<Wish, MembershipWish>();
  readonly #touched: TouchedWishes;
  readonly #joins = new Map<string, JoinState>();
  /** Keys of joins to compare. */
  readonly #dirty = new Set<string>();

  /** @param touched takes the wishes whose status may have changed */
  constructor(links: Links, touched: TouchedWishes) {
    this.#links = links;
    this.#touched = touched;
    this.#uses = new InterfaceUses({ join: links });
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  find(wish: Wish): MembershipWish | undefined {
    return this.#wishes.get(wish);
  }

  /** Names and wildcards of the interfaces that memberships name. */
  patterns(): Iterable<string> {
    return this.#uses.patterns();
  }

  /** Replaces what the wish asks for; undefined: nothing any more. */
  set(wish: Wish, membership: Membership | undefined): void {
    const old = this.#wishes.get(wish);
    if (membership === undefined) this.#wishes.delete(wish);
    else {
      const use = this.#uses.open('join', membership.key.interface);
      const wanted: MembershipWish = { wish, membership, use, joins: [] };
      use.users.add(wanted);
      this.#wishes.set(wish, wanted);
      this.#want(wanted);
    }
    if (old !== undefined) {
      this.#uses.release(old.use, old);
      for (const key of old.joins) this.#unwant(key, old);
    }
    this.#touched.add(wish);
  }

  /** The kernel has the join since an earlier agent; it is left if nobody wants it. */
  adopt(join: Join): void {
    const key = joinKey(join);
    const state = this.#joins.get(key) ?? { join, wishes: new Set(), isJoined: true, failure: undefined };
    state.isJoined = true;
    this.#joins.set(key, state);
    this.#dirty.add(key);
    for (const { wish } of state.wishes) this.#touched.add(wish);
  }

  /** The interfaces of these names have come, gone or got another index. */
  onLinksChanged(names: Iterable<string>): void {
    const changed = [...names];
    this.#uses.refresh(changed);
    for (const name of changed) {
      for (const use of this.#uses.matching(name)) for (const wish of use.users) this.#wantAgain(wish);
    }
  }

  /** Leaves first, so that their places are free for the joins. */
  plan(): Operation[] {
    const leaves: Operation[] = [];
    const joins: Operation[] = [];
    for (const key of this.#dirty) {
      const state = this.#joins.get(key);
      if (state === undefined) continue;
      const isWanted = state.wishes.size > 0;
      if (isWanted && !state.isJoined) joins.push({ op: 'join', ...state.join });
      else if (!isWanted && state.isJoined) leaves.push({ op: 'leave', ...state.join });
      else if (!isWanted) this.#joins.delete(key);
    }
    return [...leaves, ...joins];
  }

  /** What was planned was applied; the results follow one by one. */
  beginCommit(): void {
    this.#dirty.clear();
  }

  commit(op: 'join' | 'leave', join: Join, failure: KernelFailure | undefined): void {
    const key = joinKey(join);
    const state = this.#joins.get(key);
    if (state === undefined) return;
    // A leave that fails is of an interface that is gone, and the join with it.
    state.isJoined = op === 'join' && failure === undefined;
    state.failure = op === 'join' ? failure : undefined;
    for (const { wish } of state.wishes) this.#touched.add(wish);
    if (state.wishes.size === 0 && !state.isJoined) this.#joins.delete(key);
  }

  retryFailed(): void {
    for (const [key, state] of this.#joins) {
      if (state.failure === undefined) continue;
      state.failure = undefined;
      this.#dirty.add(key);
    }
  }

  /** The first refusal among the wish's joins, and whether all of them stand. */
  progressOf(wish: MembershipWish): { readonly failure: KernelFailure | undefined; readonly isJoined: boolean } {
    const states = wish.joins.map((key) => this.#joins.get(key));
    return {
      failure: states.find((state) => state?.failure !== undefined)?.failure,
      isJoined: states.every((state) => state?.isJoined === true),
    };
  }

  #wantAgain(wish: MembershipWish): void {
    const before = wish.joins;
    this.#want(wish);
    const now = new Set(wish.joins);
    for (const key of before) if (!now.has(key)) this.#unwant(key, wish);
    this.#touched.add(wish.wish);
  }

  #want(wish: MembershipWish): void {
    const keys: string[] = [];
    for (const name of wish.use.members) {
      const link = this.#links.named(name);
      if (link === undefined) continue;
      for (const join of joinsOf(wish.membership, link.ifindex)) {
        const key = joinKey(join);
        keys.push(key);
        let state = this.#joins.get(key);
        if (state === undefined) {
          state = { join, wishes: new Set(), isJoined: false, failure: undefined };
          this.#joins.set(key, state);
        }
        state.wishes.add(wish);
        if (!state.isJoined && state.failure === undefined) this.#dirty.add(key);
      }
    }
    wish.joins = keys;
  }

  #unwant(key: string, wish: MembershipWish): void {
    this.#joins.get(key)?.wishes.delete(wish);
    this.#dirty.add(key);
  }
}

/** The joins of a membership on one interface: each group of its prefix with each source of its prefix. */
export function* joinsOf(membership: Membership, ifindex: number): Iterable<Join> {
  const { key } = membership;
  for (const group of addressesOf(key.group)) {
    if (!isSourceSpecific(key)) yield { ifindex, group, source: undefined };
    else for (const source of addressesOf(key.source)) yield { ifindex, group, source };
  }
}

function* addressesOf({ address, length }: Prefix): Iterable<Address> {
  const count = 2 ** (addressLength(address.family) - length);
  if (count > PAIRS_PER_MEMBERSHIP_MAX) throw new RangeError(`a membership stands for ${count} addresses`);
  const head = address.words.slice(0, -1);
  const last = address.words.at(-1) ?? 0;
  for (let offset = 0; offset < count; offset++) yield { family: address.family, words: [...head, last + offset] };
}

/** Keys of IPv4 addresses are numbers, those of IPv6 texts of eight characters: two never make one text. */
function joinKey({ ifindex, group, source }: Join): string {
  return `${ifindex} ${addressKey(group)} ${source === undefined ? '*' : addressKey(source)}`;
}
