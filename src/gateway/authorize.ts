// Who may do what: the policy's answer to a call. Pure. What no rule grants is denied.
import type { Grant } from '../api/generated/mcroute/v1/Grant.js';
import type { Scope as ScopeMessage } from '../api/generated/mcroute/v1/Scope.js';
import type { Peer } from './peer.js';
import type { Policy } from './policy.js';
import { type PolicyRule, grantsMethod, isScoped, namesMethod } from './policy-rule.js';
import { formatTables, methodName } from './policy-words.js';
import { GATEWAY_SERVICE, type MethodRight, ROLES, includesRole, isForAll, rightOf } from './rights.js';

/** A call, as far as it matters who may make it. */
export interface Request {
  readonly peer: Peer;
  /** Such as "mcroute.v1.RoutingService". */
  readonly service: string;
  readonly method: string;
  /** Field 1 of the request; 0 is all tables, where a method takes that. */
  readonly table: number;
}

export type Decision =
  | {
      readonly isAllowed: true;
      /** What the call may read and change; undefined: everything of the table. */
      readonly scope: ScopeMessage | undefined;
    }
  | {
      readonly isAllowed: false;
      /** What is missing; nothing of rules that are for others. */
      readonly why: string;
    };

/** Decides on a call. */
export function authorize(policy: Policy, { peer, service, method, table }: Request): Decision {
  if (isForAll(service, method)) return { isAllowed: true, scope: undefined };
  const rules = rulesFor(policy, peer.subjects);
  if (isStandardService(service)) {
    return rules.length > 0 ? { isAllowed: true, scope: undefined } : denied(noRule(peer));
  }
  const right = rightOf(service, method);
  if (right === undefined) return denied(`there is no method ${service}/${method}`);
  const asked = right.isOfTable ? table : 0;
  const granting = rules.filter((rule) => isOfTable(rule, asked) && grantsMethod(rule, service, method));
  if (granting.length === 0) return denied(whyNot(rules, { peer, service, method, table: asked }, right));
  return { isAllowed: true, scope: scopeOf(granting) };
}

/** All that one of whom these are the subjects may do. */
export function grantsOf(policy: Policy, subjects: readonly string[]): readonly Grant[] {
  return rulesFor(policy, subjects).map(({ role, tables, methods, groups, interfaces, owners }) => ({
    role,
    tables: tables.map(formatTables),
    methods: methods.map(methodName),
    groups: [...groups],
    interfaces: [...interfaces],
    owners: [...owners],
  }));
}

/** Whether the peer may change the policy, if this is the policy. */
export function mayChangePolicy(policy: Policy, peer: Peer): boolean {
  return authorize(policy, { peer, service: GATEWAY_SERVICE, method: 'SetPolicy', table: 0 }).isAllowed;
}

/** Health and reflection: for everybody whom a rule names. */
function isStandardService(service: string): boolean {
  return service.startsWith('grpc.health.') || service.startsWith('grpc.reflection.');
}

/** Rules by policy and subjects, which both live as long as many calls. */
const remembered = new WeakMap<Policy, WeakMap<readonly string[], readonly PolicyRule[]>>();

/** The rules whose identities one of the subjects is. */
function rulesFor(policy: Policy, subjects: readonly string[]): readonly PolicyRule[] {
  let ofPolicy = remembered.get(policy);
  if (ofPolicy === undefined) remembered.set(policy, (ofPolicy = new WeakMap()));
  let rules = ofPolicy.get(subjects);
  if (rules === undefined) {
    rules = policy.rules.filter(({ identities }) =>
      identities.some(({ matches }) => subjects.some((subject) => matches(subject))),
    );
    ofPolicy.set(subjects, rules);
  }
  return rules;
}

/** All tables, 0, are only those of a rule that names none. */
function isOfTable({ tables }: PolicyRule, table: number): boolean {
  return tables.length === 0 || tables.some(({ first, last }) => table >= first && table <= last);
}

/** What the rules grant together. */
function scopeOf(rules: readonly PolicyRule[]): ScopeMessage | undefined {
  if (!rules.every(isScoped)) return undefined;
  return {
    grants: rules.map(({ groups, interfaces, owners }) => ({
      groups: [...groups],
      interfaces: [...interfaces],
      owners: [...owners],
    })),
  };
}

/** What the rules that come nearest lack. */
function whyNot(rules: readonly PolicyRule[], { peer, service, method, table }: Request, right: MethodRight): string {
  if (rules.length === 0) return noRule(peer);
  const where = table === 0 ? 'all tables' : `table ${table}`;
  const ofTable = rules.filter((rule) => isOfTable(rule, table));
  if (ofTable.length === 0) return `no rule of the policy gives ${peer.identity} a right on ${where}`;
  const ofRole = ofTable.filter(({ role }) => includesRole(role, right.role));
  if (ofRole.length === 0) {
    const role = ROLES.findLast((one) => ofTable.some((rule) => rule.role === one)) ?? ROLES[0];
    return `${peer.identity} is ${role} of ${where}, and ${method} needs the role ${right.role}`;
  }
  if (!ofRole.some((rule) => namesMethod(rule, service, method))) {
    return `the rules for ${peer.identity} on ${where} name their methods, and ${method} is not among them`;
  }
  return `the rules for ${peer.identity} on ${where} are for some groups, interfaces or owners, and ${method} needs one without such a restriction`;
}

function noRule({ identity }: Peer): string {
  return `no rule of the policy is for ${identity}`;
}

function denied(why: string): Decision {
  return { isAllowed: false, why };
}
