// What owners want of a table, as far as commands that take something away must know. Pure but for its own state.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { MembershipKey__Output } from '../../api/generated/mcroute/v1/MembershipKey.js';
import type { MrouteKey__Output } from '../../api/generated/mcroute/v1/MrouteKey.js';

/** Oifs that each owner wants of a rule; an owner of a membership has none. */
type Wishes = ReadonlyMap<string, ReadonlySet<string>>;

const NOBODY: Wishes = new Map();

/** The wishes for rules and memberships, by their keys. */
export class Held {
  /** Whose resources the commands change: what is "our own" here. */
  readonly owner: string;
  readonly #wishes = new Map<string, Wishes>();

  constructor(owner: string) {
    this.owner = owner;
  }

  /** Notes an entry as the agent lists it. */
  note({ resource, owners }: Entry__Output): void {
    const key = resource?.mroute?.key ?? resource?.membership?.key;
    if (key === null || key === undefined) return;
    const oifs = resource?.mroute?.oifs.map((oif) => oif.interface) ?? [];
    for (const owner of owners) this.#set(key, owner, oifs);
  }

  /** Oifs of our own rule; none for a membership; undefined if we want nothing of that key. */
  own(key: Key): ReadonlySet<string> | undefined {
    return this.#of(key).get(this.owner);
  }

  /** Other owners who want something of that key, with their oifs. */
  others(key: Key): (readonly [string, ReadonlySet<string>])[] {
    return [...this.#of(key)].filter(([owner]) => owner !== this.owner);
  }

  /** Sets what we want of a key; undefined takes it away. */
  setOwn(key: Key, oifs: Iterable<string> | undefined): void {
    this.#set(key, this.owner, oifs);
  }

  #of(key: Key): Wishes {
    return this.#wishes.get(textOf(key)) ?? NOBODY;
  }

  #set(key: Key, owner: string, oifs: Iterable<string> | undefined): void {
    const wishes = new Map(this.#of(key));
    if (oifs === undefined) wishes.delete(owner);
    else wishes.set(owner, new Set(oifs));
    this.#wishes.set(textOf(key), wishes);
  }
}

/** What identifies a rule or a membership, on the wire. */
export type Key = MrouteKey__Output | MembershipKey__Output;

function textOf(key: Key): string {
  const [kind, name] = 'iif' in key ? ['mroute', key.iif] : ['membership', key.interface];
  return `${kind} ${name} ${key.source} ${key.group}`;
}
