// Resources from the bytes of requests straight to the model: no messages between, no texts of addresses. It
// takes what is valid and encoded as usual. Whatever else there is (a value that cannot be, a field in an odd wire type, a
// message given in two parts) it leaves, with undefined, to the generated decoder and parse.ts, which say what is wrong.
import { type Prefix, canonicalPrefixes, isMulticastPrefix } from '../model/address.js';
import type { InterfaceKey, InterfaceSettings } from '../model/interface.js';
import {
  BOUNDARIES_PER_INTERFACE_MAX,
  EXCEPTS_PER_MROUTE_MAX,
  LABEL_MAX,
  OIFS_PER_MROUTE_MAX,
} from '../model/limits.js';
import type { Membership, MembershipKey } from '../model/membership.js';
import type { Mroute, MrouteKey, Oif } from '../model/mroute.js';
import type { Resource } from '../model/resource.js';
import { KeyDecoder, type Run, forget, isNoSource } from './key-decoder.js';
import { canonicalOifs, isTtlThreshold } from './parse.js';
import { INTERFACE_FIELDS, MEMBERSHIP_FIELDS, MROUTE_FIELDS, OIF_FIELDS, RESOURCE_FIELDS } from './request-fields.js';
import { UNUSUAL, sameBytes } from './wire-cursor.js';

const NO_OIFS: readonly Oif[] = [];
const NO_PREFIXES: readonly Prefix[] = [];

/**
 * Reads resources where its cursor is. Each method reads up to `end`, where its message ends, or gives undefined and leaves
 * the cursor anywhere.
 */
export class ResourceDecoder {
  readonly keys = new KeyDecoder();
  /** The oifs that were read last: routes that come together share them. */
  readonly #oifs: Run<readonly Oif[]> = { start: 0, length: 0, value: NO_OIFS };
  #oifsElements = 0;

