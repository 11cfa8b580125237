// The services and messages of proto/, typed.
import { type ServiceDefinition, loadPackageDefinition } from '@grpc/grpc-js';
import { type MessageForms, definitionOf, formsOf } from './codec.js';
import { decodeListResponse } from './entry-decoder.js';
import { MESSAGES, SERVICES } from './generated/codec.js';
import type { BadRequest, BadRequest__Output } from './generated/google/rpc/BadRequest.js';
import type { ErrorInfo, ErrorInfo__Output } from './generated/google/rpc/ErrorInfo.js';
import type { Status, Status__Output } from './generated/google/rpc/Status.js';
import type { RetryInfo, RetryInfo__Output } from './generated/google/rpc/RetryInfo.js';
import type { ProtoGrpcType as GatewayTypes } from './generated/gateway_service.js';
import type { ChangeSummary, ChangeSummary__Output } from './generated/mcroute/v1/ChangeSummary.js';
import type { Scope, Scope__Output } from './generated/mcroute/v1/Scope.js';
import type { TableSelector, TableSelector__Output } from './generated/mcroute/v1/TableSelector.js';
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

/** What a server is given of the gateway's own service. */
export function gatewayDefinition(): GatewayTypes['mcroute']['v1']['GatewayService']['service'] {
  return serviceOf('mcroute.v1.GatewayService') as GatewayTypes['mcroute']['v1']['GatewayService']['service'];
}

let services: (RoutingTypes & TableTypes & GatewayTypes) | undefined;

/** The services, for clients. */
export function api(): RoutingTypes & TableTypes & GatewayTypes {
  services ??= loadPackageDefinition(
    Object.fromEntries(Object.entries(SERVICES).map(([name, methods]) => [name, readingLists(definitionOf(methods))])),
  ) as unknown as RoutingTypes & TableTypes & GatewayTypes;
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
  readonly retryInfo: MessageForms<RetryInfo, RetryInfo__Output>;
} {
  return {
    status: formsOf(codec('google.rpc.Status')),
    errorInfo: formsOf(codec('google.rpc.ErrorInfo')),
    badRequest: formsOf(codec('google.rpc.BadRequest')),
    retryInfo: formsOf(codec('google.rpc.RetryInfo')),
  };
}

/** What a gateway and an agent say to each other in metadata, and what it reads of requests. */
export function relayMessages(): {
  readonly tableSelector: MessageForms<TableSelector, TableSelector__Output>;
  readonly scope: MessageForms<Scope, Scope__Output>;
  readonly changeSummary: MessageForms<ChangeSummary, ChangeSummary__Output>;
} {
  return {
    tableSelector: formsOf(codec('mcroute.v1.TableSelector')),
    scope: formsOf(codec('mcroute.v1.Scope')),
    changeSummary: formsOf(codec('mcroute.v1.ChangeSummary')),
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
