// Resources of a file in the form that the agent gives them: host bits cleared, oifs and excepts in order. Pure.
import type { Resource__Output } from '../../api/generated/mcroute/v1/Resource.js';
import { Violations, parseResource } from '../../api/parse.js';
import { formatPrefix, isAny } from '../../model/address.js';
import { formatResourceKey } from '../../model/resource.js';

/** A resource in its one form. */
export interface Canonical {
  /** Equal for resources of one key. */
  readonly key: string;
  readonly resource: Resource__Output;
}

/**
 * Brings a resource into its one form.
 *
 * @throws ApiError INVALID_FIELD if it is not valid.
 */
export function canonical(wire: Resource__Output): Canonical {
  const violations = new Violations();
  const resource = parseResource(wire, 'resource', violations);
  violations.throwIfAny();
  if (resource === undefined) return { key: '', resource: wire };
  const key = formatResourceKey(resource.key);
  if ('oifs' in resource) {
    const { iif, source, group } = resource.key;
    const mroute = {
      key: { iif, source: isAny(source) ? '' : formatPrefix(source), group: formatPrefix(group) },
      oifs: resource.oifs.map(({ interface: name, ttlThreshold }) =>
        ttlThreshold === undefined
          ? { interface: name }
          : { interface: name, ttlThreshold, _ttlThreshold: 'ttlThreshold' as const },
      ),
      except: resource.except.map(formatPrefix),
      deny: resource.deny,
      label: resource.label,
    };
    return { key, resource: { mroute, kind: 'mroute' } };
  }
  if ('ttlThreshold' in resource) {
    const { ttlThreshold, isEnabled, isQuerier, isAdvertised, boundaries } = resource;
    const settings = {
      key: { name: resource.key.name },
      ttlThreshold,
      ...(isEnabled === undefined ? {} : { enabled: isEnabled, _enabled: 'enabled' as const }),
      querier: isQuerier,
      mrdisc: isAdvertised,
      boundaries: boundaries.map(formatPrefix),
    };
    return { key, resource: { interface: settings, kind: 'interface' } };
  }
  const { interface: name, source, group } = resource.key;
  const membershipKey = {
    interface: name,
    source: isAny(source) ? '' : formatPrefix(source),
    group: formatPrefix(group),
  };
  return { key, resource: { membership: { key: membershipKey, label: resource.label }, kind: 'membership' } };
}
