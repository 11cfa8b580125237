// What is wanted of a table, by id, and handed to the part that sees to it.
import type { Family, Prefix } from '../../model/address.js';
import type { InterfaceSettings } from '../../model/interface.js';
import { type Mroute, mrouteFamily } from '../../model/mroute.js';
import { type Resource, formatResourceKey, sameResource } from '../../model/resource.js';
import type { FamilyFib } from './family-fib.js';
import type { InterfaceWishes } from './interface-wishes.js';
import type { MembershipBook } from './memberships.js';

/** The parts that see to wishes. */
export interface WishKeepers {
  readonly families: ReadonlyMap<Family, FamilyFib>;
  readonly memberships: MembershipBook;
  readonly interfaces: InterfaceWishes;
}

export class Wishes {
  readonly #keepers: WishKeepers;
  readonly #wishes = new Map<string, Resource>();

  constructor(keepers: WishKeepers) {
    this.#keepers = keepers;
  }

  find(id: string): Resource | undefined {
    return this.#wishes.get(id);
  }

  /** Sets or removes what is wanted under the id. Returns whether that is another wish than before. */
  set(id: string, resource: Resource | undefined): boolean {
    const old = this.#wishes.get(id);
    if (old !== undefined && resource !== undefined && sameResource(old, resource)) return false;
    if (old !== undefined && (resource === undefined || !isSameKey(old, resource))) this.#unwish(id, old);
    if (resource === undefined) this.#wishes.delete(id);
    else {
      this.#wishes.set(id, resource);
      this.#wish(id, resource);
    }
    return true;
  }

  #wish(id: string, resource: Resource): void {
    const { families, memberships } = this.#keepers;
    if (isMroute(resource)) families.get(mrouteFamily(resource.key))?.rules.set(id, resource);
    else if (isSettings(resource)) this.#setInterface(id, resource.key.name, resource);
    else if (families.has(resource.key.group.address.family)) memberships.set(id, resource);
  }

  #unwish(id: string, { key }: Resource): void {
    switch (key.kind) {
      case 'mroute':
        this.#keepers.families.get(mrouteFamily(key))?.rules.set(id, undefined);
        return;
      case 'membership':
        this.#keepers.memberships.set(id, undefined);
        return;
      case 'interface':
        this.#setInterface(id, key.name, undefined);
    }
  }

  #setInterface(id: string, name: string, settings: InterfaceSettings | undefined): void {
    const { families, interfaces } = this.#keepers;
    const changed = interfaces.set(id, name, settings);
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

function isSameKey(a: Resource, b: Resource): boolean {
  return formatResourceKey(a.key) === formatResourceKey(b.key);
}

function isMroute(resource: Resource): resource is Mroute {
  return resource.key.kind === 'mroute';
}

function isSettings(resource: Resource): resource is InterfaceSettings {
  return resource.key.kind === 'interface';
}
