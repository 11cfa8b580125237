// The API's messages as documents for JSON and YAML: snake_case, the model's words, the same keys always. Pure.
import type { Counters__Output } from '../../api/generated/mcroute/v1/Counters.js';
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { Interface__Output } from '../../api/generated/mcroute/v1/Interface.js';
import type { Oif__Output } from '../../api/generated/mcroute/v1/Oif.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import type { ResourceKey__Output } from '../../api/generated/mcroute/v1/ResourceKey.js';
import type { Warning__Output } from '../../api/generated/mcroute/v1/Warning.js';
import { fromStatusMessage } from '../../api/status.js';
import { enumWord } from './text.js';

/** A value of JSON. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };

/** An object of JSON. */
export type Document = Readonly<Record<string, Value>>;

/** A 64-bit number: a number where JavaScript's hold it exactly, up to 2^53; else its digits. */
export function longValue(digits: string): Value {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : digits;
}

export function entryDocument(entry: Entry__Output): Document {
  const { error, missing } = entry;
  return {
    ...resourceDocument(entry.resource),
    owners: entry.owners,
    state: enumWord(entry.state, 'STATE') ?? null,
    error: error === null ? null : errorDocument(error),
    missing: missing.map(({ reason, interface: name, text }) => ({ reason, interface: name, text })),
    warnings: warningsDocument(entry.warnings),
    programming: enumWord(entry.programming, 'PROGRAMMING') ?? null,
    programming_reason: entry.programmingReason === '' ? null : entry.programmingReason,
    counters: countersDocument(entry.counters),
  };
}

export function resourceDocument(resource: Resource__Output | null): Document {
  if (resource?.mroute) {
    const { key, oifs, except, deny, label } = resource.mroute;
    return { ...keyDocument({ mroute: key }), oifs: oifs.map(oifDocument), except, deny, label };
  }
  if (resource?.membership) {
    return { ...keyDocument({ membership: resource.membership.key }), label: resource.membership.label };
  }
  if (resource?.interface) {
    return { ...keyDocument({ interface: resource.interface.key }), ...settingsDocument(resource.interface) };
  }
  return keyDocument({});
}

export function settingsDocument(settings: Omit<Interface__Output, 'key'>): Document {
  const { ttlThreshold, querier, mrdisc, boundaries } = settings;
  const enabled = settings._enabled === undefined ? null : (settings.enabled ?? null);
  return { ttl_threshold: ttlThreshold, enabled, querier, mrdisc, boundaries };
}

export function keyDocument(key: ResourceKey__Output): Document {
  if (key.mroute) {
    const { iif, source, group } = key.mroute;
    return { kind: 'mroute', iif, source: sourceValue(source), group };
  }
  if (key.membership) {
    const { interface: name, source, group } = key.membership;
    return { kind: 'membership', interface: name, source: sourceValue(source), group };
  }
  if (key.interface) return { kind: 'interface', name: key.interface.name };
  return { kind: 'unknown' };
}

export function oifDocument(oif: Oif__Output): Document {
  return {
    interface: oif.interface,
    ttl_threshold: oif._ttlThreshold === undefined ? null : (oif.ttlThreshold ?? null),
  };
}

export function warningsDocument(warnings: readonly Warning__Output[]): Value {
  return warnings.map(({ code, text }) => ({ code, text }));
}

export function countersDocument(counters: Counters__Output | null): Value {
  if (counters === null) return null;
  return {
    packets: longValue(counters.packets),
    bytes: longValue(counters.bytes),
    wrong_if: longValue(counters.wrongIf),
  };
}

/** Any source is null, as in the JSON of smcroutectl. */
export function sourceValue(source: string): Value {
  return source === '' ? null : source;
}

export function errorDocument(message: NonNullable<Entry__Output['error']>): Document {
  const { reason, message: text, metadata } = fromStatusMessage(message);
  return { reason, text, errno: metadata['errno'] ?? null, syscall: metadata['syscall'] ?? null };
}
