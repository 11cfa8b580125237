// The protocols that routers speak with switches and hosts of a link: the querier of IGMP and MLD, and router discovery.
import { type Address, FAMILIES, type Family } from '../model/address.js';
import { type AdvertiserSettings, type AdvertiserState, advertiser } from './mrdisc/advertiser.js';
import { SOLICITATION_TYPE } from './mrdisc/message.js';
import { QUERY_TYPE } from './querier/query.js';
import { type QuerierSettings, type QuerierState, querier } from './querier/querier.js';
import { ALL_ROUTERS } from './signalling/groups.js';
import { UNSPECIFIED_IPV4 } from './signalling/link.js';
import type { SignallingSockets } from './signalling/sockets.js';
import { type Clock, type SpeakerLink, type SpeakerView, Speakers } from './signalling/speakers.js';

/** A join that a protocol needs, beside those of the rib. */
export interface NeededJoin {
  readonly interface: string;
  readonly ifindex: number;
  readonly group: Address;
}

export type QuerierLink = SpeakerLink<QuerierSettings>;
export type AdvertiserLink = SpeakerLink<AdvertiserSettings>;

export interface LinkProtocolsOptions {
  readonly sockets: SignallingSockets;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export class LinkProtocols {
  readonly #sockets: SignallingSockets;
  readonly #queriers = new Map<Family, Speakers<QuerierSettings, QuerierState>>();
  readonly #advertisers = new Map<Family, Speakers<AdvertiserSettings, AdvertiserState>>();
  #advertised: readonly AdvertiserLink[] = [];

  constructor({ sockets, clock = PROCESS_CLOCK, random = Math.random }: LinkProtocolsOptions) {
    this.#sockets = sockets;
    const send = sockets.send.bind(sockets);
    for (const family of sockets.families) {
      const context = { family, clock, random, send };
      const substitute = family === 'ipv4' && sockets.canBeUnspecified ? { substitute: UNSPECIFIED_IPV4 } : {};
      const queriers = new Speakers(querier, { ...context, ...substitute });
      // Advertisements name an address of the router (RFC 4286, 3.2.1): they wait until there is one.
      const advertisers = new Speakers(advertiser, context);
      this.#queriers.set(family, queriers);
      this.#advertisers.set(family, advertisers);
      sockets.listen(family, [QUERY_TYPE[family], SOLICITATION_TYPE[family]], (ifindex, message) => {
        const speakers = message.payload[0] === QUERY_TYPE[family] ? queriers : advertisers;
        speakers.hear(ifindex, message);
      });
    }
  }

  /** The links with a querier; `settings.family` says of which family, so a link may be there twice. */
  setQueriers(links: readonly QuerierLink[]): void {
    for (const [family, speakers] of this.#queriers) speakers.setLinks(ofFamily(links, family));
  }

  /** The links with router discovery, in the same way. */
  setAdvertisers(links: readonly AdvertiserLink[]): void {
    this.#advertised = links;
    for (const [family, speakers] of this.#advertisers) speakers.setLinks(ofFamily(links, family));
  }

  /** What must be joined for solicitations to be heard. Queries come to every host. */
  neededJoins(): NeededJoin[] {
    return this.#advertised.map((link) => ({
      interface: link.name,
      ifindex: link.ifindex,
      group: ALL_ROUTERS[link.settings.family],
    }));
  }

  queriers(): SpeakerView<QuerierSettings, QuerierState>[] {
    return FAMILIES.flatMap((family) => this.#queriers.get(family)?.views() ?? []);
  }

  advertisers(): SpeakerView<AdvertiserSettings, AdvertiserState>[] {
    return FAMILIES.flatMap((family) => this.#advertisers.get(family)?.views() ?? []);
  }

  /** Tells the neighbours, and closes the sockets. Not for a stop that keeps forwarding: see `close`. */
  stop(): void {
    this.setQueriers([]);
    this.setAdvertisers([]);
    this.#sockets.close();
  }

  /** Ends without a word: the neighbours count us as present until the next agent speaks. */
  close(): void {
    for (const speakers of [...this.#queriers.values(), ...this.#advertisers.values()]) speakers.close();
    this.#sockets.close();
  }
}

/** The clock of the process; its timers do not keep it alive. */
const PROCESS_CLOCK: Clock = {
  now: () => performance.now(),
  schedule: (delayMs, call) => {
    const timer = setTimeout(call, delayMs).unref();
    return () => {
      clearTimeout(timer);
    };
  },
};

function ofFamily<Settings extends { readonly family: Family }>(
  links: readonly SpeakerLink<Settings>[],
  family: Family,
): SpeakerLink<Settings>[] {
  return links.filter(({ settings }) => settings.family === family);
}
