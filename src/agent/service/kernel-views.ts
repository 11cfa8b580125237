// Interfaces and mrules of the kernel, as the API shows them.
import type { InterfaceStatus } from '../../api/generated/mcroute/v1/InterfaceStatus.js';
import type { Mrule } from '../../api/generated/mcroute/v1/Mrule.js';
import { renderFamily, renderWarning } from '../../api/render.js';
import { type Scope, scopeShowsInterface } from '../../model/scope.js';
import type { Engine } from '../engine.js';
import { type LinkProtocolViews, renderLinkProtocols } from './link-protocol-views.js';

/** The interfaces of the host and those that are waited for, with what the protocols of links do there. */
export function renderInterfaces(
  engine: Engine,
  linkProtocols: LinkProtocolViews | undefined,
  scope?: Scope,
): InterfaceStatus[] {
  const protocols = linkProtocols && renderLinkProtocols(linkProtocols);
  const interfaces = engine.interfaces().filter(({ name }) => isShown(scope, name));
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

function isShown(scope: Scope | undefined, name: string): boolean {
  return scope === undefined || scopeShowsInterface(scope, name);
}

/** The kernel's mrules and those that are missing. */
export function renderMrules(engine: Engine, scope?: Scope): Mrule[] {
  const mrules = engine.mrules().filter(({ rule }) => isShown(scope, rule.interface));
  return mrules.map(({ rule, state }) => ({
    family: renderFamily(rule.family),
    iif: rule.direction === 'iif' ? rule.interface : '',
    oif: rule.direction === 'oif' ? rule.interface : '',
    table: rule.table,
    priority: rule.priority,
    protocol: rule.protocol,
    state: MRULE_STATES[state],
  }));
}

const MRULE_STATES = {
  programmed: 'STATE_PROGRAMMED',
  missing: 'STATE_MISSING',
  conflict: 'STATE_CONFLICT',
  foreign: 'STATE_FOREIGN',
} as const;
