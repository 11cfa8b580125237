// Resources as JSON values that a person can read, and back; for files. Pure.
//
// What is written was checked when it came in, and a checksum says that it is what was written. So decoding checks
// types and addresses, and not again what the API allows. A field that older readers would miss asks for a new version
// of the file's format.
import { AddressError, type Prefix, anyPrefix, formatPrefix, isAny, parsePrefix } from '../../model/address.js';
import type { Mroute, MrouteKey, Oif } from '../../model/mroute.js';
import type { Resource, ResourceKey } from '../../model/resource.js';

/** A JSON object. */
export type Encoded = Readonly<Record<string, unknown>>;

/** An mroute but for its source and group: the same for many of them. */
export type MrouteContent = Omit<Mroute, 'key'> & Pick<MrouteKey, 'iif'>;

/** A value does not stand for a resource. */
export class WishTextError extends Error {
  readonly code = 'INVALID_WISH';
}

/** The JSON value of a key. */
export function encodeResourceKey(key: ResourceKey): Encoded {
  switch (key.kind) {
    case 'mroute':
      return { kind: 'mroute', source: formatSource(key.source), group: formatPrefix(key.group), iif: key.iif };
    case 'membership':
      return {
        kind: 'membership',
        source: formatSource(key.source),
        group: formatPrefix(key.group),
        interface: key.interface,
      };
    case 'interface':
      return { kind: 'interface', name: key.name };
  }
}

/** The JSON value of a resource: its key, and what differs from a resource that has nothing but a key. */
export function encodeResource(resource: Resource): Encoded {
  const encoded: Record<string, unknown> = encodeResourceKey(resource.key);
  if ('oifs' in resource) {
    encoded['oifs'] = resource.oifs.map(encodeOif);
    if (resource.except.length > 0) encoded['except'] = resource.except.map(formatPrefix);
    if (resource.deny) encoded['deny'] = true;
  }
  if ('ttlThreshold' in resource) {
    encoded['ttlThreshold'] = resource.ttlThreshold;
    if (resource.isEnabled !== undefined) encoded['enabled'] = resource.isEnabled;
    if (resource.isQuerier) encoded['querier'] = true;
    if (resource.isAdvertised) encoded['mrdisc'] = true;
    if (resource.boundaries.length > 0) encoded['boundaries'] = resource.boundaries.map(formatPrefix);
  }
  if ('label' in resource && resource.label !== '') encoded['label'] = resource.label;
  return encoded;
}

/**
 * The key that a JSON value stands for.
 *
 * @throws WishTextError if it stands for none.
 */
export function decodeResourceKey(value: unknown): ResourceKey {
  const encoded = asObject(value);
  const { kind } = encoded;
  switch (kind) {
    case 'mroute':
      return { kind, iif: text(encoded, 'iif'), ...decodeFlow(encoded) };
    case 'membership':
      return { kind, interface: text(encoded, 'interface'), ...decodeFlow(encoded) };
    case 'interface':
      return { kind, name: text(encoded, 'name') };
    default:
      throw new WishTextError(`there is no kind ${JSON.stringify(kind)}`);
  }
}

/**
 * The resource that a JSON value stands for.
 *
 * @throws WishTextError if it stands for none.
 */
export function decodeResource(value: unknown): Resource {
  const encoded = asObject(value);
  const key = decodeResourceKey(encoded);
  switch (key.kind) {
    case 'mroute': {
      const { oifs, except, deny, label } = decodeMrouteContent(encoded);
      return { key, oifs, except, deny, label };
    }
    case 'membership':
      return { key, label: decodeLabel(encoded) };
    case 'interface':
      return {
        key,
        ttlThreshold: integer(encoded, 'ttlThreshold'),
        isEnabled: encoded['enabled'] === undefined ? undefined : encoded['enabled'] === true,
        isQuerier: encoded['querier'] === true,
        isAdvertised: encoded['mrdisc'] === true,
        boundaries: encoded['boundaries'] === undefined ? [] : list(encoded, 'boundaries').map(decodePrefix),
      };
  }
}

/**
 * What a JSON value says of an mroute beside its source and group.
 *
 * @throws WishTextError if it does not.
 */
export function decodeMrouteContent(value: unknown): MrouteContent {
  const encoded = asObject(value);
  return {
    iif: text(encoded, 'iif'),
    oifs: list(encoded, 'oifs').map(decodeOif),
    except: encoded['except'] === undefined ? [] : list(encoded, 'except').map(decodePrefix),
    deny: encoded['deny'] === true,
    label: decodeLabel(encoded),
  };
}

/** The iif of a JSON value. @throws WishTextError if it has none. */
export function decodeIif(value: unknown): string {
  return text(asObject(value), 'iif');
}

/** `*` is any source, of the group's family. */
function formatSource(source: Prefix): string {
  return isAny(source) ? '*' : formatPrefix(source);
}

function decodeFlow(encoded: Encoded): { source: Prefix; group: Prefix } {
  const group = decodePrefix(encoded['group']);
  const source = encoded['source'] === '*' ? anyPrefix(group.address.family) : decodePrefix(encoded['source']);
  return { source, group };
}

function decodeLabel(encoded: Encoded): string {
  return encoded['label'] === undefined ? '' : text(encoded, 'label');
}

function encodeOif({ interface: name, ttlThreshold }: Oif): unknown {
  return ttlThreshold === undefined ? name : { interface: name, ttlThreshold };
}

function decodeOif(value: unknown): Oif {
  if (typeof value === 'string') return { interface: value, ttlThreshold: undefined };
  const encoded = asObject(value);
  return { interface: text(encoded, 'interface'), ttlThreshold: integer(encoded, 'ttlThreshold') };
}

/**
 * The prefix that a JSON value stands for.
 *
 * @throws WishTextError if it stands for none.
 */
export function decodePrefix(value: unknown): Prefix {
  if (typeof value !== 'string') throw new WishTextError(`${JSON.stringify(value)} is not an address`);
  try {
    return parsePrefix(value);
  } catch (error) {
    if (error instanceof AddressError) throw new WishTextError(error.message, { cause: error });
    throw error;
  }
}

function text(encoded: Encoded, name: string): string {
  const value = encoded[name];
  if (typeof value !== 'string') throw new WishTextError(`'${name}' is not a text`);
  return value;
}

function integer(encoded: Encoded, name: string): number {
  const value = encoded[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new WishTextError(`'${name}' is not a number`);
  return value;
}

function list(encoded: Encoded, name: string): readonly unknown[] {
  const value: unknown = encoded[name];
  if (!Array.isArray(value)) throw new WishTextError(`'${name}' is not a list`);
  return value;
}

function asObject(value: unknown): Encoded {
  if (typeof value !== 'object' || value === null) throw new WishTextError(`${JSON.stringify(value)} is not a wish`);
  return value as Encoded;
}
