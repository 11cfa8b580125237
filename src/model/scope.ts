// What a caller may read and change of a table.
import { type Prefix, covers } from './address.js';
import { isWildcard, matchesInterface } from './interface.js';
import { type Resource, type ResourceKey, interfaceOf } from './resource.js';

/** A caller without one may do everything. */
export interface Scope {
  /** What one of them allows is allowed; without any nothing is. */
  readonly grants: readonly ScopeGrant[];
  /** Most resources that an owner whom the caller changes may have afterwards, if it has more than before; 0: any number. */
  readonly resourcesPerOwner: number;
}

/** A part of a scope. Empty lists are no restriction. */
export interface ScopeGrant {
  /** Prefixes that the group of a resource must be in. */
  readonly groups: readonly Prefix[];
  /** Names or wildcards that stand for all interfaces that a resource names. */
  readonly interfaces: readonly string[];
  /** Owners, or patterns with '*' for any characters, whose resources may be changed. Reading does not ask for them. */
  readonly owners: readonly string[];
}

/** Whether the caller may change this resource of the owner. */
export function scopeAllows(scope: Scope, owner: string, resource: Resource): boolean {
  return scope.grants.some((grant) => ownerIsIn(grant, owner) && resourceIsIn(grant, resource));
}

/** Whether the caller may change some resources of the owner. */
export function scopeHasOwner(scope: Scope, owner: string): boolean {
  return scope.grants.some((grant) => ownerIsIn(grant, owner));
}

/** Whether the caller may read the resource, whoever wants it. */
export function scopeShows(scope: Scope, resource: Resource): boolean {
  return scope.grants.some((grant) => resourceIsIn(grant, resource));
}

/** Whether there may be resources under the key that the caller may read. */
export function scopeShowsKey(scope: Scope, key: ResourceKey): boolean {
  return scope.grants.some((grant) => groupIsIn(grant, groupOf(key)) && interfacesAreIn(grant, [interfaceOf(key)]));
}

/** Whether the caller may change everything. */
export function scopeIsWhole({ grants }: Scope): boolean {
  return grants.some(({ groups, interfaces, owners }) => groups.length + interfaces.length + owners.length === 0);
}

/** Whether the caller may read of traffic to the group on these interfaces. */
export function scopeShowsFlow(scope: Scope, group: Prefix, interfaces: readonly string[]): boolean {
  return scope.grants.some((grant) => groupIsIn(grant, group) && interfacesAreIn(grant, interfaces));
}

/** Whether the caller may read of the interface. */
export function scopeShowsInterface(scope: Scope, name: string): boolean {
  return scope.grants.some((grant) => interfacesAreIn(grant, [name]));
}

/** An interface's settings hold for all groups: a grant of some groups does not have them. */
function resourceIsIn(grant: ScopeGrant, resource: Resource): boolean {
  return groupIsIn(grant, groupOf(resource.key)) && interfacesAreIn(grant, interfacesOf(resource));
}

function groupIsIn({ groups }: ScopeGrant, group: Prefix | undefined): boolean {
  return groups.length === 0 || (group !== undefined && groups.some((each) => covers(each, group)));
}

function interfacesAreIn({ interfaces }: ScopeGrant, names: readonly string[]): boolean {
  return interfaces.length === 0 || names.every((name) => interfaces.some((pattern) => standsForAll(pattern, name)));
}

function ownerIsIn({ owners }: ScopeGrant, owner: string): boolean {
  return owners.length === 0 || owners.some((pattern) => matchesOwner(pattern, owner));
}

/** The names and wildcards of a resource. */
function interfacesOf(resource: Resource): readonly string[] {
  const own = interfaceOf(resource.key);
  return 'oifs' in resource ? [own, ...resource.oifs.map((oif) => oif.interface)] : [own];
}

function groupOf(key: ResourceKey): Prefix | undefined {
  return key.kind === 'interface' ? undefined : key.group;
}

/** Whether the pattern stands for the name, or for all that a wildcard may stand for. */
function standsForAll(pattern: string, name: string): boolean {
  if (!isWildcard(name)) return matchesInterface(pattern, name);
  return isWildcard(pattern) && name.slice(0, -1).startsWith(pattern.slice(0, -1));
}

/** Whether the owner is as the pattern, in which '*' is any characters; in time that does not grow with their number. */
function matchesOwner(pattern: string, owner: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === owner;
  if (!owner.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = owner.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return owner.length - last.length >= at && owner.endsWith(last);
}
