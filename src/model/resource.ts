import { type Family, type Prefix, samePrefix } from './address.js';
import type { InterfaceKey, InterfaceSettings } from './interface.js';
import { type Membership, type MembershipKey, formatMembershipKey } from './membership.js';
import { type Mroute, type MrouteKey, formatMrouteKey } from './mroute.js';

/** Something an owner can ask a table to hold. */
export type Resource = Mroute | Membership | InterfaceSettings;

/** What identifies a resource in its table. */
export type ResourceKey = MrouteKey | MembershipKey | InterfaceKey;

/** How far a resource has got. */
export type State = 'pending' | 'programmed' | 'partial' | 'failed';

/** Something that a resource waits for. The reasons are told in docs/operating.md. */
export type Missing = {
  /** Name or wildcard of the interface, as the resource has it. */
  readonly interface: string;
} & (
  | {
      readonly reason:
        'INTERFACE_NOT_FOUND' | 'NO_INTERFACE_MATCHES' | 'INTERFACE_DISABLED' | 'VIF_LIMIT' | 'FAMILY_UNAVAILABLE';
    }
  | IifHindrance
);

/** Why no packet arrives on an interface as routing sees it, so that it is of no use as iif. */
export type IifHindrance =
  /** Its master takes its packets for its own. */
  | { readonly reason: 'BRIDGE_PORT'; readonly master: string; readonly masterKind: string }
  /** Its packets go to the table of the VRF that it belongs to. */
  | { readonly reason: 'VRF_TABLE'; readonly vrf: string; readonly vrfTable: number };

/** Something that the kernel takes and a person may regret. */
export interface Warning {
  readonly code: WarningCode;
  readonly text: string;
}

/** The codes are told in docs/operating.md. */
export type WarningCode =
  | 'LOOP'
  | 'LINK_LOCAL_GROUP'
  | 'SHADOWS'
  | 'TTL_THRESHOLD_IPV6'
  | 'RP_FILTER'
  | 'NO_MULTICAST_FLAG'
  | 'IPV6_DISABLED'
  | 'IIF_CONFLICT'
  | 'BOUNDARY';

/** How packets of a rule are recognised, and why so. */
export interface Programming {
  /** `source-group`: an (S,G) entry. `any-source`: a (*,G) entry. `learned`: (S,G) entries made when the kernel asks. */
  readonly kind: 'source-group' | 'any-source' | 'learned';
  /** Why, in a few words; the codes are told in docs/operating.md. */
  readonly reason: string;
}

/** A refusal by the kernel. */
export interface KernelFailure {
  /** Such as `ENOBUFS`. */
  readonly code: string;
  /** Such as `setsockopt(MRT_ADD_MFC)`. */
  readonly syscall: string;
  /** A sentence with the cure. */
  readonly text: string;
}

/** Where a resource is on its way into the kernel. */
export interface Status {
  readonly state: State;
  readonly missing: readonly Missing[];
  readonly failure: KernelFailure | undefined;
  readonly warnings: readonly Warning[];
  /** Of mroutes with something in the kernel. */
  readonly programming: Programming | undefined;
}

/** Whether both say the same. */
export function sameStatus(a: Status, b: Status): boolean {
  return a === b || summarize(a) === summarize(b);
}

function summarize({ state, missing, failure, warnings, programming }: Status): string {
  return [
    state,
    missing.map((each) => Object.values(each).join(' ')).join(),
    failure?.text ?? '',
    warnings.map(({ code, text }) => `${code} ${text}`).join(),
    programming === undefined ? '' : `${programming.kind} ${programming.reason}`,
  ].join('|');
}

/** Text that is equal for equal keys and differs for different ones; for Map keys and for people. */
export function formatResourceKey(key: ResourceKey): string {
  switch (key.kind) {
    case 'mroute':
      return `mroute ${formatMrouteKey(key)}`;
    case 'membership':
      return `membership ${formatMembershipKey(key)}`;
    case 'interface':
      return `interface ${key.name}`;
  }
}

/** The family of a resource; undefined for an interface's settings, which hold for both. */
export function resourceFamily(key: ResourceKey): Family | undefined {
  return key.kind === 'interface' ? undefined : key.group.address.family;
}

/** The interface, or wildcard, of a key: of an mroute its iif. */
export function interfaceOf(key: ResourceKey): string {
  switch (key.kind) {
    case 'mroute':
      return key.iif;
    case 'membership':
      return key.interface;
    case 'interface':
      return key.name;
  }
}

/** Whether two keys are the same. */
export function sameResourceKey(a: ResourceKey, b: ResourceKey): boolean {
  if (a === b) return true;
  if (a.kind === 'interface' || b.kind === 'interface') {
    return a.kind === 'interface' && b.kind === 'interface' && a.name === b.name;
  }
  const areOnSame =
    a.kind === 'mroute'
      ? b.kind === 'mroute' && a.iif === b.iif
      : b.kind === 'membership' && a.interface === b.interface;
  return areOnSame && samePrefix(a.group, b.group) && samePrefix(a.source, b.source);
}

/** Whether two resources want the same, labels included. */
export function sameResource(a: Resource, b: Resource): boolean {
  if (a === b) return true;
  if (!sameResourceKey(a.key, b.key)) return false;
  if ('oifs' in a && 'oifs' in b) {
    return (
      a.deny === b.deny &&
      a.label === b.label &&
      a.oifs.length === b.oifs.length &&
      a.oifs.every((oif, i) => oif.interface === b.oifs[i]?.interface && oif.ttlThreshold === b.oifs[i].ttlThreshold) &&
      samePrefixes(a.except, b.except)
    );
  }
  if ('ttlThreshold' in a && 'ttlThreshold' in b) {
    return (
      a.ttlThreshold === b.ttlThreshold &&
      a.isEnabled === b.isEnabled &&
      a.isQuerier === b.isQuerier &&
      a.isAdvertised === b.isAdvertised &&
      samePrefixes(a.boundaries, b.boundaries)
    );
  }
  return 'label' in a && 'label' in b && a.label === b.label;
}

function samePrefixes(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  return (
    a.length === b.length &&
    a.every((prefix, index) => {
      const other = b[index];
      return other !== undefined && samePrefix(prefix, other);
    })
  );
}
