// From the wire to the model: every value is checked here, once, and all that is wrong is told at once.
import {
  AddressError,
  type Prefix,
  anyPrefix,
  canonicalPrefixes,
  isAny,
  isHost,
  isMulticastPrefix,
  isUnspecified,
  parsePrefix,
  addressLength,
} from '../model/address.js';
import type { Change } from '../model/change.js';
import { type InterfaceKey, type InterfaceSettings, isInterfaceName, isWildcard } from '../model/interface.js';
import {
  BOUNDARIES_PER_INTERFACE_MAX,
  EXCEPTS_PER_MROUTE_MAX,
  INTERFACE_NAME_MAX,
  LABEL_MAX,
  OIFS_PER_MROUTE_MAX,
  PAIRS_PER_MEMBERSHIP_MAX,
} from '../model/limits.js';
import type { Membership, MembershipKey } from '../model/membership.js';
import type { Mroute, MrouteKey, Oif } from '../model/mroute.js';
import type { Resource, ResourceKey } from '../model/resource.js';
import type { Change__Output } from './generated/mcroute/v1/Change.js';
import type { Interface__Output } from './generated/mcroute/v1/Interface.js';
import type { InterfaceKey__Output } from './generated/mcroute/v1/InterfaceKey.js';
import type { Membership__Output } from './generated/mcroute/v1/Membership.js';
import type { MembershipKey__Output } from './generated/mcroute/v1/MembershipKey.js';
import type { Mroute__Output } from './generated/mcroute/v1/Mroute.js';
import type { MrouteKey__Output } from './generated/mcroute/v1/MrouteKey.js';
import type { Resource__Output } from './generated/mcroute/v1/Resource.js';
import type { ResourceKey__Output } from './generated/mcroute/v1/ResourceKey.js';
import { ApiError, type FieldViolation } from './status.js';

/**
 * Bytes of the violations that one error reports, some twenty; the sentence says how many there are. They travel in a
 * trailer, and clients refuse more than 8 KiB of those (grpc.max_metadata_size), base64 and the sentence included.
 */
const VIOLATIONS_BYTES_MAX = 4_096;

/** Characters of a text that an error repeats. */
const QUOTED_MAX = 64;

/** Collects what is wrong with a request. */
export class Violations {
  readonly #found: FieldViolation[] = [];
  #count = 0;
  #bytes = 0;

