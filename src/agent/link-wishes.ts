// What owners want on links, as the protocols take it. Pure.
import type { Family } from '../model/address.js';
import type { SignallingWish } from './engine.js';
import type { AdvertiserLink, QuerierLink } from './link-protocols.js';
import { defaultQuerier } from './querier/querier.js';

/** A querier for each family, with the settings that the RFCs have as defaults. */
export function queriersOf(wishes: readonly SignallingWish[], families: readonly Family[]): QuerierLink[] {
  return wishes
    .filter(({ isQuerier }) => isQuerier)
    .flatMap((wish) => families.map((family) => ({ ...linkOf(wish), settings: defaultQuerier(family) })));
}

/**
 * Router discovery for each family.
 *
 * @param intervalS time between two advertisements, in seconds (ADVERTISEMENT_INTERVAL_S).
 */
export function advertisersOf(
  wishes: readonly SignallingWish[],
  families: readonly Family[],
  intervalS: number,
): AdvertiserLink[] {
  return wishes
    .filter(({ isAdvertised }) => isAdvertised)
    .flatMap((wish) => families.map((family) => advertiserOf(wish, family, intervalS)));
}

/** An advertisement tells the settings of the querier on the link; zeros where there is none (RFC 4286, 3.2.3). */
function advertiserOf(wish: SignallingWish, family: Family, intervalS: number): AdvertiserLink {
  const { intervalS: queryIntervalS, robustness } = defaultQuerier(family);
  const ofQuerier = wish.isQuerier ? { queryIntervalS, robustness } : { queryIntervalS: 0, robustness: 0 };
  return { ...linkOf(wish), settings: { family, intervalS, ...ofQuerier } };
}

function linkOf({ name, ifindex, isUp, addresses }: SignallingWish) {
  return { name, ifindex, isUp, addresses };
}
