// The requests that may be large, Apply and Replace, from plain objects straight to bytes. What has anything but plain values
// of the right types is left to the generated encoder, which converts or refuses it.
import type { ApplyRequest } from './generated/mcroute/v1/ApplyRequest.js';
import type { Change } from './generated/mcroute/v1/Change.js';
import type { Interface } from './generated/mcroute/v1/Interface.js';
import type { Membership } from './generated/mcroute/v1/Membership.js';
import type { MembershipKey } from './generated/mcroute/v1/MembershipKey.js';
import type { Mroute } from './generated/mcroute/v1/Mroute.js';
import type { MrouteKey } from './generated/mcroute/v1/MrouteKey.js';
import type { Oif } from './generated/mcroute/v1/Oif.js';
import type { ReplaceRequest } from './generated/mcroute/v1/ReplaceRequest.js';
import type { Resource } from './generated/mcroute/v1/Resource.js';
import type { ResourceKey } from './generated/mcroute/v1/ResourceKey.js';
import {
  CHANGE_FIELDS,
  HEADER_FIELDS,
  INTERFACE_FIELDS,
  INTERFACE_KEY_FIELDS,
  MEMBERSHIP_FIELDS,
  MEMBERSHIP_KEY_FIELDS,
  MROUTE_FIELDS,
  MROUTE_KEY_FIELDS,
  OIF_FIELDS,
  RESOURCE_FIELDS,
  RESULT_VIEWS,
} from './request-fields.js';
import { WireWriter } from './wire-writer.js';

/** Encodes a request of Apply; undefined if the generated encoder is to be asked. */
export function encodeApply(request: ApplyRequest): Buffer | undefined {
  if (hasRareFields(request)) return undefined;
  const encoder = new RequestEncoder();
  encoder.header(request);
  encoder.changes(request.changes);
  const { results } = request;
  encoder.number(HEADER_FIELDS.own, isView(results) ? RESULT_VIEWS[results] : results);
  return encoder.finish();
}

/** Encodes a message of a request of Replace; undefined if the generated encoder is to be asked. */
export function encodeReplace(request: ReplaceRequest): Buffer | undefined {
  if (hasRareFields(request)) return undefined;
  const encoder = new RequestEncoder();
  encoder.header(request);
  encoder.resources(request.resources);
  encoder.number(HEADER_FIELDS.own, request.resourceCount, true);
  return encoder.finish();
}

/** Values of the lower word of 64 bits. */
const WORD = 2 ** 32;

/** What only a person's changes have is left to the generated encoder. */
function hasRareFields({ confirmWithin, comment, requestId }: ApplyRequest | ReplaceRequest): boolean {
  return (confirmWithin ?? undefined) !== undefined || (comment ?? '') !== '' || (requestId ?? '') !== '';
}

function isView(results: unknown): results is keyof typeof RESULT_VIEWS {
  return typeof results === 'string' && Object.hasOwn(RESULT_VIEWS, results);
}

/**
 * Writes fields, without those that have their defaults. Values are looked at for what they are, whatever their types say:
 * requests are also made where nothing checks types. One that is not plain is noted, and what was written is of no use then.
 */
class RequestEncoder {
  readonly #writer = new WireWriter();
  #isPlain = true;

  finish(): Buffer | undefined {
    return this.#isPlain ? this.#writer.take() : undefined;
  }

  header({ table, owner, validateOnly, strict, expectedRevision }: ApplyRequest | ReplaceRequest): void {
    this.number(HEADER_FIELDS.table, table);
    this.#text(HEADER_FIELDS.owner, owner);
    this.#boolean(HEADER_FIELDS.validateOnly, validateOnly);
    this.#long(HEADER_FIELDS.expectedRevision, expectedRevision, true);
    this.#boolean(HEADER_FIELDS.strict, strict);
  }