  add(field: string, description: string): void {
    this.#count++;
    this.#bytes += Buffer.byteLength(field) + Buffer.byteLength(description);
    if (this.#bytes <= VIOLATIONS_BYTES_MAX) this.#found.push({ field, description });
  }

  /** INVALID_FIELD with all that was found; undefined if nothing was. */
  get error(): ApiError | undefined {
    const [first] = this.#found;
    if (first === undefined) return undefined;
    const others = this.#count > 1 ? ` (and ${this.#count - 1} more)` : '';
    return new ApiError('INVALID_FIELD', `${first.field}: ${first.description}${others}`, { violations: this.#found });
  }

  /** @throws ApiError INVALID_FIELD with all that was found, if anything was. */
  throwIfAny(): void {
    const { error } = this;
    if (error !== undefined) throw error;
  }
}

/** Parses the changes of an Apply. */
export function parseChanges(wire: readonly Change__Output[], violations: Violations): Change[] {
  const changes: Change[] = [];
  for (const [index, change] of wire.entries()) {
    const parsed = parseChange(change, `changes[${index}]`, violations);
    if (parsed !== undefined) changes.push(parsed);
  }
  return changes;
}

/** Parses the resources of one message of a Replace; `offset` is how many came in earlier ones. */
export function parseResources(wire: readonly Resource__Output[], offset: number, violations: Violations): Resource[] {
  const resources: Resource[] = [];
  for (const [index, resource] of wire.entries()) {
    const parsed = parseResource(resource, `resources[${offset + index}]`, violations);
    if (parsed !== undefined) resources.push(parsed);
  }
  return resources;
}

/** Parses a group address or prefix of a filter. */
export function parseGroupFilter(text: string, field: string, violations: Violations): Prefix | undefined {
  return parsePrefixField(text, field, violations);
}

export function parseResource(wire: Resource__Output, path: string, violations: Violations): Resource | undefined {
  if (wire.mroute) return parseMroute(wire.mroute, `${path}.mroute`, violations);
  if (wire.membership) return parseMembership(wire.membership, `${path}.membership`, violations);
  if (wire.interface) return parseInterface(wire.interface, `${path}.interface`, violations);
  violations.add(path, 'is empty or of a kind this agent does not know: set mroute, membership or interface');
  return undefined;
}

/** Parses one change; undefined if something is wrong with it. */
export function parseChange(wire: Change__Output, path: string, violations: Violations): Change | undefined {
  if (wire.put) {
    const resource = parseResource(wire.put, `${path}.put`, violations);
    return resource && { action: 'put', resource };
  }
  if (wire.delete) {
    const key = parseResourceKey(wire.delete, `${path}.delete`, violations);
    return key && { action: 'delete', key, mustExist: false };
  }
  if (wire.deleteExisting) {
    const key = parseResourceKey(wire.deleteExisting, `${path}.delete_existing`, violations);
    return key && { action: 'delete', key, mustExist: true };
  }
  if (wire.addOifs) {
    const mroute = parseMroute(wire.addOifs, `${path}.add_oifs`, violations);
    return mroute && { action: 'add-oifs', mroute };
  }
  if (wire.removeOifs) {
    const mroute = parseMroute(wire.removeOifs, `${path}.remove_oifs`, violations);
    return mroute && { action: 'remove-oifs', mroute };
  }
  violations.add(path, 'has no action this agent knows: set put, delete, delete_existing, add_oifs or remove_oifs');
  return undefined;
}

function parseResourceKey(wire: ResourceKey__Output, path: string, violations: Violations): ResourceKey | undefined {
  if (wire.mroute) return parseMrouteKey(wire.mroute, `${path}.mroute`, violations);
  if (wire.membership) return parseMembershipKey(wire.membership, `${path}.membership`, violations);
  if (wire.interface) return parseInterfaceKey(wire.interface, `${path}.interface`, violations);
  violations.add(path, 'is empty or of a kind this agent does not know: set mroute, membership or interface');
  return undefined;
}

function parseMroute(wire: Mroute__Output, path: string, violations: Violations): Mroute | undefined {
  const key = parseMrouteKey(wire.key, `${path}.key`, violations);
  const oifs = parseOifs(wire, path, violations);
  const except = parseExcept(wire, key, path, violations);
  const label = parseLabel(wire.label, `${path}.label`, violations);
  return key && { key, oifs, except, deny: wire.deny, label };
}

function parseMrouteKey(wire: MrouteKey__Output | null, path: string, violations: Violations): MrouteKey | undefined {
  if (wire === null) {
    violations.add(path, 'is required');
    return;
  }
  const iif = parseInterfaceName(wire.iif, `${path}.iif`, violations, true);
  const flow = parseFlow(wire, path, violations);
  if (iif === undefined || flow === undefined) return undefined;
  return { kind: 'mroute', iif, ...flow };
}

/** Parses oifs; of one named twice the lower threshold counts, as in a union of rules. */
function parseOifs(wire: Mroute__Output, path: string, violations: Violations): Oif[] {
  if (wire.oifs.length > OIFS_PER_MROUTE_MAX) {
    violations.add(`${path}.oifs`, `has ${wire.oifs.length} oifs; at most ${OIFS_PER_MROUTE_MAX} are allowed`);
    return [];
  }
  const oifs: Oif[] = [];
  for (const [index, oif] of wire.oifs.entries()) {
    const field = `${path}.oifs[${index}]`;
    const name = parseInterfaceName(oif.interface, `${field}.interface`, violations, true);
    const ttlThreshold = oif._ttlThreshold === undefined ? undefined : oif.ttlThreshold;
    if (ttlThreshold !== undefined && !isTtlThreshold(ttlThreshold)) {
      violations.add(`${field}.ttl_threshold`, `${ttlThreshold} is not a TTL threshold: 1 to 254, or unset`);
    }
    if (name !== undefined) oifs.push({ interface: name, ttlThreshold });
  }
  return canonicalOifs(oifs);
}

/** Oifs as resources have them: each once, in the order of their names. */
export function canonicalOifs(oifs: readonly Oif[]): Oif[] {
  const byName = new Map<string, Oif>();
  for (const { interface: name, ttlThreshold } of oifs) {
    const other = byName.get(name);
    const lower = Math.min(other?.ttlThreshold ?? Infinity, ttlThreshold ?? Infinity);
    byName.set(name, { interface: name, ttlThreshold: lower === Infinity ? undefined : lower });
  }
  return [...byName.values()].sort((a, b) => (a.interface < b.interface ? -1 : 1));
}

function parseExcept(wire: Mroute__Output, key: MrouteKey | undefined, path: string, violations: Violations): Prefix[] {
  if (wire.except.length > EXCEPTS_PER_MROUTE_MAX) {
    violations.add(
      `${path}.except`,
      `has ${wire.except.length} prefixes; at most ${EXCEPTS_PER_MROUTE_MAX} are allowed`,
    );
    return [];
  }
  const except: Prefix[] = [];
  for (const [index, text] of wire.except.entries()) {
    const field = `${path}.except[${index}]`;
    const prefix = parseSource(text, field, violations);
    if (prefix === undefined) continue;
    if (key !== undefined && prefix.address.family !== key.group.address.family) {
      violations.add(field, `${quote(text)} is not of the group's family, ${familyName(key.group)}`);
    }
    except.push(prefix);
  }
  return canonicalPrefixes(except);
}

function parseMembership(wire: Membership__Output, path: string, violations: Violations): Membership | undefined {
  const key = parseMembershipKey(wire.key, `${path}.key`, violations);
  const label = parseLabel(wire.label, `${path}.label`, violations);
  return key && { key, label };
}

function parseMembershipKey(
  wire: MembershipKey__Output | null,
  path: string,
  violations: Violations,
): MembershipKey | undefined {
  if (wire === null) {
    violations.add(path, 'is required');
    return;
  }
  const name = parseInterfaceName(wire.interface, `${path}.interface`, violations, false);
  const flow = parseFlow(wire, path, violations);
  if (name === undefined || flow === undefined) return undefined;
  if (pairsOf(flow) > PAIRS_PER_MEMBERSHIP_MAX) {
    violations.add(
      `${path}.group`,
      `stands for more than ${PAIRS_PER_MEMBERSHIP_MAX} joins: use longer prefixes of group and source`,
    );
    return;
  }
  return { kind: 'membership', interface: name, ...flow };
}

/** The (source, group) pairs that a membership stands for. */
export function pairsOf({ source, group }: { readonly source: Prefix; readonly group: Prefix }): number {
  const bits = addressLength(group.address.family);
  return 2 ** (bits - group.length) * (isAny(source) ? 1 : 2 ** (bits - source.length));
}

function parseInterface(wire: Interface__Output, path: string, violations: Violations): InterfaceSettings | undefined {
  const key = parseInterfaceKey(wire.key, `${path}.key`, violations);
  const ttlThreshold = wire.ttlThreshold === 0 ? 1 : wire.ttlThreshold;
  if (!isTtlThreshold(ttlThreshold)) {
    violations.add(`${path}.ttl_threshold`, `${ttlThreshold} is not a TTL threshold: 1 to 254`);
  }
  const isEnabled = wire._enabled === undefined ? undefined : wire.enabled;
  const boundaries = parseBoundaries(wire.boundaries, `${path}.boundaries`, violations);
  return key && { key, ttlThreshold, isEnabled, isQuerier: wire.querier, isAdvertised: wire.mrdisc, boundaries };
}

function parseBoundaries(texts: readonly string[], path: string, violations: Violations): Prefix[] {
  if (texts.length > BOUNDARIES_PER_INTERFACE_MAX) {
    violations.add(path, `has ${texts.length} prefixes; at most ${BOUNDARIES_PER_INTERFACE_MAX} are allowed`);
    return [];
  }
  return canonicalPrefixes(texts.flatMap((text, index) => parseGroup(text, `${path}[${index}]`, violations) ?? []));
}

function parseInterfaceKey(
  wire: InterfaceKey__Output | null,
  path: string,
  violations: Violations,
): InterfaceKey | undefined {
  if (wire === null) {
    violations.add(path, 'is required');
    return;
  }
  const name = parseInterfaceName(wire.name, `${path}.name`, violations, false);
  return name === undefined ? undefined : { kind: 'interface', name };
}

function parseFlow(
  wire: { readonly source: string; readonly group: string },
  path: string,
  violations: Violations,
): { source: Prefix; group: Prefix } | undefined {
  const group = parseGroup(wire.group, `${path}.group`, violations);
  const source = wire.source === '' ? undefined : parseSource(wire.source, `${path}.source`, violations);
  if (group === undefined || (wire.source !== '' && source === undefined)) return undefined;
  const family = group.address.family;
  if (source !== undefined && source.address.family !== family) {
    violations.add(
      `${path}.source`,
      `${quote(wire.source)} and group ${quote(wire.group)} are of different families: both must be IPv4 or both IPv6`,
    );
    return;
  }
  return { source: source ?? anyPrefix(family), group };
}

function parseGroup(text: string, field: string, violations: Violations): Prefix | undefined {
  const group = parsePrefixField(text, field, violations);
  if (group === undefined) return undefined;
  if (!isMulticastPrefix(group)) {
    const range = group.address.family === 'ipv4' ? '224.0.0.0/4' : 'ff00::/8';
    violations.add(field, `${quote(text)} is not a multicast group: use an address or prefix of ${range}`);
    return;
  }
  return group;
}

function parseSource(text: string, field: string, violations: Violations): Prefix | undefined {
  const source = parsePrefixField(text, field, violations);
  if (source === undefined) return undefined;
  if (isMulticastPrefix(source)) {
    violations.add(field, `${quote(text)} is a multicast group; a source is the address of a sender`);
    return;
  }
  // To the kernel these are the source of a (*,G) entry.
  if (isHost(source) && isUnspecified(source.address)) {
    violations.add(field, `${quote(text)} is no sender's address: leave the source empty for any`);
    return;
  }
  return source;
}

function parsePrefixField(text: string, field: string, violations: Violations): Prefix | undefined {
  if (text === '') {
    violations.add(field, 'is required: an IPv4 or IPv6 address or prefix');
    return;
  }
  try {
    return parsePrefix(text);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    const problem = text.length > QUOTED_MAX ? `${quote(text)} is not an address or prefix` : printable(error.message);
    violations.add(field, `${problem}: use ADDRESS or ADDRESS/LENGTH, such as 239.1.1.1 or ff3e::/32`);
    return;
  }
}

function parseInterfaceName(
  text: string,
  field: string,
  violations: Violations,
  allowsWildcard: boolean,
): string | undefined {
  if (text === '') {
    violations.add(field, 'is required: the name of an interface');
    return;
  }
  if (isWildcard(text) && !allowsWildcard) {
    violations.add(field, `${quote(text)} is a wildcard; here the name of one interface is needed`);
    return;
  }
  const alias = text.indexOf(':');
  if (alias > 0) {
    violations.add(field, `${quote(text)} is an alias: use the interface itself, ${quote(text.slice(0, alias))}`);
    return;
  }
  if (!isInterfaceName(text)) {
    violations.add(
      field,
      `${quote(text)} cannot be the name of an interface: 1 to ${INTERFACE_NAME_MAX} bytes without '/', ':' and spaces`,
    );
    return;
  }
  return text;
}

function parseLabel(text: string, field: string, violations: Violations): string {
  if (Buffer.byteLength(text) > LABEL_MAX) violations.add(field, `is longer than ${LABEL_MAX} bytes`);
  return text;
}

/** Whether the number can be a TTL threshold. */
export function isTtlThreshold(value: number): boolean {
  return value >= 1 && value <= 254;
}

/** A text of the caller as an error repeats it: short, and without what would upset a terminal or a log. */
export function quote(text: string): string {
  const shown = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}...` : text;
  return `'${printable(shown)}'`;
}

function printable(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

function familyName(prefix: Prefix): string {
  return prefix.address.family === 'ipv4' ? 'IPv4' : 'IPv6';
}
