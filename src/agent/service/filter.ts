// Which entries a list shows.
import type { Filter__Output } from '../../api/generated/mcroute/v1/Filter.js';
import { parseGroupFilter, Violations } from '../../api/parse.js';
import { STATES } from '../../api/render.js';
import { overlaps } from '../../model/address.js';
import { matchesInterface } from '../../model/interface.js';
import type { Resource } from '../../model/resource.js';
import type { EntryView } from '../engine.js';

/**
 * Makes a predicate of a filter; all that is set must hold. Undefined: everything passes.
 *
 * @throws ApiError INVALID_FIELD.
 */
export function parseFilter(filter: Filter__Output | null): ((entry: EntryView) => boolean) | undefined {
  if (filter === null) return undefined;
  const violations = new Violations();
  const group = filter.group === '' ? undefined : parseGroupFilter(filter.group, 'filter.group', violations);
  for (const [index, kind] of filter.kinds.entries()) {
    if (!Object.values<string>(WIRE_KINDS).includes(kind)) {
      violations.add(`filter.kinds[${index}]`, `'${kind}' is not a kind that this agent knows`);
    }
  }
  for (const [index, state] of filter.states.entries()) {
    if (!Object.values<string>(STATES).includes(state)) {
      violations.add(`filter.states[${index}]`, `'${state}' is not a state that this agent knows`);
    }
  }
  violations.throwIfAny();
  const { owner, interface: name } = filter;
  const kinds = new Set<string>(filter.kinds);
  const states = new Set<string>(filter.states);
  return ({ resource, owners, status }) =>
    (owner === '' || owners.includes(owner)) &&
    (kinds.size === 0 || kinds.has(WIRE_KINDS[resource.key.kind])) &&
    (states.size === 0 || states.has(STATES[status.state])) &&
    (group === undefined || (resource.key.kind !== 'interface' && overlaps(group, resource.key.group))) &&
    (name === '' || interfacesOf(resource).some((pattern) => pattern === name || matchesInterface(pattern, name)));
}

const WIRE_KINDS = {
  mroute: 'KIND_MROUTE',
  membership: 'KIND_MEMBERSHIP',
  interface: 'KIND_INTERFACE',
} as const satisfies Record<Resource['key']['kind'], string>;

function interfacesOf(resource: Resource): string[] {
  switch (resource.key.kind) {
    case 'mroute':
      return [resource.key.iif, ...('oifs' in resource ? resource.oifs.map((oif) => oif.interface) : [])];
    case 'membership':
      return [resource.key.interface];
    case 'interface':
      return [resource.key.name];
  }
}
