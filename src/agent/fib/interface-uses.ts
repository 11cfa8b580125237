// Which names and wildcards are in use, by whom, and which present interfaces they stand for.
import { isWildcard, matchesInterface } from '../../model/interface.js';
import type { LinkView } from './links.js';
import { interfacesOf } from './wildcard.js';

/** A name or wildcard that someone uses in a role. */
export interface InterfaceUse<User> {
  readonly role: string;
  readonly pattern: string;
  readonly users: Set<User>;
  /** Names of the present interfaces that it stands for. */
  members: readonly string[];
}

/** A pattern may stand for other interfaces in one role than in another. */
export class InterfaceUses<User, Role extends string> {
  /** Patterns have come into use or out of it, or stand for other interfaces; the reader takes it back. */
  haveChanged = false;
  /** Keys are roles. */
  readonly #links: ReadonlyMap<string, LinkView>;
  readonly #uses = new Map<string, InterfaceUse<User>>();
  /** Those of `#uses` that are wildcards. */
  readonly #wildcards = new Set<InterfaceUse<User>>();

  /** @param links those that patterns may stand for, by role */
  constructor(links: Readonly<Record<Role, LinkView>>) {
    this.#links = new Map(Object.entries(links));
  }

  /** The use of the pattern, made if there is none; its users are the caller's to add. */
  open(role: Role, pattern: string): InterfaceUse<User> {
    let use = this.#uses.get(useKey(role, pattern));
    if (use === undefined) {
      use = { role, pattern, users: new Set(), members: this.#membersOf(role, pattern) };
      this.#uses.set(useKey(role, pattern), use);
      if (isWildcard(pattern)) this.#wildcards.add(use);
      this.haveChanged = true;
    }
    return use;
  }

  /** The user uses the pattern no longer. */
  release(use: InterfaceUse<User>, user: User): void {
    use.users.delete(user);
    if (use.users.size > 0 || !this.#uses.delete(useKey(use.role, use.pattern))) return;
    this.#wildcards.delete(use);
    this.haveChanged = true;
  }

  /** Looks again what the patterns of the changed names stand for; gives the uses for which that is something else. */
  refresh(changedNames: Iterable<string>): ReadonlySet<InterfaceUse<User>> {
    const touched = new Set<InterfaceUse<User>>();
    for (const name of changedNames) for (const use of this.matching(name)) touched.add(use);
    for (const use of touched) {
      const members = this.#membersOf(use.role, use.pattern);
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
    for (const role of isWildcard(name) ? [] : this.#links.keys()) {
      const exact = this.#uses.get(useKey(role, name));
      if (exact !== undefined) yield exact;
    }
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

  /** All names and wildcards in use, each once for every role. */
  *patterns(): Iterable<string> {
    for (const { pattern } of this.#uses.values()) yield pattern;
  }

  #membersOf(role: string, pattern: string): string[] {
    const links = this.#links.get(role);
    if (links === undefined) return [];
    // In an order that does not change when an interface goes and comes back.
    if (isWildcard(pattern)) return interfacesOf(pattern, links).sort();
    return links.named(pattern) === undefined ? [] : [pattern];
  }
}

function useKey(role: string, pattern: string): string {
  return `${role} ${pattern}`;
}
