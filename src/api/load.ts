// The services and messages of proto/, typed.
import { type ServiceDefinition, loadPackageDefinition } from '@grpc/grpc-js';
import { type MessageForms, definitionOf, formsOf } from './codec.js';
import { decodeListResponse } from './entry-decoder.js';
import { MESSAGES, SERVICES } from './generated/codec.js';
import type { BadRequest, BadRequest__Output } from './generated/google/rpc/BadRequest.js';
import type { ErrorInfo, ErrorInfo__Output } from './generated/google/rpc/ErrorInfo.js';
import type { Status, Status__Output } from './generated/google/rpc/Status.js';
import type { ProtoGrpcType as RoutingTypes } from './generated/routing_service.js';
import type { ProtoGrpcType as TableTypes } from './generated/table_service.js';

/** What a server is given of the agents' service. Nothing of clients is loaded for it. */
export function routingDefinition(): RoutingTypes['mcroute']['v1']['RoutingService']['service'] {
  return serviceOf('mcroute.v1.RoutingService') as RoutingTypes['mcroute']['v1']['RoutingService']['service'];
}

/** What a server is given of the supervisor's service. */
export function tableDefinition(): TableTypes['mcroute']['v1']['TableService']['service'] {
  return serviceOf('mcroute.v1.TableService') as TableTypes['mcroute']['v1']['TableService']['service'];
}

let services: (RoutingTypes & TableTypes) | undefined;

/** The services, for clients. */
export function api(): RoutingTypes & TableTypes {
  services ??= loadPackageDefinition(
    Object.fromEntries(Object.entries(SERVICES).map(([name, methods]) => [name, readingLists(definitionOf(methods))])),
  ) as unknown as RoutingTypes & TableTypes;
  return services;
}

/** The definition with decoders of its own where very many messages are read. */
function readingLists(definition: ServiceDefinition): ServiceDefinition {
  const { List } = definition;
  return List === undefined
    ? definition
    : { ...definition, List: { ...List, responseDeserialize: decodeListResponse } };
}

/** The messages of error details, which are sent as bytes in a trailer. */
export function errorMessages(): {
  readonly status: MessageForms<Status, Status__Output>;
  readonly errorInfo: MessageForms<ErrorInfo, ErrorInfo__Output>;
  readonly badRequest: MessageForms<BadRequest, BadRequest__Output>;
} {
  return {
    status: formsOf(codec('google.rpc.Status')),
    errorInfo: formsOf(codec('google.rpc.ErrorInfo')),
    badRequest: formsOf(codec('google.rpc.BadRequest')),
  };
}

function serviceOf(name: string): ServiceDefinition {
  const methods = SERVICES[name];
  if (methods === undefined) throw new Error(`bug: proto/ has no ${name}`);
  return definitionOf(methods);
}

function codec(name: string) {
  const found = MESSAGES[name];
  if (found === undefined) throw new Error(`bug: proto/ has no ${name}`);
  return found;
}
