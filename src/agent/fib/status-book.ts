// The statuses of all wishes of a table, and which of them may have changed.
import type { Resource, Status, Warning } from '../../model/resource.js';
import type { FamilyFib } from './family-fib.js';
import type { Links } from './links.js';
import type { MruleKeeper } from './mrules.js';
import { type StatusSources, interfaceStatus, membershipStatus, pendingStatus, ruleStatus } from './status.js';
import { type WishKeepers, boundariesOf } from './wishes.js';

/** The parts that statuses are made from. */
export interface StatusParts extends WishKeepers {
  readonly links: Links;
  readonly mrules: MruleKeeper;
}

export class StatusBook {
  readonly #parts: StatusParts;
  /** The parts that note by themselves which ids may have changed. */
  readonly #books: readonly { readonly changedIds: Set<string> }[];
  readonly #interfaceWarnings = new Map<string, readonly Warning[]>();
  readonly #changedIds = new Set<string>();
  /** Those that were asked for and have not changed since. */
  readonly #known = new Map<string, Status>();

  /** @param parts with all families */
  constructor(parts: StatusParts) {
    this.#parts = parts;
    this.#books = [parts.memberships, ...Array.from(parts.families.values(), ({ rules }) => rules)];
  }

  /** Where the wish is on its way into the kernel; pending if there is none. */
  status(id: string, wish: Resource | undefined): Status {
    if (wish === undefined || this.#mayHaveChanged(id)) return this.#make(id, wish);
    const known = this.#known.get(id) ?? this.#make(id, wish);
    this.#known.set(id, known);
    return known;
  }

  #mayHaveChanged(id: string): boolean {
    if (this.#changedIds.has(id)) return true;
    return this.#books.some(({ changedIds }) => changedIds.has(id));
  }

  #make(id: string, wish: Resource | undefined): Status {
    const { links, memberships, families } = this.#parts;
    switch (wish?.key.kind) {
      case undefined:
        return pendingStatus(undefined);
      case 'interface':
        return interfaceStatus(wish.key.name, links.named(wish.key.name));
      case 'membership':
        return membershipStatus(wish.key, memberships.wish(id), memberships);
      case 'mroute': {
        const family = families.get(wish.key.group.address.family);
        const rule = family?.rules.rule(id);
        if (family !== undefined && rule !== undefined) return ruleStatus(rule, this.#sources(family));
        return pendingStatus({ reason: 'FAMILY_UNAVAILABLE', interface: wish.key.iif });
      }
    }
  }

  /** The status of this id may have changed. */
  touch(id: string): void {
    this.#changedIds.add(id);
  }

  /** Those of rules with the interface as iif or oif may have changed; the empty name is every interface. */
  touchInterface(name: string): void {
    for (const { rules } of this.#parts.families.values()) {
      if (name === '') for (const { id } of rules.rules()) this.touch(id);
      rules.touchStatuses(name);
    }
  }

  /** Ids whose status may have changed since last taken. */
  takeChanged(): readonly string[] {
    for (const { changedIds } of this.#books) {
      for (const id of changedIds) this.touch(id);
      changedIds.clear();
    }
    const ids = [...this.#changedIds];
    for (const id of ids) this.#known.delete(id);
    this.#changedIds.clear();
    return ids;
  }

  /** What the engine has found out about an interface, such as RP_FILTER and IPV6_DISABLED. */
  setInterfaceWarnings(name: string, warnings: readonly Warning[]): void {
    const known = this.#warningsFound(name);
    if (known.map(({ code }) => code).join() === warnings.map(({ code }) => code).join()) return;
    if (warnings.length === 0) this.#interfaceWarnings.delete(name);
    else this.#interfaceWarnings.set(name, warnings);
    this.touchInterface(name);
  }

  /** All warnings of the interface itself. */
  interfaceWarnings(name: string): Warning[] {
    const { families, mrules } = this.#parts;
    return [
      ...this.#warningsFound(name),
      ...Array.from(families.keys()).flatMap((family) => mrules.conflictsOf(family, name)),
    ];
  }

  #warningsFound(name: string): readonly Warning[] {
    return this.#interfaceWarnings.get(name) ?? [];
  }

  #sources({ family, usability, vifs, failedGroups }: FamilyFib): StatusSources {
    const { links, interfaces, mrules } = this.#parts;
    return {
      hindranceOf: (pattern, role) => usability.hindranceOf(pattern, role),
      boundariesOf: (name) => boundariesOf(interfaces, name, family),
      linkOf: (name) => links.named(name),
      vifName: (vif) => vifs.table.at(vif)?.name,
      vifOf: (name) => vifs.table.get(name),
      isLive: (vif) => vifs.isLive(vif),
      conflictsOf: (name) => mrules.conflictsOf(family, name),
      interfaceWarningsOf: (name) => this.#warningsFound(name),
      mruleFailureOf: (name) => mrules.failureOf(family, name),
      failedGroups: () => failedGroups,
    };
  }
}
