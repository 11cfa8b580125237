// The present interfaces, by name and by index, and those of them that a part of the fib may see.
import type { Link } from '../../model/interface.js';

/** What a new set of links means to rules. */
export interface LinkChanges {
  /** Names under which an interface has come or gone, or is another or in another state. */
  readonly names: ReadonlySet<string>;
  /** Those of them that have or lack IFF_MULTICAST otherwise than before. */
  readonly multicast: ReadonlySet<string>;
}

/** Present interfaces by name. */
export interface LinkView extends Iterable<Link> {
  named(name: string): Link | undefined;
}

/** Those of the links whose names the condition holds for, as both are when asked. */
export function viewLinks(links: LinkView, isSeen: (name: string) => boolean): LinkView {
  return {
    named: (name) => (isSeen(name) ? links.named(name) : undefined),
    *[Symbol.iterator]() {
      for (const link of links) if (isSeen(link.name)) yield link;
    },
  };
}

export class Links implements LinkView {
  readonly #byName = new Map<string, Link>();
  readonly #byIfindex = new Map<number, Link>();

  named(name: string): Link | undefined {
    return this.#byName.get(name);
  }

  indexed(ifindex: number): Link | undefined {
    return this.#byIfindex.get(ifindex);
  }

  [Symbol.iterator](): IterableIterator<Link> {
    return this.#byName.values();
  }

  /** Takes the whole current set. */
  replace(links: readonly Link[]): LinkChanges {
    const before = new Map(this.#byName);
    this.#byName.clear();
    this.#byIfindex.clear();
    for (const link of links) {
      this.#byName.set(link.name, link);
      this.#byIfindex.set(link.ifindex, link);
    }
    const names = new Set<string>();
    const multicast = new Set<string>();
    for (const name of new Set([...before.keys(), ...this.#byName.keys()])) {
      const old = before.get(name);
      const link = this.#byName.get(name);
      if (old === undefined || link === undefined || !isSameForRules(old, link)) names.add(name);
      if (old?.hasMulticast !== link?.hasMulticast) multicast.add(name);
    }
    return { names, multicast };
  }
}

function isSameForRules(a: Link, b: Link): boolean {
  return (
    a.ifindex === b.ifindex && a.isUp === b.isUp && a.isLoopback === b.isLoopback && a.hasMulticast === b.hasMulticast
  );
}
