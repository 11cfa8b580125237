// What the interfaces are to the rules of one family, and why some that are there are nothing to them.
import { type Link, isWildcard } from '../../model/interface.js';
import type { Missing } from '../../model/resource.js';
import { type LinkView, type Links, viewLinks } from './links.js';
import { iifHindrance, isNameSeenByMrules } from './masters.js';
import { interfacesOf } from './wildcard.js';

/** What a rule has an interface for. */
export type InterfaceRole = 'iif' | 'oif';

export class Usability {
  /** Those that rules may have for the role, as they are when asked. */
  readonly links: Readonly<Record<InterfaceRole, LinkView>>;
  /** Whether the interface, present or not, takes part in forwarding. */
  readonly takesPart: (interfaceName: string) => boolean;
  readonly #all: Links;
  readonly #disabled: LinkView;
  readonly #table: number | undefined;

  /**
   * @param table as the kernel knows it; undefined if a person says by mrules which packets come to the table, which may
   *   be those of any VRF
   */
  constructor(links: Links, takesPart: (interfaceName: string) => boolean, table: number | undefined) {
    this.takesPart = takesPart;
    this.#all = links;
    this.#table = table;
    this.#disabled = viewLinks(links, ({ name }) => !takesPart(name));
    const oif = viewLinks(links, ({ name }) => takesPart(name));
    this.links = { oif, iif: viewLinks(oif, (link) => this.#iifHindrance(link) === undefined) };
  }

  /**
   * Why the pattern, which stands for nothing, does not stand for interfaces that are there; undefined if there are
   * none. Of a wildcard only those that take no part are told: others may come that it is meant for.
   */
  hindranceOf(pattern: string, role: InterfaceRole): Missing | undefined {
    if (interfacesOf(pattern, this.#disabled).length > 0) return { reason: 'INTERFACE_DISABLED', interface: pattern };
    const link = isWildcard(pattern) ? undefined : this.#all.named(pattern);
    if (role === 'oif' || link === undefined) return undefined;
    const hindrance = this.#iifHindrance(link);
    return hindrance && { ...hindrance, interface: pattern };
  }

  /** Whether mrules are what leads packets of the interface, present or not, to the table. */
  needsMrules(interfaceName: string): boolean {
    const link = this.#all.named(interfaceName);
    return link === undefined || isNameSeenByMrules(this.#all.masterOf(link));
  }

  #iifHindrance(link: Link) {
    return iifHindrance(this.#all.masterOf(link), this.#table);
  }
}
