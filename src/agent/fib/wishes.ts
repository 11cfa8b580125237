// What is wanted of a table, by id, and handed to the part that sees to it.
import type { Family, Prefix } from '../../model/address.js';
import type { InterfaceSettings } from '../../model/interface.js';
import { type Mroute, mrouteFamily } from '../../model/mroute.js';
import { type Resource, sameResource, sameResourceKey } from '../../model/resource.js';
import type { FamilyFib } from './family-fib.js';
import type { InterfaceWishes } from './interface-wishes.js';
import type { MembershipBook } from './memberships.js';
import { type TouchedWishes, type Wish, type WishId, makeWish } from './wish.js';

/** The parts that see to wishes. */
export interface WishKeepers {
  readonly families: ReadonlyMap<Family, FamilyFib>;
  readonly memberships: MembershipBook;
  readonly interfaces: InterfaceWishes;
}

export class Wishes {
  readonly #keepers: WishKeepers;
  readonly #touched: TouchedWishes;
  readonly #wishes = new Map<WishId, Wish>();
  /** Those that went since `forgetGone`: if one comes back meanwhile, what was told of it is still known. */
  readonly #gone = new Map<WishId, Wish>();

  /** @param touched takes the wishes whose status may have changed */
  constructor(keepers: WishKeepers, touched: TouchedWishes) {
    this.#keepers = keepers;
    this.#touched = touched;
  }

  find(id: WishId): Wish | undefined {
    return this.#wishes.get(id);
  }

  /** Sets or removes what is wanted under the id. Returns whether that is another wish than before. */
  set(id: WishId, resource: Resource | undefined): boolean {
    const old = this.#wishes.get(id);
    if (old === undefined && resource === undefined) return false;
    if (old !== undefined && resource !== undefined && sameResource(old.resource, resource)) return false;
    if (old !== undefined && resource !== undefined && sameResourceKey(old.resource.key, resource.key)) {
      old.resource = resource;
      this.#keep(old);
      return true;
    }
    if (old !== undefined) this.#drop(old);
    if (resource === undefined) this.#wishes.delete(id);
    else {
      const wish = makeWish(id, resource);
      wish.told = this.#gone.get(id)?.told;
      this.#wishes.set(id, wish);
      this.#keep(wish);
    }
    return true;
  }

  forgetGone(): void {
    this.#gone.clear();
  }

  #keep(wish: Wish): void {
    const { families, memberships } = this.#keepers;
    const { resource } = wish;
    this.#touched.add(wish);
    if (isMroute(resource)) families.get(mrouteFamily(resource.key))?.rules.set(wish, resource);
    else if (isSettings(resource)) this.#setInterface(wish, resource.key.name, resource);
    else if (families.has(resource.key.group.address.family)) memberships.set(wish, resource);
  }

  #drop(wish: Wish): void {
    wish.isGone = true;
    this.#gone.set(wish.id, wish);
    const { key } = wish.resource;
    switch (key.kind) {
      case 'mroute':
        this.#keepers.families.get(mrouteFamily(key))?.rules.remove(wish);
        return;
      case 'membership':
        this.#keepers.memberships.set(wish, undefined);
        return;
      case 'interface':
        this.#setInterface(wish, key.name, undefined);
    }
  }

  #setInterface(wish: Wish, name: string, settings: InterfaceSettings | undefined): void {
    const { families, interfaces } = this.#keepers;
    const changed = interfaces.set(wish, name, settings);
    for (const [family, fib] of families) {
      if (changed.participation) fib.onParticipationChanged(name);
      if (changed.threshold) fib.rules.touchInterface(name);
      if (changed.boundaries) fib.rules.setBoundaries(name, boundariesOf(interfaces, name, family));
    }
  }
}

/** Groups of the family that neither enter nor leave at the interface. */
export function boundariesOf(interfaces: InterfaceWishes, name: string, family: Family): Prefix[] {
  return interfaces.boundariesOf(name).filter(({ address }) => address.family === family);
}

function isMroute(resource: Resource): resource is Mroute {
  return resource.key.kind === 'mroute';
}

function isSettings(resource: Resource): resource is InterfaceSettings {
  return resource.key.kind === 'interface';
}
