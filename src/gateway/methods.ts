// The methods that are served, by the paths under which they are called.
import { SERVICES } from '../api/generated/codec.js';
import { GATEWAY_SERVICE, rightOf } from './rights.js';

/** The service of agents. */
export const ROUTING_SERVICE = 'mcroute.v1.RoutingService';

/** The service of the supervisor. */
export const TABLE_SERVICE = 'mcroute.v1.TableService';

/** Services that every server has; what they are asked names no table. */
const STANDARD_METHODS: Readonly<Record<string, readonly string[]>> = {
  'grpc.health.v1.Health': ['Check', 'List', 'Watch'],
  'grpc.reflection.v1.ServerReflection': ['ServerReflectionInfo'],
  'grpc.reflection.v1alpha.ServerReflection': ['ServerReflectionInfo'],
};

/** Who serves a method. */
export type Server = 'agent' | 'supervisor' | 'gateway';

export interface Method {
  readonly path: string;
  /** Such as "mcroute.v1.RoutingService". */
  readonly service: string;
  readonly name: string;
  readonly server: Server;
  /** Field 1 of its requests is a table. */
  readonly namesTable: boolean;
  /** It changes something: it is audited, and limited in rate. */
  readonly isWrite: boolean;
  /** Requests are a stream in which each message changes something. */
  readonly isSession: boolean;
}

/** What only admins may read. */
const READS_OF_ADMINS: ReadonlySet<string> = new Set(['GetPolicy', 'WatchAudit']);

/** By path, such as "/mcroute.v1.RoutingService/Apply". */
export const METHODS: ReadonlyMap<string, Method> = new Map(
  [...ownMethods(), ...standardMethods()].map((method) => [method.path, method]),
);

/** How a method is called in the audit: "RoutingService.Apply". */
export function shortName({ service, name }: Method): string {
  return `${service.slice(service.lastIndexOf('.') + 1)}.${name}`;
}

function ownMethods(): Method[] {
  return Object.entries(SERVICES).flatMap(([service, methods]) =>
    Object.entries(methods).map(([name, { path, requestStream, responseStream }]) => {
      const role = rightOf(service, name)?.role ?? 'viewer';
      return {
        path,
        service,
        name,
        server: serverOf(service),
        namesTable: true,
        isWrite: role !== 'viewer' && !(service === GATEWAY_SERVICE && READS_OF_ADMINS.has(name)),
        isSession: requestStream && responseStream,
      };
    }),
  );
}

function serverOf(service: string): Server {
  if (service === ROUTING_SERVICE) return 'agent';
  return service === TABLE_SERVICE ? 'supervisor' : 'gateway';
}

function standardMethods(): Method[] {
  return Object.entries(STANDARD_METHODS).flatMap(([service, names]) =>
    names.map((name) => ({
      path: `/${service}/${name}`,
      service,
      name,
      server: 'gateway',
      namesTable: false,
      isWrite: false,
      isSession: false,
    })),
  );
}
