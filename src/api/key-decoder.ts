// The keys of resources from the bytes of requests; see resource-decoder.ts.
import { type Prefix, anyPrefix, isHost, isMulticastPrefix, isUnspecified } from '../model/address.js';
import { type InterfaceKey, isWildcard } from '../model/interface.js';
import { PAIRS_PER_MEMBERSHIP_MAX } from '../model/limits.js';
import type { MembershipKey } from '../model/membership.js';
import type { MrouteKey } from '../model/mroute.js';
import type { ResourceKey } from '../model/resource.js';
import { NameCache } from './name-cache.js';
import { pairsOf } from './parse.js';
import { parsePrefixBytes } from '../model/prefix-bytes.js';
import { INTERFACE_KEY_FIELDS, MEMBERSHIP_KEY_FIELDS, MROUTE_KEY_FIELDS, RESOURCE_FIELDS } from './request-fields.js';
import { UNUSUAL, WireCursor, sameBytes } from './wire-cursor.js';

/** A run of bytes that was read, and what it came to. */
export interface Run<Value> {
  start: number;
  length: number;
  value: Value;
}

/**
 * Reads keys where its cursor is. Each method reads up to `end`, where its message ends, or gives undefined and leaves the
 * cursor anywhere.
 */
export class KeyDecoder {
  readonly cursor = new WireCursor();
  /** Elements read since the beginning, as element-limit.ts counts them. */
  elements = 0;
  readonly #names = new NameCache();
  // What was read last: routes that come together share sources and groups.
  readonly #source: Run<Prefix | undefined> = { start: 0, length: 0, value: undefined };
  readonly #group: Run<Prefix | undefined> = { start: 0, length: 0, value: undefined };

  begin(bytes: Buffer): void {
    this.cursor.begin(bytes);
    this.elements = 0;
    forget(this.#source, undefined);
    forget(this.#group, undefined);
  }

  /** The key of any resource. */
  resource(end: number): ResourceKey | undefined {
    const { cursor } = this;
    let key: ResourceKey | undefined;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag > RESOURCE_FIELDS.interface || (tag & 7) !== 2) {
        if (!cursor.skip(tag, RESOURCE_FIELDS.known, end)) return undefined;
        continue;
      }
      const next = this.element(end);
      if (next === UNUSUAL || key !== undefined) return undefined;
      switch (tag) {
        case RESOURCE_FIELDS.mroute:
          key = this.mroute(next);
          break;
        case RESOURCE_FIELDS.membership:
          key = this.membership(next);
          break;
        case RESOURCE_FIELDS.interface:
          key = this.interface(next);
      }
      if (key === undefined) return undefined;
    }
    return key;
  }

  mroute(end: number): MrouteKey | undefined {
    const { cursor } = this;
    let iif: string | undefined;
    let source: Prefix | undefined;
    let group: Prefix | undefined;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag > MROUTE_KEY_FIELDS.group || (tag & 7) !== 2) {
        if (!cursor.skip(tag, MROUTE_KEY_FIELDS.known, end)) return undefined;
        continue;
      }
      const next = cursor.endOfBytes(end);
      if (next === UNUSUAL) return undefined;
      switch (tag) {
        case MROUTE_KEY_FIELDS.iif:
          iif = this.name(next);
          if (iif === undefined) return undefined;
          break;
        case MROUTE_KEY_FIELDS.source:
          // Empty is any.
          if (next === cursor.at) source = undefined;
          else if ((source = this.#sourceUntil(next)) === undefined) return undefined;
          break;
        case MROUTE_KEY_FIELDS.group:
          group = this.#groupUntil(next);
          if (group === undefined) return undefined;
          break;
        default:
          return undefined;
      }
    }
    if (iif === undefined || group === undefined) return undefined;
    const { family } = group.address;
    if (source !== undefined && source.address.family !== family) return undefined;
    return { kind: 'mroute', iif, source: source ?? anyPrefix(family), group };
  }

