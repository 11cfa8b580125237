// What the owners want of interfaces, taken together.
import { type Prefix, canonicalPrefixes, samePrefix } from '../../model/address.js';
import type { InterfaceSettings } from '../../model/interface.js';
import type { Wish } from './wish.js';

/** What of an interface is other than before. */
export interface InterfaceChange {
  readonly threshold: boolean;
  readonly participation: boolean;
  readonly boundaries: boolean;
}

/** What all owners of settings of one interface come to. */
interface United {
  readonly ttlThreshold: number;
  readonly takesPart: boolean;
  readonly boundaries: readonly Prefix[];
  readonly isQuerier: boolean;
  readonly isAdvertised: boolean;
}

/** Protocols that somebody wants on an interface. */
export type SignallingProtocols = Pick<United, 'isQuerier' | 'isAdvertised'>;

export class InterfaceWishes {
  /** Of interfaces of which nobody says anything. */
  readonly #plain: United;
  /** By interface name, then by wish. */
  readonly #settings = new Map<string, Map<Wish, InterfaceSettings>>();
  readonly #united = new Map<string, United>();

  /** @param enablesInterfaces whether interfaces take part of which nobody says so */
  constructor(enablesInterfaces: boolean) {
    this.#plain = {
      ttlThreshold: 1,
      takesPart: enablesInterfaces,
      boundaries: [],
      isQuerier: false,
      isAdvertised: false,
    };
  }

  /** The highest threshold that an owner wants; 1 if none wants any. */
  ttlThresholdOf(name: string): number {
    return this.#of(name).ttlThreshold;
  }

  /** Whether the interface takes part in forwarding: not if an owner wants it disabled, whatever others say. */
  takesPart(name: string): boolean {
    return this.#of(name).takesPart;
  }

  /** Groups that some owner wants neither to enter nor to leave there, of both families. */
  boundariesOf(name: string): readonly Prefix[] {
    return this.#of(name).boundaries;
  }

  /** The interfaces on which some owner wants a protocol, whether they are there or not. */
  *signalling(): Iterable<SignallingProtocols & { readonly name: string }> {
    for (const [name, { isQuerier, isAdvertised }] of this.#united) {
      if (isQuerier || isAdvertised) yield { name, isQuerier, isAdvertised };
    }
  }

  /** The wishes for the interface. */
  of(name: string): Iterable<Wish> {
    return this.#settings.get(name)?.keys() ?? [];
  }

  /** Replaces the settings that the wish asks for; undefined: none any more. */
  set(wish: Wish, name: string, settings: InterfaceSettings | undefined): InterfaceChange {
    const before = this.#of(name);
    const all = this.#settings.get(name) ?? new Map<Wish, InterfaceSettings>();
    if (settings === undefined) all.delete(wish);
    else all.set(wish, settings);
    if (all.size === 0) {
      this.#settings.delete(name);
      this.#united.delete(name);
    } else {
      this.#settings.set(name, all);
      this.#united.set(name, unite([...all.values()], this.#plain.takesPart));
    }
    const after = this.#of(name);
    return {
      threshold: after.ttlThreshold !== before.ttlThreshold,
      participation: after.takesPart !== before.takesPart,
      boundaries: !areSame(after.boundaries, before.boundaries),
    };
  }

  #of(name: string): United {
    return this.#united.get(name) ?? this.#plain;
  }
}

function unite(settings: readonly InterfaceSettings[], enablesInterfaces: boolean): United {
  const isWanted = (isEnabled: boolean) => settings.some((each) => each.isEnabled === isEnabled);
  const takesPart = !isWanted(false) && (isWanted(true) || enablesInterfaces);
  return {
    ttlThreshold: Math.max(1, ...settings.map(({ ttlThreshold }) => ttlThreshold)),
    takesPart,
    boundaries: canonicalPrefixes(settings.flatMap(({ boundaries }) => boundaries)),
    isQuerier: settings.some(({ isQuerier }) => isQuerier),
    // Switches would send it what it does not forward.
    isAdvertised: takesPart && settings.some(({ isAdvertised }) => isAdvertised),
  };
}

function areSame(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  return a.length === b.length && a.every((prefix, index) => samePrefix(prefix, b[index] ?? prefix));
}
