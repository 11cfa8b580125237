// The statuses of all wishes of a table, and which of them may have changed.
import type { Family } from '../../model/address.js';
import { type Status, type Warning, sameStatus } from '../../model/resource.js';
import type { FamilyFib } from './family-fib.js';
import type { Links } from './links.js';
import type { MruleKeeper } from './mrules.js';
import { type StatusSources, interfaceStatus, membershipStatus, pendingStatus, ruleStatus } from './status.js';
import type { TouchedWishes, Wish } from './wish.js';
import { type WishKeepers, boundariesOf } from './wishes.js';

/** The parts that statuses are made from. */
export interface StatusParts extends WishKeepers {
  readonly links: Links;
  readonly mrules: MruleKeeper;
}

export class StatusBook {
  readonly #parts: StatusParts;
  readonly #touched: TouchedWishes;
  readonly #interfaceWarnings = new Map<string, readonly Warning[]>();
  readonly #sources: ReadonlyMap<Family, StatusSources>;

  /**
   * @param parts with all families
   * @param touched what the parts give wishes to whose status may have changed
   */
  constructor(parts: StatusParts, touched: TouchedWishes) {
    this.#parts = parts;
    this.#touched = touched;
    this.#sources = new Map(Array.from(parts.families, ([family, fib]) => [family, this.#sourcesOf(fib)]));
  }

  /** Where the wish is on its way into the kernel. */
  status(wish: Wish): Status {
    // It may change again before it is taken, without being told a second time.
    return wish.isTouched ? this.#make(wish) : (wish.status ??= this.#make(wish));
  }

  #make(wish: Wish): Status {
    const { links, memberships } = this.#parts;
    const { key } = wish.resource;
    switch (key.kind) {
      case 'interface':
        return interfaceStatus(key.name, links.named(key.name));
      case 'membership':
        return membershipStatus(key, memberships.find(wish), memberships);
      case 'mroute': {
        const sources = this.#sources.get(key.group.address.family);
        if (sources !== undefined && wish.rule !== undefined) return ruleStatus(wish.rule, sources);
        return pendingStatus({ reason: 'FAMILY_UNAVAILABLE', interface: key.iif });
      }
    }
  }

  /** Those of rules with the interface as iif or oif may have changed; the empty name is every interface. */
  touchInterface(name: string): void {
    for (const { rules } of this.#parts.families.values()) rules.touchStatuses(name);
  }

  /** The wishes whose status is another than when last taken, and those of which it never was. */
  takeNews(): Wish[] {
    return this.#touched.take().filter((wish) => {
      if (wish.isGone) return false;
      const status = this.status(wish);
      const isNews = wish.told === undefined || !sameStatus(wish.told, status);
      wish.told = status;
      return isNews;
    });
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

  #sourcesOf({ family, usability, vifs, failedGroups }: FamilyFib): StatusSources {
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