  membership(end: number): MembershipKey | undefined {
    const { cursor } = this;
    let name: string | undefined;
    let source: Prefix | undefined;
    let group: Prefix | undefined;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag > MEMBERSHIP_KEY_FIELDS.source || (tag & 7) !== 2) {
        if (!cursor.skip(tag, MEMBERSHIP_KEY_FIELDS.known, end)) return undefined;
        continue;
      }
      const next = cursor.endOfBytes(end);
      if (next === UNUSUAL) return undefined;
      switch (tag) {
        case MEMBERSHIP_KEY_FIELDS.interface:
          name = this.#plainName(next);
          if (name === undefined) return undefined;
          break;
        case MEMBERSHIP_KEY_FIELDS.group:
          group = this.#groupUntil(next);
          if (group === undefined) return undefined;
          break;
        case MEMBERSHIP_KEY_FIELDS.source:
          if (next === cursor.at) source = undefined;
          else if ((source = this.#sourceUntil(next)) === undefined) return undefined;
          break;
        default:
          return undefined;
      }
    }
    if (name === undefined || group === undefined) return undefined;
    const { family } = group.address;
    if (source !== undefined && source.address.family !== family) return undefined;
    const flow = { source: source ?? anyPrefix(family), group };
    if (pairsOf(flow) > PAIRS_PER_MEMBERSHIP_MAX) return undefined;
    return { kind: 'membership', interface: name, group, source: flow.source };
  }

  interface(end: number): InterfaceKey | undefined {
    const { cursor } = this;
    let name: string | undefined;
    while (cursor.at < end) {
      const tag = cursor.bytes[cursor.at++] ?? 0;
      if (tag !== INTERFACE_KEY_FIELDS.name) {
        if (!cursor.skip(tag, INTERFACE_KEY_FIELDS.known, end)) return undefined;
        continue;
      }
      const next = cursor.endOfBytes(end);
      name = next === UNUSUAL ? undefined : this.#plainName(next);
      if (name === undefined) return undefined;
    }
    return name === undefined ? undefined : { kind: 'interface', name };
  }

  /** Reads the length of an element and counts it; gives where it ends. */
  element(end: number): number {
    this.elements++;
    return this.cursor.endOfBytes(end);
  }

  /** The name or wildcard up to `end`. */
  name(end: number): string | undefined {
    const { cursor } = this;
    const name = this.#names.find(cursor.bytes, cursor.at, end);
    cursor.at = end;
    return name;
  }

  /** The name of one interface up to `end`. */
  #plainName(end: number): string | undefined {
    const name = this.name(end);
    return name === undefined || isWildcard(name) ? undefined : name;
  }

  #sourceUntil(end: number): Prefix | undefined {
    const source = this.#prefix(end, this.#source);
    return source === undefined || isNoSource(source) ? undefined : source;
  }

  #groupUntil(end: number): Prefix | undefined {
    const group = this.#prefix(end, this.#group);
    return group === undefined || !isMulticastPrefix(group) ? undefined : group;
  }

  /** The prefix up to `end`, which may be the one that was read last. */
  #prefix(end: number, last: Run<Prefix | undefined>): Prefix | undefined {
    const { cursor } = this;
    const start = cursor.at;
    const length = end - start;
    cursor.at = end;
    if (length === last.length && sameBytes(cursor.bytes, last.start, start, length)) return last.value;
    const prefix = parsePrefixBytes(cursor.bytes, start, end);
    last.start = start;
    last.length = length;
    last.value = prefix;
    return prefix;
  }

  /** A prefix of a list, each of which is an element. */
  listedPrefix(end: number): Prefix | undefined {
    const { cursor } = this;
    const next = this.element(end);
    if (next === UNUSUAL) return undefined;
    const prefix = parsePrefixBytes(cursor.bytes, cursor.at, next);
    cursor.at = next;
    return prefix;
  }
}

/** Forgets what was read. */
export function forget<Value>(run: Run<Value>, value: Value): void {
  run.length = 0;
  run.value = value;
}

/** Whether no sender is meant: a group, or 0.0.0.0 or ::. */
export function isNoSource(prefix: Prefix): boolean {
  return isMulticastPrefix(prefix) || (isHost(prefix) && isUnspecified(prefix.address));
}
