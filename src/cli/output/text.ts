// Pieces of text that several outputs share. Pure.
import type { Entry__Output } from '../../api/generated/mcroute/v1/Entry.js';
import type { Interface__Output } from '../../api/generated/mcroute/v1/Interface.js';
import type { Missing__Output } from '../../api/generated/mcroute/v1/Missing.js';
import type { Mroute__Output } from '../../api/generated/mcroute/v1/Mroute.js';
import type { Oif__Output } from '../../api/generated/mcroute/v1/Oif.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import type { ResourceKey__Output } from '../../api/generated/mcroute/v1/ResourceKey.js';
import type { Warning__Output } from '../../api/generated/mcroute/v1/Warning.js';

/** Replaces what a terminal would act on: labels and names come from others. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `(S, G)` or `(*, G)`. */
export function flowText(flow: { readonly source: string; readonly group: string }): string {
  return `(${flow.source === '' ? '*' : flow.source}, ${flow.group})`;
}

/** `eth1 eth2@16`; words in brackets where a rule forwards to nothing. */
export function oifsText(mroute: Pick<Mroute__Output, 'deny' | 'oifs'>): string {
  if (mroute.deny) return '(deny)';
  return mroute.oifs.length === 0 ? '(none)' : mroute.oifs.map(oifText).join(' ');
}

/** `eth1`, or `eth1@16` with a TTL threshold. */
export function oifText(oif: Oif__Output): string {
  return oif._ttlThreshold === undefined ? oif.interface : `${oif.interface}@${oif.ttlThreshold ?? 0}`;
}

/** A resource in a line: `route (S, G) iif -> oifs`, `join (S, G) interface`, `interface NAME ttl-threshold N ...`. */
export function resourceText(resource: Resource__Output | null): string {
  if (resource?.mroute) {
    const { key, except, label } = resource.mroute;
    const parts = [`${keyText({ mroute: key })} -> ${oifsText(resource.mroute)}`];
    if (except.length > 0) parts.push(`except ${except.join(',')}`);
    if (label !== '') parts.push(`label ${JSON.stringify(label)}`);
    return parts.join(' ');
  }
  if (resource?.membership) {
    const { key, label } = resource.membership;
    return `${keyText({ membership: key })}${label === '' ? '' : ` label ${JSON.stringify(label)}`}`;
  }
  if (resource?.interface) {
    return `${keyText({ interface: resource.interface.key })} ${settingsText(resource.interface)}`;
  }
  return '(of a kind this mcctl does not know)';
}

/** `ttl-threshold N [enabled|disabled] [querier] [mrdisc] [boundary GROUP]...`. */
export function settingsText(settings: Omit<Interface__Output, 'key'>): string {
  const words = ['ttl-threshold', String(settings.ttlThreshold)];
  if (settings._enabled !== undefined) words.push(settings.enabled === true ? 'enabled' : 'disabled');
  if (settings.querier) words.push('querier');
  if (settings.mrdisc) words.push('mrdisc');
  for (const group of settings.boundaries) words.push('boundary', group);
  return words.join(' ');
}

/** What identifies a resource, in a line. */
export function keyText(key: ResourceKey__Output): string {
  if (key.mroute) return `route ${flowText(key.mroute)} ${key.mroute.iif}`;
  if (key.membership) return `join ${flowText(key.membership)} ${key.membership.interface}`;
  if (key.interface) return `interface ${key.interface.name}`;
  return '(of a kind this mcctl does not know)';
}

/** The key of a resource. */
export function keyOf(resource: Resource__Output | null): ResourceKey__Output {
  if (resource?.mroute) return { mroute: resource.mroute.key };
  if (resource?.membership) return { membership: resource.membership.key };
  if (resource?.interface) return { interface: resource.interface.key };
  return {};
}

/** The word of an enum's value: `STATE_PENDING` is `pending`; undefined where it is not specified. */
export function enumWord(value: string, prefix: string): string | undefined {
  const word = value.startsWith(`${prefix}_`) ? value.slice(prefix.length + 1) : value;
  return word === 'UNSPECIFIED' ? undefined : word.toLowerCase().replaceAll('_', '-');
}

/** The state of an entry in the model's words. */
export function stateText(entry: Pick<Entry__Output, 'state'>): string {
  return enumWord(entry.state, 'STATE') ?? 'unknown';
}

/** `CODE: text; CODE: text`. */
export function warningsText(warnings: readonly Warning__Output[]): string {
  return warnings.map(({ code, text }) => `${code}: ${text}`).join('; ');
}

/** The sentence of something missing, or its reason where there is none. */
export function missingText(missing: Missing__Output): string {
  return missing.text === '' ? `${missing.reason} ${missing.interface}`.trim() : missing.text;
}

/** Puts a state into the colour that goes with it. */
export function paintState(text: string): string {
  const colour = COLOURS.get(text.trim());
  return colour === undefined ? text : `\u001b[${colour}m${text}\u001b[0m`;
}

// SGR codes: 31 red, 32 green, 33 yellow.
const COLOURS = new Map([
  ['programmed', 32],
  ['ready', 32],
  ['pending', 33],
  ['partial', 33],
  ['missing', 33],
  ['starting', 33],
  ['stopping', 33],
  ['backing-off', 33],
  ['conflict', 31],
  ['failed', 31],
]);
