// What each method asks of who calls it. Pure.

/** What somebody may be; each may do what those before it may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** What a method asks of its caller. */
export interface MethodRight {
  /** The least role. */
  readonly role: Role;
  /**
   * Whether rules for some groups, interfaces or owners grant it: the agent tells and changes only what is theirs. All
   * else cannot be done by halves.
   */
  readonly canBeScoped: boolean;
  /** Whether field 1 of its request says which table it is about. Otherwise it is about the whole host. */
  readonly isOfTable: boolean;
}

const READ: MethodRight = { role: 'viewer', canBeScoped: true, isOfTable: true };
const CHANGE: MethodRight = { role: 'operator', canBeScoped: true, isOfTable: true };
const ADMINISTER: MethodRight = { role: 'admin', canBeScoped: false, isOfTable: true };

/** The name of the gateway's own service. */
export const GATEWAY_SERVICE = 'mcroute.v1.GatewayService';

/** By service and method; what is not here nobody may call. WhoAmI, which all may, is not either. */
export const RIGHTS: Readonly<Record<string, Readonly<Record<string, MethodRight>>>> = {
  'mcroute.v1.RoutingService': {
    GetCapabilities: READ,
    Apply: CHANGE,
    Replace: CHANGE,
    Modify: CHANGE,
    Confirm: CHANGE,
    Rollback: CHANGE,
    ListHistory: READ,
    List: READ,
    Watch: READ,
    ListMfc: READ,
    ListInterfaces: READ,
    ListMrules: READ,
    // Learned entries belong to nobody.
    Flush: { role: 'operator', canBeScoped: false, isOfTable: true },
    Reload: ADMINISTER,
    Stop: ADMINISTER,
  },
  'mcroute.v1.TableService': {
    CreateTable: ADMINISTER,
    DeleteTable: ADMINISTER,
    ListTables: READ,
    WatchTables: READ,
    StartTable: ADMINISTER,
    StopTable: ADMINISTER,
    RestartTable: ADMINISTER,
  },
  [GATEWAY_SERVICE]: {
    // It names who else is connected.
    GetGateway: { role: 'viewer', canBeScoped: false, isOfTable: false },
    // A line names what others have changed.
    WatchAudit: ADMINISTER,
    GetPolicy: { role: 'admin', canBeScoped: false, isOfTable: false },
    SetPolicy: { role: 'admin', canBeScoped: false, isOfTable: false },
  },
};

/** Whether everybody with an identity may call the method, whatever the policy says. */
export function isForAll(service: string, method: string): boolean {
  return service === GATEWAY_SERVICE && method === 'WhoAmI';
}

/** What the method asks for; undefined if nobody may call it. */
export function rightOf(service: string, method: string): MethodRight | undefined {
  const methods = Object.hasOwn(RIGHTS, service) ? RIGHTS[service] : undefined;
  return methods !== undefined && Object.hasOwn(methods, method) ? methods[method] : undefined;
}

/** Whether who has the role may do what asks for `needed`. */
export function includesRole(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
