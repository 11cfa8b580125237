// What the kernel holds for the table, as the API shows it.
import type { InterfaceStatus } from '../../api/generated/mcroute/v1/InterfaceStatus.js';
import type { MfcEntry } from '../../api/generated/mcroute/v1/MfcEntry.js';
import type { Mrule } from '../../api/generated/mcroute/v1/Mrule.js';
import { renderFamily, renderMrouteKey, renderOif, renderWarning } from '../../api/render.js';
import { formatAddress } from '../../model/address.js';
import { type MrouteKey, formatMrouteKey } from '../../model/mroute.js';
import type { Engine } from '../engine.js';
import { readCounters, renderCounters } from './counters.js';
import { type LinkProtocolViews, renderLinkProtocols } from './link-protocol-views.js';

/** The entries of the forwarding cache, both families; with counters if they are asked for. */
export function* renderMfcEntries(engine: Engine, hasCounters: boolean): Generator<MfcEntry> {
  for (const family of engine.families) {
    const entries = [...engine.mfc(family)];
    const counters = hasCounters ? readCounters(engine, family, entries) : [];
    for (const [index, entry] of entries.entries()) {
      const counted = counters[index];
      yield {
        source: entry.source === undefined ? '' : formatAddress(entry.source),
        group: formatAddress(entry.group),
        iif: entry.iif,
        oifs: entry.oifs.map(renderMfcOif),
        learned: entry.isLearned,
        rules: mrouteKeys(engine, entry.ids).map(renderMrouteKey),
        counters: counted === undefined ? null : renderCounters(counted),
      };
    }
  }
}

/** The interfaces of the host and those that are waited for, with what the protocols of links do there. */
export function renderInterfaces(engine: Engine, linkProtocols: LinkProtocolViews | undefined): InterfaceStatus[] {
  const protocols = linkProtocols && renderLinkProtocols(linkProtocols);
  const interfaces = engine.interfaces();
  const names = new Map(interfaces.flatMap(({ name, link }) => (link === undefined ? [] : [[link.ifindex, name]])));
  return interfaces.map(({ name, link, vifs, warnings }) => ({
    name,
    ifindex: link?.ifindex ?? 0,
    up: link?.isUp ?? false,
    carrier: link?.hasCarrier ?? false,
    multicast: link?.hasMulticast ?? false,
    ...(vifs.ipv4 === undefined ? {} : { ipv4Vif: vifs.ipv4 }),
    ...(vifs.ipv6 === undefined ? {} : { ipv6Vif: vifs.ipv6 }),
    master: names.get(link?.masterIfindex ?? 0) ?? '',
    kind: link?.kind ?? '',
    mtu: link?.mtu ?? 0,
    warnings: warnings.map(renderWarning),
    ...protocols?.get(name),
  }));
}

/** The kernel's mrules and those that are missing. */
export function renderMrules(engine: Engine): Mrule[] {
  return engine.mrules().map(({ rule, state }) => ({
    family: renderFamily(rule.family),
    iif: rule.direction === 'iif' ? rule.interface : '',
    oif: rule.direction === 'oif' ? rule.interface : '',
    table: rule.table,
    priority: rule.priority,
    protocol: rule.protocol,
    state: MRULE_STATES[state],
  }));
}

/** A threshold of 1 holds nothing back: a router forwards no packet with a TTL of 1. */
function renderMfcOif({
  interface: name,
  ttlThreshold,
}: {
  readonly interface: string;
  readonly ttlThreshold: number;
}) {
  return renderOif({ interface: name, ttlThreshold: ttlThreshold === 1 ? undefined : ttlThreshold });
}

const MRULE_STATES = {
  programmed: 'STATE_PROGRAMMED',
  missing: 'STATE_MISSING',
  conflict: 'STATE_CONFLICT',
  foreign: 'STATE_FOREIGN',
} as const;

function mrouteKeys(engine: Engine, ids: readonly string[]): MrouteKey[] {
  const keys = new Map<string, MrouteKey>();
  for (const id of ids) {
    const key = engine.keyOf(id);
    if (key?.kind === 'mroute') keys.set(formatMrouteKey(key), key);
  }
  return [...keys.values()];
}
