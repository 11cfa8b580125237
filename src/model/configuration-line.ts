// Resources as lines of smcroute.conf, in our form of its grammar; src/agent/config reads them. Pure.
import { type Prefix, formatPrefix, isAny } from './address.js';
import { PLAIN_INTERFACE } from './interface.js';
import type { Mroute, Oif } from './mroute.js';
import type { Resource } from './resource.js';

/** What a `phyint` line says. */
export interface PhyintLine {
  readonly interface: string;
  readonly isEnabled: boolean | undefined;
  readonly mrdisc: boolean;
  readonly querier: boolean;
  readonly ttlThreshold: number | undefined;
  readonly boundaries: readonly Prefix[];
}

/** What a `mgroup` line says. */
export interface MgroupLine {
  readonly iif: string;
  readonly source: Prefix;
  readonly group: Prefix;
}

/** What a `mroute` line says. */
export interface MrouteLine extends MgroupLine {
  readonly except: readonly Prefix[];
  readonly oifs: readonly Oif[];
}

/** `phyint IF [enable|disable] [mrdisc] [querier] [ttl-threshold N] [boundary GROUP[/L]]...` */
export function formatPhyint(phyint: PhyintLine): string {
  const words = ['phyint', phyint.interface];
  if (phyint.isEnabled !== undefined) words.push(phyint.isEnabled ? 'enable' : 'disable');
  if (phyint.mrdisc) words.push('mrdisc');
  if (phyint.querier) words.push('querier');
  if (phyint.ttlThreshold !== undefined) words.push('ttl-threshold', String(phyint.ttlThreshold));
  for (const boundary of phyint.boundaries) words.push('boundary', formatPrefix(boundary));
  return words.join(' ');
}

/** `mgroup from IF [source S[/L]] group G[/L]` */
export function formatMgroup(mgroup: MgroupLine): string {
  return `mgroup ${flowWords(mgroup)}`;
}

/** `mroute from IF [source S[/L]] group G[/L] [except S[/L][,S[/L]]...] [to OIF[@TTL]...]` */
export function formatMroute(mroute: MrouteLine): string {
  const { except, oifs } = mroute;
  const words = ['mroute', flowWords(mroute)];
  if (except.length > 0) words.push('except', except.map(formatPrefix).join(','));
  if (oifs.length > 0) words.push('to');
  for (const { interface: name, ttlThreshold } of oifs) {
    words.push(ttlThreshold === undefined ? name : `${name}@${ttlThreshold}`);
  }
  return words.join(' ');
}

/** The line that asks for the resource, without its label; `whyUnwritable` says whether there is one. */
export function formatResourceLine(resource: Resource): string {
  if ('oifs' in resource) return formatMroute({ ...resource.key, except: resource.except, oifs: resource.oifs });
  if ('ttlThreshold' in resource) {
    const { key, ttlThreshold, isEnabled, isQuerier, isAdvertised, boundaries } = resource;
    return formatPhyint({
      interface: key.name,
      isEnabled,
      mrdisc: isAdvertised,
      querier: isQuerier,
      ttlThreshold: ttlThreshold === PLAIN_INTERFACE.ttlThreshold ? undefined : ttlThreshold,
      boundaries,
    });
  }
  const { interface: iif, source, group } = resource.key;
  return formatMgroup({ iif, source, group });
}

/** Why no line asks for the resource: it goes on from `a line`; undefined if one does. */
export function whyUnwritable(resource: Resource): string | undefined {
  if ('oifs' in resource) return whyMrouteUnwritable(resource);
  const name = 'ttlThreshold' in resource ? resource.key.name : resource.key.interface;
  return isNameWritable(name) ? undefined : cannotName(name);
}

function whyMrouteUnwritable({ key, oifs, except, deny }: Mroute): string | undefined {
  if (deny) return "has no word for 'deny'";
  if (except.some(isAny)) return 'cannot except all senders';
  if (!isNameWritable(key.iif)) return cannotName(key.iif);
  const oif = oifs.find((one) => !isOifWritable(one));
  return oif && cannotName(oif.interface);
}

/** Without a threshold `except` ends the oifs, and an `@` in a name begins one. */
function isOifWritable({ interface: name, ttlThreshold }: Oif): boolean {
  return isNameWritable(name) && (ttlThreshold !== undefined || (name !== 'except' && !name.includes('@')));
}

function cannotName(name: string): string {
  return `cannot name the interface '${name}'`;
}

/** A `#` begins a comment, a `\` alone is for lines that go on, and bytes that are no UTF-8 are lost. */
function isNameWritable(name: string): boolean {
  return !name.startsWith('#') && name !== '\\' && !name.includes('\ufffd');
}

function flowWords({ iif, source, group }: MgroupLine): string {
  return `from ${iif}${isAny(source) ? '' : ` source ${formatPrefix(source)}`} group ${formatPrefix(group)}`;
}
