// From the model to the wire.
import { type Family, type Prefix, formatPrefix, isAny } from '../model/address.js';
import type { Effect } from '../model/change.js';
import type { MembershipKey } from '../model/membership.js';
import type {
  KernelFailure,
  Missing,
  Programming,
  Resource,
  ResourceKey,
  State,
  Status,
  Warning,
} from '../model/resource.js';
import type { MrouteKey, Oif } from '../model/mroute.js';
import type { Status as WireStatus } from './generated/google/rpc/Status.js';
import type { Difference as WireDifference } from './generated/mcroute/v1/Difference.js';
import type { Entry } from './generated/mcroute/v1/Entry.js';
import type { MembershipKey as WireMembershipKey } from './generated/mcroute/v1/MembershipKey.js';
import type { Missing as WireMissing } from './generated/mcroute/v1/Missing.js';
import type { MrouteKey as WireMrouteKey } from './generated/mcroute/v1/MrouteKey.js';
import type { Oif as WireOif } from './generated/mcroute/v1/Oif.js';
import type { Resource as WireResource } from './generated/mcroute/v1/Resource.js';
import type { ResourceKey as WireResourceKey } from './generated/mcroute/v1/ResourceKey.js';
import type { Warning as WireWarning } from './generated/mcroute/v1/Warning.js';
import { ApiError, toStatusMessage } from './status.js';

export function renderResource(resource: Resource): WireResource {
  if ('oifs' in resource) {
    const { key, oifs, except, deny, label } = resource;
    return {
      mroute: { key: renderMrouteKey(key), oifs: oifs.map(renderOif), except: except.map(formatPrefix), deny, label },
    };
  }
  if ('ttlThreshold' in resource) {
    const { key, ttlThreshold, isEnabled, isQuerier, isAdvertised, boundaries } = resource;
    return {
      interface: {
        key: { name: key.name },
        ttlThreshold,
        ...(isEnabled === undefined ? {} : { enabled: isEnabled }),
        querier: isQuerier,
        mrdisc: isAdvertised,
        boundaries: boundaries.map(formatPrefix),
      },
    };
  }
  return { membership: { key: renderMembershipKey(resource.key), label: resource.label } };
}

/** Renders what is different of an owner's resources. */
export function renderDifference({
  before,
  after,
}: {
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}): WireDifference {
  return {
    before: before === undefined ? null : renderResource(before),
    after: after === undefined ? null : renderResource(after),
  };
}

export function renderResourceKey(key: ResourceKey): WireResourceKey {
  switch (key.kind) {
    case 'mroute':
      return { mroute: renderMrouteKey(key) };
    case 'membership':
      return { membership: renderMembershipKey(key) };
    case 'interface':
      return { interface: { name: key.name } };
  }
}

export function renderMrouteKey(key: MrouteKey): WireMrouteKey {
  return { iif: key.iif, source: renderSource(key.source), group: formatPrefix(key.group) };
}

function renderMembershipKey(key: MembershipKey): WireMembershipKey {
  return { interface: key.interface, group: formatPrefix(key.group), source: renderSource(key.source) };
}

export function renderOif(oif: Oif): WireOif {
  return oif.ttlThreshold === undefined
    ? { interface: oif.interface }
    : { interface: oif.interface, ttlThreshold: oif.ttlThreshold };
}

/** Renders a resource as the agent holds it, without counters. */
export function renderEntry(resource: Resource, owners: readonly string[], status: Status): Entry {
  return {
    resource: renderResource(resource),
    owners: [...owners],
    state: STATES[status.state],
    error: status.failure === undefined ? null : failureMessage(status.failure),
    missing: status.missing.map(renderMissing),
    warnings: status.warnings.map(renderWarning),
    programming: status.programming === undefined ? 'PROGRAMMING_UNSPECIFIED' : PROGRAMMING[status.programming.kind],
    programmingReason: status.programming?.reason ?? '',
  };
}

/** A refusal by the kernel as an entry has it. */
export function failureMessage({ code, syscall, text }: KernelFailure): WireStatus {
  return toStatusMessage(new ApiError('KERNEL_ERROR', text, { metadata: { errno: code, syscall } }));
}

export function renderFamily(family: Family): 'FAMILY_IPV4' | 'FAMILY_IPV6' {
  return family === 'ipv4' ? 'FAMILY_IPV4' : 'FAMILY_IPV6';
}

export function renderWarning(warning: Warning): WireWarning {
  return { code: warning.code, text: warning.text };
}

export const EFFECTS = {
  unchanged: 'EFFECT_UNCHANGED',
  added: 'EFFECT_ADDED',
  changed: 'EFFECT_CHANGED',
  removed: 'EFFECT_REMOVED',
} as const satisfies Record<Effect, string>;

export const STATES = {
  pending: 'STATE_PENDING',
  programmed: 'STATE_PROGRAMMED',
  partial: 'STATE_PARTIAL',
  failed: 'STATE_FAILED',
} as const satisfies Record<State, string>;

const PROGRAMMING = {
  'source-group': 'PROGRAMMING_SOURCE_GROUP',
  'any-source': 'PROGRAMMING_ANY_SOURCE',
  learned: 'PROGRAMMING_LEARNED',
} as const satisfies Record<Programming['kind'], string>;

function renderMissing(missing: Missing): WireMissing {
  return { reason: missing.reason, interface: missing.interface, text: missingText(missing) };
}

/** The sentence with the cure. */
export function missingText(missing: Missing): string {
  const { interface: name } = missing;
  switch (missing.reason) {
    case 'INTERFACE_NOT_FOUND':
      return `there is no interface '${name}' now; it is used as soon as there is one (see 'ip link')`;
    case 'NO_INTERFACE_MATCHES':
      return `no interface that is up and can be used matches '${name}' now; those that come are used at once`;
    case 'INTERFACE_DISABLED':
      return `'${name}' takes no part in forwarding; switch it on with: mcctl interface ${name} --enable`;
    case 'BRIDGE_PORT':
      return `${name} is a port of the ${missing.masterKind} ${missing.master}, which takes its packets: use ${missing.master} as iif`;
    case 'VRF_TABLE':
      return `${name} belongs to the VRF ${missing.vrf} with table ${missing.vrfTable}: use --table ${missing.vrfTable}`;
    case 'VIF_LIMIT':
      return `'${name}' gets no number: the kernel takes 32 interfaces per table; remove rules of another or use a second table`;
    case 'FAMILY_UNAVAILABLE':
      return 'this kernel or this agent does not route the family; see the log of the start';
  }
}

function renderSource(source: Prefix): string {
  return isAny(source) ? '' : formatPrefix(source);
}
