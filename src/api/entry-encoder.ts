// Entries from the model straight to the bytes of their messages: what `renderEntry` and protobufjs make in two steps, for
// lists and watches. Fields that have their default value are left out.
import type { Address } from '../model/address.js';
import { isAny } from '../model/address.js';
import type { InterfaceSettings } from '../model/interface.js';
import type { Membership, MembershipKey } from '../model/membership.js';
import type { Mroute, MrouteKey, Oif } from '../model/mroute.js';
import type { KernelFailure, Programming, Resource, ResourceKey, State, Status, Warning } from '../model/resource.js';
import { errorMessages } from './load.js';
import { failureMessage, missingText } from './render.js';
import type { WireWriter } from './wire-writer.js';
import { lengthTag, varintTag } from './wire-writer.js';

/** What the kernel counted, 64 bits each as two words, the lower one first: packets, bytes, wrong_if. */
export interface CounterWords {
  readonly words: ArrayLike<number>;
  /** Where they begin. */
  readonly at: number;
}

/** Writes an `Entry` as the field of the tag. */
export function writeEntry(
  writer: WireWriter,
  tag: number,
  { resource, owners, status }: { resource: Resource; owners: readonly string[]; status: Status },
  counters: CounterWords | undefined,
): void {
  const start = writer.begin(tag);
  writeResource(writer, RESOURCE, resource);
  for (const owner of owners) writer.string(OWNERS, owner);
  writer.uint32(STATE, STATES[status.state]);
  if (status.failure !== undefined) writer.bytes(ERROR, encodeFailure(status.failure));
  for (const missing of status.missing) {
    const message = writer.begin(MISSING);
    writer.string(FIRST, missing.reason);
    writeText(writer, SECOND, missing.interface);
    writer.string(THIRD, missingText(missing));
    writer.end(message);
  }
  for (const warning of status.warnings) writeWarning(writer, WARNINGS, warning);
  if (status.programming !== undefined) {
    writer.uint32(PROGRAMMING, PROGRAMMINGS[status.programming.kind]);
    writeText(writer, PROGRAMMING_REASON, status.programming.reason);
  }
  if (counters !== undefined) writeCounters(writer, COUNTERS, counters);
  writer.end(start);
}

/** An entry of the forwarding cache as it is shown. */
export interface ListedMfcEntry {
  readonly source: Address | undefined;
  readonly group: Address;
  readonly iif: string;
  readonly oifs: readonly { readonly interface: string; readonly ttlThreshold: number }[];
  readonly isLearned: boolean;
  readonly rules: readonly MrouteKey[];
}

/** Writes an `MfcEntry` as the field of the tag. */
export function writeMfcEntry(
  writer: WireWriter,
  tag: number,
  { source, group, iif, oifs, isLearned, rules }: ListedMfcEntry,
  counters: CounterWords | undefined,
): void {
  const start = writer.begin(tag);
  if (source !== undefined) writer.address(FIRST, source);
  writer.address(SECOND, group);
  writeText(writer, THIRD, iif);
  // A threshold of 1 holds nothing back: a router forwards no packet with a TTL of 1.
  for (const oif of oifs)
    writeOif(writer, FOURTH, oif.interface, oif.ttlThreshold === 1 ? undefined : oif.ttlThreshold);
  if (isLearned) writer.uint32(LEARNED, 1);
  for (const rule of rules) writeMrouteKey(writer, RULES, rule);
  if (counters !== undefined) writeCounters(writer, MFC_COUNTERS, counters);
  writer.end(start);
}

/** Writes a `ResourceKey` as the field of the tag. */
export function writeResourceKey(writer: WireWriter, tag: number, key: ResourceKey): void {
  const start = writer.begin(tag);
  switch (key.kind) {
    case 'mroute':
      writeMrouteKey(writer, MROUTE, key);
      break;
    case 'membership':
      writeMembershipKey(writer, MEMBERSHIP, key);
      break;
    case 'interface':
      writeInterfaceKey(writer, INTERFACE, key.name);
  }
  writer.end(start);
}

// Tags, by the numbers of resource.proto.
const FIRST = lengthTag(1);
const SECOND = lengthTag(2);
const THIRD = lengthTag(3);
const FOURTH = lengthTag(4);

// Entry.
const RESOURCE = lengthTag(1);
const OWNERS = lengthTag(2);
const STATE = varintTag(3);
const ERROR = lengthTag(4);
const MISSING = lengthTag(5);
const WARNINGS = lengthTag(6);
const PROGRAMMING = varintTag(7);
const PROGRAMMING_REASON = lengthTag(8);
const COUNTERS = lengthTag(9);

// Resource and ResourceKey.
const MROUTE = lengthTag(1);
const MEMBERSHIP = lengthTag(2);
const INTERFACE = lengthTag(3);

// Mroute, Oif.
const OIFS = lengthTag(2);
const EXCEPT = lengthTag(3);
const DENY = varintTag(4);
const LABEL = lengthTag(5);
const TTL_THRESHOLD = varintTag(2);