  /** Begins with the bytes of another request; with none, lets go of the last. */
  begin(bytes: Buffer): void {
    this.keys.begin(bytes);
    forget(this.#oifs, NO_OIFS);
  }

  resource(end: number): Resource | undefined {
    const { cursor } = this.keys;
    let resource: Resource | undefined;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag > RESOURCE_FIELDS.interface || (tag & 7) !== 2) {
        if (!cursor.skip(tag, RESOURCE_FIELDS.known, end)) return undefined;
        continue;
      }
      const next = this.keys.element(end);
      if (next === UNUSUAL || resource !== undefined) return undefined;
      switch (tag) {
        case RESOURCE_FIELDS.mroute:
          resource = this.mroute(next);
          break;
        case RESOURCE_FIELDS.membership:
          resource = this.#membership(next);
          break;
        case RESOURCE_FIELDS.interface:
          resource = this.#interface(next);
      }
      if (resource === undefined) return undefined;
    }
    return resource;
  }

  mroute(end: number): Mroute | undefined {
    const { cursor } = this.keys;
    let key: MrouteKey | undefined;
    let oifs: readonly Oif[] | undefined;
    let except: Prefix[] | undefined;
    let deny = 0;
    let label: string | undefined = '';
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      switch (tag) {
        case MROUTE_FIELDS.key: {
          const next = this.keys.element(end);
          if (next === UNUSUAL || key !== undefined) return undefined;
          key = this.keys.mroute(next);
          if (key === undefined) return undefined;
          break;
        }
        case MROUTE_FIELDS.oifs:
          if (oifs !== undefined) return undefined;
          oifs = this.#oifRun(end);
          if (oifs === undefined) return undefined;
          break;
        case MROUTE_FIELDS.except: {
          except ??= [];
          const prefix = this.keys.listedPrefix(end);
          if (prefix === undefined || isNoSource(prefix) || except.push(prefix) > EXCEPTS_PER_MROUTE_MAX)
            return undefined;
          break;
        }
        case MROUTE_FIELDS.deny:
          deny = this.#boolean(end);
          if (deny === UNUSUAL) return undefined;
          break;
        case MROUTE_FIELDS.label:
          label = this.#label(end);
          if (label === undefined) return undefined;
          break;
        default:
          if (!cursor.skip(tag, MROUTE_FIELDS.known, end)) return undefined;
      }
    }
    if (key === undefined) return undefined;
    const { family } = key.group.address;
    if (except?.some(({ address }) => address.family !== family) === true) return undefined;
    return {
      key,
      oifs: oifs ?? NO_OIFS,
      except: except === undefined ? NO_PREFIXES : canonicalPrefixes(except),
      deny: deny === 1,
      label,
    };
  }

  /** The oifs from here on, which follow each other as encoders write them. The tag of the first has been read. */
  #oifRun(end: number): readonly Oif[] | undefined {
    const { cursor } = this.keys;
    const { bytes } = cursor;
    const last = this.#oifs;
    const start = cursor.at - 1;
    const after = start + last.length;
    if (
      last.length > 0 &&
      after <= end &&
      (after === end || bytes[after] !== MROUTE_FIELDS.oifs) &&
      sameBytes(bytes, last.start, start, last.length)
    ) {
      cursor.at = after;
      this.keys.elements += this.#oifsElements;
      return last.value;
    }
    const oifs: Oif[] = [];
    let isOrdered = true;
    do {
      const next = this.keys.element(end);
      const oif = next === UNUSUAL ? undefined : this.#oif(next);
      if (oif === undefined || oifs.length === OIFS_PER_MROUTE_MAX) return undefined;
      const before = oifs.at(-1);
      isOrdered &&= before === undefined || before.interface < oif.interface;
      oifs.push(oif);
    } while (cursor.at < end && bytes[cursor.at] === MROUTE_FIELDS.oifs && ++cursor.at > 0);
    last.start = start;
    last.length = cursor.at - start;
    last.value = isOrdered ? oifs : canonicalOifs(oifs);
    this.#oifsElements = oifs.length;
    return last.value;
  }

  #oif(end: number): Oif | undefined {
    const { cursor } = this.keys;
    let name: string | undefined;
    let ttlThreshold: number | undefined;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      switch (tag) {
        case OIF_FIELDS.interface: {
          const next = cursor.endOfBytes(end);
          name = next === UNUSUAL ? undefined : this.keys.name(next);
          if (name === undefined) return undefined;
          break;
        }
        case OIF_FIELDS.ttlThreshold:
          ttlThreshold = cursor.varint(end);
          if (!isTtlThreshold(ttlThreshold)) return undefined;
          break;
        default:
          if (!cursor.skip(tag, OIF_FIELDS.known, end)) return undefined;
      }
    }
    return name === undefined ? undefined : { interface: name, ttlThreshold };
  }

  #membership(end: number): Membership | undefined {
    const { cursor } = this.keys;
    let key: MembershipKey | undefined;
    let label: string | undefined = '';
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      switch (tag) {
        case MEMBERSHIP_FIELDS.key: {
          const next = this.keys.element(end);
          if (next === UNUSUAL || key !== undefined) return undefined;
          key = this.keys.membership(next);
          if (key === undefined) return undefined;
          break;
        }
        case MEMBERSHIP_FIELDS.label:
          label = this.#label(end);
          if (label === undefined) return undefined;
          break;
        default:
          if (!cursor.skip(tag, MEMBERSHIP_FIELDS.known, end)) return undefined;
      }
    }
    return key && { key, label };
  }

  #interface(end: number): InterfaceSettings | undefined {
    const { cursor } = this.keys;
    let key: InterfaceKey | undefined;
    let ttlThreshold = 1;
    let isEnabled: boolean | undefined;
    let [querier, mrdisc] = [0, 0];
    const boundaries: Prefix[] = [];
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      switch (tag) {
        case INTERFACE_FIELDS.key: {
          const next = this.keys.element(end);
          if (next === UNUSUAL || key !== undefined) return undefined;
          key = this.keys.interface(next);
          if (key === undefined) return undefined;
          break;
        }
        case INTERFACE_FIELDS.ttlThreshold:
          // 0 is the default.
          ttlThreshold = cursor.varint(end) || 1;
          if (!isTtlThreshold(ttlThreshold)) return undefined;
          break;
        case INTERFACE_FIELDS.enabled: {
          const enabled = this.#boolean(end);
          if (enabled === UNUSUAL) return undefined;
          isEnabled = enabled === 1;
          break;
        }
        case INTERFACE_FIELDS.querier:
          querier = this.#boolean(end);
          if (querier === UNUSUAL) return undefined;
          break;
        case INTERFACE_FIELDS.mrdisc:
          mrdisc = this.#boolean(end);
          if (mrdisc === UNUSUAL) return undefined;
          break;
        case INTERFACE_FIELDS.boundaries: {
          const prefix = this.keys.listedPrefix(end);
          if (prefix === undefined || !isMulticastPrefix(prefix)) return undefined;
          if (boundaries.push(prefix) > BOUNDARIES_PER_INTERFACE_MAX) return undefined;
          break;
        }
        default:
          if (!cursor.skip(tag, INTERFACE_FIELDS.known, end)) return undefined;
      }
    }
    const [isQuerier, isAdvertised] = [querier === 1, mrdisc === 1];
    return key && { key, ttlThreshold, isEnabled, isQuerier, isAdvertised, boundaries: canonicalPrefixes(boundaries) };
  }

  #label(end: number): string | undefined {
    const { cursor } = this.keys;
    const next = cursor.endOfBytes(end);
    if (next === UNUSUAL) return undefined;
    const label = cursor.bytes.toString('utf8', cursor.at, next);
    cursor.at = next;
    return Buffer.byteLength(label) > LABEL_MAX ? undefined : label;
  }

  /** 0 or 1. */
  #boolean(end: number): number {
    const value = this.keys.cursor.varint(end);
    return value > 1 ? UNUSUAL : value;
  }
}
