// The wishes of a moment, for a snapshot that is written little by little while the table goes on.
import type { Resource } from '../../model/resource.js';
import type { OwnedResource } from './wishes.js';

/**
 * Takes the wishes of now, all at once: a pointer for each, some tens of milliseconds for half a million. To note instead
 * what each step changes while they are read costs several times as much as writing the steps.
 *
 * @param exceptOwner whose wishes are left out.
 */
export function freezeWishes(live: Iterable<OwnedResource>, exceptOwner?: string): Iterable<OwnedResource> {
  const byOwner = new Map<string, Resource[]>();
  for (const { owner, resource } of live) {
    if (owner === exceptOwner) continue;
    const own = byOwner.get(owner);
    if (own === undefined) byOwner.set(owner, [resource]);
    else own.push(resource);
  }
  return owned(byOwner);
}

function* owned(byOwner: ReadonlyMap<string, readonly Resource[]>): Generator<OwnedResource> {
  for (const [owner, own] of byOwner) {
    for (const resource of own) yield { owner, resource };
  }
}
