// Values by the keys of resources. Keys of single groups are found by the numbers of their addresses: making a text of each
// would cost more than all else that is done with it.
import { addressKey, isAny, isHost } from '../../model/address.js';
import type { MrouteKey } from '../../model/mroute.js';
import { type ResourceKey, formatResourceKey } from '../../model/resource.js';
import { SmallMap } from '../../model/small-map.js';

type AddressKey = number | string;

/** In the place of a source; no address has it as its key. */
const ANY_SOURCE = '';

export class KeyIndex<Value> {
  /** Rules of a single group and one source or any: by iif, by group, by source. */
  readonly #flows = new Map<string, Map<AddressKey, SmallMap<AddressKey, Value>>>();
  /** All others, by their formatted keys. */
  readonly #others = new Map<string, Value>();

  get(key: ResourceKey): Value | undefined {
    if (!isFlow(key)) return this.#others.get(formatResourceKey(key));
    return this.#flows.get(key.iif)?.get(addressKey(key.group.address))?.get(sourceKey(key));
  }

  set(key: ResourceKey, value: Value): void {
    if (!isFlow(key)) {
      this.#others.set(formatResourceKey(key), value);
      return;
    }
    let groups = this.#flows.get(key.iif);
    if (groups === undefined) {
      groups = new Map();
      this.#flows.set(key.iif, groups);
    }
    const group = addressKey(key.group.address);
    let sources = groups.get(group);
    if (sources === undefined) {
      sources = new SmallMap();
      groups.set(group, sources);
    }
    sources.set(sourceKey(key), value);
  }

  delete(key: ResourceKey): void {
    if (!isFlow(key)) {
      this.#others.delete(formatResourceKey(key));
      return;
    }
    const groups = this.#flows.get(key.iif);
    const group = addressKey(key.group.address);
    const sources = groups?.get(group);
    if (groups === undefined || sources === undefined) return;
    sources.delete(sourceKey(key));
    if (sources.size === 0) groups.delete(group);
    if (groups.size === 0) this.#flows.delete(key.iif);
  }
}

/** Whether it is a rule's, of a single group and one source or any. */
function isFlow(key: ResourceKey): key is MrouteKey {
  return key.kind === 'mroute' && isHost(key.group) && (isAny(key.source) || isHost(key.source));
}

function sourceKey({ source }: MrouteKey): AddressKey {
  return isAny(source) ? ANY_SOURCE : addressKey(source.address);
}
