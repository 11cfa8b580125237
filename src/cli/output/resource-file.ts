// Resources as a file that `apply` reads. Pure.
import type { Interface__Output } from '../../api/generated/mcroute/v1/Interface.js';
import type { Membership__Output } from '../../api/generated/mcroute/v1/Membership.js';
import type { Mroute__Output } from '../../api/generated/mcroute/v1/Mroute.js';
import type { Oif__Output } from '../../api/generated/mcroute/v1/Oif.js';
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { PLAIN_INTERFACE } from '../../model/interface.js';
import type { Value } from './document.js';
import { yamlText } from './list.js';

/** Renders a file; what is left out is what the reader takes for granted. */
export function renderResourceFile(resources: readonly Resource__Output[], format: 'json' | 'yaml'): string {
  const file = {
    interfaces: resources.flatMap((resource) => (resource.interface ? [interfaceValue(resource.interface)] : [])),
    routes: resources.flatMap((resource) => (resource.mroute ? [routeValue(resource.mroute)] : [])),
    joins: resources.flatMap((resource) => (resource.membership ? [joinValue(resource.membership)] : [])),
  };
  // All three keys are always there, so that a file of nothing still says that it holds nothing.
  return format === 'yaml' ? yamlText(file) : `${JSON.stringify(file, undefined, 2)}\n`;
}

function routeValue({ key, oifs, except, deny, label }: Mroute__Output): Value {
  return {
    iif: key?.iif ?? '',
    ...sourceIfAny(key?.source ?? ''),
    group: key?.group ?? '',
    oifs: oifs.map(oifValue),
    ...(except.length > 0 && { except }),
    ...(deny && { deny }),
    ...labelIfAny(label),
  };
}

function joinValue({ key, label }: Membership__Output): Value {
  return {
    interface: key?.interface ?? '',
    ...sourceIfAny(key?.source ?? ''),
    group: key?.group ?? '',
    ...labelIfAny(label),
  };
}

function interfaceValue(settings: Interface__Output): Value {
  const { key, ttlThreshold, querier, mrdisc, boundaries } = settings;
  return {
    name: key?.name ?? '',
    ...(ttlThreshold !== PLAIN_INTERFACE.ttlThreshold && { ttl_threshold: ttlThreshold }),
    ...(settings._enabled !== undefined && { enabled: settings.enabled ?? false }),
    ...(querier && { querier }),
    ...(mrdisc && { mrdisc }),
    ...(boundaries.length > 0 && { boundaries }),
  };
}

function oifValue(oif: Oif__Output): Value {
  if (oif._ttlThreshold === undefined || oif.ttlThreshold === undefined) return oif.interface;
  return { interface: oif.interface, ttl_threshold: oif.ttlThreshold };
}

function sourceIfAny(source: string): Readonly<Record<string, Value>> {
  return source === '' ? {} : { source };
}

function labelIfAny(label: string): Readonly<Record<string, Value>> {
  return label === '' ? {} : { label };
}
