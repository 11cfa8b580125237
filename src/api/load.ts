// Loads proto/ at start. One place for the options, since they decide what messages look like in JavaScript.
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { type MessageTypeDefinition, type PackageDefinition, loadSync } from '@grpc/proto-loader';
import type { BadRequest, BadRequest__Output } from './generated/google/rpc/BadRequest.js';
import type { ErrorInfo, ErrorInfo__Output } from './generated/google/rpc/ErrorInfo.js';
import type { Status, Status__Output } from './generated/google/rpc/Status.js';
import type { ProtoGrpcType as RoutingTypes } from './generated/routing_service.js';
import type { ProtoGrpcType as TableTypes } from './generated/table_service.js';

const ROOT = fileURLToPath(new URL('../../../proto', import.meta.url));

const PROTO_FILES = [
  'mcroute/v1/routing_service.proto',
  'mcroute/v1/table_service.proto',
  'mcroute/v1/error_reason.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
];

let definition: PackageDefinition | undefined;

/** All of proto/ as proto-loader has it; for the reflection service and for the messages below. */
export function packageDefinition(): PackageDefinition {
  definition ??= loadSync(PROTO_FILES, {
    includeDirs: [ROOT],
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return definition;
}

/** The services, typed. */
export function api(): RoutingTypes & TableTypes {
  return loadPackageDefinition(packageDefinition()) as unknown as RoutingTypes & TableTypes;
}

/** The messages of error details, which are sent as bytes in a trailer. */
export function errorMessages(): {
  readonly status: MessageTypeDefinition<Status, Status__Output>;
  readonly errorInfo: MessageTypeDefinition<ErrorInfo, ErrorInfo__Output>;
  readonly badRequest: MessageTypeDefinition<BadRequest, BadRequest__Output>;
} {
  const all = packageDefinition();
  return {
    status: all['google.rpc.Status'] as MessageTypeDefinition<Status, Status__Output>,
    errorInfo: all['google.rpc.ErrorInfo'] as MessageTypeDefinition<ErrorInfo, ErrorInfo__Output>,
    badRequest: all['google.rpc.BadRequest'] as MessageTypeDefinition<BadRequest, BadRequest__Output>,
  };
}
