// The present interfaces, by name and by index, and those of them that a part of the fib may see.
import type { Link } from '../../model/interface.js';

/** What a new set of links means to rules. */
export interface LinkChanges {
  /** Names under which an interface has come or gone, or is another or in another state. */
  readonly names: ReadonlySet<string>;
  /** Those of them of which statuses may say something else: IFF_MULTICAST or the master is another. */
  readonly statuses: ReadonlySet<string>;
}

/** Present interfaces by name. */
export interface LinkView extends Iterable<Link> {
  named(name: string): Link | undefined;
}

/** Those of the links that the condition holds for, as both are when asked. */
export function viewLinks(links: LinkView, isSeen: (link: Link) => boolean): LinkView {
  return {
    named: (name) => {
      const link = links.named(name);
      return link !== undefined && isSeen(link) ? link : undefined;
    },
    *[Symbol.iterator]() {
      for (const link of links) if (isSeen(link)) yield link;
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

  /** What the link is enslaved to; undefined also while nothing has been heard of that. */
  masterOf({ masterIfindex }: Link): Link | undefined {
    return masterIfindex === undefined ? undefined : this.#byIfindex.get(masterIfindex);
  }

  [Symbol.iterator](): IterableIterator<Link> {
    return this.#byName.values();
  }

  /** Takes the whole current set. */
  replace(links: readonly Link[]): LinkChanges {
    const before = new Map(this.#byName);
    const mastersBefore = new Map(Array.from(before, ([name, link]) => [name, this.masterOf(link)]));
    this.#byName.clear();
    this.#byIfindex.clear();
    for (const link of links) {
      this.#byName.set(link.name, link);
      this.#byIfindex.set(link.ifindex, link);
    }
    const names = new Set<string>();
    const statuses = new Set<string>();
    for (const name of new Set([...before.keys(), ...this.#byName.keys()])) {
      const old = before.get(name);
      const link = this.#byName.get(name);
      const hasOtherMaster = !isSameMaster(mastersBefore.get(name), link && this.masterOf(link));
      if (old === undefined || link === undefined || !isSameForRules(old, link) || hasOtherMaster) names.add(name);
      if (old?.hasMulticast !== link?.hasMulticast || hasOtherMaster) statuses.add(name);
    }
    return { names, statuses };
  }
}

function isSameForRules(a: Link, b: Link): boolean {
  return (
    a.ifindex === b.ifindex && a.isUp === b.isUp && a.isLoopback === b.isLoopback && a.hasMulticast === b.hasMulticast
  );
}

/** Whether both are the same to their slaves. */
function isSameMaster(a: Link | undefined, b: Link | undefined): boolean {
  return a?.ifindex === b?.ifindex && a?.name === b?.name && a?.kind === b?.kind && a?.vrfTable === b?.vrfTable;
}
