// Between the port's words and the addon's records.
import { type Address, type Family, type Prefix } from '../../model/address.js';
import {
  FLOW_KEY_WORDS,
  MFC_OPERATION,
  MFC_RECORD_WORDS,
  type NativeFamily,
  UPCALL_EVENT,
  UPCALL_EVENT_WORDS,
} from './native.js';
import type { FlowKey, LearnedFlow, Operation, UpcallGroup, VifOif, VifRule } from './port.js';

/** Operations that become mfc records. */
export type MfcOperation = Extract<Operation, { readonly op: 'put-mfc' | 'delete-mfc' | 'put-proxy' | 'delete-proxy' }>;

export function nativeFamily(family: Family): NativeFamily {
  return family === 'ipv4' ? 4 : 6;
}

/** Packs operations for `MrouteSocket.applyMfc` and `UpcallThread.applyLearned`. */
export function packMfcRecords(operations: readonly MfcOperation[]): Uint32Array {
  const words = new Uint32Array(operations.length * MFC_RECORD_WORDS);
  let offset = 0;
  for (const operation of operations) {
    packAddress(words, offset + 6, operation.group);
    switch (operation.op) {
      case 'put-mfc':
        words[offset] = MFC_OPERATION.put;
        words[offset + 1] = operation.iif;
        packAddress(words, offset + 2, operation.source);
        packTtls(words, offset + 10, operation.oifs);
        break;
      case 'delete-mfc':
        words[offset] = MFC_OPERATION.delete;
        packAddress(words, offset + 2, operation.source);
        break;
      case 'put-proxy':
        words[offset] = MFC_OPERATION.putProxy;
        words[offset + 1] = operation.iif;
        packTtls(words, offset + 10, operation.oifs);
        // A (*,G) entry matches an arrival only if the iif is among its own oifs (`ip_mr_cache_find_any`); the kernel
        // never sends a packet back there.
        packTtl(words, offset + 10, operation.iif, 1);
        break;
      case 'delete-proxy':
        words[offset] = MFC_OPERATION.deleteProxy;
        words[offset + 1] = operation.iif;
    }
    offset += MFC_RECORD_WORDS;
  }
  return words;
}

/** Packs keys for `MrouteSocket.counters` and `UpcallThread.touch`. */
export function packFlowKeys(keys: readonly FlowKey[]): Uint32Array {
  const words = new Uint32Array(keys.length * FLOW_KEY_WORDS);
  for (const [index, { source, group }] of keys.entries()) {
    if (source !== undefined) packAddress(words, index * FLOW_KEY_WORDS, source);
    packAddress(words, index * FLOW_KEY_WORDS + 4, group);
  }
  return words;
}

/** Packs rules for `UpcallThread.setRules`. */
export function packUpcallGroups(groups: readonly UpcallGroup[]): Uint32Array {
  const length = groups.reduce(
    (sum, { rules }) => sum + GROUP_WORDS + rules.reduce((n, rule) => n + ruleWords(rule), 0),
    0,
  );
  const words = new Uint32Array(length);
  let offset = 0;
  for (const { group, upcallIifs, barredVifs, rules } of groups) {
    packPrefix(words, offset, group);
    words[offset + 5] = upcallIifs;
    words[offset + 6] = barredVifs;
    words[offset + 7] = rules.length;
    offset += GROUP_WORDS;
    for (const rule of rules) {
      packRule(words, offset, rule);
      offset += ruleWords(rule);
    }
  }
  return words;
}

/** One event of `UpcallThread.drain` or row of `UpcallThread.learned`. */
export interface UpcallRecord {
  readonly kind: keyof typeof UPCALL_EVENT;
  readonly flow: LearnedFlow;
  readonly arrival: number;
  /** Of a failed one. */
  readonly errno: number;
}

export function unpackUpcallRecords(words: Uint32Array): UpcallRecord[] {
  const records: UpcallRecord[] = [];
  for (let offset = 0; offset + UPCALL_EVENT_WORDS <= words.length; offset += UPCALL_EVENT_WORDS) {
    const family: Family = words[offset + 1] === 4 ? 'ipv4' : 'ipv6';
    const parent = words[offset + 10] ?? 0;
    records.push({
      kind: KINDS.get(words[offset] ?? 0) ?? 'unresolved',
      flow: {
        source: unpackAddress(words, offset + 2, family),
        group: unpackAddress(words, offset + 6, family),
        iif: parent,
        oifs: unpackTtls(words, offset + 12),
      },
      arrival: words[offset + 11] ?? 0,
      errno: parent,
    });
  }
  return records;
}

/** Words of a group before its rules: prefix, upcall iifs, barred vifs, number of rules. */
const GROUP_WORDS = 8;

/** Words of a rule before its excepts: iif, flags, source prefix, ttls, number of excepts. */
const RULE_WORDS = 16;

const PREFIX_WORDS = 5;

const KINDS = new Map(
  (Object.keys(UPCALL_EVENT) as (keyof typeof UPCALL_EVENT)[]).map((kind) => [UPCALL_EVENT[kind] as number, kind]),
);

function ruleWords(rule: VifRule): number {
  return RULE_WORDS + rule.except.length * PREFIX_WORDS;
}

function packRule(words: Uint32Array, offset: number, rule: VifRule): void {
  words[offset] = rule.iif;
  words[offset + 1] = rule.deny ? 1 : 0;
  packPrefix(words, offset + 2, rule.source);
  packTtls(words, offset + 7, rule.oifs);
  words[offset + 15] = rule.except.length;
  for (const [index, prefix] of rule.except.entries()) {
    packPrefix(words, offset + RULE_WORDS + index * PREFIX_WORDS, prefix);
  }
}

function packPrefix(words: Uint32Array, offset: number, prefix: Prefix): void {
  words[offset] = prefix.length;
  packAddress(words, offset + 1, prefix.address);
}

/** One word of IPv4, four of IPv6. */
function packAddress(words: Uint32Array, offset: number, address: Address): void {
  for (const word of address.words) words[offset++] = word;
}

/** Byte n of the eight words is the TTL threshold of vif n. */
function packTtls(words: Uint32Array, offset: number, oifs: readonly VifOif[]): void {
  for (const { vif, ttlThreshold } of oifs) packTtl(words, offset, vif, ttlThreshold);
}

function packTtl(words: Uint32Array, offset: number, vif: number, ttlThreshold: number): void {
  const index = offset + (vif >> 2);
  const shift = (vif & 3) * 8;
  words[index] = ((words[index] ?? 0) & ~(0xff << shift)) | (ttlThreshold << shift);
}

function unpackTtls(words: Uint32Array, offset: number): VifOif[] {
  const oifs: VifOif[] = [];
  for (let vif = 0; vif < 32; vif++) {
    const ttlThreshold = ((words[offset + (vif >> 2)] ?? 0) >>> ((vif & 3) * 8)) & 0xff;
    if (ttlThreshold !== 0) oifs.push({ vif, ttlThreshold });
  }
  return oifs;
}

function unpackAddress(words: Uint32Array, offset: number, family: Family): Address {
  return { family, words: [...words.subarray(offset, offset + (family === 'ipv4' ? 1 : 4))] };
}