// Interface.
const ENABLED = varintTag(3);
const QUERIER = varintTag(4);
const MRDISC = varintTag(5);
const BOUNDARIES = lengthTag(6);

// MfcEntry.
const LEARNED = varintTag(5);
const RULES = lengthTag(6);
const MFC_COUNTERS = lengthTag(7);

// Counters.
const PACKETS = varintTag(1);
const BYTES = varintTag(2);
const WRONG_IF = varintTag(3);

const STATES = { pending: 1, programmed: 2, partial: 3, failed: 4 } as const satisfies Record<State, number>;

const PROGRAMMINGS = {
  'source-group': 1,
  'any-source': 2,
  learned: 3,
} as const satisfies Record<Programming['kind'], number>;

/** Writes a `Resource` as the field of the tag. */
export function writeResource(writer: WireWriter, tag: number, resource: Resource): void {
  const start = writer.begin(tag);
  if ('oifs' in resource) writeMroute(writer, resource);
  else if ('ttlThreshold' in resource) writeInterface(writer, resource);
  else writeMembership(writer, resource);
  writer.end(start);
}

function writeMroute(writer: WireWriter, { key, oifs, except, deny, label }: Mroute): void {
  const start = writer.begin(MROUTE);
  writeMrouteKey(writer, FIRST, key);
  for (const oif of oifs) writeOif(writer, OIFS, oif.interface, oif.ttlThreshold);
  for (const prefix of except) writer.prefix(EXCEPT, prefix);
  if (deny) writer.uint32(DENY, 1);
  writeText(writer, LABEL, label);
  writer.end(start);
}

function writeMrouteKey(writer: WireWriter, tag: number, { iif, source, group }: MrouteKey): void {
  const start = writer.begin(tag);
  writeText(writer, FIRST, iif);
  if (!isAny(source)) writer.prefix(SECOND, source);
  writer.prefix(THIRD, group);
  writer.end(start);
}

function writeOif(writer: WireWriter, tag: number, name: string, ttlThreshold: Oif['ttlThreshold']): void {
  const start = writer.begin(tag);
  writeText(writer, FIRST, name);
  if (ttlThreshold !== undefined) writer.uint32(TTL_THRESHOLD, ttlThreshold);
  writer.end(start);
}

function writeMembership(writer: WireWriter, { key, label }: Membership): void {
  const start = writer.begin(MEMBERSHIP);
  writeMembershipKey(writer, FIRST, key);
  writeText(writer, SECOND, label);
  writer.end(start);
}

function writeMembershipKey(writer: WireWriter, tag: number, { interface: name, group, source }: MembershipKey): void {
  const start = writer.begin(tag);
  writeText(writer, FIRST, name);
  writer.prefix(SECOND, group);
  if (!isAny(source)) writer.prefix(THIRD, source);
  writer.end(start);
}

function writeInterface(writer: WireWriter, settings: InterfaceSettings): void {
  const start = writer.begin(INTERFACE);
  writeInterfaceKey(writer, FIRST, settings.key.name);
  if (settings.ttlThreshold !== 0) writer.uint32(TTL_THRESHOLD, settings.ttlThreshold);
  if (settings.isEnabled !== undefined) writer.uint32(ENABLED, settings.isEnabled ? 1 : 0);
  if (settings.isQuerier) writer.uint32(QUERIER, 1);
  if (settings.isAdvertised) writer.uint32(MRDISC, 1);
  for (const boundary of settings.boundaries) writer.prefix(BOUNDARIES, boundary);
  writer.end(start);
}

function writeInterfaceKey(writer: WireWriter, tag: number, name: string): void {
  const start = writer.begin(tag);
  writeText(writer, FIRST, name);
  writer.end(start);
}

/** Writes a `Warning` as the field of the tag. */
export function writeWarning(writer: WireWriter, tag: number, { code, text }: Warning): void {
  const start = writer.begin(tag);
  writer.string(FIRST, code);
  writeText(writer, SECOND, text);
  writer.end(start);
}

function writeCounters(writer: WireWriter, tag: number, { words, at }: CounterWords): void {
  const start = writer.begin(tag);
  writeCounter(writer, PACKETS, words[at] ?? 0, words[at + 1] ?? 0);
  writeCounter(writer, BYTES, words[at + 2] ?? 0, words[at + 3] ?? 0);
  writeCounter(writer, WRONG_IF, words[at + 4] ?? 0, words[at + 5] ?? 0);
  writer.end(start);
}

function writeCounter(writer: WireWriter, tag: number, low: number, high: number): void {
  if (low !== 0 || high !== 0) writer.uint64(tag, low, high);
}

function writeText(writer: WireWriter, tag: number, text: string): void {
  if (text !== '') writer.string(tag, text);
}

/** The refusal of an entry is rare, and goes the way of all errors. */
function encodeFailure(failure: KernelFailure): Uint8Array {
  return errorMessages().status.serialize(failureMessage(failure));
}
