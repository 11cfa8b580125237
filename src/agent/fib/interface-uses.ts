// Which names and wildcards are in use, by whom, and which present interfaces they stand for.
import { isWildcard, matchesInterface } from '../../model/interface.js';
import type { LinkView } from './links.js';
import { interfacesOf } from './wildcard.js';

/** A name or wildcard that someone uses. */
export interface InterfaceUse<User> {
  readonly pattern: string;
  readonly users: Set<User>;
  /** Names of the present interfaces that it stands for. */
  members: readonly string[];
}

export class InterfaceUses<User> {
  /** Patterns have come into use or out of it, or stand for other interfaces; the reader takes it back. */
  haveChanged = false;
  readonly #links: LinkView;
  readonly #uses = new Map<string, InterfaceUse<User>>();
  /** Those of `#uses` that are wildcards. */
  readonly #wildcards = new Set<InterfaceUse<User>>();

  constructor(links: LinkView) {
    this.#links = links;
  }

  /** The use of the pattern, made if there is none; its users are the caller's to add. */
  open(pattern: string): InterfaceUse<User> {
    let use = this.#uses.get(pattern);
    if (use === undefined) {
      use = { pattern, users: new Set(), members: this.#membersOf(pattern) };
      this.#uses.set(pattern, use);
      if (isWildcard(pattern)) this.#wildcards.add(use);
      this.haveChanged = true;
    }
    return use;
  }

  /** The user uses the pattern no longer. */
  release(use: InterfaceUse<User>, user: User): void {
    use.users.delete(user);
    if (use.users.size > 0 || !this.#uses.delete(use.pattern)) return;
    this.#wildcards.delete(use);
    this.haveChanged = true;
  }

  /** Looks again what the patterns of the changed names stand for; gives the uses for which that is something else. */
  refresh(changedNames: Iterable<string>): ReadonlySet<InterfaceUse<User>> {
    const touched = new Set<InterfaceUse<User>>();
    for (const name of changedNames) for (const use of this.matching(name)) touched.add(use);
    for (const use of touched) {
      const members = this.#membersOf(use.pattern);
      if (members.length === use.members.length && members.every((name) => use.members.includes(name))) {
        touched.delete(use);
      }
      use.members = members;
    }
    this.haveChanged ||= touched.size > 0;
    return touched;
  }

  /** The uses whose pattern matches the name, whether or not the interface is there. */
  *matching(name: string): Iterable<InterfaceUse<User>> {
    const exact = isWildcard(name) ? undefined : this.#uses.get(name);
    if (exact !== undefined) yield exact;
    for (const use of this.#wildcards) if (matchesInterface(use.pattern, name)) yield use;
  }

  /** Whether a pattern in use matches the name, whether or not the interface is there. */
  isUsed(name: string): boolean {
    for (const use of this.matching(name)) if (use.users.size > 0) return true;
    return false;
  }

  /** Names of all present interfaces that some use stands for. */
  presentNames(): Set<string> {
    const names = new Set<string>();
    for (const use of this.#uses.values()) for (const name of use.members) names.add(name);
    return names;
  }

  /** All names and wildcards in use. */
  patterns(): Iterable<string> {
    return this.#uses.keys();
  }

  #membersOf(pattern: string): string[] {
    if (isWildcard(pattern)) return interfacesOf(pattern, this.#links);
    return this.#links.named(pattern) === undefined ? [] : [pattern];
  }
}