  changes(changes: ApplyRequest['changes']): void {
    if (!this.#isList(changes)) return;
    for (const change of changes) {
      if (!this.#isMessage(change, true)) return;
      const start = this.#writer.begin(HEADER_FIELDS.elements);
      this.#change(change);
      this.#writer.end(start);
    }
  }

  resources(resources: ReplaceRequest['resources']): void {
    if (!this.#isList(resources)) return;
    for (const resource of resources) {
      if (!this.#isMessage(resource, true)) return;
      this.#resource(HEADER_FIELDS.elements, resource);
    }
  }

  /** `isOptional`: 0 is something else than nothing. */
  number(tag: number, value: unknown, isOptional = false): void {
    if (value === undefined || value === null || (value === 0 && !isOptional)) return;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) {
      this.#writer.uint32(tag, value);
    } else {
      this.#isPlain = false;
    }
  }

  #change({ id, put, delete: gone, addOifs, removeOifs, deleteExisting }: Change): void {
    this.#long(CHANGE_FIELDS.id, id);
    if (this.#isMessage(put)) this.#resource(CHANGE_FIELDS.put, put);
    if (this.#isMessage(gone)) this.#resourceKey(CHANGE_FIELDS.delete, gone);
    if (this.#isMessage(addOifs)) this.#mroute(CHANGE_FIELDS.addOifs, addOifs);
    if (this.#isMessage(removeOifs)) this.#mroute(CHANGE_FIELDS.removeOifs, removeOifs);
    if (this.#isMessage(deleteExisting)) this.#resourceKey(CHANGE_FIELDS.deleteExisting, deleteExisting);
  }

  #resource(tag: number, { mroute, membership, interface: settings }: Resource): void {
    const start = this.#writer.begin(tag);
    if (this.#isMessage(mroute)) this.#mroute(RESOURCE_FIELDS.mroute, mroute);
    if (this.#isMessage(membership)) this.#membership(RESOURCE_FIELDS.membership, membership);
    if (this.#isMessage(settings)) this.#interface(RESOURCE_FIELDS.interface, settings);
    this.#writer.end(start);
  }

  #resourceKey(tag: number, { mroute, membership, interface: settings }: ResourceKey): void {
    const start = this.#writer.begin(tag);
    if (this.#isMessage(mroute)) this.#mrouteKey(RESOURCE_FIELDS.mroute, mroute);
    if (this.#isMessage(membership)) this.#membershipKey(RESOURCE_FIELDS.membership, membership);
    if (this.#isMessage(settings)) this.#interfaceKey(RESOURCE_FIELDS.interface, settings);
    this.#writer.end(start);
  }

  #mroute(tag: number, { key, oifs, except, deny, label }: Mroute): void {
    const start = this.#writer.begin(tag);
    if (this.#isMessage(key)) this.#mrouteKey(MROUTE_FIELDS.key, key);
    if (this.#isList(oifs)) for (const oif of oifs) this.#oif(oif);
    this.#texts(MROUTE_FIELDS.except, except);
    this.#boolean(MROUTE_FIELDS.deny, deny);
    this.#text(MROUTE_FIELDS.label, label);
    this.#writer.end(start);
  }

  #mrouteKey(tag: number, { iif, source, group }: MrouteKey): void {
    const start = this.#writer.begin(tag);
    this.#text(MROUTE_KEY_FIELDS.iif, iif);
    this.#text(MROUTE_KEY_FIELDS.source, source);
    this.#text(MROUTE_KEY_FIELDS.group, group);
    this.#writer.end(start);
  }

  #oif(oif: Oif): void {
    if (!this.#isMessage(oif, true)) return;
    const start = this.#writer.begin(MROUTE_FIELDS.oifs);
    this.#text(OIF_FIELDS.interface, oif.interface);
    this.number(OIF_FIELDS.ttlThreshold, oif.ttlThreshold, true);
    this.#writer.end(start);
  }

  #membership(tag: number, { key, label }: Membership): void {
    const start = this.#writer.begin(tag);
    if (this.#isMessage(key)) this.#membershipKey(MEMBERSHIP_FIELDS.key, key);
    this.#text(MEMBERSHIP_FIELDS.label, label);
    this.#writer.end(start);
  }

  #membershipKey(tag: number, { interface: name, group, source }: MembershipKey): void {
    const start = this.#writer.begin(tag);
    this.#text(MEMBERSHIP_KEY_FIELDS.interface, name);
    this.#text(MEMBERSHIP_KEY_FIELDS.group, group);
    this.#text(MEMBERSHIP_KEY_FIELDS.source, source);
    this.#writer.end(start);
  }

  #interface(tag: number, { key, ttlThreshold, enabled, querier, mrdisc, boundaries }: Interface): void {
    const start = this.#writer.begin(tag);
    if (this.#isMessage(key)) this.#interfaceKey(INTERFACE_FIELDS.key, key);
    this.number(INTERFACE_FIELDS.ttlThreshold, ttlThreshold);
    this.#boolean(INTERFACE_FIELDS.enabled, enabled, true);
    this.#boolean(INTERFACE_FIELDS.querier, querier);
    this.#boolean(INTERFACE_FIELDS.mrdisc, mrdisc);
    this.#texts(INTERFACE_FIELDS.boundaries, boundaries);
    this.#writer.end(start);
  }

  #interfaceKey(tag: number, { name }: { readonly name?: string }): void {
    const start = this.#writer.begin(tag);
    this.#text(INTERFACE_KEY_FIELDS.name, name);
    this.#writer.end(start);
  }

  /** Whether there is a list to write. */
  #isList<Item>(list: readonly Item[] | null | undefined): list is readonly Item[] {
    if (list === undefined || list === null) return false;
    if (!Array.isArray(list)) this.#isPlain = false;
    return this.#isPlain;
  }

  /** Whether there is a message to write; one of a list must be there. */
  #isMessage<Message extends object>(message: Message | null | undefined, isRequired = false): message is Message {
    if (!isRequired && (message === undefined || message === null)) return false;
    if (typeof message !== 'object' || message === null) this.#isPlain = false;
    return this.#isPlain;
  }

  #texts(tag: number, values: readonly string[] | null | undefined): void {
    if (!this.#isList(values)) return;
    for (const value of values as readonly unknown[]) {
      if (typeof value === 'string') this.#writer.string(tag, value);
      else this.#isPlain = false;
    }
  }

  #text(tag: number, value: unknown): void {
    if (value === undefined || value === null || value === '') return;
    if (typeof value === 'string') this.#writer.string(tag, value);
    else this.#isPlain = false;
  }

  #boolean(tag: number, value: unknown, isOptional = false): void {
    if (value === undefined || value === null || (value === false && !isOptional)) return;
    if (typeof value === 'boolean') this.#writer.uint32(tag, value ? 1 : 0);
    else this.#isPlain = false;
  }

  /** A uint64 that a number holds, maybe as a text. */
  #long(tag: number, value: unknown, isOptional = false): void {
    if (value === undefined || value === null) return;
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) this.#isPlain = false;
    else if (number !== 0 || isOptional) this.#writer.uint64(tag, number % WORD, Math.floor(number / WORD));
  }
}
