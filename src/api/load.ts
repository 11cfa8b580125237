// The services and messages of proto/, typed.
import { loadPackageDefinition } from '@grpc/grpc-js';
import { type MessageForms, definitionOf, formsOf } from './codec.js';
import { MESSAGES, SERVICES } from './generated/codec.js';
import type { BadRequest, BadRequest__Output } from './generated/google/rpc/BadRequest.js';
import type { ErrorInfo, ErrorInfo__Output } from './generated/google/rpc/ErrorInfo.js';
import type { Status, Status__Output } from './generated/google/rpc/Status.js';
import type { ProtoGrpcType as RoutingTypes } from './generated/routing_service.js';
import type { ProtoGrpcType as TableTypes } from './generated/table_service.js';

let services: (RoutingTypes & TableTypes) | undefined;

/** The services. */
export function api(): RoutingTypes & TableTypes {
  services ??= loadPackageDefinition(
    Object.fromEntries(Object.entries(SERVICES).map(([name, methods]) => [name, definitionOf(methods)])),
  ) as unknown as RoutingTypes & TableTypes;
  return services;
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

function codec(name: string) {
  const found = MESSAGES[name];
  if (found === undefined) throw new Error(`bug: proto/ has no ${name}`);
  return found;
}
